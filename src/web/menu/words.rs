//! What the menu says where there is nothing else to show, and why something was not done, in both languages.

use super::language::Language;
use super::page::{self, in_japan, style_name};
use super::place::Place;
use crate::relay::{
    CredentialFault, MenuCredentialFault, PasswordFlaw, PeopleFault, RelayFault, SenderFault,
};
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use std::time::Duration;

#[derive(Template)]
#[template(path = "menu/message.html")]
pub(super) struct Message {
    pub tag: &'static str,
    pub style: &'static str,
    pub title: &'static str,
    pub text: &'static str,
    pub link: &'static str,
    /// Where the link leads.
    pub to: String,
    /// Whether it is followed by itself.
    pub leads_on: bool,
}

fn message(
    language: Language,
    status: StatusCode,
    title: [&'static str; 2],
    text: [&'static str; 2],
) -> Response {
    let say = |[japanese, english]: [&'static str; 2]| language.say(japanese, english);
    let message = Message {
        tag: language.tag(),
        style: style_name(),
        title: say(title),
        text: say(text),
        link: say(["店舗メニューへ", "To the store menu"]),
        to: Place::Home.path().to_owned(),
        leads_on: false,
    };
    page::page(status, &message)
}

pub(super) fn not_found(language: Language) -> Response {
    let text = ["アドレスをお確かめください。", "Please check the address."];
    message(language, StatusCode::NOT_FOUND, ["ページが見つかりません", "There is no such page"], text)
}

pub(super) fn not_allowed(language: Language) -> Response {
    let text = ["このページでは、その操作はできません。", "This page does not do that."];
    message(language, StatusCode::METHOD_NOT_ALLOWED, ["操作できません", "Not here"], text)
}

pub(super) fn forbidden(language: Language) -> Response {
    let text = [
        "このページは管理者だけが使えます。お店の管理者にご相談ください。",
        "This page is for administrators. Ask an administrator of your store.",
    ];
    message(language, StatusCode::FORBIDDEN, ["権限がありません", "Not allowed"], text)
}

pub(super) fn forged(language: Language) -> Response {
    let text = [
        "ページを開いてから時間がたったか、Cookieが無効になっています。店舗メニューを開き直して、もう一度操作してください。",
        "The page was open for long, or cookies are off. Open the store menu again, and do it once more.",
    ];
    message(
        language,
        StatusCode::FORBIDDEN,
        ["操作を確認できませんでした", "This could not be confirmed"],
        text,
    )
}

pub(super) fn unavailable(language: Language) -> Response {
    let text = [
        "ただいま店舗メニューを表示できません。しばらくしてから、もう一度お試しください。",
        "The store menu can't be shown just now. Please try again in a while.",
    ];
    message(language, StatusCode::SERVICE_UNAVAILABLE, ["ただいま利用できません", "Not available"], text)
}

pub(super) fn too_fast(language: Language, wait: Option<Duration>) -> Response {
    let text = [
        "短い時間に操作が続きました。しばらくしてから、もう一度お試しください。",
        "There were too many requests. Please try again in a while.",
    ];
    let mut response =
        message(language, StatusCode::TOO_MANY_REQUESTS, ["しばらくお待ちください", "Please wait"], text);
    if let Ok(seconds) = HeaderValue::from_str(&wait.map_or(60, |wait| wait.as_secs().max(1)).to_string()) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// Why people, or a password, were not changed, and the word for the log; `None` where the fault is ours.
pub(super) fn why(fault: &PeopleFault, language: Language) -> Option<(String, &'static str)> {
    let (japanese, english, word) = match fault {
        PeopleFault::Name => (
            "ユーザー名は、半角の英小文字、数字、- _ . の32文字以内にしてください。",
            "A user name has up to 32 of a-z, 0-9, - _ .",
            "name",
        ),
        PeopleFault::Address(_) => {
            ("メールアドレスの形を確かめてください。", "Please check the address.", "address")
        }
        PeopleFault::OwnDomain => (
            "このサービスのアドレスは使えません。ふだんお使いのアドレスを入力してください。",
            "An address of this service can't be used. Give the person's ordinary one.",
            "own-domain",
        ),
        PeopleFault::Taken => ("このユーザー名は使われています。", "Somebody has this user name.", "taken"),
        PeopleFault::TooMany => (
            "登録できる人数の上限に達しています。使わない人を削除してください。",
            "There are as many people as there may be. Take somebody off first.",
            "too-many",
        ),
        PeopleFault::LastAdministrator => (
            "管理者が一人もいなくなるため、変更できません。",
            "Nobody would be left who administers.",
            "last-administrator",
        ),
        PeopleFault::Gone => (
            "その人はすでに変更されているか、削除されています。",
            "That person was changed or taken off meanwhile.",
            "gone",
        ),
        PeopleFault::Oneself => (
            "自分自身にはできません。ほかの管理者に依頼してください。",
            "Nobody does that to himself. Ask another administrator.",
            "oneself",
        ),
        PeopleFault::NotAllowed => {
            let japanese = "管理者だけができます。ログインが終了したか、権限が変更された場合は、もう一度ログインしてください。";
            let english = "Only an administrator does that. If you are signed in no more, or your role was changed, please sign in again.";
            (japanese, english, "not-allowed")
        }
        PeopleFault::Cooling(until) => {
            let until = in_japan(*until);
            let text = match language {
                Language::Japanese => {
                    format!("新しい国・地域からのログインがあったため、{until}(日本時間)まで変更できません。")
                }
                Language::English => {
                    format!("You signed in from a new country or region. This waits until {until} (Japan).")
                }
            };
            return Some((text, "cooling"));
        }
        PeopleFault::WrongPassword => {
            ("いまのパスワードが違います。", "The current password is wrong.", "wrong-password")
        }
        PeopleFault::NoPassword => (
            "マーケットプレイスのアカウントでログインする人です。パスワードはありません。",
            "This person signs in with the marketplace's account, and has no password here.",
            "no-password",
        ),
        PeopleFault::WrongCode => (
            "コードが違います。アプリの時刻が合っていることを確かめて、次のコードを入力してください。",
            "The code is wrong. See that your telephone's clock is right, and give the next code.",
            "wrong-code",
        ),
        PeopleFault::Password(flaw) => {
            let (japanese, english) = flaw_words(*flaw);
            (japanese, english, "password-rule")
        }
        PeopleFault::Busy => (
            "ただいま混み合っています。少し待ってから、もう一度お試しください。",
            "It is busy just now. Please try again in a moment.",
            "busy",
        ),
        PeopleFault::Fault(_) => return None,
    };
    Some((language.say(japanese, english).to_owned(), word))
}

/// The same of credentials.
pub(super) fn why_credential(
    fault: &MenuCredentialFault,
    language: Language,
) -> Option<(String, &'static str)> {
    let fault = match fault {
        MenuCredentialFault::Person(fault) => return why(fault, language),
        MenuCredentialFault::Credential(fault) => fault,
    };
    let (japanese, english, word) = match fault {
        CredentialFault::Name => {
            let japanese = "名前は1文字以上50文字以内で、 : / . @ を使わないでください。";
            (japanese, "A name has 1 to 50 characters, and none of : / . @", "name")
        }
        CredentialFault::NameTaken => (
            "この名前の認証情報があります。別の名前にしてください。",
            "There is a credential of this name. Choose another.",
            "taken",
        ),
        CredentialFault::TooMany => (
            "認証情報の数が上限に達しています。使わないものを終了させてください。",
            "There are as many credentials as there may be. End one that is not used.",
            "too-many",
        ),
        CredentialFault::NotAllowed => (
            "ログインが終了したか、権限が変更されました。もう一度ログインしてください。",
            "You are signed in no more, or your role was changed. Please sign in again.",
            "not-allowed",
        ),
        CredentialFault::NotThere | CredentialFault::NoStore | CredentialFault::Left => {
            ("その認証情報はすでに終了しています。", "That credential has ended already.", "gone")
        }
        CredentialFault::Network(_) => (
            "ネットワークは 192.0.2.0/24 や 2001:db8::/32 の形で、50個以内で入力してください。",
            "Write networks such as 192.0.2.0/24 or 2001:db8::/32, at most 50.",
            "network",
        ),
        CredentialFault::Overlap => ("期間は90日以内にしてください。", "At most 90 days.", "overlap"),
        CredentialFault::Memory => (
            "ただいま混み合っています。少し待ってから、もう一度お試しください。",
            "It is busy just now. Please try again in a moment.",
            "busy",
        ),
        CredentialFault::Fault(_) => return None,
    };
    Some((language.say(japanese, english).to_owned(), word))
}

/// The same of registered addresses.
pub(super) fn why_sender(fault: &SenderFault, language: Language) -> Option<(String, &'static str)> {
    let (japanese, english, word) = match fault {
        SenderFault::Person(PeopleFault::Gone) => (
            "そのアドレスはすでに変更されているか、削除されています。",
            "That address was changed or taken off meanwhile.",
            "gone",
        ),
        SenderFault::Person(PeopleFault::NotAllowed) => {
            let japanese = "権限がないか、ログインが終了しました。管理者か担当者として操作してください。";
            let english = "You may not, or are signed in no more. Administrators and staff do this.";
            (japanese, english, "not-allowed")
        }
        SenderFault::Person(fault) => return why(fault, language),
        SenderFault::Name => (
            "差出人名は100文字以内で、アドレスやその @ より前の部分、ドメイン名、URL、電話番号を入れないでください。お客様に見えます。",
            "A name has up to 100 characters, and no address or what stands before its @, no domain, link or telephone number: customers see it.",
            "name",
        ),
        SenderFault::Taken => {
            ("このアドレスは登録されています。", "That address is registered already.", "taken")
        }
        SenderFault::TooMany => (
            "登録できるアドレス、または確認待ちのアドレスの上限に達しています。",
            "There are as many addresses, registered or waiting, as there may be.",
            "too-many",
        ),
        SenderFault::First => (
            "店舗のメールの届け先は削除できません。変更は運営者に依頼してください。",
            "The store's mail goes there: it is not taken off here. Ask the operator.",
            "first",
        ),
        SenderFault::Code => (
            "確認コードが違うか、使用済みか、有効期限が切れています。",
            "The code is wrong, was used, or its time is over.",
            "wrong-code",
        ),
    };
    Some((language.say(japanese, english).to_owned(), word))
}

/// The fault of ours behind one that has no words.
pub(super) fn fault_of(fault: MenuCredentialFault) -> RelayFault {
    match fault {
        MenuCredentialFault::Person(PeopleFault::Fault(fault))
        | MenuCredentialFault::Credential(CredentialFault::Fault(fault)) => fault,
        _ => RelayFault::Malformed("credential"),
    }
}

fn flaw_words(flaw: PasswordFlaw) -> (&'static str, &'static str) {
    match flaw {
        PasswordFlaw::Short => {
            ("パスワードは8文字以上にしてください。", "A password has at least 8 characters.")
        }
        PasswordFlaw::Long => {
            ("パスワードは128文字以内にしてください。", "A password has at most 128 characters.")
        }
        PasswordFlaw::Common => (
            "このパスワードは多くの人が使っており、最初に試されます。ほかのものにしてください。",
            "Many people have this password, and it is tried first. Choose another.",
        ),
        PasswordFlaw::Simple => (
            "文字の並びが単純すぎます。ほかのものにしてください。",
            "This is too simple a row of characters. Choose another.",
        ),
        PasswordFlaw::Context => (
            "店舗名、ユーザー名、サービス名を使った短いパスワードは推測されます。ほかのものにしてください。",
            "A short password of the store's, your or the service's name can be guessed. Choose another.",
        ),
        PasswordFlaw::Same => (
            "いまと同じパスワードです。ほかのものにしてください。",
            "It is the same as before. Choose another.",
        ),
    }
}
