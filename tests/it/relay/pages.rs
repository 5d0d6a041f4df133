//! The pages as people see them: in a browser, on a telephone and on a desk.

use super::process::On;
use super::scene::Scene;
use crate::peer::browser::{Browser, Screen, Scripts};
use crate::peer::eventually;

/// The heaviest that a page may be, with all that it fetches.
const HEAVIEST: u64 = 100 * 1024;

/// Fails unless everybody can read the page that is open, in a browser that runs scripts: axe-core is one.
#[track_caller]
pub fn can_be_read(browser: &Browser) {
    let url = browser.url();
    assert_eq!(browser.overhang(), 0, "{url} is wider than the screen");
    let weight = browser.weight();
    assert!(weight > 0 && weight < HEAVIEST, "{url} weighs {weight} octets");
    let barriers = browser.barriers();
    assert!(barriers.is_empty(), "{url}: {}", barriers.join("\n"));
}

#[test]
fn a_browser_would_see_a_page_that_cannot_be_read() {
    let page = "data:text/html,<html><meta name='viewport' content='width=device-width'><body style='background:%23fff'>\
        <p style='width:700px;color:%23ddd'>faint and wide</p><img src='data:,'><input>\
        <script>document.title='ran'</script>";
    let browser = Browser::start(Screen::Phone, Scripts::On);
    browser.visit(page);
    assert!(browser.overhang() > 0);
    assert_eq!(browser.title(), "ran");
    let barriers = browser.barriers().join("\n");
    for rule in ["color-contrast", "image-alt", "label", "html-has-lang"] {
        assert!(barriers.contains(rule), "{rule} in {barriers}");
    }
    let browser = Browser::start(Screen::Desk, Scripts::Off);
    browser.visit(page);
    assert_ne!(browser.title(), "ran");
}

#[test]
fn help_is_read_on_a_telephone_and_on_a_desk_and_found_by_keys_alone() {
    let scene = Scene::new(On::Sqlite);
    let list = format!("http://{}/help", scene.relay.web());
    for (screen, name) in [(Screen::Phone, "390"), (Screen::Desk, "1280")] {
        let browser = Browser::start(screen, Scripts::On);
        browser.visit(&list);
        can_be_read(&browser);
        browser.picture(&format!("help-list-{name}"));
        browser.click("li:last-of-type a");
        can_be_read(&browser);
        browser.picture(&format!("help-page-{name}"));
    }
    let browser = Browser::start(Screen::Desk, Scripts::Off);
    browser.visit(&list);
    let reasons = browser.count("li a");
    assert!(reasons > 20, "{reasons}");
    // Tab goes to the first link, Enter follows it.
    browser.press("\u{e004}");
    browser.press("\u{e007}");
    eventually("the page behind the first link", || (browser.url() != list).then_some(()));
    browser.click("section:last-of-type a");
    assert_eq!(browser.url(), list);
}
