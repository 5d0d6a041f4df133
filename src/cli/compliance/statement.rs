//! `anshin compliance statement`: the pack for the yearly self-evaluation (Telecommunications Business Act art. 27-9), made of what is
//! so: the schema, the configuration, the places, the looks, the breaches, and whether the log is intact.

use super::page::{Page, time};
use super::statement_words::{broken, class, look_kind, look_purpose, outcome, reason, to_do};
use crate::cli::arguments::Common;
use crate::cli::log_case::event;
use crate::cli::log_tree::{one, verification};
use crate::cli::output::{Failure, print};
use crate::cli::{desk, residency};
use crate::config::Config;
use crate::mail::Timestamp;
use crate::relay::{Breach, BreakGlass, Relay, SpanCounts};
use crate::residency::{Checker, Report, Staff};
use crate::store::{Protection, Table, inventory};
use serde_json::{Value, json};
use std::path::Path;

/// Breaches are stated for so many years.
const YEARS: i64 = 10;

/// What the statement is made of.
struct Pack {
    year: i32,
    from: Timestamp,
    until: Timestamp,
    places: Report,
    counts: SpanCounts,
    breaches: Vec<Breach>,
    break_glass: Vec<BreakGlass>,
    staff: Staff,
    /// Whether the log is intact, or why that can't be told.
    verified: Result<Value, String>,
    /// What was found first where it is not, in Japanese.
    broken: Option<String>,
    is_intact: bool,
    warnings: Vec<String>,
}

pub(super) async fn run(year: i32, out: Option<&Path>, common: &Common) -> Result<(), Failure> {
    let (config, relay) = desk::relay(common, "compliance statement").await?;
    let now = Timestamp::now();
    let start = |year: i32| {
        let text = format!("{year:04}-01-01T00:00:00+09:00");
        Timestamp::parse_rfc3339(&text)
            .ok_or_else(|| Failure::new("--year: a year such as 2026, in four digits"))
    };
    let (from, end) = (start(year)?, start(year.saturating_add(1))?);
    if from > now {
        return Err(Failure::new("--year: it has not begun"));
    }
    let pack = gather(&config, &relay, year, from, end.min(now)).await?;
    if let Some(path) = out {
        page(&pack, &config).write(path)?;
    }
    let mut text = summary(&pack);
    if let Some(path) = out {
        text.push_str(&format!("\n\n{} is written", path.display()));
    }
    print(common, &document(&pack, &config), &text);
    if pack.is_intact { Ok(()) } else { Err(Failure::new("the log is not shown to be intact")) }
}

async fn gather(
    config: &Config,
    relay: &Relay,
    year: i32,
    from: Timestamp,
    until: Timestamp,
) -> Result<Pack, Failure> {
    let checker = Checker::new(config)?;
    let places = checker.look(&residency::told(relay.store()).await?, Timestamp::now()).await;
    let keys = relay.tree_keys().await?;
    let (verified, broken, is_intact) = match verification(config, relay, &keys, &[], None).await {
        Ok(found) => {
            let first = found.broken.first().map(one);
            (Ok(json!({ "found": found, "first": first })), found.broken.first().map(broken), found.intact)
        }
        Err(failure) => (Err(failure.text), None, false),
    };
    let since = until.as_millis().saturating_sub(YEARS * 366 * 86_400_000);
    let breaches = relay.breaches().await?;
    let is_stated =
        |breach: &Breach| breach.facts.known_at.is_some_and(|at| at >= since && at < until.as_millis());
    Ok(Pack {
        year,
        from,
        until,
        places,
        counts: relay.counts(from, until).await?,
        breaches: breaches.into_iter().filter(is_stated).collect(),
        break_glass: relay.break_glasses(from, until).await?,
        staff: relay.staff().clone(),
        verified,
        broken,
        is_intact,
        warnings: config.retention.warnings(Timestamp::now()),
    })
}

