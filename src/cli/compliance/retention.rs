//! `anshin compliance retention`: what is kept how long and why, what is due, held and destroyed, and what will be due.

use crate::cli::arguments::Common;
use crate::cli::arguments_desk::LookArguments;
use crate::cli::desk;
use crate::cli::output::{Failure, print, table};
use crate::mail::Timestamp;
use crate::relay::{CertificateView, ClassStanding, DayLeft};
use crate::store::day_text;
use serde_json::{Value, json};

/// Most certificates that are shown.
const CERTIFICATES: i64 = 20;

pub(super) async fn run(
    dry_run: bool,
    trusting: Option<&LookArguments>,
    common: &Common,
) -> Result<(), Failure> {
    let none = LookArguments::default();
    let (config, relay, look) =
        desk::relay_for(common, "compliance retention", trusting.unwrap_or(&none)).await?;
    let now = Timestamp::now();
    if trusting.is_some() {
        let missing = || Failure::new("say who you are, why, and for which case: --actor, --purpose, --case");
        relay.trust_clock(&look.ok_or_else(missing)?, now).await?;
    }
    let doubt = relay.clock_doubt(now).await?.map(|doubt| doubt.to_string());
    let standings = relay.retention(&config.retention, now).await?;
    let certificates = relay.certificates(CERTIFICATES).await?;
    let mut warnings = config.retention.warnings(now);
    warnings.extend(doubt.clone());
    let holds = relay.legal_holds().await?;
    let holds = holds.iter().filter(|hold| hold.lifted_at.is_none()).count();
    let rows: Vec<Vec<String>> = standings
        .iter()
        .map(|standing| {
            let rule = config.retention.rule(standing.class);
            let said = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
            vec![
                standing.class.as_str().to_owned(),
                format!("{}d", rule.period.as_secs() / 86_400),
                standing.due.len().to_string(),
                sum(&standing.due, |(rows, _)| rows).to_string(),
                sum(&standing.due, |(_, held)| held).to_string(),
                standing.soon.len().to_string(),
                standing.destroyed_days.to_string(),
                said(&rule.approver),
                said(&rule.review),
                rule.reason.clone(),
            ]
        })
        .collect();
    let head = [
        "class",
        "period",
        "days due",
        "rows due",
        "rows held",
        "due in 30 days",
        "days destroyed",
        "approver",
        "review",
        "reason",
    ];
    let mut text = table(&head, &rows);
    if dry_run {
        text.push_str("\n\nWould be destroyed now, but for what is held:\n");
        text.push_str(&table(&["class", "day", "due since", "rows", "held"], &days(&standings)));
    }
    let ended = &config.retention.conversations;
    let ended_days = ended.period.as_secs() / 86_400;
    text.push_str(&format!(
        "\n\nconversations: {ended_days}d after their end, or as long as the log has records of them: {}",
        ended.reason
    ));
    text.push_str(&format!("\nlegal holds: {holds}"));
    for certificate in &certificates {
        text.push_str(&format!("\n\n{}", certificate.text.trim_end()));
    }
    for warning in &warnings {
        text.push_str(&format!("\nwarning: {warning}"));
    }
    let document = json!({
        "at": now.to_rfc3339(),
        "dry_run": dry_run,
        "classes": standings.iter().map(|standing| {
            let rule = config.retention.rule(standing.class);
            json!({
                "class": standing.class.as_str(),
                "period_days": rule.period.as_secs() / 86_400,
                "reason": rule.reason,
                "approver": rule.approver,
                "review": rule.review,
                "destroyed_days": standing.destroyed_days,
                "due": standing.due.iter().map(day_json).collect::<Vec<_>>(),
                "next_30_days": standing.soon.iter().map(day_json).collect::<Vec<_>>(),
            })
        }).collect::<Vec<_>>(),
        "conversations": {
            "period_days": ended_days, "reason": ended.reason, "approver": ended.approver, "review": ended.review,
        },
        "clock_in_doubt": doubt,
        "legal_holds": holds,
        "certificates": certificates.iter().map(certificate_json).collect::<Vec<_>>(),
        "warnings": warnings,
    });
    print(common, &document, &text);
    Ok(())
}

fn sum(days: &[DayLeft], which: impl Fn((i64, i64)) -> i64) -> i64 {
    days.iter().filter_map(|day| day.rows).map(which).sum()
}

fn days(standings: &[ClassStanding]) -> Vec<Vec<String>> {
    let line = |standing: &ClassStanding, day: &DayLeft| {
        let (rows, held) = day.rows.unwrap_or_default();
        let class = standing.class.as_str().to_owned();
        vec![class, day_text(day.day), day.due_at.to_rfc3339(), rows.to_string(), held.to_string()]
    };
    standings.iter().flat_map(|standing| standing.due.iter().map(move |day| line(standing, day))).collect()
}

fn day_json(day: &DayLeft) -> Value {
    let mut document = json!({ "day": day_text(day.day), "due_at": day.due_at.to_rfc3339() });
    if let (Some((rows, held)), Some(fields)) = (day.rows, document.as_object_mut()) {
        fields.insert("rows".into(), rows.into());
        fields.insert("held".into(), held.into());
    }
    document
}

fn certificate_json(certificate: &CertificateView) -> Value {
    json!({
        "id": certificate.id,
        "at": certificate.at.to_rfc3339(),
        "kind": certificate.kind,
        "is_last": certificate.is_last,
        "text": certificate.text,
    })
}
