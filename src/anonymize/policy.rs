//! What is done with a part, by its type and name, before anything of it is read.
//!
//! Rules: what a person reads is edited, messages are walked into, other files are passed as they are and left to
//! the gate. What names its owner by its nature (signatures, certificates, keys, Outlook's format) or cannot be read
//! (encrypted, in pieces) is refused with a reason.
//! When it fails: [`Refusal`].

use super::Refusal;
use super::search::Kind;
use crate::mime::params::Structured;
use crate::mime::tree;

/// How much of a file is looked at for the armour of keys and signatures, in octets.
pub const ARMOUR_PREFIX: usize = 16 * 1024;

/// How far before the armour the marks of quoting are looked for, in octets.
const MAX_QUOTING: usize = 16;

/// What is done with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Edited in place.
    Text(Kind),
    /// A message, walked into.
    Message,
    /// The header of a message and no more (RFC 3462 §2).
    MessageHeader,
    /// Passed as it is.
    File,
}

/// What is done with a leaf or message of type `media` (lower case) under a file name.
pub fn treatment(
    media: &str,
    content_type: Option<&Structured>,
    file_name: &str,
) -> Result<Treatment, Refusal> {
    if tree::is_message(media) {
        return Ok(Treatment::Message);
    }
    let name = file_name.trim().to_ascii_lowercase();
    if matches!(name.as_str(), "winmail.dat" | "win.dat") {
        return Err(Refusal::Tnef);
    }
    let (kind, subtype) = media.split_once('/').unwrap_or(("text", "plain"));
    match (kind, subtype) {
        ("application", "ms-tnef" | "vnd.ms-tnef" | "x-ms-tnef") => return Err(Refusal::Tnef),
        ("application", "pkcs7-mime" | "x-pkcs7-mime") => {
            let signed = content_type
                .and_then(|value| value.text("smime-type"))
                .is_some_and(|kind| kind.contains("signed"));
            return Err(if signed { Refusal::Signed } else { Refusal::Encrypted });
        }
        ("application", "pkcs7-signature" | "x-pkcs7-signature" | "pgp-signature") => {
            return Err(Refusal::Signed);
        }
        ("application", "pgp-encrypted" | "pgp") => return Err(Refusal::Encrypted),
        (
            "application",
            "pgp-keys"
            | "pkix-cert"
            | "pkix-crl"
            | "pkcs10"
            | "pkcs8"
            | "pkcs12"
            | "x-pkcs12"
            | "x-x509-user-cert"
            | "x-x509-ca-cert"
            | "x-x509-email-cert"
            | "pem-certificate-chain",
        ) => {
            return Err(Refusal::Key);
        }
        ("message", "partial" | "external-body") => return Err(Refusal::Incomplete),
        (
            "message",
            "delivery-status"
            | "disposition-notification"
            | "feedback-report"
            | "global-delivery-status"
            | "global-disposition-notification"
            | "tracking-status",
        ) => {
            return Err(Refusal::Report);
        }
        ("message", "global-headers") | ("text", "rfc822-headers") => return Ok(Treatment::MessageHeader),
        ("message", _) => return Err(Refusal::UnknownMessage),
        _ => {}
    }
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("p7s" | "sig") => return Err(Refusal::Signed),
        Some("p7m" | "p7c" | "gpg" | "pgp") => return Err(Refusal::Encrypted),
        Some("p12" | "pfx" | "cer" | "crt") => return Err(Refusal::Key),
        _ => {}
    }
    Ok(match (kind, subtype) {
        ("text", "html" | "xml" | "enriched" | "richtext") => Treatment::Text(Kind::Markup),
        ("text", _) => Treatment::Text(Kind::Plain),
        ("application" | "image" | "model", subtype) if subtype == "xml" || subtype.ends_with("+xml") => {
            Treatment::Text(Kind::Markup)
        }
        ("application", subtype)
            if subtype.ends_with("+json")
                || matches!(
                    subtype,
                    "json" | "javascript" | "x-javascript" | "ics" | "yaml" | "x-yaml" | "rtf" | "csv"
                ) =>
        {
            Treatment::Text(Kind::Plain)
        }
        _ => Treatment::File,
    })
}

/// A multipart that is refused as a whole.
pub fn multipart(media: &str) -> Result<(), Refusal> {
    match media {
        "multipart/signed" => Err(Refusal::Signed),
        "multipart/encrypted" => Err(Refusal::Encrypted),
        _ => Ok(()),
    }
}

/// Refuses the armour of PGP and X.509 at a line start, quoted or behind a tag too (RFC 9580 §6.2, RFC 7468).
pub fn armour(decoded: &[u8]) -> Result<(), Refusal> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    for at in memchr::memmem::find_iter(decoded, BEGIN) {
        let before = decoded.get(at.saturating_sub(MAX_QUOTING)..at).unwrap_or_default().trim_ascii_end();
        let line = decoded.get(at.saturating_sub(MAX_QUOTING)..at).unwrap_or_default();
        let fresh = line.iter().rev().find(|b| !matches!(b, b' ' | b'\t'));
        let line_start = before.is_empty()
            || fresh.is_some_and(|b| matches!(b, b'\n' | b'\r' | b'>' | b'|'))
            || before.ends_with(b"&gt;");
        let rest = decoded.get(at + BEGIN.len()..).unwrap_or_default();
        if !line_start {
            continue;
        }
        for (what, refusal) in [
            (b"PGP SIGNED MESSAGE".as_slice(), Refusal::Signed),
            (b"PGP SIGNATURE", Refusal::Signed),
            (b"PGP MESSAGE", Refusal::Encrypted),
            (b"PGP PUBLIC KEY", Refusal::Key),
            (b"PGP PRIVATE KEY", Refusal::Key),
            (b"CERTIFICATE", Refusal::Key),
            (b"PKCS7", Refusal::Signed),
            (b"CMS", Refusal::Signed),
        ] {
            if rest.starts_with(what) {
                return Err(refusal);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_its_owner_is_refused_by_type_name_or_content() {
        for (media, name, refusal) in [
            ("application/octet-stream", "WINMAIL.DAT", Refusal::Tnef),
            ("application/octet-stream", "smime.p7s", Refusal::Signed),
            ("application/pkcs7-mime", "", Refusal::Encrypted),
            ("application/pgp-keys", "", Refusal::Key),
            ("message/partial", "", Refusal::Incomplete),
            ("message/delivery-status", "", Refusal::Report),
            ("message/http", "", Refusal::UnknownMessage),
        ] {
            assert_eq!(treatment(media, None, name), Err(refusal), "{media} {name}");
        }
        assert_eq!(armour(b"x\r\n-----BEGIN PGP SIGNATURE-----"), Err(Refusal::Signed));
        assert_eq!(armour(b"x\r\n> > -----BEGIN PGP SIGNATURE-----"), Err(Refusal::Signed));
        assert_eq!(armour(b"<pre>-----BEGIN PGP SIGNATURE-----"), Err(Refusal::Signed));
        assert_eq!(armour(b"see -----BEGIN PGP SIGNATURE-----"), Ok(()));
    }

    #[test]
    fn texts_are_edited_and_files_are_left() {
        for (media, expected) in [
            ("text/html", Treatment::Text(Kind::Markup)),
            ("text/calendar", Treatment::Text(Kind::Plain)),
            ("image/svg+xml", Treatment::Text(Kind::Markup)),
            ("image/png", Treatment::File),
            ("message/rfc822", Treatment::Message),
            ("text/rfc822-headers", Treatment::MessageHeader),
        ] {
            assert_eq!(treatment(media, None, "a.bin"), Ok(expected), "{media}");
        }
    }
}
