//! The gate: the last look at a finished message, by another decoder and another search than those that wrote it.
//!
//! Rules: the message is decoded by `mail-parser` and looked at as raw bytes too; every header, every body, every
//! nested message, and base64 wherever it stands. A text is squeezed to what a person could read as an address:
//! escapes decoded, letters folded, blanks, quotes and line breaks out, once with and once without tags. Whatever
//! then spells a secret is a residue. Nothing of the rewriter's reading or searching is used.
//! When it fails: [`Refusal::Residue`] on a hit, [`Refusal::Unreadable`] when the message cannot be decoded whole.

mod escapes;
mod octets;
mod squeeze;
mod wanted;

use super::{Anonymized, Refusal, Secret};
use escapes::{shifted_out, unescaped};
use mail_parser::{Encoding, HeaderForm, HeaderValue, MessageParser, PartFlags, PartKind, Source};
use octets::{decode_base64, decode_over_padding, is_base64, tokens, words_as_octets, words_together};
use squeeze::{Joints, Squeezed, Tags};
use std::ops::Range;
use wanted::Wanted;

/// Most layers of escapes in escapes.
const MAX_LAYERS: usize = 4;
/// Shortest base64 that can hold an address.
const MIN_BASE64: usize = 8;

/// What a finished message must not hold.
pub struct Forbidden<'a> {
    /// The real addresses of both parties.
    pub secrets: &'a [Secret<'a>],
    /// Host names and IP addresses of the mail path, lower case.
    pub traces: &'a [String],
    /// Whether files are looked into.
    pub files: Files,
}

/// What is done with attached files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Their octets are searched.
    Checked,
    /// Their sender has confirmed them: only texts and headers are searched.
    Confirmed,
}

/// A message that was stopped.
pub struct Stopped {
    /// Its octets.
    pub message: Vec<u8>,
    /// [`Refusal::Residue`] when a secret is in it, in any spelling; [`Refusal::Unreadable`] when it cannot be checked.
    pub why: Refusal,
}

/// Lets a finished message through: a rewritten one, a notice of our own, or one that comes back from the spool.
///
/// # Errors
/// [`Stopped`], with the message.
pub fn pass_gate(message: Vec<u8>, forbidden: &Forbidden<'_>) -> Result<Anonymized, Stopped> {
    let wanted: Vec<Wanted> =
        forbidden.secrets.iter().map(|secret| Wanted::new(&secret.address.reveal_canonical())).collect();
    if !wanted.is_empty()
        && let Err(why) = (Gate { wanted }.check(&message))
    {
        return Err(Stopped { message, why });
    }
    Ok(Anonymized { bytes: message })
}

struct Gate {
    wanted: Vec<Wanted>,
}

impl Gate {
    fn check(&self, message: &[u8]) -> Result<(), Refusal> {
        let parser = MessageParser::new().max_encoded_nesting(crate::mime::MAX_DEPTH);
        let parsed = parser.parse(message).ok_or(Refusal::Unreadable)?;
        // What is base64 by its header and nothing else is looked at decoded; as it stands it can hold no address.
        let mut encoded: Vec<Range<usize>> = Vec::new();
        for part in parsed.parts() {
            if part.flags().intersects(PartFlags::LIMIT_REACHED | PartFlags::NESTING_LIMIT) {
                return Err(Refusal::Unreadable);
            }
            for header in part.headers().iter() {
                self.header(&header)?;
            }
            if matches!(part.kind(), PartKind::Multipart | PartKind::Message(_)) {
                continue;
            }
            let pure = |text: &[u8]| text.iter().all(|b| is_base64(*b) || b.is_ascii_whitespace());
            if part.encoding() == Encoding::Base64
                && part.message().source() == Source::Raw
                && pure(part.raw_body())
            {
                let at = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
                encoded.push(at(part.offset_body())..at(part.offset_end()));
            }
            self.leaf(&part)?;
        }
        self.raw(message, &encoded)
    }

