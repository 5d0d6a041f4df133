//! `docs/places.md`: what happens to a secret in each place, written from what the corpus showed.
//!
//! Rules: a cell names every outcome that a variant in it had. What a message is stopped for is listed at the end, in
//! the words its sender gets.

use super::claim::Outcome;
use super::variant::Variant;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One table of the page.
struct Table {
    title: &'static str,
    text: &'static str,
    row: &'static str,
    columns: &'static [&'static str],
}

const TABLES: [Table; 8] = [
    Table {
        title: "Texts, by transfer encoding",
        text: "A secret in the text of a part, written plainly, in any case, percent-encoded, in entities or in full-width letters. \
               Odd are stray octets in base64, padding in its middle, and uuencode.",
        row: "place",
        columns: &["7bit, 8bit, binary", "quoted-printable", "base64", "odd"],
    },
    Table {
        title: "Charsets",
        text: "The same, by charset and how it is declared.",
        row: "charset",
        columns: &["text/plain", "text/html"],
    },
    Table {
        title: "Spellings",
        text: "Every way to write the secret, in charsets that are declared rightly.",
        row: "spelling",
        columns: &["text", "page or data", "calendar, card", "header field"],
    },
    Table {
        title: "Structures",
        text: "The tree of parts around the text.",
        row: "structure",
        columns: &["outcome"],
    },
    Table {
        title: "Header fields",
        text: "In clear, in encoded words (also cut in the middle of the secret, of a character, of a group of base64), in parameters in \
               pieces.",
        row: "field",
        columns: &["in clear", "encoded words", "in pieces"],
    },
    Table {
        title: "Places that are no part",
        text: "What no program shows, reports, signatures, keys.",
        row: "place",
        columns: &["outcome"],
    },
    Table {
        title: "Files",
        text: "Files that are no text. What is in an archive or a document is searched for the addresses, not for hosts and IP addresses of the mail's way.",
        row: "place",
        columns: &["outcome"],
    },
    Table {
        title: "The way of the mail",
        text: "What Received, Message-ID, signatures and the connection say of the sender, when it stands elsewhere in the mail.",
        row: "secret",
        columns: &["text", "header field", "elsewhere"],
    },
];

type Row = BTreeMap<usize, BTreeMap<Outcome, usize>>;

/// The tables while they are filled.
#[derive(Default)]
pub struct Page {
    /// By table; rows in the order in which they came.
    rows: [Vec<(String, Row)>; TABLES.len()],
    reasons: BTreeMap<String, String>,
}

impl Page {
    /// Notes what became of a variant, and in which words it was refused.
    pub fn note(&mut self, variant: &Variant<'_>, outcome: &Outcome) {
        let core = matches!(variant.spelling.group, "as written" | "percent" | "entities" | "wide letters");
        let right = !variant.charset.contains("label");
        let is_text = variant.text.is_some();
        if variant.pass == "kind" && core && right {
            self.add(0, &variant.place, variant.column, outcome);
        }
        if variant.pass == "charset" && core {
            self.add(1, variant.charset, usize::from(variant.place != "text/plain"), outcome);
        }
        let column = match variant.pass {
            "kind" if variant.place.starts_with("calendar") || variant.place.starts_with("card") => Some(2),
            "kind" => Some(usize::from(
                !variant.place.starts_with("text/") && !variant.place.starts_with("attribution"),
            )),
            "header" => Some(3),
            _ => None,
        };
        if let Some(column) = column
            && right
        {
            self.add(2, &format!("{}: {}", variant.spelling.group, variant.spelling.name), column, outcome);
        }
        match variant.pass {
            "structure" if core && right => self.add(3, &variant.inside, 0, outcome),
            "header" if core && right => self.add(4, &variant.place, variant.column, outcome),
            "hidden" if core => self.add(5, &variant.place, 0, outcome),
            "file" => self.add(6, &variant.place, 0, outcome),
            pass if pass.starts_with("trace") && core && right => {
                let column = if is_text { 0 } else { 2 - usize::from(pass.ends_with("header")) };
                self.add(7, variant.canary.name, column, outcome);
            }
            _ => {}
        }
    }

    fn add(&mut self, table: usize, row: &str, column: usize, outcome: &Outcome) {
        if let Outcome::Refused(reason, text) = outcome {
            self.reasons.insert(reason.clone(), text.clone());
        }
        let rows = &mut self.rows[table];
        let at = rows.iter().position(|(name, _)| name == row).unwrap_or_else(|| {
            rows.push((row.to_owned(), Row::new()));
            rows.len() - 1
        });
        *rows[at].1.entry(column).or_default().entry(outcome.clone()).or_default() += 1;
    }

    /// The page.
    pub fn text(&self) -> String {
        let mut out = String::from(
            "# What happens to a secret, by place\n\n\
             Generated by the planted corpus (`src/anonymize/tests/planted`), which fails when this page differs from what it sees;\n\
             `ANSHIN_BLESS=1 cargo test planted` in `tests/fuzz` writes it anew. The secrets are the real addresses of both sides and,\n\
             in the last table, what the way of a mail says of its sender.\n\n\
             *replaced*: the alias stands in its place, the text around it and all other parts as they were. *removed*: it is gone with\n\
             the field or place it stood in. *held*: the mail waits for a decision. *refused*: the sender is told why, in the words at\n\
             the end of this page. Where a cell has several outcomes, they depend on the spelling or form.\n",
        );
        for (table, rows) in TABLES.iter().zip(&self.rows) {
            writeln!(out, "\n## {}\n\n{}\n", table.title, table.text).unwrap();
            writeln!(out, "| {} | {} |", table.row, table.columns.join(" | ")).unwrap();
            writeln!(out, "|---|{}", "---|".repeat(table.columns.len())).unwrap();
            for (name, row) in rows {
                let cells: Vec<String> =
                    (0..table.columns.len()).map(|column| cell(row.get(&column))).collect();
                writeln!(out, "| {} | {} |", name.replace('|', "\\|"), cells.join(" | ")).unwrap();
            }
        }
        out.push_str("\n## Reasons\n\n| reason | what the sender reads |\n|---|---|\n");
        for (reason, text) in &self.reasons {
            writeln!(out, "| {reason} | {text} |").unwrap();
        }
        out
    }
}

fn cell(outcomes: Option<&BTreeMap<Outcome, usize>>) -> String {
    let Some(outcomes) = outcomes else { return String::new() };
    let mut all: Vec<String> = outcomes
        .keys()
        .map(|outcome| match outcome {
            Outcome::Replaced => "replaced".to_owned(),
            Outcome::Removed => "removed".to_owned(),
            Outcome::Refused(reason, _) => format!("refused: {reason}"),
            Outcome::Held(why) => format!("held: {why}"),
            Outcome::Fails => "**fails**".to_owned(),
        })
        .collect();
    all.dedup();
    all.join("; ")
}
