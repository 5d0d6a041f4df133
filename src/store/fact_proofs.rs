//! What of a fact is proven, in one form for ever: as it is written, and as it is read again.
//!
//! Rules: every column that its record does not have, with the record's id in front and its attachments behind. A value has its kind before it,
//! and a word its length, so that no two facts have one form. What a person's erasure empties has no proof any more, and is told apart.
//! When it fails: [`StoreFault`] where the database does not answer.

use super::engine::Engine;
use super::facts::{NewFact, NewFile};
use super::fault::StoreFault;
use super::handle::Store;
use super::ids;
use super::rows::NewRecord;
use crate::mail::Flags;
use crate::vault::FactProofs;
use sqlx::{AssertSqlSafe, Row};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Between values that the database puts together: in no word of ours.
const BETWEEN: char = '\u{1f}';
/// How long after its schema knows of proofs a database may get facts without one, from nodes that are not updated yet.
const UPDATED_WITHIN_S: i64 = 8 * 86_400;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A keyed number, which goes with its person.
    Keyed,
    Number,
    Word,
}
use Kind::{Keyed, Number, Word};

/// Columns of `fact`, in the order of the form.
const COLUMNS: [(&str, Kind); 38] = [
    ("direction", Word),
    ("result", Word),
    ("from_k", Keyed),
    ("author_k", Keyed),
    ("reply_k", Keyed),
    ("to_k", Keyed),
    ("rcpt_k", Keyed),
    ("order_k", Keyed),
    ("login_k", Keyed),
    ("msgid_k", Keyed),
    ("sent_id_k", Keyed),
    ("answers_k", Keyed),
    ("ip_k", Keyed),
    ("net_k", Keyed),
    ("origin_k", Keyed),
    ("peer_dom_k", Keyed),
    ("asn", Number),
    ("country", Word),
    ("country2", Word),
    ("origin_country", Word),
    ("author_dom_k", Keyed),
    ("from_dom_k", Keyed),
    ("dkim_dom_k", Keyed),
    ("mailer_k", Keyed),
    ("tls", Word),
    ("spf", Word),
    ("dkim", Word),
    ("dmarc", Word),
    ("arc", Word),
    ("size", Number),
    ("recipients", Number),
    ("files", Number),
    ("hops", Number),
    ("zone", Number),
    ("skew", Number),
    ("flags", Number),
    // What the record has too, so that a proof is of one record alone.
    ("at", Number),
    ("event", Word),
];
/// Columns of `fact_file`.
const FILE_COLUMNS: [(&str, Kind); 7] = [
    ("ord", Number),
    ("hash_k", Keyed),
    ("kind", Word),
    ("declared", Word),
    ("found", Word),
    ("size", Number),
    ("is_encrypted", Number),
];

/// What a fact says, as octets.
struct Form(Vec<u8>);

impl Form {
    fn of(id: i64) -> Self {
        let mut form = Self(Vec::with_capacity(384));
        form.number(Some(id));
        form
    }

    fn number(&mut self, value: Option<i64>) {
        self.0.push(u8::from(value.is_some()));
        self.0.extend(value.iter().flat_map(|value| value.to_be_bytes()));
    }

    fn numbers<const N: usize>(&mut self, values: [Option<i64>; N]) {
        values.into_iter().for_each(|value| self.number(value));
    }

    /// An empty word is none.
    fn word(&mut self, value: Option<&str>) {
        match value.filter(|word| !word.is_empty()) {
            Some(word) => {
                self.0.push(2);
                self.0.extend((word.len() as u64).to_be_bytes());
                self.0.extend_from_slice(word.as_bytes());
            }
            None => self.0.push(0),
        }
    }

    fn words<const N: usize>(&mut self, values: [Option<&str>; N]) {
        values.into_iter().for_each(|value| self.word(value));
    }

    /// What the database gave for these columns: `None` where that is nothing that was ever written.
    fn read(&mut self, columns: &[(&str, Kind)], text: &str) -> Option<()> {
        let mut values = text.split(BETWEEN);
        for (_, kind) in columns {
            let value = values.next()?;
            match kind {
                Word => self.word(Some(value)),
                Keyed | Number if value.is_empty() => self.number(None),
                Keyed | Number => self.number(Some(value.parse().ok()?)),
            }
        }
        values.next().is_none().then_some(())
    }
}

/// The proof of a fact that is written.
#[must_use]
pub fn proof_of(proofs: &FactProofs, new: &NewRecord) -> i64 {
    proofs.of(&form_of(new).0)
}

fn form_of(new: &NewRecord) -> Form {
    let (mut form, fact) = (Form::of(new.id), &*new.fact);
    let NewFact { direction, result, from_k, author_k, reply_k, to_k, rcpt_k, order_k, login_k, .. } = fact;
    let NewFact { msgid_k, sent_id_k, answers_k, ip_k, net_k, origin_k, peer_dom_k, asn, .. } = fact;
    let NewFact { country, country2, origin_country, author_dom_k, from_dom_k, dkim_dom_k, mailer_k, .. } =
        fact;
    let NewFact { tls, spf, dkim, dmarc, arc, size, recipients, files, hops, zone, skew, flags, .. } = fact;
    form.words([direction.as_deref(), result.as_deref()]);
    form.numbers([*from_k, *author_k, *reply_k, *to_k, *rcpt_k, *order_k, *login_k]);
    form.numbers([*msgid_k, *sent_id_k, *answers_k, *ip_k, *net_k, *origin_k, *peer_dom_k, *asn]);
    form.words([country.as_deref(), country2.as_deref(), origin_country.as_deref()]);
    form.numbers([*author_dom_k, *from_dom_k, *dkim_dom_k, *mailer_k]);
    form.words([tls.as_deref(), *spf, *dkim, *dmarc, *arc]);
    form.numbers([*size, *recipients, *files, *hops, *zone, *skew, flags.map(Flags::bits)]);
    form.number(Some(new.at.as_millis()));
    form.word(Some(new.event));
    for (ord, file) in (0..).zip(&fact.attachments) {
        let NewFile { hash_k, kind, declared, found, size, is_encrypted } = file;
        form.numbers([Some(ord), *hash_k]);
        form.words([*kind, *declared, *found]);
        form.numbers([Some(*size), Some(i64::from(*is_encrypted))]);
    }
    form
}

