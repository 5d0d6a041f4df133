//! `anshin log prove --case`: all records of a case with what proves them, and a page that people read, for the police or a court.
//!
//! Rules: two files: `NAME.json`, which `verify-bundle` checks with no database and no network, and `NAME.html.age`, encrypted to its readers, in Japanese and
//! English, of which the JSON states the hash under the key of the tree. What the page reads is opened at the desk, for two
//! persons; what the JSON proves stays sealed.
//! When it fails: neither file is there.

use super::arguments::Common;
use super::arguments_desk::{ForArguments, LookArguments};
use super::compliance::page::{Page, time};
use super::new_file::NewFile;
use super::output::{Failure, print};
use super::sealed_file::{self, SealedFile};
use super::{desk, residency};
use crate::ledger::Statement;
use crate::mail::Timestamp;
use crate::relay::{Goes, Look, LookView, Opened, Opening, TraceLine, TraceOf};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is named of a case.
pub(super) struct Named {
    pub messages: Vec<String>,
    pub aliases: Vec<String>,
    pub orders: Vec<String>,
}

impl Named {
    fn traces(&self) -> Result<Vec<TraceOf>, Failure> {
        let order = |text: &String| {
            let (store_id, order_no) =
                text.split_once('/').ok_or_else(|| Failure::new("--order: STORE/NO, as a query has it"))?;
            Ok::<_, Failure>(TraceOf::Order { store_id: store_id.to_owned(), order_no: order_no.to_owned() })
        };
        let mut traces: Vec<TraceOf> = self.messages.iter().cloned().map(TraceOf::Message).collect();
        traces.extend(self.aliases.iter().cloned().map(TraceOf::Alias));
        for text in &self.orders {
            traces.push(order(text)?);
        }
        Ok(traces)
    }
}

/// Event words in Japanese.
const EVENTS: [(&str, &str); 25] = [
    ("accepted", "受付"),
    ("refused", "受信拒否"),
    ("delivered", "配信済み"),
    ("deferred", "配信延期"),
    ("failed", "配信失敗"),
    ("held", "保留"),
    ("released", "保留解除"),
    ("retried", "再送"),
    ("rerouted", "経路変更"),
    ("dropped", "破棄"),
    ("returned", "自動応答の記録"),
    ("blocked", "宛先の一時停止"),
    ("ignored", "判断のメールの不採用"),
    ("login", "店舗のログイン"),
    ("login_proven", "店舗のパスワードの確認"),
    ("login_new_network", "新しいネットワークからの店舗のログイン"),
    ("login_refused", "店舗のログインの拒否"),
    ("credential", "送信用の認証情報の変更"),
    ("menu", "店舗メニューの利用"),
    ("menu_login", "店舗メニューへのログイン"),
    ("menu_refused", "店舗メニューへのログインの拒否"),
    ("menu_alarm", "心当たりのないログインの届け出"),
    ("api_login", "APIトークンの使用"),
    ("api_refused", "APIの呼び出しの拒否"),
    ("limited", "受付量の制限"),
];

