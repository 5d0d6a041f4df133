//! Mails of the menu about codes and what they lead to: registered addresses, and a password that was forgotten.
//!
//! Rules: as in `mails.rs`. What goes to an address that is not proven names the store by its id alone.

use super::Whence;
use super::alert::in_japan;
use super::mails::MenuText;
use crate::mail::Timestamp;
use crate::relay::Merchant;
use crate::vault::Secret;

impl MenuText {
    /// To an address that somebody wants to register.
    pub fn address_code(brand: &str, store: &Merchant, code: &Secret, until: Timestamp) -> Self {
        let (store_id, code, until) = (&store.store_id, code.show(), in_japan(until));
        let text = format!(
            "{brand}で、このメールアドレスを店舗の送信元として登録する手続きが行われています。\r\n\
             登録するには、店舗メニューの「登録メールアドレス」で、次の確認コードを入力してください。\r\n\
             \r\n\
             店舗ID: {store_id}\r\n\
             確認コード: {code}\r\n\
             有効期限: {until}\r\n\
             \r\n\
             心当たりがない場合は、このメールを削除してください。コードを誰にも伝えないでください。入力されないかぎり、登録されません。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             Somebody wants to register this address at {brand}, for a store to send from.\r\n\
             To do so, give this code under \"Registered addresses\" of the store menu.\r\n\
             \r\n\
             Store ID: {store_id}\r\n\
             Code: {code}\r\n\
             Good until: {until}\r\n\
             \r\n\
             If you know nothing of this, delete this mail and give the code to nobody. Without it nothing is registered.\r\n"
        );
        Self {
            subject: format!("[{brand}] 登録メールアドレスの確認 / Confirm your address"), text
        }
    }

