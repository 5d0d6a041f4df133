//! What stands beside an address or within it and hides it: line ends that cut escapes and tokens, blanks and octets in other
//! dress. What is rewritten holds none, and the gate by itself lets none of it through.

use super::{CUSTOMER, Direction, MERCHANT, World};
use crate::anonymize::{Files, Forbidden, Refusal, pass_gate};
use data_encoding::{BASE64, BASE64_NOPAD};

fn mail(kind: &str, body: &str) -> Vec<u8> {
    format!("From: {CUSTOMER}\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n{body}\r\n")
        .into_bytes()
}

/// The gate stops the text, and who rewrites it leaves no trace.
fn gives_way(world: &World, kind: &str, body: &str) -> String {
    let bare = String::from_utf8(mail(kind, body)).unwrap().replace(&format!("From: {CUSTOMER}\r\n"), "");
    assert_eq!(world.gate(bare.into_bytes()).err(), Some(Refusal::Residue), "{kind}: {body}");
    let out = world.pass(Direction::ToMerchant, &mail(kind, body)).ok();
    let out = String::from_utf8(out.unwrap_or_else(|| panic!("{kind}: {body}")).into_bytes()).unwrap();
    assert!(!out.contains("suzuki"), "{kind}: {out}");
    out[out.find("\r\n\r\n").unwrap() + 4..].to_owned()
}

fn calendar(line: &str) -> String {
    format!("BEGIN:VCALENDAR\r\n{line}\r\nEND:VCALENDAR")
}

/// As programs fold it, at 75 octets.
fn folded(line: &str) -> String {
    let (first, rest) = line.split_at(line.len().min(75));
    let rest =
        rest.as_bytes().chunks(74).map(|piece| format!("\r\n {}", std::str::from_utf8(piece).unwrap()));
    first.to_owned() + &rest.collect::<String>()
}

#[test]
fn a_token_gives_way_wherever_a_fold_cuts_it() {
    let world = World::default();
    let id = "60q30c1g60o30e1i60o4ac1g60rj8gpl88rj2c1h84s34h9g60s30c1g60o30c1g";
    let token = BASE64_NOPAD.encode(format!("{id} {CUSTOMER}").as_bytes());
    for pad in 0..75 {
        let line = format!("DESCRIPTION:{} https://x.example/event?eid={token}&tok=MTkj", "x".repeat(pad));
        let out = gives_way(&world, "text/calendar", &calendar(&folded(&line)));
        let out = out.replace("\r\n ", "");
        let token = out.split("eid=").nth(1).unwrap().split('&').next().unwrap();
        let held = String::from_utf8(BASE64_NOPAD.decode(token.as_bytes()).unwrap()).unwrap();
        assert!(held.starts_with(id) && held.ends_with("relay.example"), "{pad}: {held}");
        assert!(out.contains("&tok=MTkj\r\n"), "{out}");
    }
}

#[test]
fn a_token_gives_way_over_the_line_ends_of_texts_and_links() {
    let world = World::default();
    let token = BASE64.encode(format!("{{\"organizer\":\"{CUSTOMER}\",\"x\":1}}").as_bytes());
    for cut in [19, 20, 21, 22, 30, 40] {
        let (head, tail) = token.split_at(cut);
        for (kind, body) in [
            ("text/plain", format!("https://x.example/j/{head}\r\n{tail}\r\n")),
            ("text/plain", format!("> https://x.example/j/{head}\r\n> {tail}\r\n")),
            ("text/plain; format=flowed; delsp=yes", format!("https://x.example/j/{head} \r\n{tail}\r\n")),
            ("text/html", format!("<a href=\"https://x.example/j/{head}\r\n{tail}\">x</a>")),
            ("text/calendar", calendar(&format!("URL:https://x.example/j/{head}\r\n {tail}"))),
        ] {
            let out = gives_way(&world, kind, &body);
            let glued: String = out.split(['\r', '\n', ' ', '>']).collect();
            let from = glued.find("/j/").unwrap() + 3;
            let length = glued[from..].bytes().take_while(u8::is_ascii_alphanumeric).count();
            let held = BASE64_NOPAD.decode(&glued.as_bytes()[from..from + length / 4 * 4]).unwrap();
            let held = String::from_utf8_lossy(&held).into_owned();
            assert!(held.contains("relay.example\",\"x\""), "{out}");
        }
    }
}

