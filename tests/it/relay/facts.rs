//! Facts of a running relay: they are there when the 250 is, on both engines, and no number is missing.

use super::process::{On, on_both_databases};
use super::scene::Scene;
use crate::peer::eventually;
use crate::store_facts::number;

fn a_mail_is_found_when_it_is_acknowledged(on: On) {
    let scene = Scene::new(on);
    let url = scene.relay.database_url();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let count = |of: &str| runtime.block_on(number(&url, &format!("SELECT COUNT(*) FROM fact WHERE {of}")));
    let both = "from_k IS NOT NULL AND to_k IS NOT NULL AND rcpt_k IS NOT NULL AND order_k IS NOT NULL AND ip_k IS NOT NULL \
                AND sent_id_k IS NOT NULL AND size > 0 AND message_id IS NOT NULL AND conversation_id IS NOT NULL";
    for sent in 1..=3 {
        scene.deliver(&scene.to_merchant()).is("250 2.0.0");
        assert_eq!(count(&format!("event = 'accepted' AND direction = 'to_merchant' AND {both}")), sent);
        scene.submit(&scene.to_customer()).is("250 2.0.0");
        let logged_in = "login_k IS NOT NULL AND tls LIKE 'TLSv1.%'";
        let of = format!("event = 'accepted' AND direction = 'to_customer' AND {both} AND {logged_in}");
        assert_eq!(count(&of), sent);
    }
    eventually("all have arrived", || {
        (count("event = 'delivered' AND result LIKE '2.%' AND tls LIKE 'TLSv1.%' AND rcpt_k IS NOT NULL AND message_id IS NOT NULL")
            >= 6)
            .then_some(())
    });
    assert!(count("event = 'login' AND login_k IS NOT NULL AND net_k IS NOT NULL") >= 3);
    let counted = "SELECT CAST(SUM(n) AS BIGINT) FROM rollup WHERE event = 'accepted' AND direction IN ('to_customer', 'to_merchant')";
    assert_eq!(runtime.block_on(number(&url, counted)), 6);
    if url.starts_with("postgres") {
        let today = "SELECT COUNT(*) FROM fact_rest";
        assert_eq!(runtime.block_on(number(&url, today)), 0, "the day has its partition from the start");
    }
    scene.relay.check_at_rest();
}

on_both_databases!(a_mail_is_found_when_it_is_acknowledged);