    fn leaf(&self, part: &mail_parser::MessagePart<'_>) -> Result<(), Refusal> {
        let octets = part.decoded();
        self.plain_octets(&octets)?;
        if part.encoding() == Encoding::Base64
            && let Some(other) = decode_over_padding(part.raw_body())
        {
            self.octets(&other)?;
            self.other_readings(&other, |text| self.markup(text))?;
        }
        if memchr::memmem::find(&octets, b"=?").is_some() {
            let words = words_as_octets(&octets);
            self.plain_octets(&words)?;
            self.plain_octets(&words_together(&octets))?;
            if part.is_content_type("text", "rfc822-headers") {
                self.octets(&words)?;
            }
        }
        if part.text().is_none() {
            self.file(&octets)?;
        }
        let Some(text) = part.text() else {
            return std::str::from_utf8(&octets).map_or(Ok(()), |text| self.markup(text));
        };
        if !part.is_content_type("text", "plain") && part.content_type().is_some() {
            self.other_readings(&octets, |text| self.markup(text))?;
            return self.markup(&text);
        }
        self.other_readings(&octets, |text| self.text(text))?;
        // Some programs show what looks like markup as markup, whatever its label says.
        if text.contains('<') {
            self.look(&Squeezed::new(&text, Tags::Out), Joints::Join)?;
        }
        // In the clear and in UTF-8 it stands in the raw message just so.
        let same = text.as_bytes() == &*octets;
        if same && part.encoding() == Encoding::None && part.message().source() == Source::Raw {
            return Ok(());
        }
        self.text(&text)?;
        if same { Ok(()) } else { std::str::from_utf8(&octets).map_or(Ok(()), |text| self.text(text)) }
    }

