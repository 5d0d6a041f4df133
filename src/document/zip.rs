//! ZIP archives (PKWARE APPNOTE.TXT 6.3.10), and so Office documents, OpenDocument, EPUB, JAR.
//!
//! Rules: whatever has the header of a member is a member, in the directory or not; where header and directory
//! disagree both are believed. Deflated data say themselves where they end, so no size is believed for them. Names,
//! comments, extra fields and what lies between members are in the clear and were searched already; the names are
//! given once more, each alone.
//! When it fails: `Encrypted`, `Unreadable` (a method other than store and deflate), `Damaged` (deflated data that break
//! off).

use super::content::Content;
use super::inflate::{State, Wrapper, inflate};
use super::search::Search;
use super::snappy;
use super::{Kind, Why, kind, nested};
use crate::mime::slice;
use std::ops::Range;

/// The header of a member (§4.3.7).
const LOCAL: &[u8] = b"PK\x03\x04";
/// The header of a member in the directory (§4.3.12).
const CENTRAL: &[u8] = b"PK\x01\x02";
/// The end of the directory (§4.3.16).
const END: &[u8] = b"PK\x05\x06";

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Methods that are known to be in use (§4.4.5, appendix E).
const METHODS: [u16; 17] = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 14, 93, 95, 96, 98, 99];
/// Longest name of a member that is believed where the directory does not know it.
const MAX_NAME: usize = 1024;
/// In OpenDocument's manifest, of a member that needs a password (ODF 1.2 part 3, §4.4).
const ODF_ENCRYPTION: &[u8] = b"encryption-data";

pub fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
}

pub fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

/// What a header says of its member, in the member's own header or in the directory.
#[derive(Debug, Clone)]
pub struct Header {
    pub flags: u16,
    pub method: u16,
    /// Compressed size; `None` where the header leaves it to something behind it (a descriptor, a ZIP64 field).
    pub size: Option<usize>,
    pub name: Range<usize>,
    /// Behind the whole header.
    pub end: usize,
}

/// The header at `at`, which begins with [`LOCAL`].
pub fn local(octets: &[u8], at: usize) -> Option<Header> {
    let (flags, method) = (u16_at(octets, at + 6)?, u16_at(octets, at + 8)?);
    let size = usize::try_from(u32_at(octets, at + 18)?).ok()?;
    let name = at + 30..at + 30 + usize::from(u16_at(octets, at + 26)?);
    let end = name.end + usize::from(u16_at(octets, at + 28)?);
    let known = size != 0xffff_ffff && (flags & 8 == 0 || size > 0);
    Some(Header { flags, method, size: known.then_some(size), name, end })
}

/// The entry of the directory at `at`, which begins with [`CENTRAL`], and where it says that its member is.
pub fn central(octets: &[u8], at: usize) -> Option<(Header, usize)> {
    let (flags, method) = (u16_at(octets, at + 8)?, u16_at(octets, at + 10)?);
    let mut size = usize::try_from(u32_at(octets, at + 20)?).ok()?;
    let plain = u32_at(octets, at + 24)?;
    let name = at + 46..at + 46 + usize::from(u16_at(octets, at + 28)?);
    let extra = name.end..name.end + usize::from(u16_at(octets, at + 30)?);
    let end = extra.end + usize::from(u16_at(octets, at + 32)?);
    let mut offset = usize::try_from(u32_at(octets, at + 42)?).ok()?;
    // ZIP64 (§4.5.3): the fields that do not fit, in this order.
    if let Some(mut wide) = zip64(slice(octets, extra)) {
        let mut next = || {
            let (first, rest) = wide.split_first_chunk()?;
            wide = rest;
            usize::try_from(u64::from_le_bytes(*first)).ok()
        };
        if plain == 0xffff_ffff {
            next();
        }
        if size == 0xffff_ffff {
            size = next().unwrap_or(size);
        }
        if offset == 0xffff_ffff {
            offset = next().unwrap_or(offset);
        }
    }
    Some((Header { flags, method, size: Some(size), name, end }, offset))
}

fn zip64(mut extra: &[u8]) -> Option<&[u8]> {
    loop {
        let (id, size) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        if id == 1 {
            return extra.get(4..4 + size);
        }
        extra = extra.get(4 + size..)?;
    }
}

/// An entry of the directory, short.
struct Entry {
    offset: usize,
    flags: u16,
    method: u16,
    size: usize,
}

