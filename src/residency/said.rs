//! What is said of a place: in English for whoever runs the relay, in Japanese for the pages that are signed.
//!
//! When it fails: never.

use super::{Purpose, Site, SiteError, Standing};
use crate::geo::{Country, Located};

/// The same in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub english: String,
    pub japanese: String,
}

impl Said {
    pub(super) fn new(english: impl Into<String>, japanese: impl Into<String>) -> Self {
        Self { english: english.into(), japanese: japanese.into() }
    }

    /// A name that is the same in both.
    pub(super) fn both(name: &str) -> Self {
        Self::new(name, name)
    }

    /// With something behind it.
    pub(super) fn and(self, more: &Said) -> Self {
        Self { english: self.english + &more.english, japanese: self.japanese + &more.japanese }
    }

    /// A site that was stated. An officer's word goes before the registries': what they say is shown beside it.
    pub(super) fn of_site(Site { statement, officer }: &Site, located: Located) -> Self {
        let (site, until) = (&statement.site, statement.until.to_rfc3339());
        let said = Self::new(
            format!("site {site}, stated by {officer} until {until}"),
            format!("拠点「{site}」({officer} が証明、{until} まで)"),
        );
        match located.registry {
            Some(country) if country != Country::JAPAN => said.and(&Self::new(
                format!("; registered in {country}"),
                format!("、アドレスの登録国は{country}"),
            )),
            _ => said,
        }
    }

    /// What registry and overlay have, where they do not agree.
    pub(super) fn disputed(located: Located) -> Self {
        if !located.is_disputed() {
            return Self::both("");
        }
        let word = |country: Option<Country>| {
            country.map_or_else(|| "なし".to_owned(), |country| country.to_string())
        };
        let (registry, overlay) = (word(located.registry), word(located.overlay));
        Self::new(format!(" ({located})"), format!("(登録 {registry}、追加資料 {overlay})"))
    }
}

impl Purpose {
    /// What the place is used for, in Japanese.
    #[must_use]
    pub fn japanese(self) -> &'static str {
        match self {
            Purpose::KeyService => "鍵を包むサービス",
            Purpose::Storage => "データベース",
            Purpose::Replica => "データベースの複製",
            Purpose::Keys => "鍵の保管",
            Purpose::Resolver => "DNSリゾルバー",
            Purpose::BlockList => "DNSブロックリスト",
            Purpose::Scanner => "メールの検査",
            Purpose::Delivery => "特定の宛先への配送",
            Purpose::Smarthost => "すべての宛先への中継",
            Purpose::Operator => "運営者あてのメール",
            Purpose::Anchor => "監査ツリーの控え",
            Purpose::Login => "店舗メニューの外部ログイン",
            Purpose::Webhook => "マーケットプレイスへの通知",
            Purpose::Export => "書き出したファイル",
            Purpose::Statement => "拠点の証明書",
        }
    }
}

impl Standing {
    /// How it stands, in Japanese.
    #[must_use]
    pub fn japanese(self) -> &'static str {
        match self {
            Standing::InJapan => "国内",
            Standing::Unproven => "未証明",
            Standing::Abroad => "国外",
            Standing::Unknown => "不明",
            Standing::Apart => "判定の対象外",
            Standing::Ended => "証明の期限切れ",
            Standing::Void => "証明が無効",
        }
    }
}

impl SiteError {
    /// Why a statement does not count, in Japanese.
    #[must_use]
    pub fn japanese(&self) -> String {
        match self {
            SiteError::Note(_) => "署名が確認できません".to_owned(),
            SiteError::Kind => "拠点の証明書ではありません".to_owned(),
            SiteError::Line(line) => format!("{line}行目の項目が不明です"),
            SiteError::Value(line) => format!("{line}行目の値が正しくありません"),
            SiteError::Wide(line) => format!("{line}行目の範囲が広すぎます"),
            SiteError::Missing(item) => format!("項目 {item} がありません"),
            SiteError::Twice(item) => format!("項目 {item} が重複しています"),
            SiteError::Country => "国がJPではありません".to_owned(),
            SiteError::TooLong => "有効期間が2年を超えています".to_owned(),
            SiteError::NotYet(at) => format!("{}から有効です", at.to_rfc3339()),
            SiteError::Ended(at) => format!("{}に期限が切れました", at.to_rfc3339()),
        }
    }
}
