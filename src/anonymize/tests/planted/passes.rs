//! The passes of the generator: which combinations are made.
//!
//! Rules: each pass takes one side whole (charsets, kinds, trees, fields, hidden places) and samples the others.

use super::canary::{self, Canary};
use super::charset::CHARSETS;
use super::header::{FIELDS, FORMS, PART_FIELDS, PART_SCOPES, SCOPES};
use super::hidden::{FILES, PLACES};
use super::kind::KINDS;
use super::spelling::SPELLINGS;
use super::structure::{Structure, structures};
use super::transfer::{TRANSFERS, Transfer};
use super::variant::{Body, Generator, Variant, hash};

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

    /// Host names, IP addresses and domains of the mail's way, wherever an address could stand. In tokens of links they are
    /// content, like links.
    fn traces(&mut self, canaries: &[Canary], structures: &[Structure]) {
        for canary in canaries {
            for spelling in SPELLINGS.iter().filter(|s| {
                matches!(s.group, "as written" | "percent" | "entities" | "wide letters" | "invisible")
            }) {
                let at = hash(&format!("{}{}", canary.name, spelling.name));
                for (i, kind) in KINDS.iter().enumerate().filter(|(i, _)| (i + at).is_multiple_of(3)) {
                    // A domain in the query of a link is its writer's content, as in the rest of it.
                    if kind.name == "html: query of a link" && canary.value.matches('.').count() == 1 {
                        continue;
                    }
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
                // Behind `x-` a host is another host.
                for (place, template) in PLACES.iter().filter(|(place, _)| *place != "media subtype") {
                    self.place(place, template, canary, spelling);
                }
                for (fields, scopes) in [(FIELDS, SCOPES), (PART_FIELDS, PART_SCOPES)] {
                    for (i, field) in fields.iter().enumerate() {
                        // A third of the forms each time.
                        for form in FORMS.iter().skip((hash(&canary.value) + i) % 3).step_by(3) {
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
                        [0, 1, 8, 9, 28].into_iter().enumerate().filter(|(i, _)| (at + i).is_multiple_of(2))
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
}
