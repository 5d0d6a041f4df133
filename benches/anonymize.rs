//! The anonymizer alone: messages a second on one core, by size, charset, transfer encoding and hits.
//!
//! Rules: one thread, no I/O; time is what the thread had of a core, not the clock on the wall; each case is repeated
//! for a fixed time and the best of seven rounds counts, the one least disturbed. *Clean* names the addresses in its
//! header only, as nearly all mail does; *hits* names both in each KB of text as well; a *reply* is what people send:
//! a line, the attribution, the quoted mail with its signature, as text and as HTML. *Search* is the whole without the
//! gate: reading, decoding, searching, writing.
//! `cargo bench --bench anonymize -- [WORD]` measures only the cases whose name holds the word.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring program, run by hand: it stops where something is wrong and prints what it found"
)]

use anshin::anonymize::{Files, Forbidden, Party, Passage, Rules, Secret, anonymize, pass_gate};
use anshin::mail::{Alias, Domain, RealAddress, Timestamp};
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(60);

const CUSTOMER: &str = "hanako@customer.hidden.example";
const MERCHANT: &str = "tenpo@store.hidden.example";
const LINE: &str = "お世話になっております。先日注文しました鉢植えの件で、届け先を変更できますか。";

const ASCII_LINE: &str =
    "Thank you for your order 1234; the pots come on Tuesday (22 November), from 9 to 12. Please be at home.";

/// How a text is written down.
#[derive(Clone, Copy)]
enum Transfer {
    Plain,
    QuotedPrintable,
    Base64,
}

#[derive(Clone, Copy, PartialEq)]
enum Hits {
    None,
    Some,
}

fn main() {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with("--")).unwrap_or_default();
    let kinds = [
        ("ASCII 7bit", "US-ASCII", Transfer::Plain),
        ("ASCII quoted-printable", "US-ASCII", Transfer::QuotedPrintable),
        ("UTF-8 8bit", "UTF-8", Transfer::Plain),
        ("UTF-8 base64", "UTF-8", Transfer::Base64),
        ("UTF-8 quoted-printable", "UTF-8", Transfer::QuotedPrintable),
        ("ISO-2022-JP 7bit", "ISO-2022-JP", Transfer::Plain),
        ("Shift_JIS base64", "Shift_JIS", Transfer::Base64),
    ];
    println!(
        "| case                                     | size    | messages/s | MB/s   | search MB/s | µs/message | of it gate |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (kind, charset, transfer) in kinds {
        for kb in [1, 10, 100, 1024] {
            for hits in [Hits::None, Hits::Some] {
                let name = format!("text, {kind}, {}", word(hits));
                measure(&wanted, &name, kb, &|| text_only(charset, transfer, hits, kb * 1024));
            }
        }
    }
    for (kind, charset, transfer) in kinds {
        measure(&wanted, &format!("reply, {kind}"), 10, &|| reply(charset, transfer, 10 * 1024));
    }
    for kb in [10, 100, 1024] {
        for hits in [Hits::None, Hits::Some] {
            let name = format!("text and photo, UTF-8 8bit, {}", word(hits));
            measure(&wanted, &name, kb, &|| with_photo(hits, kb * 1024));
        }
    }
}

fn word(hits: Hits) -> &'static str {
    if hits == Hits::None { "clean" } else { "hits" }
}

