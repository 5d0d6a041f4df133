//! `anshin token add`.

use super::arguments::{Common, TokenCommand};
use super::output::{Failure, print};
use super::process;
use serde_json::json;

pub(super) async fn run(command: TokenCommand, common: &Common) -> Result<(), Failure> {
    let TokenCommand::Add { name, scope } = command;
    let (_, relay) = process::relay(common).await?;
    let added = relay.add_token(&name, &scope).await?;
    let text = format!("{}\n\nIt is shown this once.", added.token.show());
    print(common, &json!({ "token": added.token.show() }), &text);
    Ok(())
}
