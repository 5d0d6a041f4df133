//! What a message is signed with: DKIM (RFC 6376) and ARC (RFC 8617), checked with keys that the DNS gives.
//!
//! Written here and not taken from `mail-auth`, which signs for us: its reader is kind to broken lists of tags and splits a
//! message in its own way, where a signature must be checked over exactly what the rest of this program reads; and it
//! asks the DNS by a resolver that needs the machine's certificates. So the header is split by `mime::header`, and a message
//! of which programs read the header in different ways (bare line ends, lines that are no field, From not once) has no
//! signature that counts.
//!
//! Rules: of all DKIM signatures at most [`SIGNATURES_MAX`] are looked at, those of the author's own domain first; of ARC at
//! most 50 sets (RFC 8617 §4.2.1).
//! When it fails: a message without signatures.

mod canonical;
mod key;
mod signature;
mod tags;

use super::dmarc::{Mode, is_aligned};
use crate::mail::{Domain, RealAddress, Timestamp};
use crate::mime::header::{self, Field, Header};
use crate::mime::{lines, slice};
use canonical::{Form, body_hash, push_field};
use key::PublicKey;
use signature::{Kind, Signature};
use std::collections::HashMap;
use tags::{Tags, without_b};

/// Signatures that are looked at. Real mail has one to four.
const SIGNATURES_MAX: usize = 10;
/// Sets of ARC (RFC 8617 §4.2.1).
const SETS_MAX: usize = 50;

/// A message, prepared: its body is hashed.
pub struct Message<'a> {
    bytes: &'a [u8],
    header: Header,
    /// The fields by name in lower case, first to last.
    named: HashMap<String, Vec<usize>>,
    /// SHA-256 of the body, by form, where a signature wants it.
    simple: Option<[u8; 32]>,
    relaxed: Option<[u8; 32]>,
    signatures: Vec<Claim>,
    pub(super) author: Option<Domain>,
}

/// A signature's field.
pub(super) struct Claim {
    field: usize,
    pub domain: Option<Domain>,
    pub selector: String,
    signature: Option<Signature>,
}

/// What one check gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Pass,
    Fail,
    /// The key is being tried out.
    OnTrial,
    /// It proves nothing, whatever it signs.
    Idle,
    NoKey,
}

/// One set of ARC.
pub(super) struct Set<'a> {
    pub results: &'a [u8],
    pub seal: Domain,
    pub signer: Domain,
    places: [usize; 3],
    message: Signature,
    sealing: Signature,
}

impl<'a> Message<'a> {
    /// Reads a message by this author, as the header From names it. Takes time in proportion to the message.
    #[must_use]
    pub fn read(bytes: &'a [u8], author: Option<&RealAddress>) -> Self {
        let author = author.map(|author| author.reveal_domain().clone());
        let mut message = Self {
            bytes,
            header: Header::default(),
            named: HashMap::new(),
            simple: None,
            relaxed: None,
            signatures: Vec::new(),
            author,
        };
        let Ok(header) = header::scan(bytes, 0..bytes.len()) else { return message };
        if !header.gaps.is_empty() || !lines::is_only_crlf(slice(bytes, 0..header.body_start)) {
            return message;
        }
        for (place, field) in header.fields.iter().enumerate() {
            let name = String::from_utf8_lossy(slice(bytes, field.name.clone())).to_ascii_lowercase();
            message.named.entry(name).or_default().push(place);
        }
        message.header = header;
        if message.places("from").len() != 1 {
            message.named.clear();
            return message;
        }
        message.find_signatures();
        message.hash_body();
        message
    }

