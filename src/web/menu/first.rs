//! The first page after signing in.

use super::Asked;
use super::page::{Frame, in_japan, page};
use crate::mail::Timestamp;
use crate::relay::{MenuSession, RelayFault};
use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

#[derive(Template)]
#[template(path = "menu/first.html")]
struct Page {
    f: Frame,
    store_name: String,
    public_alias: String,
    signed_in: String,
    ends: String,
    cools_until: Option<String>,
    /// Mails of the store's own that are held.
    held: usize,
}

pub(super) async fn show(asked: &Asked<'_>, session: &MenuSession) -> Result<Response, RelayFault> {
    let held = asked.shared.relay.menu_held_count(session).await?;
    let cools_until = session.person.cools_until.filter(|until| *until > Timestamp::now());
    let shown = Page {
        f: Frame::new(asked, None),
        store_name: session.store.name.clone(),
        public_alias: asked.shared.relay.domains().public_alias(&session.store.store_id).to_string(),
        signed_in: in_japan(session.created_at),
        ends: in_japan(session.ends_at),
        cools_until: cools_until.map(in_japan),
        held,
    };
    Ok(page(StatusCode::OK, &shown))
}
