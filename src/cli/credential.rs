//! `anshin merchant credential add|list|revoke|limit`.

use super::arguments::Common;
use super::output::{Failure, print, table};
use super::{desk, process};
use crate::config::Config;
use crate::mail::Timestamp;
use crate::relay::{CredentialView, NewCredentialRequest};
use clap::Subcommand;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Subcommand)]
pub(super) enum CredentialCommand {
    /// Add a credential, or replace one. Its password is shown once.
    Add {
        /// The store.
        #[arg(long, value_name = "ID")]
        store_id: String,
        /// What it is for, such as the mail tool that gets it [default: that of the one it replaces].
        #[arg(long, required_unless_present = "replaces")]
        name: Option<String>,
        /// A network it may be used from, such as 192.0.2.0/24; may be given several times [default: anywhere, or those of
        /// the one it replaces].
        #[arg(long = "from", value_name = "NETWORK")]
        networks: Vec<String>,
        /// The user name that it replaces.
        #[arg(long, value_name = "USER")]
        replaces: Option<String>,
        /// How long the replaced one goes on, so that tools can change one by one; at most 90d.
        #[arg(long, value_name = "DURATION", default_value = "7d", requires = "replaces")]
        overlap: String,
    },
    /// Show a store's credentials, and when and from where each was last used.
    List {
        /// The store.
        #[arg(long, value_name = "ID")]
        store_id: String,
    },
    /// End a credential: refused from then on, in sessions that go on too.
    Revoke {
        /// The store.
        #[arg(long, value_name = "ID")]
        store_id: String,
        /// The user name.
        #[arg(long, value_name = "USER")]
        auth_id: String,
        /// How long it goes on, at most 90d.
        #[arg(long, value_name = "DURATION", default_value = "0s")]
        after: String,
    },
    /// Say from which networks a credential may be used.
    Limit {
        /// The store.
        #[arg(long, value_name = "ID")]
        store_id: String,
        /// The user name.
        #[arg(long, value_name = "USER")]
        auth_id: String,
        /// A network such as 192.0.2.0/24; may be given several times, and replaces those of before.
        #[arg(long = "from", value_name = "NETWORK", required_unless_present = "anywhere")]
        networks: Vec<String>,
        /// From anywhere again.
        #[arg(long, conflicts_with = "networks")]
        anywhere: bool,
    },
}

pub(super) async fn run(command: CredentialCommand, common: &Common) -> Result<(), Failure> {
    let (config, relay) = desk::relay(common, "merchant credential").await?;
    match command {
        CredentialCommand::Add { store_id, name, networks, replaces, overlap } => {
            let overlap = duration("--overlap", &overlap)?;
            let request = NewCredentialRequest {
                store_id: &store_id,
                name: name.as_deref(),
                networks: &networks,
                replaces: replaces.as_deref().map(|user| (user, overlap)),
            };
            let added = relay.add_credential(&request).await?;
            let smtp = process::smtp_access(&config, None);
            let mut text = format!(
                "The password is shown this once.\n\n\
                 SMTP server    {}, port {} with STARTTLS\n\
                 user name      {}\n\
                 password       {}",
                smtp.host,
                smtp.port,
                added.auth_id,
                added.auth_password.show(),
            );
            if let (Some(user), Some(until)) = (&replaces, added.replaced_until) {
                text.push_str(&format!("\n\n{user} goes on until {}", until.to_rfc3339()));
            }
            let document = json!({
                "store_id": store_id,
                "name": added.name,
                "smtp": {
                    "host": smtp.host, "port": smtp.port,
                    "auth_id": added.auth_id, "auth_password": added.auth_password.show(),
                },
                "replaced": replaces,
                "replaced_until": added.replaced_until.map(Timestamp::to_rfc3339),
            });
            print(common, &document, &text);
        }
        CredentialCommand::List { store_id } => {
            let all = relay.credentials(&store_id).await?;
            show(&all, common);
        }
        CredentialCommand::Revoke { store_id, auth_id, after } => {
            let at = relay.revoke_credential(&store_id, &auth_id, duration("--after", &after)?).await?;
            let document = json!({ "auth_id": auth_id, "ends_at": at.to_rfc3339() });
            print(common, &document, &format!("{auth_id} ends at {}", at.to_rfc3339()));
        }
        CredentialCommand::Limit { store_id, auth_id, networks, anywhere: _ } => {
            let networks = relay.limit_credential(&store_id, &auth_id, &networks).await?;
            let written: Vec<String> = networks.iter().map(ToString::to_string).collect();
            let from = if written.is_empty() { "anywhere".to_owned() } else { written.join(", ") };
            let document = json!({ "auth_id": auth_id, "networks": written });
            print(common, &document, &format!("{auth_id} may be used from {from}"));
        }
    }
    Ok(())
}

pub(super) fn duration(option: &str, text: &str) -> Result<Duration, Failure> {
    // The configuration knows no duration of nothing; at once is one here.
    let at_once = (text.trim() == "0s").then_some(Duration::ZERO);
    at_once
        .or_else(|| Config::duration(text))
        .ok_or_else(|| Failure::new(format!("{option}: a duration such as 30m, 12h or 7d, not {text:?}")))
}

fn show(all: &[CredentialView], common: &Common) {
    let now = Timestamp::now();
    let state = |credential: &CredentialView| match credential.ends_at {
        None => "stands",
        Some(at) if at > now => "ends",
        Some(_) => "ended",
    };
    let networks = |credential: &CredentialView| -> Vec<String> {
        credential.networks.iter().map(ToString::to_string).collect()
    };
    let time = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339);
    let document = all.iter().map(|credential| {
        let last = credential.last_use.as_ref();
        json!({
            "auth_id": credential.auth_id,
            "name": credential.name,
            "state": state(credential),
            "networks": networks(credential),
            "created_at": credential.created_at.to_rfc3339(),
            "ends_at": time(credential.ends_at),
            "last_used_at": time(last.map(|last| Timestamp::from_millis(last.at))),
            "last_network": last.map(|last| &last.network),
        })
    });
    let document = Value::Array(document.collect());
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|credential| {
            let last = credential.last_use.as_ref();
            let from = networks(credential);
            vec![
                credential.auth_id.clone(),
                credential.name.clone(),
                state(credential).to_owned(),
                time(credential.ends_at).unwrap_or_default(),
                time(last.map(|last| Timestamp::from_millis(last.at))).unwrap_or_else(|| "never".to_owned()),
                last.map(|last| last.network.clone()).unwrap_or_default(),
                if from.is_empty() { "anywhere".to_owned() } else { from.join(" ") },
            ]
        })
        .collect();
    let head = ["user name", "name", "state", "ends at", "last used", "from network", "may be used from"];
    print(common, &document, &table(&head, &rows));
}
