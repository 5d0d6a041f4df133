//! What a message takes in memory on its way through the anonymizer and the gate, in sizes of the message.
//!
//! Rules: each message passes in a process of its own, which this test starts from itself: what one message leaves with the C
//! library would hide what the next one takes. What is counted is what the process has in memory at the highest (proc(5),
//! `VmHWM`), less what it had before it read the message. A buffer that is reserved and not written takes nothing.
#![forbid(unsafe_code)]

use anshin_fuzz::anonymize::{Files, Forbidden, Party, Passage, Rules, Secret, anonymize, pass_gate};
use anshin_fuzz::mail::{Alias, Domain, RealAddress, Timestamp};
use data_encoding::BASE64;

const CUSTOMER: &str = "hana.suzuki@mailbox.example";
const MERCHANT: &str = "owner@tanuki-shop.example";
const LINE: &str = "お世話になっております。先日注文しました鉢植えの件で、届け先を変更できますか。\r\n";

/// Most of the message's own size that it may take, with the message.
const TIMES: usize = 3;
/// What does not grow with it.
const FIXED: usize = 1 << 20;
/// The size of the message of the same kind that passes first.
const SMALL: usize = 4 << 10;

/// A line of `/proc/self/status`, in octets.
fn status(field: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_matches([':', '\t', ' ', 'k', 'B']).parse::<usize>().unwrap() * 1024
}

/// Passes a message and the finished one again, as acceptance and sending do.
fn pass(mail: &[u8]) {
    let (customer, merchant) = (RealAddress::parse(CUSTOMER).unwrap(), RealAddress::parse(MERCHANT).unwrap());
    let alias = |local: &str, domain: &str| Alias::new(local, Domain::parse(domain).unwrap());
    let from = alias("a0c7kq2m4n6p8r0t2v4x6z8b0d2f", "pc.fw.relay.example");
    let to = [alias("a0m5hy3k7q9s1u3w5y7a9c1e3g5i", "shop.relay.example")];
    let secrets = [Secret { address: &customer, alias: &from }, Secret { address: &merchant, alias: &to[0] }];
    let passage = Passage {
        from: &from,
        fallback_name: "Customer",
        to: &to,
        secrets: &secrets,
        message_id: &|_| "<m@pc.fw.relay.example>".to_owned(),
        relay_host: "mx.relay.example",
        queue_id: "Q1",
        hops: "",
        at: Timestamp::from_millis(1_795_000_000_000),
        peer: Some(&[]),
        writer: Party::Customer,
        rules: Rules::default(),
    };
    let outcome = anonymize(mail, &passage).unwrap();
    let forbidden = Forbidden { secrets: &secrets, traces: &outcome.traces, files: Files::Checked };
    let message = outcome.message.ok().expect("it passes").into_bytes();
    assert!(memchr::memmem::find(&message, CUSTOMER.as_bytes()).is_none());
    pass_gate(message, &forbidden).ok().expect("it passes again");
}

fn header() -> String {
    format!(
        "Received: from pc.mailbox.example ([192.0.2.7]) by out.mailbox.example; Sun, 22 Nov 2026 09:30:01 +0900\r\n\
         From: Hana <{CUSTOMER}>\r\nTo: x@shop.relay.example\r\nDate: Sun, 22 Nov 2026 09:30:00 +0900\r\n\
         Message-ID: <1@mailbox.example>\r\nMIME-Version: 1.0\r\n"
    )
}

fn base64(octets: &[u8]) -> Vec<u8> {
    octets.chunks(57).flat_map(|line| [BASE64.encode(line).as_bytes(), b"\r\n"].concat()).collect()
}

/// A text, and the address in every KB of it where it shall have some.
fn text(octets: usize, hits: bool) -> Vec<u8> {
    let hit = if hits { format!("返信は {CUSTOMER} まで。\r\n") } else { String::new() };
    let block = LINE.repeat(8) + &hit;
    block.repeat(octets / block.len() + 1).into_bytes()
}

fn noise(octets: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(|| next()).take(octets / 8).flatten().collect()
}

fn part(media: &str, encoding: &str, body: &[u8]) -> Vec<u8> {
    let fields = format!("Content-Type: {media}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
    [fields.as_bytes(), body].concat()
}

/// A ZIP with one member, deflated or stored.
fn zip(name: &str, content: &[u8], deflate: bool) -> Vec<u8> {
    let packed = if deflate { miniz_oxide::deflate::compress_to_vec(content, 1) } else { content.to_vec() };
    let number = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let sizes = [number(packed.len()), number(content.len())].concat();
    let method: [u8; 2] = if deflate { [8, 0] } else { [0, 0] };
    let length = [u8::try_from(name.len()).unwrap(), 0];
    let shared = [&[20, 0, 0, 0][..], &method, &[0; 8], &sizes, &length, &[0, 0]].concat();
    let local = [b"PK\x03\x04", &shared[..], name.as_bytes(), &packed].concat();
    let central = [b"PK\x01\x02\x14\0", &shared[..], &[0; 14], name.as_bytes()].concat();
    let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &number(central.len())[..], &number(local.len()), &[0, 0]];
    [local, central.clone(), end.concat()].concat()
}

