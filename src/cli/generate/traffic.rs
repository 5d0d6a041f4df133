//! What happens, in the order in which it happens: orders and inquiries open, both sides write, deliveries are tried, stores log in,
//! strangers knock.
//!
//! Rules: everything goes through [`Past`], so through the code that records real traffic. What would be over its retention by the
//! end of the span is not made: header blocks, and what was refused.
//! When it fails: [`RelayFault`], and nothing of the batch under way is kept.

use super::chance::Chance;
use super::letter::{File, Letter};
use super::truth::Truth;
use super::world::World;
use crate::mail::{Domain, RealAddress, Timestamp};
use crate::relay::{
    AttemptResult, Conversation, Login, Past, PastMail, PastMessage, Peer, Refusal, RelayFault, Verdict,
};
use crate::senders::{
    Arc, Checked, Dkim, DkimFound, Dmarc, Findings, Identity, Iprev, Mode, Spf, SpfFound, Wish,
};
use crate::store::{Doubt, NewConversation, NewRecord};
use crate::vault::Side;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;

pub(super) const MINUTE: i64 = 60_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;
/// One of so many accepted mails is told beside the truth, so that questions have something to ask for.
const SAMPLED: u64 = 2000;

/// How a mail differs from what its writer usually sends.
#[derive(Default, Clone)]
pub(super) struct Twist {
    pub peer: Option<Peer>,
    pub mailer: Option<&'static str>,
    pub zone: Option<i32>,
    pub name: Option<String>,
    pub from: Option<String>,
    pub reply_to: Option<String>,
    pub answers: Option<String>,
    pub file: Option<File>,
    /// How far its Date is off.
    pub skew: i64,
    pub is_forged: bool,
    pub is_automatic: bool,
    /// What the next hop says.
    pub fails: bool,
}

/// A conversation under way.
pub(super) struct Thread {
    conversation: Conversation,
    store: usize,
    customer: u64,
    /// What each side was last sent, by the id that it saw: the customer, the store.
    seen: RefCell<[Option<String>; 2]>,
}

/// Something that happens.
pub(super) enum Deed {
    Begin { store: usize, customer: u64, is_inquiry: bool, mails: Vec<(i64, Side)>, twist: Twist },
    Mail { thread: Rc<Thread>, writer: Side, twist: Twist, goes_on: bool },
    Attempt { thread: Rc<Thread>, message: PastMessage, number: i64, fails: bool },
    Login { store: usize, peer: Peer, is_good: bool },
    Stray { store: Option<usize>, sender: String, to: String, refusal: Refusal, peer: Peer },
}

struct Due {
    at: i64,
    number: u64,
    plant: Option<usize>,
    deed: Deed,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    /// The earliest is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// From when on what is still kept at the end of the span.
pub(super) struct Kept {
    pub until: i64,
    pub headers_from: i64,
    pub refused_from: i64,
}

/// All that goes on.
pub(super) struct Traffic {
    pub world: World,
    pub stores: Vec<Login>,
    pub chance: Chance,
    pub truth: Truth,
    past: Past,
    kept: Kept,
    due: BinaryHeap<Due>,
    number: u64,
    accepted: u64,
    pub conversations: Vec<NewConversation>,
    pub records: Vec<NewRecord>,
}

impl Traffic {
    pub fn new(
        world: World,
        stores: Vec<Login>,
        chance: Chance,
        truth: Truth,
        past: Past,
        kept: Kept,
    ) -> Self {
        let (conversations, records, due) = (Vec::new(), Vec::new(), BinaryHeap::new());
        let (number, accepted) = (0, 0);
        Self { world, stores, chance, truth, past, kept, due, number, accepted, conversations, records }
    }

    /// Has something happen, for a plant where it is one's.
    pub fn will(&mut self, at: i64, plant: Option<usize>, deed: Deed) {
        if at < self.kept.until {
            self.number += 1;
            self.truth.expects(plant);
            self.due.push(Due { at, number: self.number, plant, deed });
        }
    }

    /// Through what it is recorded.
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<i64> {
        self.due.peek().map(|due| due.at)
    }