fn summary(pack: &Pack) -> String {
    let sum = |outcome: &str| -> i64 {
        pack.counts.looks.iter().filter(|count| count.outcome == outcome).map(|count| count.looks).sum()
    };
    let lines = [
        format!("{}: {} to {}", pack.year, time(pack.from), time(pack.until)),
        format!("tables kept: {}", inventory().len()),
        format!("places: {}", pack.places.findings.len()),
        format!("looks: {} opened, {} exported, {} asked", sum("opened"), sum("exported"), sum("asked")),
        format!("persons erased: {}", pack.counts.erasures),
        format!("break-glasses: {}", pack.break_glass.len()),
        format!("breaches of the last {YEARS} years: {}", pack.breaches.len()),
        match &pack.verified {
            Ok(_) if pack.is_intact => "the log is intact".to_owned(),
            Ok(found) => {
                format!("the log is NOT intact: {}", found["first"].as_str().unwrap_or("see log verify"))
            }
            Err(why) => format!("the log was not verified: {why}"),
        },
    ];
    let mut text = lines.join("\n");
    for warning in &pack.warnings {
        text.push_str(&format!("\nwarning: {warning}"));
    }
    text
}

fn document(pack: &Pack, config: &Config) -> Value {
    let tables = inventory().into_iter().map(|table| {
        json!({
            "table": table.name,
            "purpose": purpose(table.name),
            "columns": table.columns.iter().map(|column| json!({
                "column": column.name, "protection": word(column.protection), "holds": column.comment,
            })).collect::<Vec<_>>(),
        })
    });
    json!({
        "year": pack.year,
        "from": pack.from.to_rfc3339(),
        "until": pack.until.to_rfc3339(),
        "company": config.compliance,
        "inventory": tables.collect::<Vec<_>>(),
        "places": pack.places.findings,
        "retention": config.retention.rules().iter().map(|(section, rule)| json!({
            "class": section, "period_days": rule.period.as_secs() / 86_400, "reason": rule.reason,
            "approver": rule.approver, "review": rule.review,
        })).collect::<Vec<_>>(),
        "looks": pack.counts.looks.iter().map(|count| json!({
            "purpose": count.purpose, "kind": count.kind, "outcome": count.outcome,
            "looks": count.looks, "rows": count.rows,
        })).collect::<Vec<_>>(),
        "events": pack.counts.events.iter().map(|(event, count)| json!({ "event": event, "count": count }))
            .collect::<Vec<_>>(),
        "certificates": pack.counts.certificates.iter()
            .map(|(kind, count)| json!({ "kind": kind, "count": count })).collect::<Vec<_>>(),
        "persons_erased": pack.counts.erasures,
        "breaches": pack.breaches.iter().map(super::breach::json).collect::<Vec<_>>(),
        "staff": pack.staff.to_json(),
        "break_glass": super::break_glass::list(&pack.break_glass, Timestamp::now()),
        "verification": match &pack.verified {
            Ok(found) => found.clone(),
            Err(why) => json!({ "not_verified": why }),
        },
        "warnings": pack.warnings,
    })
}

fn page(pack: &Pack, config: &Config) -> Page {
    let of = &config.compliance;
    let mut page = Page::new(&format!("特定利用者情報の取扱いに関する自己評価({}年)", pack.year));
    let blank = |text: &str| if text.is_empty() { "(記入)".to_owned() } else { text.to_owned() };
    page.table(
        &[],
        &[
            vec!["法人名".into(), blank(&of.company)],
            vec!["登録または届出番号".into(), blank(&of.registration)],
            vec!["特定利用者情報統括管理者".into(), blank(&of.manager)],
            vec!["対象期間".into(), format!("{} から {}", time(pack.from), time(pack.until))],
            vec!["システム".into(), format!("Anshin Mail {} {}", env!("CARGO_PKG_VERSION"), config.hostname)],
        ],
    );
    page.heading("1. 保有する情報");
    page.paragraph(
        "データベースの定義から作成した一覧です。「暗号化」は鍵がなければ読めないもの、「鍵付き索引」は値そのものではなく\
         検索用の鍵付きハッシュ、「平文」は番号・時刻・決まった語などで、アドレス・件名・本文を含みません。",
    );
    page.table(
        &["表", "内容", "暗号化", "鍵付き索引", "平文"],
        &inventory().iter().map(inventory_row).collect::<Vec<_>>(),
    );
    page.heading("2. 保管・取扱いの場所");
    super::residency::places(&mut page, &pack.places);
    page.heading("3. 保存期間");
    let rules = config.retention.rules().map(|(section, rule)| {
        vec![
            class(section).to_owned(),
            format!("{}日", rule.period.as_secs() / 86_400),
            reason(&rule.reason).to_owned(),
            blank(&rule.approver),
            blank(&rule.review),
        ]
    });
    page.table(&["区分", "期間", "理由", "承認者", "次回見直し"], &rules);
    let certificates = pack.counts.certificates.iter().map(|(kind, count)| {
        let kind = match kind.as_str() {
            "erasure" => "本人の消去",
            "conversations" => "終了した注文・問い合わせの消去",
            _ => "保存期間の満了",
        };
        vec![kind.to_owned(), count.to_string()]
    });
    page.table(&["消去の証明書", "件数"], &certificates.collect::<Vec<_>>());
    page.paragraph(&format!("消去した本人の数: {}", pack.counts.erasures));
    what_happened(&mut page, pack);
    page.heading("8. 要対応事項");
    if pack.warnings.is_empty() {
        page.paragraph("設定の検査で見つかったものはありません。");
    }
    for warning in &pack.warnings {
        page.paragraph(&to_do(warning));
    }
    page.heading("9. 評価と署名");
    page.table(&["評価", "所見", "改善の予定"], &[vec!["\n".into(), "\n".into(), "\n".into()]]);
    page.signatures(&["評価者", "特定利用者情報統括管理者"]);
    page
}

