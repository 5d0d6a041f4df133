//! `anshin compliance review`: who has access, certified by somebody else, as a list and as a page to sign.

use super::break_glass;
use super::page::{Page, time};
use crate::cli::arguments::Common;
use crate::cli::desk;
use crate::cli::output::{Failure, print, table};
use crate::cli::process;
use crate::config::{Compliance, Config};
use crate::mail::Timestamp;
use crate::relay::{BreakGlass, Conflict, Decision, ReviewView, ReviewedAccess, Whose};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(in crate::cli) enum ReviewCommand {
    /// Begin a review: list who has access now. Who is not certified until it is due is suspended.
    Begin {
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
        /// How long there is for it, 1h to 90d.
        #[arg(long, value_name = "DURATION", default_value = "14d")]
        due: String,
    },
    /// Show the last review.
    Show,
    /// Certify accesses: they are needed, and right as they are. Nobody certifies himself. Where everybody is suspended, two
    /// of them certify one together: one asks, another approves (`anshin reveal approve`).
    Certify {
        /// Accesses, as the review shows them.
        #[arg(required = true)]
        accesses: Vec<String>,
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
        /// The request that another one has approved.
        #[arg(long, value_name = "REQUEST")]
        approved: Option<String>,
    },
    /// Revoke accesses: refused from now on.
    Revoke {
        /// Accesses, as the review shows them.
        #[arg(required = true)]
        accesses: Vec<String>,
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
    },
    /// Write the last review as a page in Japanese, to be signed.
    Page {
        /// The file to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

pub(super) async fn run(command: ReviewCommand, common: &Common) -> Result<(), Failure> {
    let (config, relay) = process::relay(common).await?;
    let decide =
        async |accesses: &[String], actor: &str, decision, approved: Option<&str>| -> Result<(), Failure> {
            let look = desk::auditor(&relay, actor).await?;
            for access in accesses {
                relay
                    .decide_access(&look, access, decision, approved)
                    .await
                    .map_err(|fault| Failure::new(format!("{access}: {fault}")))?;
            }
            Ok(())
        };
    let view = match command {
        ReviewCommand::Begin { actor, due } => {
            let due = Config::duration(&due)
                .ok_or_else(|| Failure::new(format!("--due: a duration such as 14d, not {due:?}")))?;
            relay.begin_review(&desk::auditor(&relay, &actor).await?, due).await?
        }
        ReviewCommand::Show => {
            desk::come(&relay, "compliance review").await?;
            relay.last_review().await?
        }
        ReviewCommand::Certify { accesses, actor, approved } => {
            decide(&accesses, &actor, Decision::Certified, approved.as_deref()).await?;
            relay.last_review().await?
        }
        ReviewCommand::Revoke { accesses, actor } => {
            decide(&accesses, &actor, Decision::Revoked, None).await?;
            relay.last_review().await?
        }
        ReviewCommand::Page { out } => {
            desk::come(&relay, "compliance review").await?;
            let view = relay.last_review().await?;
            let glass = break_glass::recent(&relay, Timestamp::now()).await?;
            page(&view, &glass, &config.compliance).write(&out)?;
            let text = format!("{} is written", out.display());
            print(common, &json!({ "review": view.id, "file": out.display().to_string() }), &text);
            return Ok(());
        }
    };
    let now = Timestamp::now();
    let glass = break_glass::recent(&relay, now).await?;
    let rows: Vec<Vec<String>> = view.accesses.iter().map(row).collect();
    let head = [
        "access", "whose", "what", "last use", "opened", "exported", "asked", "decided", "state", "by",
        "notable",
    ];
    let text = format!(
        "review {}, begun {} by {}, due {}\n\n{}\n\nbeside them: {} credentials of stores (`anshin merchant credential list`)\n{}\n\n{}",
        view.id,
        time(view.at),
        view.begun_by,
        time(view.due_at),
        table(&head, &rows),
        view.others.credentials,
        table(&["account that ran a process with keys", "roles", "last begun"], &processes(&view)),
        break_glass::shown(&glass, now)
    );
    let mut document = document(&view);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("break_glass".into(), break_glass::list(&glass, now));
    }
    print(common, &document, &text);
    Ok(())
}

fn processes(view: &ReviewView) -> Vec<Vec<String>> {
    let row =
        |((user, roles), at): (&(String, String), &Timestamp)| vec![user.clone(), roles.clone(), time(*at)];
    view.others.processes.iter().map(row).collect()
}

fn state(access: &ReviewedAccess) -> &'static str {
    match (access.decision.as_deref(), access.is_suspended) {
        (Some("certified"), false) => "certified",
        (Some("revoked"), _) => "revoked",
        (_, true) => "suspended",
        _ => "open",
    }
}