pub fn scan(octets: &[u8], search: &mut Search<'_>) {
    let (entries, shift) = directory(octets, search);
    let mut names = Vec::new();
    let mut any = false;
    let mut starts = memchr::memmem::find_iter(octets, LOCAL).peekable();
    while let Some(at) = starts.next() {
        let Some(header) = local(octets, at) else { continue };
        let first = entries.partition_point(|entry| entry.offset + shift < at);
        let same = entries.get(first..).unwrap_or_default().iter().take_while(|e| e.offset + shift == at);
        let mut listed: Vec<&Entry> = same.collect();
        listed.dedup_by_key(|entry| (entry.method, entry.size, entry.flags & 1));
        if listed.is_empty() && !plausible(octets, at, &header) {
            continue;
        }
        if !search.member() {
            return;
        }
        any = true;
        let name = slice(octets, header.name.clone());
        names.extend_from_slice(name);
        names.push(b'\n');
        if names.len() > MAX_NAME * 32 {
            search.octets(&names);
            names.clear();
        }
        if header.flags & 1 != 0 || listed.iter().any(|entry| entry.flags & 1 != 0) {
            search.is_opaque(Why::Encrypted);
            continue;
        }
        let mut methods: Vec<u16> = listed.iter().map(|entry| entry.method).collect();
        methods.push(header.method);
        methods.sort_unstable();
        methods.dedup();
        let sizes = listed.iter().map(|entry| entry.size).chain(header.size);
        let next = starts.peek().copied().unwrap_or(octets.len());
        let size = sizes.max().unwrap_or(next.saturating_sub(header.end));
        // Where they disagree, one of them does not mean this member, and reading it that way is no damage.
        let is_sure = methods.len() == 1;
        for method in methods {
            let before = search.opaque();
            let is_read = member(octets, (header.end, size), method, &String::from_utf8_lossy(name), search);
            match (is_read, is_sure) {
                (false, true) => search.is_opaque(Why::Damaged),
                (false, false) if search.opaque() != Some(Why::TooLarge) => search.forget(before),
                _ => {}
            }
        }
    }
    search.octets(&names);
    if !any && memchr::memmem::find(octets, END).is_none() {
        search.is_opaque(Why::Damaged);
    }
}

/// All entries that look like ones of a directory, in the order of their members, and how far the members are from
/// where the entries say: something may stand before the archive.
fn directory(octets: &[u8], search: &mut Search<'_>) -> (Vec<Entry>, usize) {
    let mut entries = Vec::new();
    for at in memchr::memmem::find_iter(octets, CENTRAL) {
        if let Some((header, offset)) = central(octets, at)
            && offset < octets.len()
        {
            if entries.len() >= super::Limits::MEMBERS {
                search.is_opaque(Why::TooLarge);
                break;
            }
            let size = header.size.unwrap_or_default();
            entries.push(Entry { offset, flags: header.flags, method: header.method, size });
        }
    }
    entries.sort_by_key(|entry| entry.offset);
    let shift = memchr::memmem::rfind(octets, END).and_then(|end| {
        let size = usize::try_from(u32_at(octets, end + 12)?).ok()?;
        let said = usize::try_from(u32_at(octets, end + 16)?).ok()?;
        end.checked_sub(size)?.checked_sub(said)
    });
    (entries, shift.unwrap_or(0))
}

/// Whether what stands at `at` is a header and no accident among compressed octets.
fn plausible(octets: &[u8], at: usize, header: &Header) -> bool {
    let version = octets.get(at + 4).copied().unwrap_or(0xff);
    let length = header.name.len();
    version <= 63
        && METHODS.contains(&header.method)
        && (1..=MAX_NAME).contains(&length)
        && header.end <= octets.len()
        && !slice(octets, header.name.clone()).contains(&0)
}

/// One member, which begins at `place.0`, read in one way. Says whether it could be read to its end.
fn member(octets: &[u8], place: (usize, usize), method: u16, name: &str, search: &mut Search<'_>) -> bool {
    let (from, size) = place;
    let is_manifest = name.eq_ignore_ascii_case("META-INF/manifest.xml");
    match method {
        STORED => {
            let data = slice(octets, from..from.saturating_add(size).min(octets.len()));
            search.edges(data);
            if name.to_ascii_lowercase().ends_with(".iwa") {
                let mut content = Content::new("");
                let is_read = snappy::unpack(data, search, &mut |out, search| content.push(out, search));
                content.finish(search);
                return is_read;
            }
            if is_manifest && memchr::memmem::find(data, ODF_ENCRYPTION).is_some() {
                search.is_opaque(Why::Encrypted);
            }
            // The members of an archive that is stored here have their headers in the clear: they come on their own.
            let inner = kind(data, name, "");
            if inner != Some(Kind::Zip) && (inner.is_none() || search.spend(data.len())) {
                nested(data, name, search);
            }
        }
        DEFLATED if size == 0 => {}
        DEFLATED => {
            let mut content = Content::new(name);
            let mut tail = Vec::new();
            let mut encrypted = false;
            let data = octets.get(from..).unwrap_or_default();
            let (state, _) = inflate(data, Wrapper::None, search, &mut |out, search| {
                if is_manifest && !encrypted {
                    tail.extend_from_slice(out);
                    encrypted = memchr::memmem::find(&tail, ODF_ENCRYPTION).is_some();
                    tail.drain(..tail.len().saturating_sub(ODF_ENCRYPTION.len()));
                }
                content.push(out, search);
            });
            content.finish(search);
            if encrypted {
                search.is_opaque(Why::Encrypted);
            }
            return state == State::Done;
        }
        _ => search.is_opaque(Why::Unreadable),
    }
    true
}
