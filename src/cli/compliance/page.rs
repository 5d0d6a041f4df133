//! Pages to print and sign: one HTML file that needs nothing from elsewhere.
//!
//! Rules: every text is escaped; a page has no script, no link and no picture, and prints on A4.

use crate::cli::output::Failure;
use std::path::Path;

const STYLE: &str = "body{font:11pt/1.6 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#111}\
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #888}\
table{border-collapse:collapse;width:100%;font-size:.9em}th,td{border:1px solid #999;padding:.3em .5em;\
text-align:left;vertical-align:top;overflow-wrap:anywhere}th{background:#eee}.sign td{height:3em}\
.warn{font-weight:bold}@page{size:A4;margin:18mm}@media print{h2{break-after:avoid}tr{break-inside:avoid}body{margin:0}}";

/// A page that is being written.
pub(in crate::cli) struct Page {
    text: String,
}

impl Page {
    pub fn new(title: &str) -> Self {
        let title = escape(title);
        let text = format!(
            "<!DOCTYPE html>\n<html lang=\"ja\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        );
        Self { text }
    }

    pub fn heading(&mut self, text: &str) {
        self.text.push_str(&format!("<h2>{}</h2>\n", escape(text)));
    }

    /// A paragraph; its line ends stay.
    pub fn paragraph(&mut self, text: &str) {
        self.text.push_str(&format!("<p>{}</p>\n", escape(text).replace('\n', "<br>\n")));
    }

    pub fn warning(&mut self, text: &str) {
        self.text.push_str(&format!("<p class=\"warn\">{}</p>\n", escape(text)));
    }

    pub fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
            cells
                .map(|cell| format!("<{tag}>{}</{tag}>", escape(cell).replace('\n', "<br>")))
                .collect::<String>()
        };
        self.text.push_str("<table>\n");
        if !head.is_empty() {
            self.text
                .push_str(&format!("<thead><tr>{}</tr></thead>\n", cells("th", &mut head.iter().copied())));
        }
        for row in rows {
            self.text.push_str(&format!("<tr>{}</tr>\n", cells("td", &mut row.iter().map(String::as_str))));
        }
        self.text.push_str("</table>\n");
    }

    /// Where people sign.
    pub fn signatures(&mut self, roles: &[&str]) {
        self.text.push_str(
            "<table class=\"sign\">\n<tr><th>役割</th><th>氏名</th><th>日付</th><th>署名・押印</th></tr>\n",
        );
        for role in roles {
            self.text.push_str(&format!("<tr><td>{}</td><td></td><td></td><td></td></tr>\n", escape(role)));
        }
        self.text.push_str("</table>\n");
    }

    /// Writes it to a new file that nobody else may read.
    pub fn write(self, path: &Path) -> Result<(), Failure> {
        super::residency::write_new(path, &self.end(), 0o600)
    }

    /// The whole of it.
    pub fn end(self) -> String {
        format!("{}</body>\n</html>\n", self.text)
    }
}

/// A time in Japan, for people.
pub(in crate::cli) fn time(at: crate::mail::Timestamp) -> String {
    const JAPAN_MS: i64 = 9 * 3_600_000;
    let text = crate::mail::Timestamp::from_millis(at.as_millis().saturating_add(JAPAN_MS)).to_rfc3339();
    let (day, rest) = text.split_at_checked(10).unwrap_or((&text, ""));
    format!("{day} {} JST", rest.get(1..6).unwrap_or_default())
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() && c != '\n' => escaped.push('\u{fffd}'),
            // Marks that turn the direction of text would let a line say something else than it reads.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let mut page = Page::new("<script>");
        page.heading("<h1>");
        page.paragraph("a\n<b onclick='x'>\u{202e}\u{7}");
        page.table(&["<i>"], &[vec!["\"&\"".to_owned()]]);
        page.signatures(&["<u>"]);
        for word in ["<script", "<b ", "<i>", "<u>", "\u{202e}", "\u{7}", "'x'"] {
            assert!(!page.text.contains(word), "{word}: {}", page.text);
        }
        assert!(page.text.contains("&quot;&amp;&quot;"));
    }

    #[test]
    fn times_are_those_of_japan() {
        let at = crate::mail::Timestamp::parse_rfc3339("2026-11-26T15:30:00Z").unwrap();
        assert_eq!(time(at), "2026-11-27 00:30 JST");
    }
}
