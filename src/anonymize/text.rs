//! A text body, edited in its own charset: which octets change, and to what.
//!
//! Rules: the text is read in its declared charset, and where that does not make sense in the others it can be, so
//! that a wrong label hides nothing. Only windows around what can be an at sign are read at all; only the octets of an
//! address change; a text without a hit gives no edits. Encoded words in a text (quoted headers) are changed as words.
//! When it fails: never.

mod utf7;
mod words;

use super::content_id::ContentIds;
use super::search::{Hit, Kind, Search};
use super::traces::Traces;
use super::{anchors, cut, gateways};
use crate::mime::charset::Charset;
use crate::mime::transfer::Edit;
use crate::mime::way_back::WayBack;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

pub(super) use utf7::may_be_utf7;

/// What a text is searched for.
pub struct Sought<'a> {
    pub search: &'a Search,
    pub traces: &'a Traces,
    /// The ids of `cid:` links, where the text can have some.
    pub ids: Option<&'a ContentIds>,
    pub kind: Kind,
}

/// The edits that take every secret out of `bytes`, in order, apart from each other.
pub fn edits(bytes: &[u8], label: Option<&[u8]>, sought: &Sought<'_>) -> Vec<Edit> {
    let declared = label.and_then(Charset::for_label);
    let mut all = Edits::default();
    let first = declared.unwrap_or(Charset::Utf8);
    let trusted = label.is_none() || declared.is_some();
    if is_wide(first) {
        for window in anchors::whole(bytes) {
            read(first, &mut Octets::of(bytes, &window, first), &window, sought, &mut all);
        }
        // What has no NUL may be another text all the same, whatever its label says.
        if matches!(all.state, State::Read) && memchr::memchr(0, bytes).is_some() {
            return all.into_vec();
        }
    } else if let Some(wide) = Charset::wide_by_octets(bytes) {
        for window in anchors::whole(bytes) {
            read(wide, &mut Octets::of(bytes, &window, wide), &window, sought, &mut all);
        }
    }
    for (wide, window) in anchors::wide_windows(bytes) {
        read(wide, &mut Octets::of(bytes, &window, wide), &window, sought, &mut all);
    }
    let mut links = if sought.ids.is_some() { link_places(bytes) } else { Vec::new() };
    let has_links = !links.is_empty();
    if !sought.search.traces().is_empty() {
        links.extend(anchors::veils(bytes));
        links.extend(sought.search.traces().broken_places(bytes));
        links.extend(anchors::veiled_signs(bytes));
    }
    links.extend(sought.search.places_behind_signs(bytes));
    links.extend(cut::places(bytes));
    links.extend(gateways::places(bytes));
    links.sort_unstable();
    // Nearly all addresses in nearly all texts stand there as they are.
    let keeps_ascii = matches!(first, Charset::Utf8 | Charset::Iso2022Jp | Charset::Legacy(_));
    let plain = if keeps_ascii { sought.search.plain_edits(bytes, sought.kind) } else { Vec::new() };
    let known: Vec<Range<usize>> = plain.iter().map(|edit| edit.range.clone()).collect();
    plain.into_iter().for_each(|edit| all.insert(edit));
    for window in sought.search.windows(bytes, first, &links, &known) {
        let mut octets = Octets::of(bytes, &window, first);
        for range in within(&known, &window.range) {
            octets.blank(&range);
        }
        let (charsets, needed) = readings(first, trusted, &octets.bytes);
        let mut good = true;
        for (i, charset) in charsets.into_iter().enumerate() {
            let before = all.edits.0.len();
            good &= read(charset, &mut octets, &window, sought, &mut all);
            if i == 0 && good && trusted && first == Charset::SHIFT_JIS && !is_unicode(&octets.bytes) {
                octets.pairs = Some(first);
            }
            if i + 1 >= needed && good {
                break;
            }
            // What was found is blank now: mostly nothing is left to look at in another charset.
            if all.edits.0.len() > before && !has_links && !sought.search.may_be_in(&octets.bytes, first) {
                break;
            }
        }
    }
    if may_be_utf7(bytes) {
        for window in anchors::windows_at(bytes, &utf7::places(bytes)) {
            read(Charset::Utf7, &mut Octets::of(bytes, &window, Charset::Utf7), &window, sought, &mut all);
        }
    }
    words::edits(bytes, sought, &mut all);
    let whole = sought.search.token_edits(bytes).into_iter().chain(sought.search.written_edits(bytes));
    for edit in whole.chain(sought.traces.edits(bytes)) {
        all.insert(edit);
    }
    // What would be written as it stands there is no edit.
    let mut edits = all.into_vec();
    edits.retain(|edit| bytes.get(edit.range.clone()) != Some(edit.with.as_slice()));
    edits
}

