//! Facts: by what a record of the log is found without being opened. Real values come in, keyed numbers go out.
//!
//! Rules: a fact says nothing that its record does not say, in numbers of the quarter in which it happened. It is erased and destroyed
//! with its record. Without the key of its quarter (`periods.rs`) a fact has no numbers, and mail goes on. What strangers can make us write is bounded by what is recorded: with a
//! record come one fact and at most [`FILES_MAX`](crate::anonymize::FILES_MAX) attachments.
//! When it fails: a number is missing.

use super::accept::Incoming;
use super::draft::Taken;
use super::envelope::open_recipient;
use super::{Login, Peer, Recipient, Relay};
use crate::anonymize::{self, MailFacts};
use crate::geo::Geo;
use crate::mail::{Domain, Flag, Flags, RealAddress, Timestamp};
use crate::senders::{self, Findings};
use crate::store::{NewFact, NewFile, Usual, Work};
use crate::vault::{DataKey, Numbered, Period, Side, quarter_of};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// From how many recipients on a transaction has many.
const MANY_RECIPIENTS: usize = 10;
/// From how many seconds on a Date is far from the time at which its mail came.
const FAR_S: u64 = 86_400;

/// What one mail says of itself, read once.
#[derive(Default)]
pub struct Said(OnceLock<MailFacts>);

/// The keys that number what happens at a time: of its quarter, and of the one before it.
struct Numbers {
    now: Option<Arc<Period>>,
    before: Option<Arc<Period>>,
}

impl Numbers {
    fn of(&self, value: Numbered<'_>) -> Option<i64> {
        self.now.as_ref().map(|period| period.number(value))
    }

    /// Something by which a store is known, by its number, which the fact has already.
    fn usual(&self, what: &'static str, number: Option<i64>, value: Numbered<'_>) -> Option<Usual> {
        let before = self.before.as_ref().map(|period| period.number(value).to_string());
        number.map(|number| Usual { what, value: number.to_string(), before })
    }
}

impl Relay {
    /// The number of a user name.
    pub(super) fn login_number(&self, auth_id: &str, at: Timestamp) -> Option<i64> {
        self.numbers(at).of(Numbered::Login(auth_id))
    }

    /// By which addresses are looked up; the registries alone unless somebody said otherwise.
    pub(super) fn geo(&self) -> &Geo {
        self.inner.geo.get_or_init(Arc::default)
    }

    /// Says by what addresses are looked up from now on.
    pub fn locates_by(&self, geo: Arc<Geo>) {
        let _ = self.inner.geo.set(geo);
    }

    fn numbers(&self, at: Timestamp) -> Numbers {
        let periods = self.inner.periods.load();
        let quarter = quarter_of(at);
        let find = |quarter| periods.keys.iter().find(|key| key.quarter == quarter).cloned();
        Numbers { now: find(quarter), before: find(quarter - 1) }
    }

    /// Of an address alone.
    pub(super) fn fact_of_ip(&self, ip: Option<IpAddr>, at: Timestamp) -> NewFact {
        match ip {
            Some(ip) => self.located(&self.numbers(at), ip),
            None => NewFact::default(),
        }
    }

    fn located(&self, numbers: &Numbers, ip: IpAddr) -> NewFact {
        let place = self.geo().locate(ip);
        let country = place.registry.map(word);
        let operator = self.geo().operator(ip);
        operator.iter().for_each(|operator| self.inner.networks.note(operator));
        NewFact {
            ip_k: numbers.of(Numbered::Ip(ip)),
            net_k: numbers.of(Numbered::Net(ip)),
            country2: place.overlay.filter(|_| place.overlay != place.registry).map(word),
            country,
            asn: operator.and_then(|operator| operator.asn).map(i64::from),
            flags: (place.is_disputed() || place.is_confirmed()).then(|| {
                Flags::default()
                    .with(Flag::CountryDisputed, place.is_disputed())
                    .with(Flag::CountryConfirmed, place.is_confirmed())
            }),
            ..NewFact::default()
        }
    }

    fn of_peer(&self, numbers: &Numbers, peer: &Peer) -> NewFact {
        let named = Domain::parse(&peer.helo).ok().filter(|name| !name.is_literal());
        let fact = self.located(numbers, peer.ip);
        let flags = fact.flags.unwrap_or_default().with(Flag::Listed, !peer.lists.is_empty());
        NewFact {
            peer_dom_k: named.and_then(|name| numbers.of(Numbered::Domain(&senders::registrable(&name)))),
            tls: peer.tls.as_deref().and_then(version),
            flags: Some(flags),
            ..fact
        }
    }

