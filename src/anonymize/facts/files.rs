//! Attachments: what each is called, declared and found to be, how large it is, and a hash of its decoded content.
//!
//! Rules: an attachment is a part that has a file name, says that it is one (RFC 2183 §2.2), or is no text; parts of nested messages count
//! too. Signatures (RFC 8551, RFC 3156) are none: each is another one. What a file is its first octets say, where they are known.
//! When it fails: never.

use super::super::body::file_name;
use super::MailFacts;
use crate::document::{self, Kind};
use crate::mail::Flag;
use crate::mime::tree::{Content, Entity};
use crate::mime::{cms, params, slice};
use sha2::{Digest, Sha256};

/// Most attachments that are described.
pub const FILES_MAX: usize = 32;
/// Longest extension that is looked at, in octets.
const EXTENSION_MAX: usize = 20;

/// Extensions of what a click executes.
const PROGRAMS: [&str; 37] = [
    "app",
    "appx",
    "bat",
    "chm",
    "cmd",
    "com",
    "cpl",
    "dll",
    "exe",
    "hta",
    "inf",
    "jar",
    "js",
    "jse",
    "lnk",
    "msc",
    "msi",
    "msix",
    "msp",
    "mst",
    "ocx",
    "pif",
    "ps1",
    "psm1",
    "reg",
    "scf",
    "scr",
    "sct",
    "settingcontent-ms",
    "shb",
    "url",
    "vb",
    "vbe",
    "vbs",
    "wsf",
    "wsh",
    "xll",
];
/// Extensions of what people send each other, behind which a program's is hidden.
const DOCUMENTS: [&str; 22] = [
    "csv", "doc", "docx", "gif", "heic", "htm", "html", "jpeg", "jpg", "odt", "pdf", "png", "ppt", "pptx",
    "rtf", "tif", "tiff", "txt", "webp", "xls", "xlsx", "zip",
];
/// Other extensions that are told.
const OTHERS: [&str; 32] = [
    "7z", "ai", "avif", "bmp", "bz2", "cab", "docm", "eml", "epub", "gz", "heif", "ics", "iso", "jpe",
    "json", "lzh", "m4a", "mov", "mp3", "mp4", "msg", "odp", "ods", "p7m", "pptm", "rar", "svg", "tar",
    "tgz", "vcf", "xlsm", "xml",
];
/// Declared types that are told.
const TYPES: [&str; 36] = [
    "application/gzip",
    "application/json",
    "application/ms-tnef",
    "application/msword",
    "application/octet-stream",
    "application/pdf",
    "application/pkcs7-mime",
    "application/rtf",
    "application/vnd.ms-excel",
    "application/vnd.ms-outlook",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/x-7z-compressed",
    "application/x-msdownload",
    "application/x-rar-compressed",
    "application/x-zip-compressed",
    "application/zip",
    "audio/mp4",
    "audio/mpeg",
    "image/bmp",
    "image/gif",
    "image/heic",
    "image/jpeg",
    "image/png",
    "image/svg+xml",
    "image/tiff",
    "image/webp",
    "message/rfc822",
    "text/calendar",
    "text/csv",
    "text/html",
    "text/plain",
    "video/mp4",
    "video/quicktime",
];
/// Signatures of a mail.
const SIGNATURES: [&str; 3] =
    ["application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"];

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// SHA-256 of the decoded content.
    pub digest: [u8; 32],
    /// The extension of its name, in lower case; `other` for one that stands in no list, since it can be anybody's words.
    pub extension: Option<&'static str>,
    /// The media type that it was sent as; `other` likewise.
    pub declared: &'static str,
    /// What its first octets say.
    pub found: Option<&'static str>,
    /// Octets, decoded.
    pub size: usize,
    pub is_encrypted: bool,
}

/// Adds what the attachments of a message are.
pub fn read(bytes: &[u8], entity: &Entity, facts: &mut MailFacts) {
    match &entity.content {
        Content::Multipart(multipart) => {
            if entity.media == "multipart/encrypted" {
                facts.flags.set(Flag::EncryptedFile);
            }
            multipart.parts.iter().for_each(|(_, part)| read(bytes, part, facts));
        }
        Content::Message(inner) => read(bytes, inner, facts),
        Content::Leaf => leaf(bytes, entity, facts),
    }
}