/// Columns as one text. Both engines write a number in the same digits.
fn joined(columns: &[(&str, Kind)]) -> String {
    let value = |(name, kind): &(&str, Kind)| match kind {
        Word => format!("COALESCE({name}, '')"),
        Keyed | Number => format!("COALESCE(CAST({name} AS TEXT), '')"),
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    values.join(&format!(" || '{BETWEEN}' || "))
}

/// What a fact says beside what it has in common with its record.
pub struct Said {
    proof: Option<i64>,
    /// None: it is nothing that was ever written.
    form: Option<Vec<u8>>,
    is_empty: bool,
}

/// Whether a fact is as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proven {
    Yes,
    /// It has no number of anybody any more: its person was erased, or somebody emptied it.
    Emptied,
    /// It has no proof.
    No,
    /// It is another one's.
    Altered,
}

impl Said {
    /// Whether it is as it was written.
    #[must_use]
    pub fn proven_by(&self, proofs: &FactProofs) -> Proven {
        match (self.proof, &self.form) {
            (Some(proof), Some(form)) if proofs.of(form) == proof => Proven::Yes,
            // Whatever its proof is: nodes of an older version erase and leave it.
            (_, Some(_)) if self.is_empty => Proven::Emptied,
            (None, Some(_)) => Proven::No,
            _ => Proven::Altered,
        }
    }
}

/// The columns that [`Said::read`] takes.
pub(super) fn said_columns() -> String {
    format!("proof, {}", joined(&COLUMNS))
}

impl Said {
    pub(super) fn read(
        id: i64,
        row: &sqlx::any::AnyRow,
        first: usize,
        files: &BTreeMap<i64, Vec<String>>,
    ) -> Result<Self, sqlx::Error> {
        let text: String = row.try_get(first + 1)?;
        let keyed = text.split(BETWEEN).zip(COLUMNS).filter(|(_, (_, kind))| *kind == Keyed);
        let mut is_empty = keyed.into_iter().all(|(value, _)| value.is_empty());
        let mut form = Form::of(id);
        let mut is_read = form.read(&COLUMNS, &text);
        for file in files.get(&id).into_iter().flatten() {
            is_empty &= file.split(BETWEEN).nth(1).is_none_or(str::is_empty);
            is_read = is_read.and_then(|()| form.read(&FILE_COLUMNS, file));
        }
        Ok(Self { proof: row.try_get(first)?, form: is_read.map(|()| form.0), is_empty })
    }
}

impl Store {
    /// Proves facts from now on.
    pub fn prove_facts_by(&self, proofs: FactProofs) {
        let _ = self.announced().proofs.set(Arc::new(proofs));
    }

    /// What proves facts, where that is known.
    #[must_use]
    pub fn fact_proofs(&self) -> Option<Arc<FactProofs>> {
        self.announced().proofs.get().cloned()
    }

    /// Attachments of facts from one id to another, each as one text.
    pub(super) async fn files_said(
        &self,
        from: i64,
        last: i64,
    ) -> Result<BTreeMap<i64, Vec<String>>, StoreFault> {
        let text = format!(
            "SELECT fact_id, {} FROM fact_file WHERE fact_id >= $1 AND fact_id <= $2 ORDER BY fact_id, ord",
            joined(&FILE_COLUMNS)
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(from).bind(last);
        let mut files: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for row in query.fetch_all(self.pool()).await? {
            files.entry(row.try_get(0)?).or_default().push(row.try_get(1)?);
        }
        Ok(files)
    }

    /// The first id of which each fact has a proof: some days after this database has proofs at all, by when every node was updated.
    ///
    /// # Errors
    /// [`StoreFault`] when the database does not answer.
    pub async fn proofs_since(&self) -> Result<i64, StoreFault> {
        let seconds = self.migrated_at(48).await?.unwrap_or(i64::MAX / 2000);
        Ok(ids::floor(seconds.saturating_add(UPDATED_WITHIN_S).saturating_mul(1000)))
    }

    /// When a migration was done, in seconds since 1970.
    pub(super) async fn migrated_at(&self, version: i64) -> Result<Option<i64>, StoreFault> {
        let seconds = match self.engine() {
            Engine::Sqlite => {
                "SELECT CAST(strftime('%s', installed_on) AS BIGINT) FROM _sqlx_migrations WHERE version = $1"
            }
            Engine::Postgres => {
                "SELECT CAST(EXTRACT(EPOCH FROM installed_on) AS BIGINT) FROM _sqlx_migrations WHERE version = $1"
            }
        };
        let row = sqlx::query(seconds).bind(version).fetch_optional(self.pool()).await?;
        Ok(row.map(|row| row.try_get::<i64, _>(0)).transpose()?)
    }
}
