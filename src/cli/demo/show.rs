//! Showing: what was sent beside what arrived, the checks, and single mails.
//!
//! Rules: two columns from 100 columns of terminal on, one below the other otherwise. A line that changed has `*` between
//! its halves, one that is gone `-`, a new one `+`, so nothing depends on colour. Colour is for terminals alone and
//! `NO_COLOR` turns it off.
//! When it fails: never.

use super::checks::Check;
use super::exchange::Exchange;
use super::mailbox::Arrival;
use super::reading::Reading;
use super::width::{harmless, width, wrap};
use std::fmt::Write as _;
use std::io::IsTerminal;

/// From this many columns on the halves stand side by side.
const SIDE_BY_SIDE: usize = 100;
/// Columns taken where nobody says how many there are, and the most that are used.
const DEFAULT_COLUMNS: usize = 120;
const MAX_COLUMNS: usize = 180;
/// Columns of the names of header fields.
const NAMES: usize = 14;
/// Most lines of a header field.
const FIELD_LINES: usize = 3;
/// Quoted lines in a row that are shown where nothing changed in them.
const QUOTED_LINES: usize = 3;
/// Most lines of a text that somebody sent while playing on.
const TEXT_LINES: usize = 60;

/// Header fields in the order in which they are shown; others of the mail as sent come behind.
const FIELDS: [&str; 8] =
    ["From", "Reply-To", "To", "Subject", "Message-ID", "In-Reply-To", "References", "Date"];
/// Fields of the way and the form, which differ by nature.
const UNSHOWN: [&str; 4] =
    ["MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition"];

/// How things are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Show {
    pub columns: usize,
    pub colour: bool,
}

/// One row: a name, and what stood there before and after.
struct Row {
    name: String,
    left: Option<String>,
    right: Option<String>,
}

impl Row {
    /// An empty text is none.
    fn of(name: &str, left: &str, right: &str) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self { name: name.to_owned(), left: some(left), right: some(right) }
    }
}

#[derive(Clone, Copy)]
enum Ink {
    Bold,
    Dim,
    Red,
    Green,
}

