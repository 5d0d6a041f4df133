//! The marketplace's one login for all, as people see it: Chromium, the real binary and a certified provider.

use super::menu::OWN;
use super::menu_login::write_secret;
use super::pages::can_be_read;
use super::process::On;
use super::scene::Scene;
use crate::peer::browser::{Browser, Screen, Scripts};
use crate::peer::provider::Provider;
use std::net::TcpListener;

const SECRET: &str = "client-secret-of-the-menu-8";

struct Shop {
    scene: Scene,
    menu: String,
    // Ends after the relay.
    _provider: Provider,
}

fn shop() -> Shop {
    // Where the menu is has to be known before it starts; whoever takes the port meanwhile makes the test fail.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let origin = format!("http://localhost:{port}");
    let provider = Provider::start(&format!("{origin}/menu/one-login"), SECRET);
    let scene = Scene::prepared(
        On::Sqlite,
        |setup| {
            setup
                .key("web.listen", &format!("'127.0.0.1:{port}'"))
                .key("menu.login.issuer", &format!("'{}'", provider.issuer))
                .key("menu.login.client_id", "'menu'")
                .key("menu.login.client_secret_file", "'login-secret'")
                .key("menu.login.public_url", &format!("'{origin}'"))
                .key("menu.login.role_claim", "'menu_role'")
        },
        |relay| write_secret(relay, SECRET),
    );
    for secret in [SECRET, OWN, &scene.account.menu_password] {
        scene.watch.secret(secret);
    }
    Shop { scene, menu: format!("{origin}/menu/"), _provider: provider }
}

impl Shop {
    /// From the sign-in page to the provider, and there with this name.
    fn come(&self, browser: &Browser, login: &str) {
        browser.visit(&self.menu);
        browser.click("#one-login button");
        browser.fill("input[name=login]", login);
        browser.fill("input[name=password]", "any");
        browser.click("button[type=submit]");
    }
}

#[test]
fn people_come_in_by_the_marketplaces_login_without_scripts() {
    let shop = shop();
    let browser = Browser::start(Screen::Desk, Scripts::Off);
    shop.come(&browser, "hanako.mise.staff");
    browser.says("公開アドレス");
    browser.says("login-");
    assert!(browser.url().ends_with("/menu/"), "{}", browser.url());
    // Once more: the provider knows the browser, the menu too.
    let mails = shop.scene.mise.mailbox.wait_for(2).len();
    browser.click("header button");
    browser.says("店舗ID");
    browser.click("#one-login button");
    browser.says("公開アドレス");
    assert_eq!(shop.scene.mise.mailbox.count(), mails);
}

#[test]
fn who_may_not_or_will_not_is_told_so_and_passwords_go_on() {
    let shop = shop();
    let browser = Browser::start(Screen::Desk, Scripts::On);
    browser.visit(&shop.menu);
    can_be_read(&browser);
    browser.picture("menu-one-login-1280");
    browser.click("#one-login button");
    browser.click(".login-help a");
    browser.says("取り消されました");
    can_be_read(&browser);
    shop.come(&browser, "jiro.nobody.staff");
    browser.says("このアカウントでは、店舗メニューを使えません");
    can_be_read(&browser);
    browser.picture("menu-one-login-refused-1280");
    // On the same page by password.
    browser.fill("#store", "mise");
    browser.fill("#password", &shop.scene.account.menu_password);
    browser.click("main button");
    browser.says("変更が必要です");
    browser.fill("#old", &shop.scene.account.menu_password);
    browser.fill("#new", OWN);
    browser.fill("#again", OWN);
    browser.click("main button");
    browser.says("パスワードを変更しました");

    let hers = Browser::start(Screen::Phone, Scripts::On);
    shop.come(&hers, "hanako.mise.reader");
    hers.says("閲覧のみ");
    can_be_read(&hers);
    browser.visit(&format!("{}people", shop.menu));
    can_be_read(&browser);
    browser.click("button[value=remove]");
    browser.says("削除しました");
    hers.visit(&shop.menu);
    hers.click("#one-login button");
    hers.says("このアカウントでは、店舗メニューを使えません");
}

#[test]
fn a_change_is_confirmed_at_the_provider() {
    let shop = shop();
    let browser = Browser::start(Screen::Desk, Scripts::Off);
    shop.come(&browser, "hanako.mise.administrator");
    browser.says("管理者");
    super::menu_takeovers::behind(&shop.scene, "UPDATE menu_session SET created_at = created_at - 3600000");
    browser.visit(&format!("{}people", shop.menu));
    browser.click("p.hint a");
    browser.says("もう一度ログイン");
    browser.picture("menu-one-login-again-1280");
    browser.click("main button");
    // Though it knows her, the provider asks once more.
    browser.fill("input[name=login]", "hanako.mise.administrator");
    browser.fill("input[name=password]", "any");
    browser.click("button[type=submit]");
    browser.says("招待する");
    browser.fill("#name", "hakobu");
    browser.fill("#address", &format!("hakobu.{}", shop.scene.mise.address));
    browser.click("button[value=invite]");
    browser.says("招待のメールを送りました");
}