pub(super) async fn prove(
    named: &Named,
    (who, to): (&LookArguments, &ForArguments),
    out: &Path,
    common: &Common,
) -> Result<(), Failure> {
    let (config, relay, look) = desk::relay_named(common, "log prove", who).await?;
    let case = who.case.clone().unwrap_or_default().trim().to_owned();
    let (json_path, page_path) = (with_ending(out, "json"), with_ending(out, "html.age"));
    residency::export(&config, "--out", out).await?;
    // The rows of the bundle stay sealed; the page names people.
    let recipients = sealed_file::recipients(&config, to)?;
    let mut files = (NewFile::begin(&json_path)?, SealedFile::new(&page_path, &recipients)?);
    let traces = named.traces()?;
    let file = relay.case_file(&case, &traces).await?;
    // What can't be proven is not opened.
    let mut bundle = relay.prove_rows(&file.records, &file.looks).await?;
    let opening = Opening::Evidence { case: case.clone(), named: traces, records: file.records.clone() };
    let opened = relay.open_for(&look, &opening, Goes::ToAFile, who.approved.as_deref()).await?;
    let Opened::Trace(lines) = opened else { return Ok(()) };
    let now = Timestamp::now();
    let keys: Vec<String> = relay.tree_keys().await?.iter().map(ToString::to_string).collect();
    let page = page(&case, &look, who, now, &lines, &file.views, &keys).end();
    let statement = Statement {
        at: now,
        case: case.clone(),
        rows: bundle.counts().0 as u64,
        proven: Some(bundle.proven()),
        page: Sha256::digest(page.as_bytes()).into(),
    };
    bundle.statement = Some(relay.sign_statement(&statement.to_text()).await?);
    let (rows, looks) = bundle.counts();
    let text = serde_json::to_string_pretty(&bundle).map_err(|_| Failure::new("the bundle is no JSON"))?;
    files.0.put(format!("{text}\n").as_bytes())?;
    files.1.write_all(page.as_bytes())?;
    let bundle = files.0.finish()?;
    let page = files.1.finish().inspect_err(|_| drop(std::fs::remove_file(&json_path)))?;
    let until = relay.note_export(&look, &[bundle, page]).await?.to_rfc3339();
    // Looks are entered a quarter of a minute after they were taken; this one is the last of them.
    let open = file.looks.len().saturating_sub(looks);
    let later = match open {
        0 => String::new(),
        open => format!(
            "; {open} more looks are not in the audit tree yet, and are proven when it is made again in a minute"
        ),
    };
    let (json_path, page_path) = (json_path.display().to_string(), page_path.display().to_string());
    let said = format!(
        "{rows} records of case {case} and {looks} looks are proven in {json_path}{later}; {page_path} is for people and encrypted: `anshin \
         compliance open-export` or age makes page.html of it. Whoever gets them checks both with\n\n    anshin log verify-bundle \
         {json_path} --page page.html --key '{}'\n\n\
         and should have the key from you in another way. Destroy your copies by {until}.",
        keys.first().map_or("", String::as_str)
    );
    let document = json!({
        "file": json_path, "page": page_path, "case": case, "rows": rows, "looks": looks, "looks_not_entered": open,
        "keys": keys,
        "destroy_by": until,
    });
    print(common, &document, &said);
    Ok(())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Object(fields) => {
            let parts = fields.iter().filter(|(_, value)| !value.is_null());
            parts.map(|(name, value)| format!("{name}: {}", word(value))).collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}

/// An event, in Japanese and as the log has it.
pub(super) fn event(word: &str) -> String {
    match EVENTS.iter().find(|(event, _)| *event == word) {
        Some((_, japanese)) => format!("{japanese} / {word}"),
        None => word.to_owned(),
    }
}

fn when(text: &str) -> String {
    let japan = Timestamp::parse_rfc3339(text).map(time).unwrap_or_default();
    format!("{japan}\n{text}")
}

fn page(
    case: &str,
    look: &Look,
    who: &LookArguments,
    now: Timestamp,
    lines: &[TraceLine],
    views: &[LookView],
    keys: &[String],
) -> Page {
    let mut page = Page::new(&format!("メール中継の記録 / Records of the mail relay: {case}"));
    page.table(
        &[],
        &[
            vec!["事件番号 / Case".into(), case.to_owned()],
            vec!["作成日時 / Made at".into(), when(&now.to_rfc3339())],
            vec!["作成者 / Made by".into(), look.actor().to_owned()],
            vec!["目的 / Purpose".into(), who.purpose.clone().unwrap_or_default()],
            vec!["記録の数 / Records".into(), lines.len().to_string()],
        ],
    );
    page.heading("確認の方法 / How to check this");
    page.paragraph(
        "同じ名前の .json ファイルに、各記録が改変されていないことの証明(RFC 6962 のマークルツリーと電子署名)が入っています。\
         次の命令は、データベースにも通信にも頼らずに両方を確かめます。公開鍵は別の経路で受け取ってください。\n\
         The .json file of the same name proves each record (a Merkle tree as in RFC 6962, and signatures). This command checks both, \
         with no database and no network; get the public key in another way:",
    );
    let key = keys.first().map_or("", String::as_str);
    page.paragraph(&format!("anshin log verify-bundle NAME.json --page NAME.html --key '{key}'"));
    let mut mails: BTreeMap<String, Vec<&TraceLine>> = BTreeMap::new();
    for line in lines {
        mails.entry(line.queue_id.clone().unwrap_or_else(|| "-".into())).or_default().push(line);
    }
    for (queue_id, lines) in &mails {
        page.heading(&format!("メール / Mail {queue_id}"));
        let steps: Vec<Vec<String>> = lines.iter().map(|line| step(line)).collect();
        let head = [
            "日時 / Time",
            "出来事 / Event",
            "差出人 / From",
            "宛先 / To",
            "接続 / Peer, next hop",
            "結果 / Result",
        ];
        page.table(&head, &steps);
        for line in lines.iter().filter(|line| !line.hops.is_empty()) {
            page.paragraph("Received: 届くまでの経路(メール自身の記載。最後の行だけが当社の確認した接続) / its way, as the mail itself says");
            let hops = (1..).zip(&line.hops).map(|(number, hop)| vec![number.to_string(), hop.clone()]);
            page.table(&["", "Received"], &hops.collect::<Vec<_>>());
        }
        for line in lines {
            let fields = line.detail.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
            let fields: Vec<Vec<String>> =
                fields.map(|(name, value)| vec![name.clone(), word(value)]).collect();
            page.paragraph(&format!("{} {}", line.at, event(&line.event)));
            match fields.is_empty() {
                true => page.paragraph("内容は消去済み / what it had was destroyed"),
                false => page.table(&[], &fields),
            }
            if let Some(headers) = &line.headers {
                page.paragraph("ヘッダー / header block");
                page.paragraph(headers);
            }
        }
    }
    page.heading("この事件のために情報を見た記録 / Who looked for this case");
    let looked = views.iter().rev().map(|view| {
        let actor = view.detail.get("actor").map(word).unwrap_or_default();
        vec![
            when(&view.at.to_rfc3339()),
            actor,
            view.kind.clone(),
            view.outcome.clone(),
            view.rows.to_string(),
        ]
    });
    let head = ["日時 / Time", "氏名 / Name", "対象 / What", "結果 / Outcome", "行数 / Rows"];
    page.table(&head, &looked.collect::<Vec<_>>());
    page.signatures(&["作成者 / Made by", "責任者 / Responsible"]);
    page
}

/// One step of a mail, in a line.
fn step(line: &TraceLine) -> Vec<String> {
    let of = |name: &str| line.detail.get(name).map(word).unwrap_or_default();
    let first =
        |names: &[&str]| names.iter().map(|name| of(name)).find(|text| !text.is_empty()).unwrap_or_default();
    let result = [of("status"), of("reason"), of("remote")].into_iter().filter(|text| !text.is_empty());
    vec![
        when(&line.at),
        event(&line.event),
        of("from"),
        of("to"),
        first(&["peer", "next_hop"]),
        result.collect::<Vec<_>>().join("\n"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_its_word_in_japanese() {
        for word in crate::query::EVENTS {
            assert_ne!(event(word), word);
        }
    }
}
