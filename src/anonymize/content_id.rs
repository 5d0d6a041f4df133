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

/// The ids of one message and what takes their place.
pub struct ContentIds {
    /// By the id without brackets, as it is met in a folded text.
    new: BTreeMap<Vec<u8>, String>,
    taken: BTreeSet<String>,
    host: String,
}

impl ContentIds {
    /// No ids yet; new ones are in `host`.
    pub fn new(host: &str) -> Self {
        Self { new: BTreeMap::new(), taken: BTreeSet::new(), host: host.to_owned() }
    }

    /// Takes in the ids of all parts of `entity`.
    pub fn collect(&mut self, bytes: &[u8], entity: &Entity, names_somebody: &dyn Fn(&[u8]) -> bool) {
        for field in entity.header.all(bytes, "Content-ID") {
            self.add(slice(bytes, field.value.clone()), names_somebody);
        }
        match &entity.content {
            Content::Leaf => {}
            Content::Multipart(multipart) => {
                multipart.parts.iter().for_each(|(_, part)| self.collect(bytes, part, names_somebody))
            }
            Content::Message(inner) => self.collect(bytes, inner, names_somebody),
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
        if new.is_none() || new.as_ref().is_some_and(|new| self.taken.contains(new)) {
            new = Some(format!("part{}@{}", self.taken.len() + 1, self.host));
        }
        if let Some(new) = new {
            self.taken.insert(new.clone());
            self.new.insert(key, new);
        }
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
        let mut none = (0..).map(|number| format!("none{number}@{}", self.host));
        self.rewritten(id).filter(is_free).or_else(|| none.find(is_free)).unwrap_or_default()
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
