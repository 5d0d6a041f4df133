//! A text of unknown honesty, looked at in every way a program could read it: for the gate alone.
//!
//! Rules: the label of a text is believed and doubted. Octets are read as they stand, by what their escape sequences,
//! NULs and marks say, and, where they are no UTF-8, in each charset in which two octets make a character. What they
//! carry in words, links and blocks is looked at like a text of its own.
//! When it fails: never.

use super::ahead::{Far, goes_on, may_begin, may_follow};
use super::charset::{self, Label, Order, Pairs, Sink};
use super::fold::Joints;
use super::forms::Forms;
use super::scan::{self, End, Found, Texture};
use super::traces::{Place, Traces};
use super::wanted::{Neighbours, Wanted};
use super::{gateways, hashes::Hashes, packed, pages, shifted, texture::is_binary, tokens, torn, words};

/// Most texts inside texts.
const MAX_DEPTH: u32 = 3;
/// How much of a run of UTF-7 is looked at to tell it from other text, in digits.
const UTF7_DIGITS: usize = 64;
/// Octets of a text in which controls tell a file, and how many octets a domain takes at most in them.
const MAX_DOMAIN: usize = 600;

/// What is looked for.
pub struct Look {
    pub wanted: Vec<Wanted>,
    pub forms: Forms,
    pub traces: Traces,
    pub hashes: Hashes,
    /// Length of the shortest secret.
    pub shortest: usize,
}

/// How a text is looked at.
#[derive(Clone, Copy)]
pub struct How {
    pub place: Place,
    pub joints: Joints,
    depth: u32,
    /// Whether it was unpacked from a token: nothing is unpacked from it again.
    is_unpacked: bool,
    /// The same of what a page hid.
    is_hidden: bool,
}

impl How {
    /// A text or field of the message itself.
    pub fn new(place: Place) -> Self {
        Self { place, joints: Joints::Join, depth: 0, is_unpacked: false, is_hidden: false }
    }

    /// A name of a file.
    pub fn parted(self) -> Self {
        Self { joints: Joints::Part, ..self }
    }

    fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

impl Look {
    /// Whether nothing is looked for.
    pub fn is_idle(&self) -> bool {
        self.wanted.is_empty() && self.traces.is_empty()
    }

    /// Whether something forbidden is in a text.
    pub fn text(&self, octets: &[u8], charset: Option<&str>, how: How) -> bool {
        if how.depth > MAX_DEPTH {
            return false;
        }
        let label = charset.map_or(Label::Plain, Label::of);
        if self.wide(octets, label, how) {
            return true;
        }
        let readings = shifted::readings(octets);
        for reading in &readings {
            if self.stream(how, |sink| reading.decode(octets, sink)) {
                return true;
            }
        }
        // What escape sequences shift means nothing as it stands to a program that obeys them, and else is plain.
        let obeyed = label == Label::Iso2022 && !readings.is_empty();
        let found = if !obeyed {
            scan::search(&self.wanted, octets, Texture::Text, how.joints, End::Here)
        } else if self.at_signs(octets, Neighbours::Apart) {
            Found::Secret
        } else {
            Found::Nothing
        };
        found == Found::Secret
            || self.torn(octets, how)
            || self.forms.stand_in(octets, how.joints)
            || self.links(octets, how)
            || super::backwards::turned(octets).is_some_and(|text| self.secret_in(&text, how, End::Here))
            || (if obeyed {
                self.traces.stand_plainly_in(octets, how.place)
            } else {
                self.traces.stand_in(octets, how.place)
            })
            || (may_be_utf7(octets, charset, label)
                && self.stream_and_carried(how, |sink| shifted::utf7(octets, sink)))
            || self.eight_bit(octets, label, found, how)
            || self.carried(octets, charset, how)
    }

    /// Whether something forbidden is in a file that is no text: what stands beside an address there may be the next
    /// field of a record.
    pub fn binary(&self, octets: &[u8], how: How) -> bool {
        self.plain(octets, Neighbours::Any)
            || self.forms.stand_in(octets, how.joints)
            || scan::search(&self.wanted, octets, Texture::Binary, how.joints, End::Here) == Found::Secret
            || self.traces.stand_plainly_in(octets, how.place)
            || self.spread(octets, Texture::Binary, how)
            || self.carried_in_links(octets, how)
    }

    /// An address in plain octets.
    pub fn plain(&self, octets: &[u8], neighbours: Neighbours) -> bool {
        memchr::memchr2_iter(b'@', b'=', octets)
            .any(|at| self.wanted.iter().any(|wanted| wanted.stands_in_octets(octets, at, neighbours)))
    }