fn notable(access: &ReviewedAccess) -> Vec<String> {
    let mut said = access.facts.conflicts.clone();
    if access.facts.is_dormant {
        said.insert(0, "not used for 90 days".to_owned());
    }
    said
}

fn whose(access: &ReviewedAccess) -> (String, &'static str) {
    match &access.whose {
        Whose::Person(name) => (name.clone(), "person"),
        Whose::Token(name) => (name.clone(), "token"),
    }
}

fn row(access: &ReviewedAccess) -> Vec<String> {
    let facts = &access.facts;
    let (name, kind) = whose(access);
    let what = facts.scopes.clone().unwrap_or_else(|| {
        let accounts: Vec<&str> = facts.accounts.iter().map(String::as_str).collect();
        accounts.join("; ")
    });
    vec![
        access.id.clone(),
        format!("{kind} {name}"),
        what,
        facts.last_use.map(|at| time(Timestamp::from_millis(at))).unwrap_or_else(|| "never".to_owned()),
        facts.opened.to_string(),
        facts.exported.to_string(),
        facts.asked.to_string(),
        facts.decided.to_string(),
        state(access).to_owned(),
        access.decided_by.clone().unwrap_or_default(),
        notable(access).join("; "),
    ]
}

fn document(view: &ReviewView) -> Value {
    json!({
        "review": view.id,
        "at": view.at.to_rfc3339(),
        "due_at": view.due_at.to_rfc3339(),
        "begun_by": view.begun_by,
        "accesses": view.accesses.iter().map(|access| {
            let (name, kind) = whose(access);
            json!({
                "access": access.id,
                "kind": kind,
                "name": name,
                "facts": access.facts,
                "state": state(access),
                "decision": access.decision,
                "decided_at": access.decided_at.map(Timestamp::to_rfc3339),
                "decided_by": access.decided_by,
            })
        }).collect::<Vec<_>>(),
        "store_credentials": view.others.credentials,
        "processes": view.others.processes.iter().map(|((user, roles), at)| json!({
            "account": user, "roles": roles, "last_begun_at": at.to_rfc3339(),
        })).collect::<Vec<_>>(),
    })
}

fn page(view: &ReviewView, glass: &[BreakGlass], of: &Compliance) -> Page {
    let mut page = Page::new("アクセス権限の棚卸し");
    page.paragraph(&format!(
        "{}\n棚卸し番号 {}\n開始 {}({})\n期限 {}(期限までに承認されない権限は停止されます)",
        of.company,
        view.id,
        time(view.at),
        view.begun_by,
        time(view.due_at)
    ));
    let rows: Vec<Vec<String>> = view
        .accesses
        .iter()
        .map(|access| {
            let facts = &access.facts;
            let (name, kind) = whose(access);
            let kind = if kind == "person" { "担当者" } else { "APIトークン" };
            let state = match state(access) {
                "certified" => "承認",
                "revoked" => "取消",
                "suspended" => "停止",
                _ => "未決",
            };
            let last = facts.last_use.map(|at| time(Timestamp::from_millis(at)));
            let accounts: Vec<&str> = facts.accounts.iter().map(String::as_str).collect();
            let mut notes = Vec::new();
            if facts.is_dormant {
                notes.push("90日以上未使用".to_owned());
            }
            notes.extend(facts.conflicts.iter().map(|said| {
                Conflict::parse(said).map_or_else(|| said.clone(), |conflict| conflict.japanese())
            }));
            vec![
                format!("{kind}\n{name}"),
                facts.scopes.clone().unwrap_or_else(|| accounts.join("; ")),
                last.unwrap_or_else(|| "未使用".to_owned()),
                format!(
                    "開示 {}\n持出 {}\n申請 {}\n決裁 {}",
                    facts.opened, facts.exported, facts.asked, facts.decided
                ),
                notes.join("\n"),
                format!("{state}\n{}", access.decided_by.clone().unwrap_or_default()),
            ]
        })
        .collect();
    page.table(&["権限", "範囲・アカウント", "最終使用", "件数", "注意点", "判断"], &rows);
    page.heading("緊急アクセス(過去395日)");
    break_glass::section(&mut page, glass, Timestamp::now());
    page.heading("参考: 鍵を持つプロセスのアカウントと店舗の認証情報");
    page.table(&["アカウント", "役割", "最後の起動"], &processes(view));
    page.paragraph(&format!("店舗の送信用認証情報: {}件", view.others.credentials));
    page.signatures(&["実施者", "特定利用者情報統括管理者"]);
    page
}
