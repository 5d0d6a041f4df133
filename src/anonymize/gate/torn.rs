//! Lines that a reader joins before he reads what stands at their ends: for the gate alone, apart from the rewriter's reading.
//!
//! Rules: calendars and cards are folded between any two octets, flowed texts and links lose their line ends, quoted texts
//! have marks before their lines. Where a line ends within what may be an escape, a view has none of these line ends. Runs
//! of digits of base64 that reach a line's end are read on into the next one. Both are given away in pieces of bounded
//! length that overlap.
//! When it fails: never.

/// How much text is given away around a line end, in octets.
const AROUND: usize = 4096;
/// Longest piece.
const PIECE: usize = 1 << 16;
/// Longest beginning of an escape.
const MAX_BEGUN: usize = 12;
/// Most blanks and marks at the beginning of a line.
const MAX_LEAD: usize = 80;

/// Where the text of a line ends whose line end is at `at`: without its CR and one blank.
fn text_end(text: &[u8], at: usize) -> usize {
    let one = |end: usize, b: u8| end.checked_sub(1).filter(|i| text.get(*i) == Some(&b)).unwrap_or(end);
    one(one(at, b'\r'), b' ')
}

/// Where the text of the next line begins.
fn text_start(text: &[u8], at: usize) -> usize {
    let from = at + 1;
    let lead = text.get(from..(from + MAX_LEAD).min(text.len())).unwrap_or_default();
    from + lead.iter().position(|b| !b" \t>|".contains(b)).unwrap_or(lead.len())
}

/// Whether what stands before `end` may be the beginning of an escape that goes on with what stands at `next`.
fn is_begun(text: &[u8], end: usize, next: usize) -> bool {
    let Some(next) = text.get(next).filter(|b| b.is_ascii_graphic()) else { return false };
    let near = text.get(end.saturating_sub(MAX_BEGUN)..end).unwrap_or_default();
    for (length, b) in near.iter().rev().enumerate() {
        match b {
            b'=' => return length < 2 && next.is_ascii_hexdigit(),
            b'^' => return length == 0,
            b'%' | b'&' | b'\\' => return true,
            b'#' | b'{' | b'\'' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {}
            _ => return false,
        }
    }
    false
}

/// Gives `each` the text around all line ends within what may be an escape, without them.
pub fn around_escapes(text: &[u8], mut each: impl FnMut(&[u8])) {
    let mut view: Vec<u8> = Vec::new();
    // How far the text has been taken into the view.
    let mut taken = 0;
    for at in memchr::memchr_iter(b'\n', text) {
        let (end, start) = (text_end(text, at), text_start(text, at));
        if end < taken || !is_begun(text, end, start) {
            continue;
        }
        if view.is_empty() || end > taken + AROUND {
            if !view.is_empty() {
                let rest = (taken + AROUND).min(text.len());
                view.extend_from_slice(text.get(taken..rest).unwrap_or_default());
                each(&view);
                view.clear();
            }
            let near = text.get(end.saturating_sub(AROUND)..end).unwrap_or_default();
            // No word is cut, where there is a place between words.
            let is_first = near.len() < AROUND;
            let between = near.iter().position(u8::is_ascii_whitespace).map_or(0, |i| i + 1);
            view.extend_from_slice(near.get(if is_first { 0 } else { between }..).unwrap_or_default());
        } else {
            view.extend_from_slice(text.get(taken..end).unwrap_or_default());
        }
        taken = start;
        if view.len() > PIECE {
            each(&view);
            view.drain(..view.len() - 2 * AROUND);
        }
    }
    if !view.is_empty() {
        let rest = (taken + AROUND).min(text.len());
        view.extend_from_slice(text.get(taken..rest).unwrap_or_default());
        each(&view);
    }
}

/// Gives `each` the runs of digits of at least `least` octets that go on over a line end.
pub fn runs(text: &[u8], is_digit: fn(u8) -> bool, least: usize, mut each: impl FnMut(&[u8])) {
    let mut run: Vec<u8> = Vec::new();
    // Where the run goes on that a line before has begun.
    let mut goes_on = None;
    // At sign or no at sign, capital letters and digits are in every address in base64.
    let mut give = |run: &mut Vec<u8>| {
        if run.len() >= least && run.iter().any(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
            each(run);
        }
        run.clear();
    };
    for at in memchr::memchr_iter(b'\n', text) {
        let end = text_end(text, at);
        if let Some(start) = goes_on {
            let line = text.get(start..end.max(start)).unwrap_or_default();
            let length = line.iter().take_while(|b| is_digit(**b)).count();
            run.extend_from_slice(line.get(..length).unwrap_or_default());
            if length == line.len() && length > 0 {
                goes_on = Some(text_start(text, at));
                if run.len() > PIECE {
                    let kept = run.get(run.len() - 2 * AROUND..).unwrap_or_default().to_vec();
                    give(&mut run);
                    run = kept;
                }
                continue;
            }
            give(&mut run);
        }
        let before = text.get(..end).unwrap_or_default();
        let length = before.iter().rev().take(PIECE).take_while(|b| is_digit(**b)).count();
        run.extend_from_slice(before.get(end - length..).unwrap_or_default());
        goes_on = (length > 0).then(|| text_start(text, at));
    }
    if let Some(start) = goes_on {
        let line = text.get(start..).unwrap_or_default();
        let length = line.iter().take(PIECE).take_while(|b| is_digit(**b)).count();
        run.extend_from_slice(line.get(..length).unwrap_or_default());
        give(&mut run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_whole_around_the_line_ends_that_are_taken_out() {
        let view = |text: &str| {
            let mut all = Vec::new();
            around_escapes(text.as_bytes(), |piece| all.extend_from_slice(piece));
            String::from_utf8(all).unwrap()
        };
        assert_eq!(view("x\r\na%4\r\n 0b\r\nc&#6\r\n 4;d\\\r\n ne"), "x\r\na%40b\r\nc&#64;d\\ne");
        assert_eq!(view("> a%4 \r\n> 0b"), "> a%40b");
        assert_eq!(view("x\r\ny & z\r\n==\r\n"), "");
        let far = format!("a%4\r\n 0{}b%4\r\n 0", "x ".repeat(10_000));
        assert_eq!(view(&far).matches("%40").count(), 2);
    }

    #[test]
    fn runs_are_read_over_lines_that_they_fill() {
        let read = |text: &str, least| {
            let mut all = Vec::new();
            let is_digit = |b: u8| b.is_ascii_alphanumeric();
            runs(text.as_bytes(), is_digit, least, |run| all.push(String::from_utf8(run.to_vec()).unwrap()));
            all
        };
        assert_eq!(read("x QUJD\r\n> REVG\r\n> R0 x QQ\r\n", 4), ["QUJDREVGR0"]);
        assert_eq!(read("=QU\r\n JD", 4), ["QUJD"]);
        assert!(read("word\r\nword", 4).is_empty() && read("QU\r\nJD", 5).is_empty());
        let long = "QUJD\r\n ".repeat(40_000);
        assert!(read(&long, 4).len() > 1);
    }
}