fn measure(wanted: &str, name: &str, kb: usize, message: &dyn Fn() -> Vec<u8>) {
    if !name.contains(wanted) {
        return;
    }
    let message = message();
    let message = message.as_slice();
    let (customer, merchant) = (RealAddress::parse(CUSTOMER).unwrap(), RealAddress::parse(MERCHANT).unwrap());
    let alias = |local: &str, domain: &str| Alias::new(local, Domain::parse(domain).unwrap());
    let from = alias("aax5k2v7q3m4n6p2r5s7t3u4w6y2", "pc.fw.bench.example");
    let to = [alias("aab3c5d7e2f4g6h3j5k7m2n4p6q3", "shop.bench.example")];
    let secrets = [Secret { address: &customer, alias: &from }, Secret { address: &merchant, alias: &to[0] }];
    let message_id = |_: &str| "<maaaaaaaaaaaaaaaaaaaaaaaaaa@pc.fw.bench.example>".to_owned();
    let passage = Passage {
        from: &from,
        fallback_name: "Customer",
        to: &to,
        secrets: &secrets,
        message_id: &message_id,
        relay_host: "relay.bench.example",
        queue_id: "0123456789ABCDEF",
        hops: "",
        at: Timestamp::from_millis(1_795_000_000_000),
        peer: Some(&[]),
        writer: Party::Customer,
        rules: Rules::default(),
    };
    let finished = anonymize(message, &passage).unwrap().message.ok().unwrap().into_bytes();
    assert!(memchr::memmem::find(&finished, b"hidden.example").is_none(), "{name}: an address is left");
    let whole = seconds_each(|| {
        let outcome = anonymize(black_box(message), &passage).unwrap();
        black_box(outcome.message.ok().unwrap());
    });
    let forbidden = Forbidden { secrets: &secrets, traces: &[], files: Files::Checked };
    let gate = seconds_each(|| {
        black_box(pass_gate(black_box(finished.clone()), &forbidden).ok().unwrap());
    });
    println!(
        "| {name:<40} | {kb:>4} KB | {:>10.0} | {:>6.1} | {:>11.1} | {:>10.1} | {:>9.0}% |",
        1.0 / whole,
        message.len() as f64 / whole / 1e6,
        message.len() as f64 / (whole - gate) / 1e6,
        whole * 1e6,
        gate / whole * 100.0
    );
}

/// Seconds that one call takes in the best round.
fn seconds_each(mut call: impl FnMut()) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let (start, before) = (Instant::now(), on_core());
            let mut calls = 0_u32;
            while start.elapsed() < ROUND {
                call();
                calls += 1;
            }
            (on_core() - before).as_secs_f64() / f64::from(calls)
        })
        .fold(f64::INFINITY, f64::min)
}

/// How long this thread has run so far (proc(5), schedstat), to within a tick.
fn on_core() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

fn is_ascii(charset: &str) -> bool {
    charset == "US-ASCII"
}

fn line(charset: &str) -> &'static str {
    if is_ascii(charset) { ASCII_LINE } else { LINE }
}

/// Text that becomes about `octets` in UTF-8.
fn text(charset: &str, hits: Hits, octets: usize) -> String {
    let mut text = String::new();
    let mut next_hit = 512;
    while text.len() < octets {
        text.push_str(line(charset));
        text.push_str("\r\n");
        if hits == Hits::Some && text.len() >= next_hit {
            let (or, to) = if is_ascii(charset) { ("or", "please.") } else { ("または", "まで。") };
            let _ = write!(text, "Re: {CUSTOMER} {or} {MERCHANT} {to}\r\n");
            next_hit += 1024;
        }
    }
    text
}

fn header() -> String {
    format!(
        "Received: from pc.customer.hidden.example ([192.0.2.7]) by out.customer.hidden.example with ESMTPSA;\r\n\
         \tSun, 22 Nov 2026 09:30:01 +0900\r\nFrom: Hanako <{CUSTOMER}>\r\n\
         To: aab3c5d7e2f4g6h3j5k7m2n4p6q3@shop.bench.example\r\n\
         Subject: =?UTF-8?B?44GU5rOo5paH44Gu5Lu2?=\r\nDate: Sun, 22 Nov 2026 09:30:00 +0900\r\n\
         Message-ID: <1@customer.hidden.example>\r\nMIME-Version: 1.0\r\n"
    )
}

fn text_only(charset: &str, transfer: Transfer, hits: Hits, size: usize) -> Vec<u8> {
    let mut message = header().into_bytes();
    let room = in_utf8(charset, transfer, size).saturating_sub(message.len()).max(300);
    part(&mut message, "plain", charset, transfer, &text(charset, hits, room));
    message
}

/// How many octets of text in UTF-8 become `size` as it travels: base64 and quoted-printable grow by a third and threefold.
fn in_utf8(charset: &str, transfer: Transfer, size: usize) -> usize {
    match transfer {
        Transfer::Plain if charset == "ISO-2022-JP" => size * 3 / 2,
        Transfer::Plain => size,
        Transfer::QuotedPrintable if is_ascii(charset) => size * 34 / 35,
        Transfer::QuotedPrintable => size * 10 / 31,
        Transfer::Base64 if charset == "Shift_JIS" => size * 11 / 10,
        Transfer::Base64 => size * 73 / 100,
    }
}

