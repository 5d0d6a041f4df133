//! Leaving the service: what ends, what is destroyed when, and what is kept for how long. It changes nothing: the marketplace takes the
//! notice, and its operator carries it out (`anshin merchant leave`).
//!
//! When it fails: as all pages do.

use super::Asked;
use super::page::{Frame, page};
use crate::config::{Keep, Retention};
use crate::relay::{LeaveFault, MenuSession, RelayFault};
use crate::store::StoreHoldings;
use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use std::time::Duration;

/// How long what is kept, in days.
#[derive(Clone, Copy)]
pub(in crate::web) struct KeptDays {
    metadata: u64,
    headers: u64,
    rejected: u64,
    logins: u64,
    access: u64,
    conversations: u64,
    /// Of texts that stay after their delivery; none: they don't.
    texts: Option<u64>,
    /// Of texts that could not be delivered.
    failed: Option<u64>,
}

impl KeptDays {
    pub fn of(retention: &Retention, failed: Option<Duration>) -> Self {
        let (days, texts) = (|period: Duration| period.as_secs() / 86_400, &retention.kept_texts);
        Self {
            metadata: days(retention.metadata.period),
            headers: days(retention.headers.period),
            rejected: days(retention.rejected.period),
            logins: days(retention.logins.period),
            access: days(retention.access.period),
            conversations: days(retention.conversations.period),
            texts: (texts.keep == Keep::On).then(|| days(texts.rule.period)),
            failed: failed.map(|period| days(period).max(1)),
        }
    }
}

#[derive(Template)]
#[template(path = "menu/leaving.html")]
struct Page {
    f: Frame,
    has: StoreHoldings,
    /// What is kept, and for how many days.
    kept: [(&'static str, u64); 6],
    /// For how many days texts stay.
    texts: Option<u64>,
    /// For how many days those do that could not be delivered.
    failed: Option<u64>,
}

pub(super) async fn show(asked: &Asked<'_>, session: &MenuSession) -> Result<Response, RelayFault> {
    let has = match asked.shared.relay.store_holdings(&session.store.store_id).await {
        Ok(has) => has,
        Err(LeaveFault::Fault(fault)) => return Err(fault),
        Err(_) => return Err(RelayFault::Malformed("merchant")),
    };
    let KeptDays { metadata, headers, rejected, logins, access, conversations, texts, failed } =
        asked.shared.kept;
    let f = Frame::new(asked, None);
    let say = |japanese, english| f.language.say(japanese, english);
    let kept = [
        (say("送受信の記録", "Records of mails"), metadata),
        (say("メールのヘッダー", "Header blocks of mails"), headers),
        (say("受け付けなかったメールの記録", "Records of refused mail"), rejected),
        (say("メールソフトのログインの記録", "Logins of mail programs"), logins),
        (
            say("店舗メニューの利用の記録と、使う人の情報", "What was done in this menu, and its people"),
            access,
        ),
        (
            say("お客様とのやりとりの宛先(終了してから)", "Addresses of conversations, from their end on"),
            conversations,
        ),
    ];
    Ok(page(StatusCode::OK, &Page { f, has, kept, texts, failed }))
}