/// Whether a secret stands in octets of any kind; for what is not edited. In what is no text an address is looked for
/// as it is, in ASCII or in wide units: escapes belong to texts.
pub fn is_in(bytes: &[u8], search: &Search) -> bool {
    let sought = Sought { search, traces: &Traces::default(), ids: None, kind: Kind::FileName };
    let control = |b: &u8| *b < 0x20 && !matches!(b, b'\t' | b'\n' | 0x0c | b'\r' | 0x0e | 0x0f | 0x1b);
    if !bytes.iter().any(control) {
        return !edits(bytes, None, &sought).is_empty();
    }
    let mut all = Edits::default();
    for (wide, window) in anchors::wide_windows(bytes) {
        read(wide, &mut Octets::of(bytes, &window, wide), &window, &sought, &mut all);
    }
    !all.edits.is_empty()
        || search.stands_plainly(bytes)
        || !search.token_edits(bytes).is_empty()
        || !search.written_edits(bytes).is_empty()
}

/// The edits so far, in order, apart from each other.
#[derive(Default)]
struct Edits {
    edits: Apart,
    state: State,
}

/// Whether the declared charset made sense of a whole wide text.
#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    Unread,
    Read,
}

impl Edits {
    fn insert(&mut self, edit: Edit) {
        if !edit.range.is_empty() {
            self.edits.insert(edit);
        }
    }

    fn into_vec(self) -> Vec<Edit> {
        self.edits.into_edits().collect()
    }
}

/// Edits apart from each other, by where they begin: what comes first stays.
#[derive(Default)]
pub struct Apart(BTreeMap<usize, Edit>);

impl Apart {
    /// Takes an edit in, where it is apart from all others.
    pub fn insert(&mut self, edit: Edit) {
        let before = self.0.range(..edit.range.end).next_back();
        if before.is_none_or(|(_, before)| before.range.end <= edit.range.start) {
            self.0.insert(edit.range.start, edit);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in order.
    pub fn into_edits(self) -> impl Iterator<Item = Edit> {
        self.0.into_values()
    }
}

fn is_wide(charset: Charset) -> bool {
    matches!(
        charset,
        Charset::Utf16Le | Charset::Utf16Be | Charset::Utf32Le | Charset::Utf32Be | Charset::Utf7
    )
}

/// The octets of a window. What was found in one reading is blank in those that follow.
struct Octets<'a> {
    bytes: Cow<'a, [u8]>,
    /// Whether the text as a whole says that wide units are big-endian.
    wide: Option<Charset>,
    /// Shift_JIS, where it is declared and the window has made sense in it: its wide blank ends like an at sign.
    pairs: Option<Charset>,
}

impl<'a> Octets<'a> {
    fn of(text: &'a [u8], window: &anchors::Window, charset: Charset) -> Self {
        let bytes = Cow::Borrowed(text.get(window.range.clone()).unwrap_or_default());
        // A window that is out of step with a mark at the beginning is none of that text.
        let unit = if matches!(charset, Charset::Utf32Le | Charset::Utf32Be) { 4 } else { 2 };
        let start = window.range.start;
        let wide = (start > 0 && start.is_multiple_of(unit)).then(|| charset.behind_mark(text));
        Self { bytes, wide, pairs: None }
    }

    /// Whether an at sign among these octets is the second half of a character to who believes the label.
    fn holds_half(&self, range: &Range<usize>) -> bool {
        let Some(pairs) = self.pairs else { return false };
        let octets = self.bytes.get(range.clone()).unwrap_or_default();
        memchr::memchr_iter(b'@', octets).any(|i| {
            let before = self.bytes.get(..range.start + i).unwrap_or_default();
            // No character has a blank or a control for its second half.
            let start = before.iter().rposition(|b| *b < b'0').map_or(0, |last| last + 1);
            before.last().is_some_and(|b| *b >= 0x80)
                && !pairs.decode(before.get(start..).unwrap_or_default()).1
        })
    }

