//! `anshin webhook add|list|rotate|replay|remove`.

use super::arguments::Common;
use super::credential::duration;
use super::desk;
use super::output::{Failure, print, table};
use crate::mail::Timestamp;
use crate::relay::WebhookView;
use crate::web::{added_json, webhook_json};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(super) enum WebhookCommand {
    /// Have what becomes of mails posted to an address from now on. Its secret is shown once.
    Add {
        /// Where, of a host that webhooks.hosts names.
        #[arg(long)]
        url: String,
    },
    /// List the webhooks, and what waits for each.
    List,
    /// Make another secret. The one before signs beside it for a while.
    Rotate {
        /// The webhook's id, as the list shows it.
        webhook: String,
        /// For how long both sign, at most 30d.
        #[arg(long, value_name = "DURATION", default_value = "24h")]
        overlap: String,
    },
    /// Post all events of a span of time once more, with the ids that they had.
    Replay {
        /// The webhook's id, as the list shows it.
        webhook: String,
        /// Events of then and later, RFC 3339; they are kept for 14 days.
        #[arg(long, value_name = "TIME")]
        from: String,
        /// And before [default: until now].
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
    },
    /// End a webhook, with what waits for it.
    Remove {
        /// The webhook's id, as the list shows it.
        webhook: String,
    },
}

pub(super) async fn run(command: WebhookCommand, common: &Common) -> Result<(), Failure> {
    let (config, relay) = desk::relay(common, "webhook").await?;
    match command {
        WebhookCommand::Add { url } => {
            let added = relay.add_webhook(&url, &config.webhooks.hosts).await?;
            let (id, secret) = (&added.id, added.secret.as_str());
            let text = format!("webhook   {id}\nsecret    {secret}\n\nIt is shown this once.");
            print(common, &added_json(&added), &text);
        }
        WebhookCommand::List => {
            let webhooks = relay.webhooks().await?;
            let document = Value::Array(webhooks.iter().map(webhook_json).collect());
            let rows: Vec<Vec<String>> = webhooks.iter().map(row).collect();
            let head = ["id", "url", "since", "waiting", "last answer", "given up"];
            print(common, &document, &table(&head, &rows));
        }
        WebhookCommand::Rotate { webhook, overlap } => {
            let added = relay.rotate_webhook(&webhook, duration("--overlap", &overlap)?).await?;
            let text = format!("{}\n\nIt is shown this once.", *added.secret);
            print(common, &added_json(&added), &text);
        }
        WebhookCommand::Replay { webhook, from, until } => {
            let until = until.as_deref().map(|text| time("--until", text)).transpose()?;
            let events = relay.replay_webhook(&webhook, time("--from", &from)?, until).await?;
            print(common, &json!({ "events": events }), &format!("{events} events are posted once more"));
        }
        WebhookCommand::Remove { webhook } => {
            relay.end_webhook(&webhook).await?;
            print(common, &json!({ "id": webhook, "state": "removed" }), "removed");
        }
    }
    Ok(())
}

fn row(view: &WebhookView) -> Vec<String> {
    vec![
        view.id.clone(),
        view.url.clone().unwrap_or_else(|| "-".into()),
        view.created_at.to_rfc3339(),
        view.waiting.to_string(),
        view.last_status.clone().unwrap_or_else(|| "-".into()),
        view.given_up.to_string(),
    ]
}

fn time(option: &str, text: &str) -> Result<Timestamp, Failure> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| {
        Failure::new(format!("{option}: give an RFC 3339 time such as 2027-01-31T23:59:59+09:00"))
    })
}
