//! What is true of generated traffic, beside it: a file of JSON lines. The first says what was asked for; `kind` of the others is that of a
//! planted fraud, or `sample`: something that a question may ask for.
//!
//! Rules: a plant's line is written once all of it has happened. Everybody in it is made up.
//! When it fails: a fault of the file.

use crate::anonymize::MailFacts;
use crate::mail::Timestamp;
use crate::relay::{Peer, RelayFault};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};

/// Most ids that a line names.
const IDS_MAX: usize = 50;

/// A planted fraud.
struct Plant {
    kind: &'static str,
    store: Option<String>,
    from: i64,
    until: i64,
    values: Vec<String>,
    orders: Vec<String>,
    messages: Vec<String>,
    rows: u64,
    /// How much of it is still to happen.
    left: u64,
}

/// The file, and what is not yet written.
pub(super) struct Truth {
    file: BufWriter<File>,
    plants: Vec<Plant>,
    pub written: u64,
}

impl Truth {
    pub fn new(file: File) -> Self {
        Self { file: BufWriter::new(file), plants: Vec::new(), written: 0 }
    }

    fn line(&mut self, line: &Value) -> Result<(), RelayFault> {
        writeln!(self.file, "{line}").map_err(|_| RelayFault::Malformed("the file of the truth"))
    }

    /// Begins a plant.
    pub fn plant(
        &mut self,
        kind: &'static str,
        store: Option<&str>,
        at: i64,
        values: Vec<String>,
    ) -> Option<usize> {
        let (orders, messages) = (Vec::new(), Vec::new());
        let store = store.map(str::to_owned);
        let plant = Plant { kind, store, from: at, until: at, values, orders, messages, rows: 0, left: 0 };
        self.plants.push(plant);
        Some(self.plants.len() - 1)
    }

    fn of(&mut self, plant: Option<usize>) -> Option<&mut Plant> {
        plant.and_then(|at| self.plants.get_mut(at))
    }

    /// Something of it will happen.
    pub fn expects(&mut self, plant: Option<usize>) {
        if let Some(plant) = self.of(plant) {
            plant.left += 1;
        }
    }

    pub fn of_order(&mut self, plant: Option<usize>, store: &str, order_no: &str) {
        if let Some(plant) = self.of(plant).filter(|plant| plant.orders.len() < IDS_MAX) {
            plant.orders.push(format!("{store}/{order_no}"));
        }
    }

    pub fn of_message(&mut self, plant: Option<usize>, queue_id: &str) {
        if let Some(plant) = self.of(plant).filter(|plant| plant.messages.len() < IDS_MAX) {
            plant.messages.push(queue_id.to_owned());
        }
    }

    /// Something of it has happened; the last writes its line.
    pub fn happened(&mut self, plant: Option<usize>, at: i64) -> Result<(), RelayFault> {
        let Some(plant) = self.of(plant) else { return Ok(()) };
        plant.until = at;
        plant.rows += 1;
        plant.left = plant.left.saturating_sub(1);
        if plant.left > 0 {
            return Ok(());
        }
        let time = |at| Timestamp::from_millis(at).to_rfc3339();
        let line = json!({
            "kind": plant.kind, "store": plant.store, "from": time(plant.from), "until": time(plant.until),
            "values": plant.values, "orders": plant.orders, "messages": plant.messages, "happened": plant.rows,
        });
        self.written += 1;
        self.line(&line)
    }

    /// Something to ask for. `people`: who wrote, and the customer. `ids`: the message, and the alias that it went to.
    pub fn sample(
        &mut self,
        at: i64,
        (store, order_no): (&str, &str),
        (writer, customer): (&str, &str),
        (queue_id, alias): (&str, &str),
        peer: &Peer,
        facts: &MailFacts,
    ) -> Result<(), RelayFault> {
        let line = json!({
            "kind": "sample", "at": Timestamp::from_millis(at).to_rfc3339(), "store": store, "order_no": order_no,
            "writer": writer, "customer": customer, "message": queue_id, "alias": alias,
            "message_id": facts.message_id, "answers": facts.answers, "mailer": facts.mailer,
            "ip": peer.ip.to_string(), "origin": facts.origin.map(|ip| ip.to_string()),
            "hash": facts.described.first().map(|file| HEXLOWER.encode(&file.digest)),
        });
        self.line(&line)
    }

    /// Has everything on the disk.
    pub fn end(&mut self) -> Result<(), RelayFault> {
        self.file.flush().map_err(|_| RelayFault::Malformed("the file of the truth"))
    }
}
