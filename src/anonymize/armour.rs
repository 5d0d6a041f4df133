//! OpenPGP and certificates in a text, and files that stand in one: taken out, or searched, before the text is.
//!
//! Rules: signature frames go and leave the text (RFC 9580 §7), keys and certificates go whole; a text that holds an
//! encrypted message is refused, since nobody here can read it. A file in uuencode or in lines of base64 is searched like an
//! attached one; where it is a text it is edited, and encoded again.
//! When it fails: [`Refusal::Signed`] where the installation refuses signatures, [`Refusal::Encrypted`].

use super::body::Writer;
use super::outcome::Removed;
use super::search::Kind;
use super::text::{self, Apart, Sought};
use super::{DocumentRule, Refusal, SignatureRule, embedded, file};
use crate::document;
use crate::mime::base64_block;
use crate::mime::charset::Charset;
use crate::mime::slice;
use crate::mime::transfer::{Edit, apply};
use crate::mime::{line_value, pgp, uuencode, yenc};

/// Most files of a kind within a text that are looked into; with more, the message waits for its sender.
const MAX_FILES: usize = 64;

/// A text without signatures and keys; `None` where it has none.
///
/// # Errors
/// [`Refusal`].
pub fn opened(writer: &mut Writer<'_>, text: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    if memchr::memmem::find(text, b"-----").is_none() {
        return Ok(None);
    }
    if pgp::is_encrypted(text) {
        return Err(Refusal::Encrypted);
    }
    let mut out: Option<Vec<u8>> = None;
    if let Some(edits) = pgp::cleartext(text).filter(|edits| !edits.is_empty()) {
        if writer.passage.rules.signatures == SignatureRule::Refuse {
            return Err(Refusal::Signed);
        }
        writer.removed.insert(Removed::Signature);
        out = Some(apply(text, &edits));
    }
    let edits = pgp::keys(out.as_deref().unwrap_or(text));
    if !edits.is_empty() {
        writer.removed.insert(Removed::Key);
        out = Some(apply(out.as_deref().unwrap_or(text), &edits));
    }
    Ok(out)
}

/// Whether anything is left of a text without its signatures and keys.
pub fn has_rest(text: &[u8]) -> bool {
    let unsigned = pgp::cleartext(text).map(|edits| apply(text, &edits));
    let text = unsigned.as_deref().unwrap_or(text);
    !apply(text, &pgp::keys(text)).trim_ascii().is_empty()
}

/// Whether what is uuencoded is a file to search, and no text to edit: it holds control octets, and does not read as wide text.
/// Numbers of 16 bits, as files are full of them, look much like such text, but hold what no text does.
pub fn is_file(octets: &[u8]) -> bool {
    let control = |b: &u8| *b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0e | 0x0f | 0x1b);
    if !octets.iter().any(control) {
        return false;
    }
    let Some(wide) = Charset::wide_by_octets(octets) else { return true };
    let (text, is_whole) = wide.decode(octets);
    let strange = |c: &char| {
        (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c')) || matches!(c, '\u{e000}'..='\u{f8ff}')
    };
    let count = text.chars().filter(strange).count();
    !is_whole || count * 50 > text.chars().count() || document::kind(octets, "", "").is_some()
}

/// The edits of uuencoded files in a text. A file that cannot be edited and names somebody stops the message.
fn file_edits(writer: &mut Writer<'_>, text: &[u8], label: Option<&[u8]>, kind: Kind) -> Vec<Edit> {
    let mut out = Vec::new();
    if memchr::memmem::find(text, b"begin").is_none() {
        return out;
    }
    let mut files = 0;
    for block in uuencode::blocks(text) {
        let name = slice(text, block.name.clone());
        if is_file(&block.octets) {
            let name = String::from_utf8_lossy(name);
            files += 1;
            writer.names_in_document |=
                files > MAX_FILES || file::stops(&block.octets, &name, "", writer.search);
            // What may be either is read as both.
            if Charset::wide_by_octets(&block.octets).is_none() {
                continue;
            }
        }
        let sought = Sought { search: writer.search, traces: writer.traces, ids: None, kind };
        // Where the text is nothing but this file the label is the file's.
        let edits = text::edits(&block.octets, label, &sought);
        if !edits.is_empty() {
            let with = uuencode::encode(&apply(&block.octets, &edits), name);
            out.push(Edit { range: block.range, with });
        }
    }
    out
}

