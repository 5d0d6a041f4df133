//! What is done with a part, by its type and name, before anything of it is read.
//!
//! Rules: what a person reads is edited, messages are walked into, other files are passed as they are and searched.
//! What names its owner by its nature goes (signatures, certificates, keys); what cannot be read (encrypted, in pieces)
//! is refused with a reason. A report or message of an unknown kind is a text. A file that says nothing of its type goes by the end of its name.
//! When it fails: [`Refusal`].

use super::calendar;
use super::outcome::Removed;
use super::report;
use super::rules::{Rules, SignatureRule};
use super::search::Kind;
use super::{Refusal, rules};
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
    /// A calendar or a contact card.
    ContentLines,
    /// A message, walked into.
    Message,
    /// The header of a message and no more (RFC 3462 §2).
    MessageHeader,
    /// A report's fields.
    Report,
    /// Left out.
    Dropped(Removed),
    /// Passed as it is, if nothing is found in it.
    File,
}

/// What is done with a leaf or message of type `media` (lower case) under a file name.
pub fn treatment(
    media: &str,
    content_type: Option<&Structured>,
    file_name: &str,
    rules: &Rules,
) -> Result<Treatment, Refusal> {
    let name = file_name.trim().to_ascii_lowercase();
    let untyped =
        matches!(media, "application/octet-stream" | "application/unknown" | "application/x-unknown");
    let media = if untyped { by_name(&name).unwrap_or(media) } else { media };
    if tree::is_message(media) {
        return Ok(Treatment::Message);
    }
    if is_tnef(media, &name) {
        return Err(Refusal::Tnef);
    }
    let (kind, subtype) = media.split_once('/').unwrap_or(("text", "plain"));
    let end = name.rsplit_once('.').map(|(_, end)| end);
    match (kind, subtype) {
        ("application", "pkcs7-mime" | "x-pkcs7-mime") => {
            let says = |word| {
                content_type
                    .and_then(|value| value.text("smime-type"))
                    .is_some_and(|kind| kind.contains(word))
            };
            return match (says("certs"), says("signed")) {
                (true, _) => Ok(Treatment::Dropped(Removed::Key)),
                (_, true) => Err(Refusal::Signed),
                _ => Err(Refusal::Encrypted),
            };
        }
        ("application", "pkcs7-signature" | "x-pkcs7-signature" | "pgp-signature") => {
            return signature(rules);
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
            | "x-pkcs7-certificates"
            | "x-pkcs7-certreqresp"
            | "x-x509-user-cert"
            | "x-x509-ca-cert"
            | "x-x509-email-cert"
            | "pem-certificate-chain",
        ) => return Ok(Treatment::Dropped(Removed::Key)),
        ("message", "partial" | "external-body") => return Err(Refusal::Incomplete),
        ("message", "global-headers" | "rfc822-headers") | ("text", "rfc822-headers") => {
            return Ok(Treatment::MessageHeader);
        }
        ("message", _) if report::is_report(media) => return Ok(Treatment::Report),
        ("message", _) => return Ok(Treatment::Text(Kind::Plain)),
        _ => {}
    }
    match end {
        Some("p7s" | "sig") => return signature(rules),
        Some("p7m" | "gpg" | "pgp") => return Err(Refusal::Encrypted),
        Some("p7c" | "p7b" | "p12" | "pfx" | "cer" | "crt" | "der") => {
            return Ok(Treatment::Dropped(Removed::Key));
        }
        _ => {}
    }
    if calendar::has_content_lines(media) {
        return Ok(Treatment::ContentLines);
    }
    Ok(match (kind, subtype) {
        // Word splits a text over its runs.
        ("text" | "application", "rtf" | "x-rtf") => Treatment::File,
        ("text", "html" | "xml" | "enriched" | "richtext" | "x-amp-html") => Treatment::Text(Kind::Markup),
        ("text", _) => Treatment::Text(Kind::Plain),
        ("application" | "image" | "model", subtype) if subtype == "xml" || subtype.ends_with("+xml") => {
            Treatment::Text(Kind::Markup)
        }
        ("application", subtype)
            if subtype.ends_with("+json")
                || matches!(subtype, "json" | "javascript" | "x-javascript" | "yaml" | "x-yaml" | "csv") =>
        {
            Treatment::Text(Kind::Plain)
        }
        _ => Treatment::File,
    })
}

