//! One planted mail, and the generator of all of them.
//!
//! Rules: deterministic: what is left out of the full product is chosen by a hash of the variant, never by chance.

use super::canary::{self, Canary};
use super::charset::{CHARSETS, Charset, Form as CharsetForm};
use super::header::{self, FIELDS, FORMS, Field, Keep, PART_FIELDS, PART_SCOPES, SCOPES, Written};
use super::hidden::{FILES, PLACES};
use super::kind::{KINDS, Kind};
use super::spelling::{Fits, SPELLINGS, Shows, Spelling};
use super::structure::{Filled, Structure, fill, structures};
use super::transfer::{TRANSFERS, Transfer};

/// The claims about the text around the secret.
pub struct Text {
    pub head: Vec<u8>,
    pub tail: Vec<u8>,
    pub before: String,
    pub behind: String,
    pub charset: &'static Charset,
}

/// One planted mail.
pub struct Variant<'a> {
    pub number: usize,
    pub world: usize,
    pub canary: &'a Canary,
    /// Which pass of the generator made it: a table of the page.
    pub pass: &'static str,
    /// A row of that table.
    pub place: String,
    /// The structure or the header that the place is in.
    pub inside: String,
    /// Transfer encoding, or the form of a field.
    pub encoding: &'static str,
    pub column: usize,
    pub charset: &'static str,
    pub spelling: &'static Spelling,
    /// The fields that the mail's way left, apart, so that the control has none.
    pub trace: String,
    pub mail: Vec<u8>,
    pub clean: Vec<Vec<u8>>,
    pub text: Option<Text>,
    /// Whether the alias must be read in a header.
    pub keep: Keep,
}

/// What is done with each variant.
pub type Sink<'s> = dyn FnMut(Variant<'_>) + 's;

/// A number for anything, the same everywhere.
pub fn hash(text: &str) -> usize {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from((hash ^ hash >> 29) & 0xffff_ffff).unwrap()
}

/// Makes the variants, numbered, and skips those that are not asked for before they are built.
pub struct Generator<'s, 'f> {
    pub sink: &'s mut Sink<'f>,
    pub number: usize,
    /// One of so many is built.
    pub every: usize,
    pub seed: usize,
    /// Which of the parts this generator makes.
    pub part: usize,
}

/// Where a body stands and how it is written.
#[derive(Clone, Copy)]
struct Body<'a> {
    pass: &'static str,
    world: usize,
    canary: &'a Canary,
    kind: &'static Kind,
    structure: &'a Structure,
    charset: &'static Charset,
    transfer: Transfer,
    spelling: &'static Spelling,
}

impl Body<'_> {
    /// A token inside a text that nobody can take apart, or odd base64 where nothing says that it is base64: no program
    /// shows it, and the reader would be blind too.
    fn is_beyond_reading(&self) -> bool {
        let token = self.spelling.group == "tokens" || self.spelling.name.starts_with("undeclared");
        let wide = matches!(self.charset.form, CharsetForm::Wide(..) | CharsetForm::Utf7);
        let odd = self.transfer.column() == 3;
        let tree =
            ["behind the close", "two types", "two boundaries", "no boundary", "occurs nowhere", "in pieces"];
        let lost = tree.iter().any(|name| self.structure.name.contains(name));
        (token && (odd || wide || lost)) || (odd && lost)
    }
}

fn at_of(canary: &Canary) -> usize {
    hash(&canary.value)
}

fn common(mime_version: &str) -> String {
    format!(
        "From: Visitor <visitor@third.example>\r\nTo: x@y.example\r\nDate: Sun, 22 Nov 2026 09:00:00 +0900\r\n{mime_version}"
    )
}

impl Generator<'_, '_> {
    /// All of them.
    pub fn run(&mut self) {
        let (plain, traces) = (canary::addresses(0), canary::traces());
        let structures = structures();
        self.charsets(&plain, &structures);
        self.kinds(&plain, &structures);
        self.trees(&plain, &structures);
        self.headers(&plain);
        self.hidden(&plain);
        self.files(&plain);
        self.traces(&traces, &structures);
        for world in 1..canary::worlds().len() {
            self.world(world, &structures);
        }
    }

