//! The three mails of the demo, written as the programs of the two would write them, with everything in them that
//! would give their writers away.
//!
//! Rules: a reply quotes what its writer received, and answers the Message-ID that it received. The texts are Japanese
//! as shops and customers write it; the charsets are those that their programs use.

use super::cast::{CUSTOMER, ORDER_NO, STORE};
use super::compose::{base64, crlf, encode, encoded_words, pdf, quoted_printable};
use super::reading::Reading;
use crate::mail::{Alias, Timestamp};
use encoding_rs::{ISO_2022_JP, SHIFT_JIS, UTF_8};
use std::fmt::Write as _;

/// Name of the attached file.
pub(super) const FILE_NAME: &str = "納品書.pdf";
const SUBJECT: &str = "ご注文ありがとうございます（注文番号 2026-1122）";

/// What was written where, so that a search of the storage knows what to look for.
pub(super) const PHRASES: [&str; 6] = [
    SUBJECT,
    "下記のとおりご注文を承りました",
    "お届けは二十五日の午前中に",
    "お誕生日おめでとう",
    "ピンクのリボンを添えます",
    "delivery note of order",
];

/// The file that the first mail carries.
pub(super) fn delivery_note() -> Vec<u8> {
    pdf(&format!("delivery note of order {ORDER_NO}"))
}

/// The Message-ID, with brackets, that the writer's own program gives its mail.
pub(super) fn own_id(number: usize) -> String {
    match number {
        2 => format!("<7D1A2C40-phone-2@{}>", CUSTOMER.id_host),
        _ => format!("<{ORDER_NO}.{number}.8c41@{}>", STORE.id_host),
    }
}

/// The order confirmation: ISO-2022-JP in 7bit, as the tools of Japanese shops have written for thirty years, with a
/// file.
pub(super) fn confirmation(to: &Alias, at: Timestamp) -> Vec<u8> {
    let text = format!(
        "山田 花子 様\n\nこのたびは花工房みどりをご利用いただき、ありがとうございます。\n\
         下記のとおりご注文を承りました。納品書を添付いたします。\n\n\
         \u{3000}注文番号　{ORDER_NO}\n　商品　　　季節の花束「秋桜」 一束\n　お届け日　十一月二十五日（水）\n\n\
         ご不明な点は、このメールにそのままご返信ください。\n\n-- \n花工房みどり　担当 森\n{}\n",
        STORE.address()
    );
    let name = encoded_words(ISO_2022_JP, STORE.name);
    let mut mail = format!(
        "Received: from [192.0.2.17] (counter.hanaya.example [192.0.2.17])\r\n\tby pos.hanaya.example with ESMTPA id 41C8;\r\n\
         \t{date}\r\n\
         From: {name} <{from}>\r\nReply-To: {name} <{from}>\r\n\
         To: {customer} <{to}>\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: {id}\r\n\
         X-Mailer: HanayaPOS 4.2 (counter.hanaya.example)\r\nX-Originating-IP: [192.0.2.17]\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_hanaya.example_1\"\r\n\r\n\
         --=_hanaya.example_1\r\n\
         Content-Type: text/plain; charset=ISO-2022-JP\r\nContent-Transfer-Encoding: 7bit\r\n\r\n",
        date = at.to_rfc5322(),
        from = STORE.address(),
        customer = encoded_words(ISO_2022_JP, CUSTOMER.name),
        subject = encoded_words(ISO_2022_JP, SUBJECT),
        id = own_id(1),
    )
    .into_bytes();
    mail.extend(encode(ISO_2022_JP, &crlf(&text)));
    let file = format!(
        "\r\n--=_hanaya.example_1\r\nContent-Type: application/pdf; name=\"{}\"\r\n\
         Content-Disposition: attachment;\r\n filename*=UTF-8''%E7%B4%8D%E5%93%81%E6%9B%B8.pdf\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}--=_hanaya.example_1--\r\n",
        encoded_words(ISO_2022_JP, FILE_NAME),
        base64(&delivery_note()),
    );
    mail.extend(file.into_bytes());
    mail
}