    /// Lets the next thing happen.
    pub fn step(&mut self) -> Result<(), RelayFault> {
        let Some(Due { at, plant, deed, .. }) = self.due.pop() else { return Ok(()) };
        let time = Timestamp::from_millis(at);
        match deed {
            Deed::Begin { store, customer, is_inquiry, mails, twist } => {
                self.begin(at, plant, (store, customer, is_inquiry), &mails, &twist)?;
            }
            Deed::Mail { thread, writer, twist, goes_on } => {
                self.mail(at, plant, thread, (writer, goes_on), &twist)?;
            }
            Deed::Attempt { thread, message, number, fails } => {
                self.attempt(at, plant, thread, message, number, fails);
            }
            Deed::Login { store, peer, is_good } => {
                if let Some(login) = self.stores.get(store) {
                    self.records.push(match is_good {
                        true => self.past.login(login, &peer, time),
                        false => self.past.refused_login(login, &peer, time),
                    });
                }
            }
            Deed::Stray { store, sender, to, refusal, peer } if at >= self.kept.refused_from => {
                let login = store.and_then(|store| self.stores.get(store));
                let (Ok(sender), Ok(to)) = (RealAddress::parse(&sender), RealAddress::parse(&to)) else {
                    return Ok(());
                };
                let record = self.past.refused_recipient(login, &sender, &to, &refusal, &peer, time);
                self.records.push(record);
            }
            Deed::Stray { .. } => {}
        }
        self.truth.happened(plant, at)
    }

    fn begin(
        &mut self,
        at: i64,
        plant: Option<usize>,
        (store, customer, is_inquiry): (usize, u64, bool),
        mails: &[(i64, Side)],
        twist: &Twist,
    ) -> Result<(), RelayFault> {
        let Some(login) = self.stores.get(store) else { return Ok(()) };
        let order_no = match is_inquiry {
            true => String::new(),
            false => format!("{}-{:07}", at / DAY, self.number % 10_000_000),
        };
        let address = self.world.address(customer);
        let (new, conversation) =
            self.past.conversation(login, &order_no, &address, Timestamp::from_millis(at))?;
        self.conversations.push(new);
        self.truth.of_order(plant, &login.merchant.store_id, &order_no);
        let thread = Rc::new(Thread { conversation, store, customer, seen: RefCell::default() });
        for (after, writer) in mails {
            let deed = Deed::Mail {
                thread: thread.clone(),
                writer: *writer,
                twist: twist.clone(),
                goes_on: plant.is_none(),
            };
            self.will(at + after, plant, deed);
        }
        Ok(())
    }

    fn mail(
        &mut self,
        at: i64,
        plant: Option<usize>,
        thread: Rc<Thread>,
        (writer, goes_on): (Side, bool),
        twist: &Twist,
    ) -> Result<(), RelayFault> {
        let Thread { conversation, store, customer, .. } = &*thread;
        let (store, customer, is_customers) = (*store, *customer, writer == Side::Customer);
        let (usual, home) = match is_customers {
            true => self.world.peer_of_customer(customer, &mut self.chance),
            false => (self.world.peer_of_store(store, &mut self.chance), None),
        };
        let peer = twist.peer.clone().unwrap_or(usual);
        let (Some(shop), Some(login)) = (self.world.shops.get(store), self.stores.get(store)) else {
            return Ok(());
        };
        let address = if is_customers { self.world.address(customer) } else { shop.address.clone() };
        let number = self.chance.next();
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain).to_owned();
        let id = format!("<{number:016x}.{at:x}@{domain}>");
        let answers = thread.seen.borrow().get(usize::from(!is_customers)).cloned().flatten();
        let usual_file = self.chance.per_mille(if is_customers { 90 } else { 25 }).then_some(File {
            name: if is_customers { "photo.jpg" } else { "guide.pdf" },
            kind: if is_customers { "image/jpeg" } else { "application/pdf" },
            begins: if is_customers { "\u{ff}" } else { "%PDF-1.7" },
            // A store sends the same paper to all.
            number: if is_customers { number } else { store as u64 },
        });
        let mut path = vec![(peer.helo.clone(), Some(peer.ip))];
        if is_customers {
            path.push((format!("client.{domain}"), home));
        }
        let to = conversation.alias(writer.other()).to_string();
        let letter = Letter {
            from: twist.from.as_deref().unwrap_or(&address),
            from_name: twist.name.as_deref().unwrap_or(if is_customers { "Customer" } else { &shop.name }),
            to: &to,
            reply_to: twist.reply_to.as_deref(),
            subject: "=?utf-8?B?44GU5rOo5paH44Gr44Gk44GE44Gm?=",
            id: &id,
            answers: twist.answers.as_deref().or(answers.as_deref()),
            mailer: twist.mailer.unwrap_or(if is_customers {
                self.world.reader(customer)
            } else {
                shop.mailer
            }),
            path,
            written_at: at - 1500 - twist.skew,
            zone: twist.zone.unwrap_or(540),
            lines: 2 + number % 14,
            file: twist.file.clone().or(usual_file),
            is_automatic: twist.is_automatic,
        };
        let bytes = letter.to_bytes();
        let Ok(sender) = RealAddress::parse(&address) else { return Ok(()) };
        let found = is_customers.then(|| found(&domain, !twist.is_forged));
        self.accepted += 1;
        let facts = (self.accepted % SAMPLED == 1).then(|| crate::anonymize::facts(&bytes));
        let mail = PastMail {
            conversation,
            store: login,
            writer,
            sender: &sender,
            peer: &peer,
            bytes,
            found,
            keeps_headers: at >= self.kept.headers_from,
            is_automatic: twist.is_automatic,
            answers_unknown: twist.answers.is_some(),
        };
        let (record, message) = self.past.taken(mail, Timestamp::from_millis(at))?;
        self.records.push(record);
        self.truth.of_message(plant, &message.queue_id());
        if let Some(facts) = facts {
            let order = (login.merchant.store_id.as_str(), conversation.order_no.as_str());
            let people = (address.as_str(), self.world.address(customer));
            self.truth.sample(at, order, (people.0, &people.1), (&message.queue_id(), &to), &peer, &facts)?;
        }
        if let Some(seen) = thread.seen.borrow_mut().get_mut(usize::from(is_customers)) {
            *seen = Some(message.sent_id.clone());
        }
        if goes_on {
            self.go_on(at, &thread, writer);
        }
        let (after, fails) = (300 + self.chance.ms(3500), twist.fails || self.chance.per_mille(4));
        self.will(at + after, plant, Deed::Attempt { thread, message, number: 1, fails });
        Ok(())
    }

