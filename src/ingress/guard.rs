//! The limits as one session meets them: asks the [`Limiter`] for the subjects of its peer, waits, and puts a refusal
//! into words that say when to come again.
//!
//! Rules: near a limit replies come later, beyond it they refuse. A peer of an exempt network is never asked about. An
//! unknown recipient never makes mail to a known one fail: who guesses waits, and then his session ends. What comes to
//! an alias is counted for the network it comes from, and against the alias itself only once its sender is proven, so that a
//! stranger who knows it shuts out nobody. What a stranger can make us record is bounded for his network and in all; what was left out is counted.
//! When it fails: never; a record that cannot be kept is a fault in the log.

use super::limiter::{Limited, Limiter, Measure, Subject};
use super::logins::{Attempt, Denied};
use crate::mail::RealAddress;
use crate::relay::{INSTALLATION, Login, Peer, Recipient, Relay};
use crate::smtp::Reply;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One session's view of the limits.
pub(super) struct Guard {
    limiter: Arc<Limiter>,
    /// Address and network; empty for an exempt peer.
    peer: Vec<Subject>,
    network: Subject,
    sender: Option<Subject>,
    /// The aliases that the message goes to.
    aliases: Vec<i64>,
}

impl Guard {
    pub fn new(limiter: Arc<Limiter>, ip: IpAddr) -> Self {
        let subjects = Subject::of_peer(ip);
        let [_, network] = subjects;
        let peer = if limiter.is_exempt(ip) { Vec::new() } else { subjects.to_vec() };
        Self { limiter, peer, network, sender: None, aliases: Vec::new() }
    }

    /// A new connection.
    ///
    /// # Errors
    /// Too many came; the connection is to be closed.
    pub fn connected(&self) -> Result<u16, Limited> {
        self.limiter.take(Measure::Connections, &self.peer, 1)
    }

    /// Waits as the use of a limit asks for.
    pub async fn delay(&self, used: u16) {
        self.limiter.delay(used).await;
    }

    /// Before a password is looked at: it counts as wrong until it was not, so that a thousand at once find out no more than
    /// one after the other, and waits for its network's turn.
    ///
    /// # Errors
    /// Too many were wrong, or wait.
    pub async fn login(&self) -> Result<Attempt, Denied> {
        let Some(network) = self.network() else { return Ok(Attempt::default()) };
        let used = self.limiter.look(Measure::LoginFailures, &self.peer).map_err(Denied::Limited)?;
        self.limiter.delay(used).await;
        let turn = self.limiter.logins.turn(network).await.ok_or(Denied::Busy)?;
        let loan = self.limiter.borrow(Measure::LoginFailures, &self.peer).map_err(Denied::Limited)?;
        Ok(Attempt { turn: Some(turn), loan: Some(loan) })
    }

    /// MAIL: one more message, and the octets of those before.
    ///
    /// # Errors
    /// Too much came.
    pub async fn mail(&mut self, login: Option<&Login>, sender: Option<&RealAddress>) -> Result<(), Limited> {
        self.aliases.clear();
        if self.peer.is_empty() {
            return Ok(());
        }
        // A store's addresses are its own affair; a bounce has none.
        self.sender = match login {
            Some(_) => None,
            // A reverse-path is a claim: counted by itself it would tell of another's mail, and stop it.
            None => sender.map(|sender| self.limiter.sender(sender, self.network())),
        };
        let subjects = self.writers(login);
        let octets = self.limiter.look(Measure::Octets, &subjects)?;
        let messages = self.limiter.take(Measure::Messages, &subjects, 1)?;
        self.limiter.delay(octets.max(messages)).await;
        Ok(())
    }

    /// RCPT that was found good: one more recipient, and one more message from this network to an alias.
    ///
    /// # Errors
    /// Too much came, or went there.
    pub async fn recipient(&mut self, login: Option<&Login>, recipient: &Recipient) -> Result<(), Limited> {
        if self.peer.is_empty() {
            return Ok(());
        }
        let mut used = self.limiter.take(Measure::Recipients, &self.writers(login), 1)?;
        let alias = match recipient {
            Recipient::Party { conversation, .. } | Recipient::Automatic { conversation, .. } => {
                Some(conversation.id)
            }
            Recipient::Inquiry(merchant) => Some(merchant.id),
            // The operator's mailbox is limited as one alias.
            Recipient::Operator => Some(INSTALLATION),
            Recipient::Copy(_) | Recipient::Return { .. } | Recipient::Decision { .. } => None,
        };
        if let (None, Some(alias), Some(network)) = (login, alias, self.network()) {
            let (all, here) = (Subject::Alias(alias), Subject::AliasFrom(alias, network));
            let octets = self.limiter.look(Measure::Octets, &[all, here])?;
            let messages = self.limiter.look(Measure::Messages, &[all])?;
            used = used.max(octets).max(messages).max(self.limiter.take(Measure::Messages, &[here], 1)?);
            self.aliases.push(alias);
        }
        self.limiter.delay(used).await;
        Ok(())
    }

    /// RCPT to nobody that we know.
    ///
    /// # Errors
    /// Too many were; the session is to be ended.
    pub async fn unknown_recipient(&self) -> Result<(), Limited> {
        let used = self.limiter.take(Measure::UnknownRecipients, &self.peer, 1)?;
        self.limiter.delay(used).await;
        Ok(())
    }

    /// A message was read to its end.
    pub fn message(&self, login: Option<&Login>, octets: usize) {
        if !self.peer.is_empty() {
            let octets = u64::try_from(octets).unwrap_or(u64::MAX);
            self.limiter.charge(Measure::Octets, &self.writers(login), octets);
            if let Some(network) = self.network() {
                let here = self.aliases.iter().map(|alias| Subject::AliasFrom(*alias, network));
                self.limiter.charge(Measure::Octets, &here.collect::<Vec<_>>(), octets);
            }
        }
    }

