//! Customers at Japanese carriers, whose addresses RFC 5321 does not know: opened by the command and the API, written to
//! as their carrier takes them, and known by what they send, with quotes and without.

use super::client::Client;
use super::http;
use super::letter::{Letter, header, show};
use super::mailbox::Mailbox;
use super::process::{On, Setup};
use super::scene::{Person, add_merchant, open_order};
use super::watch::Watch;
use std::sync::Arc;

/// As the marketplace may write them, and as the carrier takes them.
const CUSTOMERS: [(&str, &str); 4] = [
    ("{}..b@docomo.ne.jp", "{}..b@docomo.ne.jp"),
    ("\".{}\"@docomo.ne.jp", ".{}@docomo.ne.jp"),
    ("{}.@docomo.ne.jp", "{}.@docomo.ne.jp"),
    ("\"{}-._x..\"@docomo.ne.jp", "{}-._x..@docomo.ne.jp"),
];

#[test]
fn a_customer_with_an_address_that_only_the_carrier_knows_is_written_to_and_answers() {
    let watch = Arc::new(Watch::default());
    let mise = Person::new(&watch, "mise");
    let needle = watch.needle("hana");
    let carrier = Mailbox::start(&watch, "hana");
    let relay = Setup::new(On::Sqlite)
        .route(&mise.domain, mise.mailbox.address())
        .route("docomo.ne.jp", carrier.address())
        .start(&watch);
    let account = add_merchant(&relay, "mise", &[&mise.address]);
    let token = relay.anshin(&["token", "add", "--name", "shop", "--scope", "orders"]);
    let token = token["token"].as_str().unwrap().to_owned();
    let mut store =
        Client::log_in(relay.submissions(), &watch, "mise", &account.user, &account.password).unwrap();
    for ((written, wire), count) in CUSTOMERS.into_iter().zip(1..) {
        let (written, wire) = (written.replace("{}", &needle), wire.replace("{}", &needle));
        let order_no = format!("A-{count}");
        let order = open_order(&relay, "mise", &order_no, &written);
        assert!(order.customer_alias.ends_with("@mb.fw.anshin.test"), "{}", order.customer_alias);
        // The same customer in the other form is the same customer.
        let body = serde_json::json!({ "store_id": "mise", "order_no": order_no, "customer": wire });
        let again = http::request(relay.web(), "POST", "/v1/orders", &token, &body.to_string()).json();
        assert_eq!(again["customer_alias"].as_str(), Some(order.customer_alias.as_str()), "{again}");

        let letter = Letter::new(&watch, &mise.address, &order.customer_alias);
        store.send(&mise.address, &[&letter.to], &letter.bytes()).unwrap().is("250 2.0.0");
        let asked = carrier.wait_for(count).remove(count - 1);
        assert_eq!(asked.forward_paths, std::slice::from_ref(&wire));

        let quoted = format!("\"{}\"@docomo.ne.jp", wire.trim_end_matches("@docomo.ne.jp"));
        for (sender, from, number) in [(&wire, &quoted, 2 * count - 1), (&quoted, &wire, 2 * count)] {
            let answer = Letter::new(&watch, from, &order.merchant_alias).answering(&asked.bytes);
            let text = format!("Aite wa {wire} to {quoted}.");
            let answer = Letter { text: format!("{} {text}", answer.text), ..answer };
            let mut server = Client::hello(relay.mx(), &watch, "hana").unwrap();
            server.send(sender, &[&answer.to], &answer.bytes()).unwrap().is("250 2.0.0");
            let arrived = mise.mailbox.wait_for(number).remove(number - 1).bytes;
            let shown = show(&arrived);
            assert!(!shown.contains("docomo") && !shown.contains(&needle), "{shown}");
            assert!(header(&arrived, "From").unwrap().contains(&order.customer_alias), "{shown}");
            assert_eq!(header(&arrived, "In-Reply-To").unwrap(), letter.message_id, "{shown}");
        }
    }
}