impl Show {
    /// As fits this process's standard output and environment.
    pub fn for_standard_output() -> Self {
        let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).filter(|c| *c > 0);
        let is_empty = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            columns: columns.unwrap_or(DEFAULT_COLUMNS).clamp(40, MAX_COLUMNS),
            colour: std::io::stdout().is_terminal() && is_empty("NO_COLOR") && !dumb,
        }
    }

    /// A heading.
    pub fn heading(&self, text: &str) -> String {
        format!("{}\n", self.ink(Ink::Bold, &format!("== {text} ==")))
    }

    /// One exchange, before and after.
    pub fn exchange(&self, number: usize, exchange: &Exchange) -> String {
        let arrival = &exchange.arrival;
        let mut out = self.heading(&format!("Mail {number}: {}", exchange.title));
        let left = format!("sent by the {} ({})", exchange.from.role, exchange.way);
        let tls = arrival.tls.as_deref().unwrap_or("in clear");
        let right = format!("arrived at the {} ({}, {tls})", exchange.to.role, arrival.server);
        let (Some(sent), Some(arrived)) = (Reading::of(&exchange.octets), Reading::of(&arrival.octets))
        else {
            return out + "It can't be read.\n";
        };
        let mut rows = vec![
            Row { name: String::new(), left: Some(left), right: Some(right) },
            Row::of("MAIL FROM", &format!("<{}>", exchange.mail_from), &format!("<{}>", arrival.mail_from)),
            Row::of(
                "RCPT TO",
                &format!("<{}>", exchange.rcpt_to),
                &format!("<{}>", arrival.rcpt_to.join("> <")),
            ),
        ];
        rows.extend(FIELDS.iter().map(|name| Row::of(name, sent.header(name), arrived.header(name))));
        for name in other_fields(&sent, &arrived) {
            let all = |reading: &Reading| reading.all(&name).collect::<Vec<_>>().join(" // ");
            rows.push(Row::of(&name, &all(&sent), &all(&arrived)));
        }
        for (sent, arrived) in
            sent.texts.iter().zip(&arrived.texts).filter(|(text, _)| text.subtype == "plain")
        {
            rows.push(Row::of("", " ", " "));
            rows.push(Row::of("text", &sent.charset, &arrived.charset));
            for (left, right) in shown_lines(&sent.content, &arrived.content) {
                rows.push(Row { name: String::new(), left, right });
            }
        }
        let describe = |reading: &Reading| {
            let html = reading.texts.iter().filter(|text| text.subtype != "plain");
            let html = html.map(|t| {
                format!("text/{} {}, {} characters", t.subtype, t.charset, t.content.chars().count())
            });
            let files = reading.attachments.iter();
            let files = files.map(|f| format!("{} ({}, {} octets)", f.name, f.media_type, f.octets.len()));
            html.chain(files).collect::<Vec<_>>().join("; ")
        };
        rows.push(Row::of("also", &describe(&sent), &describe(&arrived)));
        out += &self.rows(&rows);
        let _ = writeln!(
            out,
            "\nThe relay said to the {}: {}\n",
            exchange.from.role,
            harmless(&exchange.answer.to_string())
        );
        out
    }

    fn rows(&self, rows: &[Row]) -> String {
        let rows = rows.iter().filter(|row| row.left.is_some() || row.right.is_some());
        if self.columns < SIDE_BY_SIDE { self.stacked(rows) } else { self.beside(rows) }
    }

    fn beside<'a>(&self, rows: impl Iterator<Item = &'a Row>) -> String {
        let half = (self.columns - NAMES - 5) / 2;
        let mut out = String::new();
        for (number, row) in rows.enumerate() {
            let (mark, inks) = if number == 0 { (' ', [Some(Ink::Bold); 2]) } else { compare(row) };
            let cell = |text: &Option<String>| cut(text.as_deref().unwrap_or_default(), half, row);
            let (left, right) = (cell(&row.left), cell(&row.right));
            for i in 0..left.len().max(right.len()) {
                let name = if i == 0 { fit(&row.name, NAMES) } else { " ".repeat(NAMES) };
                let mark = if i == 0 { mark } else { ' ' };
                let text = |cell: &[String]| cell.get(i).map(String::as_str).unwrap_or_default().to_owned();
                let (left, right) = (text(&left), text(&right));
                let pad = " ".repeat(half.saturating_sub(width(&left)));
                let [left_ink, right_ink] = inks;
                let line = format!(
                    "{} {}{pad} {mark} {}",
                    self.ink(Ink::Dim, &name),
                    self.maybe(left_ink, &left),
                    self.maybe(right_ink, &right)
                );
                let _ = writeln!(out, "{}", line.trim_end());
            }
        }
        out
    }

    /// First all that was sent, then all that arrived.
    fn stacked<'a>(&self, rows: impl Iterator<Item = &'a Row>) -> String {
        let rows: Vec<&Row> = rows.collect();
        let room = self.columns.saturating_sub(NAMES + 3).max(20);
        let mut out = String::new();
        for is_left in [true, false] {
            for (number, row) in rows.iter().enumerate() {
                let (mark, [left_ink, right_ink]) = compare(row);
                let (text, ink) = if is_left { (&row.left, left_ink) } else { (&row.right, right_ink) };
                let Some(text) = text else { continue };
                if number == 0 {
                    let _ = writeln!(out, "{}", self.ink(Ink::Bold, &harmless(text)));
                    continue;
                }
                for (i, line) in cut(text, room, row).iter().enumerate() {
                    let name = if i == 0 { fit(&row.name, NAMES) } else { " ".repeat(NAMES) };
                    let mark = if i == 0 { mark } else { ' ' };
                    let line = format!("{} {mark} {}", self.ink(Ink::Dim, &name), self.maybe(ink, line));
                    let _ = writeln!(out, "{}", line.trim_end());
                }
            }
            out.push('\n');
        }
        out.trim_end().to_owned() + "\n"
    }

    /// The checks, one a line, their evidence below.
    pub fn checks(&self, checks: &[Check]) -> String {
        let mut out = self.heading("Checks");
        for check in checks {
            let verdict =
                if check.ok { self.ink(Ink::Green, "ok    ") } else { self.ink(Ink::Red, "FAILED") };
            let _ = writeln!(out, "{verdict} {}", check.name);
            for line in wrap(&harmless(&check.evidence), self.columns.saturating_sub(9)) {
                let _ = writeln!(out, "         {}", self.ink(Ink::Dim, &line));
            }
        }
        let failed = checks.iter().filter(|check| !check.ok).count();
        let sum = match failed {
            0 => format!("All {} checks hold.", checks.len()),
            failed => format!("{failed} of {} checks FAILED.", checks.len()),
        };
        let _ = writeln!(out, "\n{}", self.ink(if failed == 0 { Ink::Green } else { Ink::Red }, &sum));
        out
    }

    /// A mail that arrived while somebody plays on.
    pub fn arrival(&self, arrival: &Arrival) -> String {
        let tls = arrival.tls.as_deref().unwrap_or("in clear");
        let mut out = self.heading(&format!("Arrived at the {} ({}, {tls})", arrival.role, arrival.server));
        let Some(reading) = Reading::of(&arrival.octets) else { return out + "It can't be read.\n" };
        let mut field = |name: &str, value: &str| {
            let value = harmless(value);
            for (i, line) in
                wrap(&value, self.columns.saturating_sub(NAMES + 1)).iter().take(FIELD_LINES).enumerate()
            {
                let name = if i == 0 { fit(name, NAMES) } else { " ".repeat(NAMES) };
                let _ = writeln!(out, "{} {line}", self.ink(Ink::Dim, &name));
            }
        };
        field("MAIL FROM", &format!("<{}>", arrival.mail_from));
        field("RCPT TO", &format!("<{}>", arrival.rcpt_to.join("> <")));
        for name in FIELDS.iter().filter(|name| !reading.header(name).is_empty()) {
            field(name, reading.header(name));
        }
        for file in &reading.attachments {
            field("file", &format!("{} ({}, {} octets)", file.name, file.media_type, file.octets.len()));
        }
        out.push('\n');
        let mut shown = reading.main_text().lines().flat_map(|line| wrap(&harmless(line), self.columns));
        for line in shown.by_ref().take(TEXT_LINES) {
            let _ = writeln!(out, "{line}");
        }
        if shown.next().is_some() {
            out.push_str("[and more]\n");
        }
        out
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Red => "31",
            Ink::Green => "32",
        };
        if self.colour && !text.trim().is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn maybe(&self, ink: Option<Ink>, text: &str) -> String {
        ink.map_or_else(|| text.to_owned(), |ink| self.ink(ink, text))
    }
}

