//! Streams as Outlook writes them, made here by a small writer, read back; whole, damaged and hostile ones.

use super::*;
use crate::mime::rtf;
use proptest::prelude::*;

const APPOINTMENT: [u8; 16] = [2, 0x20, 6, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];
const MEETING: [u8; 16] =
    [0x90, 0xda, 0xd8, 0x6e, 0x0b, 0x45, 0x1b, 0x10, 0x98, 0xda, 0, 0xaa, 0, 0x3f, 0x13, 5];
const I_MESSAGE: [u8; 16] = [7, 3, 2, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];
const I_STORAGE: [u8; 16] = [0x0b, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];

/// A stream being written.
struct Stream(Vec<u8>);

impl Stream {
    fn new(page: u32) -> Self {
        let mut octets = SIGNATURE.to_vec();
        octets.extend(0x1234u16.to_le_bytes());
        let mut stream = Self(octets);
        stream.put(1, 0x0008_9006, &0x0001_0000u32.to_le_bytes());
        let pages = [page.to_le_bytes(), [0; 4]].concat();
        stream.put(1, 0x0006_9007, &pages);
        stream
    }

    fn put(&mut self, level: u8, id: u32, octets: &[u8]) -> &mut Self {
        self.0.push(level);
        self.0.extend(id.to_le_bytes());
        self.0.extend(u32::try_from(octets.len()).unwrap().to_le_bytes());
        self.0.extend(octets);
        let sum = octets.iter().fold(0u16, |sum, b| sum.wrapping_add(u16::from(*b)));
        self.0.extend(sum.to_le_bytes());
        self
    }

    fn message(&mut self, properties: &[Vec<u8>]) -> &mut Self {
        self.put(1, 0x0006_9003, &list(properties))
    }