    /// Of a registered address that was added, changed or taken off.
    pub fn sender(
        brand: &str,
        store: &Merchant,
        (by, action, address): (&str, &'static str, String),
        whence: &Whence,
        now: Timestamp,
    ) -> Self {
        let (store_id, at, ip) = (&store.store_id, in_japan(now), &whence.ip);
        let (ja, en) = match action {
            "confirm-sender" => ("追加", "added"),
            "change-sender" => ("表示名、控えの設定の変更", "another name, or copies"),
            _ => ("削除", "taken off"),
        };
        let text = format!(
            "{brand}の店舗の登録メールアドレスが変更されました。\r\n\
             \r\n\
             日時: {at}\r\n\
             店舗ID: {store_id}\r\n\
             対象: {address}\r\n\
             内容: {ja}\r\n\
             変更した人: {by}\r\n\
             IPアドレス: {ip}\r\n\
             \r\n\
             心当たりがない場合は、ご自身で店舗メニューを開き、「登録メールアドレス」を確認し、パスワードを変更してください。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             The registered addresses of your store at {brand} were changed.\r\n\
             \r\n\
             Time: {at}\r\n\
             Store ID: {store_id}\r\n\
             Which: {address}\r\n\
             What: {en}\r\n\
             Changed by: {by}\r\n\
             IP address: {ip}\r\n\
             \r\n\
             If you know nothing of this, open the menu yourself, look at \"Registered addresses\", and change your password.\r\n"
        );
        Self {
            subject: format!("[{brand}] 登録メールアドレスの変更 / Your registered addresses were changed"),
            text,
        }
    }

    /// Of another address to which the store's mail goes.
    pub fn first_address(brand: &str, store: &Merchant, now: Timestamp) -> Self {
        let (store_id, at) = (&store.store_id, in_japan(now));
        let text = format!(
            "{brand}の店舗のメールの届け先が、運営者により、登録されている別のアドレスに変更されました。\r\n\
             \r\n\
             日時: {at}\r\n\
             店舗ID: {store_id}\r\n\
             \r\n\
             届け先は店舗メニューの「登録メールアドレス」で確認できます。依頼した覚えがない場合は、運営者に連絡してください。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             The operator of {brand} made another of your registered addresses the one that your store's mail goes to.\r\n\
             \r\n\
             Time: {at}\r\n\
             Store ID: {store_id}\r\n\
             \r\n\
             The store menu shows it under \"Registered addresses\". If nobody of your store asked for it, tell the operator.\r\n"
        );
        Self {
            subject: format!("[{brand}] 店舗のメールの届け先の変更 / Where your mail goes was changed"),
            text,
        }
    }

    /// To an address that was typed by somebody who has forgotten ID or password: the store, and a code for each person who has it.
    pub fn forgotten(brand: &str, store: &Merchant, people: &[(String, Secret)], until: Timestamp) -> Self {
        let (store_id, until) = (&store.store_id, in_japan(until));
        let (mut ja, mut en) = (String::new(), String::new());
        for (name, code) in people {
            let code = code.show();
            ja.push_str(&format!("\r\nユーザー名: {name}\r\n確認コード: {code}\r\n"));
            en.push_str(&format!("\r\nUser name: {name}\r\nCode: {code}\r\n"));
        }
        let (does_ja, does_en) = if people.is_empty() {
            (
                "\r\nこのアドレスで店舗メニューを使う人は登録されていません。店舗の管理者に、初回用パスワードの再発行を依頼してください。\
                 まだ誰もログインしていない店舗では、運営者に依頼してください。\r\n"
                    .to_owned(),
                "\r\nNobody of the store has this address. Ask an administrator of the store for a one-time password, or the operator \
                 if nobody of the store has signed in yet.\r\n"
                    .to_owned(),
            )
        } else {
            (
                format!(
                    "\r\n新しいパスワードを決めるには、手続きをした画面に戻り、確認コードを入力してください。\r\n有効期限: {until}\r\n"
                ),
                format!(
                    "\r\nTo choose a new password, go back to the page on which you asked, and give the code there.\r\nGood until: {until}\r\n"
                ),
            )
        };
        let text = format!(
            "{brand}の店舗メニューのID・パスワードについて、お問い合わせがありました。\r\n\
             \r\n\
             店舗ID: {store_id}\r\n\
             {ja}{does_ja}\
             \r\n\
             心当たりがない場合は、このメールを削除してください。コードを誰にも伝えないでください。入力されないかぎり、何も変わりません。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             Somebody asked for a forgotten ID or password of the store menu of {brand}.\r\n\
             \r\n\
             Store ID: {store_id}\r\n\
             {en}{does_en}\
             \r\n\
             If you know nothing of this, delete this mail and give the code to nobody. Without it nothing changes.\r\n"
        );
        Self {
            subject: format!("[{brand}] ID・パスワードのお問い合わせ / Your forgotten ID or password"),
            text,
        }
    }

    /// Of a password that was set anew with a code.
    pub fn recovered(brand: &str, store: &Merchant, name: &str, whence: &Whence, now: Timestamp) -> Self {
        let (store_id, at, ip, device) = (&store.store_id, in_japan(now), &whence.ip, &whence.device);
        let country = whence.country.as_deref().unwrap_or("Unknown Location");
        let text = format!(
            "{brand}の店舗メニューのパスワードが、登録されたアドレスに届いた確認コードで再設定されました。\r\n\
             \r\n\
             日時: {at}\r\n\
             店舗ID: {store_id}\r\n\
             ユーザー名: {name}\r\n\
             IPアドレス: {ip}\r\n\
             国・地域: {country}\r\n\
             端末: {device}\r\n\
             \r\n\
             この人のログインはすべて終了しました。心当たりがない場合は、メールボックスを他人に読まれているおそれがあります。\
             店舗の管理者が、使う人のアドレスとパスワードを確認してください。\r\n\
             \r\n\
             ----\r\n\
             \r\n\
             A password for the store menu of {brand} was set anew, with a code that went to the person's address.\r\n\
             \r\n\
             Time: {at}\r\n\
             Store ID: {store_id}\r\n\
             User name: {name}\r\n\
             IP address: {ip}\r\n\
             Country or region: {country}\r\n\
             Device: {device}\r\n\
             \r\n\
             All sessions of this person have ended. If it was not this person, somebody may read that mailbox: let an administrator of \
             the store look at the person's address and password.\r\n"
        );
        Self {
            subject: format!("[{brand}] パスワードの再設定のお知らせ / A password was set anew"), text
        }
    }
}
