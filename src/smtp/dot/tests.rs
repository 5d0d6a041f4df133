//! What ends a message and what does not; what is written is read back.

use super::*;
use proptest::prelude::*;

const LIMIT: u64 = 1000;

/// A message or its fault, and what stood behind it.
type Read = (Result<Vec<u8>, DataFault>, Vec<u8>);

/// Reads `wire` in chunks of the given sizes, round and round; the message or its fault, and what was left.
fn read_in(wire: &[u8], sizes: &[usize]) -> Option<Read> {
    let mut reader = DotReader::new(LIMIT);
    let mut sizes = sizes.iter().cycle();
    let mut at = 0;
    while at < wire.len() {
        let to = (at + sizes.next().unwrap()).min(wire.len());
        match reader.read(&wire[at..to]) {
            DotProgress::More => at = to,
            DotProgress::End(used) => return Some((reader.finish(), wire[at + used..].to_vec())),
            DotProgress::Flood => panic!("flood"),
        }
    }
    None
}

fn read_whole(wire: &[u8]) -> Option<Read> {
    let whole = read_in(wire, &[wire.len().max(1)]);
    assert_eq!(read_in(wire, &[1]), whole, "octet by octet: {}", wire.escape_ascii());
    assert_eq!(read_in(wire, &[2, 3]), whole, "in twos and threes: {}", wire.escape_ascii());
    whole
}

#[test]
fn a_message_ends_at_crlf_dot_crlf_and_what_follows_is_not_touched() {
    let cases: &[(&[u8], &[u8], &[u8])] = &[
        (b".\r\n", b"", b""),
        (b".\r\nQUIT\r\n", b"", b"QUIT\r\n"),
        (b"a\r\n.\r\n", b"a\r\n", b""),
        (b"..\r\n.\r\n", b".\r\n", b""),
        (b"...\r\n.\r\n.\r\n", b"..\r\n", b".\r\n"),
        (b".a\r\nb.\r\n.\r\n", b"a\r\nb.\r\n", b""),
        (b"\r\n\r\n.\r\n", b"\r\n\r\n", b""),
        (b"\xff\x80\r\n.\r\nNOOP", b"\xff\x80\r\n", b"NOOP"),
    ];
    for (wire, message, left) in cases {
        assert_eq!(read_whole(wire), Some((Ok(message.to_vec()), left.to_vec())), "{}", wire.escape_ascii());
    }
}

#[test]
fn nothing_that_looks_like_an_end_is_one_and_the_message_is_refused_at_its_true_end() {
    use Damage::{BareCr, BareLf, Nul};
    let cases: &[(&[u8], Damage)] = &[
        (b"\n.\n", BareLf),
        (b"\n.\r\n", BareLf),
        (b"\r\n.\n", BareLf),
        (b"\r\n.\r", BareCr),
        (b"\r.\r", BareCr),
        (b"\r.\r\n", BareCr),
        (b"\r.\n", BareCr),
        (b"\n.\r", BareLf),
        (b"\r\n.\r\r\n", BareCr),
        (b"\r\r\n.\r\r\n", BareCr),
        (b"\r\r\n.", BareCr),
        (b"\r\n\0.\r\n", Nul),
        (b"\r\n.\0\r\n", Nul),
        (b"\r\n.\r\0\n", BareCr),
        (b"\0\r\n", Nul),
        (b"\r", BareCr),
        (b"\n", BareLf),
    ];
    for (trick, damage) in cases {
        let mut wire = b"one".to_vec();
        wire.extend_from_slice(trick);
        wire.extend_from_slice(b"MAIL FROM:<evil@x.example>\r\n");
        assert_eq!(read_whole(&wire), None, "ended early: {}", trick.escape_ascii());
        wire.extend_from_slice(b".\r\nRSET\r\n");
        let expected = (Err(DataFault::Damaged(*damage)), b"RSET\r\n".to_vec());
        assert_eq!(read_whole(&wire), Some(expected), "{}", trick.escape_ascii());
    }
}

#[test]
fn damage_on_the_first_line_is_found_too() {
    for (wire, damage) in [
        (&b"\n.\r\n\r\n.\r\n"[..], Damage::BareLf),
        (b".\n\r\n.\r\n", Damage::BareLf),
        (b".\rx\r\n.\r\n", Damage::BareCr),
        (b"\r.\r\n.\r\n", Damage::BareCr),
        (b"\0.\r\n.\r\n", Damage::Nul),
    ] {
        let read = read_whole(wire).map(|(message, _)| message);
        assert_eq!(read, Some(Err(DataFault::Damaged(damage))), "{}", wire.escape_ascii());
    }
}