    fn blank(&mut self, range: &Range<usize>) {
        if let Some(octets) = self.bytes.to_mut().get_mut(range.clone()) {
            octets.fill(b' ');
        }
    }
}

/// Whether octets are UTF-8, be a character cut at either end, and no mere ASCII: whatever they are called, they are nothing else.
fn is_unicode(octets: &[u8]) -> bool {
    let cut = octets.iter().take(3).take_while(|b| matches!(b, 0x80..=0xbf)).count();
    let octets = octets.get(cut..).unwrap_or_default();
    !octets.is_ascii() && std::str::from_utf8(octets).map_or_else(|end| end.error_len().is_none(), |_| true)
}

/// The charsets to read a window in, and how many of them whatever they give: the declared one, then those that it
/// can be. What is ASCII to all of them, or is UTF-8 and says so, is nothing else.
fn readings(first: Charset, trusted: bool, octets: &[u8]) -> (Vec<Charset>, usize) {
    let mut out: Vec<Charset> = if is_wide(first) { vec![Charset::Utf8] } else { vec![first] };
    let mut add = |charset: Charset| {
        if !out.contains(&charset) {
            out.push(charset);
        }
    };
    if memchr::memchr_iter(0x1b, octets).any(|i| matches!(octets.get(i + 1), Some(b'$' | b'('))) {
        add(Charset::Iso2022Jp);
    }
    if memchr::memchr(0x0e, octets).is_some() {
        add(Charset::KOREAN);
    }
    if memchr::memmem::find(octets, b"~{").is_some() {
        add(Charset::HZ);
    }
    let needed = out.len();
    for other in [
        Charset::Utf8,
        Charset::SHIFT_JIS,
        Charset::EUC_JP,
        Charset::GB18030,
        Charset::BIG5,
        Charset::EUC_KR,
        Charset::ASCII,
    ] {
        if !out.contains(&other) {
            out.push(other);
        }
    }
    let certain = octets.is_ascii() || (trusted && first == Charset::Utf8);
    let all = out.len();
    (out, if certain { needed } else { all })
}

/// Adds the edits of one reading of a window; says whether every octet made sense in it.
fn read(
    charset: Charset,
    octets: &mut Octets<'_>,
    window: &anchors::Window,
    sought: &Sought<'_>,
    all: &mut Edits,
) -> bool {
    let base = window.range.start;
    let charset = octets.wide.filter(|_| is_wide(charset)).unwrap_or(charset);
    let (mut text, good) = charset.decode(&octets.bytes);
    if is_wide(charset) && good {
        all.state = State::Read;
    }
    // Octets that make no sense may be no text at all.
    let is_text = good || is_wide(charset);
    let hits_in = |text: &[u8]| {
        if is_text { sought.search.hits(text, sought.kind, sought.ids) } else { hits_near(text, sought) }
    };
    let mut hits = hits_in(text.as_bytes());
    if hits.is_empty() {
        return good;
    }
    let mut way = None;
    if !good {
        // Only this text has the way back for octets that make no sense.
        let view = charset.decode_view(&octets.bytes);
        text = Cow::Owned(String::from_utf8_lossy(view.bytes()).into_owned());
        hits = hits_in(text.as_bytes());
        way = Some(WayBack::Whole(view));
    }
    let mut way = way.unwrap_or_else(|| WayBack::new(charset, &octets.bytes, text.as_bytes()));
    // What stands in wide units is none of this charset's to write: the gate stops it.
    if !is_wide(charset) && memchr::memchr(0, &octets.bytes).is_some() {
        let bytes = &octets.bytes;
        hits.retain(|hit| {
            let mut pieces = hit.ranges.iter().flat_map(|range| way.sources(range.clone()));
            let first = pieces.next().map_or(0..0, |piece| piece);
            let end = pieces.last().map_or(first.end, |piece| piece.end);
            !bytes.get(first.start..end).unwrap_or_default().contains(&0)
        });
    }
    if octets.pairs.is_some() {
        hits.retain(|hit| {
            let mut pieces = hit.ranges.iter().flat_map(|range| way.sources(range.clone()));
            !pieces.any(|piece| octets.holds_half(&piece))
        });
    }
    let new = match charset {
        Charset::Utf7 => utf7_edits(&octets.bytes, &text, &mut way, &hits),
        _ => charset.edits(&octets.bytes, &replacements(&hits, |range| way.sources(range))),
    };
    for edit in new {
        octets.blank(&edit.range);
        let range = edit.range.start + base..edit.range.end + base;
        if range.start >= window.core_start && range.start < window.core_end {
            all.insert(Edit { range, with: edit.with });
        }
    }
    good
}

/// The hits in a text that was decoded, looked for only where its characters leave room for one: octets that are no text
/// have signs everywhere, and in each charset others.
fn hits_near(text: &[u8], sought: &Sought<'_>) -> Vec<Hit> {
    let mut links = if sought.ids.is_some() { link_places(text) } else { Vec::new() };
    links.extend(cut::places(text));
    links.extend(gateways::places(text));
    let mut out: Vec<Hit> = Vec::new();
    for window in sought.search.windows_in_unicode(text, links) {
        let near = text.get(window.range.clone()).unwrap_or_default();
        for mut hit in sought.search.hits(near, sought.kind, sought.ids) {
            for range in &mut hit.ranges {
                *range = range.start + window.range.start..range.end + window.range.start;
            }
            let first = hit.ranges.first().map_or(0, |range| range.start);
            if first >= window.core_start && first < window.core_end {
                out.push(hit);
            }
        }
    }
    out
}

/// Octets of UTF-7 that change as a whole. They may hold several pieces of one hit.
struct Run<'a> {
    source: Range<usize>,
    /// The text that they stand for.
    whole: Range<usize>,
    /// What is replaced in it, in order.
    replaced: Vec<(Range<usize>, &'a str)>,
}

/// In UTF-7 a run of base64 changes as a whole: what it holds beside what is replaced is written again.
fn utf7_edits(octets: &[u8], text: &str, way: &mut WayBack<'_>, hits: &[Hit]) -> Vec<Edit> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for (range, with) in replacements(hits, |range| vec![range]) {
        let Some(source) =
            way.sources(range.clone()).into_iter().reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
        else {
            continue;
        };
        // All of the text that these octets stand for.
        let (mut from, mut to) = (range.start, range.end);
        let mut same =
            |at: usize| way.sources(at..at + 1).iter().any(|r| r.start < source.end && r.end > source.start);
        while from > 0 && same(from - 1) {
            from -= 1;
        }
        while to < text.len() && same(to) {
            to += 1;
        }
        match runs.last_mut() {
            Some(run) if source.start < run.source.end => {
                run.source.end = run.source.end.max(source.end);
                run.whole.end = run.whole.end.max(to);
                run.replaced.push((range, with));
            }
            _ => runs.push(Run { source, whole: from..to, replaced: vec![(range, with)] }),
        }
    }
    let written = |run: &Run<'_>| {
        let (mut new, mut at) = (String::new(), run.whole.start);
        for (range, with) in &run.replaced {
            new.push_str(text.get(at..range.start).unwrap_or_default());
            new.push_str(with);
            at = at.max(range.end);
        }
        new.push_str(text.get(at..run.whole.end).unwrap_or_default());
        Charset::Utf7.encode(&new).unwrap_or_default()
    };
    let inside = runs.into_iter().filter(|run| run.source.end <= octets.len());
    inside.map(|run| Edit { with: written(&run), range: run.source }).collect()
}

