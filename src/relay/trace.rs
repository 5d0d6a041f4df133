//! `anshin log trace`: what happened to a message, an order or an alias: times, events and results for everybody, the sealed rest
//! through the desk (`desk.rs`).

use super::{OrderFault, Relay, RelayFault, parse_queue_id, queue_id};
use crate::mail::RealAddress;
use crate::store::RecordRow;
use crate::vault::{Place, VaultError};

/// What to trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceOf {
    /// A queue id, as replies show it.
    Message(String),
    /// An alias.
    Alias(String),
    /// An order of a store.
    Order { store_id: String, order_no: String },
}

/// One thing that happened.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TraceLine {
    pub at: String,
    pub event: String,
    pub queue_id: Option<String>,
    pub detail: serde_json::Value,
    /// The Received fields of its header block, each in one line, the oldest first: the way of the mail as it says itself, of which
    /// only the last one is a host's that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<String>,
    /// The header block as it was received, where the record has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<String>,
}

/// The same, with nothing of it opened.
#[derive(Debug, Clone, serde::Serialize)]
pub struct EventLine {
    pub at: String,
    pub event: String,
    pub queue_id: Option<String>,
    /// As its fact has them: which way, why or with what status, and from or to which country.
    pub direction: Option<String>,
    pub result: Option<String>,
    pub country: Option<String>,
}

/// Why a trace found nothing.
#[derive(Debug, thiserror::Error)]
pub enum TraceFault {
    #[error("queue id: 16 digits and letters A-F, as in the reply to DATA")]
    QueueId,
    #[error("alias: no such alias here")]
    Alias,
    #[error(transparent)]
    Order(#[from] OrderFault),
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl Relay {
    /// What happened when, and nothing that is sealed.
    ///
    /// # Errors
    /// [`TraceFault`] when what is asked for is not there.
    pub async fn events(&self, of: &TraceOf) -> Result<Vec<EventLine>, TraceFault> {
        let rows = self.traced(of).await?;
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let mut words = self.store().fact_words(&ids).await.map_err(RelayFault::from)?;
        let line = |row: &RecordRow| {
            let [direction, result, country] = words.remove(&row.id).unwrap_or_default();
            let (at, event) = (row.at.to_rfc3339(), row.event.clone());
            EventLine { at, event, queue_id: row.message_id.map(queue_id), direction, result, country }
        };
        Ok(rows.iter().map(line).collect())
    }

    /// The records of something, still sealed.
    pub(super) async fn traced(&self, of: &TraceOf) -> Result<Vec<RecordRow>, TraceFault> {
        let rows = match of {
            TraceOf::Message(text) => {
                let id = parse_queue_id(text).ok_or(TraceFault::QueueId)?;
                self.store().records_of_message(id).await
            }
            TraceOf::Alias(text) => {
                let address = RealAddress::parse(text).map_err(|_| TraceFault::Alias)?;
                let found = self.alias_row(&address).await?;
                self.store().records_of_conversation(found.ok_or(TraceFault::Alias)?.id).await
            }
            TraceOf::Order { store_id, order_no } => {
                let conversation = self.order_of(store_id, order_no).await?;
                self.store().records_of_conversation(conversation.id).await
            }
        };
        Ok(rows.map_err(RelayFault::from)?)
    }

    /// The line of a row; of one whose keys were destroyed meanwhile, when and what alone.
    pub(super) async fn trace_line_or_none(&self, row: &RecordRow) -> Result<TraceLine, RelayFault> {
        match self.trace_line(row).await {
            Err(RelayFault::Vault(VaultError::Destroyed { .. })) => Ok(TraceLine {
                at: row.at.to_rfc3339(),
                event: row.event.clone(),
                queue_id: row.message_id.map(queue_id),
                detail: serde_json::Value::Null,
                hops: Vec::new(),
                headers: None,
            }),
            line => line,
        }
    }

    pub(super) async fn trace_line(&self, row: &RecordRow) -> Result<TraceLine, RelayFault> {
        let key = self.data_key(&row.key)?;
        let detail = self.open_in(&key, Place::new("record", "detail", row.id), &row.detail).await?;
        let headers = match &row.headers {
            Some(sealed) => {
                let place = Place::new("record", "headers", row.id);
                match self.open_in(&key, place, sealed).await {
                    Ok(plain) => Some(String::from_utf8_lossy(&plain).into_owned()),
                    // The keys of the day are gone, and the rows go next.
                    Err(RelayFault::Vault(VaultError::Destroyed { .. })) => None,
                    Err(fault) => return Err(fault),
                }
            }
            None => None,
        };
        Ok(TraceLine {
            at: row.at.to_rfc3339(),
            event: row.event.clone(),
            queue_id: row.message_id.map(queue_id),
            detail: serde_json::from_slice(&detail).map_err(|_| RelayFault::Malformed("record.detail"))?,
            hops: headers.as_deref().map(hops).unwrap_or_default(),
            headers,
        })
    }
}

/// The Received fields of a header block, unfolded, the oldest first (RFC 5321 §4.4, RFC 5322 §2.2.3).
fn hops(headers: &str) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for line in headers.lines() {
        match (line.starts_with([' ', '\t']), fields.last_mut()) {
            (true, Some(field)) => {
                field.push(' ');
                field.push_str(line.trim());
            }
            _ => fields.push(line.trim_end().to_owned()),
        }
    }
    let value = |field: &String| {
        let (name, value) = field.split_once(':')?;
        name.trim_end().eq_ignore_ascii_case("received").then(|| value.trim().to_owned())
    };
    let mut hops: Vec<String> = fields.iter().filter_map(value).collect();
    hops.reverse();
    hops
}

#[cfg(test)]
mod tests {
    #[test]
    fn hops_are_told_in_the_order_in_which_the_mail_passed_them() {
        let block = "Received: from b by c;\r\n\tFri, 27 Nov 2026 10:00:00 +0900\r\nSubject: x\r\n y\r\nRECEIVED : from a by b\r\n";
        assert_eq!(super::hops(block), ["from a by b", "from b by c; Fri, 27 Nov 2026 10:00:00 +0900"]);
    }
}
