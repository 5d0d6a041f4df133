//! Finding by meaning: the few known addresses of a conversation, in any spelling, in a decoded text.
//!
//! Rules: what is sought is one of the [`Needle`]s. The text is looked at as it is, folded (up to four layers of
//! escapes), without tags or comments, and with broken lines joined; a hit in any of them counts and maps back to the
//! octets of the text. A hit never begins in the middle of a longer local part nor ends in the middle of a longer label,
//! so other people's addresses stay. Where that is in doubt (a dot behind it, a tag before it) it is a hit.
//! When it fails: never; what it misses the gate refuses.

mod links;
mod names;

use super::anchors::{self, Window};
use super::carried::Carried;
use super::content_id::ContentIds;
use super::garbled::Garbled;
use super::hashes::Hashes;
use super::needle::{Found, Needle};
use super::spelling::{self, Folded};
use super::tokens::Tokens;
use super::traces::{Number, Traces};
use super::written::{Seen, Written};
use super::{Passage, Refusal, before, compose, cut, longer, said, stripping, tags};
use crate::mail::RealAddress;
use crate::mime::charset::Charset;
use crate::mime::transfer::Edit;
use crate::mime::view::View;
use std::cmp::Reverse;
use std::ops::Range;

/// Most layers of escapes in escapes that are taken off.
const MAX_LAYERS: usize = 4;
/// Shortest local part that is looked for on its own, in octets.
const MIN_LOCAL: usize = 3;

/// What kind of text is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Plain text.
    Plain,
    /// HTML or XML.
    Markup,
    /// A header field of addresses.
    Addresses,
    /// A file name or another parameter: `invoice-bob@a.example.pdf` holds an address, not a longer one.
    FileName,
}

/// Places of the text that belong to one address, in order, and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The stretches; the first one is replaced, the others go.
    pub ranges: Vec<Range<usize>>,
    /// An alias or a content id: ASCII without blanks, quotes or brackets.
    pub with: String,
}

/// All that is sought in one message.
pub struct Search {
    needles: Vec<Needle>,
    /// What their domains begin with, in lower case.
    firsts: Vec<u8>,
    tokens: Tokens,
    written: Written,
    garbled: Garbled,
    carried: Carried,
    hashes: Hashes,
    traces: Traces,
}

impl Search {
    /// Prepares the secrets of a passage.
    ///
    /// # Errors
    /// [`Refusal::Alias`] when an alias cannot stand in a text as it is.
    pub fn new(passage: &Passage<'_>) -> Result<Self, Refusal> {
        let needles = passage.secrets.iter().map(|secret| {
            Ok(Needle::new(&secret.address.reveal_canonical(), super::safe_alias(secret.alias)?))
        });
        let needles: Vec<Needle> = needles.collect::<Result<_, Refusal>>()?;
        Ok(Self::of(needles, passage.secrets.iter().map(|secret| secret.address)))
    }

