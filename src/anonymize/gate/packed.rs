//! Texts that a token carries compressed (RFC 1950, RFC 1952): for the gate alone.
//!
//! Rules: wherever such a stream may begin in octets it is unpacked, as far as it goes; all streams of a token together give at most some
//! times its length, and none more than half of what the others left. A stream without a head says nothing of itself, and is not
//! looked for.
//! When it fails: never; what is no stream gives nothing.

use super::escapes::{Kind, unescaped};
use super::tokens::decode_base64;
use memchr::memmem::Finder;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use std::sync::LazyLock;

/// Most octets that come of one token, beside so many times its length.
const AT_LEAST: usize = 1024;
const TIMES: usize = 32;
/// Shortest stream that may hold an address, most texts that are read of one token, and most streams that are tried for them.
const SHORTEST: usize = 16;
const MOST: usize = 8;
const TRIES: usize = 64;
/// Shortest text that may hold an address.
const MIN_TEXT: usize = 6;

/// How such a stream begins in base64, and how long a token is read.
static BEGINNING: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"H4sI"));
const LONGEST: usize = 16 * 1024;

static GZIP: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\x1f\x8b\x08"));

/// Gives `each` what streams in `octets` unpack to.
pub fn texts(octets: &[u8], mut each: impl FnMut(&[u8])) {
    let mut left = AT_LEAST + TIMES * octets.len();
    let streams = GZIP.find_iter(octets).filter_map(|at| Some((0, body(octets.get(at..)?)?)));
    // The window of 32 KiB in the head, and a head that is a multiple of 31.
    let heads = memchr::memchr_iter(0x78, octets).filter_map(|at| match octets.get(at..) {
        Some(stream @ [_, 0x01 | 0x5e | 0x9c | 0xda, ..]) if stream.len() >= SHORTEST => {
            Some((TINFL_FLAG_PARSE_ZLIB_HEADER, stream))
        }
        _ => None,
    });
    // Made where there is a stream: most tokens have none.
    let (mut state, mut room, mut texts) = (None, Vec::new(), 0);
    for (flags, stream) in streams.chain(heads).take(TRIES) {
        let state = state.get_or_insert_with(Box::default);
        let text = unpacked(stream, flags, left / 2, state, &mut room);
        left = left.saturating_sub(text.len());
        if text.len() < MIN_TEXT {
            continue;
        }
        each(text);
        texts += 1;
        if texts == MOST {
            return;
        }
    }
}

/// What a stream unpacks to, at most so many octets; one that is cut, or has something behind it, is read as far as it goes. `state` and
/// `room` are those of any other.
fn unpacked<'r>(
    stream: &[u8],
    flags: u32,
    most: usize,
    state: &mut DecompressorOxide,
    room: &'r mut Vec<u8>,
) -> &'r [u8] {
    state.init();
    let (mut read, mut written) = (0, 0);
    let mut status = TINFLStatus::HasMoreOutput;
    while status == TINFLStatus::HasMoreOutput && written < most {
        if room.len() <= written {
            room.resize((2 * written).max(AT_LEAST), 0);
        }
        let end = room.len().min(most);
        let rest = stream.get(read..).unwrap_or_default();
        let out = room.get_mut(..end).unwrap_or_default();
        let (taken, given);
        (status, taken, given) =
            decompress(state, rest, out, written, flags | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        (read, written) = (read + taken, written + given);
        if written < end {
            break;
        }
    }
    room.get(..written).unwrap_or_default()
}

/// Gives `each` what base64 in a text holds that begins like such a stream, with its signs in percent escapes as links have them.
pub fn in_links(text: &[u8], mut each: impl FnMut(&[u8])) {
    let mut done = 0;
    for at in BEGINNING.find_iter(text) {
        let near = text.get(at..(at + LONGEST).min(text.len())).unwrap_or_default();
        let is_part = |b: &u8| b.is_ascii_alphanumeric() || b"+/-_%".contains(b);
        let length = near.iter().position(|b| !is_part(b)).unwrap_or(near.len());
        let token = near.get(..length).unwrap_or_default();
        // Without escapes it is read like any other.
        if at < done || memchr::memchr(b'%', token).is_none() {
            continue;
        }
        done = at + length;
        let clear = unescaped(&String::from_utf8_lossy(token), Kind::Percent);
        each(&decode_base64(clear.unwrap_or_default().as_bytes()));
    }
}

/// What stands behind the head of a member.
fn body(member: &[u8]) -> Option<&[u8]> {
    let flags = *member.get(3)?;
    let mut rest = member.get(10..)?;
    if flags & 4 != 0 {
        let [low, high] = rest.get(..2)? else { return None };
        rest = rest.get(2 + usize::from(u16::from_le_bytes([*low, *high]))..)?;
    }
    for named in [8, 16] {
        if flags & named != 0 {
            rest = rest.get(memchr::memchr(0, rest)? + 1..)?;
        }
    }
    rest.get(if flags & 2 != 0 { 2 } else { 0 }..).filter(|stream| stream.len() >= SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::{in_links, texts};
    use data_encoding::BASE64;
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

    #[test]
    fn streams_are_unpacked_wherever_they_begin_and_however_they_end() {
        let text = b"{\"email\":\"bob@a.example\"}";
        let gzip = |flags: u8, more: &[u8]| {
            [b"\x1f\x8b\x08", &[flags][..], &[0xff; 6], more, &compress_to_vec(text, 6), &[0; 8]].concat()
        };
        for stream in [gzip(0, b""), gzip(8, b"a.txt\0"), gzip(4, b"\x02\0ab"), compress_to_vec_zlib(text, 9)]
        {
            for before in [b"".as_slice(), b"abc", b"\0"] {
                let mut found = false;
                texts(&[before, &stream].concat(), |unpacked| found |= unpacked == text);
                assert!(found);
            }
        }
        let bomb = compress_to_vec_zlib(&[b'x'; 1 << 20], 9);
        let token = [bomb.repeat(6), compress_to_vec_zlib(text, 9)].concat();
        let (mut all, mut found) = (0, false);
        texts(&token, |unpacked| {
            all += unpacked.len();
            found |= unpacked == text;
        });
        assert!(found && all <= 1024 + 32 * token.len(), "{all} of {}", token.len());
        // What begins like a stream and is none takes no other's place.
        let decoys = b"x\x9c\x00\x78\x01\xff".repeat(10);
        let mut found = false;
        texts(&[&decoys, &compress_to_vec_zlib(text, 9)[..]].concat(), |unpacked| found |= unpacked == text);
        assert!(found);
        for stream in [gzip(0, b""), gzip(8, b"a?>\0")] {
            let token = BASE64.encode(&stream).replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
            let mut found = false;
            in_links(format!("https://x.example/?t={token}&u=1").as_bytes(), |octets| {
                texts(octets, |unpacked| found |= unpacked == text);
            });
            assert!(found, "{token}");
        }
    }
}