/// Adds the header of a text, and the text.
fn part(message: &mut Vec<u8>, subtype: &str, charset: &str, transfer: Transfer, text: &str) {
    let encoding = match transfer {
        Transfer::Plain if charset == "ISO-2022-JP" || is_ascii(charset) => "7bit",
        Transfer::Plain => "8bit",
        Transfer::QuotedPrintable => "quoted-printable",
        Transfer::Base64 => "base64",
    };
    let header = format!(
        "Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    );
    message.extend_from_slice(header.as_bytes());
    let (octets, _, unmappable) = encoding_rs::Encoding::for_label(charset.as_bytes()).unwrap().encode(text);
    assert!(!unmappable);
    match transfer {
        Transfer::Plain => message.extend_from_slice(&octets),
        Transfer::Base64 => base64(message, &octets),
        Transfer::QuotedPrintable => quoted_printable(message, &octets),
    }
}

/// A line, the attribution, the quoted mail with its signature: the address twice in the text, four times in the HTML.
fn reply(charset: &str, transfer: Transfer, size: usize) -> Vec<u8> {
    let mut message = header().into_bytes();
    message.extend_from_slice(b"Content-Type: multipart/alternative; boundary=\"part-7f3a\"\r\n");
    let room = in_utf8(charset, transfer, size.saturating_sub(1024)) / 2;
    let line = line(charset);
    let (date, shop) = if is_ascii(charset) {
        ("Sun, 22 Nov 2026 9:30", "The pot shop")
    } else {
        ("2026年11月22日(日) 9:30", "鉢植えの店")
    };
    let mut plain = format!("{line}\r\n\r\n{date} {shop} <{MERCHANT}>:\r\n\r\n");
    while plain.len() < room {
        let _ = write!(plain, "> {line}\r\n");
    }
    let _ = write!(plain, "> --\r\n> {shop} {MERCHANT}\r\n> https://shop.example/orders?id=12&lang=ja\r\n");
    let link = format!("<a href=\"mailto:{MERCHANT}\">{MERCHANT}</a>");
    let mut html = format!(
        "<html><body><div dir=\"ltr\">{line}</div><br><div class=\"quote\"><div>{date} {shop} \
         &lt;{link}&gt;:<br></div><blockquote style=\"margin:0px 0px 0px 0.8ex\">\r\n"
    );
    while html.len() < room {
        let _ = write!(html, "<div>{line}</div>\r\n");
    }
    let _ = write!(html, "-- <br>{shop} {link}</blockquote></div></body></html>\r\n");
    for (subtype, text) in [("plain", plain), ("html", html)] {
        message.extend_from_slice(b"\r\n--part-7f3a\r\n");
        part(&mut message, subtype, charset, transfer, &text);
    }
    message.extend_from_slice(b"\r\n--part-7f3a--\r\n");
    message
}

fn with_photo(hits: Hits, size: usize) -> Vec<u8> {
    let mut message = header();
    let _ = write!(
        message,
        "Content-Type: multipart/mixed; boundary=\"part-7f3a\"\r\n\r\n--part-7f3a\r\n\
         Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}\r\n--part-7f3a\r\n\
         Content-Type: image/jpeg; name=\"photo.jpg\"\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        text("UTF-8", hits, 2048)
    );
    let mut message = message.into_bytes();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let room = size.saturating_sub(message.len()) * 73 / 100;
    let photo: Vec<u8> = (0..room)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[0]
        })
        .collect();
    base64(&mut message, &photo);
    message.extend_from_slice(b"--part-7f3a--\r\n");
    message
}

fn base64(message: &mut Vec<u8>, octets: &[u8]) {
    for line in octets.chunks(57) {
        message.extend_from_slice(data_encoding::BASE64.encode(line).as_bytes());
        message.extend_from_slice(b"\r\n");
    }
}

/// RFC 2045 §6.7, with soft breaks at 75 octets.
fn quoted_printable(message: &mut Vec<u8>, octets: &[u8]) {
    let mut width = 0;
    for octet in octets {
        match octet {
            b'\r' | b'\n' => {
                message.push(*octet);
                width = 0;
                continue;
            }
            _ if width > 71 => {
                message.extend_from_slice(b"=\r\n");
                width = 0;
            }
            _ => {}
        }
        if octet.is_ascii_graphic() && *octet != b'=' || *octet == b' ' {
            message.push(*octet);
            width += 1;
        } else {
            message.extend_from_slice(format!("={octet:02X}").as_bytes());
            width += 3;
        }
    }
}
