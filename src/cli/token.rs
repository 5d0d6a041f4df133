//! `anshin token add|list|rotate|revoke`.

use super::arguments::Common;
use super::credential::duration;
use super::desk;
use super::output::{Failure, print, table};
use crate::mail::Timestamp;
use crate::relay::TokenView;
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token. It is shown once.
    Add {
        /// What it is for.
        #[arg(long)]
        name: String,
        /// One or more of merchants, orders, messages, erasures, separated by commas.
        #[arg(long = "scope", value_name = "SCOPE[,SCOPE]")]
        scope: String,
    },
    /// List the tokens, revoked ones too.
    List,
    /// Make another token in the place of one. It is shown once; the one before is refused when the overlap is over.
    Rotate {
        /// The token's id, as the list shows it.
        token: String,
        /// For how long both count, at most 30d.
        #[arg(long, value_name = "DURATION", default_value = "24h")]
        overlap: String,
    },
    /// Revoke a token: refused from then on.
    Revoke {
        /// The token's id, as the list shows it.
        token: String,
    },
}

pub(super) async fn run(command: TokenCommand, common: &Common) -> Result<(), Failure> {
    let (_, relay) = desk::relay(common, "token").await?;
    match command {
        TokenCommand::Add { name, scope } => {
            let added = relay.add_token(&name, &scope).await?;
            let text = format!("{}\n\nIt is shown this once.", added.token.show());
            print(common, &json!({ "token": added.token.show() }), &text);
        }
        TokenCommand::Rotate { token, overlap } => {
            let (added, ends_at) = relay.rotate_token(&token, duration("--overlap", &overlap)?).await?;
            let (secret, ends_at) = (added.token.show(), ends_at.to_rfc3339());
            let text = format!("{secret}\n\nIt is shown this once. {token} is refused from {ends_at} on.");
            let before = json!({ "id": token, "ends_at": ends_at });
            print(common, &json!({ "id": added.id, "token": secret, "before": before }), &text);
        }
        TokenCommand::List => show(&relay.tokens().await?, common),
        TokenCommand::Revoke { token } => {
            relay.revoke_token(&token).await?;
            print(common, &json!({ "id": token, "state": "revoked" }), "revoked");
        }
    }
    Ok(())
}

fn show(tokens: &[TokenView], common: &Common) {
    let now = Timestamp::now();
    let state = |token: &TokenView| match (token.revoked_at, token.is_suspended) {
        (Some(_), _) => "revoked",
        (None, _) if token.ends_at.is_some_and(|at| at <= now) => "ended",
        (None, true) => "suspended",
        (None, false) => "stands",
    };
    let document = tokens.iter().map(|token| {
        json!({
            "id": token.id,
            "name": token.name,
            "scopes": token.scopes.split(',').collect::<Vec<_>>(),
            "state": state(token),
            "created_at": token.created_at.to_rfc3339(),
            "last_used_at": token.used_at.map(Timestamp::to_rfc3339),
            "revoked_at": token.revoked_at.map(Timestamp::to_rfc3339),
            "ends_at": token.ends_at.map(Timestamp::to_rfc3339),
        })
    });
    let document: Vec<Value> = document.collect();
    let rows: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            vec![
                token.id.clone(),
                token.name.clone(),
                token.scopes.clone(),
                state(token).to_owned(),
                token.created_at.to_rfc3339(),
                token.used_at.map_or_else(|| "never".to_owned(), Timestamp::to_rfc3339),
            ]
        })
        .collect();
    let head = ["id", "name", "scopes", "state", "created", "last used, to the day"];
    print(common, &Value::Array(document), &table(&head, &rows));
}