    fn wanted(&mut self) -> bool {
        self.number += 1;
        if self.number % super::PARTS != self.part {
            return false;
        }
        self.every <= 1 || hash(&format!("{} {}", self.number, self.seed)) % self.every == 0
    }

    /// Every charset and every spelling, in text and page.
    fn charsets(&mut self, canaries: &[Canary], structures: &[Structure]) {
        for kind in [&KINDS[0], &KINDS[8]] {
            for charset in CHARSETS {
                for spelling in SPELLINGS {
                    let at = hash(&format!("{}{}{}", kind.name, charset.name, spelling.name));
                    for i in 0..2 {
                        self.body(Body {
                            pass: "charset",
                            world: 0,
                            canary: &canaries[(at + i) % canaries.len()],
                            kind,
                            structure: &structures[[0, 4][i]],
                            charset,
                            transfer: TRANSFERS[(at + 5 * i) % TRANSFERS.len()],
                            spelling,
                        });
                    }
                }
            }
        }
    }

    /// Every kind of part with every spelling and transfer encoding.
    fn kinds(&mut self, canaries: &[Canary], structures: &[Structure]) {
        for kind in KINDS {
            for spelling in SPELLINGS {
                for i in 0..4 {
                    let at = hash(&format!("{}{}{i}", kind.name, spelling.name));
                    let charset = match i {
                        0 => &CHARSETS[0],
                        1 => &CHARSETS[3],
                        2 => &CHARSETS[7],
                        _ => &CHARSETS[at % CHARSETS.len()],
                    };
                    self.body(Body {
                        pass: "kind",
                        world: 0,
                        canary: &canaries[at % canaries.len()],
                        kind,
                        structure: &structures[at % 8],
                        charset,
                        transfer: TRANSFERS[(at + i) % TRANSFERS.len()],
                        spelling,
                    });
                }
            }
        }
    }

    /// Every tree of parts with several kinds of part.
    fn trees(&mut self, canaries: &[Canary], structures: &[Structure]) {
        for structure in structures {
            for kind in [0, 1, 8, 9, 28, 38, 44].map(|i| &KINDS[i]) {
                let many =
                    if structure.template.len() > 900 || structure.name == "hundred parts" { 12 } else { 36 };
                for i in 0..many {
                    let at = hash(&format!("{}{}{i}", structure.name, kind.name));
                    self.body(Body {
                        pass: "structure",
                        world: 0,
                        canary: &canaries[at % canaries.len()],
                        kind,
                        structure,
                        charset: &CHARSETS[[0, 3, 7, 12, 13, 19, 28][at / 7 % 7]],
                        transfer: TRANSFERS[at / 50 % TRANSFERS.len()],
                        spelling: &SPELLINGS
                            [if i % 3 == 0 { at / 600 % 5 } else { at / 600 % SPELLINGS.len() }],
                    });
                }
            }
        }
    }

    fn headers(&mut self, canaries: &[Canary]) {
        for (fields, scopes) in [(FIELDS, SCOPES), (PART_FIELDS, PART_SCOPES)] {
            for field in fields {
                for scope in scopes {
                    for form in FORMS {
                        for i in 0..9 {
                            let at = hash(&format!("{}{}{}{i}", field.name, scope.0, form.name));
                            let charset = if form.column == 0 && i % 2 == 0 {
                                &CHARSETS[0]
                            } else {
                                &CHARSETS[at / 9 % CHARSETS.len()]
                            };
                            let spelling = &SPELLINGS
                                [if i % 3 == 0 { at / 500 % 3 } else { at / 500 % SPELLINGS.len() }];
                            self.field(
                                field,
                                scope,
                                form,
                                (&canaries[at % canaries.len()], charset, spelling),
                            );
                        }
                    }
                }
            }
        }
    }

    fn hidden(&mut self, canaries: &[Canary]) {
        for (place, template) in PLACES {
            for spelling in SPELLINGS {
                for i in 0..2 {
                    let canary = &canaries[(hash(&format!("{place}{}", spelling.name)) + i) % canaries.len()];
                    self.place(place, template, canary, spelling);
                }
            }
        }
    }

