//! What somebody puts into the database who knows the tree, and no key: looks and certificates of old times, rows of
//! times that have not come, certificates that are copied; and a certificate whose count and root are not those of its
//! rows.

use super::ground::*;
use anshin::ledger::{Certificate, Gone, Signer, What, merkle};
use anshin::mail::Timestamp;
use anshin::relay::{Account, Goes, Look, LookPurpose, Opening, TraceOf, Verification};
use anshin::store::{DAY_MS, Ids};
use anshin::vault::{KeyRing, Make, Vault};

/// What is broken, by its word.
fn whats(found: &Verification) -> Vec<&str> {
    found.broken.iter().map(|broken| broken.what).collect()
}

async fn one_look(ground: &Ground) {
    let look = Look::new(
        "akiko",
        LookPurpose::Audit,
        "C-1",
        Account { uid: 1, login: None, from: anshin::residency::Origin::Here },
    )
    .unwrap();
    let opening = Opening::Trace(TraceOf::Message(format!("{:016X}", 8)));
    let _ = ground.relay.open_for(&look, &opening, Goes::ToTheScreen, None).await;
    ground.grow(5).await;
}

fn copied_look(id: i64) -> String {
    format!(
        "INSERT INTO look (id, at, actor_idx, purpose, kind, rows, outcome, data_key_id, detail) \
         SELECT {id}, at, actor_idx, purpose, kind, rows, outcome, data_key_id, detail FROM look"
    )
}

fn of_days_ago(days: i64) -> i64 {
    Ids::first_of(Timestamp::from_millis(Timestamp::now().as_millis() - days * DAY_MS))
}

#[test]
fn a_look_of_an_old_time_that_was_put_in_is_named_entered_or_not() {
    on_both(|ground| async move {
        one_look(&ground).await;
        assert_eq!(ground.verify(&[]).await.broken, []);
        // A round of today was whole, and this one says that it is two days old.
        let id = of_days_ago(2);
        ground.edit(&[copied_look(id)]).await;
        let found = ground.verify(&[]).await;
        assert_eq!((whats(&found), &found.broken[0].row), (vec!["inserted"], &name(id)));
        // The service goes on, and enters what it finds.
        let found = ground.edited(&[]).await;
        assert_eq!((whats(&found), &found.broken[0].row), (vec!["inserted"], &name(id)));
    });
}

#[test]
fn rows_and_looks_of_a_time_that_has_not_come_are_named() {
    on_both(|ground| async move {
        one_look(&ground).await;
        let (look, row) = (of_days_ago(-30), of_days_ago(-40));
        let record = format!(
            "INSERT INTO record (id, at, event, data_key_id, detail) SELECT {row}, at, event, data_key_id, detail \
             FROM record WHERE id = {}",
            id(1, 1)
        );
        ground.edit(&[copied_look(look), record]).await;
        let found = ground.verify(&[]).await;
        let rows: Vec<_> = found.broken.iter().map(|broken| broken.row.clone()).collect();
        assert_eq!((whats(&found), rows), (vec!["inserted"; 2], vec![name(look), name(row)]));
        let found = ground.edited(&[]).await;
        assert_eq!(whats(&found), ["inserted"; 2], "also once the look was entered");
    });
}

