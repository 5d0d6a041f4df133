//! The mail about a sign-in that is new in some way.
//!
//! Rules: its title has the operator's brand and the time: of Japan where the sign-in came from Japan, of UTC where it came from elsewhere
//! or from nobody knows where. The text has IP address and country (`Unknown Location` where it is not known), what is new about it
//! and what to do, and no link, since a mail like this one is what a fraud imitates. It can't be switched off.
//! When it fails: never.

use super::Whence;
use super::arrival::News;
use super::mails::MenuText;
use crate::geo::Country;
use crate::mail::Timestamp;
use crate::relay::{Merchant, Relay};

/// Where a sign-in came from, where that is not known.
const UNKNOWN: &str = "Unknown Location";

impl Relay {
    pub(super) fn login_alert(
        &self,
        store: &Merchant,
        (name, whence, country): (&str, &Whence, Option<Country>),
        news: News,
        now: Timestamp,
    ) -> MenuText {
        let brand = &self.policy().brand;
        let at = local(now, country);
        let place = country.map_or_else(|| UNKNOWN.to_owned(), |country| country.to_string());
        let (mut ja, mut en) = (Vec::new(), Vec::new());
        for (is_new, in_ja, in_en) in [
            (news.device, "新しい端末またはブラウザー", "a new device or browser"),
            (news.network, "新しいネットワーク", "a new network"),
            (news.country, "新しい国または地域", "a new country or region"),
        ] {
            if is_new {
                ja.push(in_ja);
                en.push(in_en);
            }
        }
        let (ja, en) = (ja.join("、"), en.join(", "));
        let (store_id, ip, device) = (&store.store_id, &whence.ip, &whence.device);
        let text = format!(
            "{brand}の店舗メニューにログインがありました。\r\n\
             \r\n\
             日時: {at}\r\n\
             店舗ID: {store_id}\r\n\
             ユーザー名: {name}\r\n\
             IPアドレス: {ip}\r\n\
             国・地域: {place}\r\n\
             端末: {device}\r\n\
             お知らせする理由: {ja}からのログインです。\r\n\
             \r\n\
             ご本人によるものであれば、何もする必要はありません。\r\n\
             心当たりがない場合は、いつもの方法でご自身で店舗メニューを開き、「ログイン中の端末」でほかの端末をすべてログアウトし、\
             パスワードを変更してください。このメールにリンクはありません。リンクを開くよう求めるメールは偽物です。\r\n\
             このお知らせは停止できません。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             Somebody signed in to the store menu of {brand}.\r\n\
             \r\n\
             Time: {at}\r\n\
             Store ID: {store_id}\r\n\
             User name: {name}\r\n\
             IP address: {ip}\r\n\
             Country or region: {place}\r\n\
             Device: {device}\r\n\
             Why you get this: the sign-in came from {en}.\r\n\
             \r\n\
             If it was you, there is nothing to do.\r\n\
             If not, open the menu yourself, the way you always do, sign all other devices out under \"Signed-in devices\", and change \
             your password. There is no link in this mail; a mail that asks you to follow one is a forgery.\r\n\
             This notice can't be switched off.\r\n"
        );
        MenuText { subject: format!("[{brand}] ログイン通知 / Login Notification ({at})"), text }
    }
}

/// `YYYY/MM/DD HH:MM JST` for who is in Japan, else the same in UTC.
fn local(at: Timestamp, country: Option<Country>) -> String {
    if country == Some(Country::JAPAN) { in_japan(at) } else { format!("{} UTC", minute(at)) }
}

/// The time in Japan.
pub(super) fn in_japan(at: Timestamp) -> String {
    const AHEAD: std::time::Duration = std::time::Duration::from_secs(9 * 3600);
    format!("{} JST", minute(at.after(AHEAD)))
}

fn minute(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    let (date, time) = text.split_once('T').unwrap_or_default();
    format!("{} {}", date.replace('-', "/"), time.get(..5).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_of_japan_for_who_is_there_and_of_utc_for_everybody_else() {
        let at = Timestamp::parse_rfc3339("2026-12-31T15:04:59Z").unwrap();
        assert_eq!(local(at, Some(Country::JAPAN)), "2027/01/01 00:04 JST");
        assert_eq!(local(at, Country::parse("DE")), "2026/12/31 15:04 UTC");
        assert_eq!(local(at, None), "2026/12/31 15:04 UTC");
    }
}