    fn files(&mut self, canaries: &[Canary]) {
        for (place, media, name, make) in FILES {
            for spelling in &SPELLINGS[..3] {
                for canary in canaries {
                    for transfer in
                        [Transfer::Base64, Transfer::Base64Odd, Transfer::QuotedPrintable, Transfer::Binary]
                    {
                        if !self.wanted() {
                            continue;
                        }
                        let Some(spelled) = (spelling.write)(&canary.value) else { continue };
                        let Some(body) = transfer.encode(&make(&spelled)) else { continue };
                        let fields = format!(
                            "Content-Type: {media}; name={name}\r\n{}Content-Disposition: attachment; filename={name}\r\n\r\n",
                            transfer.field(false)
                        );
                        let leaf = [fields.as_bytes(), body.strip_suffix(b"\r\n").unwrap_or(&body)].concat();
                        let filled = structures()[3].fill(&leaf);
                        let base = Variant {
                            place: (*place).to_owned(),
                            encoding: transfer.name(),
                            column: transfer.column(),
                            ..self.bare("file", 0, canary, spelling)
                        };
                        self.send(base, "MIME-Version: 1.0\r\n", filled);
                    }
                }
            }
        }
    }

    /// Host names, IP addresses and domains of the mail's way, wherever an address could stand.
    fn traces(&mut self, canaries: &[Canary], structures: &[Structure]) {
        for canary in canaries {
            for spelling in SPELLINGS.iter().filter(|s| {
                matches!(
                    s.group,
                    "as written" | "percent" | "entities" | "wide letters" | "invisible" | "tokens"
                )
            }) {
                let at = hash(&format!("{}{}", canary.name, spelling.name));
                for (i, kind) in KINDS.iter().enumerate().filter(|(i, _)| (i + at) % 3 == 0) {
                    self.body(Body {
                        pass: "trace",
                        world: 0,
                        canary,
                        kind,
                        structure: &structures[(at + i) % structures.len()],
                        charset: &CHARSETS[[0, 0, 3, 7, 13][(at + i) % 5]],
                        transfer: TRANSFERS[(at / 7 + i) % TRANSFERS.len()],
                        spelling,
                    });
                }
            }
            for spelling in &SPELLINGS[..3] {
                for (place, template) in PLACES {
                    self.place(place, template, canary, spelling);
                }
                for (fields, scopes) in [(FIELDS, SCOPES), (PART_FIELDS, PART_SCOPES)] {
                    for (i, field) in fields.iter().enumerate() {
                        for form in FORMS {
                            self.field(
                                field,
                                &scopes[i % scopes.len()],
                                form,
                                (canary, &CHARSETS[0], spelling),
                            );
                        }
                    }
                }
            }
        }
    }

    /// Other addresses, with the spellings that only they have.
    fn world(&mut self, world: usize, structures: &[Structure]) {
        let canaries = canary::addresses(world);
        for canary in &canaries {
            for spelling in SPELLINGS {
                for charset in [0, 3, 7, 12, 27, 28].map(|i| &CHARSETS[i]) {
                    let at = hash(&format!("{}{}{}{world}", canary.value, spelling.name, charset.name));
                    for (i, kind) in
                        [0, 1, 8, 9, 28].into_iter().enumerate().filter(|(i, _)| (at + i) % 2 == 0)
                    {
                        self.body(Body {
                            pass: "address",
                            world,
                            canary,
                            kind: &KINDS[kind],
                            structure: &structures[(at + i) % 20],
                            charset,
                            transfer: TRANSFERS[(at + i) % TRANSFERS.len()],
                            spelling,
                        });
                    }
                }
            }
        }
    }

