//! How often somebody may try: delay instead of lock-out, and a bound on what strangers make us write and send.
//!
//! Rules: an attempt to sign in counts as failed from before it is checked until it was right. It is counted against the account from its
//! network, and against the network: beyond these nothing is checked for a while (429), which shuts nobody else out. Against the account
//! from everywhere it only delays, since a stranger could else lock a store out; who waits for one account waits in turn, on one of a few
//! places of the account and of the network, and what found no place is not counted. A browser from which the person signed in before
//! has a count of its own (OWASP's device cookie), so neighbours and strangers don't hold its owner up. The counts are of this process.
//! Subjects are hashed under a key of the process, in tables that do not grow (`ingress/table.rs`).
//! When it fails: never; a poisoned lock is taken over.

use crate::config::mask;
use crate::ingress::{Answer, Rate, Table, delay};
use crate::vault::Index;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Subjects that are remembered.
const SUBJECTS: usize = 16_384;
const QUARTER_HOUR: Duration = Duration::from_secs(15 * 60);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// Attempts at one account from one network, and from one browser that is known of it.
const OF_BOTH: u64 = 10;
const OF_DEVICE: u64 = 10;
/// Attempts from one network.
const OF_NETWORK: u64 = 60;
/// Attempts at one account from everywhere, after which each waits.
const OF_ACCOUNT: u64 = 100;
/// Sign-ins of one person an hour.
const OF_PERSON: u64 = 40;
/// Requests of a session a minute.
const OF_SESSION: u64 = 240;
/// Mails with a one-time password to one address a day.
const OF_ADDRESS: u64 = 3;
/// Changes of a store's people, of its credentials, and new credentials a day; of one's own password.
const OF_PEOPLE: u64 = 60;
const OF_CREDENTIALS: u64 = 60;
const OF_NEW_CREDENTIALS: u64 = 20;
const OF_PASSWORD: u64 = 10;
/// Changes of a store's registered addresses a day, each told to all of them, and codes to new ones.
const OF_SENDERS: u64 = 30;
const OF_CODES: u64 = 20;
/// Test mails of a store a day.
const OF_TESTS: u64 = 20;
/// Who says that he has forgotten ID or password: of all whose address is known and of a network an hour, of an address a day.
const OF_FORGOTTEN: u64 = 600;
const OF_FORGOTTEN_NETWORK: u64 = 20;
const OF_FORGOTTEN_ADDRESS: u64 = 10;
/// Beyond that, one of each network a day: who asks in another's name from a few networks keeps him from nothing.
const OF_FORGOTTEN_OTHERS: u64 = 10;
/// Codes that are typed in a network, right or wrong, a quarter of an hour.
const OF_TYPED_CODES: u64 = 30;
/// Longest wait before an attempt is checked.
const LONGEST: Duration = Duration::from_secs(4);
/// Longest time that attempts at one account wait in turn.
const TURNS: Duration = Duration::from_secs(32);
/// Attempts that wait at once: of all, and of one network.
const WAITING: u32 = 256;
const WAITING_OF_NETWORK: u32 = 4;
/// Beyond what is recorded one by one: records of refused sign-ins at one store a minute.
const OF_STORE: u64 = 10;
/// Accounts of which it is remembered how much was left out.
const LEFT_OUT: usize = 4096;
/// Files of the history that are made at once.
const FILES: usize = 2;

/// What is counted in this process.
pub(in crate::web) struct Guard {
    table: Mutex<Table>,
    began: Instant,
    waiting: Mutex<HashMap<IpAddr, u32>>,
    left_out: AtomicU64,
    left_out_of: Mutex<HashMap<u64, u64>>,
    /// Records of strangers a minute: of all, and of one network.
    records: [Rate; 2],
    files: Semaphore,
}

/// Whether there is room for a record.
pub(super) enum Room {
    For {
        left_out: u64,
    },
    /// If the store exists: its people are to see it.
    OfStore {
        left_out: u64,
    },
    None,
}

/// What was taken; it counts until it is given back.
pub(super) struct Attempting {
    keys: Vec<(u64, Rate)>,
    taken_at: u64,
}

