//! Mails of the menu to people of a store: plain text, Japanese and English, without a link, each with what to do.
//!
//! Rules: they go as our other mails do (null reverse-path, signed, through the queue), in the transaction of what they tell. Nothing of a
//! customer is in them.
//! When it fails: [`RelayFault`] where one can't be sealed.

use super::alert::in_japan;
use super::{MenuRole, Whence};
use crate::anonymize::{self, Files, Forbidden};
use crate::mail::{Alias, RealAddress, Timestamp};
use crate::relay::envelope::{AliasText, Envelope};
use crate::relay::own::{Letter, Own};
use crate::relay::{Merchant, Relay, RelayFault};
use crate::store::NewMessage;
use crate::vault::Secret;

/// A mail's subject and text.
pub(in crate::relay) struct MenuText {
    pub subject: String,
    pub text: String,
}

impl MenuText {
    /// To somebody who may sign in from now on, or has forgotten the password.
    pub fn invitation(
        brand: &str,
        store: &Merchant,
        name: &str,
        password: &Secret,
        until: Timestamp,
    ) -> Self {
        let (store_id, password, until) = (&store.store_id, password.show(), in_japan(until));
        let text = format!(
            "{brand}の店舗メニューを使えるようになりました。\r\n\
             いつもの方法で店舗メニューを開き、次のとおりログインしてください。最初にパスワードの変更をお願いします。\r\n\
             \r\n\
             店舗ID: {store_id}\r\n\
             ユーザー名: {name}\r\n\
             初回用パスワード: {password}\r\n\
             有効期限: {until}\r\n\
             \r\n\
             心当たりがない場合は、このメールを削除してください。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             You may use the store menu of {brand}. Open the menu and sign in as follows; it asks you to change the password first.\r\n\
             \r\n\
             Store ID: {store_id}\r\n\
             User name: {name}\r\n\
             One-time password: {password}\r\n\
             Good until: {until}\r\n\
             \r\n\
             If you know nothing of this, delete this mail.\r\n"
        );
        Self { subject: format!("[{brand}] 店舗メニューへの招待 / Your store menu"), text }
    }

    /// Of a person who was added, has another role, or was taken off.
    pub fn person(
        brand: &str,
        store: &Merchant,
        by: &str,
        name: &str,
        role: Option<MenuRole>,
        now: Timestamp,
    ) -> Self {
        let (store_id, at) = (&store.store_id, in_japan(now));
        let (ja, en) = match role {
            Some(MenuRole::Administrator) => ("管理者", "administrator"),
            Some(MenuRole::Staff) => ("担当者", "staff"),
            Some(MenuRole::Reader) => ("閲覧のみ", "read-only"),
            None => ("利用終了", "taken off"),
        };
        let text = format!(
            "{brand}の店舗メニューを使う人が変更されました。\r\n\
             \r\n\
             日時: {at}\r\n\
             店舗ID: {store_id}\r\n\
             対象: {name}\r\n\
             権限: {ja}\r\n\
             変更した人: {by}\r\n\
             \r\n\
             心当たりがない場合は、ご自身で店舗メニューを開き、使う人を確認してください。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             Who may use the store menu of {brand} was changed.\r\n\
             \r\n\
             Time: {at}\r\n\
             Store ID: {store_id}\r\n\
             Who: {name}\r\n\
             Role: {en}\r\n\
             Changed by: {by}\r\n\
             \r\n\
             If you know nothing of this, open the menu yourself and look at its people.\r\n"
        );
        Self {
            subject: format!("[{brand}] 店舗メニューを使う人の変更 / People of your store menu"), text
        }
    }

