//! `anshin keys list|rotate|dkim`.

use super::arguments::{Common, KeysCommand};
use super::output::{Failure, print, table};
use super::process;
use crate::config::{self, Config};
use crate::egress::dkim::{KeyAlgorithm, KeyPlan, KeyRecord, Signer};
use crate::mail::Timestamp;
use crate::relay::Domains;
use crate::vault::{KeyRing, Make, Purpose};
use serde_json::{Value, json};

/// Makes a signing key; shows what is to be published for it.
fn dkim(common: &Common, selector: &str, algorithm: &str) -> Result<(), Failure> {
    let path = process::config_path(common);
    let config = Config::load_before_set_up(path.as_deref(), config::environment())
        .map_err(process::config_failure)?;
    let algorithm = if algorithm == "rsa" { KeyAlgorithm::Rsa } else { KeyAlgorithm::Ed25519 };
    let is_label = !selector.is_empty()
        && selector.len() <= 63
        && selector.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !is_label {
        return Err(Failure::new("a selector is a label of small letters, digits and hyphens".to_owned()));
    }
    let dir = &config.egress.dkim.dir;
    Signer::add(dir, selector, algorithm)?;
    let plan = KeyPlan { selector: selector.to_owned(), signs_from: None };
    let signer = Signer::load(dir)?.planned(&[plan])?;
    let domains = Domains::new(&config.domains.customer, &config.domains.merchant)?;
    let records: Vec<KeyRecord> = domains.all().flat_map(|domain| signer.dns_records(domain)).collect();
    let document = records.iter().map(|key| json!({ "name": key.name, "type": "TXT", "value": key.value }));
    let text: String = records.iter().map(|key| format!("{key}\n")).collect();
    print(common, &Value::Array(document.collect()), &text);
    Ok(())
}

pub(super) fn run(command: &KeysCommand, common: &Common) -> Result<(), Failure> {
    let ring = match command {
        KeysCommand::Dkim { selector, algorithm } => return dkim(common, selector, algorithm),
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
