//! Who may do what how often: subjects and measures of `[limits]`, kept in one bounded [`Table`] for the process.
//!
//! Rules: what an exempt network does is not counted at all. A request is taken from all its subjects or from none. What
//! is refused costs nothing, so that whoever waits as told is served. Subjects are hashed with a key of the process.
//! When it fails: never; a poisoned lock is taken over, its numbers are good after any panic.

use super::logins::Logins;
use super::rate::{self, Answer, Rate};
use super::table::Table;
use crate::config::{DoorLimits, Network, RateLimit, mask};
use crate::mail::RealAddress;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Measure {
    Connections,
    LoginFailures,
    UnknownRecipients,
    Recipients,
    Messages,
    Octets,
    Records,
}

/// Of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// An IPv4 address or an IPv6 /64.
    Ip(IpAddr),
    /// An IPv4 /24 or an IPv6 /56.
    Network(IpAddr),
    Credential(i64),
    Store(i64),
    /// A reverse-path, hashed.
    Sender(u64),
    /// A conversation's alias that is written to, or a store's public one, by whoever is proven.
    Alias(i64),
    /// The same from one network, proven or not.
    AliasFrom(i64, IpAddr),
    /// This process.
    All,
}

/// A limit was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limited {
    pub what: Measure,
    pub whose: Subject,
    pub wait: Duration,
}

/// All counts of the process.
pub(super) struct Limiter {
    limits: DoorLimits,
    table: Mutex<Table>,
    began: Instant,
    delays: Arc<Semaphore>,
    pub logins: Logins,
    /// Records that were left out since the last one of that.
    pub left_out: AtomicU64,
}

