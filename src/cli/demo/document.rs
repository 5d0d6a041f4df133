//! The demo as one JSON document: the mails as sent and as arrived, the checks.
//!
//! When it fails: never. A mail that can't be read has only its envelope.

use super::checks::Check;
use super::exchange::Exchange;
use super::reading::Reading;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// `{ ok, mails: [{ title, sent, arrived }], checks: [{ check, ok, evidence }] }`
pub(super) fn of(exchanges: &[Exchange], checks: &[Check]) -> Value {
    let mails = exchanges.iter().map(|exchange| {
        let arrival = &exchange.arrival;
        json!({
            "title": exchange.title,
            "from": exchange.from.role,
            "to": exchange.to.role,
            "sent": {
                "way": exchange.way,
                "mail_from": exchange.mail_from,
                "rcpt_to": [exchange.rcpt_to],
                "reply": exchange.answer.to_string(),
                "mail": mail(&exchange.octets),
            },
            "arrived": {
                "server": arrival.server,
                "helo": arrival.helo,
                "tls": arrival.tls,
                "mail_from": arrival.mail_from,
                "rcpt_to": arrival.rcpt_to,
                "mail": mail(&arrival.octets),
            },
        })
    });
    let checks_json =
        checks.iter().map(|check| json!({ "check": check.name, "ok": check.ok, "evidence": check.evidence }));
    json!({
        "ok": checks.iter().all(|check| check.ok),
        "mails": mails.collect::<Vec<_>>(),
        "checks": checks_json.collect::<Vec<_>>(),
    })
}

fn mail(octets: &[u8]) -> Value {
    let Some(reading) = Reading::of(octets) else { return Value::Null };
    let headers = reading.headers.iter().map(|(name, value)| json!({ "name": name, "value": value }));
    let texts = reading
        .texts
        .iter()
        .map(|text| json!({ "type": format!("text/{}", text.subtype), "charset": text.charset, "text": text.content }));
    let files = reading.attachments.iter().map(|file| {
        let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&file.octets));
        json!({ "name": file.name, "type": file.media_type, "octets": file.octets.len(), "sha256": sha256 })
    });
    json!({
        "octets": octets.len(),
        "headers": headers.collect::<Vec<_>>(),
        "texts": texts.collect::<Vec<_>>(),
        "files": files.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_told_with_its_headers_texts_and_files() {
        let value = mail(
            b"Subject: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n\
              Content-Type: application/pdf; name=x.pdf\r\n\r\nabc\r\n--b--\r\n",
        );
        assert_eq!(value["headers"][0], json!({ "name": "Subject", "value": "a" }));
        assert_eq!(value["texts"][0]["text"], "hello");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            value["files"][0],
            json!({ "name": "x.pdf", "type": "application/pdf", "octets": 3, "sha256": sha256 })
        );
    }
}