/// Every kind of a large message, of about so many octets.
fn mails(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    let decoded = size / 78 * 57;
    let page = |hits| [b"<html><body>".as_slice(), &text(size, hits), b"</body></html>\r\n"].concat();
    let nested = |inner: &[u8]| [header().as_bytes(), inner].concat();
    let sheet = |octets: usize| {
        let cells: String = noise(octets / 12).iter().map(|b| format!("<c><v>{b}</v></c>")).collect();
        format!("<sheetData>{cells}</sheetData>").into_bytes()
    };
    let plain = "text/plain; charset=utf-8";
    let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document; name=a.docx";
    let photo = [b"\xff\xd8\xff\xe0\0\x10JFIF".as_slice(), &noise(decoded)].concat();
    [
        ("text", part(plain, "8bit", &text(size, false))),
        ("text with hits", part(plain, "8bit", &text(size, true))),
        ("text in base64", part(plain, "base64", &base64(&text(decoded, false)))),
        ("text in base64 with hits", part(plain, "base64", &base64(&text(decoded, true)))),
        ("photo", part("image/jpeg; name=a.jpg", "base64", &base64(&photo))),
        ("file of no kind", part("application/octet-stream; name=a.dat", "base64", &base64(&noise(decoded)))),
        ("message", part("message/rfc822", "8bit", &nested(&part(plain, "8bit", &text(size, true))))),
        (
            "message with a photo",
            part("message/rfc822", "7bit", &nested(&part("image/jpeg", "base64", &base64(&photo)))),
        ),
        (
            "message in base64",
            part("message/rfc822", "base64", &base64(&nested(&part(plain, "8bit", &text(decoded, true))))),
        ),
        ("zip, stored", part("application/zip", "base64", &base64(&zip("a.dat", &noise(decoded), false)))),
        ("zip, deflated", part("application/zip", "base64", &base64(&zip("a.dat", &noise(decoded), true)))),
        ("docx", part(docx, "base64", &base64(&zip("word/document.xml", &sheet(decoded * 3), true)))),
        ("html", part("text/html; charset=utf-8", "8bit", &page(false))),
        ("html with hits", part("text/html; charset=utf-8", "8bit", &page(true))),
        (
            "html in base64 with hits",
            part("text/html; charset=utf-8", "base64", &base64(&page(true)[..decoded])),
        ),
    ]
    .map(|(kind, body)| (kind, [header().into_bytes(), body].concat()))
    .into()
}

/// Names the message that a process is to pass.
const CHILD: &str = "ANSHIN_MEMORY_MESSAGE";

#[test]
fn a_message_takes_at_most_three_times_its_size() {
    if let Some(path) = std::env::var_os(CHILD) {
        // Tables are made and the program's own pages are read once, whatever the messages.
        let text = "\u{feff}連絡先".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        pass(&[header().into_bytes(), part("text/plain", "base64", &base64(&text))].concat());
        let path = std::path::PathBuf::from(path);
        pass(&std::fs::read(path.with_extension("small")).unwrap());
        let before = status("VmRSS");
        pass(&std::fs::read(&path).unwrap());
        println!("\ntaken {}", status("VmHWM") - before);
        return;
    }
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.eml", std::process::id()));
    let mut over = Vec::new();
    for megabytes in [1, 10, 25] {
        for ((kind, mail), (_, small)) in mails(megabytes << 20).into_iter().zip(mails(SMALL)) {
            std::fs::write(&path, &mail).unwrap();
            std::fs::write(path.with_extension("small"), &small).unwrap();
            let own = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--nocapture", "--test-threads=1"])
                .env(CHILD, &path)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&own.stdout).into_owned();
            let taken = said.lines().find_map(|line| line.strip_prefix("taken ")?.parse::<usize>().ok());
            let taken =
                taken.unwrap_or_else(|| panic!("{kind}: {said}{}", String::from_utf8_lossy(&own.stderr)));
            println!("{megabytes:>2} MB, {kind:<25} {:.2}", taken as f64 / mail.len() as f64);
            if taken > TIMES * mail.len() + FIXED {
                over.push(format!("{megabytes} MB, {kind}: {taken} octets for {}", mail.len()));
            }
        }
    }
    std::fs::remove_file(path.with_extension("small")).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(over.is_empty(), "{over:#?}");
}