    fn places(&self, name: &str) -> &[usize] {
        self.named.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    fn field(&self, place: usize) -> (&'a [u8], &'a [u8], &'a [u8]) {
        let empty = Field { name: 0..0, value: 0..0, whole: 0..0 };
        let field = self.header.fields.get(place).unwrap_or(&empty);
        (
            slice(self.bytes, field.name.clone()),
            slice(self.bytes, field.value.clone()),
            slice(self.bytes, field.whole.clone()),
        )
    }

    /// The DKIM signatures that are looked at.
    fn find_signatures(&mut self) {
        let claim = |place: &usize| {
            let (_, value, _) = self.field(*place);
            let signature = Signature::parse(value, Kind::Dkim);
            let tags = Tags::parse(value);
            let tag =
                |name: &str| tags.as_ref().and_then(|tags| tags.find(name)).unwrap_or_default().to_owned();
            let domain = Domain::parse(&tag("d")).ok();
            Claim { field: *place, domain, selector: tag("s"), signature }
        };
        let all: Vec<Claim> = self.places("dkim-signature").iter().map(claim).collect();
        let is_own = |claim: &Claim| {
            let names = claim.domain.as_ref().zip(self.author.as_ref());
            names.is_some_and(|(name, author)| is_aligned(author, name, Mode::Relaxed))
        };
        let (own, others): (Vec<Claim>, Vec<Claim>) = all.into_iter().partition(is_own);
        self.signatures = own.into_iter().chain(others).take(SIGNATURES_MAX).collect();
    }

    /// Hashes the body in the forms that are asked for.
    fn hash_body(&mut self) {
        let body = slice(self.bytes, self.header.body_start..self.bytes.len());
        let sealed = self.places("arc-message-signature").iter().take(SETS_MAX);
        let sealed = sealed.filter_map(|place| Signature::parse(self.field(*place).1, Kind::ArcMessage));
        let signed = self.signatures.iter().filter_map(|claim| claim.signature.as_ref());
        let forms: Vec<Form> =
            signed.map(|signature| signature.body_form).chain(sealed.map(|seal| seal.body_form)).collect();
        self.simple = forms.contains(&Form::Simple).then(|| body_hash(body, Form::Simple));
        self.relaxed = forms.contains(&Form::Relaxed).then(|| body_hash(body, Form::Relaxed));
    }

    /// The signatures, in the order in which they count.
    pub(super) fn claims(&self) -> &[Claim] {
        &self.signatures
    }

    /// The octets that a signature signs (RFC 6376 §3.7): the fields it names, each from the last one up, then its own.
    fn signed_octets(&self, signature: &Signature, own: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        // Each name goes on where it stopped: a list that names one a hundred thousand times is read in one pass.
        let mut left = HashMap::new();
        for name in &signature.fields {
            // Of signatures the own one is none (RFC 6376 §3.5, `h=`).
            let places = left
                .entry(name)
                .or_insert_with(|| self.places(name).iter().rev().filter(move |place| **place != own));
            // A name too many signs that there is no further one.
            if let Some(place) = places.next() {
                push_field(&mut octets, signature.header_form, self.field(*place));
                octets.extend_from_slice(b"\r\n");
            }
        }
        self.push_own(&mut octets, signature.header_form, own);
        octets
    }

    /// A signature's own field, without what it signs with.
    fn push_own(&self, octets: &mut Vec<u8>, form: Form, place: usize) {
        let (name, value, whole) = self.field(place);
        let bare = without_b(value);
        let field = whole.strip_suffix(b"\r\n").unwrap_or(whole);
        let head = field.get(..field.len().saturating_sub(value.len())).unwrap_or_default();
        push_field(octets, form, (name, &bare, &[head, &bare].concat()));
    }

    /// Whether the body is what a signature signed.
    fn has_body_of(&self, signature: &Signature) -> bool {
        let hash = match signature.body_form {
            Form::Simple => self.simple,
            Form::Relaxed => self.relaxed,
        };
        hash.is_some_and(|hash| hash.as_slice() == signature.body_hash)
    }

    /// The chain of ARC, first set to last. `Ok(None)` when there is none, `Err` when it is not whole (RFC 8617 §5.2).
    pub(super) fn chain(&self) -> Result<Option<Vec<Set<'_>>>, BrokenChain> {
        let names = ["arc-authentication-results", "arc-message-signature", "arc-seal"];
        let places = names.map(|name| self.places(name));
        let count = places.iter().map(|places| places.len()).max().unwrap_or_default();
        if count == 0 {
            return Ok(None);
        }
        if count > SETS_MAX || places.iter().any(|places| places.len() != count) {
            return Err(BrokenChain);
        }
        let [results, messages, seals] = places;
        let read = |places: &[usize], kind| -> Option<Vec<(usize, Signature)>> {
            places.iter().map(|place| Some((*place, Signature::parse(self.field(*place).1, kind)?))).collect()
        };
        let mut messages = read(messages, Kind::ArcMessage).ok_or(BrokenChain)?;
        let mut seals = read(seals, Kind::ArcSeal).ok_or(BrokenChain)?;
        let mut results: Vec<(u32, usize)> = results
            .iter()
            .map(|place| Some((instance(self.field(*place).1)?, *place)))
            .collect::<Option<_>>()
            .ok_or(BrokenChain)?;
        messages.sort_by_key(|(_, signature)| signature.instance);
        seals.sort_by_key(|(_, signature)| signature.instance);
        results.sort_unstable();
        let mut sets = Vec::with_capacity(count);
        for (number, ((message, seal), (instance, at))) in
            (1..).zip(messages.into_iter().zip(seals).zip(results))
        {
            let wanted = if number == 1 { "none" } else { "pass" };
            let is_whole = [message.1.instance, seal.1.instance, instance] == [number; 3];
            if !is_whole || seal.1.chain != wanted {
                return Err(BrokenChain);
            }
            sets.push(Set {
                results: self.field(at).1,
                seal: seal.1.domain.clone(),
                signer: message.1.domain.clone(),
                places: [at, message.0, seal.0],
                message: message.1,
                sealing: seal.1,
            });
        }
        Ok(Some(sets))
    }