/// What is sent or made for somebody who is signed in.
#[derive(Clone, Copy)]
pub(super) enum Budget<'a> {
    People(i64),
    /// A one-time password to this address.
    Password(i64, &'a str),
    Credentials(i64),
    NewCredential(i64),
    OwnPassword(i64),
    Senders(i64),
    /// A code to an address that is to be registered.
    Code(i64, &'a str),
    Test(i64),
    /// What this address has forgotten, for somebody there; `None`: it is no address.
    Forgotten(Option<&'a Index>, IpAddr),
    /// Mail about it, to an address that is known.
    ForgottenMail,
    /// A code from there that may be none.
    TypedCode(IpAddr),
}

/// A place of somebody who waits.
struct Waits<'a>(&'a Guard, IpAddr);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.1) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                waiting.remove(&self.1);
            }
        }
    }
}

impl Guard {
    /// `records`: those of strangers that are kept a minute; a tenth for a network.
    pub fn new(records: u32) -> Self {
        let all = u64::from(records);
        Self {
            table: Mutex::new(Table::new(SUBJECTS)),
            began: Instant::now(),
            waiting: Mutex::default(),
            left_out: AtomicU64::new(0),
            left_out_of: Mutex::default(),
            records: [Rate::new(all, MINUTE), Rate::new(all.div_ceil(10), MINUTE)],
            files: Semaphore::new(FILES),
        }
    }

    /// Asks to check an attempt of a browser that is not known, and waits as long as it has to.
    ///
    /// # Errors
    /// When nothing is checked for a while: how long.
    pub(super) async fn attempt(&self, account: &str, ip: IpAddr) -> Result<Attempting, Duration> {
        self.attempt_from(account, None, ip).await
    }

    /// The same of a browser, or a session, that is known of the account: it waits for nobody while it has not failed too often itself.
    ///
    /// # Errors
    /// When nothing is checked for a while: how long.
    pub(super) async fn attempt_from(
        &self,
        account: &str,
        known: Option<&str>,
        ip: IpAddr,
    ) -> Result<Attempting, Duration> {
        if let Some(known) = known
            && let Some(attempting) =
                self.take(&[format!("known {account} {known}")], &[Rate::new(OF_DEVICE, QUARTER_HOUR)])
        {
            return Ok(attempting);
        }
        let network = network(ip);
        let (attempting, place, wait) = {
            let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.now();
            let asked = [
                (table.key(("both", account, network)), Rate::new(OF_BOTH, QUARTER_HOUR)),
                (table.key(("network", network)), Rate::new(OF_NETWORK, QUARTER_HOUR)),
                (table.key(("account", account)), Rate::new(OF_ACCOUNT, QUARTER_HOUR)),
            ];
            let mut wait = Duration::ZERO;
            let (mut taken, mut keys) = (Vec::new(), Vec::new());
            for (at, (key, rate)) in asked.into_iter().enumerate() {
                match rate.ask(table.paid_until(key), now, 1) {
                    Answer::Taken { paid_until, used } => {
                        wait = wait.max(delay(used, LONGEST));
                        taken.push((key, paid_until));
                        keys.push((key, rate));
                    }
                    // The account's own only delays.
                    Answer::Wait { .. } if at == 2 => wait = LONGEST,
                    Answer::Wait { ms } => return Err(Duration::from_millis(ms)),
                }
            }
            let mut place = None;
            if !wait.is_zero() {
                // In turn: many at once are checked no faster than one after the other.
                let key = table.key(("turn", account));
                let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                let turn = table.paid_until(key).max(now).saturating_add(ms(wait));
                if turn - now > ms(TURNS) {
                    return Err(LONGEST);
                }
                place = Some(self.place(ip).ok_or(LONGEST)?);
                wait = Duration::from_millis(turn - now);
                taken.push((key, turn));
            }
            for (key, paid_until) in taken {
                table.set(key, paid_until, now);
            }
            (Attempting { keys, taken_at: now }, place, wait)
        };
        if place.is_some() {
            tokio::time::sleep(wait).await;
        }
        Ok(attempting)
    }