    /// What a mail leads to.
    fn go_on(&mut self, at: i64, thread: &Rc<Thread>, writer: Side) {
        let (answers, within) = match writer {
            Side::Customer => (850, 12 * HOUR),
            Side::Merchant => (95, 60 * HOUR),
        };
        if self.chance.per_mille(answers) {
            let after = 5 * MINUTE + self.chance.ms(within);
            let deed = Deed::Mail {
                thread: thread.clone(),
                writer: writer.other(),
                twist: Twist::default(),
                goes_on: true,
            };
            self.will(at + after, None, deed);
        }
        if writer == Side::Merchant && self.chance.per_mille(250) {
            let (store, time) = (thread.store, Timestamp::from_millis(at));
            let peer = self.world.peer_of_store(store, &mut self.chance);
            if let Some(login) = self.stores.get(store) {
                self.records.push(self.past.login(login, &peer, time));
            }
        }
    }

    fn attempt(
        &mut self,
        at: i64,
        plant: Option<usize>,
        thread: Rc<Thread>,
        message: PastMessage,
        number: i64,
        fails: bool,
    ) {
        let defers = !fails && number < 4 && self.chance.per_mille(22);
        let (verdict, status) = match (fails, defers) {
            (true, _) => (Verdict::Failed, "550 5.1.1"),
            (_, true) => (Verdict::Deferred, "451 4.2.0"),
            _ => (Verdict::Delivered, "250 2.0.0"),
        };
        let next_hop = match message.goes_to_customer() {
            true => self.world.next_hop(thread.customer, &mut self.chance),
            false => self.world.store_hop(thread.store),
        };
        let detail = serde_json::json!({
            "attempt": number, "status": status, "phase": "data", "next_hop": next_hop,
            "tls": "TLSv1_3 TLS13_AES_256_GCM_SHA384", "tls_failure": null, "remote": "2.0.0 Ok: queued",
            "reused": number % 2 == 0, "ambiguous": false,
        });
        let retry_at = defers.then(|| Timestamp::from_millis(at + 5 * MINUTE + self.chance.ms(10 * MINUTE)));
        let result = AttemptResult {
            verdict,
            status: status.to_owned(),
            retry_at,
            was_tried: true,
            doubt: Doubt::Clear,
            is_time_sure: true,
            detail,
        };
        let time = Timestamp::from_millis(at);
        self.records.push(self.past.attempt(&thread.conversation, &message, &result, time));
        if let Some(again) = retry_at {
            let deed = Deed::Attempt { thread, message, number: number + 1, fails };
            self.will(again.as_millis(), plant, deed);
        }
    }
}

/// What the checks of a sender find, where all is well or nothing is.
fn found(domain: &str, is_good: bool) -> Findings {
    let domain = Domain::parse(domain).ok();
    let dkim = if is_good { Dkim::Pass } else { Dkim::Fail };
    Findings::Checked(Checked {
        author: domain.clone(),
        spf: SpfFound {
            result: if is_good { Spf::Pass } else { Spf::Fail },
            identity: Identity::MailFrom,
            domain: domain.clone(),
        },
        dkim: vec![DkimFound { result: dkim, domain, selector: "s1".into() }],
        arc: Arc::None,
        dmarc: Dmarc::Known { wish: Wish::None, spf: Mode::Relaxed, dkim: Mode::Relaxed },
        iprev: if is_good { Iprev::Pass } else { Iprev::Fail },
    })
}
