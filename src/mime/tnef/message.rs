//! One message of a TNEF stream: its attributes gathered, then made to texts, attachments and a meeting.
//!
//! Rules: MS-OXTNEF §2.1.3.3 (attributes of a message), MS-OXCMSG §2.2.1.56 (the forms of a body), MS-OXPROPS
//! (numbers of properties). A property goes before the attribute that says the same, since it is longer and in
//! Unicode. A text in UTF-16 becomes UTF-8; any other keeps its octets and has its code page's name beside it.
//! When it fails: never; what cannot be read makes [`Unwrapped::whole`] false.

use super::attachment::Draft;
use super::meeting::Fields;
use super::stream::{Attribute, Attributes, Properties, Property, kind, until_nul};
use super::{Budget, Piece, Unwrapped, WESTERN, lzfu};
use crate::mime::charset::Charset;
use crate::mime::{codepage, lines, rtf};

/// Numbers of attributes (MS-OXTNEF §2.1.3.2).
mod id {
    pub const OEM_CODE_PAGE: u16 = 0x9007;
    pub const MESSAGE_CLASS: u16 = 0x8008;
    pub const SUBJECT: u16 = 0x8004;
    pub const BODY: u16 = 0x800c;
    pub const MESSAGE_PROPERTIES: u16 = 0x9003;
    pub const ATTACH_RENDERING: u16 = 0x9002;
    pub const ATTACH_TITLE: u16 = 0x8010;
    pub const ATTACH_CONTENT: u16 = 0x800f;
    pub const ATTACHMENT: u16 = 0x9005;
}

/// Numbers of properties (MS-OXPROPS §2).
mod tag {
    pub const MESSAGE_CLASS: u16 = 0x001a;
    pub const SUBJECT: u16 = 0x0037;
    pub const BODY: u16 = 0x1000;
    pub const RTF_COMPRESSED: u16 = 0x1009;
    pub const HTML: u16 = 0x1013;
    pub const INTERNET_CODE_PAGE: u16 = 0x3fde;
}

/// A text as it stands in a stream.
#[derive(Debug, Clone, Copy)]
pub enum Text<'a> {
    /// In the code page of the stream.
    Narrow(&'a [u8]),
    /// UTF-16, little-endian.
    Wide(&'a [u8]),
}

impl<'a> Text<'a> {
    /// The text of a property, if it is one.
    pub fn of(property: &Property<'a>) -> Option<Self> {
        match property.kind {
            kind::STRING8 => Some(Self::Narrow(until_nul(property.value, 1))),
            kind::UNICODE => Some(Self::Wide(until_nul(property.value, 2))),
            _ => None,
        }
    }

    pub fn decode(self, page: u32) -> String {
        match self {
            Self::Narrow(octets) => codepage::charset(page).decode(octets).0.into_owned(),
            Self::Wide(octets) => Charset::Utf16Le.decode(octets).0.into_owned(),
        }
    }
}

/// What was found of a message so far.
pub struct Message<'a> {
    page: u32,
    internet_page: Option<u32>,
    class: Option<Text<'a>>,
    subject: Option<Text<'a>>,
    plain: Option<Text<'a>>,
    html: Option<Text<'a>>,
    /// HTML as octets of the internet code page.
    html_octets: Option<&'a [u8]>,
    rtf: Option<&'a [u8]>,
    meeting: Fields<'a>,
    attachments: Vec<Draft<'a>>,
    pub whole: bool,
}

impl<'a> Message<'a> {
    /// A message with nothing but the code page that its attributes name, wherever among them.
    pub fn new(mut attributes: Attributes<'a>) -> Self {
        let page = attributes
            .find(|a| a.id == id::OEM_CODE_PAGE)
            .and_then(|a| Some(u32::from_le_bytes(a.octets.get(..4)?.try_into().ok()?)))
            .filter(|page| *page != 0)
            .unwrap_or(WESTERN);
        Self {
            page,
            internet_page: None,
            class: None,
            subject: None,
            plain: None,
            html: None,
            html_octets: None,
            rtf: None,
            meeting: Fields::default(),
            attachments: Vec::new(),
            whole: true,
        }
    }

    pub fn attribute(&mut self, attribute: Attribute<'a>, budget: &mut Budget) {
        let octets = attribute.octets;
        match attribute.id {
            id::MESSAGE_PROPERTIES => self.properties(octets, budget),
            id::ATTACHMENT => {
                let whole = self.draft(budget).is_none_or(|d| d.properties(octets, &mut budget.items));
                self.whole &= whole;
            }
            // The rest is worth nothing in parts.
            _ if !attribute.whole => self.whole = false,
            id::MESSAGE_CLASS => self.class = self.class.or(Some(Text::Narrow(until_nul(octets, 1)))),
            id::SUBJECT => self.subject = self.subject.or(Some(Text::Narrow(until_nul(octets, 1)))),
            id::BODY => self.plain = richer(self.plain, Some(Text::Narrow(until_nul(octets, 1)))),
            id::ATTACH_RENDERING => self.begin_attachment(budget),
            id::ATTACH_TITLE => {
                if let Some(draft) = self.draft(budget) {
                    draft.title = Some(Text::Narrow(until_nul(octets, 1)));
                }
            }
            id::ATTACH_CONTENT => {
                if let Some(draft) = self.draft(budget) {
                    draft.content = Some(octets);
                }
            }
            _ => {}
        }
    }