#[test]
fn what_follows_a_whole_token_on_the_next_line_stays() {
    let world = World::default();
    let token = BASE64_NOPAD.encode(CUSTOMER.as_bytes());
    let out = gives_way(
        &world,
        "text/plain",
        &format!("https://x.example/j/{token}\r\nTomorrow at 10 we meet.\r\n"),
    );
    assert!(out.ends_with("\r\nTomorrow at 10 we meet.\r\n\r\n"), "{out}");
}

#[test]
fn an_escape_gives_way_where_a_line_end_cuts_it() {
    let world = World::default();
    for line in [
        "URL:https://x.example/?u=hana.suzuki%4\r\n 0mailbox.example",
        "URL:https://x.example/?u=hana.suzuki%\r\n 40mailbox.example",
        "URL:https://x.example/?u=hana.suzuki%25\r\n 40mailbox.example",
        "URL:https://x.example/?u=05%7\r\n Chana.suzuki%40mailbox.example%7C01",
        "URL:https://x.example/?u=05%\r\n 7Chana.suzuki%40mailbox.example%7C01",
        "X-ALT-DESC;FMTTYPE=text/html:hana.suzuki&#6\r\n 4;mailbox.example",
        "X-JSON:{\"a\":\"hana.suzuki\\u00\r\n 40mailbox.example\"}",
        "DESCRIPTION:Hello\\\r\n nhana.suzuki@mailbox.example",
        "DESCRIPTION:Hello\\\r\n Nhana.suzuki@mailbox.example or so",
        "ATTENDEE;CN=\"x^nhana.suzuki@mailbox.example\":mailto:z@other.example",
        "ATTENDEE;CN=\"x^\r\n nhana.suzuki@mailbox.example\":mailto:z@other.example",
        "ATTENDEE;CN=\"x^'hana.suzuki@mailbox.example^'\":mailto:z@other.example",
    ] {
        gives_way(&world, "text/calendar", &calendar(line));
    }
    let flowed = "text/plain; format=flowed; delsp=yes";
    gives_way(&world, flowed, "https://x.example/?u=hana.suzuki%4 \r\n0mailbox.example");
    gives_way(&world, "text/plain", "> https://x.example/?u=hana.suzuki%4\r\n> 0mailbox.example");
    let card = "BEGIN:VCARD\r\nNOTE:Hi\\\r\n nhana.suzuki@mailbox.example\r\nEND:VCARD";
    gives_way(&world, "text/vcard", card);
}

#[test]
fn a_merchants_address_gives_way_to_the_customer_as_well() {
    let world = World::default();
    let line = calendar(&format!("DESCRIPTION:{}\\\r\n n{MERCHANT}", "x".repeat(61)));
    let mail = String::from_utf8(mail("text/calendar", &line)).unwrap().replace(CUSTOMER, MERCHANT);
    let out = world.pass(Direction::ToCustomer, mail.as_bytes()).ok().unwrap().into_bytes();
    assert!(!String::from_utf8(out).unwrap().contains("tanuki-shop"));
}

#[test]
fn what_stands_for_a_blank_or_another_letter_before_an_address_hides_it_no_more() {
    let world = World::default();
    for text in [
        "https://x.example/render?text=Order&details=Contact+hana.suzuki%40mailbox.example+please",
        "https://x.example/search?q=from%3Ame+hana.suzuki%40mailbox.example",
        "https://mail.example/u/0/#search/from+hana.suzuki@mailbox.example",
        "mailto:shop@x.example?body=Reply+to+hana.suzuki@mailbox.example",
        "https://x.example/?url=https%3A%2F%2Fy.example%2F%3Fq%3Dmail%2Bhana.suzuki%2540mailbox.example",
        "mailto:x@y.example?body=%83%8Bhana.suzuki%40mailbox.example",
        "mailto:x@y.example?body=%83Ahana.suzuki%40mailbox.example",
        "https://x.example/?p=%A5%EBhana.suzuki%40mailbox.example",
        "https://x.example/?p=%E9hana.suzuki@mailbox.example",
        "mailto:x@y.example?body=%1B$B%25%25%1B(Bhana.suzuki@mailbox.example",
        "mailto:x@y.example?body=%1B%24B%25%25%1B%28Bhana.suzuki%40mailbox.example",
        "NOTE;ENCODING=QUOTED-PRINTABLE:line1=0Ahana.suzuki@mailbox.example",
        "NOTE;ENCODING=QUOTED-PRINTABLE:line1=0D=0Ahana.suzuki@mailbox.example",
        "Hello=20hana.suzuki@mailbox.example and =09hana.suzuki@mailbox.example",
        "caf=C3=A9hana.suzuki@mailbox.example and =E3=83=ABhana.suzuki=40mailbox.example",
        "{\"a\":\"x\\bhana.suzuki@mailbox.example\"}",
    ] {
        gives_way(&world, "text/plain; charset=utf-8", text);
    }
    gives_way(&world, "text/html", "mail&copyhana.suzuki@mailbox.example");
    gives_way(&world, "text/html", "mail&middothana.suzuki@mailbox.example");
}