    /// Of a peer and the user name that it gave. `login`: whose it is, if it was let in.
    pub(super) fn fact_of_login(
        &self,
        login: Option<&Login>,
        auth_id: Option<&str>,
        peer: &Peer,
        at: Timestamp,
    ) -> NewFact {
        let numbers = self.numbers(at);
        let mut fact = self.of_peer(&numbers, peer);
        fact.login_k = auth_id.and_then(|name| numbers.of(Numbered::Login(name)));
        if login.is_some() {
            fact.usual = usual_place(&numbers, &fact, peer.ip);
        }
        fact
    }

    /// Of a recipient that was refused.
    pub(super) fn fact_of_recipient(
        &self,
        login: Option<&Login>,
        sender: Option<&RealAddress>,
        to: &RealAddress,
        peer: &Peer,
        at: Timestamp,
    ) -> NewFact {
        let numbers = self.numbers(at);
        let fact = self.of_peer(&numbers, peer);
        NewFact {
            from_k: sender.and_then(|sender| numbers.of(Numbered::Address(sender))),
            from_dom_k: sender.and_then(|sender| domain_of(&numbers, sender)),
            to_k: numbers.of(Numbered::Address(to)),
            login_k: login.and_then(|login| numbers.of(Numbered::Login(&login.auth_id))),
            flags: fact.flags.map(|flags| flags.with(Flag::NullSender, login.is_none() && sender.is_none())),
            ..fact
        }
    }

    /// Of a mail, whatever became of it.
    pub(super) fn fact_of_mail(&self, incoming: &Incoming<'_>, at: Timestamp) -> NewFact {
        let numbers = self.numbers(at);
        let said = incoming.said();
        let peer = self.of_peer(&numbers, incoming.peer);
        let same = |a: Option<&RealAddress>, b: &RealAddress| a.is_some_and(|a| a.same_mailbox(b));
        let (sender, author) = (incoming.sender, said.author.as_ref());
        let new_author = author.filter(|author| !same(sender, author));
        let new_reply = said.reply.as_ref().filter(|reply| !same(sender, reply) && !same(author, reply));
        let number = |address: &RealAddress| numbers.of(Numbered::Address(address));
        let registrable = |address: &RealAddress| senders::registrable(address.reveal_domain());
        let (from_domain, author_domain) = (sender.map(registrable), author.map(registrable));
        let skew = said.dated_at.map(|dated| at.as_millis().saturating_sub(dated.as_millis()) / 1000);
        let origin = said.origin.filter(|origin| *origin != incoming.peer.ip.to_canonical());
        let author_dom_k = author_domain.as_ref().and_then(|name| numbers.of(Numbered::Domain(name)));
        // Mostly all of them are the author's, whose number is there.
        let domain = |domain: Option<&Domain>| match domain {
            Some(_) if domain == author_domain.as_ref() => author_dom_k,
            _ => domain.and_then(|name| numbers.of(Numbered::Domain(name))),
        };
        let flags = peer
            .flags
            .unwrap_or_default()
            .and(said.flags)
            .with(
                Flag::FromDomainDiffers,
                from_domain.is_some() && author_domain.is_some() && from_domain != author_domain,
            )
            .with(
                Flag::ForeignLetters,
                author.is_some_and(|author| {
                    author.reveal_domain().as_str().split('.').any(|label| label.starts_with("xn--"))
                }),
            )
            .with(Flag::DateFar, skew.is_some_and(|skew| skew.unsigned_abs() > FAR_S))
            .with(Flag::ManyRecipients, incoming.recipients.len() >= MANY_RECIPIENTS)
            .with(Flag::Labelled, incoming.parameters.label.is_some())
            .with(Flag::NullSender, sender.is_none())
            .with(Flag::Unproven, incoming.proof.found().is_some() && !incoming.proof.holds());
        let mut fact = NewFact {
            from_k: sender.and_then(number),
            author_k: new_author.and_then(number),
            reply_k: new_reply.and_then(number),
            login_k: incoming.login.and_then(|login| numbers.of(Numbered::Login(&login.auth_id))),
            msgid_k: said.message_id.as_deref().and_then(|id| numbers.of(Numbered::MessageId(id))),
            answers_k: said.answers.as_deref().and_then(|id| numbers.of(Numbered::MessageId(id))),
            origin_k: origin.and_then(|ip| numbers.of(Numbered::Ip(ip))),
            origin_country: origin.and_then(|ip| self.geo().locate(ip).registry).map(word),
            author_dom_k,
            from_dom_k: domain(from_domain.as_ref()),
            mailer_k: said.mailer.as_deref().and_then(|name| numbers.of(Numbered::Mailer(name))),
            size: i64::try_from(incoming.bytes.len()).ok(),
            recipients: i64::try_from(incoming.recipients.len()).ok(),
            files: i64::try_from(said.files).ok(),
            hops: i64::try_from(said.hops).ok(),
            zone: said.zone,
            skew,
            flags: Some(flags),
            attachments: said.described.iter().map(|file| described(&numbers, file)).collect(),
            ..peer
        };
        if let Some(Findings::Checked(found)) = incoming.proof.found() {
            fact.spf = Some(found.spf.result.word());
            fact.dkim = incoming.proof.found().map(Findings::dkim_word);
            fact.dmarc = incoming.proof.found().and_then(Findings::dmarc_word);
            fact.arc = Some(found.arc.word());
            fact.dkim_dom_k = found.signer().and_then(|signer| domain(Some(&senders::registrable(signer))));
        }
        if incoming.login.is_some() {
            fact.usual = usual_place(&numbers, &fact, incoming.peer.ip);
            let mailer = said.mailer.as_deref().map(Numbered::Mailer);
            fact.usual.extend(mailer.and_then(|mailer| numbers.usual("mailer", fact.mailer_k, mailer)));
            let domain = author_domain.as_ref().map(Numbered::Domain);
            fact.usual.extend(domain.and_then(|domain| numbers.usual("domain", fact.author_dom_k, domain)));
        }
        fact
    }

