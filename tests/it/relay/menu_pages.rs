//! The menu as people see it: every page and flow in a browser, on a telephone and on a desk.

use super::client::Client;
use super::decisions::{OF_STORE, STORE, with_document};
use super::letter::Letter;
use super::mailbox::Manner;
use super::menu::{OWN, told};
use super::pages::can_be_read;
use super::process::On;
use super::scene::{Account, Scene, add_merchant, open_order};
use crate::peer::browser::{Browser, Screen, Scripts};
use crate::peer::eventually;
use anshin::mail::Timestamp;
use anshin::vault::TotpSecret;

/// What the first password of one's own gives way to.
const NEXT: &str = "penguin wa tobanai 5";

/// A store with mails of every kind.
struct Shop {
    scene: Scene,
    account: Account,
    menu: String,
    /// A mail that is late.
    late: String,
}

fn shop() -> Shop {
    let scene = Scene::with(On::Sqlite, |setup| {
        setup.key("egress.retry.first", "'1h'").key("egress.retry.max", "'2h'")
    });
    let account = add_merchant(&scene.relay, "ume", &[&scene.mise.address, STORE]);
    let [first, second] = [("U-1001", &scene.hana), ("U-1002", &scene.taro)]
        .map(|(no, who)| open_order(&scene.relay, "ume", no, &who.address));
    let submit = |to: &str, make: fn(&Letter) -> Vec<u8>| {
        let letter = Letter::new(&scene.watch, &scene.mise.address, to);
        let server = scene.relay.submissions();
        let mut session =
            Client::log_in(server, &scene.watch, "mise", &account.user, &account.password).unwrap();
        let reply = session.send(&scene.mise.address, &[to], &make(&letter)).unwrap();
        reply.is("250 2.0.0").queue_ids().remove(0)
    };
    for _ in 0..2 {
        submit(&first.customer_alias, Letter::bytes);
    }
    let answer = Letter::new(&scene.watch, &scene.hana.address, &first.merchant_alias);
    scene.customer().unwrap().send(&scene.hana.address, &[&answer.to], &answer.bytes()).unwrap().is("250");
    submit(&first.customer_alias, |letter| with_document(letter, OF_STORE));
    scene.taro.mailbox.behave(Manner::Rcpt("550 5.1.1 nobody".into()));
    submit(&second.customer_alias, Letter::bytes);
    eventually("they have ended", || (scene.relay.queue(Some("waiting")).is_empty()).then_some(()));
    scene.taro.mailbox.behave(Manner::Rcpt("452 4.2.2 full".into()));
    let late = submit(&second.customer_alias, Letter::bytes);
    eventually("it is late", || {
        let tried = scene.relay.anshin(&["queue", "show", &late])[0]["last_status"].is_string();
        tried.then_some(())
    });
    let menu = format!("http://localhost:{}/menu/", scene.relay.web().port());
    scene.watch.secret(&account.menu_password);
    scene.watch.secret(OWN);
    Shop { scene, account, menu, late }
}

impl Shop {
    fn sign_in(&self, browser: &Browser, password: &str) {
        browser.visit(&self.menu);
        browser.fill("#store", "ume");
        browser.fill("#password", password);
        browser.click("main button");
    }
}

/// Looks at the page that is open with a tool's eyes, and keeps a picture for a person's.
#[track_caller]
fn seen(browser: &Browser, name: &str, width: &str) {
    can_be_read(browser);
    browser.picture(&format!("menu-{name}-{width}"));
}

#[test]
fn every_page_of_the_menu_is_read_on_a_desk() {
    let shop = shop();
    pages(&shop, &Browser::start(Screen::Desk, Scripts::On), "1280");
}

#[test]
fn every_page_and_flow_of_the_menu_works_on_a_telephone() {
    let (shop, width) = (shop(), "390");
    let browser = Browser::start(Screen::Phone, Scripts::On);
    pages(&shop, &browser, width);
    people_and_credentials(&shop, &browser, width);
    senders(&shop, &browser, width);
    tested(&shop, &browser, width);
    held(&shop, &browser);
    second_factor(&shop, &browser, width);
    not_me(&shop, &browser, width);
    forgotten(&shop, &browser, width);
}

