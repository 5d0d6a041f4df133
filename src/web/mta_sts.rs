//! Our own MTA-STS policy (RFC 8461): what senders that verify learn about the hosts of our domains.
//!
//! Rules: one policy for all domains, since one host takes the mail of all; its id is made of its text, so that the DNS
//! record changes exactly when the policy does. It is served under any host name: the proxy with TLS in front decides
//! which names lead here (`mta-sts.DOMAIN`, §3.3).

use crate::config::{MtaSts, MtaStsMode};
use crate::mail::Domain;
use sha2::{Digest, Sha256};

/// The policy file (§3.2); `None` where there is to be none.
#[must_use]
pub fn policy(config: &MtaSts, host: &Domain) -> Option<String> {
    let mode = match config.mode {
        MtaStsMode::Off => return None,
        MtaStsMode::Testing => "testing",
        MtaStsMode::Enforce => "enforce",
        MtaStsMode::None => "none",
    };
    let mx = if config.mode == MtaStsMode::None { String::new() } else { format!("mx: {host}\r\n") };
    Some(format!("version: STSv1\r\nmode: {mode}\r\n{mx}max_age: {}\r\n", config.max_age.as_secs()))
}

/// The id of a policy: 1 to 32 letters and digits (§3.1).
#[must_use]
pub fn id(policy: &str) -> String {
    let mut id = data_encoding::HEXLOWER.encode(&Sha256::digest(policy));
    id.truncate(32);
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_policy_names_the_host_and_its_id_changes_with_it() {
        let config = |mode| MtaSts { mode, max_age: Duration::from_secs(604_800), report_to: None };
        let host = |text| Domain::parse(text).unwrap();
        let text = policy(&config(MtaStsMode::Enforce), &host("relay.example.jp")).unwrap();
        assert_eq!(text, "version: STSv1\r\nmode: enforce\r\nmx: relay.example.jp\r\nmax_age: 604800\r\n");
        let other = policy(&config(MtaStsMode::Testing), &host("relay.example.jp")).unwrap();
        assert_ne!(id(&text), id(&other));
        assert_eq!(id(&text).len(), 32);
        assert!(policy(&config(MtaStsMode::Off), &host("relay.example.jp")).is_none());
        assert!(!policy(&config(MtaStsMode::None), &host("relay.example.jp")).unwrap().contains("mx:"));
    }
}
