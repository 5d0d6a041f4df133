//! Texts that a token carries compressed (RFC 1950, RFC 1952): for the gate alone.
//!
//! Rules: wherever such a stream may begin in octets it is unpacked, as far as it goes; all streams of a token together give at most some
//! times its length, and none more than half of what the others left. A stream without a head says nothing of itself, and is not
//! looked for.
//! When it fails: never; what is no stream gives nothing.

use super::escapes::{Kind, unescaped};
use super::tokens::decode_base64;
use memchr::memmem::Finder;
use miniz_oxide::inflate::{decompress_to_vec_with_limit, decompress_to_vec_zlib_with_limit};
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
    let streams = GZIP.find_iter(octets).filter_map(|at| Some((Unpack::Raw, body(octets.get(at..)?)?)));
    // The window of 32 KiB in the head, and a head that is a multiple of 31.
    let heads = memchr::memchr_iter(0x78, octets).filter_map(|at| match octets.get(at..) {
        Some(stream @ [_, 0x01 | 0x5e | 0x9c | 0xda, ..]) if stream.len() >= SHORTEST => {
            Some((Unpack::Zlib, stream))
        }
        _ => None,
    });
    let mut read = 0;
    for (unpack, stream) in streams.chain(heads).take(TRIES) {
        let unpacked = match unpack {
            Unpack::Raw => decompress_to_vec_with_limit(stream, left / 2),
            Unpack::Zlib => decompress_to_vec_zlib_with_limit(stream, left / 2),
        };
        // One that is cut, or has something behind it, is read as far as it goes; behind that its room is empty.
        let mut text = unpacked.unwrap_or_else(|broken| broken.output);
        let length = text.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        text.truncate(length);
        left = left.saturating_sub(text.len());
        if text.len() < MIN_TEXT {
            continue;
        }
        each(&text);
        read += 1;
        if read == MOST {
            return;
        }
    }
}

/// How a stream is unpacked: without a head of its own, or with one.
#[derive(Clone, Copy)]
enum Unpack {
    Raw,
    Zlib,
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
