//! The desk: the one place where something sealed is opened for a person.
//!
//! Rules: who asks names himself, a purpose of a fixed list and a case. The entry about it is committed before anything is
//! opened, so what was seen and what is written agree, whatever happens in between. One person has so many looks a day. The
//! text of a message, more than 300 rows, and whatever goes to a file take a second person: the first try is kept as a
//! request, which another actor approves within three days, and which then opens once what it names.
//! When it fails: [`DeskFault`], and nothing is shown.

use super::behind::Behind;
use super::correction::{Correction, CorrectionAsked, CorrectionFault};
use super::erasure::ErasureFault;
use super::extracts::{ExtractAsked, Extracting};
use super::legal_hold::HoldFault;
use super::look::{Look, Opening};
use super::readdress::Readdressing;
use super::rulings::hold_said;
use super::trace::{TraceFault, TraceLine};
use super::{OrderFault, OrderView, QueueFault, Relay, RelayFault, queue_id};
use crate::mail::{RealAddress, Timestamp};
use crate::residency::Judged;
use crate::store::NewLookRequest;
use crate::vault::{Class, Index, Indexed, Place};
use serde_json::{Value, json};
use std::time::Duration;

/// Rows of one look that need no second person.
pub const ROWS_ALONE: usize = 300;
/// Looks of one person in 24 hours.
pub const LOOKS_A_DAY: i64 = 200;
/// How long a request may be decided and used.
pub(super) const REQUEST_LIFE: Duration = Duration::from_secs(72 * 3600);

/// The fields of a request in which what was approved and what is done must agree.
const COMPARED: [&str; 5] = ["actor", "purpose", "case", "what", "to"];

/// Where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goes {
    ToTheScreen,
    ToAFile,
}

/// What was opened.
pub enum Opened {
    Trace(Vec<TraceLine>),
    Content(String),
    Customer(String),
    Lifted,
    /// The data keys whose leaves are to be taken out of the ring's tree.
    Erased(Vec<i64>),
    /// All that is held about a person.
    Export(Value),
    /// A new address is asked by mail.
    Asked(CorrectionAsked),
    /// An order with its new address.
    Readdressed(OrderView),
    /// Who is behind an alias.
    Behind(Value),
    /// An extract with the key of its pseudonyms.
    Extract(Extracting),
}

/// What was decided about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    Approved,
    Refused,
}

