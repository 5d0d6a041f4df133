//! `anshin token add`.

use super::arguments::Common;
use super::output::{Failure, print};
use super::process;
use clap::Subcommand;
use serde_json::json;

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
}

pub(super) async fn run(command: TokenCommand, common: &Common) -> Result<(), Failure> {
    let TokenCommand::Add { name, scope } = command;
    let (_, relay) = process::relay(common).await?;
    let added = relay.add_token(&name, &scope).await?;
    let text = format!("{}\n\nIt is shown this once.", added.token.show());
    print(common, &json!({ "token": added.token.show() }), &text);
    Ok(())
}
