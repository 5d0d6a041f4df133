//! `anshin compliance break-glass request|approve|list|end`: who may come from elsewhere than Japan for some hours.
//!
//! Rules: who asks is not held to where he comes from, since that is what he asks for; who approves and who lists is, and who ends one
//! is not, since that only takes a right away.

use super::page::{Page, time};
use crate::cli::arguments::Common;
use crate::cli::desk::{self, account};
use crate::cli::output::{Failure, print, table};
use crate::cli::process;
use crate::config::Config;
use crate::mail::{RealAddress, Timestamp};
use crate::relay::{BreakGlass, Look, LookPurpose, Relay};
use clap::Subcommand;
use serde_json::{Value, json};
use std::time::Duration;

/// How far back the list goes.
const LISTED: Duration = Duration::from_secs(395 * 86_400);

#[derive(Subcommand)]
pub(in crate::cli) enum BreakGlassCommand {
    /// Ask to come from elsewhere, under the account of the system that you use now. Another person approves it.
    Request {
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
        /// The number of the case.
        #[arg(long, value_name = "CASE")]
        case: String,
        /// Why it can't wait.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// For how long, from when it is approved.
        #[arg(long, value_name = "HOURS", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=24))]
        hours: u32,
    },
    /// Approve somebody else's, within 72 hours. The operator's mailbox and the officer are told by mail.
    Approve {
        /// Its id.
        id: String,
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
    },
    /// List those of the last 395 days, the latest first.
    List,
    /// End one before its time, or take it back before it is approved.
    End {
        /// Its id.
        id: String,
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
    },
}

pub(super) async fn run(command: BreakGlassCommand, common: &Common) -> Result<(), Failure> {
    let (config, relay) = process::relay(common).await?;
    let now = Timestamp::now();
    match command {
        BreakGlassCommand::Request { actor, case, reason, hours } => {
            let look = Look::new(&actor, LookPurpose::SecurityIncident, &case, account(&relay))?;
            let id = relay.ask_break_glass(&look, &reason, hours).await?;
            let text = format!(
                "{id} waits: somebody else approves it within 72 hours, in Japan:\nanshin compliance break-glass approve {id} \
                 --actor NAME"
            );
            print(common, &json!({ "break_glass": id, "state": "waits" }), &text);
        }
        BreakGlassCommand::Approve { id, actor } => {
            let people = people(&config);
            let approved = relay.approve_break_glass(&id, &actor, account(&relay), &people).await?;
            let told = match people.len() {
                0 => "nobody was told: neither domains.postmaster nor audit.officer is set".to_owned(),
                count => format!("{count} mailboxes are told"),
            };
            let text = format!(
                "{} may come from elsewhere as {} until {}; {told}",
                approved.actor,
                approved.user,
                time(approved.until)
            );
            let mut document = document(&approved, now);
            if let Some(fields) = document.as_object_mut() {
                fields.insert("told".into(), people.len().into());
            }
            print(common, &document, &text);
        }
        BreakGlassCommand::List => {
            desk::come(&relay, "compliance break-glass list").await?;
            let all = recent(&relay, now).await?;
            print(common, &list(&all, now), &shown(&all, now));
        }
        BreakGlassCommand::End { id, actor } => {
            let look = Look::for_audit(&actor, account(&relay))?;
            relay.end_break_glass(&id, &look).await?;
            print(common, &json!({ "break_glass": id, "state": "ended" }), "ended");
        }
    }
    Ok(())
}

/// Those of the last 395 days.
pub(super) async fn recent(relay: &Relay, now: Timestamp) -> Result<Vec<BreakGlass>, Failure> {
    let listed = i64::try_from(LISTED.as_millis()).unwrap_or_default();
    let since = Timestamp::from_millis(now.as_millis().saturating_sub(listed));
    Ok(relay.break_glasses(since, now.after(Duration::from_secs(1))).await?)
}

/// Who is told: each of the operator's mailboxes once.
fn people(config: &Config) -> Vec<RealAddress> {
    let mut texts: Vec<&str> = [&config.audit.officer, &config.domains.postmaster]
        .into_iter()
        .filter_map(Option::as_deref)
        .collect();
    texts.dedup();
    texts.into_iter().filter_map(|text| RealAddress::parse(text).ok()).collect()
}

/// Those, as a list of documents.
pub(super) fn list(all: &[BreakGlass], now: Timestamp) -> Value {
    all.iter().map(|one| document(one, now)).collect()
}

fn document(one: &BreakGlass, now: Timestamp) -> Value {
    json!({
        "break_glass": one.id,
        "state": one.state(now),
        "at": one.at.to_rfc3339(),
        "actor": one.actor,
        "user": one.user,
        "case": one.case,
        "reason": one.reason,
        "hours": one.hours,
        "origin": one.origin,
        "approved_at": one.approved_at.map(Timestamp::to_rfc3339),
        "until": one.until.to_rfc3339(),
        "ended_at": one.ended_at.map(Timestamp::to_rfc3339),
    })
}

/// Those, as a table.
pub(super) fn shown(all: &[BreakGlass], now: Timestamp) -> String {
    let row = |one: &BreakGlass| {
        let (id, state) = (one.id.clone(), one.state(now).to_owned());
        let hours = one.hours.to_string();
        vec![
            id,
            state,
            one.actor.clone(),
            one.user.clone(),
            one.case.clone(),
            hours,
            time(one.until),
            one.reason.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    table(&["break-glass", "state", "actor", "user", "case", "hours", "until", "reason"], &rows)
}

/// Those, on a page in Japanese.
pub(super) fn section(page: &mut Page, all: &[BreakGlass], now: Timestamp) {
    if all.is_empty() {
        page.paragraph("国内の決められた場所以外からの緊急アクセスの申請はありません。");
        return;
    }
    let rows = all.iter().map(|one| {
        let state = match one.state(now) {
            "waits" => "承認待ち",
            "stands" => "有効",
            "ended" => "終了",
            _ => "期限切れ",
        };
        let approved = one.approved_at.map_or_else(|| "未承認".to_owned(), time);
        vec![
            one.id.clone(),
            format!("{}\n{}", one.actor, one.user),
            one.case.clone(),
            one.reason.clone(),
            format!("申請 {}\n承認 {approved}\n期限 {}", time(one.at), time(one.until)),
            state.to_owned(),
        ]
    });
    page.table(&["緊急アクセス", "担当者", "案件", "理由", "時刻", "状態"], &rows.collect::<Vec<_>>());
}
