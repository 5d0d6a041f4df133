//! The access log in words: pages, actions and results, as they stand in the log, in both languages.
//!
//! Rules: a word of the log never changes, since old records have it; here it gets its words. `tests` hold that every word that the menu writes has
//! some.
//! When it fails: a word that is not known (of a newer version) is shown as it is.

use super::language::Language;

/// Words of the log, in Japanese and English.
type Words = (&'static str, &'static str, &'static str);

const PAGES: [Words; 26] = [
    ("home", "ホーム", "Home"),
    ("sign-in", "ログイン", "Sign in"),
    ("one-login", "マーケットプレイスのログイン", "The marketplace's login"),
    ("one-login-in", "マーケットプレイスのログインから", "In by the marketplace's login"),
    ("sign-out", "ログアウト", "Sign out"),
    ("second", "確認コードの入力", "Second factor"),
    ("second-factor", "2段階認証", "Second factor"),
    ("password", "パスワード", "Password"),
    ("devices", "ログイン中の端末", "Signed-in devices"),
    ("not-me", "心当たりのないログイン", "A sign-in that was not yours"),
    ("history", "ログイン履歴", "Login history"),
    ("history.csv", "ログイン履歴(CSV)", "Login history (CSV)"),
    ("mails", "メール", "Mails"),
    ("mails.csv", "メール(CSV)", "Mails (CSV)"),
    ("mail", "メールの詳細", "A mail"),
    ("held", "保留中のメール", "Held mails"),
    ("mail-server", "メールサーバ設定情報", "Mail server settings"),
    ("senders", "登録メールアドレス", "Registered addresses"),
    ("people", "使う人", "People"),
    ("leaving", "利用の終了", "Leaving"),
    ("forgotten", "ID・パスワードを忘れたとき", "Forgotten ID or password"),
    ("test", "送信テスト", "Test mail"),
    ("smtp", "メールソフト", "Mail program"),
    ("other", "その他", "Other"),
    ("?", "読み取れません", "unreadable"),
    ("", "-", "-"),
];

const ACTIONS: [Words; 42] = [
    ("look", "表示", "looked at"),
    ("post", "送信", "sent a form"),
    ("other", "その他", "other"),
    ("sign-in", "ログイン", "sign-in"),
    ("one-login", "マーケットプレイスのログイン", "the marketplace's login"),
    ("begin", "マーケットプレイスのログインの開始", "went to the marketplace's login"),
    ("sign-out", "ログアウト", "sign-out"),
    ("password", "パスワードの入力", "password"),
    ("second-factor", "確認コードの入力", "second factor"),
    ("change-password", "パスワードの変更", "changed the password"),
    ("reset-password", "初回用パスワードの再発行", "sent a new one-time password"),
    ("reset", "初回用パスワードの再発行", "sent a new one-time password"),
    ("forgotten", "ID・パスワードの問い合わせ", "asked for a forgotten ID or password"),
    ("send-code", "確認コードの送付", "sent a code"),
    ("recover-password", "パスワードの再設定", "set a forgotten password anew"),
    ("end-session", "端末のログアウト", "signed a device out"),
    ("end-other-sessions", "ほかの端末のログアウト", "signed other devices out"),
    ("add-credential", "認証情報の追加", "added a credential"),
    ("replace-credential", "認証情報の更新", "replaced a credential"),
    ("limit-credential", "利用できるネットワークの変更", "limited a credential"),
    ("end-credential", "認証情報の終了", "ended a credential"),
    ("add-sender", "アドレスの追加の申し込み", "asked to add an address"),
    ("confirm-sender", "アドレスの登録", "registered an address"),
    ("change-sender", "アドレスの設定の変更", "changed an address"),
    ("end-sender", "アドレスの削除", "took an address off"),
    ("test-mail", "送信テスト", "sent a test mail"),
    ("people", "使う人の変更", "changed people"),
    ("invite", "招待", "invited somebody"),
    ("role", "権限の変更", "changed a role"),
    ("remove", "使う人の削除", "took somebody off"),
    ("drop-factor", "2段階認証の解除", "took off a second factor"),
    ("begin-second-factor", "2段階認証の設定の開始", "began to set up a second factor"),
    ("set-second-factor", "2段階認証の設定", "set up a second factor"),
    ("drop-second-factor", "2段階認証の解除", "took off a second factor"),
    ("not-me", "心当たりのないログインの届け出", "said that a sign-in was not theirs"),
    ("search", "検索", "searched"),
    ("send-mail", "保留中のメールの送信", "sent a held mail"),
    ("resend-mail", "届かなかったメールの再送", "sent a mail once more"),
    ("withdraw-mail", "メールの取りやめ", "withdrew a mail"),
    ("login", "メール送信のログイン", "login to send mail"),
    ("?", "読み取れません", "unreadable"),
    ("", "-", "-"),
];

const RESULTS: [Words; 58] = [
    ("in", "成功", "in"),
    ("shown", "表示しました", "shown"),
    ("done", "完了", "done"),
    ("asked", "受け付けました", "taken"),
    ("sent", "送りました", "sent"),
    ("second-factor", "確認コード待ち", "second factor awaited"),
    ("refused", "拒否", "refused"),
    ("limited", "回数の上限により拒否", "refused: too many"),
    ("busy", "混雑のため拒否", "refused: busy"),
    ("not-found", "ページがありません", "no such page"),
    ("signed-out", "ログインが必要", "not signed in"),
    ("second-factor-first", "確認コードが先に必要", "second factor first"),
    ("password-first", "パスワードの変更が先に必要", "password first"),
    ("not-allowed", "権限がありません", "not allowed"),
    ("forged", "不正なフォームのため拒否", "refused: not our form"),
    ("from-elsewhere", "ほかのサイトからのため拒否", "refused: from elsewhere"),
    ("too-large", "大きすぎるため拒否", "refused: too large"),
    ("too-slow", "時間切れのため拒否", "refused: too slow"),
    ("confirm", "パスワードの確認が必要", "password to be confirmed"),
    ("wrong-password", "パスワードの誤り", "wrong password"),
    ("wrong-code", "確認コードの誤り", "wrong code"),
    ("password-rule", "使えないパスワード", "password not fit"),
    ("not-the-same", "2回の入力が不一致", "not the same twice"),
    ("cooling", "待機時間中のため拒否", "refused: has to wait"),
    ("name", "名前の誤り", "name not fit"),
    ("address", "アドレスの誤り", "address not fit"),
    ("own-domain", "このサービスのアドレス", "an address of this service"),
    ("taken", "すでに使われています", "taken already"),
    ("too-many", "数の上限", "as many as may be"),
    ("last-administrator", "管理者がいなくなるため拒否", "refused: the last administrator"),
    ("gone", "すでにありません", "gone already"),
    ("oneself", "自分自身のため拒否", "refused: oneself"),
    ("network", "ネットワークの誤り", "network not fit"),
    ("networks-or-anywhere", "ネットワークの指定の誤り", "networks or anywhere"),
    ("overlap", "期間の誤り", "time not fit"),
    ("first", "届け先のため拒否", "refused: mail goes there"),
    ("credential", "認証情報の誤り", "no such credential"),
    ("day", "日付の誤り", "day not fit"),
    ("no-order", "該当する注文がありません", "no such order"),
    ("provider-away", "マーケットプレイスのログインが応答しません", "the provider does not answer"),
    ("provider-wrong", "マーケットプレイスのログインの設定が不正", "the provider is not as it has to be"),
    ("provider-refused", "マーケットプレイスのログインで拒否", "the provider refused"),
    ("code-refused", "ログインの確認ができません", "the code was refused"),
    ("token-refused", "ログインの証明が不正", "the token was refused"),
    ("not-fresh", "新しいログインではありません", "no fresh sign-in there"),
    ("no-store", "店舗の指定がありません", "no store in the token"),
    ("no-role", "権限の指定が不正", "no such role"),
    ("cancelled", "取り消し", "cancelled"),
    ("no-password", "パスワードのない人", "has no password"),
    ("policy", "お店の判断では送れません", "not for the store to decide"),
    ("too-late", "間に合いませんでした", "too late"),
    ("no-text", "本文が残っていません", "its text is not kept"),
    ("elsewhere", "宛先の変更か終了のため拒否", "refused: another address, or ended"),
    ("unreachable", "宛先が受け取りを拒否", "the mailbox refuses mail"),
    ("apart", "この画面では決められません", "not to be decided here"),
    ("new-network", "成功(初めてのネットワーク)", "in, new network"),
    ("?", "読み取れません", "unreadable"),
    ("", "-", "-"),
];

/// A page of the access log.
pub(super) fn page(word: &str, language: Language) -> String {
    said(&PAGES, word, language)
}

/// An action.
pub(super) fn action(word: &str, language: Language) -> String {
    said(&ACTIONS, word, language)
}

/// What came of it.
pub(super) fn result(word: &str, language: Language) -> String {
    said(&RESULTS, word, language)
}

fn said(of: &[Words], word: &str, language: Language) -> String {
    let found = of.iter().find(|(own, ..)| *own == word);
    found.map_or_else(|| word.to_owned(), |(_, japanese, english)| language.say(japanese, english).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::place::Place;
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_page_has_its_words_and_none_in_japanese_is_english() {
        for place in Place::ALL {
            assert_ne!(page(place.word(), Language::Japanese), place.word());
        }
        for of in [&PAGES[..], &ACTIONS, &RESULTS] {
            let words: HashSet<&str> = of.iter().map(|(word, ..)| *word).collect();
            assert_eq!(words.len(), of.len(), "each once");
            for (word, japanese, english) in of {
                let letters = japanese.replace("ID", "").replace("CSV", "");
                assert!(!letters.chars().any(|c| c.is_ascii_alphabetic()), "{word}: {japanese}");
                assert!(english.is_ascii(), "{word}: {english}");
            }
        }
        assert_eq!(action("of-a-newer-version", Language::Japanese), "of-a-newer-version");
    }

    /// Words of the log as they stand in the sources, in the places where the menu writes them.
    #[test]
    fn every_action_that_is_refused_or_told_has_its_words() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut missing = Vec::new();
        for dir in ["src/web/menu", "src/relay/menu"] {
            for file in std::fs::read_dir(root.join(dir)).unwrap() {
                let path = file.unwrap().path();
                let Ok(text) = std::fs::read_to_string(&path) else { continue };
                for begin in ["refused(response, \"", "action: \"", "action, \""] {
                    for rest in text.split(begin).skip(1) {
                        let word = rest.split('"').next().unwrap();
                        let is_known = ACTIONS.iter().chain(&RESULTS).any(|(own, ..)| *own == word);
                        if !is_known && !word.contains(['{', ' ']) {
                            missing.push(format!("{}: {word}", path.display()));
                        }
                    }
                }
            }
        }
        assert!(missing.is_empty(), "{missing:#?}");
    }
}
