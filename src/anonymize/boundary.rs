//! Boundaries that name a machine of the sender's: mail programs put host names into them (`=_mx1.shop.example_17`).
//!
//! Rules: a boundary stays as it is, and every part with it, unless it holds a host of this mail's path: the domain of a
//! secret, of a Message-ID, or a host in a Received field, of the messages inside too, the first label of one of these,
//! or a domain of two labels and more above; or a secret, in any spelling; or a character that none may have. Then
//! it is replaced in its Content-Type and in each of its delimiter lines by a name made from the queue id (RFC 2046
//! §5.1.1: up to 70 characters of a small set; ours has 34). The message is long enough to be searched by nobody for it.
//! When it fails: never.

use super::identity;
use super::search::Search;
use super::text;
use crate::mime::params;
use crate::mime::slice;
use crate::mime::tree::{Content, Entity};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Most hosts that are looked for; a mail path has a dozen.
const MAX_HOSTS: usize = 200;
/// Shortest host that is looked for: shorter ones (`co.jp`) name nobody.
const MIN_HOST: usize = 6;

/// The hosts of a mail's path, and what takes the place of boundaries with one of them.
pub struct Boundaries<'a> {
    hosts: BTreeSet<String>,
    search: &'a Search,
    queue_id: String,
}

/// The boundary of a multipart, and what takes its place.
pub type Replaced<'m> = (&'m [u8], String);

impl<'a> Boundaries<'a> {
    /// Collects the hosts that the header names.
    pub fn new(bytes: &[u8], entity: &Entity, search: &'a Search, queue_id: &str) -> Self {
        let mut own = Self { hosts: BTreeSet::new(), search, queue_id: queue_id.to_owned() };
        for domain in search.domains() {
            own.add(&domain);
        }
        own.collect(bytes, entity);
        own
    }

    /// The hosts alone, for [`of`](Self::of).
    pub fn into_hosts(self) -> BTreeSet<String> {
        self.hosts
    }

    /// With hosts that were collected before.
    pub fn of(hosts: BTreeSet<String>, search: &'a Search, queue_id: &str) -> Self {
        Self { hosts, search, queue_id: queue_id.to_owned() }
    }

    /// Adds hosts that are known from elsewhere, as they are.
    pub fn add_names(&mut self, names: &[String]) {
        self.hosts.extend(names.iter().map(|name| name.to_ascii_lowercase()));
    }

    /// Collects the hosts that a message names, and the messages in it.
    pub fn collect(&mut self, bytes: &[u8], entity: &Entity) {
        for id in identity::ids(bytes, &entity.header, "Message-ID") {
            self.add_all(id.as_bytes());
        }
        for field in entity.header.all(bytes, "Received") {
            self.add_all(slice(bytes, field.value.clone()));
        }
        match &entity.content {
            Content::Leaf => {}
            Content::Multipart(multipart) => {
                multipart.parts.iter().for_each(|(_, part)| self.collect(bytes, part))
            }
            Content::Message(inner) => self.collect(bytes, inner),
        }
    }

    /// Whether the text holds a host of the mail's path.
    pub fn name_a_host(&self, text: &[u8]) -> bool {
        let folded = String::from_utf8_lossy(text).to_ascii_lowercase();
        self.hosts.iter().any(|host| folded.contains(host.as_str()))
    }

    /// Adds every host name in a text.
    fn add_all(&mut self, text: &[u8]) {
        let is_host = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        for word in text.split(|b| !is_host(b)) {
            self.add(&String::from_utf8_lossy(word));
        }
    }

    /// Adds a host and the domains above it, down to two labels.
    fn add(&mut self, host: &str) {
        let host = host.trim_matches('.').to_ascii_lowercase();
        let mut rest = host.as_str();
        let (first, above) = rest.split_once('.').unwrap_or_default();
        if !above.is_empty() && first.len() >= MIN_HOST && self.hosts.len() < MAX_HOSTS {
            self.hosts.insert(first.to_owned());
        }
        while rest.len() >= MIN_HOST && self.hosts.len() < MAX_HOSTS {
            let Some((_, above)) = rest.split_once('.') else { break };
            if rest.bytes().any(|b| b.is_ascii_alphabetic()) || above.contains('.') {
                self.hosts.insert(rest.to_owned());
            }
            rest = above;
        }
    }

