//! Office documents (ISO/IEC 29500) and OpenDocument (ISO/IEC 26300) without authors, and their images without metadata.
//!
//! Rules: members stay in their order; those that do not change are copied, compressed as they are. Names of authors
//! become what Word's own inspector writes.
//! When it fails: `None` for another archive, and for one that is signed, encrypted, ZIP64, or not written member by
//! member.

use super::markup::{Blank, blanked};
use super::{Cleaned, crc32, without_metadata};
use crate::document::inflate::{State, Wrapper, inflate};
use crate::document::search::Search;
use crate::document::zip::{Header, central, local, u16_at, u32_at};
use crate::document::{Limits, kind};
use crate::mime::slice;
use std::ops::Range;

const END: &[u8] = b"PK\x05\x06";
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// How hard members that change are compressed: what most programs do.
const LEVEL: u8 = 6;

/// What is blanked in which members: a prefix and a suffix of their names.
const BLANKS: [(&str, &str, Blank); 12] = [
    ("docProps/core", ".xml", Blank { elements: &["creator", "lastModifiedBy"], attributes: &[] }),
    ("docProps/app", ".xml", Blank { elements: &["Company", "Manager", "HyperlinkBase"], attributes: &[] }),
    ("docProps/custom", ".xml", Blank { elements: &["lpwstr", "lpstr", "bstr"], attributes: &[] }),
    ("word/people", ".xml", Blank { elements: &[], attributes: &[("author", AUTHOR), ("userId", AUTHOR)] }),
    ("word/", ".xml", Blank { elements: &[], attributes: &[("author", AUTHOR), ("initials", "A")] }),
    (
        "ppt/commentAuthors",
        ".xml",
        Blank { elements: &[], attributes: &[("name", AUTHOR), ("initials", "A"), ("userId", AUTHOR)] },
    ),
    (
        "ppt/authors",
        ".xml",
        Blank { elements: &[], attributes: &[("name", AUTHOR), ("initials", "A"), ("userId", AUTHOR)] },
    ),
    ("xl/comments", ".xml", Blank { elements: &["author"], attributes: &[] }),
    (
        "xl/persons/",
        ".xml",
        Blank { elements: &[], attributes: &[("displayName", AUTHOR), ("userId", AUTHOR)] },
    ),
    (
        "xl/workbook",
        ".xml",
        Blank { elements: &[], attributes: &[("userName", AUTHOR), ("url", ""), ("lastModifiedBy", "")] },
    ),
    (
        "meta",
        ".xml",
        Blank { elements: &["dc:creator", "initial-creator", "printed-by", "user-defined"], attributes: &[] },
    ),
    (
        "content",
        ".xml",
        Blank { elements: &["dc:creator", "creator-initials", "sender-initials"], attributes: &[] },
    ),
];
const AUTHOR: &str = "Author";

/// One member.
struct Member {
    /// From its header to the next member, or to the directory.
    whole: Range<usize>,
    /// Its own header.
    header: Header,
    /// Its compressed content.
    content: Range<usize>,
    /// Its entry in the directory.
    entry: Range<usize>,
}

pub fn clean(octets: &[u8], limits: &Limits) -> Option<Vec<u8>> {
    let end = memchr::memmem::rfind(octets, END)?;
    let (members, directory) = members(octets, end)?;
    let names = |member: &Member| slice(octets, member.header.name.clone());
    let is_office = members.iter().any(|m| names(m) == b"[Content_Types].xml");
    let is_odf = members.first().is_some_and(|m| names(m) == b"mimetype")
        && octets
            .get(..200)
            .is_some_and(|head| memchr::memmem::find(head, b"application/vnd.oasis.").is_some());
    let is_signed = |m: &Member| {
        names(m).starts_with(b"_xmlsignatures/") || names(m) == b"META-INF/documentsignatures.xml"
    };
    if !(is_office || is_odf) || members.iter().any(is_signed) {
        return None;
    }
    let mut nobody = |_: crate::document::Text<'_>| false;
    let mut search = Search::new(*limits, &mut nobody);
    let mut out = Vec::with_capacity(octets.len() + 1024);
    let mut entries = vec![Vec::new(); members.len()];
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|i| members.get(*i).map(|member| member.whole.start));
    for i in order {
        let (Some(member), Some(entry)) = (members.get(i), entries.get_mut(i)) else { return None };
        entry.extend_from_slice(slice(octets, member.entry.clone()));
        let offset = u32::try_from(out.len()).ok()?;
        if let Some(new) = edited(octets, member, limits, &mut search)? {
            write(octets, member, &new, &mut out, entry)?;
        } else {
            out.extend_from_slice(slice(octets, member.whole.clone()));
        }
        entry.get_mut(42..46)?.copy_from_slice(&offset.to_le_bytes());
    }
    if search.opaque().is_some() {
        return None;
    }
    let start = u32::try_from(out.len()).ok()?;
    out.extend(entries.concat());
    let size = u32::try_from(out.len()).ok()? - start;
    let mut record = octets.get(end..end + 22)?.to_vec();
    record.get_mut(12..16)?.copy_from_slice(&size.to_le_bytes());
    record.get_mut(16..20)?.copy_from_slice(&start.to_le_bytes());
    // The comment of the archive goes.
    record.get_mut(20..22)?.fill(0);
    // What stands between directory and end belongs to ZIP64 or a signature.
    if directory.end != end {
        return None;
    }
    out.extend(record);
    Some(out)
}