/// Why nothing was opened.
#[derive(Debug, thiserror::Error)]
pub enum DeskFault {
    #[error("actor: your name, 1 to 64 characters")]
    Actor,
    #[error("case: the number of the case, 1 to 64 characters")]
    Case,
    #[error(
        "this takes a second person; request {0}: another actor approves it within 72 hours, then repeat this with it"
    )]
    SecondPerson(String),
    #[error("request: no such request, or its time is over; ask for it anew")]
    NoRequest,
    #[error("request: it is somebody else's, or for something else; repeat exactly what was asked for")]
    OtherRequest,
    #[error("request: there are more rows by now than were asked for; ask for it anew")]
    MoreRows,
    #[error("request: nobody has approved it yet")]
    NotApproved,
    #[error("request: it was refused")]
    Refused,
    #[error(
        "request: nothing proves that somebody approved it; see `anshin log verify`, and ask for it anew"
    )]
    Unproven,
    #[error("request: it was used already; ask for it anew")]
    Used,
    #[error("request: a second person decides, not who asked")]
    OwnRequest,
    #[error("request: it was decided already, or its time is over")]
    Decided,
    #[error(
        "your access is suspended: nobody certified it in the last review; somebody else does (`anshin compliance review`)"
    )]
    Suspended,
    #[error("{}; {}", .0, .0.cure())]
    Elsewhere(Box<Judged>),
    #[error("break-glass: there is none of this id that waits or stands")]
    NoBreakGlass,
    #[error("--hours: 1 to 24")]
    Hours,
    #[error("--reason: why it can't wait, 1 to 1000 characters in one line")]
    Reason,
    #[error("break-glass: this was asked for 10 times in 24 hours; end those, and come from Japan")]
    TooMany,
    #[error("this is enough for one day: 200 looks in 24 hours; come again later, or let a colleague look")]
    Limited,
    #[error("extract: there is none of this id that is not finished or ended")]
    NoExtract,
    #[error("the message has no text any more: it was delivered, or ended")]
    NoContent,
    #[error(transparent)]
    Trace(#[from] TraceFault),
    #[error(transparent)]
    Order(#[from] OrderFault),
    #[error(transparent)]
    Queue(#[from] QueueFault),
    #[error(transparent)]
    Hold(#[from] HoldFault),
    #[error(transparent)]
    Erasure(#[from] ErasureFault),
    #[error(transparent)]
    Correction(#[from] CorrectionFault),
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl DeskFault {
    /// Whether it is our breakage.
    fn is_ours(&self) -> bool {
        matches!(
            self,
            DeskFault::Fault(_)
                | DeskFault::Trace(TraceFault::Fault(_) | TraceFault::Order(OrderFault::Fault(_)))
                | DeskFault::Order(OrderFault::Fault(_))
                | DeskFault::Queue(QueueFault::Fault(_))
                | DeskFault::Hold(HoldFault::Fault(_))
                | DeskFault::Erasure(ErasureFault::Fault(_))
                | DeskFault::Correction(CorrectionFault::Fault(_))
        )
    }
}

impl Relay {
    /// Opens something for a person; `approved` names a request that a second person has decided.
    ///
    /// # Errors
    /// [`DeskFault`]; then nothing was opened.
    pub async fn open_for(
        &self,
        look: &Look,
        opening: &Opening,
        goes: Goes,
        approved: Option<&str>,
    ) -> Result<Opened, DeskFault> {
        self.may_look(look).await?;
        // Found before it is opened: how many rows it is decides, and stands in the entry.
        let (rows, found) = match self.find(opening).await {
            Err(fault) if !fault.is_ours() => {
                self.note(look, opening, 0, "nothing", None).await?;
                return Err(fault);
            }
            found => found?,
        };
        let alone = rows <= ROWS_ALONE && goes == Goes::ToTheScreen && !opening.takes_two();
        let request = match (alone, approved) {
            (true, _) => None,
            (false, None) => return Err(self.ask(look, opening, goes, rows).await?),
            (false, Some(id)) => Some(self.approved(id, look, opening, goes, rows).await?),
        };
        let now = Timestamp::now();
        let outcome = match goes {
            Goes::ToTheScreen => "opened",
            Goes::ToAFile => "exported",
        };
        if self.looks_today(look, now).await? >= LOOKS_A_DAY {
            self.note(look, opening, 0, "limited", request).await?;
            return Err(DeskFault::Limited);
        }
        if let Some(request) = request
            && !self.store().use_look(request, now).await.map_err(RelayFault::from)?
        {
            self.note(look, opening, 0, "used", Some(request)).await?;
            return Err(DeskFault::Used);
        }
        self.note(look, opening, rows, outcome, request).await?;
        // Counted again with its own entry: of looks at the same time no more than the limit are answered.
        if self.looks_today(look, now).await? > LOOKS_A_DAY {
            self.note(look, opening, 0, "limited", request).await?;
            return Err(DeskFault::Limited);
        }
        tracing::info!(event = "look", kind = opening.kind(), rows, purpose = look.purpose.as_str());
        match found {
            Found::Trace(rows) => {
                let mut lines = Vec::with_capacity(rows.len());
                for row in &rows {
                    lines.push(self.trace_line_or_none(row).await?);
                }
                Ok(Opened::Trace(lines))
            }
            Found::Content(work) => Ok(Opened::Content(self.content(&work).await?)),
            Found::Kept(row) => Ok(Opened::Content(self.open_kept(&row).await?)),
            Found::Customer(row) => Ok(Opened::Customer(self.open_conversation_row(&row)?.customer.reveal())),
            Found::Holds(ids) => {
                for id in ids {
                    let ruling = self.proof_of("legal_hold", id, &hold_said(now));
                    let own = self.own_key_of_hold(id).await?;
                    let lifted = self.store().lift_hold(id, ruling, &self.destroying(own), now).await;
                    if !lifted.map_err(RelayFault::from)? {
                        return Err(HoldFault::NoHold.into());
                    }
                }
                Ok(Opened::Lifted)
            }
            Found::Person(conversations, stranger, numbers) => {
                Ok(Opened::Erased(self.erase(&conversations, (stranger, &numbers), now).await?))
            }
            Found::All(customer, conversations, stranger) => {
                Ok(Opened::Export(self.all_of(&customer, &conversations, stranger, now).await?))
            }
            Found::Correction(correction) => {
                Ok(Opened::Asked(self.ask_correction(look, &correction, rows, now).await?))
            }
            Found::Behind(behind) => Ok(Opened::Behind(self.party_behind(&behind).await?)),
            Found::Extract(asked) => Ok(Opened::Extract(self.begin_extract(look, &asked, now).await?)),
            Found::Order(order) => Ok(Opened::Readdressed(self.readdress(look, &order, now).await?)),
        }
    }

    async fn find(&self, opening: &Opening) -> Result<(usize, Found), DeskFault> {
        match opening {
            Opening::Trace(of) => {
                let rows = self.traced(of).await?;
                Ok((rows.len(), Found::Trace(rows)))
            }
            Opening::Search { records, .. } | Opening::Evidence { records, .. } => {
                let rows = self.store().records_with(records).await.map_err(RelayFault::from)?;
                Ok((rows.len(), Found::Trace(rows)))
            }
            Opening::Content { queue_id } => {
                let id = super::parse_queue_id(queue_id).ok_or(TraceFault::QueueId)?;
                // What waits, and behind its delivery what stayed.
                let waits = self.store().body(id).await.map_err(RelayFault::from)?.is_some();
                if !waits && let Some(row) = self.store().kept_text(id).await.map_err(RelayFault::from)? {
                    return Ok((1, Found::Kept(Box::new(row))));
                }
                let (_, work) = self.queued(id).await?;
                Ok((1, Found::Content(Box::new(work))))
            }
            Opening::Customer { store_id, order_no } => {
                Ok((1, Found::Customer(Box::new(self.order_of(store_id, order_no).await?))))
            }
            // One, or all of a case: every one of them stands.
            Opening::Lift { hold } => {
                let holds = self.store().legal_holds().await.map_err(RelayFault::from)?;
                let standing = |word: &str| {
                    let id = super::parse_queue_id(word)?;
                    holds.iter().any(|row| row.id == id && row.lifted_at.is_none()).then_some(id)
                };
                let ids: Option<Vec<i64>> = hold.split_whitespace().map(standing).collect();
                let ids = ids.filter(|ids| !ids.is_empty()).ok_or(HoldFault::NoHold)?;
                Ok((ids.len(), Found::Holds(ids)))
            }
            Opening::Erase { conversations, stranger, numbers, open_orders, .. } => {
                self.may_erase(conversations, *stranger, *open_orders).await?;
                Ok((conversations.len(), Found::Person(conversations.clone(), *stranger, numbers.clone())))
            }
            Opening::Export { customer, conversations, stranger, .. } => {
                let customer = RealAddress::parse(customer).map_err(|_| ErasureFault::Customer)?;
                let rows = self.count_about(conversations, *stranger).await?;
                Ok((rows, Found::All(Box::new(customer), conversations.clone(), *stranger)))
            }
            Opening::Correct { customer, to, .. } => {
                let (rows, correction) = self.correctable(customer, to).await?;
                Ok((rows, Found::Correction(Box::new(correction))))
            }
            Opening::Behind { alias } => Ok((1, Found::Behind(Box::new(self.behind(alias).await?)))),
            Opening::Extract(asked) => Ok((asked.rows, Found::Extract(asked.clone()))),
            // Decided in the review itself.
            Opening::Certify { .. } => Err(DeskFault::NoRequest),
            Opening::Readdress { store_id, order_no, to, .. } => {
                Ok((1, Found::Order(Box::new(self.readdressable(store_id, order_no, to).await?))))
            }
        }
    }

    async fn content(&self, work: &crate::store::Work) -> Result<String, DeskFault> {
        let body = self
            .store()
            .body(work.message_id)
            .await
            .map_err(RelayFault::from)?
            .ok_or(DeskFault::NoContent)?;
        let key = self.data_key(&work.key).map_err(RelayFault::from)?;
        let place = super::envelope::body_place(work.message_id);
        let plain = self.open_in(&key, place, &body).await?;
        Ok(String::from_utf8_lossy(&plain).into_owned())
    }

    /// Keeps a request for a second person.
    pub(super) async fn ask(
        &self,
        look: &Look,
        opening: &Opening,
        goes: Goes,
        rows: usize,
    ) -> Result<DeskFault, DeskFault> {
        let (id, now) = (self.next_id(), Timestamp::now());
        let key = &self.inner.installation;
        let detail = self.asked(look, opening, goes, rows).to_string();
        let request = NewLookRequest {
            id,
            at: now,
            expires_at: now.after(REQUEST_LIFE),
            actor_idx: self.vault().index.of(Indexed::Actor(&look.actor)),
            data_key_id: key.id(),
            detail: self.seal_in(Class::Audit, key, request_place(id), detail.as_bytes()),
            what_idx: self.what_idx(look, opening, goes),
            rows: i64::try_from(rows).unwrap_or(i64::MAX),
        };
        self.store().request_look(&request).await.map_err(RelayFault::from)?;
        self.note(look, opening, 0, "asked", Some(id)).await?;
        Ok(DeskFault::SecondPerson(queue_id(id)))
    }

    fn asked(&self, look: &Look, opening: &Opening, goes: Goes, rows: usize) -> Value {
        json!({
            "actor": look.actor,
            "login": look.account.login,
            "purpose": look.purpose.as_str(),
            "case": look.case,
            "what": opening.to_json(),
            "to": if goes == Goes::ToAFile { "file" } else { "screen" },
            "rows": rows,
        })
    }

    /// All that a request asks for, as a keyed index.
    pub(super) fn what_idx(&self, look: &Look, opening: &Opening, goes: Goes) -> Index {
        let mut asked = self.asked(look, opening, goes, 0);
        if let Some(fields) = asked.as_object_mut() {
            fields.retain(|name, _| COMPARED.contains(&name.as_str()));
        }
        self.vault().index.of(Indexed::Request(&asked.to_string()))
    }

    /// The request with this id, if it is approved and for exactly this.
    pub(super) async fn approved(
        &self,
        id: &str,
        look: &Look,
        opening: &Opening,
        goes: Goes,
        rows: usize,
    ) -> Result<i64, DeskFault> {
        let id = super::parse_queue_id(id).ok_or(DeskFault::NoRequest)?;
        let row =
            self.store().look_request(id).await.map_err(RelayFault::from)?.ok_or(DeskFault::NoRequest)?;
        // Whoever opens something for a person must be able to read the log, and so what was asked for. An erasure opens
        // nothing, nor does a new address: a process that serves compares its index.
        let opens_nothing = matches!(opening, Opening::Erase { .. } | Opening::Readdress { .. });
        let indexed = row.what.as_ref().filter(|_| opens_nothing);
        let (is_same, seen) = match indexed {
            Some((what, seen)) => {
                (what == self.what_idx(look, opening, goes).as_bytes(), u64::try_from(*seen).ok())
            }
            None => {
                let detail = self.opened_detail(&row.key, request_place(id), &row.detail).await?;
                let asked = self.asked(look, opening, goes, rows);
                let is_same = COMPARED.into_iter().all(|field| detail.get(field) == asked.get(field));
                (is_same, detail.get("rows").and_then(Value::as_u64))
            }
        };
        if !is_same {
            return Err(DeskFault::OtherRequest);
        }
        // A message that waits gets rows while a colleague is asked; what has grown much is more than what was approved.
        if seen.map(|seen| seen + ROWS_ALONE as u64).is_none_or(|most| most < rows as u64) {
            return Err(DeskFault::MoreRows);
        }
        match (row.decision.as_deref(), row.used_at) {
            (_, Some(_)) => Err(DeskFault::Used),
            (None, _) => Err(DeskFault::NotApproved),
            (Some("approved"), None) => {
                let is_entered = self.store().is_approval_entered(&row).await.map_err(RelayFault::from)?;
                if is_entered && self.is_request_ruled(&row) {
                    return Ok(id);
                }
                tracing::error!(event = "tampered", request = %queue_id(id), "nothing proves that it was approved");
                Err(DeskFault::Unproven)
            }
            (Some(_), None) => Err(DeskFault::Refused),
        }
    }

    pub(super) async fn opened_detail(
        &self,
        key: &crate::store::KeyRow,
        place: Place,
        sealed: &crate::vault::Sealed,
    ) -> Result<Value, RelayFault> {
        let plain = self.open_in(&*self.data_key(key)?, place, sealed).await?;
        serde_json::from_slice(&plain).map_err(|_| RelayFault::Malformed("look.detail"))
    }
}

enum Found {
    Trace(Vec<crate::store::RecordRow>),
    Content(Box<crate::store::Work>),
    Kept(Box<crate::store::KeptTextRow>),
    Customer(Box<crate::store::ConversationRow>),
    Holds(Vec<i64>),
    Person(Vec<i64>, Index, Vec<(i64, i64)>),
    All(Box<RealAddress>, Vec<i64>, Index),
    Correction(Box<Correction>),
    Order(Box<Readdressing>),
    Extract(ExtractAsked),
    Behind(Box<Behind>),
}

pub(super) const fn look_place(id: i64) -> Place {
    Place::new("look", "detail", id)
}

pub(super) const fn request_place(id: i64) -> Place {
    Place::new("look_request", "detail", id)
}
