//! What the helpers of a session say: limits, block lists, scanner and filter; and how a refusal is put to this peer.

use super::Connection;
use crate::config::BlockAction;
use crate::ingress::clamd::Scan;
use crate::ingress::daemon::Whose;
use crate::ingress::limiter::Limited;
use crate::ingress::rspamd::{Question, Rating};
use crate::mail::RealAddress;
use crate::relay::{Label, Recipient, Refusal};
use crate::smtp::Reply;
use std::time::Duration;
use tokio::time::Instant;

/// How often a session may meet a limit before it ends. A message to many recipients meets one for each.
const LIMITS_MET: u32 = 100;
/// For so long a session goes by what it last heard of its credential: one that is revoked stops sending within it.
const FRESH: Duration = Duration::from_secs(1);

impl Connection {
    /// A limit was met: what the peer is told. Who goes on all the same is sent away.
    pub(super) async fn limited(&mut self, limited: &Limited) -> Reply {
        self.guard.note(limited, &self.shared.relay, self.login.as_ref(), &self.peer).await;
        self.limits_met = self.limits_met.saturating_add(1);
        let hostname = &self.shared.wire.hostname;
        let reply = if self.limits_met > LIMITS_MET {
            Reply::new(
                421,
                7,
                0,
                format!("{hostname} Too many commands beyond a limit: wait as long as was said"),
            )
        } else {
            limited.reply(hostname)
        };
        self.shared.with_help(reply, "limited")
    }

    /// Notes in the log what the session itself refused.
    pub(super) fn note_refused(&mut self) {
        for help in self.session.take_refused() {
            tracing::info!(event = "refused", at = "session", help, service = self.peer.service);
        }
    }

    /// Whether a block list or greylisting stops mail to this recipient. The mail of an order they do not.
    pub(super) async fn stopped(&mut self, recipient: &Recipient) -> Option<Refusal> {
        let mut refusal = self.blocked(recipient).await;
        if refusal.is_none() && self.login.is_none() {
            refusal = self.greylisted(recipient).await;
        }
        if let Some(refusal) = &refusal {
            self.note(refusal, "rcpt");
        }
        refusal
    }

    /// Asks the database when this sender was first seen from this network. What strangers can make us write there is
    /// bounded as records are; beyond it everybody new has to wait.
    async fn greylisted(&self, recipient: &Recipient) -> Option<Refusal> {
        let patience = self.shared.greylist?;
        let (Recipient::Inquiry(_), Some(sender)) = (recipient, &self.sender) else { return None };
        let network = self.guard.network()?;
        let may_note = || self.guard.may_record();
        self.shared.relay.first_contact(network, sender, patience, may_note).await.err()
    }

    /// Asks the lists, the first time.
    async fn blocked(&mut self, recipient: &Recipient) -> Option<Refusal> {
        // Mail of orders, with its bounces and decisions, is never stopped; and who is listed by mistake can say so.
        let lists = self.shared.blocklists.as_ref().filter(|_| self.login.is_none())?;
        if self.listed.is_none() {
            let listed = lists.ask(self.peer.ip).await;
            self.peer.lists.clone_from(&listed.zones);
            self.listed = Some(listed);
        }
        let action = self.listed.as_ref()?.action?;
        match (action, recipient) {
            (BlockAction::Defer, Recipient::Inquiry(_)) => Some(Refusal::ListedForNow),
            (BlockAction::Refuse, Recipient::Inquiry(_)) => Some(Refusal::Listed),
            _ => None,
        }
    }

    /// What the scanner says of a message; `None` is to go on.
    async fn scanned(&self, bytes: &[u8]) -> Option<Refusal> {
        let scanner = self.shared.scanner.as_ref()?;
        let whose = if self.login.is_some() { Whose::Stores } else { Whose::Strangers };
        match scanner.scan(whose, bytes).await {
            Scan::Clean => None,
            Scan::Found(name) => {
                tracing::warn!(event = "malware", name, service = self.peer.service);
                Some(Refusal::Malware)
            }
            Scan::Failed(why) => {
                tracing::warn!(event = "scan_failed", why, service = self.peer.service);
                (!scanner.accepts_unscanned()).then_some(Refusal::TryAgain)
            }
        }
    }

    /// Notes a refusal in the log, with the name of its help page.
    pub(super) fn note(&self, refusal: &Refusal, at: &'static str) {
        let (reason, help) = (refusal.name(), refusal.page());
        tracing::info!(event = "refused", at, reason, help, service = self.peer.service);
    }

    /// The reply to AUTH.
    pub(super) fn auth_told(&self, refusal: &Refusal) -> Reply {
        match refusal {
            Refusal::Credentials => self.told(refusal),
            _ => self.shared.with_help(refusal.auth_reply(), "try-again"),
        }
    }

    /// Whether what this session logged in with still stands: asked again once what is known is older than [`FRESH`].
    pub(super) async fn still_stands(&mut self) -> Result<(), Refusal> {
        if let Some(login) = self.login.as_mut().filter(|_| self.asked_at.elapsed() >= FRESH) {
            let asked_at = Instant::now();
            self.shared.relay.still_stands(login, self.peer.ip).await?;
            self.asked_at = asked_at;
        }
        Ok(())
    }

    /// What is asked about a message before the relay sees it.
    pub(super) async fn looked_at(
        &mut self,
        bytes: &[u8],
        sender: Option<&RealAddress>,
    ) -> Result<Option<Label>, Refusal> {
        self.still_stands().await?;
        let label = match self.scanned(bytes).await {
            Some(refusal) => return Err(refusal),
            None => self.rated(bytes, sender).await?,
        };
        // They may have taken minutes.
        self.still_stands().await?;
        Ok(label)
    }

    /// What the filter says of a message: a label, or a refusal.
    async fn rated(&self, bytes: &[u8], sender: Option<&RealAddress>) -> Result<Option<Label>, Refusal> {
        let Some(filter) = &self.shared.filter else { return Ok(None) };
        let reverse_path = sender.map(RealAddress::reveal).unwrap_or_default();
        let user = self.login.as_ref().map(|login| login.merchant.store_id.as_str());
        let (ip, helo) = (self.peer.ip, self.peer.helo.as_str());
        let question = Question { ip, helo, reverse_path: &reverse_path, user };
        let service = self.peer.service;
        match filter.rate(&question, bytes).await {
            Rating::Wanted => Ok(None),
            Rating::Unwanted { action, score } => {
                tracing::info!(event = "labelled", action, score, service);
                Ok(Some(Label { action, score }))
            }
            Rating::Refused { score } => {
                tracing::warn!(event = "spam", score, service);
                Err(Refusal::Spam)
            }
            Rating::Later => Err(Refusal::TryAgain),
            Rating::Failed(why) => {
                tracing::warn!(event = "rating_failed", why, service);
                if filter.accepts_unrated() { Ok(None) } else { Err(Refusal::TryAgain) }
            }
        }
    }

    /// A refusal as this peer may read it.
    pub(super) fn told(&self, refusal: &Refusal) -> Reply {
        let reply = refusal.told(self.smtputf8, self.shared.public_url.as_deref());
        if reply.code() == 421 { reply.named(&self.shared.wire.hostname) } else { reply }
    }
}