    /// Of a mail that was refused, to its first recipient.
    pub(super) fn fact_of_refusal(&self, incoming: &Incoming<'_>, at: Timestamp) -> NewFact {
        let numbers = self.numbers(at);
        let mut fact = self.fact_of_mail(incoming, at);
        // What was not sent is not usual.
        fact.usual = Vec::new();
        match incoming.recipients.first() {
            Some((
                Recipient::Party { conversation, side } | Recipient::Automatic { conversation, side },
                _,
            )) => {
                fact.to_k = numbers.of(Numbered::Alias(&conversation.alias(*side).to_string()));
                if *side == Side::Customer {
                    fact.rcpt_k = numbers.of(Numbered::Address(&conversation.customer));
                }
                fact.order_k = order(&numbers, &conversation.order_no);
                fact.direction = Some(super::returns::direction_of(side.other()).into());
            }
            Some((Recipient::Inquiry(merchant), _)) => {
                let alias = self.domains().public_alias(&merchant.store_id);
                fact.to_k = numbers.of(Numbered::Alias(&alias.to_string()));
                fact.direction = Some("to_merchant".into());
            }
            Some((Recipient::Copy(_), _)) => fact.direction = Some("copy".into()),
            _ => {}
        }
        fact
    }

    /// Of a mail that becomes one recipient's message.
    pub(super) fn fact_of_taken(&self, taken: &Taken<'_>, at: Timestamp) -> NewFact {
        let numbers = self.numbers(at);
        let leg = taken.leg;
        let fact = self.fact_of_mail(taken.incoming, at);
        let flags = fact
            .flags
            .unwrap_or_default()
            .with(Flag::OtherAddress, matches!(leg.doubt, Some((super::admission::Doubt::OtherAddress, _))))
            .with(Flag::UnknownThread, taken.answers_unknown)
            .with(Flag::Auto, leg.automatic)
            .with(Flag::Guest, leg.conversation.is_some_and(|own| own.kind == crate::store::Kind::Guest))
            .with(Flag::FirstContact, leg.conversation.is_some_and(|own| own.created_at == taken.now));
        NewFact {
            direction: Some(leg.direction.into()),
            to_k: numbers.of(Numbered::Alias(&leg.to.to_string())),
            rcpt_k: numbers.of(Numbered::Address(&leg.forward_path)),
            order_k: leg.conversation.and_then(|own| order(&numbers, &own.order_no)),
            sent_id_k: taken.sent_id.and_then(|id| numbers.of(Numbered::MessageId(id))),
            flags: Some(flags),
            ..fact
        }
    }

