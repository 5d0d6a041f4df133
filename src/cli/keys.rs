//! `anshin keys list|rotate|rewrap|retire|dkim`.

use super::arguments::{Common, KeysCommand};
use super::output::{Failure, print, table};
use super::{keys_rekey, process, providers};
use crate::config::{self, Config};
use crate::egress::dkim::{KeyAlgorithm, KeyPlan, KeyRecord, Signer};
use crate::mail::Timestamp;
use crate::relay::Domains;
use crate::vault::{KeyRing, Purpose, Take};
use serde_json::{Value, json};
use std::sync::Arc;

/// Makes a signing key; shows what is to be published for it.
fn dkim(common: &Common, selector: &str, algorithm: &str) -> Result<(), Failure> {
    let config = before_set_up(common)?;
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

pub(super) fn before_set_up(common: &Common) -> Result<Config, Failure> {
    let path = process::config_path(common);
    Config::load_before_set_up(path.as_deref(), config::environment()).map_err(process::config_failure)
}

/// The ring as it lies there, whole or not.
pub(super) async fn as_it_is(config: &Config) -> Result<KeyRing, Failure> {
    let wrapping = providers::wrapping(config).await?;
    Ok(KeyRing::open_or_begin(&config.keys.dir, Arc::new(wrapping))?)
}

pub(super) async fn run(command: &KeysCommand, common: &Common) -> Result<(), Failure> {
    let ring = match command {
        KeysCommand::Dkim { selector, algorithm } => return dkim(common, selector, algorithm),
        KeysCommand::Rewrap { all_updated } => return keys_rekey::rewrap(*all_updated, common).await,
        KeysCommand::Retire { key } => return keys_rekey::retire(key, common).await,
        KeysCommand::List => as_it_is(&process::load(common, &[])?).await?,
        KeysCommand::Rotate { purpose, seals_after } => {
            let config = before_set_up(common)?;
            let _turn = process::turn_at_ring(&config)?;
            let mut ring = as_it_is(&config).await?;
            let wait = Config::duration(seals_after)
                .ok_or_else(|| Failure::new("--seals-after: a duration such as 1m or 2h"))?;
            let now = Timestamp::now();
            let is_first = ring.list(now).is_empty();
            let wanted: Vec<Purpose> = match purpose.as_deref().and_then(Purpose::parse) {
                Some(purpose) => vec![purpose],
                None => Purpose::ROTATED.to_vec(),
            };
            let had: Vec<Purpose> = ring.list(now).iter().map(|line| line.purpose).collect();
            // The menu's first key is made where it is asked for: until all are updated, older programs refuse a ring with it.
            let asked = |of: &Purpose| *of != Purpose::Menu || purpose.as_deref() == Some(of.as_str());
            ring.complete(now, &Take::Only(Purpose::ROTATED.into_iter().filter(asked).collect()))?;
            for purpose in wanted.into_iter().filter(|purpose| !is_first && had.contains(purpose)) {
                ring.make(purpose, now, wait)?;
            }
            ring
        }
    };
    show(&ring, common);
    Ok(())
}

fn show(ring: &KeyRing, common: &Common) {
    let now = Timestamp::now();
    let keys = ring.list(now);
    let document = keys.iter().map(|key| {
        json!({
            "purpose": key.purpose.as_str(),
            "name": key.name.to_string(),
            "created_at": key.created_at.to_rfc3339(),
            "seals_from": key.seals_from.to_rfc3339(),
            "seals": key.seals,
            "opens": key.opens,
            "fingerprint": key.fingerprint,
        })
    });
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let seals = match key.seals {
                true => "seals".to_owned(),
                false if key.seals_from > now => format!("seals from {}", key.seals_from),
                false => String::new(),
            };
            let does = match (seals.is_empty(), key.opens) {
                (true, true) => "opens".to_owned(),
                (true, false) => "public half alone".to_owned(),
                (false, true) => format!("{seals}, opens"),
                (false, false) => format!("{seals}, public half alone"),
            };
            let purpose = key.purpose.as_str().to_owned();
            vec![purpose, key.name.to_string(), key.created_at.to_rfc3339(), key.fingerprint.clone(), does]
        })
        .collect();
    let head = ["purpose", "name", "made", "fingerprint", "does"];
    print(common, &Value::Array(document.collect()), &table(&head, &rows));
}
