//! What is held about a person, for the person: conversations, records, mails that wait, and what is noted outside of
//! conversations.
//!
//! Rules: of a record all is given only where it is of the person's own mail or mailbox; of everything else what names
//! nobody, by a list of what may. What is somebody else's in a conversation of the person (a guest, the order that
//! admitted one) is told of by its kind alone. A conversation that has another address now, or had one before, may have been
//! a stranger's by mistake: of it a person is given what that very address wrote, and nothing of what came to either.
//! In the end the other party's registered addresses, and the other ones of such a conversation, are sought in all of it and
//! masked, wherever somebody wrote them.
//! When it fails: [`RelayFault`]. What does not open any more, since its keys were destroyed, is told as destroyed.

use super::conversation::Conversation;
use super::hold::{OTHER_ADDRESS, UNPROVEN};
use super::trace::TraceLine;
use super::{Relay, RelayFault, parse_queue_id, queue_id};
use crate::mail::{RealAddress, Timestamp};
use crate::store::{Kind, RecordRow};
use crate::vault::{Index, VaultError};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Fields of a record that name nobody.
const NAMES_NOBODY: [&str; 13] = [
    "action",
    "about",
    "by",
    "decision",
    "direction",
    "files",
    "label",
    "order_no",
    "reason",
    "reply",
    "said",
    "size",
    "size_received",
];
/// What stands for what is the other party's.
const MASKED: &str = "(相手方の情報のため非開示 / withheld: the other party's)";

/// Whose something in the log is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Own,
    Others,
}

/// How much of a conversation is a person's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Share {
    All,
    /// It is the person's, and had another address before: what the person wrote.
    Now,
    /// It was the person's: records of what the person wrote.
    Before,
}

impl Relay {
    /// How many records there are about a person.
    pub(super) async fn count_about(
        &self,
        conversations: &[i64],
        stranger: Index,
    ) -> Result<usize, RelayFault> {
        let mut count = self.store().records_of_stranger(stranger).await?.len();
        for id in conversations {
            count += self.store().records_in(*id).await?.len();
        }
        Ok(count)
    }

