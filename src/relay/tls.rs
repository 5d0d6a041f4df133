//! What is kept about TLS towards other mail servers, sealed: MTA-STS policies and the counts for reports; and the reports
//! themselves as messages of the installation's own.
//!
//! Rules: a row is sealed with the installation's key under a keyed index, so that the database shows neither which domains
//! mail goes to nor how their servers fare. A report goes out through the queue like other mail, with a null reverse-path,
//! so that no bounce of it comes back (RFC 8460 §5.3); one for a domain, an address and a day.
//! When it fails: [`RelayFault`] where the database does not answer; what can't be opened is passed over.

use super::envelope::{AliasText, Envelope};
use super::own::Own;
use super::{Relay, RelayFault};
use crate::mail::{Alias, Domain, RealAddress, Timestamp};
use crate::store::{Errand, NewMessage, NewPolicy, NewTlsCount, TLS_COUNTS};
use crate::vault::{Index, Indexed, Place};
use std::time::Duration;

/// The store id of messages that are the installation's own.
pub const INSTALLATION: i64 = 0;
/// How long a report is tried: after that it is no news.
const REPORT_EXPIRES: Duration = Duration::from_secs(86_400);
/// Counts held in memory while reports are made.
const COUNTS: usize = 200_000;
/// How long a process has for posting one report; longer than the post itself may take.
const POSTING: Duration = Duration::from_secs(120);
/// How long the same report is not made again.
const REPORTED: Duration = Duration::from_secs(7 * 86_400);

/// A policy and when it ends.
pub struct KeptPolicy {
    pub domain: Domain,
    pub octets: Vec<u8>,
    pub expires_at: Timestamp,
}

/// Sessions of one kind on one day.
pub struct TlsCount {
    /// Of the row; 0 for one that is to be added.
    pub id: i64,
    /// Days since 1970.
    pub day: i64,
    pub kind: Vec<u8>,
    pub sessions: u64,
}

/// A report on its way to its reader.
pub struct TlsReport {
    pub day: i64,
    /// What it is about.
    pub domain: Domain,
    pub recipient: RealAddress,
    /// The message, whole.
    pub message: Vec<u8>,
}