    /// Of a message of our own.
    pub(super) fn fact_of_own(&self, to: &RealAddress, size: usize, at: Timestamp) -> NewFact {
        NewFact {
            direction: Some("notice".into()),
            rcpt_k: self.numbers(at).of(Numbered::Address(to)),
            size: i64::try_from(size).ok(),
            ..NewFact::default()
        }
    }

    /// Of a message that somebody decides about, or an attempt to deliver it. `key`: of the message, where it opens.
    pub(super) fn fact_of_work(&self, key: &DataKey, work: &Work, at: Timestamp) -> NewFact {
        let recipient = open_recipient(key, work.delivery_id, &work.recipient).ok();
        let numbers = self.numbers(at);
        NewFact {
            direction: Some(work.direction.clone().into()),
            rcpt_k: recipient.and_then(|to| numbers.of(Numbered::Address(&to))),
            order_k: order_of(key, work).and_then(|no| order(&numbers, &no)),
            size: Some(work.size),
            ..NewFact::default()
        }
    }

    /// Of an attempt to deliver: where the next hop stands and with what TLS, beside what is known of the message.
    pub(super) fn fact_of_attempt(
        &self,
        key: &DataKey,
        work: &Work,
        result: &super::AttemptResult,
        at: Timestamp,
    ) -> NewFact {
        let said = |name: &str| result.detail.get(name).and_then(serde_json::Value::as_str);
        let next_hop = said("next_hop");
        let ip = next_hop.and_then(|text| text.parse::<std::net::SocketAddr>().ok()).map(|at| at.ip());
        let status = result.status.split_once(' ').map_or(result.status.as_str(), |(_, enhanced)| enhanced);
        NewFact {
            country: ip.and_then(|ip| self.geo().locate(ip).registry).map(word),
            result: Some(status.to_owned().into()),
            tls: said("tls").and_then(version),
            ..self.fact_of_work(key, work, at)
        }
    }
}

impl Incoming<'_> {
    /// What it says of itself.
    pub(super) fn said(&self) -> &MailFacts {
        self.said.0.get_or_init(|| anonymize::facts(&self.bytes))
    }
}

fn word(country: crate::geo::Country) -> Cow<'static, str> {
    country.to_string().into()
}

/// The version of TLS in `version and cipher suite`, such as `TLSv1.3`.
fn version(tls: &str) -> Option<Cow<'static, str>> {
    tls.split_whitespace().next().map(|version| version.replace('_', ".").into())
}

/// The order number of a message's conversation, where that has one and is still there.
fn order_of(key: &DataKey, work: &Work) -> Option<String> {
    let (conversation, label) = work.conversation_id.zip(work.label.as_ref())?;
    let plain = key.open(super::conversation::label_place(conversation), label).ok()?;
    String::from_utf8(plain.to_vec()).ok()
}

fn order(numbers: &Numbers, order_no: &str) -> Option<i64> {
    (!order_no.is_empty()).then(|| numbers.of(Numbered::OrderNo(order_no))).flatten()
}

fn domain_of(numbers: &Numbers, address: &RealAddress) -> Option<i64> {
    numbers.of(Numbered::Domain(&senders::registrable(address.reveal_domain())))
}

fn described(numbers: &Numbers, file: &anonymize::FileFacts) -> NewFile {
    NewFile {
        hash_k: numbers.of(Numbered::File(&file.digest)),
        kind: file.extension,
        declared: Some(file.declared),
        found: file.found,
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
        is_encrypted: file.is_encrypted,
    }
}

/// From where a store does what it does.
fn usual_place(numbers: &Numbers, fact: &NewFact, ip: IpAddr) -> Vec<Usual> {
    let plain = |what, value: Option<String>| value.map(|value| Usual { what, value, before: None });
    let country = plain("country", fact.country.as_deref().map(str::to_owned));
    let asn = plain("asn", fact.asn.map(|asn| asn.to_string()));
    let net = numbers.usual("net", fact.net_k, Numbered::Net(ip));
    country.into_iter().chain(asn).chain(net).collect()
}