/// From the first sign-in over every page.
fn pages(shop: &Shop, browser: &Browser, width: &str) {
    browser.visit(&shop.menu);
    seen(browser, "sign-in", width);
    browser.click("main p a");
    browser.says("店舗IDと確認コードを受け取る");
    seen(browser, "forgotten", width);
    browser.visit(&shop.menu);
    shop.sign_in(browser, "wrong wrong wrong");
    browser.says("違います");
    seen(browser, "sign-in-refused", width);
    let once = &shop.account.menu_password;
    shop.sign_in(browser, once);
    browser.says("変更が必要です");
    seen(browser, "first-password", width);
    browser.fill("#old", once);
    browser.fill("#new", OWN);
    browser.fill("#again", OWN);
    browser.click("main button");
    browser.says("パスワードを変更しました");
    let pages = browser.links("nav a");
    assert_eq!(pages.len(), 10, "{pages:?}: {}", browser.reads());
    for page in pages {
        browser.visit(&page);
        let name = page.rsplit('/').next().unwrap();
        seen(browser, if name.is_empty() { "home" } else { name }, width);
        for word in ["花屋 Hanaya", "ログアウト"] {
            assert!(browser.reads().contains(word), "{word} on {page}");
        }
    }
    for (path, name) in [
        ("history?all=1", "access-log"),
        ("history?kind=smtp", "logins"),
        ("not-me", "not-me"),
        ("leaving", "leaving"),
        ("test", "test"),
        ("nothing", "not-found"),
    ] {
        browser.visit(&format!("{}{path}", shop.menu));
        seen(browser, name, width);
    }
    mails(shop, browser, width);
}