    fn begin_attachment(&mut self, budget: &mut Budget) {
        if Budget::spend(&mut budget.parts) {
            self.attachments.push(Draft::default());
        } else {
            self.whole = false;
        }
    }

    /// The attachment that an attribute belongs to: the last one that began. Some programs begin none.
    fn draft(&mut self, budget: &mut Budget) -> Option<&mut Draft<'a>> {
        if self.attachments.is_empty() {
            self.begin_attachment(budget);
        }
        self.attachments.last_mut()
    }

    fn properties(&mut self, octets: &'a [u8], budget: &mut Budget) {
        let mut properties = Properties::new(octets);
        for property in properties.by_ref() {
            if !Budget::spend(&mut budget.items) {
                self.whole = false;
                return;
            }
            self.property(&property);
        }
        self.whole &= !properties.is_damaged();
    }

    fn property(&mut self, property: &Property<'a>) {
        let text = Text::of(property);
        match property.id {
            _ if property.named.is_some() => self.meeting.named(property),
            tag::MESSAGE_CLASS => self.class = text.or(self.class),
            tag::SUBJECT => self.subject = text.or(self.subject),
            tag::BODY => self.plain = richer(text, self.plain),
            tag::HTML if property.kind == kind::BINARY => {
                self.html_octets = self.html_octets.or(Some(property.value));
            }
            tag::HTML => self.html = self.html.or(text),
            tag::RTF_COMPRESSED if property.kind == kind::BINARY => {
                self.rtf = self.rtf.or(Some(property.value));
            }
            tag::INTERNET_CODE_PAGE if property.kind == kind::LONG => {
                self.internet_page =
                    property.value.get(..4).and_then(|v| v.try_into().ok()).map(u32::from_le_bytes);
            }
            _ => self.meeting.tagged(property),
        }
    }

    /// The message with its attachments, which is `depth` messages deep.
    pub fn finish(self, depth: usize, budget: &mut Budget) -> Unwrapped {
        let class = self.class.map(|text| text.decode(self.page)).unwrap_or_default();
        let subject = self.subject.map(|text| text.decode(self.page));
        let meeting = self.meeting.finish(&class, subject, self.page);
        let mut unwrapped =
            Unwrapped { bodies: self.bodies(budget), meeting, whole: self.whole, ..Unwrapped::default() };
        for draft in self.attachments {
            let (attachment, whole) = draft.finish(self.page, depth, budget);
            unwrapped.attachments.extend(attachment);
            unwrapped.whole &= whole;
        }
        unwrapped
    }

    fn bodies(&self, budget: &mut Budget) -> Vec<Piece> {
        let plain = self.plain.and_then(|text| self.piece("text/plain", text));
        let html = self
            .html_octets
            .and_then(|octets| self.html_piece(octets))
            .or_else(|| self.html.and_then(|text| self.piece("text/html", text)));
        if html.is_some() {
            return plain.into_iter().chain(html).collect();
        }
        let converted = self.rtf.and_then(|octets| {
            let raw = lzfu::decompress(octets, budget.rtf)?;
            budget.rtf -= raw.len().min(budget.rtf);
            Some(rtf::read(&raw))
        });
        let html = match converted {
            Some(rtf::Content::Html(text)) => utf8_piece("text/html", &text),
            Some(rtf::Content::Text(text)) if plain.is_none() => utf8_piece("text/plain", &text),
            _ => None,
        };
        plain.into_iter().chain(html).collect()
    }

    fn piece(&self, media: &str, text: Text<'_>) -> Option<Piece> {
        match text {
            Text::Narrow(octets) if !matches!(self.page, 1200 | 1201) => {
                octet_piece(media, octets, codepage::label(self.page))
            }
            _ => utf8_piece(media, &text.decode(self.page)),
        }
    }

    fn html_piece(&self, octets: &[u8]) -> Option<Piece> {
        let page = self.internet_page.unwrap_or(0);
        if matches!(page, 1200 | 1201) || octets.starts_with(&[0xff, 0xfe]) || octets.starts_with(b"<\0") {
            let charset = if page == 1201 { Charset::Utf16Be } else { Charset::Utf16Le };
            let text = charset.decode(octets).0;
            return utf8_piece("text/html", &rtf::declare_utf8(text.trim_end_matches('\0')));
        }
        let end = octets.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1);
        octet_piece("text/html", octets.get(..end)?, codepage::label(page))
    }
}

/// The first of two texts that is more than blanks.
fn richer<'a>(one: Option<Text<'a>>, other: Option<Text<'a>>) -> Option<Text<'a>> {
    let is_blank = |text: &Text<'_>| match text {
        Text::Narrow(octets) => octets.trim_ascii().is_empty(),
        Text::Wide(octets) => octets.iter().all(|b| *b == 0 || b.is_ascii_whitespace()),
    };
    one.filter(|text| !is_blank(text)).or(other)
}

fn utf8_piece(media: &str, text: &str) -> Option<Piece> {
    octet_piece(media, text.as_bytes(), Some("utf-8"))
}

/// The part of a text that is more than blanks.
fn octet_piece(media: &str, octets: &[u8], charset: Option<&'static str>) -> Option<Piece> {
    if octets.trim_ascii().is_empty() {
        return None;
    }
    Some(Piece {
        media: media.to_owned(),
        charset,
        name: None,
        content_id: None,
        octets: lines::only_crlf(octets).into_owned(),
    })
}
