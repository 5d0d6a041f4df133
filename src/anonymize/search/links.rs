//! What links hold as gateways write them, links in such links, and what tokens of links carry.
//!
//! When it fails: never.

use super::{Hits, Search};
use crate::anonymize::search::Kind;
use crate::anonymize::text::{Apart, replacements};
use crate::anonymize::{carried, gateways, protected, spelling, tokens};
use crate::mime::transfer::{Edit, apply};
use crate::mime::view::View;

impl Search {
    /// The edits that take the secrets out of base64 and hexadecimal digits in a text.
    pub fn token_edits(&self, text: &[u8]) -> Vec<Edit> {
        let hidden = protected::edits(text, self).into_iter();
        let mut all = Apart::default();
        for edit in hidden.chain(self.carried_edits(text)).chain(self.tokens.edits(text, &self.needles)) {
            all.insert(edit);
        }
        all.into_edits().collect()
    }

    /// Looks at the text with its links in clear. Says whether there was any at sign in them.
    pub(super) fn links(&self, text: &[u8], hits: &mut Hits<'_>) -> bool {
        let mut any = false;
        for clear in gateways::views(text) {
            any |= self.clear(&[&clear], hits);
            if gateways::may_lie_below(clear.bytes()) {
                let folded = spelling::fold(clear.bytes()).view;
                for inner in gateways::views(folded.bytes()) {
                    any |= self.clear(&[&clear, &folded, &inner], hits);
                }
            }
        }
        if gateways::may_lie_below(text) {
            let folded = spelling::fold(text).view;
            for inner in gateways::views(folded.bytes()) {
                any |= self.clear(&[&folded, &inner], hits);
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
        self.carried.edits(text, &|octets| {
            let exact = tokens::all_replaced(octets, &self.needles);
            let octets = exact.as_deref().unwrap_or(octets);
            let short = carried::without_short_form(octets, &self.needles);
            let octets = short.as_deref().unwrap_or(octets);
            let found = carried::with_texts(octets, searched);
            found.or_else(|| short.clone()).or_else(|| exact.clone())
        })
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