    /// The message was taken, and its sender is proven: it counts for the aliases that it goes to.
    pub fn proven(&self, octets: usize) {
        if !self.peer.is_empty() {
            let aliases: Vec<Subject> = self.aliases.iter().map(|alias| Subject::Alias(*alias)).collect();
            self.limiter.charge(Measure::Messages, &aliases, 1);
            self.limiter.charge(Measure::Octets, &aliases, u64::try_from(octets).unwrap_or(u64::MAX));
        }
    }

    /// The peer's network; `None` for an exempt peer.
    pub fn network(&self) -> Option<IpAddr> {
        match self.network {
            Subject::Network(ip) if !self.peer.is_empty() => Some(ip),
            _ => None,
        }
    }

    /// Whether one more record may be written about this peer.
    pub fn may_record(&self) -> bool {
        if self.peer.is_empty() {
            return true;
        }
        let may = self.limiter.take(Measure::Records, &[self.network, Subject::All], 1).is_ok();
        if !may {
            self.limiter.left_out.fetch_add(1, Ordering::Relaxed);
        }
        may
    }

    /// Notes in log and record that a limit was met.
    pub async fn note(&self, limited: &Limited, relay: &Relay, login: Option<&Login>, peer: &Peer) {
        if self.may_record() {
            let (what, whose) = (limited.what.name(), limited.whose.kind());
            let left_out = self.limiter.left_out.swap(0, Ordering::Relaxed);
            tracing::info!(event = "limited", what, whose, left_out, service = peer.service);
            relay.record_limited(login, what, whose, left_out, peer).await;
        }
    }

    fn writers(&self, login: Option<&Login>) -> Vec<Subject> {
        let mut subjects = self.peer.clone();
        if let Some(login) = login {
            subjects.push(Subject::Credential(login.credential_id()));
            subjects.push(Subject::Store(login.merchant.id));
        }
        subjects.extend(self.sender);
        subjects
    }
}

impl Limited {
    /// What the peer is told. `hostname` is ours, for a 421 (RFC 5321 §4.2.3).
    pub fn reply(&self, hostname: &str) -> Reply {
        let whose = match self.whose {
            Subject::Ip(_) => "from your address",
            Subject::Network(_) => "from your network",
            Subject::Credential(_) => "with this user name",
            Subject::Store(_) => "from this store",
            Subject::Sender(_) => "from this sender",
            Subject::Alias(_) | Subject::AliasFrom(..) => "to this address",
            Subject::All => "in all",
        };
        let again = format!("try again in {}", in_words(self.wait));
        let ends = |what: &str| Reply::new(421, 7, 0, format!("{hostname} Too many {what} {whose}: {again}"));
        match self.what {
            Measure::Connections => ends("connections"),
            Measure::LoginFailures => ends("wrong passwords"),
            Measure::UnknownRecipients => ends("unknown recipients"),
            Measure::Recipients => Reply::new(450, 7, 1, format!("Too many recipients {whose}: {again}")),
            Measure::Messages | Measure::Octets | Measure::Records => {
                Reply::new(450, 7, 1, format!("Too much mail {whose}: {again}"))
            }
        }
    }
}

/// A wait in the largest unit of which it has two, rounded up.
fn in_words(wait: Duration) -> String {
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    match seconds {
        1 => "1 second".to_owned(),
        2..120 => format!("{seconds} seconds"),
        120..7200 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    #[tokio::test(start_paused = true)]
    async fn passwords_that_are_looked_at_count_as_wrong_until_they_were_right() {
        let mut limits = Config::development(Path::new("nowhere")).unwrap().limits.door;
        let rate = limits.ip.login_failures.as_mut().unwrap();
        (rate.amount, rate.window) = (3, Duration::from_secs(3600));
        limits.longest_delay = Duration::ZERO;
        let limiter = Limiter::new(&limits);
        let guard = || Guard::new(limiter.clone(), "192.0.2.1".parse().unwrap());
        let mut looked_at = Vec::new();
        for _ in 0..3 {
            looked_at.push(guard().login().await.unwrap());
        }
        assert!(matches!(guard().login().await, Err(Denied::Limited(_))));
        looked_at.pop().unwrap().was_not_wrong();
        drop(guard().login().await.unwrap());
        assert!(matches!(guard().login().await, Err(Denied::Limited(_))), "that one was wrong");
        for one in looked_at {
            one.was_not_wrong();
        }
        drop(guard().login().await.unwrap());
        drop(guard().login().await.unwrap());
        assert!(guard().login().await.is_err());
    }

    #[test]
    fn a_limit_says_what_was_too_much_whose_it_was_and_when_to_come_again() {
        let limited = |what, whose, seconds| Limited { what, whose, wait: Duration::from_secs(seconds) };
        for (limited, told) in [
            (
                limited(Measure::Connections, Subject::Ip([192, 0, 2, 1].into()), 7),
                "421 4.7.0 relay.test Too many connections from your address: try again in 7 seconds\r\n",
            ),
            (
                limited(Measure::Octets, Subject::Store(1), 3000),
                "450 4.7.1 Too much mail from this store: try again in 50 minutes\r\n",
            ),
            (
                limited(Measure::Recipients, Subject::Sender(1), 7201),
                "450 4.7.1 Too many recipients from this sender: try again in 3 hours\r\n",
            ),
        ] {
            assert_eq!(limited.reply("relay.test").to_string(), told);
        }
    }
}