    /// The last seal's domain, without a look at the chain.
    pub(super) fn last_sealer(&self) -> Option<Domain> {
        let seals = self.places("arc-seal").iter().take(SETS_MAX);
        let seals = seals.filter_map(|place| Signature::parse(self.field(*place).1, Kind::ArcSeal));
        seals.max_by_key(|seal| seal.instance).map(|seal| seal.domain)
    }
}

/// A chain that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BrokenChain;

/// The instance of ARC-Authentication-Results: its first tag.
fn instance(value: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(value).ok()?;
    let (name, number) = text.split(';').next()?.split_once('=')?;
    (name.trim() == "i").then(|| number.trim().parse().ok()).flatten()
}

impl Claim {
    /// Where its key is published.
    ///
    /// # Errors
    /// The result, when nothing hangs on the key any more.
    pub fn key_name(&self, message: &Message<'_>, now: Timestamp) -> Result<String, Check> {
        match &self.signature {
            Some(signature) if signature.has_expired(now) => Err(Check::Idle),
            Some(signature) if message.has_body_of(signature) => Ok(signature.key_name()),
            // RFC 6376 §6.1.3.
            Some(_) => Err(Check::Fail),
            None => Err(Check::Idle),
        }
    }

    /// The result, with the records found there.
    pub fn check(&self, message: &Message<'_>, records: &[Vec<u8>]) -> Check {
        let Some(signature) = &self.signature else { return Check::Idle };
        let Some(key) = records.iter().find_map(|record| PublicKey::parse(record)) else {
            return Check::NoKey;
        };
        let octets = message.signed_octets(signature, self.field);
        if !signature.is_own_identity(key.is_strict)
            || !key.verifies(signature.algorithm, &octets, &signature.signature)
        {
            Check::Fail
        } else if key.is_on_trial {
            Check::OnTrial
        } else {
            Check::Pass
        }
    }
}

impl Set<'_> {
    /// Where the keys of message signature and seal are published.
    pub fn key_names(&self) -> [String; 2] {
        [self.message.key_name(), self.sealing.key_name()]
    }

    /// Whether the message is what this set's signature signed.
    pub fn signs(&self, message: &Message<'_>, records: &[Vec<u8>], now: Timestamp) -> bool {
        let octets = || message.signed_octets(&self.message, self.places[1]);
        !self.message.has_expired(now)
            && message.has_body_of(&self.message)
            && records
                .iter()
                .find_map(|record| PublicKey::parse(record))
                .is_some_and(|key| key.verifies(self.message.algorithm, &octets(), &self.message.signature))
    }

    /// Whether its seal is over this set and all before it (RFC 8617 §5.1.1).
    pub fn seals(&self, message: &Message<'_>, before: &[Set<'_>], records: &[Vec<u8>]) -> bool {
        let mut octets = Vec::new();
        let mut push = |place: usize| {
            push_field(&mut octets, Form::Relaxed, message.field(place));
            octets.extend_from_slice(b"\r\n");
        };
        before.iter().flat_map(|set| set.places).for_each(&mut push);
        let [results, signature, own] = self.places;
        push(results);
        push(signature);
        message.push_own(&mut octets, Form::Relaxed, own);
        records
            .iter()
            .find_map(|record| PublicKey::parse(record))
            .is_some_and(|key| key.verifies(self.sealing.algorithm, &octets, &self.sealing.signature))
    }
}