/// The customer's answer from a telephone: UTF-8, text in quoted-printable, HTML in base64, the whole of what was
/// received below, the writer's own address in signature, quotation and link.
pub(super) fn reply(received: &Reading, at: Timestamp) -> Vec<u8> {
    let (from, store) = (CUSTOMER.address(), received.address_in("From"));
    let words = "花工房みどり 森様\n\n山田です。納品書を確かに受け取りました。\n\
        お届けは二十五日の午前中にお願いできますか。\nカードには「お誕生日おめでとう」と入れてください。\n";
    let name = CUSTOMER.name;
    let attribution = format!("2026年11月22日(日) 9:12 花工房みどり <{store}>:");
    let to_line = format!("宛先: {name} <{from}>");
    let quoted = quote(&format!("{to_line}\n{}", received.main_text()));
    let text = format!("{words}\n{name}\n{from}\n\n{attribution}\n{quoted}\n");
    let html = format!(
        "<html><body><p>{}</p><p>{name}<br><a href=\"mailto:{from}\">{from}</a></p>\n\
         <div>{}</div>\n<blockquote type=\"cite\">{}</blockquote></body></html>\n",
        html_lines(words),
        html_lines(&attribution),
        html_lines(&format!("{to_line}\n{}", received.main_text())),
    );
    let id = received.header("Message-ID");
    format!(
        "Received: from phone.mail.test (pl-77.home.mail.test [198.51.100.77])\r\n\tby out3.mail.test with ESMTPSA id 9F77;\r\n\
         \t{date}\r\n\
         DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=mail.test; s=s2026;\r\n\
         \th=from:to:subject:date; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n\
         \tb=bm90IGEgcmVhbCBzaWduYXR1cmU=\r\n\
         Authentication-Results: out3.mail.test; auth=pass smtp.auth={from}\r\n\
         X-Originating-IP: [198.51.100.77]\r\n\
         Autocrypt: addr={from}; prefer-encrypt=mutual;\r\n keydata=bm90IGEgcmVhbCBrZXk=\r\n\
         From: {sender} <{from}>\r\nTo: {to_name} <{store}>\r\nSubject: {subject}\r\nDate: {date}\r\n\
         Message-ID: {own}\r\nIn-Reply-To: {id}\r\nReferences: {id}\r\nUser-Agent: Pocket Mail 12.1\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"phone-2\"\r\n\r\n\
         --phone-2\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{plain}\r\n\
         --phone-2\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{html}\r\n\
         --phone-2--\r\n",
        date = at.to_rfc5322(),
        sender = encoded_words(UTF_8, name),
        to_name = encoded_words(UTF_8, STORE.name),
        subject = encoded_words(UTF_8, &format!("Re: {SUBJECT}")),
        own = own_id(2),
        plain = quoted_printable(&crlf(&text)),
        html = base64(crlf(&html).as_bytes()),
    )
    .into_bytes()
}

