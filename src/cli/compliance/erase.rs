//! `anshin compliance erase`: preview, and with `--yes` and a second person the erasure.

use super::EraseArguments;
use crate::cli::arguments::Common;
use crate::cli::desk;
use crate::cli::output::{Failure, print};
use crate::cli::process;
use crate::mail::Timestamp;
use crate::relay::{Goes, LeftKey, OpenOrder, Opened};
use crate::web::{held_json, pending_json};
use serde_json::json;

pub(super) async fn run(arguments: &EraseArguments, common: &Common) -> Result<(), Failure> {
    let config = process::load(common, &[])?;
    let (mut keeper, vault) = process::ring(&config, &[]).await?;
    let (relay, _) = process::open(&config, vault).await?;
    let look = desk::named(desk::admitted(&relay, "compliance erase", &arguments.look).await?)?;
    let (held, opening) = relay.preview_erasure(&look, &arguments.customer, arguments.open_orders).await?;
    let against = relay.against(&held, &opening).await?;
    let with_case = |(id, case): &(String, Option<String>)| match case {
        Some(case) => format!("{id} (case {case})"),
        None => id.clone(),
    };
    let holds: Vec<String> = against.holds.iter().map(with_case).collect();
    let mut document = held_json(&held, arguments.yes);
    let mut text = format!(
        "orders {} ({} open), inquiries {}, guests {}, mails that wait {}, records of the log {}, \
         days with mail that was refused or went to the operator {}, corrections of the address that wait {}\nlegal holds: {}",
        held.orders,
        held.open_orders,
        held.inquiries,
        held.guests,
        held.waiting,
        held.records,
        held.refused_days,
        held.corrections,
        if holds.is_empty() { "none".to_owned() } else { holds.join(", ") }
    );
    if let Some(fields) = document.as_object_mut() {
        let order = |order: &OpenOrder| {
            let mut open = json!({ "store_id": order.store_id, "order_no": order.order_no });
            if let (true, Some(fields)) = (order.is_destroyed, open.as_object_mut()) {
                fields.insert("destroyed".into(), true.into());
            }
            open
        };
        fields.insert("open".into(), against.orders.iter().map(order).collect());
    }
    for OpenOrder { store_id, order_no, is_destroyed } in &against.orders {
        let said = match (order_no, is_destroyed) {
            (Some(order_no), _) => format!("order {order_no} of {store_id}"),
            (None, true) => format!("an order of {store_id} whose key is destroyed"),
            (None, false) => format!("an order of {store_id} whose row was changed and does not open"),
        };
        text.push_str(&format!("\nopen: {said}"));
    }
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
        for left in &waits.left {
            text.push_str(&format!(
                "\nerasure {} is not complete: nothing shows whose the key of {left} is; {}",
                waits.id,
                LeftKey::CURE
            ));
        }
        if !waits.left.is_empty() && waits.seal_keys.is_empty() && waits.is_proven {
            continue;
        }
        let cure = match waits.seal_keys.as_slice() {
            [] if !waits.is_proven => {
                "and gets none: nothing proves that it was done (`anshin log verify`)".to_owned()
            }
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
