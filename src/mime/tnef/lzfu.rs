//! Compressed RTF as Outlook keeps it.
//!
//! Rules: MS-OXRTFCP §2.1.3 (header, dictionary of 4096 octets that begins filled) and §2.2 (one bit for each token:
//! a literal, or 12 bits of place and 4 of length). The checksum is not compared and the announced sizes bind
//! nothing but the end: what could be read is what counts.
//! When it fails: `None` for what is no compressed RTF; a broken end gives what came before it.

use super::stream::Reader;

/// Most octets that one text may become.
pub const MAX_RTF: usize = 16 * 1024 * 1024;
/// How many times larger than its compressed form a text may be. The method itself does not reach it.
const MAX_RATIO: usize = 64;
/// What the dictionary begins with (MS-OXRTFCP §2.1.2.1).
pub const FILLED: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \
    \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \
    \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
const DICTIONARY: usize = 4096;

/// The RTF, of at most `most` octets.
pub fn decompress(octets: &[u8], most: usize) -> Option<Vec<u8>> {
    if octets.starts_with(b"{\\rtf") {
        return Some(octets.get(..octets.len().min(most)).unwrap_or_default().to_vec());
    }
    let mut reader = Reader { rest: octets };
    reader.u32()?;
    let raw = usize::try_from(reader.u32()?).ok()?;
    let method = reader.take(4)?;
    reader.u32()?;
    let most = most.min(MAX_RTF).min(octets.len().saturating_mul(MAX_RATIO));
    // A text without its size is read to its end.
    let most = if raw == 0 { most } else { most.min(raw) };
    match method {
        b"MELA" => Some(reader.rest.get(..reader.rest.len().min(most)).unwrap_or_default().to_vec()),
        b"LZFu" => Some(expand(reader, most)),
        _ => None,
    }
}

fn expand(mut reader: Reader<'_>, most: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(most.min(reader.rest.len().saturating_mul(3)));
    let mut dictionary = [b' '; DICTIONARY];
    for (place, octet) in dictionary.iter_mut().zip(FILLED) {
        *place = *octet;
    }
    let mut at = FILLED.len();
    while let Some(flags) = reader.u8() {
        for bit in 0..8 {
            if flags >> bit & 1 == 0 {
                let Some(octet) = reader.u8() else { return out };
                put(octet, &mut dictionary, &mut at, &mut out, most);
            } else {
                let Some(&[high, low]) = reader.take(2) else { return out };
                let token = usize::from(u16::from_be_bytes([high, low]));
                let from = token >> 4;
                // A reference to the place that is written next ends the text.
                if from == at {
                    return out;
                }
                for i in 0..(token & 15) + 2 {
                    let octet = dictionary.get((from + i) % DICTIONARY).copied().unwrap_or(b' ');
                    put(octet, &mut dictionary, &mut at, &mut out, most);
                }
            }
            if out.len() >= most {
                return out;
            }
        }
    }
    out
}

fn put(octet: u8, dictionary: &mut [u8; DICTIONARY], at: &mut usize, out: &mut Vec<u8>, most: usize) {
    if out.len() < most {
        out.push(octet);
    }
    if let Some(place) = dictionary.get_mut(*at) {
        *place = octet;
    }
    *at = (*at + 1) % DICTIONARY;
}