    /// Prepares addresses that are looked for and not replaced.
    pub fn seeking<'a>(addresses: impl Iterator<Item = &'a RealAddress> + Clone) -> Self {
        let needle = |address: &RealAddress| Needle::new(&address.reveal_canonical(), String::new());
        Self::of(addresses.clone().map(needle).collect(), addresses)
    }

    fn of<'a>(needles: Vec<Needle>, addresses: impl Iterator<Item = &'a RealAddress>) -> Self {
        let written: Vec<String> = addresses.map(RealAddress::reveal).collect();
        let domains = needles.iter().flat_map(Needle::domains);
        let mut firsts: Vec<u8> =
            domains.filter_map(|domain| Some(domain.first()?.to_ascii_lowercase())).collect();
        firsts.sort_unstable();
        firsts.dedup();
        let hashes = Hashes::new(&needles, &written);
        let (tokens, written) = (Tokens::new(&needles, &written), Written::new(&needles));
        let (garbled, carried) = (Garbled::new(&needles), Carried::new(&needles));
        Self { needles, firsts, tokens, written, garbled, carried, hashes, traces: Traces::default() }
    }

    /// Takes in the traces of the mail's path.
    pub fn add_traces(&mut self, traces: Traces) {
        self.traces = traces;
    }

    /// Takes in the ids of parts, with what takes the place of each, for texts of up to `text` octets.
    pub fn add_ids<'i>(&mut self, ids: impl Iterator<Item = (&'i str, &'i str)>, text: usize) {
        self.traces.add_ids(ids, text);
    }

    /// The traces of the mail's path.
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// The domains of the secrets, each in its forms.
    pub fn domains(&self) -> impl Iterator<Item = String> {
        let all = self.needles.iter().flat_map(Needle::domains);
        all.map(|domain| String::from_utf8_lossy(domain).into_owned())
    }

    /// The windows of a text (in a charset that keeps ASCII) in which a secret can stand; `also` are places to look at,
    /// `known` what needs no window.
    pub fn windows(
        &self,
        text: &[u8],
        first: Charset,
        also: &[usize],
        known: &[Range<usize>],
    ) -> Vec<Window> {
        anchors::windows(text, first, &self.needles, also, known)
    }

    /// The windows of a text in UTF-8 that was decoded, in which a secret or a name of the path can stand, and the places
    /// `also`.
    pub fn windows_in_unicode(&self, text: &[u8], mut also: Vec<usize>) -> Vec<Window> {
        if !self.traces.is_empty() {
            also.extend(anchors::veils(text));
            also.extend(anchors::veiled_signs(text));
            also.extend(self.traces.broken_places(text));
            also.extend(self.traces.found(text).map(|found| found.range.start));
            also.extend(self.traces.numbers(text).iter().map(|number| number.range.start));
        }
        also.extend(self.places_behind_signs(text));
        anchors::windows_in_unicode(text, &self.needles, also)
    }

    /// The addresses that stand in octets as they are, whatever charset they are in of those that keep ASCII, in order:
    /// what [`hits`](Self::hits) finds first in each of them.
    pub fn plain_edits(&self, text: &[u8], kind: Kind) -> Vec<Edit> {
        let mut out: Vec<Edit> = Vec::new();
        if anchors::has_shifts(text) {
            return out;
        }
        for at in memchr::memchr_iter(b'@', text) {
            let found = self
                .addresses(text, at, kind)
                .into_iter()
                .find(|found| found.left_clear && found.right_clear);
            let Some(Found { range, with, .. }) = found else { continue };
            if out.last().is_none_or(|last| last.range.end <= range.start) && anchors::is_plain(text, &range)
            {
                out.push(Edit { range, with: with.into_bytes() });
            }
        }
        out
    }

    /// Whether a secret can stand in a text at all.
    pub fn may_be_in(&self, text: &[u8], first: Charset) -> bool {
        anchors::is_any(text, first, &self.needles)
    }

    /// The edits that take the secrets out of a text where a system wrote them in a form of its own.
    pub fn written_edits(&self, text: &[u8]) -> Vec<Edit> {
        let all = self.written.found(text, Seen::Written).into_iter().chain(self.garbled.found(
            text,
            &self.needles,
            &[],
            text,
        ));
        let found = all.filter(|found| found.left_clear && found.right_clear);
        found.map(|found| Edit { range: found.range, with: found.with.into_bytes() }).collect()
    }

    /// Where a domain of a secret stands behind a character beyond ASCII, which may be a sign that is drawn: `bob★a.example`.
    pub fn places_behind_signs(&self, text: &[u8]) -> Vec<usize> {
        let mut places = self.written.behind_signs(text);
        places.extend(self.garbled.places(text, &self.needles));
        places
    }

    /// Whether a secret stands in octets as it is, whatever stands beside it.
    pub fn stands_plainly(&self, octets: &[u8]) -> bool {
        let mut signs = memchr::memchr_iter(b'@', octets);
        signs.any(|at| self.needles.iter().any(|needle| needle.around(octets, at, Kind::FileName).is_some()))
    }

    /// All hits in `text` (UTF-8), in order, apart from each other.
    pub fn hits(&self, text: &[u8], kind: Kind, ids: Option<&ContentIds>) -> Vec<Hit> {
        let mut hits = Hits { kind, text, covered: Vec::new(), fresh: Vec::new(), hits: Vec::new() };
        self.look(text, &[], &mut hits);
        let mut any = self.layers(text, &[], ids, &mut hits);
        if let Some(view) = cut::mended(text) {
            any |= self.layers(view.bytes(), &[&view], None, &mut hits);
        }
        if let Some(view) = stripping::without_xtext(text) {
            any |= self.layers(view.bytes(), &[&view], None, &mut hits);
        }
        if let Some(view) = said::with_signs(text) {
            any |= self.layers(view.bytes(), &[&view], None, &mut hits);
        }
        // Where a charset lacks them, pages have the same signs as numbers, and links as octets.
        if said::may_be_escaped(text) {
            let folded = spelling::fold(text).view;
            if let Some(view) = said::with_signs(folded.bytes()) {
                any |= self.layers(view.bytes(), &[&folded, &view], None, &mut hits);
            }
        }
        any |= self.links(text, &[], &mut hits);
        if any
            && kind != Kind::Addresses
            && let Some(view) = stripping::joined_at_signs(text)
        {
            self.layers(view.bytes(), &[&view], None, &mut hits);
        }
        // In whatever text: calendars hold markup, and files are called by other names.
        let is_tagged = kind == Kind::Markup || kind == Kind::Plain && tags::has_tags(text);
        if (any || is_tagged && !self.garbled.places(text, &self.needles).is_empty())
            && (kind != Kind::Plain || is_tagged)
        {
            let stripped = if is_tagged {
                [Some(tags::without_tags(text)), tags::shown(text), tags::shown_within(text)]
            } else {
                [Some(stripping::without_comments(text)), None, None]
            };
            for view in stripped.iter().flatten() {
                self.layers(view.bytes(), &[view], None, &mut hits);
                self.links(view.bytes(), &[view], &mut hits);
            }
        }
        hits.hits.sort_by_key(|hit| hit.ranges.first().map_or(0, |range| range.start));
        hits.hits
    }

    /// Looks at `base` folded once, twice, … and joined. Says whether there was any at sign or content id at all.
    fn layers(&self, base: &[u8], below: &[&View], ids: Option<&ContentIds>, hits: &mut Hits<'_>) -> bool {
        let mut folds: Vec<View> = Vec::new();
        let mut any = false;
        for _ in 0..MAX_LAYERS {
            let source = folds.last().map_or(base, View::bytes);
            let Folded { view, escaped } = spelling::fold(source);
            if !escaped && !folds.is_empty() && view.bytes() == source {
                // No layer lies below the one that was looked at.
                break;
            }
            folds.push(view);
            let mut stack: Vec<&View> = below.to_vec();
            stack.extend(folds.iter());
            let Some(top) = folds.last() else { break };
            // An at sign, the equals sign that stands for one, a name.
            let has_any = memchr::memchr2(b'@', b'=', top.bytes()).is_some() || !self.traces.is_empty();
            if has_any {
                self.look(top.bytes(), &stack, hits);
                any = true;
                let joined = [
                    Some(stripping::joined(top.bytes())),
                    stripping::joined_over_marks(top.bytes()),
                    compose::composed(top.bytes()),
                ];
                for joined in joined.iter().flatten() {
                    let stack = [&stack[..], &[joined]].concat();
                    self.look(joined.bytes(), &stack, hits);
                    if let Some(whole) = compose::composed(joined.bytes()) {
                        self.look(whole.bytes(), &[&stack[..], &[&whole]].concat(), hits);
                    }
                }
            }
            // Ids of parts are known by now, also broken ones: what is left names no part.
            if let Some(ids) = ids {
                for (range, with) in ids.references(top.bytes()) {
                    hits.add(Found { range, with, left_clear: true, right_clear: true }, top.bytes(), &stack);
                }
                hits.settle();
            }
            if !escaped {
                break;
            }
        }
        any
    }

    /// The addresses around the at sign at `at`, the longest first: `suzuki@…` ends `hana-suzuki@…`, which may be the
    /// other party's.
    fn addresses(&self, hay: &[u8], at: usize, kind: Kind) -> Vec<Found> {
        // Most signs are told by the next octet.
        let next = hay.get(at + 1).map_or(0, u8::to_ascii_lowercase);
        if !self.firsts.contains(&next) {
            return Vec::new();
        }
        let mut found: Vec<Found> =
            self.needles.iter().filter_map(|needle| needle.around(hay, at, kind)).collect();
        found.sort_by_key(|found| (found.range.start, Reverse(found.range.end)));
        found
    }

    /// Takes the end of a domain from the letters of the text below, where the view is in small letters and has one dot for
    /// all.
    fn end_as_written(&self, found: &mut Found, hay: &[u8], stack: &[&View], text: &[u8]) {
        if stack.is_empty() || !matches!(hay.get(found.range.end), Some(b'.' | b'-')) {
            return;
        }
        let whole = hay.get(found.range.clone()).unwrap_or_default().to_ascii_lowercase();
        let mut domains = self.needles.iter().flat_map(Needle::domains);
        if domains.any(|domain| whole.ends_with(domain)) {
            found.right_clear = !longer::goes_on_below(hay, &found.range, stack, text);
        }
    }

    /// Looks at one view of the text; `stack` leads back to it, lowest first.
    fn look(&self, hay: &[u8], stack: &[&View], hits: &mut Hits<'_>) {
        for at in memchr::memchr_iter(b'@', hay) {
            for mut found in self.addresses(hay, at, hits.kind) {
                if hits.kind != Kind::FileName {
                    self.end_as_written(&mut found, hay, stack, hits.text);
                }
                found.left_clear &= is_blank_below(&found, hay, stack, hits.text);
                hits.add(found, hay, stack);
            }
        }
        // Return paths write an address as `local=domain` (VERP).
        for at in memchr::memchr_iter(b'=', hay) {
            for mut found in self.addresses(hay, at, Kind::FileName) {
                self.end_as_written(&mut found, hay, stack, hits.text);
                hits.add(found, hay, stack);
            }
            let turned = self.needles.iter().filter_map(|needle| needle.turned(hay, at));
            turned.for_each(|found| hits.add(found, hay, stack));
        }
        hits.settle();
        let garbled = self.garbled.found(hay, &self.needles, stack, hits.text);
        for mut found in self.written.found(hay, Seen::of(stack, hits.text)).into_iter().chain(garbled) {
            if !found.right_clear {
                self.end_as_written(&mut found, hay, stack, hits.text);
            }
            hits.add(found, hay, stack);
        }
        hits.settle();
        for mut found in self.traces.found(hay) {
            // In a file name what follows is its ending.
            found.right_clear |= hits.kind == Kind::FileName && hay.get(found.range.end) == Some(&b'.');
            hits.add(found, hay, stack);
        }
        hits.settle();
        for Number { range, whole, left_clear, right_clear } in self.traces.numbers(hay) {
            // What seems to be one name in the view may be several in the text.
            let is_whole = down(whole.clone(), stack).len() == down(range.clone(), stack).len();
            let range = if is_whole { whole } else { range };
            let with = self.traces.host().to_owned();
            hits.add(Found { range, with, left_clear, right_clear }, hay, stack);
        }
        hits.settle();
    }
}

