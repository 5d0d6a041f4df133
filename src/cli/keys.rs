//! `anshin keys list|rotate`.

use super::arguments::{Common, KeysCommand};
use super::output::{Failure, print, table};
use super::process;
use crate::config::{self, Config};
use crate::mail::Timestamp;
use crate::vault::{KeyRing, Make, Purpose};
use serde_json::{Value, json};

pub(super) fn run(command: &KeysCommand, common: &Common) -> Result<(), Failure> {
    let ring = match command {
        KeysCommand::List => {
            KeyRing::open(&process::load(common, &[])?.keys.dir, Make::Nothing, Timestamp::now())?
        }
        KeysCommand::Rotate { purpose } => {
            let path = process::config_path(common);
            let config = Config::load_before_set_up(path.as_deref(), config::environment());
            let mut ring = KeyRing::open_or_begin(&config.map_err(process::config_failure)?.keys.dir)?;
            let wanted = |own: &Purpose| purpose.as_deref().is_none_or(|name| name == own.as_str());
            for purpose in Purpose::ALL.into_iter().filter(wanted) {
                ring.make(purpose, Timestamp::now())?;
            }
            ring
        }
    };
    let keys = ring.list();
    let document = keys.iter().map(|key| {
        json!({
            "purpose": key.purpose,
            "name": key.name.to_string(),
            "created_at": key.created_at.to_rfc3339(),
            "seals": key.seals,
        })
    });
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let role = if key.seals { "seals and opens" } else { "opens" };
            vec![key.purpose.into(), key.name.to_string(), key.created_at.to_rfc3339(), role.into()]
        })
        .collect();
    print(common, &Value::Array(document.collect()), &table(&["purpose", "name", "made", "does"], &rows));
    Ok(())
}
