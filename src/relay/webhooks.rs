//! Webhooks: where the marketplace's own systems are told what becomes of mails.
//!
//! Rules: an address is one of a host that the configuration names. What is posted is signed, as Standard Webhooks has it: HMAC-SHA-256 over id,
//! time and body, by each secret that stands, so that a secret changes without a gap. It has what the store's people see of a mail, and nobody's address.
//! When it fails: [`WebhookFault`].

use super::conversation::label_place;
use super::menu::why_of;
use super::{Relay, RelayFault, parse_queue_id, queue_id};
use crate::config::WebAddress;
use crate::mail::Timestamp;
use crate::store::{KeyRow, Kind, NewWebhook, NewWebhookSecret, WEBHOOKS_MAX, WebhookRow, WebhookWork};
use crate::vault::{Place, Sealed, Side, random_bytes};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest time for which a secret and its successor both sign.
const OVERLAP_MAX: Duration = Duration::from_secs(30 * 86_400);
/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// A webhook as it is listed.
pub struct WebhookView {
    pub id: String,
    /// None: this process does not open it.
    pub url: Option<String>,
    pub created_at: Timestamp,
    /// Events that wait.
    pub waiting: i64,
    /// Of one that waits and was tried: what came of it.
    pub last_status: Option<String>,
    /// Events that were given up.
    pub given_up: i64,
}

/// A webhook with its secret, which is shown once.
pub struct WebhookAdded {
    pub id: String,
    pub secret: Zeroizing<String>,
}

/// What is posted.
pub struct WebhookLetter {
    pub id: String,
    /// Seconds since 1970.
    pub timestamp: i64,
    pub signature: String,
    pub body: String,
}

/// Why a call about webhooks failed.
#[derive(Debug, thiserror::Error)]
pub enum WebhookFault {
    #[error("url: https://HOST[:PORT]/PATH, of at most 512 printable ASCII characters")]
    Url,
    #[error("url: its host is none that webhooks.hosts of the configuration names")]
    Host,
    #[error("there are {WEBHOOKS_MAX} webhooks already; remove one first")]
    TooMany,
    #[error("webhook: there is none of this id; `anshin webhook list` shows them")]
    NotThere,
    #[error("overlap: at most 30 days")]
    Overlap,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

const fn url_place(id: i64) -> Place {
    Place::new("webhook", "url", id)
}

const fn secret_place(id: i64) -> Place {
    Place::new("webhook_secret", "secret", id)
}

/// Whether an address is of one of these hosts.
#[must_use]
pub fn is_named(address: &WebAddress, hosts: &[String]) -> bool {
    hosts.iter().any(|host| host.eq_ignore_ascii_case(&address.host))
}

impl Relay {
    /// Adds a webhook: what happens from now on is posted there.
    ///
    /// # Errors
    /// [`WebhookFault`] that names the field and the rule.
    pub async fn add_webhook(&self, url: &str, hosts: &[String]) -> Result<WebhookAdded, WebhookFault> {
        let address = WebAddress::parse(url.trim()).ok_or(WebhookFault::Url)?;
        if !is_named(&address, hosts) {
            return Err(WebhookFault::Host);
        }
        let id = self.next_id();
        let (secret, text) = self.new_webhook_secret();
        let key = &self.inner.installation;
        let url = key.seal(url_place(id), address.to_string().as_bytes());
        let new = NewWebhook { id, data_key_id: key.id(), url, secret, at: Timestamp::now() };
        if !self.store().add_webhook(&new).await.map_err(RelayFault::from)? {
            return Err(WebhookFault::TooMany);
        }
        Ok(WebhookAdded { id: queue_id(id), secret: text })
    }

    fn new_webhook_secret(&self) -> (NewWebhookSecret, Zeroizing<String>) {
        let id = self.next_id();
        let octets = Zeroizing::new(random_bytes::<32>());
        let text = Zeroizing::new(format!("{PREFIX}{}", BASE64.encode(&*octets)));
        let key = &self.inner.installation;
        let secret = key.seal(secret_place(id), &*octets);
        (NewWebhookSecret { id, data_key_id: key.id(), secret }, text)
    }

    /// Webhooks that stand, the oldest first.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn webhooks(&self) -> Result<Vec<WebhookView>, RelayFault> {
        let opens = self.vault().seal.open_it();
        let view = |row: WebhookRow| {
            let url = opens.then(|| self.webhook_url(row.id, &row.key, &row.url)).transpose()?;
            Ok(WebhookView {
                id: queue_id(row.id),
                url: url.map(|url| url.to_string()),
                created_at: row.created_at,
                waiting: row.waiting,
                last_status: row.status,
                given_up: row.given_up,
            })
        };
        self.store().webhooks().await?.into_iter().map(view).collect()
    }