/// The edits of what stands in a text as lines of base64 that nothing declares. A file among it is searched as one.
fn block_edits(writer: &mut Writer<'_>, text: &[u8], label: Option<&[u8]>, kind: Kind) -> Vec<Edit> {
    let (mut out, mut files) = (Vec::new(), 0);
    for block in base64_block::blocks(text) {
        let octets = block.decoded(text);
        if document::kind(&octets, "", "").is_some() || is_file(&octets) {
            files += 1;
            let stops = || files > MAX_FILES || file::stops(&octets, "", "", writer.search);
            let stopped = writer.passage.rules.documents != DocumentRule::Pass && stops();
            writer.names_in_document |= stopped;
            continue;
        }
        let sought = Sought { search: writer.search, traces: writer.traces, ids: None, kind };
        // What the text declares of itself says nothing of what was encoded before.
        let label = label.filter(|_| !octets.is_ascii());
        let edits = text::edits(&octets, label, &sought);
        if !edits.is_empty() {
            drop(octets);
            let with = block.edited(text, &edits);
            out.push(Edit { range: block.range, with });
        }
    }
    out
}

/// The edits of values in base64 that lines declare. A document among them is searched as one (`embedded`).
pub fn value_edits(text: &[u8], sought: &Sought<'_>) -> Vec<Edit> {
    let mut out = Vec::new();
    for value in line_value::values(text) {
        let octets = value.decoded(text);
        if octets.is_empty() || document::kind(&octets, "", "").is_some() || is_file(&octets) {
            continue;
        }
        let edits = text::edits(&octets, None, sought);
        if !edits.is_empty() {
            let with = value.edited(text, &edits);
            out.push(Edit { range: value.range, with });
        }
    }
    out
}

/// The edits of a text and of the files in it, in order, apart from each other.
pub fn edits(writer: &mut Writer<'_>, text: &[u8], label: Option<&[u8]>, kind: Kind) -> Vec<Edit> {
    let sought = Sought { search: writer.search, traces: writer.traces, ids: Some(&writer.ids), kind };
    let edits = text::edits(text, label, &sought);
    writer.names_in_document |= embedded::stop(text, writer.passage.rules.documents, writer.search);
    // Nobody writes yEnc but for news: what names somebody in it waits for its sender.
    writer.names_in_document |= yenc::blocks(text)
        .enumerate()
        .any(|(count, file)| count == MAX_FILES || file::stops(&file, "", "", writer.search));
    let mut files = Apart::default();
    file_edits(writer, text, label, kind).into_iter().for_each(|edit| files.insert(edit));
    // The fold of a value looks like a block of its own.
    let values = value_edits(text, &Sought { search: writer.search, traces: writer.traces, ids: None, kind });
    values.into_iter().chain(block_edits(writer, text, label, kind)).for_each(|edit| files.insert(edit));
    if files.is_empty() {
        return edits;
    }
    edits.into_iter().for_each(|edit| files.insert(edit));
    files.into_edits().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_full_of_small_numbers_is_no_wide_text() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let numbers: Vec<u8> = (0..400_u16).flat_map(|n| (b'A' as u16 + n % 40).to_le_bytes()).collect();
        let noise: Vec<u8> = (0..600_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        for file in [
            [b"PK\x03\x04".as_slice(), &numbers, &noise].concat(),
            [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &noise, &wide("Root Entry")].concat(),
            [b"RIFF\x24\x08\x00\x00WAVEfmt ".as_slice(), &numbers, &noise].concat(),
        ] {
            assert!(is_file(&file));
        }
        let text = "Dear Hanako, bob@a.example\r\n";
        assert!(
            !is_file(&wide(text))
                && !is_file(&wide(&format!("\u{feff}花子様 {text}")))
                && !is_file(text.as_bytes())
        );
    }
}
