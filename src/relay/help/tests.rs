//! Every refusal has its page, and every page is told of.

use super::super::Refusal;
use super::*;

/// One of each. The match makes the compiler ask for a new one here.
fn all() -> Vec<Refusal> {
    use Refusal::*;
    let next = |last: &Refusal| match last {
        Credentials => Some(LoginEnded),
        LoginEnded => Some(SenderNotRegistered),
        SenderNotRegistered => Some(NullSender),
        NullSender => Some(FromNotRegistered),
        FromNotRegistered => Some(FromNotCustomer),
        FromNotCustomer => Some(UnknownAlias),
        UnknownAlias => Some(Expired),
        Expired => Some(Closed),
        Closed => Some(Suppressed),
        Suppressed => Some(NotAnAlias),
        NotAnAlias => Some(OtherSender),
        OtherSender => Some(SenderUnproven),
        SenderUnproven => Some(SenderForged),
        SenderForged => Some(SenderUnknown),
        SenderUnknown => Some(NotAutomatic),
        NotAutomatic => Some(OwnDomain),
        OwnDomain => Some(Relaying),
        Relaying => Some(Loop),
        Loop => Some(Content(crate::anonymize::Refusal::NoFrom)),
        Content(_) => Some(Binary(crate::mime::binary::BinaryFault::NoLines)),
        Binary(_) => Some(TooLargeForAll),
        TooLargeForAll => Some(Greylisted(std::time::Duration::from_secs(60))),
        Greylisted(_) => Some(ListedForNow),
        ListedForNow => Some(Listed),
        Listed => Some(Malware),
        Malware => Some(Spam),
        Spam => Some(Detected { rule: "X1".into(), version: 1 }),
        Detected { .. } => Some(OperatorFull),
        OperatorFull => Some(TryAgain),
        TryAgain => Some(Halted),
        Halted => Some(NoSpace),
        NoSpace => None,
    };
    std::iter::successors(Some(Credentials), next).collect()
}

#[test]
fn every_refusal_has_its_page_and_every_page_is_told_of_in_the_documentation() {
    for refusal in all() {
        assert!(help(&refusal.page()).is_some(), "{refusal:?}");
    }
    for why in crate::anonymize::Refusal::ALL {
        assert!(help(&Refusal::Content(why).page()).is_some(), "{why:?}");
        let told = Refusal::Content(why).told(true, None).to_string();
        assert!(!told.is_ascii() && told.lines().all(|line| line.len() <= 510), "{told}");
    }
    for page in crate::smtp::server::PAGES {
        assert!(help(page).is_some(), "{page}");
    }
    let documentation = include_str!("../../../docs/replies.md");
    for page in pages() {
        assert!(documentation.contains(&format!("`{}`", page.name)), "docs/replies.md: {}", page.name);
        assert!(!page.ja.text.is_ascii() && page.en.text.is_ascii(), "{}", page.name);
    }
}

#[test]
fn a_reply_is_ascii_for_whoever_did_not_ask_for_more() {
    for refusal in all() {
        let told = refusal.told(false, Some("https://relay.example.jp")).to_string();
        assert!(told.is_ascii(), "{told}");
        assert!(told.ends_with(&format!("https://relay.example.jp/help/{}\r\n", refusal.page())), "{told}");
        assert!(told.lines().all(|line| line.len() <= 510), "{told}");
    }
    assert!(!Refusal::Expired.told(true, None).to_string().is_ascii());
}
