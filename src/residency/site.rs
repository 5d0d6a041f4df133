//! Sites in Japan: what an officer of the operator states, in writing and signed, about networks, zones and a place.
//!
//! Rules: a statement is a signed note ([`crate::ledger::Note`]) whose text has one item a line; it counts from `since`
//! until `until`, at most two years, so that somebody looks again. Only keys under `residency.officers` sign.
//! When it fails: [`SiteError`], which names file and line.

use crate::config::Network;
use crate::ledger::{Note, NoteError, Verifier};
use crate::mail::Timestamp;
use std::net::IpAddr;
use std::time::Duration;

/// The first line of a statement.
const KIND: &str = "anshin-mail site statement v1";
/// The longest time that a statement counts.
const LONGEST: Duration = Duration::from_secs(2 * 366 * 86_400);
/// Networks and zones of one statement.
const MAX_ITEMS: usize = 256;

/// A site, proven to be stated.
#[derive(Debug, Clone)]
pub struct Site {
    pub statement: Statement,
    /// The key that signed.
    pub officer: String,
}

/// What is stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// A short name.
    pub site: String,
    /// The postal address of the place.
    pub address: String,
    pub networks: Vec<Network>,
    /// Zones of the DNS that are served there, such as a mirrored block list; with all below them. Hosts are known by their
    /// addresses.
    pub zones: Vec<String>,
    /// The person who answers for it.
    pub by: String,
    /// The contract or document that shows it, if any.
    pub contract: Option<String>,
    pub since: Timestamp,
    pub until: Timestamp,
}

/// Why a statement does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SiteError {
    #[error("{0}")]
    Note(#[from] NoteError),
    #[error("its first line is not \"{KIND}\"")]
    Kind,
    #[error("line {0} is not one of: site, address, country, network, zone, by, contract, since, until")]
    Line(usize),
    #[error("line {0} has no good value")]
    Value(usize),
    #[error(
        "line {0} is wider than any site: name its own networks (/8 for IPv4, /24 for IPv6 at most) or zones"
    )]
    Wide(usize),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} stands there twice")]
    Twice(&'static str),
    #[error("country is not JP")]
    Country,
    #[error("it counts for longer than two years")]
    TooLong,
    #[error("it counts from {} only", .0.to_rfc3339())]
    NotYet(Timestamp),
    #[error("it ended on {}: have the place looked at again, and a new statement signed", .0.to_rfc3339())]
    Ended(Timestamp),
}

impl Site {
    /// Reads a signed statement and looks whether it counts at `now`.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn read(octets: &[u8], officers: &[Verifier], now: Timestamp) -> Result<Self, SiteError> {
        let note = Note::parse(octets)?;
        let (text, signers) = note.verify(officers)?;
        let statement = Statement::parse(text)?;
        statement.counts_at(now)?;
        let officer = signers.first().map(|signer| signer.name().to_owned()).unwrap_or_default();
        Ok(Self { statement, officer })
    }

    /// Whether an address lies in one of its networks.
    #[must_use]
    pub fn has(&self, ip: IpAddr) -> bool {
        self.statement.networks.iter().any(|network| network.contains(ip))
    }

    /// Whether a zone is served there.
    #[must_use]
    pub fn has_zone(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is_under = |host: &String| {
            name == *host || name.strip_suffix(host.as_str()).is_some_and(|rest| rest.ends_with('.'))
        };
        self.statement.zones.iter().any(is_under)
    }
}

impl Statement {
    /// The text that is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{KIND}\nsite {}\naddress {}\ncountry JP\n", self.site, self.address);
        for network in &self.networks {
            text.push_str(&format!("network {network}\n"));
        }
        for zone in &self.zones {
            text.push_str(&format!("zone {zone}\n"));
        }
        text.push_str(&format!("by {}\n", self.by));
        if let Some(contract) = &self.contract {
            text.push_str(&format!("contract {contract}\n"));
        }
        text.push_str(&format!("since {}\nuntil {}\n", self.since.to_rfc3339(), self.until.to_rfc3339()));
        text
    }

    /// Reads [`Statement::to_text`].
    ///
    /// # Errors
    /// [`SiteError`], with the line.
    pub fn parse(text: &str) -> Result<Self, SiteError> {
        let mut lines = text.lines();
        if lines.next() != Some(KIND) {
            return Err(SiteError::Kind);
        }
        let mut fields = Fields::default();
        for (line, number) in lines.zip(2..) {
            fields.take(line, number)?;
        }
        fields.finish()
    }

    /// Whether it counts at `now`.
    ///
    /// # Errors
    /// [`SiteError::NotYet`], [`SiteError::Ended`], [`SiteError::TooLong`].
    pub fn counts_at(&self, now: Timestamp) -> Result<(), SiteError> {
        if self.until > self.since.after(LONGEST) {
            return Err(SiteError::TooLong);
        }
        if now < self.since {
            return Err(SiteError::NotYet(self.since));
        }
        if now >= self.until { Err(SiteError::Ended(self.until)) } else { Ok(()) }
    }
}

#[derive(Default)]
struct Fields {
    site: Option<String>,
    address: Option<String>,
    country: Option<String>,
    by: Option<String>,
    contract: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    networks: Vec<Network>,
    zones: Vec<String>,
}