    /// Where a webhook posts.
    ///
    /// # Errors
    /// [`RelayFault`] when its row does not open.
    pub fn webhook_url(&self, id: i64, key: &KeyRow, url: &Sealed) -> Result<WebAddress, RelayFault> {
        let plain = self.data_key(key)?.open(url_place(id), url)?;
        let text = std::str::from_utf8(&plain).ok();
        text.and_then(WebAddress::parse).ok_or(RelayFault::Malformed("webhook.url"))
    }

    /// Gives a webhook another secret, beside which those of before sign until `overlap` is over.
    ///
    /// # Errors
    /// [`WebhookFault`] that names the field and the rule.
    pub async fn rotate_webhook(&self, id: &str, overlap: Duration) -> Result<WebhookAdded, WebhookFault> {
        if overlap > OVERLAP_MAX {
            return Err(WebhookFault::Overlap);
        }
        let row = parse_queue_id(id).ok_or(WebhookFault::NotThere)?;
        let (secret, text) = self.new_webhook_secret();
        let ends_at = Timestamp::now().after(overlap);
        let stood = self.store().rotate_webhook(row, &secret, ends_at).await.map_err(RelayFault::from)?;
        if stood { Ok(WebhookAdded { id: id.to_owned(), secret: text }) } else { Err(WebhookFault::NotThere) }
    }

    /// Has all events of a span of time posted once more, as far as they are kept. How many.
    ///
    /// # Errors
    /// [`WebhookFault::NotThere`], or a fault.
    pub async fn replay_webhook(
        &self,
        id: &str,
        from: Timestamp,
        until: Option<Timestamp>,
    ) -> Result<u64, WebhookFault> {
        let (row, now) = (parse_queue_id(id).ok_or(WebhookFault::NotThere)?, Timestamp::now());
        let span = (from, until.unwrap_or(now));
        let replayed = self.store().replay_webhook(row, span, now).await.map_err(RelayFault::from)?;
        replayed.ok_or(WebhookFault::NotThere)
    }

    /// Ends a webhook, with what waits for it.
    ///
    /// # Errors
    /// [`WebhookFault::NotThere`], or a fault.
    pub async fn end_webhook(&self, id: &str) -> Result<(), WebhookFault> {
        let row = parse_queue_id(id).ok_or(WebhookFault::NotThere)?;
        let stood = self.store().end_webhook(row, Timestamp::now()).await.map_err(RelayFault::from)?;
        stood.then_some(()).ok_or(WebhookFault::NotThere)
    }

    /// What is posted of an event. `None`: nothing of its conversation opens any more.
    ///
    /// # Errors
    /// [`RelayFault`] when the database or the keys fail.
    pub async fn webhook_letter(
        &self,
        webhook: i64,
        work: &WebhookWork,
        now: Timestamp,
    ) -> Result<Option<WebhookLetter>, RelayFault> {
        let Some(row) = self.store().conversation(work.conversation).await? else { return Ok(None) };
        if self.is_destroyed(&row.key) || self.is_destroyed(&row.merchant.key) {
            return Ok(None);
        }
        let why = why_of(&work.event, work.result.as_deref(), &work.direction);
        let label = self.data_key(&row.key)?.open(label_place(row.id), &row.label)?;
        let order_no = (row.kind != Kind::Inquiry).then(|| String::from_utf8_lossy(&label).into_owned());
        let id = queue_id(work.event_id);
        let body = json!({
            "id": id,
            "type": format!("message.{}", work.event),
            "at": work.at.to_rfc3339(),
            "store_id": self.open_merchant(&row.merchant)?.store_id,
            "order_no": order_no,
            "customer_alias": self.alias_of(Side::Customer, &row.customer_alias)?.to_string(),
            "message": { "id": queue_id(work.message), "direction": work.direction },
            "reason": why.map(|why| why.english),
            "reason_ja": why.map(|why| why.japanese),
        });
        let (body, timestamp) = (body.to_string(), now.as_millis().div_euclid(1000));
        let mut signatures = Vec::new();
        for row in self.store().webhook_secrets(webhook, now).await? {
            let secret = self.data_key(&row.key)?.open(secret_place(row.id), &row.secret)?;
            let malformed = |_| RelayFault::Malformed("webhook_secret.secret");
            let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&secret).map_err(malformed)?;
            mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
            signatures.push(format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes())));
        }
        Ok(Some(WebhookLetter { id, timestamp, signature: signatures.join(" "), body }))
    }
}
