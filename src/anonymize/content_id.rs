//! Content-ID and the `cid:` links to it: the host in an id names the sender's machine or provider, so ids are
//! written anew, the same everywhere.
//!
//! Rules: RFC 2392 (a link is the id without brackets, percent-escaped), RFC 2387 §3.1 (`start`). An id without an at
//! sign has no host and stays. The left half stays where it is plain and used once, else a number takes its place.
//! Links to ids that the message does not have lose their host too, and become none of those that it has. Plain means: it names neither a local part of a
//! secret nor a host.
//! When it fails: never.

use super::spelling;
use crate::mime::header::unfold;
use crate::mime::slice;
use crate::mime::tree::{Content, Entity};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Longest id that is kept, in octets.
const MAX_ID: usize = 200;
/// Most links of quoted mails that are remembered: nobody quotes more pictures.
const MAX_QUOTED: usize = 4096;

/// The ids of one message and what takes their place.
pub struct ContentIds {
    /// By the id without brackets, as it is met in a folded text.
    new: BTreeMap<Vec<u8>, String>,
    taken: BTreeSet<String>,
    /// Links to ids in our host that came with the message: of earlier mails, which are quoted.
    quoted: BTreeSet<String>,
    /// The next number of an id, and of a link to what is not here: those below are given away.
    next: usize,
    none: usize,
    host: String,
}

impl ContentIds {
    /// No ids yet; new ones are in `host`.
    pub fn new(host: &str) -> Self {
        Self {
            new: BTreeMap::new(),
            taken: BTreeSet::new(),
            quoted: BTreeSet::new(),
            next: 1,
            none: 0,
            host: host.to_owned(),
        }
    }

    /// Takes in the ids of all parts of `entity`.
    pub fn collect(&mut self, bytes: &[u8], entity: &Entity, names_somebody: &dyn Fn(&[u8]) -> bool) {
        if has_ids(bytes, entity) {
            self.note_links(bytes, entity);
        }
        self.collect_ids(bytes, entity, names_somebody);
    }

    /// Takes in the links of texts to ids in our host, so that no part of this message gets the id of an earlier one's.
    fn note_links(&mut self, bytes: &[u8], entity: &Entity) {
        match &entity.content {
            Content::Leaf if entity.media.starts_with("text/") => {
                let text = entity.encoding.decode(slice(bytes, entity.body.clone()));
                let mut done = 0;
                for at in memchr::memmem::find_iter(&text, b"cid:") {
                    // A link in a link is none.
                    if at < done {
                        continue;
                    }
                    if self.quoted.len() >= MAX_QUOTED {
                        return;
                    }
                    let near = text.get(at + 4..(at + 4 + MAX_ID).min(text.len())).unwrap_or_default();
                    let ends = |b: &u8| !b.is_ascii_graphic() || b"\"'<>)(][`;,\\&".contains(b);
                    let id = near.split(ends).next().unwrap_or_default();
                    done = at + 4 + id.len();
                    let id = String::from_utf8_lossy(id).replace("%40", "@");
                    if id.split_once('@').is_some_and(|(_, host)| host.eq_ignore_ascii_case(&self.host)) {
                        self.quoted.insert(id);
                    }
                }
            }
            Content::Leaf => {}
            Content::Multipart(multipart) => {
                multipart.parts.iter().for_each(|(_, part)| self.note_links(bytes, part));
            }
            Content::Message(inner) => self.note_links(bytes, inner),
        }
    }

    fn collect_ids(&mut self, bytes: &[u8], entity: &Entity, names_somebody: &dyn Fn(&[u8]) -> bool) {
        for field in entity.header.all(bytes, "Content-ID") {
            self.add(slice(bytes, field.value.clone()), names_somebody);
        }
        match &entity.content {
            Content::Leaf => {}
            Content::Multipart(multipart) => {
                multipart.parts.iter().for_each(|(_, part)| self.collect_ids(bytes, part, names_somebody))
            }
            Content::Message(inner) => self.collect_ids(bytes, inner, names_somebody),
        }
    }

    fn add(&mut self, value: &[u8], names_somebody: &dyn Fn(&[u8]) -> bool) {
        let Some(id) = bare(value) else { return };
        let key = folded(&id);
        if self.new.contains_key(&key) {
            return;
        }
        let left = id.split(|b| *b == b'@').next().unwrap_or_default();
        let mut new = if names_somebody(left) { None } else { self.rewritten(&id) };
        let is_other =
            |new: &String| self.taken.contains(new) || new.as_bytes() != id && self.quoted.contains(new);
        if new.as_ref().is_none_or(is_other) {
            let from = self.next.max(self.taken.len() + 1);
            let mut numbered = (from..).map(|n| (n, format!("part{n}@{}", self.host)));
            let found = numbered.find(|(_, new)| !is_other(new));
            self.next = found.as_ref().map_or(from, |(n, _)| n + 1);
            new = found.map(|(_, new)| new);
        }
        if let Some(new) = new {
            self.taken.insert(new.clone());
            self.new.insert(key, new);
            while self.taken.contains(&self.nobody()) {
                self.none += 1;
            }
        }
    }