impl Limiter {
    pub fn new(limits: &DoorLimits) -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::new(Table::new(limits.subjects as usize)),
            began: Instant::now(),
            delays: Arc::new(Semaphore::new(limits.delayed_sessions as usize)),
            logins: Logins::default(),
            left_out: AtomicU64::new(0),
            limits: limits.clone(),
        })
    }

    /// Whether nobody counts what this peer does.
    pub fn is_exempt(&self, ip: IpAddr) -> bool {
        self.limits.exempt.iter().any(|network: &Network| network.contains(ip))
    }

    /// The subject of a reverse-path that comes from a network; the same for all spellings of its domain and letters.
    pub fn sender(&self, sender: &RealAddress, network: Option<IpAddr>) -> Subject {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        Subject::Sender(table.key((sender.reveal().to_ascii_lowercase(), network)))
    }

    /// Takes `cost` from every subject, or from none. How much of the nearest limit is used now, in thousandths.
    ///
    /// # Errors
    /// The limit that has to be waited for longest.
    pub fn take(&self, what: Measure, subjects: &[Subject], cost: u64) -> Result<u16, Limited> {
        let now = self.now();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let (used, taken) = self.ask(&table, now, what, subjects, cost)?;
        for (key, paid_until) in taken {
            table.set(key, paid_until, now);
        }
        Ok(used)
    }

    /// As [`take`](Self::take) of one, but nothing is taken.
    ///
    /// # Errors
    /// The limit that has to be waited for longest.
    pub fn look(&self, what: Measure, subjects: &[Subject]) -> Result<u16, Limited> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        self.ask(&table, self.now(), what, subjects, 1).map(|(used, _)| used)
    }

    /// Charges what was used already; [`look`](Self::look) says later that it is too much.
    pub fn charge(&self, what: Measure, subjects: &[Subject], cost: u64) {
        let now = self.now();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for subject in subjects {
            let Some(rate) = self.rate(what, *subject) else { continue };
            let key = table.key((what, *subject));
            let paid_until = rate.charge(table.paid_until(key), now, cost);
            table.set(key, paid_until, now);
        }
    }

    /// Takes as [`take`](Self::take) does, until it is given back.
    ///
    /// # Errors
    /// The limit that has to be waited for longest.
    pub fn borrow(self: &Arc<Self>, what: Measure, subjects: &[Subject]) -> Result<Loan, Limited> {
        self.take(what, subjects, 1)?;
        Ok(Loan { limiter: self.clone(), what, subjects: subjects.to_vec(), taken_at: self.now() })
    }

    /// Waits as long as the use of a limit asks for, if there is a place among those that wait.
    pub async fn delay(&self, used: u16) {
        let delay = rate::delay(used, self.limits.longest_delay);
        if !delay.is_zero()
            && let Ok(_place) = self.delays.try_acquire()
        {
            tokio::time::sleep(delay).await;
        }
    }

    fn ask(
        &self,
        table: &Table,
        now: u64,
        what: Measure,
        subjects: &[Subject],
        cost: u64,
    ) -> Result<(u16, Vec<(u64, u64)>), Limited> {
        let (mut most, mut taken, mut refused) = (0, Vec::with_capacity(subjects.len()), None::<Limited>);
        for subject in subjects {
            let Some(rate) = self.rate(what, *subject) else { continue };
            let key = table.key((what, *subject));
            match rate.ask(table.paid_until(key), now, cost) {
                Answer::Taken { paid_until, used } => {
                    most = most.max(used);
                    taken.push((key, paid_until));
                }
                Answer::Wait { ms } => {
                    let wait = Duration::from_millis(ms);
                    if refused.is_none_or(|refused| refused.wait < wait) {
                        refused = Some(Limited { what, whose: *subject, wait });
                    }
                }
            }
        }
        refused.map_or(Ok((most, taken)), Err)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn rate(&self, what: Measure, subject: Subject) -> Option<Rate> {
        let limits = &self.limits;
        let mail = |rates: &crate::config::MailRates| match what {
            Measure::Recipients => rates.recipients,
            Measure::Messages => rates.messages,
            Measure::Octets => rates.octets,
            _ => None,
        };
        let peer = |rates: &crate::config::PeerRates| match what {
            Measure::Connections => rates.connections,
            Measure::LoginFailures => rates.login_failures,
            Measure::UnknownRecipients => rates.unknown_recipients,
            Measure::Recipients => rates.recipients,
            Measure::Messages => rates.messages,
            Measure::Octets => rates.octets,
            Measure::Records => None,
        };
        let minute = Duration::from_secs(60);
        let records = u64::from(limits.records_per_minute);
        match (subject, what) {
            (Subject::All, Measure::Records) => return Some(Rate::new(records, minute)),
            (Subject::Network(_), Measure::Records) => return Some(Rate::new(records.div_ceil(10), minute)),
            _ => {}
        }
        let found: Option<RateLimit> = match subject {
            Subject::Ip(_) => peer(&limits.ip),
            Subject::Network(_) => peer(&limits.network),
            Subject::Credential(_) => mail(&limits.credential),
            Subject::Store(_) => mail(&limits.store),
            Subject::Sender(_) => mail(&limits.sender),
            Subject::Alias(_) | Subject::AliasFrom(..) => match what {
                Measure::Messages => limits.alias.messages,
                Measure::Octets => limits.alias.octets,
                _ => None,
            },
            Subject::All => None,
        };
        found.map(|rate| Rate::new(rate.amount, rate.window))
    }
}

/// One of a measure that was taken before it is known whether it counts.
pub(super) struct Loan {
    limiter: Arc<Limiter>,
    what: Measure,
    subjects: Vec<Subject>,
    taken_at: u64,
}

impl Loan {
    /// It does not count.
    pub fn give_back(self) {
        let now = self.limiter.now();
        let mut table = self.limiter.table.lock().unwrap_or_else(PoisonError::into_inner);
        for subject in self.subjects {
            let Some(rate) = self.limiter.rate(self.what, subject) else { continue };
            let key = table.key((self.what, subject));
            let paid_until = rate.give_back(table.paid_until(key), self.taken_at, now, 1);
            table.set(key, paid_until, now);
        }
    }
}

impl Subject {
    /// Address and network of a peer.
    pub fn of_peer(ip: IpAddr) -> [Self; 2] {
        let ip = ip.to_canonical();
        let (own, around) = if ip.is_ipv4() { (32, 24) } else { (64, 56) };
        [Subject::Ip(mask(ip, own)), Subject::Network(mask(ip, around))]
    }

