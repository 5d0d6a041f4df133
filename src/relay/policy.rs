//! How the relay is set up, where its decisions depend on it.
//!
//! When it fails: it does not; the configuration has checked it.

use crate::anonymize::Rules;
use crate::config::{Names, OtherAddress, Unproven};
use crate::mail::RealAddress;
use crate::residency::Staff;
use std::sync::Arc;
use std::time::Duration;

/// How long bodies stay that could not be delivered.
#[derive(Debug, Clone, Copy)]
pub struct KeepFailed {
    pub period: Duration,
    /// How long texts stay at all, from their acceptance on: sent once more, one is over before that.
    pub texts: Duration,
}

/// How the relay is set up, where its decisions depend on it.
#[derive(Clone)]
pub struct Policy {
    /// The name in Received, in notices and in made-up Message-IDs.
    pub hostname: String,
    /// Where mail to postmaster and abuse goes.
    pub postmaster: Option<Arc<RealAddress>>,
    /// A delivery is given up after this long.
    pub expire: Duration,
    /// The sender is told once that a message is late.
    pub delay_notice: Duration,
    /// The body of what failed between a store and a customer stays for so long.
    pub keep_failed: Option<KeepFailed>,
    /// A conversation opened without an end lives this long after its opening.
    pub order_lifetime: Duration,
    /// The same message sent again within this time is delivered once.
    pub duplicate_window: Duration,
    /// A held message that nobody decides about is dropped after this long.
    pub hold_expire: Duration,
    /// What is done with contents that more than one way is right for.
    pub rules: Rules,
    /// Whose display name is shown how.
    pub names: Names,
    /// What becomes of mail whose sender is not proven, or another than the order's.
    pub senders: SenderPolicy,
    /// From where people may have something opened.
    pub staff: Arc<Staff>,
    /// What the service is called in the menu and in its mails.
    pub brand: String,
}

/// What becomes of mail whose sender is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderPolicy {
    pub unproven: Unproven,
    pub other_address: OtherAddress,
}