    /// The same where an equals sign means something else: only around at signs.
    pub fn at_signs(&self, octets: &[u8], neighbours: Neighbours) -> bool {
        memchr::memchr_iter(b'@', octets)
            .any(|at| self.wanted.iter().any(|wanted| wanted.stands_in_octets(octets, at, neighbours)))
    }

    /// The same where no octet stands for itself, so that only what is decoded shows what it carries.
    fn stream_and_carried(&self, how: How, decode: impl FnOnce(&mut Sink<'_>)) -> bool {
        let mut carried = false;
        self.stream(how, |sink| {
            let mut full = |piece: &mut Vec<u8>| {
                carried = carried || self.carried(piece, Some("utf-8"), how);
                (sink.full)(piece);
            };
            let mut inner = Sink { text: Vec::new(), full: &mut full };
            decode(&mut inner);
            let rest = std::mem::take(&mut inner.text);
            carried = carried || self.carried(&rest, Some("utf-8"), how);
            sink.text = rest;
        }) || carried
    }

    /// Decodes with `decode`, and looks at each piece.
    fn stream(&self, how: How, decode: impl FnOnce(&mut Sink<'_>)) -> bool {
        pieces(decode, |piece, end| {
            self.secret_in(piece, how, end)
                || self.traces_in(piece, how, end)
                || (end == End::Here && self.carried_in_links(piece, how))
        })
    }

    fn traces_in(&self, piece: &[u8], how: How, end: End) -> bool {
        let text = if end == End::Later { scan::whole_words(piece) } else { piece };
        self.traces.stand_in(text, how.place)
    }

    fn secret_in(&self, text: &[u8], how: How, end: End) -> bool {
        scan::search(&self.wanted, text, Texture::Text, how.joints, end) == Found::Secret
            || self.torn(text, how)
            || self.forms.stand_in(text, how.joints)
            || self.links(text, how)
    }

    /// What links hold as gateways write them.
    fn links(&self, text: &[u8], how: How) -> bool {
        let look = |clear: &[u8]| {
            scan::search(&self.wanted, clear, Texture::Text, how.joints, End::Here) == Found::Secret
                || self.forms.stand_in(clear, how.joints)
        };
        gateways::any(text, look)
            || gateways::without_tags(text).is_some_and(|bare| gateways::any(&bare, look))
    }

    /// Where a line end cuts an escape.
    fn torn(&self, text: &[u8], how: How) -> bool {
        let mut hit = false;
        torn::around_escapes(text, |piece| {
            hit = hit
                || scan::search(&self.wanted, piece, Texture::Text, how.joints, End::Here) == Found::Secret
                || self.traces.stand_in(piece, how.place);
        });
        hit
    }

    /// UTF-16 and UTF-32: by the label, by a mark at the beginning, or where there are NULs.
    fn wide(&self, octets: &[u8], label: Label, how: How) -> bool {
        let marked = octets.starts_with(&[0xff, 0xfe]) || octets.starts_with(&[0xfe, 0xff]);
        let nul = memchr::memchr(0, octets).is_some();
        if !marked && !nul && !matches!(label, Label::Utf16 | Label::Utf32) {
            return false;
        }
        let orders = [Order::LittleEndian, Order::BigEndian];
        orders.into_iter().any(|order| {
            self.stream_and_carried(how, |sink| charset::utf16(octets, order, sink))
                || (nul && self.stream_and_carried(how, |sink| charset::utf32(octets, order, sink)))
        }) || (nul && self.spread(octets, Texture::Text, how))
    }

    /// UTF-16 that begins at an odd octet, and UTF-32 anywhere: around at signs with NULs beside them.
    fn spread(&self, octets: &[u8], texture: Texture, how: How) -> bool {
        let neighbours = if texture == Texture::Binary { Neighbours::Any } else { Neighbours::Apart };
        // Of either order, and of two octets or four.
        let beside = |at: usize| match octets.get(at + 1..at + 4) {
            Some([0, 0, _]) => true,
            Some([0, next, 0]) => next.is_ascii_graphic() || next.is_ascii_whitespace(),
            // In a text whatever letters may stand beside the sign.
            Some([0, ..]) => texture == Texture::Text,
            _ => texture == Texture::Text && at.checked_sub(1).and_then(|i| octets.get(i)) == Some(&0),
        };
        // A sign out of step with the others, or of the other order, hides none of them.
        let mut all_done = [0; 4];
        let places = memchr::memchr2_iter(b'@', b'=', octets).filter(|at| beside(*at));
        for at in places {
            let step = (at & 1) | usize::from(octets.get(at + 1) == Some(&0)) << 1;
            let Some(done) = all_done.get_mut(step).filter(|done| at >= **done) else { continue };
            let to = (at + 4096).min(octets.len());
            *done = to.saturating_sub(1024);
            let near = octets.get(at.saturating_sub(1024)..to).unwrap_or_default();
            let apart = |b: u8| if b.is_ascii_control() { b' ' } else { b };
            let bare: Vec<u8> = near.iter().copied().filter(|b| *b != 0).map(apart).collect();
            if self.plain(&bare, neighbours)
                || scan::search(&self.wanted, &bare, texture, how.joints, End::Here) == Found::Secret
                || (texture == Texture::Text && self.wide_around(octets, at, to, how))
            {
                return true;
            }
        }
        false
    }

    /// UTF-16 in step with the at sign at `at`: what stands beside the address may be of other letters, of which either
    /// octet could be one of its own.
    fn wide_around(&self, octets: &[u8], at: usize, to: usize, how: How) -> bool {
        // Between letters of ASCII a sign has a NUL on both sides, and either may be its own.
        let little = (octets.get(at + 1) == Some(&0)).then_some((Order::LittleEndian, at));
        let before = at.checked_sub(1).filter(|i| octets.get(*i) == Some(&0));
        let big = before.map(|unit| (Order::BigEndian, unit));
        little.into_iter().chain(big).any(|(order, unit)| {
            let from = unit.saturating_sub(1024) | (unit & 1);
            let near = octets.get(from..to).unwrap_or_default();
            self.stream(how, |sink| charset::utf16(near, order, sink))
        })
    }

    /// Octets that are no UTF-8.
    fn eight_bit(&self, octets: &[u8], label: Label, found: Found, how: How) -> bool {
        if octets.is_ascii() || encoding_rs::Encoding::utf8_valid_up_to(octets) == octets.len() {
            return false;
        }
        if let Label::Single(charset) = label
            && self.stream(how, |sink| charset::single(charset, octets, sink))
        {
            return true;
        }
        // Where nothing is declared a name may be spelled in any of them: that is looked for alone, so that whether an address
        // stands in a text never hangs on what else is looked for.
        let undeclared = label == Label::Plain && !self.traces.is_empty();
        Pairs::EACH.into_iter().any(|pairs| {
            let likely = found != Found::Nothing || label == Label::Pairs(pairs);
            if likely || self.pairs_may_hold(octets, pairs) {
                self.stream(how, |sink| pairs.decode(octets, sink))
            } else {
                let traces = |piece: &[u8], end| self.traces_in(piece, how, end);
                undeclared && pieces(|sink| pairs.decode(octets, sink), traces)
            }
        })
    }

    /// Whether in this charset one of the domains may follow an at sign.
    fn pairs_may_hold(&self, octets: &[u8], pairs: Pairs) -> bool {
        let any = |text: &[u8], found: fn(&[u8], &[u8]) -> bool| {
            self.wanted.iter().any(|wanted| wanted.domains().any(|domain| found(text, domain)))
        };
        let holds = |from: usize, length: usize, found: fn(&[u8], &[u8]) -> bool| {
            let near = octets.get(from..(from + length).min(octets.len())).unwrap_or_default();
            let mut ignore = |_: &mut Vec<u8>| {};
            let mut sink = Sink { text: Vec::with_capacity(2 * near.len()), full: &mut ignore };
            pairs.decode(near, &mut sink);
            any(&sink.text, found)
        };
        // The first characters tell for most.
        let follows = |from: usize| {
            // ASCII is itself in all of them.
            any(octets.get(from..).unwrap_or_default(), goes_on)
                && holds(from, 24, may_begin)
                && holds(from, MAX_DOMAIN, |text, domain| may_follow(text, 0, domain, &Far::for_text(0)))
        };
        scan::has_sign(octets, &follows)
            || pairs
                .signs()
                .iter()
                .any(|sign| memchr::memmem::find_iter(octets, sign).any(|at| follows(at + 2)))
    }

    /// What a text carries in other forms.
    fn carried(&self, octets: &[u8], charset: Option<&str>, how: How) -> bool {
        let mut hit = self.carried_in_links(octets, how);
        // Among shifted characters an equals sign is half of one.
        let shifted = || memchr::memchr(0x1b, octets).is_some();
        if how.depth < MAX_DEPTH && words::may_be_quoted(octets) && !shifted() {
            hit = hit || self.text(&words::quoted_octets(octets), charset, how.deeper());
        }
        tokens::blocks(octets, |block| hit = hit || self.text_or_binary(block, charset, how.deeper()));
        if !hit && how.depth < MAX_DEPTH {
            tokens::shifted_by_42(octets, |file| {
                hit = hit || self.text_or_binary(file, charset, how.deeper())
            });
        }
        if !hit && how.place == Place::Body && how.depth < MAX_DEPTH {
            tokens::line_values(octets, |value| hit = hit || self.text_or_binary(value, None, how.deeper()));
        }
        if !hit && memchr::memmem::find(octets, b"=?").is_some() {
            words::words(octets, |found| hit = hit || self.words(&found, how.deeper()));
        }
        hit
    }

    fn carried_in_links(&self, octets: &[u8], how: How) -> bool {
        let mut hit = false;
        tokens::tokens(octets, self.shortest, |token| hit = hit || self.token(token, how));
        if !how.is_hidden {
            let inside = How { is_hidden: true, ..how };
            pages::hidden(octets, |clear| hit = hit || self.token(clear, inside));
        }
        if !how.is_unpacked {
            packed::in_links(octets, |token| hit = hit || self.token(token, how));
        }
        hit = hit || self.hashes.stand_in(octets);
        if how.depth < MAX_DEPTH {
            tokens::data_links(octets, |content, charset| {
                hit = hit || self.text_or_binary(content, charset, how.deeper());
            });
        }
        hit
    }

    fn text_or_binary(&self, octets: &[u8], charset: Option<&str>, how: How) -> bool {
        let wide = matches!(charset.map(Label::of), Some(Label::Utf16 | Label::Utf32));
        if !wide && is_binary(octets) { self.binary(octets, how) } else { self.text(octets, charset, how) }
    }

    /// What a token of a link holds: mostly nothing.
    fn token(&self, octets: &[u8], how: How) -> bool {
        if self.plain(octets, Neighbours::Apart) || self.wanted.iter().any(|one| one.is_short_at_end(octets))
        {
            return true;
        }
        // Of two octets each, or of four.
        if memchr::memchr_iter(0, octets).take(self.shortest).count() == self.shortest {
            let bare: Vec<u8> = octets.iter().copied().filter(|b| *b != 0).collect();
            if self.plain(&bare, Neighbours::Apart) {
                return true;
            }
        }
        // A text in it may be spelled in any way, and hold tokens itself.
        let mut hit = false;
        if how.depth < MAX_DEPTH {
            if !how.is_unpacked {
                let inside = How { is_unpacked: true, ..how.deeper() };
                packed::texts(octets, |text| hit = hit || self.text_or_binary(text, None, inside));
            }
            let inside = How { place: Place::Token, ..how.deeper() };
            tokens::readable(octets, self.shortest, |text| hit = hit || self.text(text, None, inside));
        }
        hit
    }

    fn words(&self, found: &words::Words, how: How) -> bool {
        let octets: Vec<u8> =
            found.stretches.iter().flat_map(|stretch| stretch.octets.iter().copied()).collect();
        let named =
            found.stretches.iter().map(|stretch| stretch.charset.as_str()).find(|name| !name.is_empty());
        if self.text(&octets, named, how)
            || (!found.joined.is_empty() && self.text(&found.joined, named, how))
        {
            return true;
        }
        // Words in several charsets make one text.
        if found.stretches.len() <= 2 && named.is_none_or(|name| Label::of(name) == Label::Plain) {
            return false;
        }
        let mut text = Vec::new();
        for stretch in &found.stretches {
            text.extend(words::decoded(stretch));
        }
        self.text(&text, Some("utf-8"), how)
    }
}

/// Decodes with `decode`, and asks of each piece whether something is in it.
fn pieces(decode: impl FnOnce(&mut Sink<'_>), is_in: impl Fn(&[u8], End) -> bool) -> bool {
    let mut hit = false;
    let mut full = |piece: &mut Vec<u8>| {
        hit = hit || is_in(piece, End::Later);
        scan::shorten(piece);
    };
    let mut sink = Sink { text: Vec::new(), full: &mut full };
    decode(&mut sink);
    let rest = std::mem::take(&mut sink.text);
    hit || is_in(&rest, End::Here)
}

/// Whether UTF-7 is declared, or nothing is but ASCII and there are runs of it. Under any other label runs count that hold a
/// sign, which some programs read all the same.
fn may_be_utf7(octets: &[u8], charset: Option<&str>, label: Label) -> bool {
    let undeclared = charset.is_none_or(|name| {
        let name = name.to_ascii_lowercase();
        (label == Label::Plain && !name.starts_with("utf-8")) || name.ends_with("ascii")
    });
    let digits = |at: usize| {
        // So many digits are whole characters.
        shifted::is_utf7_run(octets.get(at + 1..(at + 1 + UTF7_DIGITS).min(octets.len())).unwrap_or_default())
    };
    label == Label::Utf7
        || (undeclared && memchr::memchr_iter(b'+', octets).any(digits))
        || (octets.is_ascii() && shifted::holds_sign(octets))
}
