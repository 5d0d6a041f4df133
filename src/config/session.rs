//! `[ingress.session]`: how patient we are with one SMTP session, and how much of it goes wrong before it ends.

use super::kind::{self, ByteSize};
use super::reader::{Context, Flaw, Reader};
use super::show;
use super::tree::Value;
use serde::Serialize;
use std::ops::RangeInclusive;
use std::time::Duration;

/// `[ingress.session]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Session {
    /// Wait for a command (RFC 5321 §4.5.3.2.7).
    #[serde(serialize_with = "show::duration")]
    pub command_timeout: Duration,
    /// For all that comes before a store has logged in, from connecting on.
    #[serde(serialize_with = "show::duration")]
    pub login_timeout: Duration,
    /// For a message to be accepted on port 25, from connecting or from the one before on.
    #[serde(serialize_with = "show::duration")]
    pub message_timeout: Duration,
    /// Wait for the next octets of a message, and for its next chunk (RFC 5321 §4.5.3.2.5).
    #[serde(serialize_with = "show::duration")]
    pub data_timeout: Duration,
    /// Wait for the end of a TLS handshake.
    #[serde(serialize_with = "show::duration")]
    pub handshake_timeout: Duration,
    /// Wait for a peer to take a reply.
    #[serde(serialize_with = "show::duration")]
    pub write_timeout: Duration,
    /// Octets a second at which a message must come.
    pub data_rate: ByteSize,
    /// Time that a message has in advance of that.
    #[serde(serialize_with = "show::duration")]
    pub data_grace: Duration,
    /// Errors without an accepted message in between.
    pub errors: u32,
    /// Commands that move no mail, without an accepted message in between.
    pub idle_commands: u32,
    /// Failed attempts to authenticate.
    pub auth_failures: u32,
    /// Messages of one session on port 25.
    pub mx_messages: u32,
    /// Messages of one session of a store.
    pub submission_messages: u32,
}

impl Session {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let patience = within(1..=3600);
        let command_timeout = r.value("ingress.session.command_timeout", "5m", &patience);
        let login_timeout = r.value("ingress.session.login_timeout", "2m", &patience);
        let message_timeout = r.value("ingress.session.message_timeout", "10m", &patience);
        let data_timeout = r.value("ingress.session.data_timeout", "3m", &patience);
        let handshake_timeout = r.value("ingress.session.handshake_timeout", "30s", &patience);
        let write_timeout = r.value("ingress.session.write_timeout", "1m", &patience);
        let data_rate = r.value("ingress.session.data_rate", "500B", kind::size(1..=1 << 20));
        let data_grace = r.value("ingress.session.data_grace", "30s", &patience);
        let errors = r.value("ingress.session.errors", "10", kind::count(1..=1000));
        let idle_commands = r.value("ingress.session.idle_commands", "20", kind::count(1..=1000));
        let auth_failures = r.value("ingress.session.auth_failures", "3", kind::count(1..=100));
        let mx_messages = r.value("ingress.session.mx_messages", "100", kind::count(1..=100_000));
        let submission_messages =
            r.value("ingress.session.submission_messages", "1000", kind::count(1..=100_000));
        Some(Self {
            command_timeout: command_timeout?,
            login_timeout: login_timeout?,
            message_timeout: message_timeout?,
            data_timeout: data_timeout?,
            handshake_timeout: handshake_timeout?,
            write_timeout: write_timeout?,
            data_rate: data_rate?,
            data_grace: data_grace?,
            errors: errors?,
            idle_commands: idle_commands?,
            auth_failures: auth_failures?,
            mx_messages: mx_messages?,
            submission_messages: submission_messages?,
        })
    }
}

/// A duration within bounds, in seconds: shorter would turn slow networks away, longer would hold places for nobody.
fn within(seconds: RangeInclusive<u64>) -> impl Fn(&Value, &Context) -> Result<Duration, Flaw> {
    move |value, context| {
        let duration = kind::duration(value, context)?;
        let bounds = Duration::from_secs(*seconds.start())..=Duration::from_secs(*seconds.end());
        if bounds.contains(&duration) {
            return Ok(duration);
        }
        let (least, most) = (show::duration_text(*bounds.start()), show::duration_text(*bounds.end()));
        Err(Flaw::new("is out of bounds", format!("write a duration from \"{least}\" to \"{most}\"")))
    }
}