/// Fields that either mail has and that are not shown by name, in order.
fn other_fields(sent: &Reading, arrived: &Reading) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in sent.headers.iter().chain(&arrived.headers) {
        let known = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
        if !known(&FIELDS) && !known(&UNSHOWN) && !names.iter().any(|seen| seen.eq_ignore_ascii_case(name)) {
            names.push(name.clone());
        }
    }
    names
}

/// Lines of two texts, paired in order. The relay adds and removes no lines; where it did, all after it would differ.
/// Of many quoted lines that did not change the first few stand for all.
fn shown_lines(left: &str, right: &str) -> Vec<(Option<String>, Option<String>)> {
    let mut shown = Vec::new();
    let mut unchanged = Vec::new();
    let close = |unchanged: &mut Vec<_>, shown: &mut Vec<_>| {
        let more = unchanged.len().saturating_sub(QUOTED_LINES);
        // One line that says that one line is left out would save nothing.
        let kept = if more > 1 { QUOTED_LINES } else { unchanged.len() };
        shown.extend(unchanged.drain(..).take(kept));
        if more > 1 {
            let note = Some(format!("[{more} more quoted lines, unchanged]"));
            shown.push((note.clone(), note));
        }
    };
    for (left, right) in lines(left, right) {
        if left == right && left.as_ref().is_some_and(|line| line.starts_with('>')) {
            unchanged.push((left, right));
        } else {
            close(&mut unchanged, &mut shown);
            shown.push((left, right));
        }
    }
    close(&mut unchanged, &mut shown);
    shown
}