/// The parts of `ranges` that lie in `window`, counted from where it begins.
fn within(ranges: &[Range<usize>], window: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let first = ranges.partition_point(|range| range.end <= window.start);
    let inside = ranges.iter().skip(first).take_while(|range| range.start < window.end);
    inside.map(|range| range.start.saturating_sub(window.start)..range.end.min(window.end) - window.start)
}

/// Where `cid:` links stand.
fn link_places(bytes: &[u8]) -> Vec<usize> {
    memchr::memchr2_iter(b':', b'%', bytes)
        .filter(|at| {
            let word = at.checked_sub(3).and_then(|from| bytes.get(from..*at));
            word.is_some_and(|word| word.eq_ignore_ascii_case(b"cid"))
        })
        .collect()
}

/// The stretches of the hits in the source, in order: the first of each hit with its replacement, the others empty.
pub fn replacements(
    hits: &[Hit],
    mut sources: impl FnMut(Range<usize>) -> Vec<Range<usize>>,
) -> Vec<(Range<usize>, &str)> {
    let mut out = Vec::new();
    for hit in hits {
        let pieces = hit.ranges.iter().flat_map(|range| sources(range.clone()));
        out.extend(pieces.enumerate().map(|(i, piece)| (piece, if i == 0 { hit.with.as_str() } else { "" })));
    }
    out.sort_by_key(|(range, _)| range.start);
    // Two characters made from the same octets map to the same place: once is enough.
    out.dedup_by(|next, kept| next.0.start < kept.0.end && next.1.is_empty());
    out
}

#[cfg(test)]
mod tests;