/// The store's answer: Shift_JIS in 8bit, from its second registered address, the whole of what was received below.
pub(super) fn answer(received: &Reading, at: Timestamp) -> Vec<u8> {
    let from = STORE.addresses.last().copied().unwrap_or_default();
    let customer = received.address_in("From");
    let text = format!(
        "山田様\n\n承知いたしました。二十五日の午前中にお届けします。\n\
         カードは「お誕生日おめでとう」で、ピンクのリボンを添えます。\n\n花工房みどり　森\n{from}\n\n\
         2026/11/22 10:30、山田 花子 <{customer}> のメール:\n{}\n",
        quote(received.main_text())
    );
    let id = received.header("Message-ID");
    let references = format!("{} {id}", received.header("References"));
    let mut mail = format!(
        "From: {name} <{from}>\r\nTo: {to_name} <{customer}>\r\nSubject: {subject}\r\nDate: {date}\r\n\
         Message-ID: {own}\r\nIn-Reply-To: {id}\r\nReferences: {references}\r\n\
         X-Mailer: HanayaPOS 4.2 (counter.hanaya.example)\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=Shift_JIS\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        name = encoded_words(SHIFT_JIS, STORE.name),
        to_name = encoded_words(SHIFT_JIS, CUSTOMER.name),
        subject = encoded_words(SHIFT_JIS, &format!("Re: {SUBJECT}")),
        date = at.to_rfc5322(),
        own = own_id(3),
    )
    .into_bytes();
    mail.extend(encode(SHIFT_JIS, &crlf(&text)));
    mail
}

/// A stranger's attempt on an alias that leaked.
pub(super) fn intrusion(from: &str, to: &Alias, at: Timestamp) -> Vec<u8> {
    format!("From: <{from}>\r\nTo: <{to}>\r\nSubject: hello\r\nDate: {}\r\n\r\nhello\r\n", at.to_rfc5322())
        .into_bytes()
}

/// Each line behind `> `.
fn quote(text: &str) -> String {
    text.trim_end().lines().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "> {line}");
        out
    })
}

fn html_lines(text: &str) -> String {
    let escaped = text.trim_end().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace("\r\n", "\n").replace('\n', "<br>\n")
}

#[cfg(test)]
mod tests {
    use super::super::traces;
    use super::*;
    use crate::mail::Domain;

    fn alias(local: &str) -> Alias {
        Alias::new(local, Domain::parse("fw.anshin.example").unwrap())
    }

    /// The three letters, each reply to what was sent, as if no relay were between.
    fn letters() -> [Vec<u8>; 3] {
        let at = Timestamp::from_millis(1_795_000_000_000);
        let first = confirmation(&alias("aa"), at);
        let second = reply(&Reading::of(&first).unwrap(), at);
        let third = answer(&Reading::of(&second).unwrap(), at);
        [first, second, third]
    }

    #[test]
    fn each_letter_is_in_its_own_charset_and_reads_back_whole() {
        let [first, second, third] = letters().map(|letter| Reading::of(&letter).unwrap());
        let charsets = |reading: &Reading| {
            reading.texts.iter().map(|text| text.charset.to_lowercase()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(charsets(&first), "iso-2022-jp");
        assert_eq!(charsets(&second), "utf-8 utf-8");
        assert_eq!(charsets(&third), "shift_jis");
        let whole = third.main_text();
        for phrase in PHRASES.iter().skip(1).take(4) {
            assert!(whole.contains(phrase), "{phrase}");
        }
        assert!([&first, &second, &third].iter().all(|r| r.texts.iter().all(|t| !t.content.contains("&#"))));
        assert_eq!(first.attachments.len(), 1);
        assert_eq!(first.attachments[0].name, FILE_NAME);
        assert_eq!(first.attachments[0].octets, delivery_note());
        assert!(third.header("Subject").ends_with(SUBJECT));
        assert_eq!(third.header("In-Reply-To"), own_id(2));
        assert_eq!(third.header("References"), format!("{} {}", own_id(1), own_id(2)));
    }

    #[test]
    fn each_letter_would_give_its_writer_away() {
        let [first, second, third] = letters();
        for (letter, writer) in [(first, &STORE), (second, &CUSTOMER), (third, &STORE)] {
            assert!(traces::in_message(&letter, writer.traces).len() > 3, "{}", writer.role);
        }
    }

    #[test]
    fn no_letter_has_an_overlong_line_or_a_bare_line_end() {
        for letter in letters() {
            assert!(crate::smtp::dot_stuff(&letter).is_ok());
            assert!(letter.split(|b| *b == b'\n').all(|line| line.len() < 998));
        }
    }
}