    /// The boundary of a multipart and what takes its place; `None` where it names nobody.
    pub fn replaced<'m>(&self, part: &'m Entity) -> Option<Replaced<'m>> {
        let Content::Multipart(multipart) = &part.content else { return None };
        let old = multipart.boundary.as_slice();
        Some((old, self.new_name(old)?))
    }

    /// What takes the place of a boundary; `None` where it names nobody.
    fn new_name(&self, old: &[u8]) -> Option<String> {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(b);
        let names_nobody =
            || !self.name_a_host(old) && !self.search.holds_local_part(old) && !text::is_in(old, self.search);
        if old.iter().all(allowed) && !old.ends_with(b" ") && names_nobody() {
            return None;
        }
        let digest =
            Sha256::new().chain_update(&self.queue_id).chain_update([0]).chain_update(old).finalize();
        let mut new = String::from("=_");
        for b in digest.iter().take(16) {
            new.push_str(&format!("{b:02x}"));
        }
        Some(new)
    }

    /// The value of a Content-Type field with the boundary replaced; `None` where it stays. Where a report has the header
    /// of a multipart alone, the boundary delimits nothing.
    pub fn in_content_type(&self, value: &[u8], part: &Entity) -> Option<Vec<u8>> {
        let parsed = params::parse(value);
        let new = match &part.content {
            Content::Leaf if part.body.is_empty() && parsed.head.starts_with("multipart/") => {
                self.new_name(parsed.text("boundary")?.as_bytes())?
            }
            _ => self.replaced(part)?.1,
        };
        let param = parsed.params.iter().find(|param| param.name == "boundary")?;
        let mut out = slice(value, 0..param.range.start).to_vec();
        out.extend_from_slice(format!("boundary=\"{new}\"").as_bytes());
        out.extend_from_slice(slice(value, param.range.end..value.len()));
        Some(out)
    }
}

/// Appends a delimiter line of a part whose boundary is replaced so.
pub fn delimiter(line: &[u8], replaced: Option<&Replaced<'_>>, out: &mut Vec<u8>) {
    match replaced {
        Some((old, new)) => {
            out.extend_from_slice(b"--");
            out.extend_from_slice(new.as_bytes());
            out.extend_from_slice(slice(line, (2 + old.len()).min(line.len())..line.len()));
        }
        None => out.extend_from_slice(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anonymize::tests::{Direction, World};
    use crate::mime::tree::{self, Budget};

    #[test]
    fn a_boundary_that_names_somebody_or_is_none_is_replaced_and_others_stay() {
        for (boundary, goes) in [
            ("----=_Part_1_23.456", false),
            ("=_17 of 20'()+,./:?", false),
            ("=_mx.pc7.home.example_1", true),
            ("=_sign.example.1", true),
            ("=_hana.suzuki@mailbox.example=_1", true),
            ("=_Hana.Suzuki%40Mailbox.example", true),
            ("=_HANA.SUZUKI_1", true),
            ("a&b", true),
            ("b;c", true),
        ] {
            let mail = format!(
                "Message-ID: <1@pc7.home.example>\r\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n\r\nx"
            );
            let entity = tree::parse(mail.as_bytes(), &mut Budget::default()).unwrap();
            let replaced = World::default().with_passage(Direction::ToMerchant, |passage| {
                let search = Search::new(passage).unwrap();
                let mut boundaries = Boundaries::new(mail.as_bytes(), &entity, &search, "Q1");
                boundaries.add_names(&["sign.example".to_owned()]);
                boundaries.replaced(&entity).map(|(old, _)| String::from_utf8(old.to_vec()).unwrap())
            });
            assert_eq!(replaced.as_deref(), goes.then_some(boundary));
        }
    }
}
