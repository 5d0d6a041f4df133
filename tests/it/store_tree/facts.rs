//! What a fact says beside its record: whatever is changed of it behind the relay's back is told by hour and row.

use super::ground::*;
use anshin::mail::{Flag, Flags};
use anshin::store::{NewFact, NewFile, NewRecord};
use anshin::vault::Sealed;

const WORDS: [&str; 10] =
    ["direction", "result", "country", "country2", "origin_country", "tls", "spf", "dkim", "dmarc", "arc"];
const KEYED: [&str; 18] = [
    "from_k",
    "author_k",
    "reply_k",
    "to_k",
    "rcpt_k",
    "order_k",
    "login_k",
    "msgid_k",
    "sent_id_k",
    "answers_k",
    "ip_k",
    "net_k",
    "origin_k",
    "peer_dom_k",
    "author_dom_k",
    "from_dom_k",
    "dkim_dom_k",
    "mailer_k",
];
const NUMBERS: [&str; 8] = ["asn", "size", "recipients", "files", "hops", "zone", "skew", "flags"];

fn file(n: i64) -> NewFile {
    let (kind, declared, found) = (Some("pdf"), Some("application/pdf"), Some("pdf"));
    NewFile { hash_k: Some(n), kind, declared, found, size: n, is_encrypted: false }
}

