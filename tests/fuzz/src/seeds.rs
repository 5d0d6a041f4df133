//! Writes the seeds of every target into a directory, one folder each: the fixtures of the relay and pieces of them.
//! Usage: `seeds DIRECTORY`; prints the names of the targets.

use anshin_fuzz::reader;
use anshin_fuzz::targets::TARGETS;
use std::path::{Path, PathBuf};

/// Largest seed, in octets; what is larger slows the fuzzer down and teaches it nothing.
const LARGEST: usize = 16 * 1024;

/// All mails among the fixtures.
fn mails() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = own.ancestors().find(|top| top.join("fixtures").is_dir()).expect("there are fixtures");
    let (mut open, mut found) = (vec![top.join("fixtures")], Vec::new());
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(path).expect("readable").map(|entry| entry.expect("readable").path()),
            );
        } else if path.extension().is_some_and(|end| end == "eml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The client's octets of all dialogues in a folder of the fixtures; with `server`, the server's instead.
fn dialogues(folder: &str, side: &str) -> Vec<Vec<u8>> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = own.ancestors().find(|top| top.join("fixtures").is_dir()).expect("there are fixtures");
    let mut files: Vec<PathBuf> = std::fs::read_dir(top.join("fixtures").join(folder))
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    let said = |file: &PathBuf| -> Vec<u8> {
        let text = std::fs::read_to_string(file).expect("readable");
        let lines = text.lines().filter(|line| line.starts_with(side));
        lines.flat_map(|line| spoken(line).into_bytes()).collect()
    };
    files.iter().map(said).collect()
}

/// What a line of a dialogue says; the long repetitions of some are left as they are written.
fn spoken(line: &str) -> String {
    let rest = line.get(2..).unwrap_or_default();
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let plain = rest.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0");
    match line.starts_with("c>") {
        true => plain,
        false => {
            match plain.split_once("\\b{").and_then(|(before, rest)| Some((before, rest.split_once('}')?.0)))
            {
                Some((before, inner)) => {
                    format!("{before}{}\r\n", data_encoding::BASE64.encode(inner.as_bytes()))
                }
                None => format!("{plain}\r\n"),
            }
        }
    }
}

fn main() {
    let top = PathBuf::from(std::env::args().nth(1).expect("usage: seeds DIRECTORY"));
    let mut count = 0;
    let mut write = |target: &str, octets: &[u8]| {
        if octets.is_empty() || octets.len() > LARGEST {
            return;
        }
        count += 1;
        std::fs::write(top.join(target).join(format!("seed-{count:05}")), octets).expect("writable");
    };
    for (target, _) in TARGETS {
        std::fs::create_dir_all(top.join(target)).expect("writable");
        println!("{target}");
    }
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    for rest in
        [&b"\x21\x11\0\x0c\xc0\0\x02\x07\xcb\0\x71\x01\x10\0\0\x19"[..], b"\x20\0\0\0", b"\x21\x21\0\x24"]
    {
        write("proxy", &[&signature[..], rest, &[0; 40]].concat());
    }
    for line in ["TCP4 192.0.2.7 203.0.113.1 4096 25", "TCP6 2001:db8::7 2001:db8::1 1 25", "UNKNOWN"] {
        write("proxy", format!("PROXY {line}\r\nEHLO x\r\n").as_bytes());
    }
    for path in mails() {
        let mail = std::fs::read(path).expect("readable");
        for target in ["whole", "mime", "dsn", "binary", "downgrade"] {
            write(target, &mail);
        }
        let end = mail.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(mail.len());
        for line in mail[..end].split(|b| *b == b'\n') {
            write("header", line);
        }
        for leaf in reader::leaves(&mail) {
            let has = |word: &[u8]| leaf.windows(word.len()).any(|window| window == word);
            let target = match leaf.as_slice() {
                _ if has(b"BEGIN:V") => "calendar",
                [0x78, 0x9f, ..] => "tnef",
                [0x30, ..] => "cms",
                _ if has(b"-----BEGIN") => "cms",
                [b'%', b'P', ..]
                | [b'P', b'K', ..]
                | [0x89, ..]
                | [0xff, 0xd8, ..]
                | [b'G', b'I', b'F', ..] => "document",
                _ => "html",
            };
            write(target, &leaf);
        }
    }
    for said in dialogues("smtp", "c") {
        for head in [[0, 255, 0], [1, 255, 3], [2, 7, 0]] {
            write("session", &[&head[..], &said].concat());
        }
        for line in said.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
            let path = line.strip_prefix(b"MAIL FROM:").or_else(|| line.strip_prefix(b"RCPT TO:"));
            write("path", path.unwrap_or_default());
        }
        let text = String::from_utf8_lossy(&said).replace("\r\n", "\n");
        write("auth", text.split_once("AUTH").map_or("", |(_, rest)| rest).as_bytes());
        write("auth", text.find("AUTH").map_or("", |at| &text[at..]).as_bytes());
    }
    for said in dialogues("smtp-client", "s") {
        write("client", &[&[255][..], &said].concat());
    }
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|top| top.join("fixtures/queries"));
    for file in std::fs::read_dir(queries.into_iter().find(|dir| dir.is_dir()).expect("there are fixtures"))
        .expect("readable")
    {
        let text = std::fs::read_to_string(file.expect("readable").path()).expect("readable");
        write("query", text.split("\n---\n").next().unwrap_or_default().as_bytes());
    }
    // A stream of each format, where no fixture has one.
    write(
        "tnef",
        b"\x78\x9f\x3e\x22\x01\x00\x01\x06\x90\x08\x00\x04\x00\x00\x00\x00\x00\x01\x00\x01\x00\x02",
    );
    write("policy", b"version: STSv1\r\nmode: enforce\r\nmx: *.mail.example\r\nmax_age: 604800\r\n");
    write("policy", b"v=STSv1; id=1;\0v=TLSRPTv1; rua=mailto:tls@mail.example");
    write("policy", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    write("cms", b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01");
    write(
        "document",
        b"PK\x03\x04\x0a\0\0\x08\0\0\0\0\x21\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0axPK\x05\x06",
    );
    write("document", b"%PDF-1.4\n1 0 obj<</Author(hana.suzuki@mailbox.example)>>endobj\n%%EOF");
}
