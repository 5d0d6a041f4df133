//! Writing facts: beside each record a narrow row by which it is found, its attachments, and what is counted of both.
//!
//! Rules: a fact is written in the transaction of its record, whoever writes that. Counts (`rollup`, `profile`) are added up over a
//! transaction and written at its end, in the order of their keys, behind all that the transaction locks otherwise: so two
//! processes never wait for each other in a circle. A writer counts in rows of its own (`rollup.part`), so they seldom wait at all.
//! When it fails: the transaction is rolled back, with the record.

use super::batch::{lots, statement};
use super::engine::Engine;
use super::fact_proofs::proof_of;
use super::rows::NewRecord;
use crate::mail::Flags;
use crate::vault::FactProofs;
use sqlx::{AnyConnection, AssertSqlSafe};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is found of a record without opening it. `…_k` are keyed numbers of the quarter in which it happened.
#[derive(Default)]
pub struct NewFact {
    pub direction: Option<Cow<'static, str>>,
    pub result: Option<Cow<'static, str>>,
    pub from_k: Option<i64>,
    pub author_k: Option<i64>,
    pub reply_k: Option<i64>,
    pub to_k: Option<i64>,
    pub rcpt_k: Option<i64>,
    pub order_k: Option<i64>,
    pub login_k: Option<i64>,
    pub msgid_k: Option<i64>,
    pub sent_id_k: Option<i64>,
    pub answers_k: Option<i64>,
    pub ip_k: Option<i64>,
    pub net_k: Option<i64>,
    pub origin_k: Option<i64>,
    pub peer_dom_k: Option<i64>,
    pub asn: Option<i64>,
    pub country: Option<Cow<'static, str>>,
    pub country2: Option<Cow<'static, str>>,
    pub origin_country: Option<Cow<'static, str>>,
    pub author_dom_k: Option<i64>,
    pub from_dom_k: Option<i64>,
    pub dkim_dom_k: Option<i64>,
    pub mailer_k: Option<i64>,
    pub tls: Option<Cow<'static, str>>,
    pub spf: Option<&'static str>,
    pub dkim: Option<&'static str>,
    pub dmarc: Option<&'static str>,
    pub arc: Option<&'static str>,
    pub size: Option<i64>,
    pub recipients: Option<i64>,
    pub files: Option<i64>,
    pub hops: Option<i64>,
    pub zone: Option<i64>,
    pub skew: Option<i64>,
    pub flags: Option<Flags>,
    pub attachments: Vec<NewFile>,
    /// What is usual for the store, where this is something that the store did.
    pub usual: Vec<Usual>,
    /// Which rules it fulfils.
    pub detected: Vec<super::detected::NewDetection>,
}

/// An attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    pub hash_k: Option<i64>,
    pub kind: Option<&'static str>,
    pub declared: Option<&'static str>,
    pub found: Option<&'static str>,
    pub size: i64,
    pub is_encrypted: bool,
}

/// Something by which a store is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usual {
    /// country, asn, net, mailer, dkim or domain.
    pub what: &'static str,
    pub value: String,
    /// The same as it was numbered in the quarter before, so that it is not new with every quarter.
    pub before: Option<String>,
}

type RollupKey<'a> = (i64, i64, &'a str, &'a str, &'a str, &'a str, i64);
type ProfileKey<'a> = (i64, &'a str, &'a str);

/// Of what a transaction wrote: how often, and how much.
#[derive(Default)]
pub(super) struct Tally<'a> {
    /// What proves the facts that are written.
    proofs: Option<Arc<FactProofs>>,
    rollups: BTreeMap<RollupKey<'a>, (i64, i64)>,
    profiles: BTreeMap<ProfileKey<'a>, Seen<'a>>,
}

struct Seen<'a> {
    before: &'a str,
    first_at: i64,
    last_at: i64,
    n: i64,
}

const HOUR_MS: i64 = 3_600_000;

/// Which process an id is of (`ids`).
const fn part(id: i64) -> i64 {
    (id >> 12) & 0x3ff
}

impl<'a> Tally<'a> {
    pub fn proven_by(proofs: Option<Arc<FactProofs>>) -> Self {
        Self { proofs, ..Self::default() }
    }

    fn add(&mut self, record: &'a NewRecord) {
        let text = |value: &'a Option<Cow<'static, str>>| value.as_deref().unwrap_or_default();
        let (fact, at) = (&*record.fact, record.at.as_millis());
        let merchant = record.merchant_id.unwrap_or(0);
        let key = (
            at.div_euclid(HOUR_MS),
            merchant,
            text(&fact.direction),
            record.event,
            text(&fact.country),
            text(&fact.result),
            part(record.id),
        );
        let (n, octets) = self.rollups.entry(key).or_default();
        *n += 1;
        *octets = octets.saturating_add(fact.size.unwrap_or(0));
        for usual in &fact.usual {
            let seen = self.profiles.entry((merchant, usual.what, &usual.value)).or_insert(Seen {
                before: usual.before.as_deref().unwrap_or_default(),
                first_at: at,
                last_at: at,
                n: 0,
            });
            seen.first_at = seen.first_at.min(at);
            seen.last_at = seen.last_at.max(at);
            seen.n += 1;
        }
    }