/// The type of a file that says none, where the end of its name does.
fn by_name(name: &str) -> Option<&'static str> {
    let (_, end) = name.rsplit_once('.')?;
    Some(match end {
        "txt" | "log" | "md" | "tsv" | "ini" | "asc" => "text/plain",
        "csv" => "text/csv",
        "htm" | "html" | "xhtml" => "text/html",
        "xml" | "svg" => "text/xml",
        "json" => "application/json",
        "ics" | "ifb" => "text/calendar",
        "vcf" => "text/vcard",
        "eml" | "mht" | "mhtml" => "message/rfc822",
        "p7m" => "application/pkcs7-mime",
        _ => return None,
    })
}

/// Whether a part is in Outlook's own format.
pub fn is_tnef(media: &str, file_name: &str) -> bool {
    let name = file_name.trim().to_ascii_lowercase();
    matches!(media, "application/ms-tnef" | "application/vnd.ms-tnef" | "application/x-ms-tnef")
        || matches!(name.as_str(), "winmail.dat" | "win.dat")
}

/// Whether a part is S/MIME whose text stands within it (RFC 8551 §3.2.1).
pub fn is_pkcs7(media: &str, file_name: &str) -> bool {
    let name = file_name.trim().to_ascii_lowercase();
    matches!(media, "application/pkcs7-mime" | "application/x-pkcs7-mime")
        || (media == "application/octet-stream" && name.ends_with(".p7m"))
}

fn signature(rules: &Rules) -> Result<Treatment, Refusal> {
    match rules.signatures {
        SignatureRule::Strip => Ok(Treatment::Dropped(Removed::Signature)),
        SignatureRule::Refuse => Err(Refusal::Signed),
    }
}

/// A multipart that is refused as a whole.
pub fn multipart(media: &str, rules: &rules::Rules) -> Result<(), Refusal> {
    match media {
        "multipart/signed" if rules.signatures == SignatureRule::Refuse => Err(Refusal::Signed),
        "multipart/encrypted" => Err(Refusal::Encrypted),
        _ => Ok(()),
    }
}

/// What the armour of PGP and X.509 in a file stands for, at a line start, quoted or behind a tag too (RFC 9580 §6.2,
/// RFC 7468).
pub fn armour(decoded: &[u8]) -> Option<Refusal> {
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
                return Some(refusal);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(media: &str, name: &str) -> Result<Treatment, Refusal> {
        treatment(media, None, name, &Rules::default())
    }

    #[test]
    fn what_names_its_owner_goes_and_what_cannot_be_read_is_refused() {
        let (signature, key) = (Treatment::Dropped(Removed::Signature), Treatment::Dropped(Removed::Key));
        for (media, name, expected) in [
            ("application/octet-stream", "WINMAIL.DAT", Err(Refusal::Tnef)),
            ("application/octet-stream", "smime.p7s", Ok(signature)),
            ("application/pkcs7-mime", "", Err(Refusal::Encrypted)),
            ("application/pgp-keys", "", Ok(key)),
            ("message/partial", "", Err(Refusal::Incomplete)),
            ("message/delivery-status", "", Ok(Treatment::Report)),
        ] {
            assert_eq!(of(media, name), expected, "{media} {name}");
        }
        let strict = Rules { signatures: SignatureRule::Refuse, ..Rules::default() };
        assert_eq!(treatment("application/pgp-signature", None, "", &strict), Err(Refusal::Signed));
        assert_eq!(armour(b"x\r\n-----BEGIN PGP SIGNATURE-----"), Some(Refusal::Signed));
        assert_eq!(armour(b"x\r\n> > -----BEGIN PGP SIGNATURE-----"), Some(Refusal::Signed));
        assert_eq!(armour(b"<pre>-----BEGIN PGP MESSAGE-----"), Some(Refusal::Encrypted));
        assert_eq!(armour(b"see -----BEGIN PGP SIGNATURE-----"), None);
    }

    #[test]
    fn texts_are_edited_and_files_are_left() {
        for (media, name, expected) in [
            ("text/html", "a.bin", Treatment::Text(Kind::Markup)),
            ("text/calendar", "a.bin", Treatment::ContentLines),
            ("image/svg+xml", "a.bin", Treatment::Text(Kind::Markup)),
            ("image/png", "a.bin", Treatment::File),
            ("message/rfc822", "a.bin", Treatment::Message),
            ("text/rfc822-headers", "a.bin", Treatment::MessageHeader),
            ("message/rfc822-headers", "a.bin", Treatment::MessageHeader),
            ("message/xdelivery-status", "a.bin", Treatment::Text(Kind::Plain)),
            ("application/octet-stream", "list.CSV", Treatment::Text(Kind::Plain)),
            ("application/octet-stream", "mail.eml", Treatment::Message),
            ("application/octet-stream", "a.bin", Treatment::File),
        ] {
            assert_eq!(of(media, name), Ok(expected), "{media} {name}");
        }
    }
}
