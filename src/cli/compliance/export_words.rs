//! What is held about a person, as a text that the person can read: Japanese, with the values as they are.
//!
//! Rules: everything of the document stands in it; what has no word here stands by its own name.

use serde_json::{Map, Value};
use std::fmt::Write;

/// Words for fields and values, by their names in the document.
const WORDS: [(&str, &str); 67] = [
    ("about", "対象のメール"),
    ("accepted", "受付"),
    ("action", "処理"),
    ("alias_of_the_store", "店舗の匿名アドレス"),
    ("alias_of_you", "お客様の匿名アドレス"),
    ("at", "日時"),
    ("blocked", "配信停止の変更"),
    ("by", "決定者"),
    ("certificate", "接続元の証明書"),
    ("closed_at", "終了日時"),
    ("credential", "ログイン"),
    ("decision", "決定"),
    ("deferred", "配信の延期"),
    ("delivered", "配信完了"),
    ("destroyed", "復号鍵は破棄済み(内容は誰も読めません)"),
    ("detail", "詳細"),
    ("direction", "方向"),
    ("dropped", "配信中止"),
    ("event", "出来事"),
    ("expires_at", "有効期限"),
    ("failed", "配信不能"),
    ("files", "添付ファイルの確認"),
    ("from", "差出人(エンベロープ)"),
    ("guest", "追加アドレス"),
    ("header_block", "受信時のヘッダー"),
    ("held", "配信保留"),
    ("helo", "接続元の名乗り"),
    ("host", "接続先"),
    ("ignored", "処理せず"),
    ("inquiry", "お問い合わせ"),
    ("ip", "接続元IPアドレス"),
    ("kind", "種類"),
    ("label", "迷惑メール判定"),
    ("limited", "流量制限"),
    ("lists", "ブロックリスト"),
    ("mailbox_refuses_mail", "お客様のメールボックスの受信拒否"),
    ("message_as_its_recipient_gets_it", "本文(受取人に届く形)"),
    ("message_id", "Message-ID"),
    ("of_another_address", "別のアドレスに関する部分"),
    ("opened_at", "開始日時"),
    ("order", "注文"),
    ("order_no", "注文番号"),
    ("peer", "接続元"),
    ("port", "ポート"),
    ("proof", "送信元の確認"),
    ("queue_id", "受付番号"),
    ("reason", "理由"),
    ("refused", "受信拒否"),
    ("released", "保留の解除"),
    ("reply", "応答"),
    ("rerouted", "経路の変更"),
    ("retried", "再試行"),
    ("returned", "自動メールの処理"),
    ("said", "内容の種類"),
    ("service", "受付口"),
    ("since", "開始"),
    ("size", "サイズ(バイト)"),
    ("size_received", "受信サイズ(バイト)"),
    ("state", "状態"),
    ("status", "結果"),
    ("store", "店舗名"),
    ("store_id", "店舗ID"),
    ("to", "宛先"),
    ("to_customer", "店舗からお客様へ"),
    ("to_merchant", "お客様から店舗へ"),
    ("until", "まで"),
    ("waiting", "配信待ち"),
];

/// Values that are words of ours, in these fields alone: elsewhere a value is somebody's own.
const OF_OURS: [&str; 4] = ["event", "kind", "direction", "state"];

fn word(name: &str) -> &str {
    WORDS.iter().find(|(own, _)| *own == name).map_or(name, |(_, word)| word)
}

/// The text.
pub(super) fn text(document: &Value) -> String {
    let field = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or("-");
    let list = |name: &str| document.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut text = format!(
        "保有個人データの開示\n\n対象のメールアドレス: {}\n作成日時: {}\n\n\
         匿名メール中継サービスが、このメールアドレスについて保有している情報のすべてです。日時は協定世界時(UTC)です。\n\
         店舗など、やり取りの相手方の情報は伏せています。\n",
        field("person"),
        field("made_at")
    );
    for (number, conversation) in (1..).zip(list("conversations")) {
        let _ = write!(text, "\n\n■ やり取り {number}\n\n");
        let Some(fields) = conversation.as_object() else { continue };
        own(&mut text, fields);
        section(&mut text, "記録", fields.get("records"));
        section(&mut text, "配信を待っているメール", fields.get("mails_waiting"));
        section(&mut text, "配信後も保管しているメール", fields.get("texts_kept"));
    }
    text.push_str("\n\n■ やり取り以外の記録\n");
    section(&mut text, "受信拒否、および管理者宛のメール", document.get("outside_of_conversations"));
    text
}

/// The fields of a conversation itself.
fn own(text: &mut String, fields: &Map<String, Value>) {
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        match (name.as_str(), value) {
            ("records" | "mails_waiting" | "texts_kept", _) => {}
            ("your_addresses", Value::Array(addresses)) => {
                for (at, address) in addresses.iter().enumerate() {
                    let which = if at == 0 { "お客様のアドレス" } else { "以前のアドレス" };
                    let _ = writeln!(text, "{which}: {}", address.as_str().unwrap_or("-"));
                }
            }
            _ => line(text, 0, name, value),
        }
    }
}

fn section(text: &mut String, title: &str, values: Option<&Value>) {
    let values = values.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let _ = write!(text, "\n【{title}】{}件\n", values.len());
    for value in values {
        text.push('\n');
        value.as_object().into_iter().flatten().for_each(|(name, value)| line(text, 1, name, value));
    }
}

fn line(text: &mut String, depth: usize, name: &str, value: &Value) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            let _ = writeln!(text, "{indent}{}:", word(name));
            fields.iter().for_each(|(name, value)| line(text, depth + 1, name, value));
        }
        Value::String(value) if value.contains('\n') => {
            let _ = writeln!(text, "{indent}{}:", word(name));
            for value in value.lines() {
                let _ = writeln!(text, "{indent}  | {}", value.trim_end_matches('\r'));
            }
        }
        Value::String(value) => {
            let value = if OF_OURS.contains(&name) { word(value) } else { value };
            let _ = writeln!(text, "{indent}{}: {value}", word(name));
        }
        Value::Bool(value) => {
            let _ = writeln!(text, "{indent}{}: {}", word(name), if *value { "はい" } else { "いいえ" });
        }
        other => {
            let _ = writeln!(text, "{indent}{}: {other}", word(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn everything_of_the_document_stands_in_the_text() {
        assert!(WORDS.is_sorted_by_key(|(name, _)| *name));
        let document = json!({
            "person": "hana@customer.example", "made_at": "2026-12-01T00:00:00Z",
            "conversations": [{
                "kind": "order", "store": "花屋", "your_addresses": ["a@x.example", "b@x.example"],
                "records": [{ "event": "accepted", "detail": { "peer": { "ip": "192.0.2.9" }, "new": 7 },
                    "header_block": "From: x\r\nSubject: y\r\n" }],
                "mails_waiting": [{ "state": "held", "message_as_its_recipient_gets_it": null }],
            }],
            "outside_of_conversations": [{ "event": "refused", "destroyed": true }],
        });
        let text = text(&document);
        for part in [
            "hana@customer.example",
            "種類: 注文",
            "花屋",
            "以前のアドレス: b@x.example",
            "出来事: 受付",
            "192.0.2.9",
            "new: 7",
            "| Subject: y",
            "状態: 配信保留",
            "【記録】1件",
            "出来事: 受信拒否",
            "破棄済み",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