/// One that says all that a fact can say.
fn full(n: i64) -> NewFact {
    let (some, word) = (|kind: i64| Some(i64::MAX - 100 * n - kind), |text: &'static str| Some(text.into()));
    NewFact {
        direction: word("to_customer"),
        result: word("2.0.0"),
        from_k: some(1),
        author_k: some(2),
        reply_k: some(3),
        to_k: some(4),
        rcpt_k: some(5),
        order_k: some(6),
        login_k: some(7),
        msgid_k: some(8),
        sent_id_k: some(9),
        answers_k: some(10),
        ip_k: some(11),
        net_k: some(12),
        origin_k: some(13),
        peer_dom_k: some(14),
        asn: Some(2497),
        country: word("JP"),
        country2: word("US"),
        origin_country: word("KR"),
        author_dom_k: some(15),
        from_dom_k: some(16),
        dkim_dom_k: some(17),
        mailer_k: some(18),
        tls: word("TLSv1.3"),
        spf: Some("pass"),
        dkim: Some("fail"),
        dmarc: Some("none"),
        arc: Some("none"),
        size: Some(3000),
        recipients: Some(1),
        files: Some(2),
        hops: Some(3),
        zone: Some(-540),
        skew: Some(-7),
        flags: Some(Flags::default().with(Flag::List, true)),
        attachments: vec![file(0), file(1)],
        usual: Vec::new(),
        detected: Vec::new(),
    }
}

/// Two rows of the fifth hour with full facts, entered.
async fn log_full(ground: &Ground) -> [i64; 2] {
    let row = |n: i64| NewRecord {
        id: id(4, 40 + n),
        at: begins(4),
        event: "accepted",
        merchant_id: Some(1),
        conversation_id: Some(n),
        message_id: Some(7),
        delivery_id: None,
        source: None,
        data_key_id: 1,
        detail: Sealed::from_stored(vec![7; 40]),
        headers: None,
        whence: None,
        fact: Box::new(full(n)),
    };
    ground.relay.store().record(vec![row(0), row(1)]).await.unwrap();
    ground.grow(5).await;
    [id(4, 40), id(4, 41)]
}

async fn is_told(ground: &Ground, edit: &str, row: i64) {
    ground.edit(&[edit.to_owned()]).await;
    let found = ground.verify(&[]).await;
    let told: Vec<_> = found.broken.iter().map(|one| (one.what, one.row.clone())).collect();
    assert_eq!(told, [("changed", name(row))], "{edit}");
}

#[test]
fn a_fact_of_which_any_column_was_changed_or_emptied_is_named() {
    on_both(|ground| async move {
        let [row, _] = log_full(&ground).await;
        let found = ground.verify(&[]).await;
        assert_eq!((found.broken, found.unproven_facts, found.emptied_facts), (vec![], 0, 0));
        ground.edit(&["CREATE TABLE whole AS SELECT * FROM fact".to_owned()]).await;
        let changes = WORDS
            .iter()
            .flat_map(|column| [format!("{column} = 'x'"), format!("{column} = NULL")])
            .chain(
                KEYED
                    .iter()
                    .chain(&NUMBERS)
                    .flat_map(|column| [format!("{column} = {column} - 1"), format!("{column} = NULL")]),
            )
            .chain(["proof = proof - 1".to_owned(), "from_k = to_k, to_k = from_k".to_owned()]);
        for change in changes {
            is_told(&ground, &format!("UPDATE fact SET {change} WHERE id = {row}"), row).await;
            let all = WORDS.iter().chain(&KEYED).chain(&NUMBERS).chain(&["proof"]);
            let back: Vec<String> = all
                .map(|column| format!("{column} = (SELECT w.{column} FROM whole w WHERE w.id = fact.id)"))
                .collect();
            ground.edit(&[format!("UPDATE fact SET {} WHERE id = {row}", back.join(", "))]).await;
        }
        assert!(ground.verify(&[]).await.intact);
        ground.edit(&["DROP TABLE whole".to_owned()]).await;
    });
}

#[test]
fn attachments_that_were_changed_taken_away_or_put_in_are_named_with_their_fact() {
    on_both(|ground| async move {
        let [row, other] = log_full(&ground).await;
        let of = |row: i64, ord: i64| format!("WHERE fact_id = {row} AND ord = {ord}");
        let at = of(row, 1);
        for (edit, back) in [
            (
                format!("UPDATE fact_file SET hash_k = 5 {at}"),
                format!("UPDATE fact_file SET hash_k = 1 {at}"),
            ),
            (
                format!("UPDATE fact_file SET found = 'exe' {at}"),
                format!("UPDATE fact_file SET found = 'pdf' {at}"),
            ),
            (
                format!("UPDATE fact_file SET fact_id = {} {at}", row + 100),
                format!("UPDATE fact_file SET fact_id = {row} {}", of(row + 100, 1)),
            ),
            (
                format!("UPDATE fact_file SET ord = 2 {at}"),
                format!("UPDATE fact_file SET ord = 1 {}", of(row, 2)),
            ),
            (
                format!("INSERT INTO fact_file (fact_id, ord, size, is_encrypted) VALUES ({row}, 2, 1, 0)"),
                format!("DELETE FROM fact_file {}", of(row, 2)),
            ),
        ] {
            is_told(&ground, &edit, row).await;
            ground.edit(&[back]).await;
        }
        assert!(ground.verify(&[]).await.intact);
        // What another fact was proven by proves nothing here.
        let proof = format!(
            "UPDATE fact SET proof = (SELECT f.proof FROM fact f WHERE f.id = {other}) WHERE id = {row}"
        );
        is_told(&ground, &proof, row).await;
    });
}

#[test]
fn what_an_erasure_emptied_is_counted_and_a_fact_without_a_proof_is_named_once_all_nodes_have_had_time() {
    on_both(|ground| async move {
        let [row, other] = log_full(&ground).await;
        let emptied: Vec<String> = KEYED.iter().map(|column| format!("{column} = NULL")).collect();
        let emptied = emptied.join(", ");
        // With its attachments' numbers still there it is none that was erased.
        is_told(&ground, &format!("UPDATE fact SET {emptied} WHERE id = {row}"), row).await;
        ground
            .edit(&[
                format!("UPDATE fact_file SET hash_k = NULL WHERE fact_id = {row}"),
                format!("UPDATE fact SET proof = NULL WHERE id = {other}"),
            ])
            .await;
        let found = ground.verify(&[]).await;
        assert_eq!((found.broken, found.emptied_facts, found.unproven_facts), (vec![], 1, 1));
        let then = if ground.url.starts_with("sqlite") {
            "'2020-01-01 00:00:00'"
        } else {
            "TIMESTAMPTZ '2020-01-01 00:00:00Z'"
        };
        let since = format!("UPDATE _sqlx_migrations SET installed_on = {then} WHERE version = 48");
        is_told(&ground, &since, other).await;
    });
}