/// Looks, events, breaches, and whether the log shows them as they were.
fn what_happened(page: &mut Page, pack: &Pack) {
    page.heading("4. 開示の記録(誰かが情報を見た記録)");
    let looks = pack.counts.looks.iter().map(|count| {
        vec![
            look_purpose(&count.purpose).to_owned(),
            look_kind(&count.kind).to_owned(),
            outcome(&count.outcome).to_owned(),
            count.looks.to_string(),
            count.rows.to_string(),
        ]
    });
    page.table(&["目的", "対象", "結果", "回数", "行数"], &looks.collect::<Vec<_>>());
    page.paragraph(super::residency::said_of_staff(&pack.staff));
    super::break_glass::section(page, &pack.break_glass, Timestamp::now());
    page.heading("5. 取扱いの件数");
    let events = pack.counts.events.iter().map(|(word, count)| vec![event(word), count.to_string()]);
    page.table(&["出来事", "件数"], &events.collect::<Vec<_>>());
    page.heading(&format!("6. 過去{YEARS}年間の漏えい等"));
    if pack.breaches.is_empty() {
        page.paragraph("該当する事案はありません。");
    } else {
        let breaches = pack.breaches.iter().map(|breach| {
            let known = breach.facts.known_at.map(|at| time(Timestamp::from_millis(at)));
            vec![
                known.unwrap_or_default(),
                breach.facts.breached.iter().map(|one| one.japanese()).collect::<Vec<_>>().join("、"),
                breach.facts.persons.map(|count| count.to_string()).unwrap_or_else(|| "調査中".to_owned()),
                breach.facts.summary.clone().unwrap_or_default(),
                breach.facts.prevention.clone().unwrap_or_default(),
            ]
        });
        page.table(&["発覚", "対象", "本人の数", "概要", "再発防止策"], &breaches.collect::<Vec<_>>());
    }
    page.heading("7. 記録の検証");
    match &pack.verified {
        Ok(_) if pack.is_intact => {
            page.paragraph("監査ツリーと照合し、記録に変更・削除・挿入がないことを確認しました。");
        }
        Ok(_) => page.warning(&format!(
            "記録が登録時のままではありません: {}",
            pack.broken.as_deref().unwrap_or_default()
        )),
        Err(why) => page.warning(&format!("検証できませんでした: {why}")),
    }
}

fn inventory_row(table: &Table) -> Vec<String> {
    let names = |protection: &[Protection]| {
        let columns = table.columns.iter().filter(|column| protection.contains(&column.protection));
        columns.map(|column| column.name).collect::<Vec<_>>().join(", ")
    };
    vec![
        table.name.to_owned(),
        purpose(table.name).to_owned(),
        names(&[Protection::Sealed, Protection::Wrapped]),
        names(&[Protection::Index]),
        names(&[Protection::Plain]),
    ]
}