fn leaf(bytes: &[u8], entity: &Entity, facts: &mut MailFacts) {
    let name = file_name(bytes, entity);
    let disposition = entity.header.all(bytes, "Content-Disposition").next();
    let is_attached = disposition
        .is_some_and(|field| params::parse(slice(bytes, field.value.clone())).head == "attachment");
    let is_text = entity.media.starts_with("text/") || entity.media.starts_with("message/");
    if SIGNATURES.contains(&entity.media.as_str()) || (name.is_empty() && !is_attached && is_text) {
        return;
    }
    facts.files += 1;
    if facts.described.len() >= FILES_MAX {
        facts.flags.set(Flag::MoreFiles);
        return;
    }
    let octets = entity.encoding.decode(slice(bytes, entity.body.clone()));
    let extensions = extensions(&name);
    let [before, last] = [extensions.0.as_deref(), extensions.1.as_deref()];
    let kind = document::kind(&octets, "", "");
    let found = program(&octets).or_else(|| kind.map(word));
    let is_enveloped = entity.media.ends_with("pkcs7-mime")
        && matches!(
            cms::kind(&octets),
            Some(cms::CmsKind::Enveloped | cms::CmsKind::AuthEnveloped | cms::CmsKind::Encrypted)
        );
    let is_encrypted = is_enveloped || kind.is_some_and(|kind| document::needs_password(&octets, kind));
    let is_program = |extension: Option<&str>| extension.is_some_and(|own| PROGRAMS.contains(&own));
    let hides = before.is_some_and(|own| DOCUMENTS.contains(&own)) && is_program(last);
    let differs =
        matches!((last.and_then(meant), found), (Some(meant), Some(found)) if !meant.contains(&found));
    facts.flags = facts
        .flags
        .with(Flag::EncryptedFile, is_encrypted)
        .with(Flag::ExecutableFile, program(&octets).is_some() || is_program(last))
        .with(Flag::DoubleExtension, hides)
        .with(Flag::TypeDiffers, differs);
    facts.described.push(FileFacts {
        digest: Sha256::digest(&octets).into(),
        extension: last.map(known),
        declared: TYPES.into_iter().find(|own| *own == entity.media).unwrap_or(OTHER),
        found,
        size: octets.len(),
        is_encrypted,
    });
}

/// The word for what stands in no list.
const OTHER: &str = "other";

fn known(extension: &str) -> &'static str {
    let all = PROGRAMS.into_iter().chain(DOCUMENTS).chain(OTHERS);
    all.into_iter().find(|own| *own == extension).unwrap_or(OTHER)
}

/// The last two extensions of a name, the last one second, in lower case.
fn extensions(name: &str) -> (Option<String>, Option<String>) {
    let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    let mut parts = name.rsplit('.');
    let mut next = || {
        let part = parts.next()?.trim().to_ascii_lowercase();
        let good = !part.is_empty()
            && part.len() <= EXTENSION_MAX
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        good.then_some(part)
    };
    if !name.contains('.') {
        return (None, None);
    }
    let last = next();
    (next(), last)
}

/// A program or script, by its first octets.
fn program(octets: &[u8]) -> Option<&'static str> {
    // A DOS header that leads to a PE header, since text may begin with its two letters.
    let header = octets.get(0x3c..).and_then(|at| at.first_chunk()).map(|at| u32::from_le_bytes(*at));
    let header = header.and_then(|at| octets.get(usize::try_from(at).ok()?..));
    if octets.starts_with(b"MZ") && header.is_some_and(|header| header.starts_with(b"PE\0\0")) {
        return Some("exe");
    }
    let magics: [(&[u8], &str); 7] = [
        (b"\x7fELF", "elf"),
        (b"\xcf\xfa\xed\xfe", "macho"),
        (b"\xfe\xed\xfa\xcf", "macho"),
        (b"\xca\xfe\xba\xbe", "class"),
        (b"#!/", "script"),
        (b"\x4c\0\0\0\x01\x14\x02\0", "lnk"),
        (b"ITSF", "chm"),
    ];
    magics.into_iter().find(|(magic, _)| octets.starts_with(magic)).map(|(_, word)| word)
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Zip => "zip",
        Kind::Pdf => "pdf",
        Kind::Jpeg => "jpeg",
        Kind::Png => "png",
        Kind::Gif => "gif",
        Kind::Webp => "webp",
        Kind::Tiff => "tiff",
        Kind::Heif => "heif",
        Kind::Ole => "ole",
        Kind::Rtf => "rtf",
        Kind::Gzip => "gzip",
        Kind::Zlib => "zlib",
        Kind::Tar => "tar",
        Kind::Packed => "packed",
    }
}

/// What may be found in a file with this extension.
fn meant(extension: &str) -> Option<&'static [&'static str]> {
    Some(match extension {
        "pdf" | "ai" => &["pdf"],
        "jpg" | "jpeg" | "jpe" => &["jpeg"],
        "png" => &["png"],
        "gif" => &["gif"],
        "webp" => &["webp"],
        "tif" | "tiff" => &["tiff"],
        "heic" | "heif" | "avif" => &["heif"],
        "rtf" => &["rtf"],
        // Encrypted ones are compound files.
        "docx" | "docm" | "xlsx" | "xlsm" | "pptx" | "pptm" => &["zip", "ole"],
        // Word saves other forms under this name.
        "doc" | "xls" | "ppt" => &["ole", "rtf", "zip"],
        "odt" | "ods" | "odp" | "epub" | "zip" => &["zip"],
        "msg" => &["ole"],
        "gz" | "tgz" => &["gzip"],
        "tar" => &["tar"],
        "7z" | "rar" | "bz2" | "xz" | "zst" | "lzh" | "cab" | "lzma" | "lz4" | "arj" => &["packed"],
        "txt" | "csv" | "html" | "htm" | "xml" | "json" | "ics" | "vcf" | "mp3" | "mp4" | "mov" => &[],
        _ => return None,
    })
}
