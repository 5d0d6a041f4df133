//! `anshin order open|show|list|extend|readdress|close`.

use super::arguments::{Common, OrderCommand};
use super::desk;
use super::output::{Failure, print, table};
use crate::mail::Timestamp;
use crate::relay::{Goes, Opened, Opening, OrderRequest, OrderView};
use crate::web::order_json;
use serde_json::Value;

pub(super) async fn run(command: OrderCommand, common: &Common) -> Result<(), Failure> {
    let (_, relay, named) = match &command {
        OrderCommand::Show { look, .. } => desk::relay_for(common, "order show", look).await?,
        OrderCommand::Readdress { look, .. } => desk::relay_for(common, "order readdress", look).await?,
        _ => {
            let (config, relay) = desk::relay(common, "order").await?;
            (config, relay, None)
        }
    };
    let order = match command {
        OrderCommand::Open { order, customer, expires_at } => {
            let expires_at = expires_at.as_deref().map(time).transpose()?;
            let (store_id, order_no) = (order.store_id, order.order_no);
            relay.open_order(OrderRequest { store_id, order_no, customer, expires_at }).await?
        }
        OrderCommand::Show { order, look } => {
            let shown = relay.show_order(&order.store_id, &order.order_no).await?;
            if let Some(named) = named {
                let (store_id, order_no) = (order.store_id, order.order_no);
                let opening = Opening::Customer { store_id, order_no };
                desk::must_not_be_a_file()?;
                let opened =
                    relay.open_for(&named, &opening, desk::output_goes(), look.approved.as_deref()).await?;
                return show(common, &shown, Some(opened));
            }
            shown
        }
        OrderCommand::List { store_id } => {
            let orders = relay.list_orders(&store_id).await?;
            let document = Value::Array(orders.iter().map(order_json).collect());
            let rows: Vec<Vec<String>> = orders.iter().map(row).collect();
            let head = ["order", "customer alias", "merchant alias", "until", "state"];
            print(common, &document, &table(&head, &rows));
            return Ok(());
        }
        OrderCommand::Extend { order, expires_at } => {
            relay.extend_order(&order.store_id, &order.order_no, time(&expires_at)?).await?
        }
        OrderCommand::Readdress { order, customer, look } => {
            let named = desk::named(named)?;
            let opening = relay.readdressing_of(&order.store_id, &order.order_no, &customer).await?;
            let opened =
                relay.open_for(&named, &opening, Goes::ToTheScreen, look.approved.as_deref()).await?;
            let Opened::Readdressed(order) = opened else { return Err(Failure::new("nothing was changed")) };
            order
        }
        OrderCommand::Close { order } => relay.close_order(&order.store_id, &order.order_no).await?,
    };
    show(common, &order, None)
}

fn show(common: &Common, order: &OrderView, opened: Option<Opened>) -> Result<(), Failure> {
    let mut text = format!(
        "order            {}\ncustomer alias   {}\nmerchant alias   {}\nuntil            {}{}",
        order.order_no,
        order.customer_alias,
        order.merchant_alias,
        order.expires_at,
        match (order.is_destroyed, order.closed_at) {
            (true, _) => " (destroyed)",
            (false, Some(_)) => " (closed)",
            (false, None) => "",
        },
    );
    let mut document = order_json(order);
    if let (Some(Opened::Customer(customer)), Some(fields)) = (opened, document.as_object_mut()) {
        text.push_str(&format!("\ncustomer         {customer}"));
        fields.insert("customer".into(), customer.into());
    }
    print(common, &document, &text);
    Ok(())
}

fn row(order: &OrderView) -> Vec<String> {
    let state = if order.is_destroyed {
        "destroyed"
    } else if order.closed_at.is_some() {
        "closed"
    } else if order.expires_at <= Timestamp::now() {
        "expired"
    } else {
        "open"
    };
    let order_no = if order.order_no.is_empty() { "-" } else { &order.order_no };
    vec![
        order_no.into(),
        order.customer_alias.to_string(),
        order.merchant_alias.to_string(),
        order.expires_at.to_rfc3339(),
        state.into(),
    ]
}

fn time(text: &str) -> Result<Timestamp, Failure> {
    Timestamp::parse_rfc3339(text)
        .ok_or_else(|| Failure::new("--expires-at: give an RFC 3339 time such as 2027-01-31T23:59:59+09:00"))
}
