//! What the gate looks for: a secret in the forms in which it may stand in a folded text or among octets.
//!
//! Rules: the local part in lower case, with and without its tag, the domain as A-labels and as U-labels, all folded
//! like the text. Gmail's two domains are one, and dots in its local parts mean nothing; Apple's three are one, and Proton's. An equals sign stands for the
//! at sign, as in return paths that name the recipient. In a text it is a hit only where no longer word reaches into
//! it; in a file that is none, wherever it stands.
//! When it fails: never.

use super::fold::{Folded, Joints, Leave, MAX_LOCAL};
use super::{glued, longer};

/// Domains of one provider that are the same, and that ignore dots before the at sign.
const GMAIL: [&str; 2] = ["gmail.com", "googlemail.com"];
/// Domains of other providers that are the same.
const ALIKE: [[&str; 3]; 2] = [["icloud.com", "me.com", "mac.com"], ["proton.me", "protonmail.com", "pm.me"]];

/// One secret in the forms in which it may stand in a folded text.
#[derive(Clone)]
pub struct Wanted {
    locals: Vec<Vec<u8>>,
    domains: Vec<Vec<u8>>,
    dots: Dots,
}

/// Whether dots in the local part tell addresses apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dots {
    Matter,
    Ignored,
}

/// How the plain letters before an at sign compare with a local part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Likeness {
    /// They end with it.
    Whole,
    /// There are too few of them, all alike.
    Open,
    /// They differ, by the one that has so many before it.
    Differs(usize),
}

/// What must be true of the neighbours of an address among octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Neighbours {
    /// No longer word reaches into it.
    Apart,
    /// Anything.
    Any,
}

impl Wanted {
    /// The forms of an address in canonical form.
    pub fn new(address: &str) -> Self {
        let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        let folded = |text: &str| Folded::new(text, Leave::Nothing).into_bytes();
        let gmail = GMAIL.contains(&domain);
        let mut domains: Vec<Vec<u8>> = if gmail {
            GMAIL.iter().map(|domain| folded(domain)).collect()
        } else {
            vec![folded(domain), folded(&idna::domain_to_unicode(domain).0)]
        };
        domains.dedup();
        for group in ALIKE.iter().filter(|group| group.contains(&domain)) {
            domains.extend(group.iter().filter(|other| **other != domain).map(|other| folded(other)));
        }
        let dots = if gmail { Dots::Ignored } else { Dots::Matter };
        let base = local.split_once('+').map_or("", |(base, _)| base);
        let mut locals: Vec<Vec<u8>> = [local, base].iter().map(|local| folded(local)).collect();
        if dots == Dots::Ignored {
            locals.iter_mut().for_each(|local| local.retain(|b| *b != b'.'));
        }
        locals.retain(|local| !local.is_empty());
        Self { locals, domains, dots }
    }

    /// Its domains.
    pub fn domains(&self) -> impl Iterator<Item = &[u8]> {
        self.domains.iter().map(Vec::as_slice)
    }

    /// Its local parts.
    pub fn locals(&self) -> impl Iterator<Item = &[u8]> {
        self.locals.iter().map(Vec::as_slice)
    }

    /// Shortest length, in octets.
    pub fn shortest(&self) -> usize {
        let least = |forms: &[Vec<u8>]| forms.iter().map(Vec::len).min().unwrap_or(0);
        let whole = least(&self.locals) + 1 + least(&self.domains);
        // An id, a blank and `local@m` of a calendar's token.
        if self.dots == Dots::Ignored { whole.min(least(&self.locals) + 6) } else { whole }
    }

    /// Whether the longest label of one of its domains stands in a text, without which none of them can.
    pub fn may_be_spelled_in(&self, text: &Folded) -> bool {
        let longest = |domain: &Vec<u8>| {
            domain
                .split(|b| *b == b'.')
                .max_by_key(|label| label.len())
                .is_some_and(|label| text.holds(label))
        };
        self.domains.iter().any(longest)
    }

    /// Whether this address stands around the sign at `at`.
    pub fn stands_at(&self, text: &Folded, at: usize, joints: Joints) -> bool {
        let domain = |domain: &Vec<u8>| {
            let end = at + 1 + domain.len();
            let is_longer = || {
                (joints == Joints::Join || text.is_equals(at)) && longer::goes_on(b"", text.rest_of_word(end))
            };
            text.starts_with(at + 1, domain) && !text.continues_word(end) && !is_longer()
        };
        // Before an address with an equals sign there is a word of the list: `bounce-bob=a.example@`.
        let joints = if text.is_equals(at) { Joints::Part } else { joints };
        let whole = self.domains.iter().any(domain)
            && self.local_ends(text.before(at), |start| {
                text.begins_word(start, joints) || glued::stand_before(text, start, at)
            });
        whole || (text.is_equals(at) && self.stands_turned(text, at))
    }

    /// Whether this address stands around the equals sign at `at` as one who forwards writes it: `a.example=bob@`.
    fn stands_turned(&self, text: &Folded, at: usize) -> bool {
        let Some(behind) = text.between(at + 1, b'@') else { return false };
        let base = behind.split(|b| *b == b'+').next().unwrap_or_default();
        let dots = self.dots;
        let letters = |b: &&u8| **b != b'.' || dots == Dots::Matter;
        let local =
            |local: &Vec<u8>| [behind, base].iter().any(|found| found.iter().filter(letters).eq(local));
        self.locals.iter().any(local)
            && self.domains.iter().any(|domain| {
                text.before(at).ends_with(domain) && text.begins_word(at - domain.len(), Joints::Join)
            })
    }

