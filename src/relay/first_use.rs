//! From where a store logs in: the first use of a credential from another network is told to the store and to the operator.
//!
//! Rules: a network is an IPv4 /24 or an IPv6 /56, kept as a keyed index among the guards, which forget it when nobody has
//! logged in from there for half a year. The first network of all is no news, nor is this machine. The store gets a mail once a day at most;
//! each such login has its own word in log and record.
//! When it fails: a fault in the log; the login goes on.

use super::envelope::{AliasText, Envelope};
use super::own::{Letter, Own};
use super::record::{About, peer_json};
use super::{Event, Login, Peer, Relay, RelayFault};
use crate::anonymize::{self, Files, Forbidden};
use crate::config::mask;
use crate::mail::{Alias, Timestamp};
use crate::store::{NewMessage, Patience};
use crate::vault::Indexed;
use std::net::IpAddr;
use std::time::Duration;

/// A network is known for so long after each login from it.
const REMEMBERED: Patience = Patience {
    wait: Duration::ZERO,
    retry_within: Duration::ZERO,
    remember: Duration::from_secs(180 * 86_400),
};
/// The store is written to once in this time.
const TOLD_EVERY: Duration = Duration::from_secs(86_400);

/// The network of a peer, and how it is written.
pub(super) fn network(ip: IpAddr) -> (IpAddr, String) {
    let ip = ip.to_canonical();
    let length = if ip.is_ipv4() { 24 } else { 56 };
    let network = mask(ip, length);
    (network, format!("{network}/{length}"))
}

impl Relay {
    /// Notes from where a store has logged in, and tells of a network that is new.
    pub async fn note_network(&self, login: &Login, peer: &Peer) {
        if let Err(fault) = self.try_note_network(login, peer).await {
            tracing::error!(event = "fault", %fault, "the network of a login was not noted");
        }
    }

    async fn try_note_network(&self, login: &Login, peer: &Peer) -> Result<(), RelayFault> {
        // This machine is no place to be told of.
        if peer.ip.to_canonical().is_loopback() {
            return Ok(());
        }
        let (now, credential) = (Timestamp::now(), login.credential_id);
        let (around, written) = network(peer.ip);
        let index = &self.vault().index;
        let here = index.of(Indexed::LoginFrom { credential, network: Some(around) });
        let anywhere = index.of(Indexed::LoginFrom { credential, network: None });
        let is_new = self.store().first_contact(&here, now).await?.is_none();
        let is_first = is_new && self.store().first_contact(&anywhere, now).await?.is_none();
        if is_new && !is_first {
            tracing::warn!(
                event = "login_new_network",
                credential,
                service = peer.service,
                "a store's password was used from a network for the first time"
            );
            let about = About { merchant: Some(login.merchant.id), ..About::default() };
            let detail = serde_json::json!({ "network": written, "peer": peer_json(peer) });
            let (key, event) = (&login.merchant.key, Event::LoginNewNetwork);
            let record = self.sealed_record(key, event, about, Some(peer.ip), &detail, None);
            let record = self.told_whence(record, key, peer.ip);
            // The login itself counts for what is usual.
            let fact = self.fact_of_login(None, Some(&login.auth_id), peer, record.at);
            self.keep(record.found_by(fact)).await;
            self.store().accept(vec![self.first_use_notice(login, &written, now)?]).await?;
        }
        // Known only once it is told: what fails above is told at the next login from there.
        let (one, other) = tokio::join!(
            self.store().greylist(here, now, REMEMBERED),
            self.store().greylist(anywhere, now, REMEMBERED),
        );
        one?;
        other?;
        Ok(())
    }

    fn first_use_notice(
        &self,
        login: &Login,
        network: &str,
        now: Timestamp,
    ) -> Result<NewMessage, RelayFault> {
        let id = self.next_id();
        let from = Alias::new("mailer-daemon", self.domains().merchant().clone());
        let at = super::words::time(now);
        let text = format!(
            "これまでにない場所から、お店のメール送信用のユーザー名とパスワードでログインがありました。\r\n\
             お心当たりがあれば、何もする必要はありません。お心当たりがなければ、すぐにマーケットプレイスへ連絡し、\
             パスワードを新しくしてください。同じ日のほかの場所は、あらためてお知らせしません。\r\n\r\n\
             Somebody logged in to send mail with your store's user name and password, from a network that was never used \
             before. If that was you there is nothing to do. If not, tell the marketplace at once and have the password \
             replaced. Other networks of the same day are not told again.\r\n\r\n\
             日時 / Time: {at}\r\nネットワーク / Network: {network}\r\n"
        );
        let letter = Letter {
            id,
            name: "Mail Delivery System",
            from: &from,
            to: &login.public_alias,
            subject: "新しい場所からのログイン / A login from a new network",
            text: &text,
        };
        let message = self.letter(&letter, now);
        let forbidden = Forbidden { secrets: &[], traces: &[], files: Files::Checked };
        let message = anonymize::pass_gate(message, &forbidden)
            .map_err(|_| RelayFault::Malformed("a notice that does not pass the gate"))?;
        let own = Own {
            key: &login.merchant.key,
            id,
            merchant: login.merchant.id,
            conversation: None,
            to: &login.addresses.first().ok_or(RelayFault::Malformed("merchant_address"))?.address,
            envelope: Envelope::of_ours(&from, AliasText::from(&login.public_alias)),
            body: message.as_bytes(),
            expires: self.policy().expire,
            detail: serde_json::json!({ "action": "login_new_network" }),
            guard: Some((
                Indexed::Told { conversation: login.credential_id, what: "login_new_network" },
                TOLD_EVERY,
            )),
        };
        self.own_row(own, now)
    }
}