    /// Adds it to what stands there.
    pub async fn write(self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        let rollups: Vec<_> = self.rollups.into_iter().collect();
        for lot in lots(&rollups) {
            let text = statement(
                Engine::of(connection),
                "INSERT INTO rollup (hour, merchant_id, direction, event, country, result, part, n, octets) VALUES",
                "(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                lot.len(),
                "ON CONFLICT (hour, merchant_id, direction, event, country, result, part) \
                 DO UPDATE SET n = rollup.n + excluded.n, octets = rollup.octets + excluded.octets",
            );
            let mut query = sqlx::query(AssertSqlSafe(text));
            for ((hour, merchant, direction, event, country, result, part), (n, octets)) in lot {
                query = query
                    .bind(*hour)
                    .bind(*merchant)
                    .bind(*direction)
                    .bind(*event)
                    .bind(*country)
                    .bind(*result)
                    .bind(*part)
                    .bind(*n)
                    .bind(*octets);
            }
            query.execute(&mut *connection).await?;
        }
        let profiles: Vec<_> = self.profiles.into_iter().collect();
        for lot in lots(&profiles) {
            let text = statement(
                Engine::of(connection),
                // What was seen in the quarter before under another number is not new.
                "INSERT INTO profile (merchant_id, what, value, first_at, last_at, n) \
                 SELECT v.column1, v.column2, v.column3, COALESCE((SELECT p.first_at FROM profile p \
                 WHERE p.merchant_id = v.column1 AND p.what = v.column2 AND p.value = v.column4), v.column5), \
                 v.column6, v.column7 FROM (VALUES",
                "(?, ?, ?, ?, ?, ?, ?)",
                lot.len(),
                ") AS v WHERE 1 = 1 ON CONFLICT (merchant_id, what, value) DO UPDATE SET n = profile.n + excluded.n, \
                 last_at = CASE WHEN excluded.last_at > profile.last_at THEN excluded.last_at ELSE profile.last_at END",
            );
            let mut query = sqlx::query(AssertSqlSafe(text));
            for ((merchant, what, value), seen) in lot {
                query = query
                    .bind(*merchant)
                    .bind(*what)
                    .bind(*value)
                    .bind(seen.before)
                    .bind(seen.first_at)
                    .bind(seen.last_at)
                    .bind(seen.n);
            }
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// Writes the facts of records that are written, and counts them.
pub(super) async fn write<'a>(
    connection: &mut AnyConnection,
    tally: &mut Tally<'a>,
    new: &[&'a NewRecord],
) -> Result<(), sqlx::Error> {
    for lot in lots(new) {
        let text = statement(
            Engine::of(connection),
            "INSERT INTO fact (id, at, event, direction, result, merchant_id, conversation_id, message_id, \
             delivery_id, from_k, author_k, reply_k, to_k, rcpt_k, order_k, login_k, msgid_k, sent_id_k, answers_k, ip_k, \
             net_k, origin_k, peer_dom_k, asn, country, country2, origin_country, author_dom_k, from_dom_k, dkim_dom_k, \
             mailer_k, tls, spf, dkim, dmarc, arc, size, recipients, files, hops, zone, skew, flags, proof) VALUES",
            "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
             ?, ?, ?, ?, ?, ?, ?)",
            lot.len(),
            "",
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for new in lot {
            let fact = &*new.fact;
            query = query
                .bind(new.id)
                .bind(new.at.as_millis())
                .bind(new.event)
                .bind(fact.direction.as_deref())
                .bind(fact.result.as_deref())
                .bind(new.merchant_id)
                .bind(new.conversation_id)
                .bind(new.message_id)
                .bind(new.delivery_id)
                .bind(fact.from_k)
                .bind(fact.author_k)
                .bind(fact.reply_k)
                .bind(fact.to_k)
                .bind(fact.rcpt_k)
                .bind(fact.order_k)
                .bind(fact.login_k)
                .bind(fact.msgid_k)
                .bind(fact.sent_id_k)
                .bind(fact.answers_k)
                .bind(fact.ip_k)
                .bind(fact.net_k)
                .bind(fact.origin_k)
                .bind(fact.peer_dom_k)
                .bind(fact.asn)
                .bind(fact.country.as_deref())
                .bind(fact.country2.as_deref())
                .bind(fact.origin_country.as_deref())
                .bind(fact.author_dom_k)
                .bind(fact.from_dom_k)
                .bind(fact.dkim_dom_k)
                .bind(fact.mailer_k)
                .bind(fact.tls.as_deref())
                .bind(fact.spf)
                .bind(fact.dkim)
                .bind(fact.dmarc)
                .bind(fact.arc)
                .bind(fact.size)
                .bind(fact.recipients)
                .bind(fact.files)
                .bind(fact.hops)
                .bind(fact.zone)
                .bind(fact.skew)
                .bind(fact.flags.map(Flags::bits))
                .bind(tally.proofs.as_ref().map(|proofs| proof_of(proofs, new)));
        }
        query.execute(&mut *connection).await?;
    }
    let files: Vec<(i64, i64, &NewFile)> = new
        .iter()
        .flat_map(|new| (0..).zip(&new.fact.attachments).map(|(ord, file)| (new.id, ord, file)))
        .collect();
    for lot in lots(&files) {
        let text = statement(
            Engine::of(connection),
            "INSERT INTO fact_file (fact_id, ord, hash_k, kind, declared, found, size, is_encrypted) VALUES",
            "(?, ?, ?, ?, ?, ?, ?, ?)",
            lot.len(),
            "",
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for (id, ord, file) in lot {
            query = query
                .bind(*id)
                .bind(*ord)
                .bind(file.hash_k)
                .bind(file.kind)
                .bind(file.declared)
                .bind(file.found)
                .bind(file.size)
                .bind(i64::from(file.is_encrypted));
        }
        query.execute(&mut *connection).await?;
    }
    super::detected::write(connection, new).await?;
    new.iter().for_each(|new| tally.add(new));
    Ok(())
}
