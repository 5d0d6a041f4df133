//! Whether a document needs a password to be looked into, told from its structure alone: nothing is inflated.
//!
//! Rules: yes is certain for ZIP (a member's flag in the directory, APPNOTE.TXT §4.4.4), compound files (the stream in which
//! Office puts what it encrypted, [MS-OFFCRYPTO] §2.3.4.4) and PDF (an encryption dictionary, ISO 32000-1 §7.6.1). Of other kinds it is not
//! known.
//! When it fails: no.

use super::Kind;
use super::zip::{u16_at, u32_at};

/// Most members of a ZIP that are asked.
const MEMBERS: usize = 10_000;
/// How far from the end the directory's end may be: its record and the longest comment.
const ZIP_END: usize = 22 + 0xffff;

/// Whether it needs one, as far as that is known.
#[must_use]
pub fn needs_password(octets: &[u8], kind: Kind) -> bool {
    match kind {
        Kind::Zip => zip(octets).unwrap_or(false),
        Kind::Ole => {
            let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
            memchr::memmem::find(octets, &name).is_some()
        }
        Kind::Pdf => memchr::memmem::find_iter(octets, b"/Encrypt").any(|at| {
            // Not `/EncryptMetadata` or a word of somebody's.
            octets.get(at + 8).is_some_and(|next| next.is_ascii_whitespace() || *next == b'<')
        }),
        _ => false,
    }
}

fn zip(octets: &[u8]) -> Option<bool> {
    let from = octets.len().saturating_sub(ZIP_END);
    let end = from + memchr::memmem::rfind(octets.get(from..)?, b"PK\x05\x06")?;
    let mut at = usize::try_from(u32_at(octets, end + 16)?).ok()?;
    for _ in 0..MEMBERS {
        if octets.get(at..at.checked_add(4)?)? != b"PK\x01\x02" {
            return Some(false);
        }
        if u16_at(octets, at + 8)? & 1 == 1 {
            return Some(true);
        }
        let tail = [28, 30, 32].map(|field| u16_at(octets, at + field).map_or(0, usize::from));
        at = at.checked_add(46)?.checked_add(tail.iter().sum())?;
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(flags: u8) -> Vec<u8> {
        let member =
            [b"PK\x01\x02".as_slice(), &[20, 0, 20, 0, flags, 0], &[0; 18], &[1, 0], &[0; 16], b"x"].concat();
        let end = [b"PK\x05\x06".as_slice(), &[0; 4], &[2, 0, 2, 0], &[94, 0, 0, 0], &[4, 0, 0, 0], &[0, 0]]
            .concat();
        let plain =
            [b"PK\x01\x02".as_slice(), &[20, 0, 20, 0, 0, 0], &[0; 18], &[1, 0], &[0; 16], b"x"].concat();
        [b"junk".as_slice(), &plain, &member, &end].concat()
    }

    #[test]
    fn a_password_is_told_from_the_structure() {
        assert!(needs_password(&archive(1), Kind::Zip) && !needs_password(&archive(8), Kind::Zip));
        assert!(!needs_password(b"PK\x05\x06", Kind::Zip) && !needs_password(b"", Kind::Zip));
        assert!(needs_password(b"%PDF-1.7 trailer <</Encrypt 5 0 R>>", Kind::Pdf));
        assert!(!needs_password(b"%PDF-1.7 /EncryptMetadata false", Kind::Pdf));
        let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(needs_password(&[b"\xd0\xcf\x11\xe0".as_slice(), &name].concat(), Kind::Ole));
        assert!(!needs_password(b"Rar!", Kind::Packed));
    }
}
