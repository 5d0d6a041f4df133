//! One attachment of a TNEF stream: its attributes gathered, then made to a file or a message.
//!
//! Rules: MS-OXTNEF §2.1.3.3.13 to §2.1.3.3.17, MS-OXCMSG §2.2.2. The long name goes before the short one; of a name
//! only what stands behind the last separator is used, since a path names a person's folders. A type that is not
//! given, or gives nothing away, follows from the name, so that texts are known for texts.
//! When it fails: an attachment without content (a link, a file in a share) is none; a message that cannot be read,
//! or stands too deep, is left out, and [`Draft::finish`] says so.

use super::message::Text;
use super::stream::{Properties, kind};
use super::{Attachment, Budget, MAX_DEPTH, Piece, is_tnef, read};

/// Numbers of properties (MS-OXPROPS §2).
mod tag {
    pub const DISPLAY_NAME: u16 = 0x3001;
    pub const CONTENT: u16 = 0x3701;
    pub const SHORT_NAME: u16 = 0x3704;
    pub const LONG_NAME: u16 = 0x3707;
    pub const MEDIA: u16 = 0x370e;
    pub const CONTENT_ID: u16 = 0x3712;
}

/// IID_IMessage as it stands before an embedded message (MS-OXTNEF §2.1.3.4.1).
const MESSAGE: [u8; 16] = [7, 3, 2, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];
/// The name of an object's type.
const OBJECT: &str = "application/x-ole-storage";
const UNKNOWN: &str = "application/octet-stream";

/// What was found of an attachment so far.
#[derive(Debug, Default)]
pub struct Draft<'a> {
    pub title: Option<Text<'a>>,
    pub content: Option<&'a [u8]>,
    property_content: Option<&'a [u8]>,
    /// Interface and octets of an object.
    object: Option<(&'a [u8], &'a [u8])>,
    display_name: Option<Text<'a>>,
    short_name: Option<Text<'a>>,
    long_name: Option<Text<'a>>,
    media: Option<Text<'a>>,
    content_id: Option<Text<'a>>,
}

impl<'a> Draft<'a> {
    /// Takes in the attribute with the properties; whether all of it could be read.
    pub fn properties(&mut self, octets: &'a [u8], items: &mut usize) -> bool {
        let mut properties = Properties::new(octets);
        for property in properties.by_ref() {
            if !Budget::spend(items) {
                return false;
            }
            let text = Text::of(&property);
            match property.id {
                tag::DISPLAY_NAME => self.display_name = text,
                tag::SHORT_NAME => self.short_name = text,
                tag::LONG_NAME => self.long_name = text,
                tag::MEDIA => self.media = text,
                tag::CONTENT_ID => self.content_id = text,
                tag::CONTENT if property.kind == kind::BINARY => self.property_content = Some(property.value),
                tag::CONTENT if property.kind == kind::OBJECT => {
                    self.object = property.value.split_at_checked(MESSAGE.len());
                }
                _ => {}
            }
        }
        !properties.is_damaged()
    }

    /// The attachment, if it has a content, and whether nothing of it was left out.
    pub fn finish(self, page: u32, depth: usize, budget: &mut Budget) -> (Option<Attachment>, bool) {
        let text =
            |text: Option<Text<'_>>| text.map(|t| t.decode(page).trim().to_owned()).filter(|t| !t.is_empty());
        // Beside a message stands a sentence for programs that cannot read it.
        let (octets, is_object) = match (self.object, self.content, self.property_content) {
            (Some((interface, octets)), ..) if interface == MESSAGE => {
                return nested(text(self.display_name), octets, depth, budget);
            }
            (_, Some(octets), _) if !octets.is_empty() => (octets, false),
            (_, _, Some(octets)) => (octets, false),
            (Some((_, octets)), ..) => (octets, true),
            (None, Some(octets), None) => (octets, false),
            (None, None, None) => return (None, true),
        };
        let names = [self.long_name, self.short_name, self.display_name, self.title];
        if is_tnef(octets) {
            return nested(text(self.display_name), octets, depth, budget);
        }
        let name = names.into_iter().find_map(|name| file_name(&text(name)?));
        let fallback = if is_object { OBJECT } else { by_name(name.as_deref().unwrap_or_default()) };
        let media = text(self.media)
            .map(|media| media.to_ascii_lowercase())
            .filter(|media| is_media(media) && media != UNKNOWN)
            .unwrap_or_else(|| fallback.to_owned());
        let content_id = text(self.content_id)
            .map(|id| id.trim_matches(['<', '>', ' ']).to_owned())
            .filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_graphic()));
        let piece = Piece { media, charset: None, name, content_id, octets: octets.to_vec() };
        (Some(Attachment::File(piece)), true)
    }
}

fn nested(
    name: Option<String>,
    octets: &[u8],
    depth: usize,
    budget: &mut Budget,
) -> (Option<Attachment>, bool) {
    let content = if depth < MAX_DEPTH { read(octets, depth + 1, budget) } else { None };
    match content {
        Some(content) => {
            let whole = content.whole;
            let name = name.map(|n| n.chars().filter(|c| !c.is_control()).collect());
            (Some(Attachment::Message { name, content }), whole)
        }
        None => (None, false),
    }
}

/// What a name says behind its path, without control characters.
fn file_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

/// Whether a text is a type and a subtype (RFC 6838 §4.2).
fn is_media(text: &str) -> bool {
    let is_name = |name: &str| {
        (1..=127).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    text.split_once('/').is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype))
}

/// The type that goes with a name's ending.
fn by_name(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref().unwrap_or_default() {
        "txt" | "log" => "text/plain",
        "htm" | "html" => "text/html",
        "csv" => "text/csv",
        "ics" => "text/calendar",
        "vcf" => "text/vcard",
        "xml" => "text/xml",
        "json" => "application/json",
        "eml" => "message/rfc822",
        "rtf" => "application/rtf",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "doc" => "application/msword",
        "xls" => "application/vnd.ms-excel",
        "ppt" => "application/vnd.ms-powerpoint",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "p7m" => "application/pkcs7-mime",
        "p7s" => "application/pkcs7-signature",
        "asc" | "pgp" => "application/octet-stream",
        _ => UNKNOWN,
    }
}
