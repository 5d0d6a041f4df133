//! Names: what a bare word may be, which is every identity whose form it has, and in which columns a name is found.

use super::filter::{Column, Filter, Numbers, Test};
use super::outline::Seek;
use super::value::{self, Net};
use super::words::Word;
use crate::mail::{Domain, RealAddress};
use std::net::IpAddr;

/// Something that a name stands for.
pub enum Sought<'q> {
    Address(&'q RealAddress),
    /// An address that was read from a bare word.
    Read(RealAddress),
    Domain(Domain),
    Order {
        store: Option<&'q str>,
        no: &'q str,
    },
    Store(&'q str),
    Login(&'q str),
    Mailer(&'q str),
    Ip(IpAddr),
    /// The /24 or /48 of which a network consists.
    Nets(Vec<IpAddr>),
    Hash([u8; 32]),
    /// A queue id or a Message-ID.
    Id(&'q str),
    Answers(&'q str),
}

/// What a bare word is looked for as.
pub(super) fn forms(text: &str) -> Vec<(Word, Sought<'_>)> {
    let mut forms = Vec::new();
    if let Some(ip) = value::ip(text) {
        return vec![(Word::Ip, Sought::Ip(ip))];
    }
    if let Some(net) = value::net(text) {
        return vec![(Word::Net, Sought::Nets(Net::parts(net)))];
    }
    if let Some(domain) = text.strip_prefix('@') {
        forms.extend(Domain::parse(domain).ok().map(|domain| (Word::Domain, Sought::Domain(domain))));
        return forms;
    }
    if text.starts_with('<') {
        return vec![(Word::Id, Sought::Id(text)), (Word::Answers, Sought::Answers(text))];
    }
    if text.contains('@') {
        for word in [Word::From, Word::To] {
            forms.extend(RealAddress::parse(text).ok().map(|address| (word, Sought::Read(address))));
        }
        forms.push((Word::Id, Sought::Id(text)));
        return forms;
    }
    if let Ok(octets) = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()) {
        if let Ok(hash) = <[u8; 32]>::try_from(octets.as_slice()) {
            return vec![(Word::Hash, Sought::Hash(hash))];
        }
        if octets.len() == 8 {
            forms.push((Word::Id, Sought::Id(text)));
        }
    }
    if let Some((store, no)) =
        text.split_once('/').filter(|(store, no)| value::is_store_id(store) && !no.is_empty())
    {
        forms.push((Word::Order, Sought::Order { store: Some(store), no }));
    }
    let is_domain = text.rsplit_once('.').is_some_and(|(_, last)| last.chars().any(char::is_alphabetic));
    if is_domain && let Ok(domain) = Domain::parse(text) {
        forms.push((Word::Domain, Sought::Domain(domain)));
    }
    forms.push((Word::Order, Sought::Order { store: None, no: text }));
    if value::is_store_id(text) {
        forms.push((Word::Store, Sought::Store(text)));
    }
    forms.push((Word::Login, Sought::Login(text)));
    forms
}

/// What has a keyed number.
pub enum Keyed<'q> {
    Address(&'q RealAddress),
    /// As it was recorded: the registrable part counts.
    Domain(&'q Domain),
    Order(&'q str),
    Login(&'q str),
    Mailer(&'q str),
    Ip(IpAddr),
    /// A /24 or /48.
    Net(IpAddr),
    Hash(&'q [u8; 32]),
    MessageId(&'q str),
}

impl Seek<'_> {
    /// The address that it is.
    #[must_use]
    pub fn address(&self) -> Option<&RealAddress> {
        match &self.what {
            Sought::Address(address) => Some(address),
            Sought::Read(address) => Some(address),
            _ => None,
        }
    }

    /// Where it is found by its numbers alone. `None`: a store, whose number stands in its row.
    pub fn filter(&self, numbers: &mut dyn FnMut(Keyed<'_>) -> Numbers) -> Option<Filter> {
        let keyed = |columns: &[Column], numbers: &Numbers| Some(Filter::keyed(columns, numbers));
        match &self.what {
            Sought::Address(_) | Sought::Read(_) => {
                let numbers = numbers(Keyed::Address(self.address()?));
                match self.word {
                    Word::From => keyed(&[Column::From, Column::Author, Column::Reply], &numbers),
                    // Mail to a real address is refused: it stands there as it was written.
                    Word::To => keyed(&[Column::Rcpt, Column::To], &numbers),
                    _ => keyed(&[Column::To], &numbers),
                }
            }
            Sought::Domain(domain) => {
                let numbers = numbers(Keyed::Domain(domain));
                match self.word {
                    Word::From => keyed(&[Column::AuthorDomain, Column::FromDomain], &numbers),
                    _ => keyed(
                        &[Column::AuthorDomain, Column::FromDomain, Column::DkimDomain, Column::PeerDomain],
                        &numbers,
                    ),
                }
            }
            Sought::Order { no, .. } => keyed(&[Column::Order], &numbers(Keyed::Order(no))),
            Sought::Store(_) => None,
            Sought::Login(name) => keyed(&[Column::Login], &numbers(Keyed::Login(name))),
            Sought::Mailer(name) => keyed(&[Column::Mailer], &numbers(Keyed::Mailer(name))),
            Sought::Ip(ip) if self.word == Word::Origin => keyed(&[Column::Origin], &numbers(Keyed::Ip(*ip))),
            // The index is that of the network, in which the address is looked for.
            Sought::Ip(ip) => {
                let net = Filter::keyed(&[Column::Net], &numbers(Keyed::Net(Net::of(*ip).address)));
                Some(Filter::all(vec![net, Filter::keyed(&[Column::Ip], &numbers(Keyed::Ip(*ip)))]))
            }
            Sought::Nets(nets) => {
                let mut all = Numbers::default();
                for net in nets {
                    all.add(&numbers(Keyed::Net(*net)));
                }
                keyed(&[Column::Net], &all)
            }
            Sought::Hash(hash) => {
                Some(Filter::Test(Test::File { numbers: numbers(Keyed::Hash(hash)), place: 0 }))
            }
            Sought::Id(id) => match queue_id(id) {
                Some(id) => keyed(&[Column::Message], &Numbers::fixed(vec![id])),
                None => keyed(&[Column::MessageId, Column::SentId], &numbers(Keyed::MessageId(id))),
            },
            Sought::Answers(id) => keyed(&[Column::Answers], &numbers(Keyed::MessageId(id))),
        }
    }
}

/// The number of a message, from the 16 digits that replies show.
fn queue_id(text: &str) -> Option<i64> {
    (text.len() == 16 && !text.starts_with('+')).then(|| i64::from_str_radix(text, 16).ok()).flatten()
}