struct Hits<'t> {
    kind: Kind,
    /// The text itself.
    text: &'t [u8],
    /// What the hits of earlier views cover, in order.
    covered: Vec<Range<usize>>,
    /// What the hits of this view cover, in order.
    fresh: Vec<Range<usize>>,
    hits: Vec<Hit>,
}

impl Hits<'_> {
    fn add(&mut self, found: Found, hay: &[u8], stack: &[&View]) {
        let ranges = down(found.range.clone(), stack);
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return };
        if last.end > self.text.len() {
            return;
        }
        // What seems to be a neighbour in the view may stand apart in the text: then the hit stands alone.
        let left = found.left_clear || {
            let before = down(found.range.start.saturating_sub(1)..found.range.start, stack);
            before.last().is_none_or(|range| range.end < first.start)
                || longer::is_behind_stop(hay, found.range.start, stack, self.text)
        };
        let right = found.right_clear || {
            let behind = down(found.range.end..(found.range.end + 1).min(hay.len()), stack);
            behind.first().is_none_or(|range| range.start > last.end)
        };
        if !left || !right {
            return;
        }
        if ranges.iter().any(|range| self.is_covered(range)) {
            return;
        }
        if self.fresh.last().is_some_and(|last| last.end > first.start) {
            return;
        }
        self.fresh.extend(ranges.iter().cloned());
        self.hits.push(Hit { ranges, with: found.with });
    }

    /// Ends a view.
    fn settle(&mut self) {
        if !self.fresh.is_empty() {
            self.covered.append(&mut self.fresh);
            self.covered.sort_by_key(|range| range.start);
        }
    }

    fn is_covered(&self, range: &Range<usize>) -> bool {
        let after = self.covered.partition_point(|c| c.start < range.end);
        after.checked_sub(1).and_then(|i| self.covered.get(i)).is_some_and(|c| c.end > range.start)
    }
}

/// Whether a plus before what was found in a view is the blank of a link in the text too, however it is escaped there, or there is none.
fn is_blank_below(found: &Found, hay: &[u8], stack: &[&View], text: &[u8]) -> bool {
    let plus = found.range.start.checked_sub(1).filter(|at| hay.get(*at) == Some(&b'+'));
    let Some(plus) = plus.filter(|_| !stack.is_empty()) else { return true };
    let below = down(plus..plus + 1, stack);
    let start = below.first().map_or(0, |range| range.start);
    before::is_in_query(text.get(..start).unwrap_or_default())
}

/// A range of the topmost view as ranges of the lowest text.
pub fn down(range: Range<usize>, stack: &[&View]) -> Vec<Range<usize>> {
    let mut ranges = vec![range];
    for view in stack.iter().rev() {
        let mut below: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            for piece in view.sources(range) {
                match below.last_mut() {
                    Some(last) if last.end >= piece.start => last.end = last.end.max(piece.end),
                    _ => below.push(piece),
                }
            }
        }
        ranges = below;
    }
    ranges
}