impl Fields {
    fn take(&mut self, line: &str, number: usize) -> Result<(), SiteError> {
        let (key, value) = line.split_once(' ').ok_or(SiteError::Line(number))?;
        if value.trim() != value || value.is_empty() || self.networks.len() + self.zones.len() > MAX_ITEMS {
            return Err(SiteError::Value(number));
        }
        let bad = SiteError::Value(number);
        let text = || value.to_owned();
        match key {
            "site" => once(&mut self.site, "site", text()),
            "address" => once(&mut self.address, "address", text()),
            "country" => once(&mut self.country, "country", text()),
            "by" => once(&mut self.by, "by", text()),
            "contract" => once(&mut self.contract, "contract", text()),
            "since" => once(&mut self.since, "since", Timestamp::parse_rfc3339(value).ok_or(bad)?),
            "until" => once(&mut self.until, "until", Timestamp::parse_rfc3339(value).ok_or(bad)?),
            "network" => {
                let network = Network::parse(value).ok_or(bad)?;
                if network.is_wider_than(8, 24) {
                    return Err(SiteError::Wide(number));
                }
                self.networks.push(network);
                Ok(())
            }
            "zone" => {
                let zone = value.trim_end_matches('.').to_ascii_lowercase();
                if !zone.contains('.') {
                    return Err(SiteError::Wide(number));
                }
                self.zones.push(zone);
                Ok(())
            }
            _ => Err(SiteError::Line(number)),
        }
    }

    fn finish(self) -> Result<Statement, SiteError> {
        use SiteError::Missing;
        if self.country.as_deref().ok_or(Missing("country"))? != "JP" {
            return Err(SiteError::Country);
        }
        Ok(Statement {
            site: self.site.ok_or(Missing("site"))?,
            address: self.address.ok_or(Missing("address"))?,
            networks: self.networks,
            zones: self.zones,
            by: self.by.ok_or(Missing("by"))?,
            contract: self.contract,
            since: self.since.ok_or(Missing("since"))?,
            until: self.until.ok_or(Missing("until"))?,
        })
    }
}

fn once<T>(field: &mut Option<T>, name: &'static str, value: T) -> Result<(), SiteError> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(SiteError::Twice(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Signer;
    use zeroize::Zeroizing;

    fn time(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn statement() -> Statement {
        Statement {
            site: "tokyo-1".to_owned(),
            address: "東京都江東区豊洲1-2-3 豊洲データセンター 4F".to_owned(),
            networks: vec![
                Network::parse("10.1.0.0/16").unwrap(),
                Network::parse("2001:db8:7::/48").unwrap(),
            ],
            zones: vec!["bl.example.jp".to_owned()],
            by: "統括管理者 山田花子".to_owned(),
            contract: Some("DC-2026-17".to_owned()),
            since: time("2026-11-01T00:00:00Z"),
            until: time("2027-11-01T00:00:00Z"),
        }
    }

    fn officer() -> Signer {
        Signer::new("officer.example.jp", Zeroizing::new([3; 32])).unwrap()
    }

    fn read(text: &str, now: &str) -> Result<Site, SiteError> {
        let note = officer().sign(text).unwrap();
        Site::read(note.as_bytes(), &[officer().verifier().clone()], time(now))
    }

    #[test]
    fn a_statement_counts_while_it_lasts_for_its_networks_and_zones() {
        let site = read(&statement().to_text(), "2026-12-01T00:00:00Z").unwrap();
        assert_eq!((&site.statement, site.officer.as_str()), (&statement(), "officer.example.jp"));
        assert!(site.has("10.1.200.3".parse().unwrap()) && site.has("2001:db8:7::1".parse().unwrap()));
        assert!(!site.has("10.2.0.1".parse().unwrap()));
        assert!(site.has_zone("BL.example.jp.") && site.has_zone("zen.bl.example.jp"));
        assert!(!site.has_zone("xbl.example.jp") && !site.has_zone("example.jp"));
        for (now, error) in [
            ("2026-10-31T23:59:59Z", SiteError::NotYet(statement().since)),
            ("2027-11-01T00:00:00Z", SiteError::Ended(statement().until)),
        ] {
            assert_eq!(read(&statement().to_text(), now).unwrap_err(), error);
        }
    }

    #[test]
    fn a_statement_that_is_not_whole_names_what_is_wrong() {
        let good = statement().to_text();
        let changed = |from: &str, to: &str| good.replacen(from, to, 1);
        for (text, error) in [
            (changed(KIND, "site"), SiteError::Kind),
            (changed("country JP\n", ""), SiteError::Missing("country")),
            (changed("country JP", "country SG"), SiteError::Country),
            (changed("by ", "By "), SiteError::Line(8)),
            (changed("10.1.0.0/16", "10.1.0.1/16"), SiteError::Value(5)),
            (changed("10.1.0.0/16", "0.0.0.0/0"), SiteError::Wide(5)),
            (changed("zone bl.example.jp", "zone jp"), SiteError::Wide(7)),
            (changed("until 2027", "until 2029"), SiteError::TooLong),
            (format!("{good}site other\n"), SiteError::Twice("site")),
        ] {
            assert_eq!(read(&text, "2026-12-01T00:00:00Z").unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn only_an_officer_s_signature_counts_and_only_for_what_was_signed() {
        let now = time("2026-12-01T00:00:00Z");
        let officers = [officer().verifier().clone()];
        let other = Signer::new("officer.example.jp", Zeroizing::new([4; 32])).unwrap();
        let note = other.sign(&statement().to_text()).unwrap();
        let error = Site::read(note.as_bytes(), &officers, now).unwrap_err();
        assert_eq!(error, SiteError::Note(NoteError::UnknownSigner));
        let note = officer().sign(&statement().to_text()).unwrap().replace("10.1.0.0", "10.0.0.0");
        let error = Site::read(note.as_bytes(), &officers, now).unwrap_err();
        assert_eq!(error, SiteError::Note(NoteError::Forged));
    }
}