    fn bare<'a>(
        &self,
        pass: &'static str,
        world: usize,
        canary: &'a Canary,
        spelling: &'static Spelling,
    ) -> Variant<'a> {
        Variant {
            number: self.number,
            world,
            canary,
            pass,
            place: String::new(),
            inside: String::new(),
            encoding: "in clear",
            column: 0,
            charset: "UTF-8",
            spelling,
            trace: canary::trace(),
            mail: Vec::new(),
            clean: Vec::new(),
            text: None,
            keep: Keep::Gone,
        }
    }

    fn send(&mut self, variant: Variant<'_>, mime_version: &str, filled: Filled) {
        let mut mail = common(mime_version).into_bytes();
        mail.extend(filled.octets);
        (self.sink)(Variant { mail, clean: filled.clean, ..variant });
    }

    fn body(&mut self, body: Body<'_>) {
        if !self.wanted() {
            return;
        }
        let Some(spelled) = (body.spelling.write)(&body.canary.value) else { return };
        if !body.kind.takes(body.spelling, &spelled) {
            return;
        }
        let [head, before, behind, tail] = body.kind.document(body.charset);
        let encode = |text: &str| body.charset.encode(text);
        let (Some(head), Some(tail)) = (encode(&head), encode(&tail)) else { return };
        let Some(line) = encode(&format!("{before}{spelled}{behind}")) else { return };
        let mut head = [body.charset.mark(), &head].concat();
        head.extend_from_slice(body.charset.octets);
        let whole = [&head[..], &line, &tail].concat();
        let clear = body.transfer.column() == 0;
        if clear && !body.charset.extends_ascii() {
            return;
        }
        if body.is_beyond_reading() {
            return;
        }
        let Some(wire) = body.transfer.encode(&whole) else { return };
        let label = if body.charset.label.is_empty() {
            String::new()
        } else {
            format!("; charset={}", body.charset.label)
        };
        let fields = format!(
            "Content-Type: {}{label}{}\r\n{}\r\n",
            body.kind.media,
            body.kind.more.split("\r\n").next().unwrap_or_default(),
            body.transfer.field(whole.is_ascii()),
        );
        let more: String = body.kind.more.split("\r\n").skip(1).map(|field| format!("{field}\r\n")).collect();
        let leaf = [more.as_bytes(), fields.as_bytes(), wire.strip_suffix(b"\r\n").unwrap_or(&wire)].concat();
        let filled = body.structure.fill(&leaf);
        let wide = matches!(body.charset.form, CharsetForm::Wide(..));
        // What ends the tail may be the line end before a delimiter.
        let tail = if wide { tail } else { tail.trim_ascii_end().to_vec() };
        let text = Text { head, tail, before, behind, charset: body.charset };
        let base = Variant {
            place: body.kind.name.to_owned(),
            inside: body.structure.name.clone(),
            encoding: body.transfer.name(),
            column: body.transfer.column(),
            charset: body.charset.name,
            text: Some(text),
            ..self.bare(body.pass, body.world, body.canary, body.spelling)
        };
        self.send(base, body.structure.mime_version, filled);
    }

    fn field(
        &mut self,
        field: &Field,
        scope: &(&'static str, &'static str),
        form: &header::Form,
        (canary, charset, spelling): (&Canary, &'static Charset, &'static Spelling),
    ) {
        if !form.syntax.contains(&field.syntax) || !self.wanted() || spelling.fits != Fits::Any {
            return;
        }
        let Some(spelled) = (spelling.write)(&canary.value) else { return };
        let written =
            Written { charset, spelled: &spelled, before: charset.texts[0], behind: charset.texts[1] };
        let Some(octets) = field.write(form, &written) else { return };
        // What has a name of its own in a message has none where there are parts.
        if scope.1.starts_with("{LEAF}\r\nContent-Type") && field.name.starts_with("Content-") {
            return;
        }
        let right = !charset.name.contains("label") && charset.mark().is_empty() && charset.octets.is_empty();
        let keep = if spelling.shows == Shows::Alias && right { field.keep } else { Keep::Gone };
        let base = Variant {
            place: field.name.to_owned(),
            inside: scope.0.to_owned(),
            encoding: form.name,
            column: form.column,
            charset: charset.name,
            keep,
            ..self.bare(if canary.alias.is_some() { "header" } else { "trace header" }, 0, canary, spelling)
        };
        self.send(base, "MIME-Version: 1.0\r\n", fill(scope.1, &octets));
    }

    fn place(&mut self, place: &str, template: &str, canary: &Canary, spelling: &'static Spelling) {
        if !self.wanted() || matches!(spelling.fits, Fits::Markup | Fits::Lines | Fits::Folds) {
            return;
        }
        let Some(spelled) = (spelling.write)(&canary.value) else { return };
        let base = Variant {
            place: place.to_owned(),
            ..self.bare(if canary.alias.is_some() { "hidden" } else { "trace hidden" }, 0, canary, spelling)
        };
        self.send(base, "MIME-Version: 1.0\r\n", fill(template, spelled.as_bytes()));
    }
}