    /// The first id of no part that no part has.
    fn nobody(&self) -> String {
        format!("none{}@{}", self.none, self.host)
    }

    /// The id with our host; `None` when its left half may not stay.
    fn rewritten(&self, id: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(id).ok()?;
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+$=!".contains(&b));
        match text.split_once('@') {
            _ if text.len() > MAX_ID || text.is_empty() => None,
            None => plain(text).then(|| text.to_owned()),
            Some((left, _)) => (plain(left) && !left.is_empty()).then(|| format!("{left}@{}", self.host)),
        }
    }

    /// The ids that get another one, each with it.
    pub fn changed(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.new.iter().filter_map(|(id, new)| Some((std::str::from_utf8(id).ok()?, new.as_str())));
        all.filter(|(id, new)| id != new)
    }

    /// What takes the place of an id (without brackets).
    pub fn of(&self, id: &[u8]) -> String {
        if let Some(new) = self.new.get(&folded(id)) {
            return new.clone();
        }
        // One that was written anew before, as where lines are joined and read again.
        if let Some(own) = std::str::from_utf8(id).ok().and_then(|id| self.taken.get(id)) {
            return own.clone();
        }
        let is_free = |new: &String| !self.taken.contains(new);
        // Another mail's first picture is called like this one's: a link to what is not here must not show what is.
        self.rewritten(id).filter(is_free).unwrap_or_else(|| self.nobody())
    }

    /// The value of a Content-ID field, or of a `start` parameter.
    pub fn of_value(&self, value: &[u8]) -> Option<String> {
        bare(value).map(|id| format!("<{}>", self.of(&id)))
    }

    /// The ids in `cid:` links of a folded text that must change.
    pub fn references<'a>(&'a self, hay: &'a [u8]) -> impl Iterator<Item = (Range<usize>, String)> + 'a {
        // Where the word ends that the last link began in, and its last at sign: links that stand in one word are read once.
        let (mut word_end, mut word_sign) = (0, None);
        memchr::memmem::find_iter(hay, b"cid:").filter_map(move |at| {
            let start = at + 4;
            // Not the tail of a longer word (`acid:`).
            if at > 0 && hay.get(at - 1).is_some_and(u8::is_ascii_alphanumeric) {
                return None;
            }
            // An id of a part, whatever octets it has.
            let beyond = |b: &u8| b.is_ascii_whitespace() || b"\"'<>".contains(b);
            let widest = hay.get(start..)?.iter().take(MAX_ID * 3).position(beyond);
            let widest =
                hay.get(start..widest.map_or(hay.len().min(start + MAX_ID * 3), |length| start + length))?;
            if let Some(new) = self.new.get(widest) {
                return (new.as_bytes() != widest).then(|| (start..start + widest.len(), new.clone()));
            }
            let ends = |b: &u8| b.is_ascii_whitespace() || *b >= 0x80 || b"\"'<>)(][`;,\\&".contains(b);
            if start >= word_end {
                let rest = hay.get(start..)?;
                let length = rest.iter().position(ends).unwrap_or(rest.len());
                word_end = start + length;
                word_sign = memchr::memrchr(b'@', rest.get(..length)?).map(|i| start + i);
            }
            let id = hay.get(start..word_end.min(start + MAX_ID * 3))?;
            // A sentence ends with what no id ends with.
            let stops = id.iter().rev().take_while(|b| b".:!?".contains(b)).count();
            let id = id.get(..id.len() - stops)?;
            let host = word_sign.is_some_and(|sign| sign >= start) && memchr::memchr(b'@', id).is_some();
            let known = self.new.get(id);
            let new = match known {
                Some(new) => new.clone(),
                None if host => self.of(id),
                None => return None,
            };
            (new.as_bytes() != id).then(|| (start..start + id.len(), new))
        })
    }
}

/// Whether a part has an id.
fn has_ids(bytes: &[u8], entity: &Entity) -> bool {
    entity.header.all(bytes, "Content-ID").next().is_some()
        || match &entity.content {
            Content::Leaf => false,
            Content::Multipart(multipart) => multipart.parts.iter().any(|(_, part)| has_ids(bytes, part)),
            Content::Message(inner) => has_ids(bytes, inner),
        }
}

/// The id between the brackets, without folds; the whole value where there are none.
fn bare(value: &[u8]) -> Option<Vec<u8>> {
    let value = unfold(value);
    let value = value.trim_ascii();
    let value = value.strip_prefix(b"<").unwrap_or(value);
    let id = value.split(|b| *b == b'>').next().unwrap_or_default().trim_ascii();
    (!id.is_empty()).then(|| id.to_vec())
}