/// From the list to one mail, by the search, and back.
fn mails(shop: &Shop, browser: &Browser, width: &str) {
    browser.visit(&format!("{}mails", shop.menu));
    let text = browser.reads();
    for word in ["U-1001", "U-1002", "届きました", "お客様から", "届きませんでした", "再送待ち"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    browser.fill("#order", "U-1002");
    browser.click("form[role=search] button");
    browser.until("the order's mails alone", |text| text.contains("U-1002") && !text.contains("U-1001"));
    seen(browser, "mails-of-an-order", width);
    browser.click("tbody tr:first-child a");
    browser.says("経過");
    browser.says("宛先のメールボックスがいっぱいです");
    assert!(browser.url().ends_with(&shop.late), "{}", browser.url());
    seen(browser, "mail", width);
    // The other language is of the same mail.
    browser.click("footer a");
    browser.says("What happened");
    browser.click("footer a");
    browser.says("経過");
}

fn people_and_credentials(shop: &Shop, browser: &Browser, width: &str) {
    browser.visit(&format!("{}people", shop.menu));
    browser.fill("#name", "hakobu");
    browser.fill("#address", &format!("hakobu.{}", shop.scene.mise.address));
    browser.click("button[value=invite]");
    browser.says("招待");
    seen(browser, "people-invited", width);
    browser.visit(&format!("{}mail-server", shop.menu));
    browser.fill("#name", "在庫システム");
    browser.click("button[value=add]");
    let made = browser.text("section.said");
    let password = made.split_whitespace().find(|word| word.starts_with("ansm_")).unwrap().to_owned();
    shop.scene.watch.secret(&password);
    seen(browser, "credential-made", width);
    browser.visit(&format!("{}devices", shop.menu));
    browser.click("button[value=end-others]");
    browser.says("この端末");
}

/// The code that the last mail of this title brought.
fn code(shop: &Shop, title: &str) -> String {
    let text = eventually("a mail with a code", || {
        let received = shop.scene.mise.mailbox.received();
        // A store in which nobody has signed in yet is told its id alone.
        let is_it = |(own, text): &(String, String)| own.contains(title) && text.contains("確認コード: ");
        received.iter().map(told).rfind(is_it)
    });
    let code = text.1.split("確認コード: ").nth(1).unwrap().lines().next().unwrap().trim().to_owned();
    shop.scene.watch.secret(&code);
    code
}

/// An address is added with the code that goes to it, and taken off again.
fn senders(shop: &Shop, browser: &Browser, width: &str) {
    browser.visit(&format!("{}senders", shop.menu));
    browser.says("店舗のメールの届け先");
    browser.fill("#address", &format!("nigo.{}", shop.scene.mise.address));
    browser.fill("#name-new", "花屋 二号店");
    browser.click("button[value=add]");
    browser.says("確認コードを入力する");
    seen(browser, "sender-waits", width);
    browser.fill("#code", &code(shop, "登録メールアドレスの確認"));
    browser.click("button[value=confirm]");
    browser.says("登録しました");
    seen(browser, "sender-added", width);
    browser.click("section:last-of-type button[value=end]");
    browser.says("削除しました");
}

/// A test mail, until it is there.
fn tested(shop: &Shop, browser: &Browser, width: &str) {
    browser.visit(&format!("{}mail-server", shop.menu));
    browser.click("a[href='/menu/test']");
    browser.click("button[value=send]");
    browser.says("お店のメールサーバーへの配信");
    eventually("it is delivered", || {
        browser.click("p.acts a:first-child");
        browser.says("お店のメールサーバーへの配信");
        browser.reads().contains("届きました").then_some(())
    });
    seen(browser, "test-delivered", width);
}

/// Who has forgotten the password chooses another with a code.
fn forgotten(shop: &Shop, browser: &Browser, width: &str) {
    browser.click("header button");
    browser.says("店舗ID");
    browser.click("main p a");
    browser.fill("#address", &shop.scene.mise.address);
    browser.click("button[value=ask]");
    browser.says("登録されていれば");
    seen(browser, "forgotten-asked", width);
    browser.fill("#code", &code(shop, "ID・パスワードのお問い合わせ"));
    browser.fill("#new", OWN);
    browser.fill("#again", OWN);
    browser.click("button[value=set]");
    browser.says("再設定しました");
    seen(browser, "forgotten-done", width);
    shop.sign_in(browser, OWN);
    browser.says("公開アドレス");
}

/// The document goes out by a button.
fn held(shop: &Shop, browser: &Browser) {
    let mailbox = &shop.scene.hana.mailbox;
    let before = mailbox.count();
    browser.visit(&format!("{}held", shop.menu));
    browser.click("button[value=send]");
    browser.says("そのまま送ります");
    mailbox.wait_for(before + 1);
    browser.says("保留中のメールはありません");
}

/// Set up, shown at a sign-in, taken off again.
fn second_factor(shop: &Shop, browser: &Browser, width: &str) {
    let page = format!("{}second-factor", shop.menu);
    browser.visit(&page);
    browser.click("button[value=begin]");
    browser.says("次のコードを読み取る");
    let text = browser.look("return document.querySelector('input[name=secret]').value", &[]);
    let text = text.as_str().unwrap();
    shop.scene.watch.secret(text);
    seen(browser, "second-factor-begun", width);
    let secret = TotpSecret::parse(text).unwrap();
    browser.fill("#code", &secret.code(Timestamp::now().as_millis() / 30_000));
    browser.click("button[value=set]");
    let codes = browser.text("ul.codes");
    let codes: Vec<&str> = codes.lines().collect();
    assert_eq!(codes.len(), 10, "{codes:?}");
    for code in &codes {
        shop.scene.watch.secret(&code.replace(' ', ""));
    }
    seen(browser, "recovery-codes", width);
    browser.click("header button");
    browser.says("店舗ID");
    shop.sign_in(browser, OWN);
    browser.says("確認コードの入力");
    seen(browser, "second", width);
    browser.fill("#code", codes[0]);
    browser.click("main button");
    browser.says("公開アドレス");
    browser.visit(&page);
    seen(browser, "second-factor-set", width);
    browser.fill("#code", codes[1]);
    browser.click("button[value=drop]");
    browser.says("設定を始める");
}

/// Everything ends but this browser, and a new password is chosen.
fn not_me(shop: &Shop, browser: &Browser, width: &str) {
    browser.visit(&format!("{}not-me", shop.menu));
    browser.click("#credentials");
    browser.click("main button");
    browser.says("変更が必要です");
    seen(browser, "not-me-done", width);
    shop.scene.watch.secret(NEXT);
    browser.fill("#old", OWN);
    browser.fill("#new", NEXT);
    browser.fill("#again", NEXT);
    browser.click("main button");
    browser.says("パスワードを変更しました");
}

#[test]
fn pages_of_the_menu_are_read_where_scripts_do_not_run() {
    let shop = shop();
    let menu = &shop.menu;
    let browser = Browser::start(Screen::Desk, Scripts::Off);
    for page in [menu.clone(), format!("{menu}sign-in?lang=en"), format!("{menu}nothing")] {
        browser.visit(&page);
        assert!(browser.count("h1") == 1 && browser.count("script") == 0, "{}", browser.source());
    }
}