#[test]
fn a_message_of_just_the_limit_is_kept_and_one_octet_more_is_too_large() {
    let mut wire = vec![b'.'; 999];
    wire.extend_from_slice(b"\r\n.\r\n");
    assert_eq!(read_whole(&wire).map(|(m, _)| m.map(|m| m.len())), Some(Ok(1000)));
    wire.insert(0, b'.');
    assert_eq!(read_whole(&wire).map(|(m, _)| m), Some(Err(DataFault::TooLarge)));
}

#[test]
fn a_message_too_large_holds_no_memory_and_a_flood_is_cut_off_at_the_same_octet_in_any_chunks() {
    let flood = vec![b'a'; 70_000];
    let end = usize::try_from(LIMIT + LIMIT / 2 + FLOOD_MARGIN).unwrap();
    for size in [1, 1000, 70_000] {
        let mut reader = DotReader::new(LIMIT);
        let mut seen = 0;
        let cut = flood.chunks(size).find_map(|chunk| {
            let progress = reader.read(chunk);
            assert!(reader.held() <= 2000);
            seen += chunk.len();
            (progress == DotProgress::Flood).then_some(seen)
        });
        assert!(cut.is_some_and(|at| at > end && at <= end + size), "{size}: {cut:?}");
        assert_eq!(reader.held(), 0);
    }
}

#[test]
fn want_of_memory_yields_to_a_fault_that_lasts() {
    let mut reader = DotReader::new(LIMIT);
    assert_eq!(reader.read(b"abc"), DotProgress::More);
    reader.discard();
    assert_eq!(reader.held(), 0);
    assert_eq!(reader.read(b"\r\n.\r\n"), DotProgress::End(5));
    assert_eq!(reader.finish(), Err(DataFault::Discarded));

    let mut reader = DotReader::new(LIMIT);
    reader.discard();
    assert_eq!(reader.read(b"a\nb\r\n.\r\n"), DotProgress::End(8));
    assert_eq!(reader.finish(), Err(DataFault::Damaged(Damage::BareLf)));
}

#[test]
fn what_a_next_hop_might_misread_is_not_sent() {
    for (message, damage, offset) in [
        (&b"a\nb"[..], Damage::BareLf, 1),
        (b"a\r\n.\n", Damage::BareLf, 4),
        (b"a\rb", Damage::BareCr, 1),
        (b"a\r\r\n", Damage::BareCr, 1),
        (b"a\r\nb\r", Damage::BareCr, 4),
        (b"\0", Damage::Nul, 0),
    ] {
        assert_eq!(dot_stuff(message), Err(Unsendable { damage, offset }), "{}", message.escape_ascii());
    }
}

#[test]
fn a_crlf_is_added_only_where_it_is_missing() {
    for (message, wire) in [
        (&b""[..], &b".\r\n"[..]),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"\r\n", b"\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".\r\n.a\r\n..", b"..\r\n..a\r\n...\r\n.\r\n"),
    ] {
        assert_eq!(dot_stuff(message).as_deref(), Ok(wire), "{}", message.escape_ascii());
    }
}

/// Lines of octets that are prone to go wrong, joined by CRLF.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![3 => Just(b'.'), 2 => Just(b'a'), 1 => 1u8..=255]
        .prop_filter("line ends come from the joining", |b| *b != b'\r' && *b != b'\n');
    prop::collection::vec(prop::collection::vec(octet, 0..6), 0..12).prop_map(|lines| {
        lines.iter().flat_map(|line| line.iter().copied().chain(*b"\r\n")).collect::<Vec<u8>>()
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_in_any_chunks(message in message(), sizes in prop::collection::vec(1usize..9, 1..9)) {
        let mut wire = dot_stuff(&message).unwrap();
        wire.extend_from_slice(b"QUIT\r\n");
        prop_assert_eq!(read_in(&wire, &sizes), Some((Ok(message), b"QUIT\r\n".to_vec())));
    }

    #[test]
    fn any_octets_are_read_alike_in_any_chunks(
        wire in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(0u8), Just(b'a')], 0..40),
        sizes in prop::collection::vec(1usize..5, 1..9),
    ) {
        prop_assert_eq!(read_in(&wire, &sizes), read_in(&wire, &[wire.len().max(1)]));
    }

    #[test]
    fn what_was_read_can_be_sent_as_it_is(
        wire in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a')], 0..40),
    ) {
        if let Some((Ok(message), left)) = read_in(&wire, &[7]) {
            let again = dot_stuff(&message).unwrap();
            let used = wire.len() - left.len();
            prop_assert_eq!(read_in(&again, &[5]), Some((Ok(message), Vec::new())));
            prop_assert!(again.len() <= used * 2 + 3);
        }
    }
}