    fn attachment(&mut self, title: &[u8], octets: &[u8], properties: &[Vec<u8>]) -> &mut Self {
        self.put(2, 0x0006_9002, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.put(2, 0x0006_800f, octets).put(2, 0x0001_8010, title);
        self.put(2, 0x0006_9005, &list(properties))
    }

    fn unwrapped(&self) -> Unwrapped {
        unwrap(&self.0).unwrap()
    }
}

fn list(properties: &[Vec<u8>]) -> Vec<u8> {
    [u32::try_from(properties.len()).unwrap().to_le_bytes().to_vec(), properties.concat()].concat()
}

fn tagged(kind: u16, id: u16, value: &[u8]) -> Vec<u8> {
    [kind.to_le_bytes().to_vec(), id.to_le_bytes().to_vec(), value.to_vec()].concat()
}

fn variable(kind: u16, id: u16, value: &[u8]) -> Vec<u8> {
    tagged(kind, id, &counted(&[value]))
}

fn counted(values: &[&[u8]]) -> Vec<u8> {
    let mut out = u32::try_from(values.len()).unwrap().to_le_bytes().to_vec();
    for value in values {
        out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        out.extend(*value);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

fn wide(id: u16, text: &str) -> Vec<u8> {
    let octets: Vec<u8> = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    variable(stream::kind::UNICODE, id, &octets)
}

fn narrow(id: u16, text: &[u8]) -> Vec<u8> {
    variable(stream::kind::STRING8, id, &[text, b"\0"].concat())
}

fn named(kind: u16, set: &[u8; 16], number: u32, value: &[u8]) -> Vec<u8> {
    tagged(kind, 0x8001, &[&set[..], &[0; 4], &number.to_le_bytes(), value].concat())
}

/// RTF as it stands in the property, every octet a literal.
fn compressed(rtf: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for eight in rtf.chunks(8) {
        out.push(0);
        out.extend(eight);
    }
    let length = u32::try_from(out.len() + 12).unwrap().to_le_bytes();
    let raw = u32::try_from(rtf.len()).unwrap().to_le_bytes();
    let octets = [&length[..], &raw, b"LZFu", &[0; 4], &out].concat();
    variable(stream::kind::BINARY, 0x1009, &octets)
}

fn texts(unwrapped: &Unwrapped) -> Vec<(String, Option<&'static str>, String)> {
    let text = |p: &Piece| String::from_utf8_lossy(&p.octets).into_owned();
    unwrapped.bodies.iter().map(|p| (p.media.clone(), p.charset, text(p))).collect()
}

#[test]
fn texts_and_files_come_out_and_nothing_that_names_the_sender() {
    let mut stream = Stream::new(932);
    stream.put(1, 0x0000_8000, b"SMTP:merchant@shop.example\0");
    stream.put(1, 0x0006_9004, b"recipients merchant@shop.example");
    stream.message(&[
        wide(0x0c1f, "merchant@shop.example"),
        tagged(0x1003, 0x0e00, &[2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]),
        variable(0x0102, 0x300b, b"search key merchant@shop.example"),
        tagged(
            0x101e,
            0x8002,
            &[
                &APPOINTMENT[..],
                &[1, 0, 0, 0, 6, 0, 0, 0],
                b"a\0b\0\0\0\0\0",
                &counted(&[b"x\0", b"yyyyy\0"]),
            ]
            .concat(),
        ),
        wide(0x1000, "お世話になります\r\n"),
        variable(0x0102, 0x1013, b"<html><p>\x83e\x83X\x83g</p></html>\0"),
        tagged(3, 0x3fde, &932u32.to_le_bytes()),
    ]);
    stream.attachment(
        b"LONGNA~1.TXT\0",
        b"content",
        &[
            wide(0x3707, "C:\\Users\\merchant\\長い名前.txt"),
            wide(0x370e, "Text/Plain"),
            wide(0x3712, "<part1@01D0>"),
        ],
    );
    stream.attachment(b"\x93\xfa\x96{.csv\0", b"1;2", &[]);
    let unwrapped = stream.unwrapped();
    assert_eq!(
        texts(&unwrapped),
        [
            ("text/plain".to_owned(), Some("utf-8"), "お世話になります\r\n".to_owned()),
            (
                "text/html".to_owned(),
                Some("shift_jis"),
                "<html><p>\u{fffd}e\u{fffd}X\u{fffd}g</p></html>\r\n".to_owned()
            )
        ]
    );
    let file = |name: &str, media: &str, content_id: Option<&str>, octets: &[u8]| {
        Attachment::File(Piece {
            media: media.to_owned(),
            charset: None,
            name: Some(name.to_owned()),
            content_id: content_id.map(str::to_owned),
            octets: octets.to_vec(),
        })
    };
    assert_eq!(
        unwrapped.attachments,
        [
            file("長い名前.txt", "text/plain", Some("part1@01D0"), b"content"),
            file("日本.csv", "text/csv", None, b"1;2")
        ]
    );
    assert!(unwrapped.whole && unwrapped.meeting.is_none());
    assert!(!format!("{unwrapped:?}").contains("shop.example"));
}

#[test]
fn rtf_becomes_the_html_or_the_text_that_it_holds_and_only_where_there_is_none() {
    let html = br"{\rtf1\ansi\ansicpg1252\fromhtml1{\*\htmltag64 <p>}Hello{\*\htmltag72 </p>}}";
    let mut stream = Stream::new(1252);
    stream.message(&[compressed(html)]);
    let of = |stream: &Stream| texts(&stream.unwrapped());
    assert_eq!(of(&stream), [("text/html".into(), Some("utf-8"), "<p>Hello</p>\r\n".into())]);

    let mut stream = Stream::new(1252);
    stream.message(&[wide(0x1000, "Hello"), compressed(html)]);
    assert_eq!(of(&stream).len(), 2);

    let mut stream = Stream::new(1252);
    stream.put(1, 0x0002_800c, b"short\0").message(&[wide(0x1000, " \r\n"), compressed(br"{\rtf1 long}")]);
    assert_eq!(of(&stream), [("text/plain".into(), Some("windows-1252"), "short\r\n".into())]);

    let mut stream = Stream::new(1252);
    stream.message(&[wide(0x1000, " \r\n"), compressed(br"{\rtf1 long}")]);
    assert_eq!(of(&stream), [("text/plain".into(), Some("utf-8"), "long\r\n".into())]);
}

#[test]
fn references_into_the_dictionary_are_followed_to_the_announced_end() {
    // A run: literal `a`, then two octets back onto themselves, and the end mark.
    let start = lzfu::FILLED.len();
    let token = |from: usize, length: usize| u16::try_from(from << 4 | (length - 2)).unwrap().to_be_bytes();
    let tokens = [token(0, 6), token(start + 6, 9), token(start + 16, 2)];
    let content = [&[0b1101][..], &tokens[0], b"a", &tokens[1], &tokens[2], b"more"].concat();
    let packed = [&[0; 8][..], b"LZFu", &[0; 4], &content].concat();
    assert_eq!(lzfu::FILLED.len(), 207);
    assert_eq!(lzfu::decompress(&packed, 1000).unwrap(), b"{\\rtf1aaaaaaaaaa");
    assert_eq!(lzfu::decompress(&packed, 8).unwrap(), b"{\\rtf1aa");
    let stored = [&[0, 0, 0, 0, 5, 0, 0, 0][..], b"MELA", &[0; 4], b"{\\rtf1}"].concat();
    assert_eq!(lzfu::decompress(&stored, 1000).unwrap(), b"{\\rtf");
    assert_eq!(lzfu::decompress(b"\0\0\0\0\0\0\0\0ZLib\0\0\0\0x", 1000), None);
}

#[test]
fn a_message_within_comes_out_as_a_message_and_no_deeper_than_the_limit() {
    let mut stream = Stream::new(1252);
    stream.message(&[wide(0x1000, "innermost")]);
    for level in 0..6 {
        let inner = [&I_MESSAGE[..], &stream.0].concat();
        stream = Stream::new(1252);
        stream.message(&[wide(0x1000, &format!("level {level}")), wide(0x0c1f, "merchant@shop.example")]);
        stream.attachment(
            b"Subject\0",
            b"This program cannot show the message.",
            &[wide(0x3001, "Subject"), variable(0x000d, 0x3701, &inner)],
        );
    }
    let mut unwrapped = stream.unwrapped();
    assert!(!unwrapped.whole);
    for level in (2..6).rev() {
        assert_eq!(texts(&unwrapped)[0].2, format!("level {level}\r\n"));
        let Some(Attachment::Message { name, content }) = unwrapped.attachments.pop() else { panic!() };
        assert_eq!(name.as_deref(), Some("Subject"));
        unwrapped = content;
    }
    assert_eq!(texts(&unwrapped)[0].2, "level 1\r\n");
    assert!(unwrapped.attachments.is_empty());
}

#[test]
fn an_object_is_a_file_and_a_stream_as_a_file_is_a_message() {
    let object = [&I_STORAGE[..], b"\xd0\xcf\x11\xe0"].concat();
    let mut inner = Stream::new(1252);
    inner.message(&[wide(0x1000, "forwarded")]);
    let mut stream = Stream::new(1252);
    stream.attachment(b"Picture\0", b"", &[variable(0x000d, 0x3701, &object)]);
    stream.attachment(b"winmail.dat\0", &inner.0, &[]);
    stream.attachment(b"none\0", b"", &[variable(0x0102, 0x3701, b"by property")]);
    let attachments = stream.unwrapped().attachments;
    let [Attachment::File(object), Attachment::Message { content, .. }, Attachment::File(file)] =
        attachments.as_slice()
    else {
        panic!("{attachments:?}")
    };
    assert_eq!(
        (object.media.as_str(), object.octets.as_slice()),
        ("application/x-ole-storage", &b"\xd0\xcf\x11\xe0"[..])
    );
    assert_eq!(texts(content)[0].2, "forwarded\r\n");
    assert_eq!(file.octets, b"by property");
}

#[test]
fn a_meeting_has_its_times_and_place_and_the_id_of_whichever_program_made_it() {
    let time = |seconds: i64| ((seconds + 11_644_473_600) * 10_000_000).to_le_bytes();
    let id = |rest: &[u8]| counted(&[&[&[0; 36][..], &[16, 0, 0, 0], rest].concat()]);
    let meeting = |class: &str, id: Vec<u8>| {
        let mut stream = Stream::new(1252);
        stream.message(&[
            wide(0x001a, class),
            wide(0x0037, "Delivery"),
            tagged(0x40, 0x0060, &time(0)),
            named(0x40, &APPOINTMENT, 0x820d, &time(1_769_850_000)),
            named(0x40, &APPOINTMENT, 0x820e, &time(1_769_853_600)),
            named(0x1f, &APPOINTMENT, 0x8208, &counted(&[b"\x57\x30\0\0"])),
            named(3, &APPOINTMENT, 0x8201, &3u32.to_le_bytes()),
            named(0x0b, &APPOINTMENT, 0x8223, &[1, 0, 0, 0]),
            named(0x0102, &MEETING, 0x0023, &id),
        ]);
        stream.unwrapped().meeting
    };
    let own = meeting("IPM.Schedule.Meeting.Request", id(b"0123")).unwrap();
    assert_eq!(
        own,
        Meeting {
            method: Method::Request,
            start: "20260131T090000Z".into(),
            end: "20260131T100000Z".into(),
            summary: Some("Delivery".into()),
            location: Some("し".into()),
            uid: Some(["00".repeat(36), "1000000030313233".to_owned()].concat()),
            sequence: 3,
            recurring: true,
        }
    );
    let foreign =
        meeting("IPM.Schedule.Meeting.Resp.Neg", id(b"vCal-Uid\x01\0\0\0e1@shop.example\0")).unwrap();
    assert_eq!(foreign.method, Method::Reply(Answer::Declined));
    assert_eq!(foreign.uid.as_deref(), Some("e1@shop.example"));
    assert_eq!(meeting("IPM.Schedule.Meeting.Canceled", id(b"1")).unwrap().method, Method::Cancel);
    assert_eq!(meeting("IPM.Note", id(b"1")), None);
}

#[test]
fn a_stream_that_breaks_off_gives_what_is_whole() {
    let mut stream = Stream::new(1252);
    stream.put(1, 0x0002_800c, b"text\0").attachment(b"a.txt\0", b"first", &[]);
    let first = stream.0.len();
    stream.attachment(b"b.txt\0", &[b'x'; 100], &[]);
    let cut = unwrap(&stream.0[..first + 60]).unwrap();
    assert!(!cut.whole);
    assert_eq!((cut.bodies.len(), cut.attachments.len()), (1, 1));
    assert_eq!(unwrap(&stream.0[..45]), None, "nothing whole");
    let mut trailed = stream.0.clone();
    trailed.extend(b"\r\n\0");
    assert!(unwrap(&trailed).unwrap().whole);
    trailed.extend(b"--another text");
    let trailed = unwrap(&trailed).unwrap();
    assert_eq!((trailed.whole, trailed.attachments.len()), (false, 2));
    let empty = Stream::new(1252).unwrapped();
    assert_eq!(empty, Unwrapped { whole: true, ..Unwrapped::default() });
    assert_eq!(unwrap(b"\x78\x9f\x3e\x23\0\0"), None);
}

#[test]
fn more_attachments_than_a_message_may_have_parts_are_left_out() {
    let mut stream = Stream::new(1252);
    for _ in 0..MAX_PARTS + 5 {
        stream.attachment(b"a\0", b"x", &[]);
    }
    let unwrapped = stream.unwrapped();
    assert_eq!((unwrapped.attachments.len(), unwrapped.whole), (MAX_PARTS, false));
}

#[test]
fn html_in_utf_16_becomes_utf_8_and_says_so() {
    let html: Vec<u8> =
        "<html><meta charset=\"utf-16\">あ".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut stream = Stream::new(1252);
    stream.message(&[variable(0x0102, 0x1013, &html), tagged(3, 0x3fde, &1200u32.to_le_bytes())]);
    assert_eq!(
        texts(&stream.unwrapped()),
        [("text/html".into(), Some("utf-8"), "<html><meta charset=\"utf-8\">あ\r\n".into())]
    );
    assert_eq!(rtf::declare_utf8("<meta charset="), "<meta charset=");
}

fn rich() -> Vec<u8> {
    let mut inner = Stream::new(932);
    inner.message(&[narrow(0x1000, b"inner")]);
    let inner = [&I_MESSAGE[..], &inner.0].concat();
    let mut stream = Stream::new(932);
    stream.message(&[
        wide(0x1000, "text"),
        compressed(br"{\rtf1\fromhtml1{\*\htmltag <p>}x\'82\'a0}"),
        named(0x40, &APPOINTMENT, 0x820d, &[1; 8]),
    ]);
    stream.attachment(b"a.txt\0", b"content", &[wide(0x3707, "long.txt")]);
    stream.attachment(b"m\0", b"", &[variable(0x000d, 0x3701, &inner)]);
    stream.0
}

fn size(unwrapped: &Unwrapped) -> usize {
    let bodies: usize = unwrapped.bodies.iter().map(|p| p.octets.len()).sum();
    let attached = unwrapped.attachments.iter().map(|a| match a {
        Attachment::File(piece) => piece.octets.len(),
        Attachment::Message { content, .. } => size(content),
    });
    bodies + attached.sum::<usize>()
}

proptest! {
    #[test]
    fn damaged_streams_give_no_more_than_they_have(at in 0usize..2000, with in proptest::collection::vec(any::<u8>(), 1..9), cut in 0usize..2000) {
        let mut stream = rich();
        let at = at % stream.len();
        let end = (at + with.len()).min(stream.len());
        stream[at..end].copy_from_slice(&with[..end - at]);
        for stream in [&stream[..], &stream[..cut.min(stream.len())]] {
            if let Some(unwrapped) = unwrap(stream) {
                prop_assert!(size(&unwrapped) <= 100 * stream.len());
            }
        }
    }

    #[test]
    fn arbitrary_attributes_do_no_harm(octets in proptest::collection::vec(any::<u8>(), 0..400), id in prop::sample::select(vec![0x9003u32, 0x9005, 0x800f, 0x9002, 0x800c])) {
        let mut stream = Stream::new(932);
        stream.put(1, id, &octets).put(2, id, &octets);
        if let Some(unwrapped) = unwrap(&stream.0) {
            prop_assert!(size(&unwrapped) <= 100 * stream.0.len());
        }
        prop_assert!(lzfu::decompress(&octets, 1000).is_none_or(|raw| raw.len() <= 1000));
        let packed = [&[0; 8][..], b"LZFu", &[0; 4], &octets].concat();
        prop_assert!(lzfu::decompress(&packed, 100_000).is_some_and(|raw| raw.len() <= 64 * packed.len()));
    }
}
