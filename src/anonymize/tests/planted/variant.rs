//! One planted mail, and the generator of all of them.
//!
//! Rules: deterministic: what is left out of the full product is chosen by a hash of the variant, never by chance.

use super::canary::{self, Canary};
use super::charset::{Charset, Form as CharsetForm};
use super::header::{self, Field, Keep, Written};
use super::kind::Kind;
use super::spelling::{Fits, Shows, Spelling};
use super::structure::{Filled, Structure, fill};
use super::transfer::Transfer;

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
pub struct Body<'a> {
    pub pass: &'static str,
    pub world: usize,
    pub canary: &'a Canary,
    pub kind: &'static Kind,
    pub structure: &'a Structure,
    pub charset: &'static Charset,
    pub transfer: Transfer,
    pub spelling: &'static Spelling,
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
        // Where nothing says that it is quoted-printable, a sign beyond ASCII is octets that are none to anybody.
        let sign = (self.spelling.write)("a@b").is_some_and(|sign| !sign.is_ascii());
        let is_encoded = self.transfer.column() > 0;
        (token && (odd || wide || lost)) || (odd && lost) || (lost && is_encoded && (wide || sign))
    }
}

fn common(mime_version: &str) -> String {
    format!(
        "From: Visitor <visitor@third.example>\r\nTo: x@y.example\r\nDate: Sun, 22 Nov 2026 09:00:00 +0900\r\n{mime_version}"
    )
}

impl Generator<'_, '_> {
    pub(super) fn wanted(&mut self) -> bool {
        self.number += 1;
        if self.number % super::PARTS != self.part {
            return false;
        }
        self.every <= 1 || hash(&format!("{} {}", self.number, self.seed)).is_multiple_of(self.every)
    }

    pub(super) fn bare<'a>(
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

    pub(super) fn send(&mut self, variant: Variant<'_>, mime_version: &str, filled: Filled) {
        let mut mail = common(mime_version).into_bytes();
        mail.extend(filled.octets);
        (self.sink)(Variant { mail, clean: filled.clean, ..variant });
    }

    pub(super) fn body(&mut self, body: Body<'_>) {
        if !self.wanted() {
            return;
        }
        // Refused unread: one spelling tells as much as all. What is uuencoded is a file, and says nothing of its charset.
        let is_file = matches!(body.transfer, Transfer::Uuencode);
        if body.charset.form == CharsetForm::Ebcdic && (is_file || body.spelling.group != "as written") {
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

    pub(super) fn field(
        &mut self,
        field: &Field,
        scope: &(&'static str, &'static str),
        form: &header::Form,
        (canary, charset, spelling): (&Canary, &'static Charset, &'static Spelling),
    ) {
        if !form.syntax.contains(&field.syntax) || !self.wanted() || spelling.fits != Fits::Any {
            return;
        }
        // Nobody writes a header in what does not keep ASCII.
        if charset.form == CharsetForm::Ebcdic {
            return;
        }
        let Some(spelled) = (spelling.write)(&canary.value) else { return };
        // What is split, in a charset that is declared wrongly or has wide units, nobody reads.
        let odd = charset.name.contains("label")
            || matches!(charset.form, CharsetForm::Wide(..) | CharsetForm::Utf7 | CharsetForm::Utf8Mark);
        // A host with an ending behind it is another host.
        if canary.alias.is_none() && matches!(form.name, "quoted" | "not quoted") {
            return;
        }
        // Half a token is none.
        if form.name == "word and clear text" && spelling.group == "tokens" {
            return;
        }
        if odd && spelling.group != "as written" {
            return;
        }
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

    pub(super) fn place(
        &mut self,
        place: &str,
        template: &str,
        canary: &Canary,
        spelling: &'static Spelling,
    ) {
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
