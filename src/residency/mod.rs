//! Residency: every place where user information lies, or that is told of it, held against what proves that it is in
//! Japan. What is not proven does not start, and what ceases to be stops taking mail.
//!
//! Rules: a place is proven by being this machine, by a site that an officer of the operator stated and signed, or by a
//! provider's own name for a region in Japan whose addresses do not contradict it. A country database never proves
//! where a server stands, it can only show that one is abroad. Delivery to recipients is their communication: listed,
//! never judged. Who has something opened is judged by where he comes from ([`Staff`]).
//! When it fails: at start, where the country database cannot be read; what is found is a [`Report`], not an error.

mod check;
mod logins;
mod mounts;
mod places;
mod said;
mod site;
mod staff;

pub use check::{Checker, Told};
pub use logins::origins;
pub use places::{At, Place, Purpose, places};
pub use said::Said;
pub use site::{Site, SiteError, Statement};
pub use staff::{By, Hidden, Judged, Origin, Ruling, Staff};

use crate::config::Profile;
use crate::mail::Timestamp;
use serde::Serialize;

/// How it stands with a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Proven to be in Japan.
    InJapan,
    /// Nothing proves where it is.
    Unproven,
    /// Seen to be elsewhere.
    Abroad,
    /// The name servers did not say what the name stands for.
    Unknown,
    /// A way to a recipient: not judged.
    Apart,
    /// A statement that does not count now: its time has not come, or is over.
    Ended,
    /// A statement that cannot be read, or that no officer signed.
    Void,
}

/// Where the name of a place comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// This program's configuration.
    Configured,
    /// The machine's own configuration, which nobody made for this program: a private address, believed to stand where
    /// the machine does and shown as what it is.
    Neighbour,
    /// The same: an address that a registry delegated to somebody.
    Delegated,
}

/// What was found of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The key that names it.
    pub key: String,
    pub purpose: Purpose,
    /// The path, address or name.
    pub place: String,
    pub standing: Standing,
    /// What shows it, or what is missing.
    pub evidence: String,
    /// The same in Japanese.
    #[serde(skip)]
    pub evidence_ja: String,
    /// Who put it there.
    #[serde(skip)]
    pub source: Source,
}

/// What was found of all places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub at: Timestamp,
    pub findings: Vec<Finding>,
}

impl Report {
    /// The findings for which a process of this profile does not start.
    pub fn refused(&self, profile: Profile) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.stops(profile))
    }

    /// The findings for which a running process stops taking mail. Silence of the DNS is no news of a place, and a statement
    /// harms by what it ceases to prove.
    pub fn lapsed(&self, profile: Profile) -> impl Iterator<Item = &Finding> {
        let is_news = |finding: &&Finding| !matches!(finding.standing, Standing::Unknown | Standing::Void);
        self.refused(profile).filter(is_news)
    }

    /// Whether a running process may take mail; `None` where the DNS does not say, and it stays as it is.
    #[must_use]
    pub fn may_take(&self, profile: Profile) -> Option<bool> {
        if self.lapsed(profile).next().is_some() {
            return Some(false);
        }
        let is_silent = self.refused(profile).any(|finding| finding.standing == Standing::Unknown);
        (!is_silent).then_some(true)
    }
}

impl Finding {
    fn stops(&self, profile: Profile) -> bool {
        match (self.standing, profile) {
            (Standing::InJapan | Standing::Apart | Standing::Ended, _) => false,
            (Standing::Void, _) => true,
            (Standing::Abroad, Profile::Development) => self.source == Source::Configured,
            (Standing::Abroad, Profile::Production) => true,
            (Standing::Unproven | Standing::Unknown, Profile::Development) => false,
            (Standing::Unproven | Standing::Unknown, Profile::Production) => self.source != Source::Neighbour,
        }
    }

    /// Whether nothing shows that it is in Japan, refused or not.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        !matches!(self.standing, Standing::InJapan | Standing::Apart)
    }

    /// What to do about it.
    #[must_use]
    pub fn cure(&self) -> String {
        match (self.standing, self.purpose) {
            (Standing::InJapan | Standing::Apart, _) => String::new(),
            (Standing::Ended | Standing::Void, _) => {
                "have the place stated again (anshin compliance residency attest), or take the file out of residency.sites"
                    .to_owned()
            }
            (Standing::Unknown, _) => "see to it that the name resolves, or name the address itself".to_owned(),
            (Standing::Abroad, purpose) => format!("use {} in Japan", what(purpose)),
            (Standing::Unproven, Purpose::Resolver) => {
                "run a resolver on this machine and name 127.0.0.1, or have its place stated under residency.sites".to_owned()
            }
            (Standing::Unproven, Purpose::Replica) => {
                "GRANT pg_read_all_stats to this user, have the place of the replica stated under residency.sites, or end \
                 the replication"
                    .to_owned()
            }
            (Standing::Unproven, purpose) => format!(
                "have the place of {} stated and signed (anshin compliance residency attest) and name the file under \
                 residency.sites",
                what(purpose)
            ),
        }
    }
}

fn what(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Storage => "the storage",
        Purpose::Replica => "the replica",
        Purpose::Keys => "the key directory",
        Purpose::KeyService => "the endpoint of the key service",
        Purpose::Resolver => "a resolver",
        Purpose::BlockList => "a mirror of the list",
        Purpose::Scanner => "the scanner",
        Purpose::Delivery | Purpose::Smarthost => "the next hop",
        Purpose::Operator => "the domain of the operator's mailbox",
        Purpose::Anchor => "the witness or the file",
        Purpose::Login => "the provider of the login",
        Purpose::Webhook => "the host that is told",
        Purpose::Export => "the file",
        Purpose::Statement => "the site",
    }
}