fn folded(id: &[u8]) -> Vec<u8> {
    spelling::fold(&String::from_utf8_lossy(id).into_owned().into_bytes()).view.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_follow_their_ids_and_no_host_stays() {
        let mut ids = ContentIds::new("relay.example");
        for value in
            [" <logo.1@pc.home.example>", " <logo.1@other.example>", " <ii_abc>", " <a%40b@x.example>"]
        {
            ids.add(value.as_bytes(), &|left| left.starts_with(b"owner"));
        }
        ids.add(b"<owner.7@x.example>", &|left| left.starts_with(b"owner"));
        assert_eq!(ids.of(b"owner.7@x.example"), "part5@relay.example");
        assert_eq!(ids.of(b"logo.1@pc.home.example"), "logo.1@relay.example");
        assert_eq!(ids.of(b"logo.1@other.example"), "part2@relay.example");
        assert_eq!(ids.of(b"ii_abc"), "ii_abc");
        assert_eq!(ids.of(b"a%40b@x.example"), "part4@relay.example");
        let hay = b"<img src=\"cid:logo.1@pc.home.example\"> acid:x@y url(cid:ii_abc) cid:gone@x.example'";
        let found: Vec<_> = ids.references(hay).map(|(_, new)| new).collect();
        assert_eq!(found, ["logo.1@relay.example", "gone@relay.example"]);
    }

    #[test]
    fn a_link_of_a_quoted_mail_to_an_id_of_ours_shows_no_part_of_this_one() {
        let mail = b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\n<img src=3D\"cid:image001.png@relay.exam=\r\nple\">\
            <img src=3D\"cid:image001.png@HERE\">\r\n--b\r\nContent-Type: image/png\r\n\
            Content-ID: <image001.png@HERE>\r\n\r\nx\r\n--b--\r\n";
        let entity = crate::mime::tree::parse(mail, &mut crate::mime::tree::Budget::default()).unwrap();
        let mut ids = ContentIds::new("relay.example");
        ids.collect(mail, &entity, &|_| false);
        assert_eq!(ids.of(b"image001.png@HERE"), "part1@relay.example");
        assert_eq!(ids.of(b"image001.png@relay.example"), "image001.png@relay.example");
        // What has that id itself keeps it.
        let mail =
            String::from_utf8_lossy(mail).replace("<image001.png@HERE>", "<image001.png@relay.example>");
        let entity =
            crate::mime::tree::parse(mail.as_bytes(), &mut crate::mime::tree::Budget::default()).unwrap();
        let mut ids = ContentIds::new("relay.example");
        ids.collect(mail.as_bytes(), &entity, &|_| false);
        assert_eq!(ids.of(b"image001.png@relay.example"), "image001.png@relay.example");
    }

    #[test]
    fn many_ids_that_need_a_number_beside_many_quoted_links_take_no_more_than_linear_time() {
        crate::anonymize::tests::grows_linearly("ids", |size| {
            let mut ids = ContentIds::new("relay.example");
            ids.quoted.extend((1..size / 16).map(|i| format!("part{i}@relay.example")));
            for i in 0..size / 16 {
                ids.add(format!("<none{i}@x.example>").as_bytes(), &|_| false);
                ids.add(format!("<owner{i}@x.example>").as_bytes(), &|left| left.starts_with(b"owner"));
            }
            assert_eq!(ids.of(b"owner0@x.example"), format!("part{}@relay.example", size / 16));
            for i in 0..size / 16 {
                assert_eq!(
                    ids.of(format!("none{i}@y.example").as_bytes()),
                    format!("none{}@relay.example", size / 16)
                );
            }
        });
    }

    #[test]
    fn no_more_links_of_quoted_mails_are_remembered_than_anybody_quotes() {
        let links: String = (0..2 * MAX_QUOTED).map(|i| format!("cid:{i}@relay.example\r\n")).collect();
        let mail = format!("Content-Type: text/html\r\nContent-ID: <a@b>\r\n\r\n{links}");
        let entity =
            crate::mime::tree::parse(mail.as_bytes(), &mut crate::mime::tree::Budget::default()).unwrap();
        let mut ids = ContentIds::new("relay.example");
        ids.collect(mail.as_bytes(), &entity, &|_| false);
        assert_eq!(ids.quoted.len(), MAX_QUOTED);
    }

    #[test]
    fn a_link_to_a_part_that_is_not_there_shows_no_other_part() {
        let mut ids = ContentIds::new("relay.example");
        for value in ["<image001.png@01DC0000.HERE>", "<none0@x.example>"] {
            ids.add(value.as_bytes(), &|_| false);
        }
        assert_eq!(ids.of(b"image001.png@01DC0000.HERE"), "image001.png@relay.example");
        assert_eq!(ids.of(b"image001.png@01DA7777.GONE"), "none1@relay.example");
        assert_eq!(ids.of(b"image002.png@01DA7777.GONE"), "image002.png@relay.example");
        let hay = b"<img src=\"cid:image001.png@01DA7777.GONE\">";
        assert_eq!(ids.references(hay).map(|(_, new)| new).collect::<Vec<_>>(), ["none1@relay.example"]);
    }
}
