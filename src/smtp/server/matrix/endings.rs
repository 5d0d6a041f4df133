//! What ends a message, and what only looks as if it did (CVE-2023-51764, -51765, -51766): every string of CR, LF, NUL,
//! dot and an octet above 127 up to a length, between two lines of a message, over every border of packets.

use super::super::tests::{TestSession, send, session};
use super::super::{Event, Service};

/// Longest string.
const LONGEST: usize = 5;
const ALPHABET: [u8; 5] = [b'\r', b'\n', 0, b'.', 0xe3];
/// What a smuggler would have obeyed.
const EVIL: &[u8] = b"MAIL FROM:<evil@x.example>\r\n";

/// What became of a message and what stood behind it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The message as the driver got it, or the code with which it was refused.
    pub(super) message: Result<Vec<u8>, u16>,
    /// Whether what came behind the trick was obeyed as a command.
    pub(super) is_smuggled: bool,
}

/// All strings of the alphabet of 1 to `longest` octets.
fn strings(longest: usize) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..longest {
        let last = all[from..].to_vec();
        from = all.len();
        for string in last {
            all.extend(ALPHABET.map(|octet| [string.as_slice(), &[octet]].concat()));
        }
    }
    all.split_off(1)
}

fn ready() -> TestSession {
    let mut session = session(Service::Mx);
    send(&mut session, b"EHLO x\r\n");
    send(&mut session, b"MAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\n");
    session
}

/// Sends these pieces, says yes to everything; the messages and all codes.
fn collect(session: &mut TestSession, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<u16>) {
    let (mut messages, mut said) = (Vec::new(), Vec::new());
    for piece in pieces {
        said.extend(session.take_output());
        session.receive(piece);
        while let Some(event) = session.next_event() {
            match event {
                Event::Mail(_) => session.answer_mail(Ok(1)),
                Event::Rcpt(_) => session.answer_rcpt(Ok(1)),
                Event::Message { bytes, .. } => {
                    messages.push(bytes);
                    session.answer_message(Ok("Q"));
                }
                _ => {}
            }
        }
    }
    said.extend(session.take_output());
    let said = String::from_utf8(said).unwrap();
    let finals = said.lines().filter(|line| line.as_bytes().get(3) == Some(&b' '));
    (messages, finals.filter_map(|line| line.get(..3)?.parse().ok()).collect())
}

/// A message with the trick between its two lines, behind DATA, cut in front of octet `cut` of the trick.
pub(super) fn behind_data(trick: &[u8], cut: usize) -> Outcome {
    let mut session = ready();
    assert!(send(&mut session, b"DATA\r\n").starts_with("354"));
    let (head, tail) = trick.split_at(cut.min(trick.len()));
    let (head, tail) = ([b"one", head].concat(), [tail, EVIL, b"\r\n.\r\nRSET\r\nQUIT\r\n"].concat());
    let (messages, codes) = collect(&mut session, &[&head, &tail]);
    assert!(messages.len() <= 1, "{}", trick.escape_ascii());
    // Where the trick ended the message: its reply, then MAIL, then a lone dot.
    let is_smuggled = codes.len() > 3;
    assert_eq!(codes.last(), Some(&221), "{}: {codes:?}", trick.escape_ascii());
    Outcome { message: messages.into_iter().next().ok_or(codes[0]), is_smuggled }
}

/// The same in a chunk, where nothing ends it but its size.
pub(super) fn in_a_chunk(trick: &[u8], cut: usize) -> Outcome {
    let mut session = ready();
    let message = [b"one", trick, EVIL].concat();
    let command = format!("BDAT {} LAST\r\n", message.len());
    let (head, tail) = trick.split_at(cut.min(trick.len()));
    let (head, tail) =
        ([command.as_bytes(), b"one", head].concat(), [tail, EVIL, b"RSET\r\nQUIT\r\n"].concat());
    let (messages, codes) = collect(&mut session, &[&head, &tail]);
    assert_eq!((codes.len(), codes.last()), (3, Some(&221)), "{}: {codes:?}", trick.escape_ascii());
    Outcome { message: messages.into_iter().next().ok_or(codes[0]), is_smuggled: false }
}

/// What must become of it, read once more by another way: the first CRLF.CRLF, the DATA command's own included.
fn model(trick: &[u8]) -> Outcome {
    let wire = [b"\r\none", trick, EVIL, b"\r\n.\r\n"].concat();
    let end = memchr::memmem::find(&wire, b"\r\n.\r\n").unwrap();
    let text = &wire[2..end + 2];
    let is_smuggled = end + 5 < wire.len();
    let bare = |octet: u8| {
        let without = String::from_utf8_lossy(text).replace("\r\n", "");
        without.contains(char::from(octet))
    };
    let fault = first_fault(text);
    assert_eq!(fault.is_some(), bare(b'\r') || bare(b'\n') || bare(0));
    let unstuffed = text.split_inclusive(|b| *b == b'\n').map(|line| line.strip_prefix(b".").unwrap_or(line));
    Outcome { message: fault.map_or_else(|| Ok(unstuffed.collect::<Vec<_>>().concat()), Err), is_smuggled }
}

/// The code for the first octet that belongs to no line.
fn first_fault(text: &[u8]) -> Option<u16> {
    (0..text.len()).find_map(|at| match (text[at], text.get(at + 1), at.checked_sub(1).map(|at| text[at])) {
        (0, ..) => Some(554),
        (b'\r', next, _) if next != Some(&b'\n') => Some(550),
        (b'\n', _, before) if before != Some(b'\r') => Some(550),
        _ => None,
    })
}

#[test]
fn only_crlf_dot_crlf_ends_a_message_whatever_stands_around_it_and_however_it_is_cut() {
    for trick in strings(LONGEST) {
        let expected = model(&trick);
        for cut in 0..=trick.len() {
            assert_eq!(behind_data(&trick, cut), expected, "{} cut at {cut}", trick.escape_ascii());
        }
    }
}

#[test]
fn nothing_ends_a_chunk_and_what_a_next_hop_might_take_for_an_end_is_refused() {
    for trick in strings(LONGEST) {
        let message = [b"one", trick.as_slice(), EVIL].concat();
        let expected = first_fault(&message).map_or(Ok(message), Err);
        for cut in 0..=trick.len() {
            let outcome = in_a_chunk(&trick, cut);
            assert_eq!(outcome.message, expected, "{} cut at {cut}", trick.escape_ascii());
        }
    }
}
