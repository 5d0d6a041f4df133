//! `anshin compliance erase`: preview, and with `--yes` and a second person the erasure.

use super::EraseArguments;
use crate::cli::arguments::Common;
use crate::cli::desk;
use crate::cli::output::{Failure, print};
use crate::cli::process;
use crate::mail::Timestamp;
use crate::relay::{Goes, Opened, queue_id};
use crate::web::{held_json, pending_json};

pub(super) async fn run(arguments: &EraseArguments, common: &Common) -> Result<(), Failure> {
    let config = process::load(common, &[])?;
    let (mut keeper, vault) = process::ring(&config, &[])?;
    let (relay, _) = process::open(&config, vault).await?;
    let look = desk::named(desk::admitted(&relay, "compliance erase", &arguments.look).await?)?;
    let (held, opening) = relay.preview_erasure(&look, &arguments.customer, arguments.open_orders).await?;
    let holds: Vec<String> = held.holds.iter().copied().map(queue_id).collect();
    let mut document = held_json(&held, arguments.yes);
    let mut text = format!(
        "orders {} ({} open), inquiries {}, guests {}, mails that wait {}, records of the log {}, \
         days with mail that was refused or went to the operator {}\nlegal holds: {}",
        held.orders,
        held.open_orders,
        held.inquiries,
        held.guests,
        held.waiting,
        held.records,
        held.refused_days,
        if holds.is_empty() { "none".to_owned() } else { holds.join(", ") }
    );
    if arguments.yes {
        let approved = arguments.look.approved.as_deref();
        let opened = relay.open_for(&look, &opening, Goes::ToTheScreen, approved).await?;
        let Opened::Erased(keys) = opened else { return Err(Failure::new("nothing was erased")) };
        keeper.erase(&keys)?;
        if let Some(vault) = keeper.look(Timestamp::now())? {
            relay.renew(vault).await?;
        }
        text.push_str("\nerased");
    } else {
        text.push_str(
            "\nnothing was erased: this was a preview; with --yes it is done, once a second person approves",
        );
    }
    // Also what was erased elsewhere, or was not taken out of this ring for a crash.
    keeper.erase(&relay.keys_to_erase().await?)?;
    let pending = relay.certify_erasures(Timestamp::now()).await?;
    for waits in &pending {
        let cure = match waits.seal_keys.as_slice() {
            [] => "until every key ring has followed".to_owned(),
            some => {
                format!("old copies of the database open with {}: rotate, rewrap, retire it", some.join(", "))
            }
        };
        text.push_str(&format!("\nerasure {} has no certificate yet, {cure}", waits.id));
    }
    if let Some(fields) = document.as_object_mut() {
        fields.insert("without_certificate".into(), pending_json(&pending));
    }
    print(common, &document, &text);
    Ok(())
}