    /// Whether octets end with what Google Calendar writes for this address in the token of an event: a blank and `local@m`,
    /// where it is of Gmail.
    pub fn is_short_at_end(&self, octets: &[u8]) -> bool {
        let Some(before) = octets.strip_suffix(b"@m").filter(|_| self.dots == Dots::Ignored) else {
            return false;
        };
        let ends = |local: &Vec<u8>| {
            let start = self.start_of(local, before);
            start.is_some_and(|at| at.checked_sub(1).and_then(|i| before.get(i)).is_none_or(|b| *b == b' '))
        };
        self.locals.iter().any(ends)
    }

    /// Whether octets end with a local part, of at least so many octets or with a dot or a digit, that is no longer one's end.
    pub fn ends_in_local(&self, before: &[u8], least: usize) -> bool {
        let says = |local: &&Vec<u8>| {
            local.len() >= least || local.len() > 2 && local.iter().any(|b| *b == b'.' || b.is_ascii_digit())
        };
        self.locals.iter().filter(says).filter_map(|local| self.start_of(local, before)).any(|start| {
            let rest = before.get(..start).unwrap_or_default();
            let joints = rest.iter().rev().take(MAX_LOCAL).take_while(|b| b"._+-".contains(b)).count();
            // The escape before what ends a shift may be lost.
            rest.ends_with(b"(B")
                || rest.ends_with(b"(J")
                || !rest.iter().rev().nth(joints).is_some_and(u8::is_ascii_alphanumeric)
        })
    }

    /// Whether `before` ends with a domain.
    pub fn domain_ends(&self, before: &[u8]) -> bool {
        let ends = |domain: &Vec<u8>| {
            before
                .len()
                .checked_sub(domain.len())
                .and_then(|from| before.get(from..))
                .is_some_and(|end| end.eq_ignore_ascii_case(domain))
        };
        self.domains.iter().any(ends)
    }

    /// Whether `before` ends with a local part, with or without a tag, that `begins` where it begins.
    fn local_ends(&self, before: &[u8], begins: impl Fn(usize) -> bool) -> bool {
        let run = before.len() - before.iter().rev().take(MAX_LOCAL).take_while(|b| is_tag(**b)).count();
        let tags = memchr::memchr_iter(b'+', before.get(run..).unwrap_or_default()).map(|plus| run + plus);
        std::iter::once(before.len()).chain(tags).any(|end| {
            let before = before.get(..end).unwrap_or_default();
            self.locals.iter().any(|local| self.start_of(local, before).is_some_and(&begins))
        })
    }

    /// Where `local` starts that `before` ends with.
    fn start_of(&self, local: &[u8], before: &[u8]) -> Option<usize> {
        let mut rest = local.iter().rev();
        let mut expected = rest.next()?;
        for (at, b) in before.iter().enumerate().rev() {
            if *b == b'.' && self.dots == Dots::Ignored {
                continue;
            }
            if !b.eq_ignore_ascii_case(expected) {
                return None;
            }
            match rest.next() {
                Some(next) => expected = next,
                None => return Some(at),
            }
        }
        None
    }

    /// How `run`, plain letters before an at sign, compares with the local part. Tags are not known here.
    pub fn likeness(&self, run: &[u8]) -> Likeness {
        let mut worst = Likeness::Differs(usize::MAX);
        for local in &self.locals {
            let mut rest = local.iter().rev();
            let mut last = rest.next();
            for (at, b) in run.iter().enumerate().rev() {
                if *b == b'.' && self.dots == Dots::Ignored {
                    continue;
                }
                match last {
                    None => return Likeness::Whole,
                    Some(expected) if b.eq_ignore_ascii_case(expected) => last = rest.next(),
                    Some(_) => {
                        worst = match worst {
                            Likeness::Differs(before) => Likeness::Differs(before.min(at)),
                            other => other,
                        };
                        last = Some(&0);
                        break;
                    }
                }
            }
            match last {
                None => return Likeness::Whole,
                Some(0) => {}
                Some(_) => worst = Likeness::Open,
            }
        }
        worst
    }

    /// The address as plain octets around the sign at `at`, in any case.
    pub fn stands_in_octets(&self, octets: &[u8], at: usize, neighbours: Neighbours) -> bool {
        let behind = octets.get(at + 1..).unwrap_or_default();
        // Most octets are told by the next one.
        let begins = |first: &u8| self.domains.iter().any(|domain| domain.first() == Some(first));
        if !behind.first().is_some_and(|b| begins(&b.to_ascii_lowercase())) {
            return false;
        }
        let apart = neighbours == Neighbours::Apart;
        let domain = |domain: &Vec<u8>| {
            let rest = behind.get(domain.len()..).unwrap_or_default();
            behind.get(..domain.len()).is_some_and(|head| head.eq_ignore_ascii_case(domain))
                && !(apart
                    && (rest.first().is_some_and(u8::is_ascii_alphanumeric)
                        || longer::goes_on(behind.get(..domain.len()).unwrap_or_default(), rest)))
        };
        let before = octets.get(..at).unwrap_or_default();
        let begins = |start: usize| {
            let reaching = before.get(..start).unwrap_or_default();
            let equals = octets.get(at) == Some(&b'=');
            let joint = |b: &u8| b.is_ascii_alphanumeric() || (!equals && b"._-+".contains(b));
            let joined = reaching.last().is_some_and(joint);
            // The last letter of an escape sequence that ends a shift (ISO/IEC 2022) is none of the text.
            !(apart && (joined || reaching.ends_with(b"\x1b(")))
                || glued::end_before(reaching, before.get(start..).unwrap_or_default())
        };
        self.domains.iter().any(domain) && self.local_ends(before, begins)
    }
}

fn is_tag(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"+.-_=".contains(&b)
}