#[test]
fn other_peoples_addresses_stay_behind_a_plus_a_fold_or_an_escape() {
    let world = World::default();
    for text in [
        "taro+hana.suzuki@mailbox.example",
        "a%20\r\nrhana.suzuki@mailbox.example",
        "https://x.example/taro+hana.suzuki@mailbox.example",
    ] {
        let out = world.pass(Direction::ToMerchant, &mail("text/plain", text)).ok().unwrap().into_bytes();
        assert!(String::from_utf8(out).unwrap().contains(text), "{text}");
    }
}

#[test]
fn a_calendars_short_form_of_an_address_gives_way_at_the_end_of_a_token_alone() {
    let world = World::new("hana.suzuki@gmail.com", MERCHANT);
    for id in ["60o3", "60o30", "60o301"] {
        let token = BASE64_NOPAD.encode(format!("{id} hana.suzuki@m").as_bytes());
        let body = format!("https://www.google.com/calendar/event?eid={token}&tok=x");
        let out = gives_way(&world, "text/plain", &body);
        let token = out.split("eid=").nth(1).unwrap().split('&').next().unwrap();
        let held = String::from_utf8(BASE64_NOPAD.decode(token.as_bytes()).unwrap()).unwrap();
        assert!(held.starts_with(&format!("{id} ")) && held.ends_with("relay.example"), "{held}");
    }
    let other = BASE64_NOPAD.encode(b"60o3 hana.suzuki@moon.example");
    let out = world.pass(Direction::ToMerchant, &mail("text/plain", &format!("?eid={other}")));
    assert!(String::from_utf8(out.ok().unwrap().into_bytes()).unwrap().contains(&other));
}

#[test]
fn the_gate_reads_the_ids_of_a_calendar_as_names_of_machines() {
    let traces = ["pc-hana.home.example".to_owned()];
    let forbidden = Forbidden { secrets: &[], traces: &traces, files: Files::Checked };
    let passes = |kind: &str, line: &str| pass_gate(mail(kind, &calendar(line)), &forbidden).is_ok();
    assert!(!passes("text/calendar", "UID:1@pc-hana.\r\n home.example"));
    assert!(!passes("application/octet-stream; name=a.ics", "RELATED-TO:1 2@pc-hana.home.example"));
    assert!(passes("text/calendar", "UID:1@pc.home.example"));
}

#[test]
fn the_gate_holds_what_only_some_programs_do_not_show() {
    let world = World::default();
    for (first, second) in [
        ("<style>i{display:none}</style>", "<i>X</i>"),
        ("<style>[title]{display:none}</style>", "<i title=a>X</i>"),
        ("<style>p i.x,*.q:not(b){display:none}</style>", "<i class=q>X</i>"),
        ("", "<i style=\"display:/**/none\">X</i>"),
        ("", "<i style=\"display&#58;none\">X</i>"),
        ("", "<i style=\"display&colon;none\">X</i>"),
        ("", "<i style=\"display:n\\6fne\">X</i>"),
        ("", "<i style=\"font:0/0 a\">X</i>"),
        ("", "<i style=\"position:absolute;left:-9999px\">X</i>"),
        ("", "<iframe>X</iframe>"),
        ("", "<object>X</object>"),
        ("", "<select>X</select>"),
        ("", "<datalist>X</datalist>"),
        ("", "<dialog>X</dialog>"),
        ("", "<rp>X</rp>"),
        ("", "<noembed>X</noembed>"),
        ("", "<video>X</video>"),
    ] {
        let body = format!("{first}hana.suzuki{second}@mailbox{second}.example");
        assert_eq!(
            world.gate(mail("text/html", &body).split_off(35)).err(),
            Some(Refusal::Residue),
            "{body}"
        );
    }
    let other = mail("text/html", "hana.suzuki<i>X</i>@mailbox<i>Y</i>.example").split_off(35);
    assert!(world.gate(other).is_ok());
}