impl Relay {
    /// Keeps policies.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn keep_policies(&self, kept: &[KeptPolicy]) -> Result<(), RelayFault> {
        let key = &self.inner.installation;
        let rows = kept.iter().map(|kept| {
            let id = self.vault().index.of(Indexed::StsPolicy(&kept.domain)).to_i64();
            let policy = key.seal(policy_place(id), &kept.octets);
            NewPolicy { id, data_key_id: key.id(), policy, expires_at: kept.expires_at }
        });
        Ok(self.store().keep_policies(rows.collect()).await?)
    }

    /// The policies kept, as they were given.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn kept_policies(&self) -> Result<Vec<Vec<u8>>, RelayFault> {
        let rows = self.store().sts_policies(Timestamp::now()).await?;
        let open = |(id, sealed)| self.inner.installation.open(policy_place(id), &sealed).ok();
        Ok(rows.into_iter().filter_map(open).map(|mut plain| std::mem::take(&mut *plain)).collect())
    }

    /// The policy kept of one domain, as it was given, if it holds still.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn kept_policy(&self, domain: &Domain) -> Result<Option<Vec<u8>>, RelayFault> {
        let id = self.vault().index.of(Indexed::StsPolicy(domain)).to_i64();
        let sealed = self.store().sts_policy(id, Timestamp::now()).await?;
        let open = |sealed| self.inner.installation.open(policy_place(id), &sealed).ok();
        Ok(sealed.and_then(open).map(|mut plain| std::mem::take(&mut *plain)))
    }

    /// Adds to the counts.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn count_tls(&self, counts: &[TlsCount]) -> Result<(), RelayFault> {
        let key = &self.inner.installation;
        let rows = counts.iter().map(|count| {
            let id = self.vault().index.of(Indexed::TlsKind { day: count.day, kind: &count.kind }).to_i64();
            NewTlsCount {
                id,
                day: count.day,
                data_key_id: key.id(),
                kind: key.seal(kind_place(id), &count.kind),
                sessions: i64::try_from(count.sessions).unwrap_or(i64::MAX),
            }
        });
        Ok(self.store().count_tls(rows.collect()).await?)
    }

    /// The counts of the days before this one, at most `COUNTS` of them.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn tls_counts(&self, before: i64) -> Result<Vec<TlsCount>, RelayFault> {
        let mut rows = Vec::new();
        for day in self.store().tls_count_days(before).await? {
            let mut behind = -1;
            while rows.len() < COUNTS {
                let more = self.store().tls_counts_of(day, behind).await?;
                let Some(last) = more.last() else { break };
                behind = last.id;
                let is_full = i64::try_from(more.len()).is_ok_and(|count| count >= TLS_COUNTS);
                rows.extend(more);
                if !is_full {
                    break;
                }
            }
        }
        let open = |row: crate::store::TlsCountRow| {
            let mut kind = self.inner.installation.open(kind_place(row.id), &row.kind).ok()?;
            let sessions = u64::try_from(row.sessions).unwrap_or(0);
            Some(TlsCount { id: row.id, day: row.day, kind: std::mem::take(&mut *kind), sessions })
        };
        Ok(rows.into_iter().filter_map(open).collect())
    }

    /// Puts reports into the queue, each once, then forgets the counts that they were made of and policies that ended.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer: then the counts are still there.
    pub async fn report_tls(&self, reports: Vec<TlsReport>, counts: Vec<i64>) -> Result<(), RelayFault> {
        let now = Timestamp::now();
        let mut messages = Vec::new();
        for report in reports {
            messages.push(self.report_row(&report, now)?);
        }
        if !messages.is_empty() {
            self.store().accept(messages).await?;
        }
        Ok(self.store().forget_tls(counts, now).await?)
    }

    /// Takes it upon this process to post a report to an endpoint, for two minutes.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer: then it must not be posted.
    pub async fn begin_post(&self, day: i64, domain: &Domain, endpoint: &str) -> Result<Errand, RelayFault> {
        let now = Timestamp::now();
        let guard = self.posting(day, domain, endpoint);
        Ok(self.store().take_errand(&guard, now, now.after(POSTING)).await?)
    }

    /// Notes whether the endpoint took it: then no process posts it again.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer: then another process may post it again.
    pub async fn end_post(
        &self,
        day: i64,
        domain: &Domain,
        endpoint: &str,
        is_taken: bool,
    ) -> Result<(), RelayFault> {
        let until = is_taken.then(|| Timestamp::now().after(REPORTED));
        Ok(self.store().end_errand(&self.posting(day, domain, endpoint), until).await?)
    }

    fn posting(&self, day: i64, domain: &Domain, endpoint: &str) -> Index {
        let said = format!("{day} {domain} {endpoint}");
        self.vault().index.of(Indexed::Told { conversation: INSTALLATION, what: &said })
    }

    fn report_row(&self, report: &TlsReport, now: Timestamp) -> Result<NewMessage, RelayFault> {
        let id = self.next_id();
        let from = Alias::new("mailer-daemon", self.domains().merchant().clone());
        let said = format!("{} {} {}", report.day, report.domain, report.recipient.reveal());
        // It holds nobody's file but our own.
        let envelope = Envelope {
            confirmed: true,
            tells_of_tls: true,
            ..Envelope::of_ours(&from, AliasText::from(&from))
        };
        let own = Own {
            key: &self.inner.installation,
            id,
            merchant: INSTALLATION,
            conversation: None,
            to: &report.recipient,
            envelope,
            body: &report.message,
            expires: REPORT_EXPIRES,
            detail: serde_json::json!({ "action": "tls-report", "domain": report.domain.to_string() }),
            guard: Some((Indexed::Told { conversation: INSTALLATION, what: &said }, REPORTED)),
        };
        self.own_row(own, now)
    }
}

fn policy_place(id: i64) -> Place {
    Place::new("sts_policy", "policy", id)
}

fn kind_place(id: i64) -> Place {
    Place::new("tls_result", "kind", id)
}
