//! A store's credentials over their life: how many, which, until when and from where.

use super::*;
use crate::config::Network;
use crate::vault::Secret;
use sqlx::Row;

const NOW: Duration = Duration::ZERO;

fn request<'a>(name: Option<&'a str>, replaces: Option<(&'a str, Duration)>) -> NewCredentialRequest<'a> {
    NewCredentialRequest { store_id: "hana-ya", name, networks: &[], replaces }
}

async fn logs_in(shop: &Shop, user: &str, password: &Secret) -> Result<Login, Refusal> {
    shop.relay.authenticate(user, password, HERE).await
}

#[tokio::test]
async fn one_that_is_replaced_goes_on_for_its_overlap_and_the_list_says_who_uses_which() {
    let mut shop = Shop::open().await;
    let old = shop.relay.credentials("hana-ya").await.unwrap().remove(0);
    assert_eq!((old.name.as_str(), old.ends_at, old.last_use), ("first", None, None));
    let added = shop.relay.add_credential(&request(None, Some((&old.auth_id, MINUTE * 60)))).await.unwrap();
    assert_eq!(added.name, "first", "it takes the name of the one that it replaces");
    let login = logs_in(&shop, &added.auth_id, &added.auth_password).await.unwrap();
    shop.relay.record_login(&login, &added.auth_id, &Peer::new((HERE, 1).into(), "submission")).await;
    // The old one's session goes on, as its login does.
    shop.relay.still_stands(&mut shop.login, HERE).await.unwrap();
    let kept = shop.relay.credentials("hana-ya").await.unwrap();
    assert_eq!(kept.len(), 2);
    let ends_at = kept[0].ends_at.unwrap();
    assert_eq!(Some(ends_at), added.replaced_until);
    assert!(ends_at > Timestamp::now().after(MINUTE * 59) && ends_at <= Timestamp::now().after(MINUTE * 60));
    assert_eq!(kept[1].last_use.as_ref().unwrap().network, "192.0.2.0/24");
    // To end it later than was said is to end it as was said.
    let said = shop.relay.revoke_credential("hana-ya", &old.auth_id, MINUTE * 120).await.unwrap();
    assert_eq!(said, ends_at);
    shop.relay.revoke_credential("hana-ya", &old.auth_id, NOW).await.unwrap();
    let ended = shop.relay.still_stands(&mut shop.login, HERE).await;
    assert_eq!(ended, Err(Refusal::LoginEnded));
    assert!(logs_in(&shop, &added.auth_id, &added.auth_password).await.is_ok());
    let again = shop.relay.revoke_credential("hana-ya", &old.auth_id, NOW).await;
    assert!(matches!(again, Err(CredentialFault::NotThere)));
}

#[tokio::test]
async fn a_password_is_refused_from_the_moment_that_it_was_revoked_for() {
    let shop = Shop::open().await;
    let added = shop.relay.add_credential(&request(Some("受注システム"), None)).await.unwrap();
    let (user, password) = (added.auth_id.as_str(), &added.auth_password);
    shop.relay.revoke_credential("hana-ya", user, MINUTE).await.unwrap();
    assert!(logs_in(&shop, user, password).await.is_ok());
    shop.relay.revoke_credential("hana-ya", user, NOW).await.unwrap();
    assert_eq!(logs_in(&shop, user, password).await.err(), Some(Refusal::Credentials));
    assert_eq!(shop.relay.authenticated(user, HERE).await.err(), Some(Refusal::Credentials), "SCRAM too");
}

#[tokio::test]
async fn ten_stand_at_once_each_under_a_name_of_its_own_and_ended_ones_do_not_count() {
    let shop = Shop::open().await;
    let mut added = Vec::new();
    for number in 1..10 {
        let name = format!("tool {number}");
        added.push(shop.relay.add_credential(&request(Some(&name), None)).await.unwrap());
    }
    let one_more = shop.relay.add_credential(&request(Some("tool 10"), None)).await;
    assert!(matches!(one_more, Err(CredentialFault::TooMany)));
    let taken = shop.relay.add_credential(&request(Some(" tool 3"), None)).await;
    assert!(matches!(taken, Err(CredentialFault::NameTaken)));
    // Replaced at once, it makes its own place.
    let old = &added[2].auth_id;
    shop.relay.add_credential(&request(None, Some((old, NOW)))).await.unwrap();
    // With an overlap too: ten change one by one.
    shop.relay.revoke_credential("hana-ya", &added[3].auth_id, MINUTE).await.unwrap();
    let replaces = Some((added[3].auth_id.as_str(), MINUTE * 60));
    let next = shop.relay.add_credential(&request(None, replaces)).await.unwrap();
    let standing = shop.relay.credentials("hana-ya").await.unwrap();
    let sooner = standing.iter().find(|one| one.auth_id == added[3].auth_id).unwrap().ends_at;
    assert_eq!(next.replaced_until, sooner, "what was to end sooner does");
    let one_more = shop.relay.add_credential(&request(Some("tool 11"), None)).await;
    assert!(matches!(one_more, Err(CredentialFault::TooMany)));
    let last = standing.iter().filter(|one| one.ends_at.is_none()).count();
    assert_eq!(last, 10, "the refused change undid nothing");
    for (name, replaces) in [(Some(""), None), (Some("a\u{7}"), None), (None, None)] {
        let wrong = shop.relay.add_credential(&request(name, replaces)).await;
        assert!(matches!(wrong, Err(CredentialFault::Name)));
    }
    let long = shop.relay.add_credential(&request(None, Some((old, MINUTE * 60 * 24 * 91)))).await;
    assert!(matches!(long, Err(CredentialFault::Overlap)));
}

#[tokio::test]
async fn two_that_are_added_at_once_count_each_other() {
    let shop = Shop::open().await;
    let names: Vec<String> = (0..14).map(|number| format!("tool {number}")).collect();
    let adding =
        names.iter().map(async |name| shop.relay.add_credential(&request(Some(name), None)).await.is_ok());
    let added = futures_util::future::join_all(adding).await;
    assert_eq!(added.into_iter().filter(|added| *added).count(), 9);
}

#[tokio::test]
async fn a_store_does_not_touch_what_another_logs_in_with() {
    let shop = Shop::open().await;
    let addresses = vec!["two@store.example".to_owned()];
    let two = NewMerchantRequest { store_id: "two".into(), name: "Two".into(), addresses };
    let two = shop.relay.add_merchant(two).await.unwrap();
    let revoked = shop.relay.revoke_credential("hana-ya", &two.auth_id, NOW).await;
    assert!(matches!(revoked, Err(CredentialFault::NotThere)));
    let replaced = shop.relay.add_credential(&request(Some("mine"), Some((&two.auth_id, NOW)))).await;
    assert!(matches!(replaced, Err(CredentialFault::NotThere)));
    assert!(logs_in(&shop, &two.auth_id, &two.auth_password).await.is_ok());
    let nobody = shop.relay.credentials("nobody").await;
    assert!(matches!(nobody, Err(CredentialFault::NoStore)));
}

#[tokio::test]
async fn from_elsewhere_than_its_networks_a_credential_is_refused_like_a_wrong_one_and_the_log_tells() {
    let shop = Shop::open().await;
    let networks = ["192.0.2.0/24".to_owned(), "2001:db8::/56".to_owned()];
    let asked = NewCredentialRequest { networks: &networks, ..request(Some("office"), None) };
    let added = shop.relay.add_credential(&asked).await.unwrap();
    let (user, password) = (added.auth_id.as_str(), &added.auth_password);
    let from = async |ip: &str| shop.relay.authenticate(user, password, ip.parse().unwrap()).await;
    let mut login = from("192.0.2.200").await.ok().unwrap();
    assert!(from("::ffff:192.0.2.1").await.is_ok() && from("2001:db8::7").await.is_ok());
    assert_eq!(from("198.51.100.1").await.err(), Some(Refusal::Credentials));
    let scram = shop.relay.authenticated(user, "2001:db8:1::1".parse().unwrap()).await;
    assert_eq!(scram.err(), Some(Refusal::Credentials));
    let mut database = shop.database().await;
    let count = "SELECT COUNT(*) FROM record WHERE event = 'login_refused' AND merchant_id IS NOT NULL";
    let told: i64 = sqlx::query(count).fetch_one(&mut database).await.unwrap().get(0);
    assert_eq!(told, 2, "each is told in the store's log");
    // A session goes by what is said later.
    let other = ["203.0.113.0/24".to_owned()];
    shop.relay.limit_credential("hana-ya", user, &other).await.unwrap();
    let inside = "192.0.2.200".parse().unwrap();
    assert_eq!(shop.relay.still_stands(&mut login, inside).await, Err(Refusal::LoginEnded));
    // What takes its place may be used from where it was.
    let next = shop.relay.add_credential(&request(None, Some((user, NOW)))).await.unwrap();
    let kept = shop.relay.credentials("hana-ya").await.unwrap();
    assert_eq!(kept.last().unwrap().networks, [Network::parse("203.0.113.0/24").unwrap()]);
    shop.relay.limit_credential("hana-ya", &next.auth_id, &[]).await.unwrap();
    assert!(logs_in(&shop, &next.auth_id, &next.auth_password).await.is_ok());
    for wrong in ["192.0.2.1/24", "office", "192.0.2.0/33"] {
        let limited = shop.relay.limit_credential("hana-ya", &next.auth_id, &[wrong.to_owned()]).await;
        assert!(matches!(limited, Err(CredentialFault::Network(said)) if said == wrong));
    }
}