    fn header(&self, header: &mail_parser::Header<'_>) -> Result<(), Refusal> {
        let raw = String::from_utf8_lossy(header.raw_value());
        self.field_text(&raw)?;
        self.other_readings(header.raw_value(), |text| self.text(text))?;
        if raw.contains("=?") {
            let octets = words_as_octets(header.raw_value());
            self.octets(&octets)?;
            self.plain_octets(&words_together(header.raw_value()))?;
            self.other_readings(&octets, |text| self.text(text))?;
        }
        if let HeaderValue::Text(text) = header.parse_as(HeaderForm::Text).value() {
            self.field_text(text)?;
        }
        match header.parse_as(HeaderForm::ContentType).value() {
            HeaderValue::ContentType(value) => {
                for (name, text) in value.attributes() {
                    self.text_with(name, Joints::Part)?;
                    self.text_with(text, Joints::Part)?;
                }
            }
            HeaderValue::Text(text) => self.field_text(text)?,
            _ => {}
        }
        if let HeaderValue::Address(list) = header.parse_as(HeaderForm::Addresses).value() {
            for mailbox in list.mailboxes() {
                self.field_text(mailbox.name().unwrap_or_default())?;
                self.field_text(mailbox.address().unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// A field as text, also without its comments.
    fn field_text(&self, text: &str) -> Result<(), Refusal> {
        self.text(text)?;
        if text.contains('(') {
            self.look(&Squeezed::new(text, Tags::CommentsOut), Joints::Join)
        } else {
            Ok(())
        }
    }

    /// The message as it goes on the wire, without the ranges in `encoded`.
    fn raw(&self, message: &[u8], encoded: &[Range<usize>]) -> Result<(), Refusal> {
        let mut clear: Vec<u8> = Vec::with_capacity(message.len());
        let mut at = 0;
        for range in encoded {
            clear.extend_from_slice(message.get(at..range.start).unwrap_or_default());
            at = at.max(range.end);
        }
        clear.extend_from_slice(message.get(at..).unwrap_or_default());
        self.text(&String::from_utf8_lossy(&clear))?;
        self.plain_octets(&clear)?;
        if memchr::memmem::find(&clear, b"=?").is_some() {
            self.plain_octets(&words_as_octets(&clear))?;
            self.plain_octets(&words_together(&clear))?;
        }
        let mut run: Vec<u8> = Vec::new();
        for line in clear.split(|b| *b == b'\n') {
            let line = line.trim_ascii();
            // The last line of a run may be short.
            let least = if run.is_empty() { MIN_BASE64 } else { 1 };
            if line.len() >= least && line.iter().all(|b| is_base64(*b)) {
                run.extend_from_slice(line);
            } else if !run.is_empty() {
                self.octets(&decode_base64(&run))?;
                run.clear();
            }
        }
        self.octets(&decode_base64(&run))
    }

    /// Octets that may be a text, in an unknown charset, or a file.
    fn octets(&self, octets: &[u8]) -> Result<(), Refusal> {
        self.plain_octets(octets)?;
        std::str::from_utf8(octets).map_or(Ok(()), |text| self.text(text))
    }

    /// The address as plain ASCII, or as UTF-16 or UTF-32 of either end, among octets of any kind.
    fn plain_octets(&self, octets: &[u8]) -> Result<(), Refusal> {
        for at in memchr::memchr_iter(b'@', octets) {
            if self.wanted.iter().any(|wanted| wanted.stands_in_octets(octets, at)) {
                return Err(Refusal::Residue);
            }
        }
        self.nul_free(octets)
    }

    /// A text whose label may be wrong, or unknown to the decoder.
    fn other_readings(
        &self,
        octets: &[u8],
        look: impl Fn(&str) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let read =
            |charset: &[u8], octets: &[u8]| look(&mail_parser::decoders::charsets::decode(charset, octets));
        if memchr::memchr(0, octets).is_some() {
            let bare: Vec<u8> = octets.iter().copied().filter(|b| *b != 0).collect();
            look(&String::from_utf8_lossy(&bare))?;
            read(b"utf-16le", octets)?;
            read(b"utf-16be", octets)?;
        }
        if let Some(eight_bit) = shifted_out(octets) {
            read(b"euc-kr", &eight_bit)?;
            read(b"gb18030", &eight_bit)?;
        }
        if memchr::memchr(0x1b, octets).is_some() {
            return read(b"iso-2022-jp", octets);
        }
        if std::str::from_utf8(octets).is_ok() {
            return Ok(());
        }
        for charset in [b"shift_jis".as_slice(), b"euc-jp", b"gb18030", b"big5", b"euc-kr"] {
            read(charset, octets)?;
        }
        Ok(())
    }

    /// A file that is no text: what stands beside the address there may be the next field of a record. Or one that
    /// is, and says nothing of its charset.
    fn file(&self, octets: &[u8]) -> Result<(), Refusal> {
        let control = |b: &u8| *b < 0x20 && !b.is_ascii_whitespace();
        if !octets.iter().any(control) {
            return self.other_readings(octets, |text| self.markup(text));
        }
        let hit = memchr::memchr_iter(b'@', octets)
            .any(|at| self.wanted.iter().any(|wanted| wanted.is_around(octets, at)));
        if hit { Err(Refusal::Residue) } else { Ok(()) }
    }

    /// UTF-16 and UTF-32 of either end without their NULs.
    fn nul_free(&self, octets: &[u8]) -> Result<(), Refusal> {
        if memchr::memchr(0, octets).is_none() || memchr::memchr(b'@', octets).is_none() {
            return Ok(());
        }
        let bare: Vec<u8> = octets.iter().copied().filter(|b| *b != 0).collect();
        let hit = memchr::memchr_iter(b'@', &bare)
            .any(|at| self.wanted.iter().any(|w| w.stands_in_octets(&bare, at)));
        if hit { Err(Refusal::Residue) } else { Ok(()) }
    }

    fn text(&self, text: &str) -> Result<(), Refusal> {
        self.text_with(text, Joints::Join)
    }

    fn text_with(&self, text: &str, joints: Joints) -> Result<(), Refusal> {
        self.layers(text, |text| {
            if squeeze::may_hold_at(text) {
                self.look(&Squeezed::new(text, Tags::Kept), joints)
            } else {
                Ok(())
            }
        })
    }

    /// A text with or without tags.
    fn markup(&self, text: &str) -> Result<(), Refusal> {
        self.layers(text, |text| {
            if !squeeze::may_hold_at(text) {
                return Ok(());
            }
            self.look(&Squeezed::new(text, Tags::Kept), Joints::Join)?;
            if !text.contains('<') {
                return Ok(());
            }
            self.look(&Squeezed::new(text, Tags::Out), Joints::Join)?;
            self.look(&Squeezed::new(&squeeze::shown(text), Tags::Kept), Joints::Join)
        })
    }

    /// The text as it is, and with all its escapes decoded.
    fn layers(&self, text: &str, look: impl Fn(&str) -> Result<(), Refusal>) -> Result<(), Refusal> {
        look(text)?;
        self.embedded(text)?;
        self.tokens(text)?;
        let mut decoded = None;
        for _ in 0..MAX_LAYERS {
            match unescaped(decoded.as_deref().unwrap_or(text)) {
                Some(next) => decoded = Some(next),
                None => break,
            }
        }
        decoded.map_or(Ok(()), |text| {
            look(&text)?;
            self.tokens(&text)
        })
    }

    /// Addresses in base64 or hexadecimal digits, as links carry them.
    fn tokens(&self, text: &str) -> Result<(), Refusal> {
        let shortest = self.wanted.iter().map(Wanted::shortest).min().unwrap_or(usize::MAX);
        let mut hit = false;
        tokens(text.as_bytes(), shortest.saturating_mul(4) / 3, |octets| {
            hit |= memchr::memchr_iter(b'@', octets)
                .any(|at| self.wanted.iter().any(|wanted| wanted.stands_in_octets(octets, at)));
        });
        if hit { Err(Refusal::Residue) } else { Ok(()) }
    }

    /// `data:` links and the like.
    fn embedded(&self, text: &str) -> Result<(), Refusal> {
        for at in memchr::memmem::find_iter(text.as_bytes(), b"base64,") {
            let rest = text.as_bytes().get(at + 7..).unwrap_or_default();
            let length =
                rest.iter().take_while(|b| is_base64(**b) || b.is_ascii_whitespace() || **b == b'%').count();
            let octets = decode_base64(rest.get(..length).unwrap_or_default());
            for at in memchr::memchr_iter(b'@', &octets) {
                if self.wanted.iter().any(|wanted| wanted.stands_in_octets(&octets, at)) {
                    return Err(Refusal::Residue);
                }
            }
            if let Ok(text) = std::str::from_utf8(&octets) {
                self.look(&Squeezed::new(text, Tags::Kept), Joints::Join)?;
            }
        }
        Ok(())
    }

    fn look(&self, text: &Squeezed, joints: Joints) -> Result<(), Refusal> {
        let hit =
            text.at_signs().any(|at| self.wanted.iter().any(|wanted| wanted.stands_at(text, at, joints)));
        if hit { Err(Refusal::Residue) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Alias, Domain, RealAddress};

    fn gate(message: &str) -> Result<(), Refusal> {
        let address = RealAddress::parse("bob@a.example").unwrap();
        let other = RealAddress::parse("eve@日本.example").unwrap();
        let alias = Alias::new("a0b1", Domain::parse("pc.fw.relay.example").unwrap());
        let secrets =
            [Secret { address: &address, alias: &alias }, Secret { address: &other, alias: &alias }];
        pass_gate(
            message.as_bytes().to_vec(),
            &Forbidden { secrets: &secrets, traces: &[], files: Files::Checked },
        )
        .map(drop)
        .map_err(|stopped| stopped.why)
    }

    #[test]
    fn a_residue_in_any_place_and_spelling_is_held() {
        for message in [
            "X: Bob@A.example\r\n\r\n",
            "X: =?utf-8?Q?bo?=\r\n =?utf-8?Q?b=40a.example?=\r\n\r\n",
            "X: bob (c) @a.example\r\n\r\n",
            "Content-Type: x/y; name*0=\"bob@a.\"; name*1=\"example\"\r\n\r\n",
            "S: s\r\n\r\nbob+tag@a.example",
            "S: s\r\n\r\nbob@a.exa\r\n> mple!",
            "S: s\r\n\r\nbob%2540a.example bob&#64;a.example",
            "S: s\r\n\r\nｂｏｂ＠ａ．ｅｘａｍｐｌｅ",
            "Content-Type: text/html\r\n\r\nb<i>ob&commat;a</i>.example",
            "S: s\r\n\r\nbob [at] a.example",
            "S: s\r\n\r\neve@xn--wgv71a.example",
            "S: s\r\n\r\neve@日本.example",
            "S: s\r\n\r\n\"bob\"@a.example",
            "S: s\r\n\r\n> To: =?utf-8?B?Ym9iQGEuZXhhbXBsZQ==?=",
            "Content-Transfer-Encoding: base64\r\n\r\nWA==\r\nnot base64 but bob@a.example",
            "S: s\r\n\r\nfor\r\nd3JpdGUgdG8gYm9iQGEu\r\nZXhhbXBsZSBub3c=\r\nend",
            "S: s\r\n\r\n<a href=\"data:text/plain;base64,Ym9iQGEuZXhhbXBsZQ==\">",
            "S: s\r\n\r\nb\0o\0b\0@\0a\0.\0e\0x\0a\0m\0p\0l\0e\0",
            "Content-Transfer-Encoding: base64\r\n\r\nYm9iQGEuZXhhbXBsZQ==",
            "Content-Transfer-Encoding: quoted-printable\r\n\r\nbo=\r\nb=40a.example",
            "Content-Transfer-Encoding: base64\r\n\r\nYm=9iQGEuZXhhbXBsZQ==",
            "Content-Type: application/x-db\r\n\r\n\u{1}Bobbob@a.example42\u{2}",
            "Content-Type: text/plain; charset=iso-2022-kr\r\n\r\n\u{1b}$)C\u{e}#b#o#b#@#a#.#e#x#a#m#p#l#e\u{f}",
            "Content-Type: text/plain; charset=hz-gb-2312\r\n\r\n~{#b#o#b#@#a#.#e#x#a#m#p#l#e~}",
            "S: s\r\n\r\nhttps://t.example/c?u=/Ym9iQGEuZXhhbXBsZQ&x",
            "S: s\r\n\r\nhttps://t.example/626f6240612e6578616d706c65",
            "Content-Type: text/html\r\n\r\nbob@<i title = \">\">a</i>.example",
            "Content-Type: image/svg+xml\r\n\r\nbob<![CDATA[@]]>a.example",
            "Content-Type: text/html\r\n\r\n<style>a:after{content:'\\62 \\6f\\000062@a.example'}</style>",
            "S: s\r\n\r\n<p>bob<b>@</b>a.example</p>",
            "Content-Type: text/html\r\n\r\nbob&thinsp;@&ensp;a.example",
            "X: =?utf-8?B?Ym9iQGE?= =?utf-8?B?uZXhhbXBsZQ==?=\r\n\r\n",
            "X: =?utf-8?B?PT91dGYtOD9CP1ltOWlRR0V1WlhoaGJYQnNaUT09Pz0=?=\r\n\r\n",
            "Content-Type: text/plain; charset=utf-7\r\n\r\nbob+AEA-a.example",
            "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\u{1b}$B#b#o#b!w#a!%#e#x#a#m#p#l#e\u{1b}(B",
            "Content-Type: message/rfc822\r\n\r\nX: bob@a.example\r\n\r\n",
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nWDogYm9iQGEuZXhhbXBsZQ0KDQo=",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\nbob@a.example\r\n--b\r\n\r\n\r\n--b--\r\n",
        ] {
            assert_eq!(gate(message), Err(Refusal::Residue), "{message:?}");
        }
    }

    #[test]
    fn other_peoples_addresses_are_no_residue() {
        for message in [
            "S: s\r\n\r\nxbob@a.example, rob.bob@a.example, bob@a.examples, bob at home, bob@b.example",
            "From: <a0b1@pc.fw.relay.example>\r\n\r\nhello @a.example",
        ] {
            assert_eq!(gate(message), Ok(()), "{message:?}");
        }
    }
}