    /// All that is held about a person.
    pub(super) async fn all_of(
        &self,
        person: &RealAddress,
        conversations: &[i64],
        stranger: Index,
        now: Timestamp,
    ) -> Result<Value, RelayFault> {
        let (mut of_conversations, mut others) = (Vec::new(), Vec::new());
        for id in conversations {
            let conversation = match self.conversation_by_id(*id).await {
                Ok(Some(conversation)) => conversation,
                Ok(None) => continue,
                Err(RelayFault::Vault(VaultError::Destroyed { .. })) => {
                    of_conversations.push(json!({ "destroyed": true }));
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            of_conversations.push(self.of_conversation(person, &conversation).await?);
            others.extend(self.known_addresses(&conversation.merchant).await?);
            others.extend(conversation.former.into_iter().chain([conversation.customer]));
        }
        let mut outside = Vec::new();
        for row in self.store().records_of_stranger(stranger).await? {
            let Some(line) = self.line_or_none(&row).await? else { continue };
            let is_own = line.detail.get("from").and_then(Value::as_str).is_some_and(|from| is(person, from));
            outside.push(record(&line, if is_own { Whose::Own } else { Whose::Others }));
        }
        let mut document = json!({
            "made_at": now.to_rfc3339(),
            "person": person.reveal(),
            "conversations": of_conversations,
            "outside_of_conversations": outside,
        });
        let others = others.iter().filter(|other| !other.same_mailbox(person));
        let others: Vec<String> = others.map(|other| other.reveal().to_lowercase()).collect();
        mask(&mut document, &others);
        Ok(document)
    }

    async fn of_conversation(
        &self,
        person: &RealAddress,
        conversation: &Conversation,
    ) -> Result<Value, RelayFault> {
        let of_person = |address: &&RealAddress| address.same_mailbox(person);
        let mut addresses = conversation.former.iter().chain([&conversation.customer]);
        let is_own = addresses.clone().any(|address| of_person(&address));
        let share = match (addresses.all(|address| of_person(&address)), of_person(&&conversation.customer)) {
            (true, _) => Share::All,
            (false, true) => Share::Now,
            (false, false) => Share::Before,
        };
        let kind = match conversation.kind {
            Kind::Order => "order",
            Kind::Inquiry => "inquiry",
            Kind::Guest => "guest",
        };
        let mut document = json!({
            "kind": kind,
            "store": conversation.merchant.name,
            "store_id": conversation.merchant.store_id,
            "order_no": (!conversation.order_no.is_empty()).then_some(&conversation.order_no),
            "opened_at": conversation.created_at.to_rfc3339(),
            "expires_at": conversation.expires_at.to_rfc3339(),
            "closed_at": conversation.closed_at.map(Timestamp::to_rfc3339),
        });
        let Some(fields) = document.as_object_mut() else { return Ok(document) };
        if !is_own {
            let why = "this part of the order is of another address; what is of that address is told to it";
            fields.insert("of_another_address".into(), why.into());
            return Ok(document);
        }
        let addresses = [&conversation.customer].into_iter().chain(&conversation.former);
        let addresses: Vec<String> = addresses.filter(of_person).map(RealAddress::reveal).collect();
        fields.insert("your_addresses".into(), addresses.into());
        fields.insert("alias_of_you".into(), conversation.customer_alias.to_string().into());
        fields.insert("alias_of_the_store".into(), conversation.merchant_alias.to_string().into());
        let (records, written, doubted) = self.records_of(person, share, conversation).await?;
        fields.insert("records".into(), records.into());
        fields
            .insert("texts_kept".into(), self.kept_in(share, &written, &doubted, conversation).await?.into());
        fields.insert("mails_waiting".into(), self.waiting_of(share, &written, conversation).await?.into());
        // It does not say of which address's mailbox.
        let state = match share {
            Share::All => self.store().mailbox_of(conversation.id).await?,
            Share::Now | Share::Before => None,
        };
        fields.insert(
            "mailbox_refuses_mail".into(),
            state.map_or(Value::Null, |(status, since, until)| {
                json!({ "status": status, "since": since.to_rfc3339(), "until": until.to_rfc3339() })
            }),
        );
        Ok(document)
    }

    /// What the log has on a conversation, as far as it may be told, the mails that the person wrote, and those of which nobody knows
    /// who did.
    async fn records_of(
        &self,
        person: &RealAddress,
        share: Share,
        conversation: &Conversation,
    ) -> Result<(Vec<Value>, Vec<i64>, Vec<i64>), RelayFault> {
        let rows = self.store().records_in(conversation.id).await?;
        let mut lines = Vec::new();
        for row in &rows {
            lines.push((row, self.line_or_none(row).await?));
        }
        // Whose mail a record is about stands in the one that was written when it was taken.
        let mut directions: HashMap<i64, (String, Option<i64>)> = HashMap::new();
        for (row, line) in &lines {
            let (Some(message), Some(line)) = (row.message_id, line) else { continue };
            let word = |name: &str| line.detail.get(name).and_then(Value::as_str);
            if let Some(direction) = word("direction") {
                let about = word("about").and_then(parse_queue_id);
                directions.insert(message, (direction.to_owned(), about));
            }
        }
        // What claims to be the person's and was not proven may be anybody's.
        let is_in_doubt = |(row, line): &(&RecordRow, Option<TraceLine>)| {
            let reason = line.as_ref().and_then(|line| line.detail.get("reason")?.as_str());
            (row.event == "held" && reason.is_some_and(is_doubt)).then_some(row.message_id?)
        };
        let doubted: Vec<i64> = lines.iter().filter_map(is_in_doubt).collect();
        let is_theirs = |row: &RecordRow, line: &TraceLine| {
            let from = line.detail.get("from").and_then(Value::as_str);
            row.message_id.is_some_and(|message| !doubted.contains(&message))
                && from
                    .and_then(|from| RealAddress::parse(from).ok())
                    .is_some_and(|from| super::routing::is_written_by(&from, person))
        };
        let direction = |message: Option<i64>| {
            let (direction, about) = directions.get(&message?)?;
            match (direction.as_str(), about) {
                // A notice goes to whoever wrote the mail that it is about.
                ("notice", Some(about)) => match directions.get(about)?.0.as_str() {
                    "to_merchant" => Some("to_customer"),
                    _ => Some("to_merchant"),
                },
                (direction, _) => Some(direction),
            }
        };
        let records = lines.iter().map(|(row, line)| {
            let Some(line) = line else {
                return json!({ "at": row.at.to_rfc3339(), "event": row.event, "destroyed": true });
            };
            let whose = match (row.event.as_str(), direction(row.message_id)) {
                ("accepted", Some("to_merchant")) if is_theirs(row, line) => Whose::Own,
                // Of a mail to the customer the log does not say which of the addresses it went to.
                ("delivered" | "deferred" | "failed", Some("to_customer")) if share == Share::All => {
                    Whose::Own
                }
                _ => Whose::Others,
            };
            record(line, whose)
        });
        let records = records.collect();
        let written: Vec<i64> = lines
            .iter()
            .filter_map(|(row, line)| {
                let is_own = row.event == "accepted" && is_theirs(row, line.as_ref()?);
                is_own.then_some(row.message_id?)
            })
            .collect();
        Ok((records, written, doubted))
    }

    /// The mails that wait. Where another address had it before, with the texts of those alone that the person wrote; without any
    /// where it is another's now.
    async fn waiting_of(
        &self,
        share: Share,
        written: &[i64],
        conversation: &Conversation,
    ) -> Result<Vec<Value>, RelayFault> {
        let mut waiting = Vec::new();
        for (message, direction, at, state, held_for) in self.store().waiting_in(conversation.id).await? {
            let text = match self.store().body(message).await? {
                _ if held_for.as_deref().is_some_and(is_doubt) => Some(MASKED.to_owned()),
                _ if share == Share::Before || (share == Share::Now && !written.contains(&message)) => {
                    Some(MASKED.to_owned())
                }
                Some(body) => {
                    let place = super::envelope::body_place(message);
                    match self.open_in(&conversation.key, place, &body).await {
                        Ok(plain) => Some(String::from_utf8_lossy(&plain).into_owned()),
                        Err(RelayFault::Vault(VaultError::Destroyed { .. })) => None,
                        Err(fault) => return Err(fault),
                    }
                }
                None => None,
            };
            waiting.push(json!({
                "queue_id": queue_id(message),
                "at": at.to_rfc3339(),
                "direction": direction,
                "state": state,
                "reason": held_for,
                "message_as_its_recipient_gets_it": text,
            }));
        }
        Ok(waiting)
    }

    /// The texts that stayed after their delivery, by the same rules as those that wait.
    async fn kept_in(
        &self,
        share: Share,
        written: &[i64],
        doubted: &[i64],
        conversation: &Conversation,
    ) -> Result<Vec<Value>, RelayFault> {
        let mut kept = Vec::new();
        for row in self.store().kept_texts_in(conversation.id).await? {
            let is_own = written.contains(&row.message_id);
            let text = match share {
                _ if doubted.contains(&row.message_id) => false,
                Share::All => true,
                Share::Now => is_own,
                Share::Before => false,
            };
            let text = match text.then_some(self.open_kept(&row)) {
                None => Some(MASKED.to_owned()),
                Some(opened) => match opened.await {
                    Ok(text) => Some(text),
                    Err(RelayFault::Vault(VaultError::Destroyed { .. })) => None,
                    Err(fault) => return Err(fault),
                },
            };
            kept.push(json!({
                "queue_id": queue_id(row.message_id),
                "at": row.at.to_rfc3339(),
                "message_as_its_recipient_got_it": text,
            }));
        }
        Ok(kept)
    }

    /// A line of the log; `None` where it opens no more.
    async fn line_or_none(&self, row: &RecordRow) -> Result<Option<TraceLine>, RelayFault> {
        match self.trace_line(row).await {
            Ok(line) => Ok(Some(line)),
            Err(RelayFault::Vault(VaultError::Destroyed { .. })) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// Whether a mail is held because nobody knows who wrote it.
fn is_doubt(held_for: &str) -> bool {
    [UNPROVEN, OTHER_ADDRESS].contains(&held_for)
}

fn is(person: &RealAddress, text: &str) -> bool {
    RealAddress::parse(text).is_ok_and(|address| address.same_mailbox(person))
}

/// A record, as far as it may be told.
fn record(line: &TraceLine, whose: Whose) -> Value {
    let mut fields = Map::new();
    fields.insert("at".into(), line.at.clone().into());
    fields.insert("event".into(), line.event.clone().into());
    fields.insert("queue_id".into(), line.queue_id.clone().into());
    let mut detail = Map::new();
    let all = line.detail.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    for (name, value) in all {
        let may = whose == Whose::Own || (NAMES_NOBODY.contains(&name.as_str()) && !value.is_object());
        // What a server answered about the other party's mailbox quotes it.
        let may = may && (whose == Whose::Own || name != "reply" || value.is_number());
        detail.insert(name.clone(), if may { value.clone() } else { MASKED.into() });
    }
    fields.insert("detail".into(), detail.into());
    if let Some(headers) = &line.headers {
        let shown = if whose == Whose::Own { headers.clone() } else { MASKED.to_owned() };
        fields.insert("header_block".into(), shown.into());
    }
    fields.into()
}

/// Masks these addresses wherever they stand.
fn mask(value: &mut Value, others: &[String]) {
    match value {
        Value::String(text) => {
            for other in others {
                // In lower case some letters are longer or shorter than they were: then the whole text goes.
                while let Some(at) = text.to_lowercase().find(other.as_str()) {
                    match text.get(at..at + other.len()).is_some_and(|found| found.to_lowercase() == *other) {
                        true => text.replace_range(at..at + other.len(), MASKED),
                        false => *text = MASKED.to_owned(),
                    }
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| mask(value, others)),
        Value::Object(fields) => fields.values_mut().for_each(|value| mask(value, others)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_party_s_address_is_masked_in_whatever_case_and_place() {
        let others = ["owner@store.example".to_owned()];
        let mut value =
            json!({ "a": ["x Owner@STORE.example y", 5], "b": "İ owner@store.example owner@store.example" });
        mask(&mut value, &others);
        let text = value.to_string().to_lowercase();
        assert!(!text.contains("store.example") && text.contains("x (") && text.contains(") y"), "{text}");
    }

    #[test]
    fn of_others_records_only_what_names_nobody_is_told() {
        let line = TraceLine {
            at: "t".into(),
            event: "accepted".into(),
            queue_id: None,
            detail: json!({ "from": "a@b.c", "peer": { "ip": "192.0.2.1" }, "size": 5, "reply": "550 a@b.c", "new": 1 }),
            hops: Vec::new(),
            headers: Some("From: a@b.c".into()),
        };
        let told = record(&line, Whose::Others).to_string();
        assert!(told.contains("\"size\":5"), "{told}");
        assert!(
            !told.contains("a@b.c") && !told.contains("192.0.2.1") && !told.contains("\"new\":1"),
            "{told}"
        );
        assert!(record(&line, Whose::Own).to_string().contains("From: a@b.c"));
    }
}
