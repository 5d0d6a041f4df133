//! `anshin compliance leave`: what ends when a store leaves, and its leaving.

use crate::cli::arguments::Common;
use crate::cli::arguments_desk::LookArguments;
use crate::cli::desk;
use crate::cli::output::{Failure, print};
use crate::mail::Timestamp;
use serde_json::json;

pub(super) async fn run(
    store_id: &str,
    leaving: Option<&LookArguments>,
    common: &Common,
) -> Result<(), Failure> {
    let none = LookArguments::default();
    let (_, relay, look) = desk::relay_for(common, "compliance leave", leaving.unwrap_or(&none)).await?;
    let held = relay.store_holdings(store_id).await?;
    let mut document = json!({
        "store_id": store_id,
        "credentials": held.credentials,
        "orders": held.orders,
        "inquiries": held.inquiries,
        "guests": held.guests,
        "mails_waiting": held.waiting,
        "left_at": held.left_at.map(Timestamp::to_rfc3339),
        "left": false,
    });
    let counts = format!(
        "credentials {}, open orders {}, inquiries {}, guests {}, mails that wait {}",
        held.credentials, held.orders, held.inquiries, held.guests, held.waiting
    );
    if leaving.is_none() {
        let text = format!(
            "{counts}\nnothing was changed: this was a preview; with --yes all of it ends, but for mails that wait"
        );
        print(common, &document, &text);
        return Ok(());
    }
    let missing = || Failure::new("--yes: say who you are: --actor, --purpose, --case");
    let look = look.ok_or_else(missing)?;
    let left = relay.leave_store(&look, store_id).await?;
    if let Some(fields) = document.as_object_mut() {
        fields.insert("left".into(), true.into());
        fields.insert("credentials_ended".into(), left.credentials.into());
        fields.insert("conversations_closed".into(), left.conversations.into());
        fields.insert("customers_untold".into(), left.untold.into());
    }
    let told = match left.untold {
        0 => "their customers are told".to_owned(),
        untold => format!(
            "their customers are told, but for {untold} whose rows do not open: the key is destroyed, or somebody changed them"
        ),
    };
    let text = format!(
        "the store has left: {} credentials ended, {} conversations closed, {told}",
        left.credentials, left.conversations
    );
    print(common, &document, &text);
    Ok(())
}
