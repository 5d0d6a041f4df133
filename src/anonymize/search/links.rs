//! What links hold as gateways write them, links in such links, and what tokens of links carry.
//!
//! When it fails: never.

use super::{Hits, Search};
use crate::anonymize::search::Kind;
use crate::anonymize::text::{Apart, replacements};
use crate::anonymize::{carried, cut, gateways, protected, spelling, tokens};
use crate::mime::transfer::{Edit, apply};
use crate::mime::view::View;
use std::collections::BTreeSet;

/// How many layers of links and of escapes are taken off, and how many readings are looked at.
const MAX_DEPTH: usize = 6;
const MAX_READINGS: usize = 24;

impl Search {
    /// The edits that take the secrets out of base64 and hexadecimal digits in a text.
    pub fn token_edits(&self, text: &[u8]) -> Vec<Edit> {
        let hidden = protected::edits(text, self).into_iter();
        let mut all = Apart::default();
        let hashes = self.hashes.edits(text);
        let tokens = hidden.chain(self.carried_edits(text)).chain(self.tokens.edits(text, &self.needles));
        for edit in tokens.chain(hashes) {
            all.insert(edit);
        }
        all.into_edits().collect()
    }

    /// Looks at a text, above the views of `below`, with its links in clear, and links in them. Says whether there was any at sign
    /// in them.
    pub(super) fn links(&self, text: &[u8], below: &[&View], hits: &mut Hits<'_>) -> bool {
        self.links_in(text, below, &mut BTreeSet::new(), MAX_DEPTH, hits)
    }

    fn links_in(
        &self,
        text: &[u8],
        below: &[&View],
        seen: &mut BTreeSet<Vec<u8>>,
        depth: usize,
        hits: &mut Hits<'_>,
    ) -> bool {
        let mut any = false;
        for clear in gateways::views(text) {
            if seen.len() >= MAX_READINGS || !seen.insert(clear.bytes().to_vec()) {
                continue;
            }
            let stack = [below, &[&clear]].concat();
            any |= self.clear(&stack, hits);
            // Where a line end cuts an escape that is none before the link is in clear.
            if let Some(whole) = cut::mended(clear.bytes()) {
                any |= self.clear(&[&stack[..], &[&whole]].concat(), hits);
            }
            if depth > 0 {
                any |= self.links_in(clear.bytes(), &stack, seen, depth - 1, hits);
            }
        }
        if depth > 0 && gateways::may_lie_below(text) {
            let folded = spelling::fold(text).view;
            if folded.bytes() != text {
                let stack = [below, &[&folded]].concat();
                any |= self.links_in(folded.bytes(), &stack, seen, depth - 1, hits);
            }
        }
        any
    }

    /// The edits of tokens that carry an address in any spelling.
    pub(super) fn carried_edits(&self, text: &[u8]) -> Vec<Edit> {
        let searched = |octets: &[u8]| {
            let hits = self.hits(octets, Kind::Plain, None);
            let edits: Vec<Edit> = replacements(&hits, |range| vec![range])
                .into_iter()
                .map(|(range, with)| Edit { range, with: with.as_bytes().to_vec() })
                .collect();
            (!edits.is_empty()).then(|| apply(octets, &edits))
        };
        let inner = |octets: &[u8]| {
            let exact = tokens::all_replaced(octets, &self.needles);
            let octets = exact.as_deref().unwrap_or(octets);
            let short = carried::without_short_form(octets, &self.needles);
            let octets = short.as_deref().unwrap_or(octets);
            let found = carried::with_texts(octets, searched);
            found.or_else(|| short.clone()).or_else(|| exact.clone())
        };
        let mut edits = self.carried.edits(text, &inner);
        let torn = self.carried.torn_edits(text, &edits, &inner);
        edits.extend(torn);
        edits.sort_by_key(|edit| edit.range.start);
        edits
    }

    fn clear(&self, stack: &[&View], hits: &mut Hits<'_>) -> bool {
        let known = hits.hits.len();
        let any = stack.last().is_some_and(|top| self.layers(top.bytes(), stack, None, hits));
        let text = hits.text;
        for hit in hits.hits.iter_mut().skip(known) {
            let [range] = hit.ranges.as_slice() else { continue };
            let source = text.get(range.clone()).unwrap_or_default();
            if let Some(with) = gateways::kept_in_step(source, &hit.with) {
                hit.with = with;
            }
        }
        any
    }
}
