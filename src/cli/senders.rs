//! `anshin senders check`: what would be found of a sender, asked of the DNS now. For an operator who wants to know why a
//! mail was held; touches neither database nor keys.

use super::arguments::{Common, SendersCommand};
use super::output::{Failure, print};
use super::process;
use crate::anonymize;
use crate::config::{self, Config};
use crate::mail::RealAddress;
use crate::senders::{Client, Message, Verifier};
use serde_json::json;

pub(super) async fn run(command: SendersCommand, common: &Common) -> Result<(), Failure> {
    let SendersCommand::Check { ip, helo, mail_from, message } = command;
    let path = process::config_path(common);
    let config = Config::load_before_set_up(path.as_deref(), config::environment())
        .map_err(process::config_failure)?;
    let reverse_path = match mail_from.as_deref() {
        None | Some("") => None,
        Some(text) => Some(RealAddress::parse(text)?),
    };
    let bytes = match &message {
        Some(path) => {
            std::fs::read(path).map_err(|cause| Failure::new(format!("{}: {cause}", path.display())))?
        }
        None => Vec::new(),
    };
    let from = anonymize::header_from(&bytes).unwrap_or_default();
    let author = match from.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    let verifier = Verifier::new(process::senders(&config))?;
    let client = Client { ip, helo: &helo, reverse_path: reverse_path.as_ref() };
    let message = Message::read(&bytes, author);
    let findings = verifier.check(&client, &message).await;
    let mut found = findings.to_json();
    if let Some(fields) = found.as_object_mut() {
        fields.insert("verdict".into(), json!(findings.verdict().word()));
        fields.insert("arc_chain".into(), json!(verifier.chain(&message).await.word()));
    }
    let text: Vec<String> = found
        .as_object()
        .map(|fields| fields.iter().map(|(name, value)| format!("{name:<14} {value}")).collect())
        .unwrap_or_default();
    print(common, &found, &text.join("\n"));
    Ok(())
}