fn word(protection: Protection) -> &'static str {
    match protection {
        Protection::Sealed => "sealed",
        Protection::Index => "keyed index",
        Protection::Wrapped => "wrapped key",
        Protection::Plain => "plain",
    }
}

/// What a table is for, in Japanese; a test holds it against the schema.
fn purpose(table: &str) -> &'static str {
    match table {
        "data_key" => "データ鍵(店舗・注文ごと、鍵で包んだもの)",
        "installation" => "設置の情報",
        "merchant" => "店舗",
        "merchant_address" => "店舗の登録アドレス",
        "credential" => "店舗の送信用ユーザー名とパスワードの検証値",
        "conversation" => "注文・問い合わせごとのやり取り(購入者のアドレス、注文番号)",
        "alias" => "暗号化アドレス",
        "thread_id" => "スレッドの対応",
        "message" => "配送するメール",
        "message_body" => "配送待ちの本文",
        "kept_body" => "配信できなかったメールの本文の保管期限(再送のため)",
        "kept_text" => "配送後も保管する本文(設定した場合のみ)",
        "delivery" => "配送の状態",
        "duplicate" => "重複・通知済みの目印",
        "record" => "送受信・ログインの記録(ヘッダー、経路、結果)",
        "api_token" => "APIトークン",
        "webhook" | "webhook_secret" => "マーケットプレイスへの通知の宛先と署名の鍵",
        "webhook_event" | "webhook_delivery" => "マーケットプレイスへの通知(14日)",
        "api_reply" => "APIの応答(同じ呼び出しへの再応答用、1日)",
        "sts_policy" => "送信先のMTA-STSポリシー",
        "tls_result" => "TLSの集計",
        "turn" | "lane" => "配送の順番",
        "egress_node" => "配送処理の稼働状況",
        "pause" => "送信を止めている宛先",
        "retry_mark" => "再送を求められた宛先",
        "suppressed" => "受け取らないメールボックス",
        "segment" => "日ごとの鍵",
        "ring_key" => "使用した鍵の指紋",
        "rekeying" => "鍵の更新の進み具合",
        "look" => "開示の記録",
        "look_request" => "二人目の承認",
        "break_glass" => "国外等からの緊急アクセスの申請と承認",
        "tree" | "tree_leaf" | "tree_node" | "tree_checkpoint" | "tree_cosignature" | "tree_pass"
        | "record_mark" => "監査ツリー(ハッシュと署名)",
        "destruction" | "destroying" => "保存期間満了による消去の経過",
        "certificate" => "消去の証明書",
        "legal_hold" | "held_conversation" => "保全(訴訟・調査のための消去の停止)",
        "stranger" => "受け取らなかったメールの差出人ごとの日の鍵",
        "erased_key" | "erasure" => "本人の消去",
        "clock" => "最後に知られた時刻",
        "correction" => "アドレスの訂正の申し出",
        "breach_entry" => "漏えい等の記録",
        "review" | "review_item" => "アクセス権限の棚卸し",
        "period_key" => "四半期ごとの検索用の鍵",
        "fact" => "記録の検索用の項目(鍵付きの番号、国、結果)",
        "fact_file" => "添付ファイルの検索用の項目",
        "detected" => "不正検知のルールに該当した記録(ルール名と版)",
        "network_name" => "ネットワーク(AS番号)の名称",
        "rollup" => "時間ごとの件数(店舗・国・結果別)",
        "extract" => "第三者に渡した仮名化データの台帳",
        "menu_person" => "店舗メニューを使う人(名前、通知先、パスワードの検証値)",
        "menu_session" => "店舗メニューにログイン中の端末",
        "menu_known" => "店舗メニューを使う人のふだんの端末・国・ネットワークの目印",
        "menu_access" => "店舗メニューの利用記録の索引",
        "menu_whence" => "店舗のメールソフトのログイン元",
        "menu_code" => "店舗メニューで使う確認コード(登録アドレスの確認、パスワードの再設定)",
        "profile" => "店舗のふだんの送信元・環境",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_the_schema_has_its_purpose() {
        for table in inventory() {
            assert!(!purpose(table.name).is_empty(), "{}", table.name);
        }
    }
}