    /// The word for log and record: the kind, never the name.
    pub fn kind(self) -> &'static str {
        match self {
            Subject::Ip(_) => "ip",
            Subject::Network(_) => "network",
            Subject::Credential(_) => "credential",
            Subject::Store(_) => "store",
            Subject::Sender(_) => "sender",
            Subject::Alias(_) | Subject::AliasFrom(..) => "alias",
            Subject::All => "all",
        }
    }
}

impl Measure {
    /// The word for log and record: the key in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Connections => "connections",
            Measure::LoginFailures => "login_failures",
            Measure::UnknownRecipients => "unknown_recipients",
            Measure::Recipients => "recipients",
            Measure::Messages => "messages",
            Measure::Octets => "octets",
            Measure::Records => "records",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    fn limiter(change: impl FnOnce(&mut DoorLimits)) -> Arc<Limiter> {
        let mut limits = Config::development(Path::new("nowhere")).unwrap().limits.door;
        change(&mut limits);
        Limiter::new(&limits)
    }

    fn per_hour(amount: u64) -> Option<RateLimit> {
        let mut rate = limiter(|_| ()).limits.ip.messages.unwrap();
        (rate.amount, rate.window) = (amount, Duration::from_secs(3600));
        Some(rate)
    }

    fn ip(text: &str) -> [Subject; 2] {
        Subject::of_peer(text.parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn neighbours_in_one_network_share_its_limit_and_strangers_do_not() {
        let limiter = limiter(|limits| {
            limits.ip.messages = per_hour(2);
            limits.network.messages = per_hour(3);
        });
        let take = |text| limiter.take(Measure::Messages, &ip(text), 1);
        assert!(take("192.0.2.1").is_ok() && take("192.0.2.1").is_ok());
        assert_eq!(take("192.0.2.1").unwrap_err().whose.kind(), "ip");
        assert!(take("192.0.2.2").is_ok());
        let limited = take("192.0.2.3").unwrap_err();
        assert_eq!((limited.whose.kind(), limited.wait), ("network", Duration::from_secs(1200)));
        assert!(take("192.0.3.3").is_ok());
        tokio::time::advance(limited.wait).await;
        assert!(take("192.0.2.3").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_for_one_subject_is_taken_from_no_other() {
        let limiter = limiter(|limits| {
            limits.credential.messages = per_hour(1);
            limits.store.messages = per_hour(10);
        });
        let subjects = |credential| [Subject::Credential(credential), Subject::Store(7)];
        assert!(limiter.take(Measure::Messages, &subjects(1), 1).is_ok());
        for _ in 0..100 {
            assert!(limiter.take(Measure::Messages, &subjects(1), 1).is_err());
        }
        for credential in 2..11 {
            assert!(limiter.take(Measure::Messages, &subjects(credential), 1).is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn octets_are_charged_afterwards_and_refuse_the_next() {
        let limiter = limiter(|limits| limits.ip.octets = per_hour(1000));
        let subjects = ip("2001:db8::1");
        assert!(limiter.look(Measure::Octets, &subjects).is_ok());
        limiter.charge(Measure::Octets, &subjects, 1000);
        assert!(limiter.look(Measure::Octets, &ip("2001:db8::ffff")).is_err());
        assert!(limiter.look(Measure::Octets, &ip("2001:db8:1::1")).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_sessions_wait_at_once() {
        let limiter = limiter(|limits| {
            limits.delayed_sessions = 1;
            limits.longest_delay = Duration::from_secs(8);
        });
        let begun = Instant::now();
        tokio::join!(
            async {
                limiter.delay(1000).await;
                assert_eq!(begun.elapsed(), Duration::from_secs(8));
            },
            async {
                limiter.delay(1000).await;
                assert_eq!(begun.elapsed(), Duration::ZERO);
            }
        );
    }

    #[test]
    fn loopback_is_exempt_in_development() {
        let limiter = limiter(|_| ());
        for (text, exempt) in
            [("127.0.0.1", true), ("::1", true), ("::ffff:127.0.0.9", true), ("192.0.2.1", false)]
        {
            assert_eq!(limiter.is_exempt(text.parse().unwrap()), exempt, "{text}");
        }
    }
}
