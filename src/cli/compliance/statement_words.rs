//! What the pack for the yearly self-evaluation calls things, in Japanese: words of closed lists, as people read them.
//!
//! When it fails: a word that is not known here stands there as it is.

use crate::relay::Broken;

/// A section of `[retention]`.
pub(super) fn class(section: &str) -> &str {
    match section {
        "texts" => "本文(配送待ち)",
        "kept_texts" => "本文(配送後も保管するもの。設定した場合のみ)",
        "rejected" => "受け取らなかったメールの記録",
        "headers" => "ヘッダー",
        "metadata" => "送受信の記録",
        "logins" => "ログインの記録",
        "access" => "店舗メニューの利用記録",
        "audit" => "開示の記録",
        "conversations" => "終了した注文・問い合わせ(購入者のアドレス、注文番号)",
        "rollups" => "時間ごとの件数",
        other => other,
    }
}

/// How a look ended.
pub(super) fn outcome(word: &str) -> &str {
    match word {
        "opened" => "開示",
        "exported" => "持出し",
        "masked" => "検索(匿名表示)",
        "asked" => "二人目の承認を申請",
        "approved" => "承認",
        "refused" => "却下",
        "limited" => "回数の上限により拒否",
        "written" => "ファイルの作成",
        "started" => "起動",
        "stopped" => "停止",
        "previewed" => "消去前の確認",
        "nothing" => "該当なし",
        "suspended" => "権限停止により拒否",
        "entered" => "登録",
        "elsewhere" => "国外等からのため拒否",
        "used" => "緊急アクセスの利用",
        "ended" => "終了",
        "begun" => "開始",
        "done" => "完了",
        "set" => "設定",
        "clear" => "暗号化なしの出力",
        "certified" => "権限の承認",
        "revoked" => "権限の取消",
        other => other,
    }
}

/// Why somebody looked.
pub(super) fn look_purpose(word: &str) -> &str {
    match word {
        "dispute-support" => "紛争・問い合わせへの対応",
        "fraud-investigation" => "不正の調査",
        "legal-request" => "法令に基づく照会",
        "security-incident" => "セキュリティ事案への対応",
        "data-subject-request" => "本人からの請求",
        "audit" => "監査",
        "unstated" => "(記載なし)",
        other => other,
    }
}

/// At what somebody looked, or what he did.
pub(super) fn look_kind(word: &str) -> &str {
    match word {
        "trace" => "送受信の記録",
        "content" => "本文",
        "customer" => "購入者のアドレス",
        "alias" => "暗号化アドレスの持ち主",
        "search" => "記録の検索",
        "evidence" => "証拠の作成",
        "extract" => "仮名化データの提供",
        "file" => "ファイルへの出力",
        "export" => "本人への開示",
        "erasure" => "本人の消去",
        "correction" | "readdress" => "アドレスの訂正",
        "hold" => "消去の停止(保全)",
        "request" => "二人目の承認",
        "review" => "アクセス権限の棚卸し",
        "leaving" => "店舗の退店",
        "breach" => "漏えい等の登録",
        "break-glass" => "緊急アクセス",
        "origin" => "操作元の判定",
        "anchors" => "監査ツリーの控えの開始",
        "clock" => "時計の確認",
        "process" => "プロセスの起動・停止",
        other => other,
    }
}

/// What a verification found first; the command `anshin log verify` says more of it.
pub(super) fn broken(found: &Broken) -> String {
    let what = match found.what {
        "changed" => "登録時から変更されています",
        "deleted" => "証明書のない消去です",
        "inserted" => "後から挿入されています",
        "restored" => "消去されたはずのものがあります",
        "replayed" => "証明書が使い回されています",
        "truncated" => "末尾が切り取られたか、古い写しです",
        "forged" => "証明書の内容が合いません",
        "unsigned" => "既知の鍵の署名がありません",
        "unproven" => "開示の記録にない決定です",
        other => other,
    };
    let hour = found.hour.as_ref().map(|hour| format!("{hour}の1時間、"));
    let row = found.row.as_ref().map(|row| format!("行 {row}、"));
    let leaf = found.leaf.map(|leaf| format!("監査ツリーの葉 {leaf}、"));
    [hour, row, leaf].into_iter().flatten().collect::<String>() + what
}

/// Why something is kept: the reasons of the configuration's defaults; what an operator wrote stands as it is.
pub(super) fn reason(text: &str) -> &str {
    match text {
        "texts are kept for delivery alone" => "配送のためだけに保管するため",
        "to answer a dispute about what was written" => "書かれた内容についての紛争に対応するため",
        "to answer a sender whose mail was refused" => "受け取られなかった差出人の問い合わせに答えるため",
        "to prove the path of a mail in a dispute or fraud case" => {
            "紛争・不正の際にメールの経路を証明するため"
        }
        "to find fraud against the same season a year ago" => "前年の同じ季節と比べて不正を見つけるため",
        "to show a store its logins and find a takeover" => {
            "店舗にログインの記録を示し、乗っ取りを見つけるため"
        }
        "to show a store who used its menu and find a takeover" => {
            "店舗にメニューの利用者を示し、乗っ取りを見つけるため"
        }
        "to show who looked at what" => "誰が何を見たかを示すため",
        "to answer questions about an order after its end" => "注文の終了後の問い合わせに答えるため",
        "to hold a season against the two before it, by counts" => "件数を過去2年の同じ季節と比べるため",
        other => other,
    }
}

/// What somebody has to look after, as `Retention::warnings` says it.
pub(super) fn to_do(warning: &str) -> String {
    let about = |warning: &str| {
        let (key, why) = warning.strip_prefix("retention.")?.split_once(": ")?;
        let (section, what) = key.rsplit_once('.')?;
        let why = match (what, why.strip_prefix("was due on ")) {
            ("approver", _) => "保存期間の承認者が記載されていません".to_owned(),
            ("review", Some(day)) => format!("保存期間の見直しの期日({day})を過ぎています"),
            ("review", None) => "保存期間の次回見直しの日が記載されていません".to_owned(),
            _ => return None,
        };
        Some(format!("{}: {why}(retention.{key})", class(section)))
    };
    about(warning).unwrap_or_else(|| warning.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mail::Timestamp;

    #[test]
    fn what_a_verification_found_is_said_in_japanese_with_its_place() {
        let found =
            Broken { what: "changed", hour: None, row: Some("01AA".into()), leaf: Some(7), why: "so".into() };
        assert_eq!(broken(&found), "行 01AA、監査ツリーの葉 7、登録時から変更されています");
    }

    #[test]
    fn what_is_configured_where_nobody_wrote_anything_is_said_in_japanese() {
        let retention = Config::development(&std::env::temp_dir()).unwrap().retention;
        for (section, rule) in retention.rules() {
            assert_ne!(reason(&rule.reason), rule.reason, "{section}");
            assert_ne!(class(section), section);
        }
        assert_eq!(reason("法令"), "法令");
    }

    #[test]
    fn what_somebody_has_to_look_after_is_said_in_japanese() {
        let mut retention = Config::development(&std::env::temp_dir()).unwrap().retention;
        retention.logins.review = "2020-01-01".into();
        let warnings = retention.warnings(Timestamp::now());
        assert!(warnings.len() > 9);
        for warning in &warnings {
            assert_ne!(to_do(warning), *warning);
        }
        assert!(warnings.iter().any(|warning| to_do(warning).contains("期日(2020-01-01)")), "{warnings:?}");
        assert_eq!(to_do("something else: it is"), "something else: it is");
    }
}