/// The members as the directory lists them, and the directory.
fn members(octets: &[u8], end: usize) -> Option<(Vec<Member>, Range<usize>)> {
    let start = usize::try_from(u32_at(octets, end + 16)?).ok()?;
    let count = usize::from(u16_at(octets, end + 10)?);
    let mut members = Vec::with_capacity(count.min(Limits::MEMBERS));
    let mut at = start;
    for _ in 0..count {
        if !octets.get(at..)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let (entry, offset) = central(octets, at)?;
        if !octets.get(offset..)?.starts_with(b"PK\x03\x04") {
            return None;
        }
        let header = local(octets, offset)?;
        let same = slice(octets, header.name.clone()) == slice(octets, entry.name)
            && header.method == entry.method
            && (header.flags | entry.flags) & 1 == 0
            && matches!(header.method, STORED | DEFLATED);
        let content = header.end..header.end.checked_add(entry.size?)?;
        if !same || content.end > start || u32_at(octets, at + 42)? == u32::MAX {
            return None;
        }
        members.push(Member { whole: offset..start, header, content, entry: at..entry.end });
        at = entry.end;
    }
    // Where each ends: where the next one begins.
    let mut starts: Vec<usize> = members.iter().map(|member| member.whole.start).collect();
    starts.sort_unstable();
    if starts.first() != Some(&0) {
        return None;
    }
    for member in &mut members {
        let next = starts.partition_point(|start| *start <= member.whole.start);
        member.whole.end = starts.get(next).copied().unwrap_or(start);
        if member.content.end > member.whole.end {
            return None;
        }
    }
    starts.dedup();
    (starts.len() == members.len()).then_some((members, start..at))
}

/// The new content of a member, if it changes. The outer `None` is for one that cannot be read.
fn edited(
    octets: &[u8],
    member: &Member,
    limits: &Limits,
    search: &mut Search<'_>,
) -> Option<Option<Vec<u8>>> {
    let name = String::from_utf8_lossy(slice(octets, member.header.name.clone())).into_owned();
    let blank = BLANKS.iter().find(|(start, end, _)| name.starts_with(start) && name.ends_with(end));
    let lower = name.to_ascii_lowercase();
    let is_image = [".jpg", ".jpeg", ".png", ".gif", ".webp"].iter().any(|end| lower.ends_with(end));
    if blank.is_none() && !is_image {
        return Some(None);
    }
    let data = slice(octets, member.content.clone());
    let mut content = Vec::new();
    if member.header.method == STORED {
        content.extend_from_slice(data);
    } else {
        let (state, _) = inflate(data, Wrapper::None, search, &mut |out, search| {
            if search.hold(out.len()) {
                content.extend_from_slice(out);
            }
        });
        search.release(content.len());
        if state != State::Done || search.opaque().is_some() {
            return None;
        }
    }
    if let Some((_, _, blank)) = blank {
        return Some(Some(blanked(&content, blank)?).filter(|new| *new != content));
    }
    let image = kind(&content, &name, "");
    Some(match image.map(|image| without_metadata(&content, image, limits)) {
        Some(Cleaned::Changed(new)) => Some(new),
        Some(Cleaned::CannotBeCleaned) => return None,
        Some(Cleaned::Unchanged) | None => None,
    })
}

/// Writes a member with a new content, and what its entry says of it.
fn write(octets: &[u8], member: &Member, content: &[u8], out: &mut Vec<u8>, entry: &mut [u8]) -> Option<()> {
    let deflated;
    let data = if member.header.method == STORED {
        content
    } else {
        deflated = miniz_oxide::deflate::compress_to_vec(content, LEVEL);
        &deflated
    };
    // Checksum and sizes, in the same order in header and entry (§4.3.7, §4.3.12); known, so no descriptor follows.
    let mut sizes = crc32(&[content]).to_le_bytes().to_vec();
    sizes.extend(u32::try_from(data.len()).ok()?.to_le_bytes());
    sizes.extend(u32::try_from(content.len()).ok()?.to_le_bytes());
    let flags = (member.header.flags & !8).to_le_bytes();
    let mut header = slice(octets, member.whole.start..member.header.end).to_vec();
    header.get_mut(6..8)?.copy_from_slice(&flags);
    header.get_mut(14..26)?.copy_from_slice(&sizes);
    entry.get_mut(8..10)?.copy_from_slice(&flags);
    entry.get_mut(16..28)?.copy_from_slice(&sizes);
    out.extend(header);
    out.extend_from_slice(data);
    Some(())
}