fn lines(left: &str, right: &str) -> Vec<(Option<String>, Option<String>)> {
    let (mut left, mut right) = (left.lines(), right.lines());
    let mut pairs = Vec::new();
    loop {
        match (left.next(), right.next()) {
            (None, None) => return pairs,
            (left, right) => pairs.push((left.map(str::to_owned), right.map(str::to_owned))),
        }
    }
}

fn compare(row: &Row) -> (char, [Option<Ink>; 2]) {
    match (&row.left, &row.right) {
        (Some(left), Some(right)) if left == right => (' ', [None, None]),
        (Some(_), Some(_)) => ('*', [Some(Ink::Red), Some(Ink::Green)]),
        (Some(_), None) => ('-', [Some(Ink::Red), None]),
        (None, _) => ('+', [None, Some(Ink::Green)]),
    }
}

/// The lines of a cell: all of a text, the first few of a header field.
fn cut(text: &str, room: usize, row: &Row) -> Vec<String> {
    let mut lines = wrap(&harmless(text), room);
    if !row.name.is_empty() && lines.len() > FIELD_LINES {
        lines.truncate(FIELD_LINES);
        if let Some(last) = lines.last_mut() {
            while width(last) + 3 > room {
                last.pop();
            }
            last.push_str("...");
        }
    }
    lines
}

/// A name in so many columns.
fn fit(name: &str, columns: usize) -> String {
    let name: String = harmless(name).chars().take(columns).collect();
    format!("{name:<columns$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        vec![
            Row::of("", "sent", "arrived"),
            Row::of("From", "info@hanaya.example", "a0@shop.anshin.example"),
            Row::of("Subject", "花", "花"),
            Row::of("X-Mailer", "POS", ""),
            Row::of("Received", "", "by relay"),
        ]
    }

    #[test]
    fn a_difference_is_marked_between_the_columns() {
        let shown = Show { columns: 100, colour: false }.rows(&rows());
        let lines: Vec<String> =
            shown.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "sent arrived",
                "From info@hanaya.example * a0@shop.anshin.example",
                "Subject 花 花",
                "X-Mailer POS -",
                "Received + by relay"
            ]
        );
        let column = |line: &str, what: &str| width(&line[..line.find(what).unwrap()]);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(column(lines[1], "a0@"), column(lines[4], "by relay"));
        let second = lines[2].rfind('花').unwrap();
        assert_eq!(width(&lines[2][..second]), column(lines[1], "a0@"));
    }

    #[test]
    fn quoted_lines_are_left_out_only_where_nothing_changed() {
        let left = "a\n> 1\n> 2\n> 3\n> 4\n> 5\n> x\n> 6\n> 7\n> 8\n> 9";
        let shown = shown_lines(left, &left.replace('x', "y"));
        let shown: Vec<&str> = shown.iter().map(|(_, right)| right.as_deref().unwrap()).collect();
        let note = "[2 more quoted lines, unchanged]";
        assert_eq!(shown, ["a", "> 1", "> 2", "> 3", note, "> y", "> 6", "> 7", "> 8", "> 9"]);
    }

    #[test]
    fn a_narrow_terminal_gets_one_column() {
        let shown = Show { columns: 60, colour: false }.rows(&rows());
        let (sent, arrived) = shown.split_once("\n\n").unwrap();
        assert!(sent.contains("info@hanaya.example") && !sent.contains("shop.anshin"));
        assert!(arrived.contains("shop.anshin") && !arrived.contains("POS"));
        assert!(shown.lines().all(|line| width(line) <= 60));
    }

    #[test]
    fn colour_is_an_addition_only() {
        let plain = Show { columns: 120, colour: false }.rows(&rows());
        let mut coloured = Show { columns: 120, colour: true }.rows(&rows());
        assert!(coloured.contains("\u{1b}[31m"));
        for code in ["0", "1", "2", "31", "32"] {
            coloured = coloured.replace(&format!("\u{1b}[{code}m"), "");
        }
        let trimmed = |text: &str| text.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(trimmed(&coloured), trimmed(&plain));
    }
}