    /// Of a credential that was added, replaced, limited or ended.
    pub fn credential(
        brand: &str,
        store: &Merchant,
        (by, action, about): (&str, &'static str, &str),
        whence: &Whence,
        now: Timestamp,
    ) -> Self {
        let (store_id, at, ip) = (&store.store_id, in_japan(now), &whence.ip);
        let (ja, en) = match action {
            "add-credential" => ("追加", "added"),
            "replace-credential" => ("新しいパスワードに更新", "replaced with a new password"),
            "limit-credential" => ("利用できるネットワークの変更", "other networks"),
            _ => ("終了", "ended"),
        };
        let text = format!(
            "{brand}でメールを送るための認証情報が変更されました。\r\n\
             \r\n\
             日時: {at}\r\n\
             店舗ID: {store_id}\r\n\
             対象: {about}\r\n\
             内容: {ja}\r\n\
             変更した人: {by}\r\n\
             IPアドレス: {ip}\r\n\
             \r\n\
             心当たりがない場合は、ご自身で店舗メニューを開き、「メールサーバ設定情報」でその認証情報を終了させ、パスワードを変更してください。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             What your store sends mail with at {brand} was changed.\r\n\
             \r\n\
             Time: {at}\r\n\
             Store ID: {store_id}\r\n\
             Which: {about}\r\n\
             What: {en}\r\n\
             Changed by: {by}\r\n\
             IP address: {ip}\r\n\
             \r\n\
             If you know nothing of this, open the menu yourself, end that credential under \"Mail server settings\", and change your password.\r\n"
        );
        Self {
            subject: format!("[{brand}] メール送信の認証情報の変更 / Mail credentials were changed"),
            text,
        }
    }

    /// Of a wrong code after the right password.
    pub fn wrong_code(brand: &str, store: &Merchant, name: &str, whence: &Whence, now: Timestamp) -> Self {
        let (store_id, at, ip) = (&store.store_id, in_japan(now), &whence.ip);
        let country = whence.country.as_deref().unwrap_or("Unknown Location");
        let text = format!(
            "{brand}の店舗メニューで、正しいパスワードのあとに、誤った確認コードが入力されました。\r\n\
             \r\n\
             日時: {at}\r\n\
             店舗ID: {store_id}\r\n\
             ユーザー名: {name}\r\n\
             IPアドレス: {ip}\r\n\
             国・地域: {country}\r\n\
             \r\n\
             ご本人の入力間違いであれば、何もする必要はありません。心当たりがない場合は、パスワードを知られています。\
             ご自身で店舗メニューを開き、パスワードを変更してください。同じ日のほかの間違いは、あらためてお知らせしません。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             At the store menu of {brand} somebody gave your right password and then a wrong code.\r\n\
             \r\n\
             Time: {at}\r\n\
             Store ID: {store_id}\r\n\
             User name: {name}\r\n\
             IP address: {ip}\r\n\
             Country or region: {country}\r\n\
             \r\n\
             If you mistyped it, there is nothing to do. If not, somebody knows your password: open the menu yourself and change it. \
             Others of the same day are not told again.\r\n"
        );
        Self { subject: format!("[{brand}] 確認コードの誤り / A wrong code"), text }
    }

    /// Of a second factor that was set up or taken off.
    pub fn factor(
        brand: &str,
        store: &Merchant,
        (by, name, is_set): (&str, &str, bool),
        now: Timestamp,
    ) -> Self {
        let (store_id, at) = (&store.store_id, in_japan(now));
        let (ja, en) = if is_set { ("設定", "set up") } else { ("解除", "taken off") };
        let text = format!(
            "{brand}の店舗メニューの2段階認証が{ja}されました。\r\n\
             \r\n\
             日時: {at}\r\n\
             店舗ID: {store_id}\r\n\
             対象: {name}\r\n\
             変更した人: {by}\r\n\
             \r\n\
             心当たりがない場合は、ご自身で店舗メニューを開き、パスワードを変更してください。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             The second factor for the store menu of {brand} was {en}.\r\n\
             \r\n\
             Time: {at}\r\n\
             Store ID: {store_id}\r\n\
             Whose: {name}\r\n\
             Changed by: {by}\r\n\
             \r\n\
             If you know nothing of this, open the menu yourself and change your password.\r\n"
        );
        Self { subject: format!("[{brand}] 2段階認証の変更 / Your second factor"), text }
    }

    /// Of a sign-in that was not who it says.
    pub fn alarm(
        brand: &str,
        store: &Merchant,
        (name, ends_credentials): (&str, bool),
        whence: &Whence,
        now: Timestamp,
    ) -> Self {
        let (store_id, at, ip) = (&store.store_id, in_japan(now), &whence.ip);
        let (ja, en) = if ends_credentials {
            (
                "終了しました。新しいものを店舗メニューで作成し、メールソフトに設定してください。",
                "ended; make new ones in the menu, and put them into your mail programs",
            )
        } else {
            ("変更していません。", "not changed")
        };
        let text = format!(
            "{brand}の店舗メニューに、心当たりのないログインがあったと届け出がありました。\r\n\
             \r\n\
             日時: {at}\r\n\
             店舗ID: {store_id}\r\n\
             届け出た人: {name}\r\n\
             届け出た端末のIPアドレス: {ip}\r\n\
             ほかのログイン: すべて終了しました。\r\n\
             メール送信の認証情報: {ja}\r\n\
             \r\n\
             ご自身で店舗メニューを開き、ログイン履歴、使う人、メールサーバ設定情報を確認してください。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             Somebody says that a sign-in to the store menu of {brand} was not his.\r\n\
             \r\n\
             Time: {at}\r\n\
             Store ID: {store_id}\r\n\
             Who says so: {name}\r\n\
             From the IP address: {ip}\r\n\
             Other sessions: all ended\r\n\
             Mail credentials: {en}\r\n\
             \r\n\
             Open the menu yourself, and look at login history, people and mail server settings.\r\n"
        );
        Self {
            subject: format!("[{brand}] 心当たりのないログインの届け出 / A sign-in that was not yours"),
            text,
        }
    }

    /// Of a one-time password that the operator made.
    pub fn reissued(brand: &str, store: &Merchant, name: &str, now: Timestamp) -> Self {
        let (store_id, at) = (&store.store_id, in_japan(now));
        let text = format!(
            "{brand}の運営者が、店舗メニューの初回用パスワードを再発行しました。これまでのパスワードは使えません。\r\n\
             \r\n\
             日時: {at}\r\n\
             店舗ID: {store_id}\r\n\
             対象: {name}\r\n\
             \r\n\
             依頼した覚えがない場合は、すぐに運営者へ連絡してください。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             The operator of {brand} made a new one-time password for your store menu. The one before is good no more.\r\n\
             \r\n\
             Time: {at}\r\n\
             Store ID: {store_id}\r\n\
             Whose: {name}\r\n\
             \r\n\
             If nobody of your store asked for it, tell the operator at once.\r\n"
        );
        Self {
            subject: format!("[{brand}] パスワード再発行のお知らせ / A new one-time password"), text
        }
    }

    /// Of a password that was changed.
    pub fn password(brand: &str, store: &Merchant, name: &str, whence: &Whence, now: Timestamp) -> Self {
        let (store_id, at, ip, device) = (&store.store_id, in_japan(now), &whence.ip, &whence.device);
        let text = format!(
            "{brand}の店舗メニューのパスワードが変更されました。\r\n\
             \r\n\
             日時: {at}\r\n\
             店舗ID: {store_id}\r\n\
             ユーザー名: {name}\r\n\
             IPアドレス: {ip}\r\n\
             端末: {device}\r\n\
             \r\n\
             ほかの端末はすべてログアウトされました。心当たりがない場合は、店舗の管理者に、パスワードの再発行を依頼してください。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             Your password for the store menu of {brand} was changed.\r\n\
             \r\n\
             Time: {at}\r\n\
             Store ID: {store_id}\r\n\
             User name: {name}\r\n\
             IP address: {ip}\r\n\
             Device: {device}\r\n\
             \r\n\
             All other devices were signed out. If it was not you, ask an administrator of your store to send you a new password.\r\n"
        );
        Self {
            subject: format!("[{brand}] パスワード変更のお知らせ / Your password was changed"), text
        }
    }
}

impl Relay {
    /// A mail of the menu on its way into the queue.
    pub(in crate::relay) fn menu_mail(
        &self,
        store: &Merchant,
        to: &RealAddress,
        text: &MenuText,
        action: &'static str,
        now: Timestamp,
    ) -> Result<NewMessage, RelayFault> {
        let id = self.next_id();
        let from = Alias::new("mailer-daemon", self.domains().merchant().clone());
        let public = self.domains().public_alias(&store.store_id);
        let brand: &str = &self.policy().brand;
        let letter =
            Letter { id, name: brand, from: &from, to: &public, subject: &text.subject, text: &text.text };
        let message = self.letter(&letter, now);
        let forbidden = Forbidden { secrets: &[], traces: &[], files: Files::Checked };
        let message = anonymize::pass_gate(message, &forbidden)
            .map_err(|_| RelayFault::Malformed("a mail of the menu that does not pass the gate"))?;
        let own = Own {
            key: &store.key,
            id,
            merchant: store.id,
            conversation: None,
            to,
            envelope: Envelope::of_ours(&from, AliasText::from(&public)),
            body: message.as_bytes(),
            expires: self.policy().expire,
            detail: serde_json::json!({ "action": action }),
            guard: None,
        };
        self.own_row(own, now)
    }
}
