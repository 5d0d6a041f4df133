//! `anshin compliance correct`: with a second person, asks a new address whether it is the customer's.

use crate::cli::arguments::Common;
use crate::cli::arguments_desk::LookArguments;
use crate::cli::desk;
use crate::cli::output::{Failure, print};
use crate::relay::{Goes, Opened};
use serde_json::json;

pub(super) async fn run(
    customer: &str,
    to: &str,
    arguments: &LookArguments,
    common: &Common,
) -> Result<(), Failure> {
    let (_, relay, look) = desk::relay_named(common, "compliance correct", arguments).await?;
    let opening = relay.correction_of(customer, to).await?;
    let approved = arguments.approved.as_deref();
    let opened = relay.open_for(&look, &opening, Goes::ToTheScreen, approved).await?;
    let Opened::Asked(asked) = opened else { return Err(Failure::new("nobody was asked")) };
    let expires_at = asked.expires_at.to_rfc3339();
    let mut text = format!(
        "The new address is asked by mail, and the one before is told. {} live conversations get it when it answers, until {expires_at}.\n\
         The list of looks shows when it has (correction {}, done).",
        asked.conversations, asked.id
    );
    if asked.unreadable > 0 {
        text.push_str(&format!(
            "\n{} more do not open and keep their address; the log names them.",
            asked.unreadable
        ));
    }
    let document = json!({
        "correction": asked.id,
        "conversations": asked.conversations,
        "unreadable": asked.unreadable,
        "expires_at": expires_at,
    });
    print(common, &document, &text);
    Ok(())
}
