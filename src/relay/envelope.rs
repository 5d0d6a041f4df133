//! What is sealed beside a message: who is told when it fails, what must not be in it, and what a bounce quotes.

use super::RelayFault;
use super::conversation::open_address;
use crate::anonymize::Files;
use crate::mail::{Alias, Domain, RealAddress};
use crate::smtp::{self, RcptParams};
use crate::vault::{DataKey, Nonce, Place, Sealed, nonces};

/// When the sender wants to be told (RFC 3461 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Notify {
    pub success: bool,
    pub failure: bool,
    pub delay: bool,
}

impl Default for Notify {
    /// Without NOTIFY: of failure and delay, as RFC 3461 §4.1 lets us choose.
    fn default() -> Self {
        Self { success: false, failure: true, delay: true }
    }
}

/// What the sender of a message wants of one recipient's report (RFC 3461 §4.1 and §4.2).
#[derive(Default)]
pub struct Wishes {
    pub notify: Notify,
    /// ORCPT: type and address, decoded.
    pub original: Option<(String, String)>,
}

impl From<&RcptParams> for Wishes {
    fn from(params: &RcptParams) -> Self {
        let notify = match params.notify {
            None => Notify::default(),
            Some(smtp::Notify::Never) => Notify { success: false, failure: false, delay: false },
            Some(smtp::Notify::On { success, failure, delay }) => Notify { success, failure, delay },
        };
        let original = params.orcpt.as_ref();
        Self { notify, original: original.map(|orcpt| (orcpt.kind().to_owned(), orcpt.reveal().to_owned())) }
    }
}

impl From<Notify> for Wishes {
    fn from(notify: Notify) -> Self {
        Self { notify, original: None }
    }
}

/// The sealed column `message.envelope`.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Envelope {
    /// The alias that stands for the sender; the reverse-path and the DKIM signature take its domain.
    pub from: AliasText,
    /// The alias of the recipient, as the sender knows it.
    pub to: AliasText,
    /// Whether our reverse-path is a return address (a message) or null (a notice).
    pub returns: bool,
    /// The sender's real address, for notices. None for what must not be answered.
    pub sender: Option<String>,
    /// The alias under which the sender is addressed in a notice.
    pub sender_alias: AliasText,
    pub notify: Notify,
    /// ENVID (RFC 3461 §4.4), decoded.
    pub envelope_id: Option<String>,
    /// Real addresses that must not be in the message, with the aliases that stand for them.
    pub secrets: Vec<(String, AliasText)>,
    /// The header block as its sender wrote it, for the sender's own bounce.
    pub headers: String,
    /// Whether SMTPUTF8 may be asked for on the way out.
    pub utf8: bool,
    /// Host names and IP addresses of the sender's mail path, which must not be in the message either.
    #[serde(default)]
    pub traces: Vec<String>,
    /// Whether somebody vouches for the files in it: the gate leaves them then.
    #[serde(default)]
    pub confirmed: bool,
    /// What its sender called the recipient at first (RFC 3461 §4.2): type and address, for the sender's own report.
    #[serde(default)]
    pub original: Option<(String, String)>,
    /// Whether its sender wants it back whole when it fails (RFC 3461 §4.3).
    #[serde(default)]
    pub full: bool,
    /// Whether it may go only over proven TLS (RFC 8689).
    #[serde(default)]
    pub require_tls: bool,
    /// Whether it is a report on TLS (RFC 8460 §3), which goes also where TLS does not work.
    #[serde(default)]
    pub tells_of_tls: bool,
    /// Where the operator sends it instead of where its domain goes.
    #[serde(default)]
    pub next_hop: Option<ChosenHop>,
}

/// A next hop for one message, in the words of the configuration.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct ChosenHop {
    /// `host:port`.
    pub next_hop: String,
    /// `none`, `may`, `encrypt` or `verify`.
    pub tls: String,
}

/// An alias in JSON.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct AliasText(String);

impl From<&Alias> for AliasText {
    fn from(alias: &Alias) -> Self {
        Self(alias.to_string())
    }
}

impl AliasText {
    pub fn alias(&self) -> Result<Alias, RelayFault> {
        let malformed = || RelayFault::Malformed("message.envelope");
        let (local, domain) = self.0.rsplit_once('@').ok_or_else(malformed)?;
        Ok(Alias::new(local, Domain::parse(domain).map_err(|_| malformed())?))
    }
}

impl Envelope {
    pub fn seal(&self, key: &DataKey, message: i64) -> Result<Sealed, RelayFault> {
        let [nonce] = nonces();
        self.seal_with(nonce, key, message)
    }

    /// The same with a nonce that was drawn with others.
    pub fn seal_with(&self, nonce: Nonce, key: &DataKey, message: i64) -> Result<Sealed, RelayFault> {
        let json = zeroize::Zeroizing::new(
            serde_json::to_vec(self).map_err(|_| RelayFault::Malformed("message.envelope"))?,
        );
        Ok(key.seal_with(nonce, place(message), &json))
    }

    pub fn open(key: &DataKey, message: i64, sealed: &Sealed) -> Result<Self, RelayFault> {
        let plain = key.open(place(message), sealed)?;
        serde_json::from_slice(&plain).map_err(|_| RelayFault::Malformed("message.envelope"))
    }

    /// What the gate does with attached files.
    pub fn files(&self) -> Files {
        if self.confirmed { Files::Confirmed } else { Files::Checked }
    }

    /// The secrets, parsed.
    pub fn secrets(&self) -> Result<Vec<(RealAddress, Alias)>, RelayFault> {
        let malformed = |_| RelayFault::Malformed("message.envelope");
        self.secrets
            .iter()
            .map(|(address, alias)| Ok((RealAddress::parse(address).map_err(malformed)?, alias.alias()?)))
            .collect()
    }
}

fn place(message: i64) -> Place {
    Place::new("message", "envelope", message)
}

/// The place of a delivery's sealed recipient.
pub(super) fn recipient_place(delivery: i64) -> Place {
    Place::new("delivery", "recipient", delivery)
}

/// The place of a message's sealed body.
pub(super) fn body_place(message: i64) -> Place {
    Place::new("message_body", "body", message)
}

/// Opens a delivery's recipient.
pub(super) fn open_recipient(
    key: &DataKey,
    delivery: i64,
    sealed: &Sealed,
) -> Result<RealAddress, RelayFault> {
    open_address(key, recipient_place(delivery), sealed)
}