#[test]
fn a_certificate_that_was_put_in_names_no_rows_of_the_tree_and_is_named() {
    let body = |id: i64, rows: u32, unentered: u32| {
        format!(
            "anshin certificate of destruction 1\nid {id:016X}\nclass metadata\nday 2026-05-01\nbegun 2027-06-01T00:00:00Z\n\
             ended 2027-06-01T00:00:00Z\nrows {rows}\nroot {}\nunentered {unentered}\nkeys none of its own\n",
            data_encoding::HEXLOWER.encode(&merkle::root([]))
        )
    };
    let put_in = |id: i64, day: i64, is_last: u8, body: &str| {
        format!(
            "INSERT INTO certificate (id, at, kind, class, day, is_last, body) \
             VALUES ({id}, 0, 'retention', 'metadata', {day}, {is_last}, CAST('{body}' AS BYTEA))"
        )
    };
    on_both(|ground| async move {
        let sqlite = ground.url.starts_with("sqlite");
        let on = |text: String| if sqlite { text.replace("AS BYTEA", "AS BLOB") } else { text };
        one_look(&ground).await;
        // Rows that nobody signed for.
        let now = Ids::first_of(Timestamp::now());
        ground.edit(&[on(put_in(now, 20_574, 1, &body(now, 3, 0)))]).await;
        assert_eq!(whats(&ground.verify(&[]).await), ["forged"]);
        // Its columns say more than its text.
        ground.edit(&["DELETE FROM certificate".into(), on(put_in(now, 20_575, 1, &body(now, 0, 0)))]).await;
        assert_eq!(whats(&ground.verify(&[]).await), ["changed"]);
        // A day of the past, written in the past.
        let old = of_days_ago(9);
        ground.edit(&["DELETE FROM certificate".into(), on(put_in(old, 20_574, 1, &body(old, 0, 0)))]).await;
        assert_eq!(whats(&ground.verify(&[]).await), ["inserted"]);
        assert_eq!(whats(&ground.edited(&[]).await), ["inserted"]);
    });
    on_both(|ground| async move {
        // All of today is said to be gone, and is there.
        let sqlite = ground.url.starts_with("sqlite");
        let today = begins(0).as_millis() / DAY_MS;
        let now = Ids::first_of(Timestamp::now());
        let text = body(now, 0, 0).replace("2026-05-01", &begins(0).to_rfc3339()[..10]);
        let text = put_in(now, today, 1, &text);
        ground.edit(&[if sqlite { text.replace("AS BYTEA", "AS BLOB") } else { text }]).await;
        let found = ground.verify(&[]).await;
        assert!(!found.broken.is_empty() && whats(&found).iter().all(|what| *what == "restored"));
    });
}

#[test]
fn a_certificate_that_is_played_again_or_counts_other_rows_than_it_names_is_named() {
    on_both(|ground| async move {
        ground.destroy(&[id(1, 1), id(2, 3)], What::Rows, "a rule").await;
        ground.grow(5).await;
        assert_eq!(ground.verify(&[]).await.broken, []);
        let again = "INSERT INTO destruction (id, note) SELECT id + 1, note FROM destruction".to_owned();
        let found = ground.edited(&[again]).await;
        assert_eq!(whats(&found), ["replayed"]);
    });
    for (count, rows) in [(2, 5), (1, 5), (1, 4), (0, 5)] {
        on_both(|ground| async move {
            // Signed by the tree's key all the same: whoever does this has the machine, or errs.
            let vault = Vault::open(&KeyRing::open(&ground.keys, Make::Nothing, Timestamp::now()).unwrap());
            let seed = vault.unwrap().tree[0].seed();
            let signer = Signer::new(&ground.relay.store().tree("").await.unwrap().origin, seed).unwrap();
            let certificate = Certificate {
                at: Timestamp::now(),
                what: What::Rows,
                rule: "mine".into(),
                count,
                root: [3; 32],
                gone: vec![Gone { position: 1, rows: (0..rows).map(|row| row == 1).collect() }],
            };
            let note = signer.sign(&certificate.to_text()).unwrap();
            let now = Ids::first_of(Timestamp::now());
            let edit = [
                format!("INSERT INTO destruction (id, note) VALUES ({now}, '{note}')"),
                format!("DELETE FROM record WHERE id = {}", id(1, 1)),
            ];
            let found = ground.edited(&edit).await;
            assert!(whats(&found).contains(&"forged"), "{count} {rows}: {:?}", found.broken);
        });
    }
}

#[test]
fn a_message_is_proven_still_when_its_header_blocks_went_lawfully() {
    on_both(|ground| async move {
        let with_headers = [id(1, 0), id(1, 2), id(2, 4)];
        ground.grow(6).await;
        ground.destroy(&with_headers, What::Headers, "headers").await;
        ground.grow(6).await;
        let bundle = ground.relay.prove_messages(&[format!("{:016X}", 7)]).await.unwrap();
        let gone = bundle.leaves.iter().flat_map(|leaf| &leaf.rows).filter(|row| row.headers_hash.is_some());
        assert_eq!(gone.map(|row| row.row.id).collect::<Vec<_>>(), with_headers);
        let text = serde_json::to_string(&bundle).unwrap();
        let read: anshin::ledger::Bundle = serde_json::from_str(&text).unwrap();
        assert!(read.check(&ground.keys().await).is_ok());
        // Gone without a certificate: proven by the same hash, and told by the verification.
        let found =
            ground.edited(&[format!("UPDATE record SET headers = NULL WHERE id = {}", id(2, 2))]).await;
        assert_eq!(whats(&found), ["changed"]);
    });
}