    /// A place to wait.
    fn place(&self, ip: IpAddr) -> Option<Waits<'_>> {
        let wide = wide_network(ip);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.values().sum::<u32>() >= WAITING {
            return None;
        }
        let count = waiting.entry(wide).or_default();
        if *count >= WAITING_OF_NETWORK {
            return None;
        }
        *count += 1;
        Some(Waits(self, wide))
    }

    /// Whether a person may sign in once more, having done so as often as people do.
    ///
    /// # Errors
    /// How long not.
    pub(super) fn may_sign_in(&self, account: &str) -> Result<(), Duration> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let key = table.key(("in", account));
        match Rate::new(OF_PERSON, HOUR).ask(table.paid_until(key), self.now(), 1) {
            Answer::Taken { .. } => Ok(()),
            Answer::Wait { ms } => Err(Duration::from_millis(ms)),
        }
    }

    /// It was right, and somebody is in.
    pub(super) fn succeeded(&self, attempting: &Attempting, account: &str) {
        self.forgive(attempting);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, now) = (table.key(("in", account)), self.now());
        let paid_until = Rate::new(OF_PERSON, HOUR).charge(table.paid_until(key), now, 1);
        table.set(key, paid_until, now);
    }

    /// It was right, or could not be checked: it does not count.
    pub(super) fn forgive(&self, attempting: &Attempting) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        for (key, rate) in &attempting.keys {
            let paid_until = rate.give_back(table.paid_until(*key), attempting.taken_at, now, 1);
            table.set(*key, paid_until, now);
        }
    }

    /// Takes an answer of a login elsewhere, for which a provider is asked; `None`: there was enough of them from this network. Those that were right
    /// are given back.
    pub(super) fn outer(&self, ip: IpAddr) -> Option<Attempting> {
        self.take(&[("outer", network(ip))], &[Rate::new(OF_NETWORK, QUARTER_HOUR)])
    }

    /// Takes what a change sends or makes; `None`: there was enough of it for today.
    pub(super) fn spend(&self, budget: Budget<'_>) -> Option<Attempting> {
        let day = |amount| Rate::new(amount, DAY);
        let (people, credentials) =
            (|store: i64| format!("people {store}"), |store: i64| format!("credentials {store}"));
        match budget {
            Budget::People(store) => self.take(&[people(store)], &[day(OF_PEOPLE)]),
            Budget::Password(store, address) => {
                let to = format!("to {}", address.trim().to_lowercase());
                self.take(&[people(store), to], &[day(OF_PEOPLE), day(OF_ADDRESS)])
            }
            Budget::Credentials(store) => self.take(&[credentials(store)], &[day(OF_CREDENTIALS)]),
            Budget::NewCredential(store) => {
                let new = format!("new credential {store}");
                self.take(&[credentials(store), new], &[day(OF_CREDENTIALS), day(OF_NEW_CREDENTIALS)])
            }
            Budget::Senders(store) => self.take(&[format!("senders {store}")], &[day(OF_SENDERS)]),
            Budget::Test(store) => self.take(&[format!("test {store}")], &[day(OF_TESTS)]),
            Budget::Code(store, address) => {
                let to = format!("to {}", address.trim().to_lowercase());
                self.take(&[format!("codes {store}"), to], &[day(OF_CODES), day(OF_ADDRESS)])
            }
            Budget::Forgotten(address, ip) => {
                let (network, hour) = (wide_network(ip), |amount| Rate::new(amount, HOUR));
                let of_network = format!("forgotten at {network}");
                let Some(address) = address else {
                    return self.take(&[of_network], &[hour(OF_FORGOTTEN_NETWORK)]);
                };
                // However it is spelled: the index is of the mailbox.
                let address = data_encoding::HEXLOWER.encode(address.as_bytes());
                let (at, first) =
                    (format!("forgotten {address} at {network}"), format!("first {address} at {network}"));
                let rates = [hour(OF_FORGOTTEN_NETWORK), hour(OF_ADDRESS), day(OF_FORGOTTEN_ADDRESS)];
                let usual = self.take(&[of_network.as_str(), &at, &format!("forgotten {address}")], &rates);
                if usual.is_some() {
                    return usual;
                }
                let rates = [hour(OF_FORGOTTEN_NETWORK), hour(OF_ADDRESS), day(1), day(OF_FORGOTTEN_OTHERS)];
                let others = format!("others {address}");
                self.take(&[of_network.as_str(), &at, &first, &others], &rates)
            }
            Budget::ForgottenMail => self.take(&["forgotten"], &[Rate::new(OF_FORGOTTEN, HOUR)]),
            Budget::TypedCode(ip) => {
                self.take(&[format!("code at {}", network(ip))], &[Rate::new(OF_TYPED_CODES, QUARTER_HOUR)])
            }
            Budget::OwnPassword(person) => self.take(&[format!("password {person}")], &[day(OF_PASSWORD)]),
        }
    }

    /// A place to make a file of the history.
    pub(super) fn file(&self) -> Option<SemaphorePermit<'_>> {
        self.files.try_acquire().ok()
    }

    /// Whether a session asks for more than a person does.
    pub(super) fn is_too_fast(&self, session: i64) -> bool {
        self.take(&[("session", session)], &[Rate::new(OF_SESSION, MINUTE)]).is_none()
    }

    /// Whether what a stranger looked at is recorded by itself. What is left out stands in the next record.
    pub(super) fn room_for_record(&self, ip: IpAddr) -> Room {
        let network = format!("record {}", network(ip));
        if self.take(&["record", network.as_str()], &self.records).is_some() {
            return Room::For { left_out: self.left_out.swap(0, Ordering::Relaxed) };
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        Room::None
    }

    /// The same of a sign-in that was refused, apart from pages: who fetches many hides no guess. Beyond that room, some a minute of each
    /// store are, with the count of what was left out since the last of the account.
    pub(super) fn room_for_refusal(&self, account: &str, ip: IpAddr) -> Room {
        let network = network(ip);
        let of_network = format!("refusal {network}");
        if self.take(&["refusal", of_network.as_str()], &self.records).is_some() {
            return Room::For { left_out: self.left_out_of(account) };
        }
        let store = account.split_once('/').map_or(account, |(store, _)| store);
        let once = [format!("refused at {account} {network}"), format!("refused at {store}")];
        if self.take(&once, &[Rate::new(1, MINUTE), Rate::new(OF_STORE, MINUTE)]).is_some() {
            return Room::OfStore { left_out: self.left_out_of(account) };
        }
        self.leave_out(Some(account), 1);
        Room::None
    }

    /// Counts what was not recorded, for the next record: of the account, or of anybody.
    pub(super) fn leave_out(&self, account: Option<&str>, count: u64) {
        if let Some(account) = account {
            let key = self.table.lock().unwrap_or_else(PoisonError::into_inner).key(("left out", account));
            let mut of = self.left_out_of.lock().unwrap_or_else(PoisonError::into_inner);
            if of.len() < LEFT_OUT || of.contains_key(&key) {
                *of.entry(key).or_default() += count;
                return;
            }
        }
        self.left_out.fetch_add(count, Ordering::Relaxed);
    }

    fn left_out_of(&self, account: &str) -> u64 {
        let key = self.table.lock().unwrap_or_else(PoisonError::into_inner).key(("left out", account));
        self.left_out_of.lock().unwrap_or_else(PoisonError::into_inner).remove(&key).unwrap_or(0)
    }

    /// Takes one of each, or none.
    fn take(&self, subjects: &[impl std::hash::Hash], rates: &[Rate]) -> Option<Attempting> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, mut taken, mut keys) = (self.now(), Vec::new(), Vec::new());
        for (subject, rate) in subjects.iter().zip(rates) {
            let key = table.key(subject);
            match rate.ask(table.paid_until(key), now, 1) {
                Answer::Taken { paid_until, .. } => taken.push((key, paid_until)),
                Answer::Wait { .. } => return None,
            }
            keys.push((key, *rate));
        }
        for (key, paid_until) in taken {
            table.set(key, paid_until, now);
        }
        Some(Attempting { keys, taken_at: now })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// An IPv4 /24 or an IPv6 /56.
fn network(ip: IpAddr) -> IpAddr {
    let ip = ip.to_canonical();
    mask(ip, if ip.is_ipv4() { 24 } else { 56 })
}

/// An IPv4 /24 or an IPv6 /48, which a subscriber may have.
fn wide_network(ip: IpAddr) -> IpAddr {
    let ip = ip.to_canonical();
    mask(ip, if ip.is_ipv4() { 24 } else { 48 })
}

#[cfg(test)]
mod tests;
