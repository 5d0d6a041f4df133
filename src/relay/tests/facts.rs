//! By what records are found: facts of mails, refusals and logins, what of them is erased and destroyed, and their keys.

use super::*;
use crate::config::Config;
use crate::mail::{Domain, Flag, Flags};
use crate::query::Query;
use crate::store::NewPeriod;
use crate::vault::{Numbered, Period, Purpose, quarter_of};
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row};

const STRANGER: &str = "eve@elsewhere.example";
const NUMBERS: &str = "from_k, author_k, reply_k, to_k, rcpt_k, order_k, login_k, msgid_k, sent_id_k, answers_k, ip_k, net_k, \
    origin_k, peer_dom_k, author_dom_k, from_dom_k, dkim_dom_k, mailer_k";

impl Shop {
    async fn rows(&self, text: &str) -> Vec<SqliteRow> {
        let mut connection = self.database().await;
        let rows = sqlx::query(AssertSqlSafe(text.to_owned())).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        rows
    }

    async fn count(&self, of: &str) -> i64 {
        self.rows(&format!("SELECT COUNT(*) FROM {of}")).await[0].get(0)
    }

    async fn period(&self) -> Arc<Period> {
        let quarter = quarter_of(Timestamp::now());
        self.relay.periods(quarter, quarter).await.unwrap().pop().unwrap()
    }

    /// A mail of somebody to the store, as it came.
    async fn comes(&self, from: &str, bytes: &str, found: Findings) -> Result<Receipt, Refusal> {
        let sender = address(from);
        let to = address(&self.order.merchant_alias.to_string());
        let recipients = vec![(self.mx(Some(&sender), &to).await.unwrap(), Wishes::default())];
        let peer = Peer {
            tls: Some("TLSv1_3 TLS13_AES_256_GCM_SHA384".into()),
            helo: "mx1.mail.provider.co.jp".into(),
            ..Peer::new(("126.1.2.3".parse::<std::net::IpAddr>().unwrap(), 1).into(), "mx")
        };
        let incoming = Incoming {
            peer: &peer,
            login: None,
            sender: Some(&sender),
            recipients,
            parameters: MailParameters::default(),
            bytes: bytes.replace('\n', "\r\n").into_bytes(),
            proof: SenderProof::given(found),
            said: Said::default(),
        };
        self.relay.accept(incoming).await
    }

    async fn erase(&self, whom: &str) {
        let look = |actor: &str| {
            Look::new(
                actor,
                LookPurpose::LegalRequest,
                "C-9",
                Account { uid: 1, login: None, from: Origin::Here },
            )
            .unwrap()
        };
        let (_, erasure) = self.relay.erasure_of(whom, true).await.unwrap();
        let open =
            async |approved| self.relay.open_for(&look("akiko"), &erasure, Goes::ToTheScreen, approved).await;
        let Err(DeskFault::SecondPerson(request)) = open(None).await else { panic!("one was enough") };
        let account = Account { uid: 2, login: None, from: Origin::Here };
        self.relay.decide_look(&request, "botan", account, Ruling::Approved).await.unwrap();
        assert!(matches!(open(Some(&request)).await, Ok(Opened::Erased(_))));
    }
}

const LETTER: &str = "From: Hana <hana@customer.example>\n\
    Reply-To: other@customer.example\n\
    Date: Fri, 27 Nov 2020 10:00:00 +0900\n\
    Message-ID: <1@customer.example>\n\
    In-Reply-To: <m0@fw.example>\n\
    Received: from pc ([8.8.4.4]) by mx1.mail.provider.co.jp\n\
    User-Agent: Thunderbird 115.1\n\
    MIME-Version: 1.0\n\
    Content-Type: multipart/mixed; boundary=b\n\n\
    --b\n\nSee the file.\n--b\nContent-Type: application/pdf; name=a.pdf\n\n%PDF-1.7 a\n--b--\n";

#[tokio::test]
async fn a_mail_that_was_taken_is_found_by_its_people_its_ids_its_path_and_its_files() {
    let shop = Shop::open().await;
    let receipt = shop.comes(CUSTOMER, LETTER, Findings::Trusted).await.unwrap();
    let period = shop.period().await;
    let text = format!(
        "SELECT {NUMBERS}, direction, country, tls, size, recipients, files, hops, zone, skew, flags, id, message_id, \
         origin_country FROM fact WHERE event = 'accepted'"
    );
    let rows = shop.rows(&text).await;
    let row = &rows[0];
    let number = |value| Some(period.number(value));
    let text = |text| Numbered::Alias(text);
    let ip = "126.1.2.3".parse().unwrap();
    let domain = |name: &str| Domain::parse(name).unwrap();
    let (customer, provider) = (domain("customer.example"), domain("provider.co.jp"));
    let alias = shop.order.merchant_alias.to_string();
    let expected = [
        number(text(CUSTOMER)),
        // The author is the sender.
        None,
        number(text("other@customer.example")),
        number(text(&alias)),
        number(text(OWNER)),
        number(Numbered::OrderNo("1")),
        None,
        number(Numbered::MessageId("<1@customer.example>")),
        row.get(8),
        number(Numbered::MessageId("<m0@fw.example>")),
        number(Numbered::Ip(ip)),
        number(Numbered::Net(ip)),
        number(Numbered::Ip("8.8.4.4".parse().unwrap())),
        number(Numbered::Domain(&provider)),
        number(Numbered::Domain(&customer)),
        number(Numbered::Domain(&customer)),
        None,
        number(Numbered::Mailer("thunderbird")),
    ];
    for (place, expected) in expected.into_iter().enumerate() {
        assert_eq!(row.get::<Option<i64>, _>(place), expected, "column {place}");
    }
    assert!(row.get::<Option<i64>, _>(8).is_some_and(|sent| Some(sent) != expected[7]));
    let words: [Option<String>; 3] = [row.get(18), row.get(19), row.get(20)];
    assert_eq!(words.map(Option::unwrap), ["to_merchant", "JP", "TLSv1.3"]);
    let octets = i64::try_from(LETTER.replace('\n', "\r\n").len()).unwrap();
    let numbers: Vec<i64> = (21..26).map(|place| row.get(place)).collect();
    assert_eq!(numbers, [octets, 1, 1, 1, 540]);
    assert!(row.get::<i64, _>(26) > 86_400);
    let flags = Flags::from_bits(row.get(27));
    // What it answers has our domain, and was never issued.
    let expected = [Flag::ReplyDiffers, Flag::DateFar, Flag::UnknownThread];
    assert_eq!(flags.iter().collect::<Vec<_>>(), expected);
    assert_eq!(queue_id(row.get(29)), receipt.queue_ids[0]);
    assert_eq!(row.get::<Option<String>, _>(30).as_deref(), Some("US"));
    let files = shop.rows("SELECT fact_id, hash_k, kind, declared, found, size FROM fact_file").await;
    assert_eq!((files.len(), files[0].get::<i64, _>(0)), (1, row.get::<i64, _>(28)));
    let digest: [u8; 32] = Sha256::digest(b"%PDF-1.7 a").into();
    assert_eq!(files[0].get::<Option<i64>, _>(1), number(Numbered::File(&digest)));
    let told: [Option<String>; 3] = [files[0].get(2), files[0].get(3), files[0].get(4)];
    assert_eq!(told.map(Option::unwrap), ["pdf", "application/pdf", "pdf"]);
    // Each record has its fact, and an attempt is found by its recipient.
    let work = shop.lease().await;
    shop.settle(&work[0], Verdict::Failed, "550 5.1.1").await;
    let attempt = shop.rows("SELECT result, rcpt_k, message_id FROM fact WHERE event = 'failed'").await;
    assert_eq!(attempt[0].get::<String, _>(0), "5.1.1");
    assert_eq!(attempt[0].get::<Option<i64>, _>(1), number(text(OWNER)));
    let missing = "record r WHERE NOT EXISTS (SELECT 1 FROM fact f WHERE f.id = r.id AND f.event = r.event)";
    assert_eq!(shop.count(missing).await, 0);
    let counted = shop.rows("SELECT SUM(n) FROM rollup WHERE event = 'accepted' AND country = 'JP'").await;
    assert_eq!(counted[0].get::<i64, _>(0), 1);
}

#[tokio::test]
async fn what_is_refused_and_who_logs_in_is_found_and_only_what_a_store_does_is_usual_for_it() {
    let shop = Shop::open().await;
    let forged = senders::unproven(STRANGER);
    let letter = LETTER.replace("hana@customer.example", STRANGER);
    let mut policy = Policy::for_tests();
    policy.senders.unproven = Unproven::Refuse;
    let mut shop = shop;
    shop.reopen(policy).await;
    assert!(shop.comes(STRANGER, &letter, forged).await.is_err());
    let period = shop.period().await;
    let rows =
        shop.rows("SELECT result, from_k, spf, dmarc, flags, files FROM fact WHERE event = 'refused'").await;
    assert_eq!(rows[0].get::<String, _>(0), Refusal::SenderUnproven.name());
    assert_eq!(rows[0].get::<Option<i64>, _>(1), Some(period.number(Numbered::Alias(STRANGER))));
    let words: [Option<String>; 2] = [rows[0].get(2), rows[0].get(3)];
    assert_eq!(words.map(Option::unwrap), ["fail", "none"]);
    assert!(Flags::from_bits(rows[0].get(4)).has(Flag::Unproven));
    assert_eq!((rows[0].get::<i64, _>(5), shop.count("fact_file").await), (1, 1));
    assert_eq!(shop.count("profile").await, 0, "who writes to a store is not the store");
    let from = Peer::new(("126.1.2.3".parse::<std::net::IpAddr>().unwrap(), 1).into(), "submission");
    shop.relay.record_login_refused("0000000000", &from).await;
    shop.relay.record_login(&shop.login, "1234567890", &from).await;
    shop.relay.record_login(&shop.login, "1234567890", &from).await;
    let logins =
        shop.rows("SELECT event, login_k, merchant_id FROM fact WHERE login_k IS NOT NULL ORDER BY id").await;
    let number = |name| period.number(Numbered::Login(name));
    let found: Vec<(String, i64)> = logins.iter().map(|row| (row.get(0), row.get(1))).collect();
    let login = ("login".to_owned(), number("1234567890"));
    assert_eq!(found, [("login_refused".to_owned(), number("0000000000")), login.clone(), login]);
    let usual = shop.rows("SELECT what, value, n FROM profile ORDER BY what").await;
    let usual: Vec<(String, String, i64)> =
        usual.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let net = period.number(Numbered::Net(from.ip)).to_string();
    assert_eq!(usual, [("country".into(), "JP".into(), 2), ("net".into(), net, 2)]);
}

#[tokio::test]
async fn of_a_person_who_is_erased_no_fact_has_a_number_and_all_others_keep_theirs() {
    let shop = Shop::open().await;
    let other = OrderRequest {
        store_id: "hana-ya".into(),
        order_no: "2".into(),
        customer: "taro@other.example".into(),
        expires_at: None,
    };
    let order = shop.relay.open_order(other).await.unwrap();
    shop.comes(CUSTOMER, LETTER, Findings::Trusted).await.unwrap();
    let taro = shop.relay.open_order(OrderRequest {
        store_id: "hana-ya".into(),
        order_no: "2".into(),
        customer: "taro@other.example".into(),
        expires_at: None,
    });
    assert_eq!(taro.await.unwrap().merchant_alias, order.merchant_alias);
    let (from, to) = (address(CUSTOMER), address("nobody@fw.example"));
    shop.relay.record_refused_recipient(None, Some(&from), &to, &Refusal::Relaying, &peer()).await;
    let (from, to) = (address("taro@other.example"), address("nobody@fw.example"));
    shop.relay.record_refused_recipient(None, Some(&from), &to, &Refusal::Relaying, &peer()).await;
    let all =
        NUMBERS.split(", ").map(|column| format!("{column} IS NOT NULL")).collect::<Vec<_>>().join(" OR ");
    let with_numbers = format!("fact WHERE event IN ('accepted', 'refused') AND ({all})");
    // A store that writes to the real address.
    let to = address(CUSTOMER);
    shop.relay.record_refused_recipient(Some(&shop.login), None, &to, &Refusal::Relaying, &peer()).await;
    // Strangers who wrote to her alias, and to the store's of her order, where nobody looked for a conversation.
    let mine = shop.relay.order("hana-ya", "1").await.unwrap();
    let aliases = [mine.customer_alias.to_string(), mine.merchant_alias.to_string()];
    for alias in &aliases {
        let to = address(alias);
        shop.relay
            .record_refused_recipient(None, Some(&address(STRANGER)), &to, &Refusal::Relaying, &peer())
            .await;
    }
    assert_eq!(shop.count(&with_numbers).await, 6);
    shop.erase(CUSTOMER).await;
    assert_eq!(shop.count(&with_numbers).await, 1);
    let period = shop.period().await;
    let taro = period.number(Numbered::Alias("taro@other.example"));
    assert_eq!(shop.count(&format!("fact WHERE from_k = {taro}")).await, 1);
    assert_eq!(shop.count("fact WHERE event = 'accepted' AND country = 'JP'").await, 1, "the row stays");
    assert_eq!(shop.count("fact_file WHERE hash_k IS NOT NULL").await, 0);
}

#[tokio::test]
async fn facts_go_with_their_records_then_the_keys_of_their_quarter_and_nobody_makes_another() {
    const DAY: Duration = Duration::from_secs(86_400);
    let shop = Shop::open().await;
    shop.comes(CUSTOMER, LETTER, Findings::Trusted).await.unwrap();
    let login = Peer::new((HERE, 1).into(), "submission");
    shop.relay.record_login(&shop.login, "1234567890", &login).await;
    let rules = Config::development(&std::env::temp_dir()).unwrap().retention;
    let later = |days: u32| Timestamp::now().after(DAY * days);
    while shop.relay.destroy_due(&rules, later(397)).await.unwrap() > 0 {}
    shop.relay.forget_facts(&rules, later(390)).await.unwrap();
    assert_eq!((shop.count("record").await, shop.count("fact").await), (0, 0));
    assert_eq!(shop.count("fact_file").await, 0);
    // The quarter is not over for as long as every period.
    assert_eq!(shop.count("period_key WHERE length(wrapped) > 0").await, shop.count("period_key").await);
    assert!(shop.count("profile").await > 0 && shop.count("rollup").await > 0);
    shop.relay.forget_facts(&rules, later(800)).await.unwrap();
    assert_eq!((shop.count("profile").await, shop.count("rollup").await), (0, 0));
    assert_eq!(shop.count("period_key WHERE length(wrapped) > 0").await, 0);
    let mut shop = shop;
    shop.reopen(Policy::for_tests()).await;
    shop.comes(CUSTOMER, &LETTER.replace("<1@", "<2@"), Findings::Trusted).await.unwrap();
    assert_eq!(shop.count("fact WHERE event = 'accepted' AND from_k IS NULL").await, 1);
}

#[tokio::test]
async fn a_new_index_key_wraps_the_keys_of_quarters_anew_and_the_numbers_stay() {
    let shop = Shop::open().await;
    let before = shop.period().await.number(Numbered::OrderNo("1"));
    let mut ring = KeyRing::open_or_begin(&shop.dir.join("keys"), Arc::default()).unwrap();
    ring.make(Purpose::Index, Timestamp::now(), Duration::ZERO).unwrap();
    let later = Timestamp::now().after(MINUTE);
    let ring = KeyRing::open(&shop.dir.join("keys"), Make::Nothing, later).unwrap();
    shop.relay.renew(Vault::open_at(&ring, later).unwrap()).await.unwrap();
    let needs = shop.relay.needs(Purpose::Index, 'a', later).await.unwrap();
    assert!(needs.contains(&Need::Stage(Stage::Periods)), "{needs:?}");
    while shop.relay.rekey(Stage::Periods, later).await.unwrap() != Step::Done {}
    let needs = shop.relay.needs(Purpose::Index, 'a', later).await.unwrap();
    assert!(!needs.contains(&Need::Stage(Stage::Periods)), "{needs:?}");
    let wrapped: Vec<u8> = shop.rows("SELECT wrapped FROM period_key").await[0].get(0);
    assert_eq!(wrapped[0], b'b');
    assert_eq!(shop.period().await.number(Numbered::OrderNo("1")), before);
}

#[tokio::test]
async fn no_address_that_is_not_ours_is_written_down_of_a_search() {
    let shop = Shop::open().await;
    let audited = |text: &str| {
        let query = Query::parse(text).unwrap_or_else(|problem| panic!("{}", problem.show(text)));
        shop.relay.audited(&query)
    };
    for text in [
        "from:canary@example.jp",
        "id:<canary@example.jp>",
        "\"Hana Sato <canary@example.jp>\"",
        "\"mailto:canary@example.jp\"",
        "\"canary@example.jp,\"",
        "canary＠example.jp",
        "order:hana-ya/canary@example.jp",
        "mailer:\"x canary@example.jp\"",
        "hash:@canary@example.jp.pdf",
        "to:\"\\\"canary@example.jp\\\"@fw.example\"",
        "order:\"canary@example.jp x@fw.example\"",
    ] {
        let written = audited(text);
        assert!(!written.contains("canary") && !written.contains("example.jp"), "{text}: {written}");
    }
    let alias = shop.order.merchant_alias.to_string();
    assert_eq!(audited(&format!("to:{alias}")), format!("to:{alias}"));
    assert_eq!(audited("id:<canary@example.jp>")[3..], audited("from:canary@example.jp")[5..]);
}

#[tokio::test]
async fn a_quarter_whose_key_does_not_open_keeps_no_other_from_being_numbered_and_erased() {
    let mut shop = Shop::open().await;
    let quarter = quarter_of(Timestamp::now());
    for (id, quarter) in [(1, quarter - 1), (2, quarter - 3)] {
        let new = NewPeriod { id, quarter, wrapped: b"aaltered".to_vec(), at: Timestamp::now() };
        assert!(shop.relay.store().add_period(&new).await.unwrap());
    }
    shop.reopen(Policy::for_tests()).await;
    shop.comes(CUSTOMER, LETTER, Findings::Trusted).await.unwrap();
    assert_eq!(shop.count("fact WHERE event = 'accepted' AND from_k IS NOT NULL").await, 1);
    let open = shop.relay.periods(0, quarter).await.unwrap();
    assert_eq!(open.iter().map(|period| period.quarter).collect::<Vec<_>>(), [quarter]);
    shop.erase(CUSTOMER).await;
    assert_eq!(shop.count("fact WHERE from_k IS NOT NULL OR rcpt_k IS NOT NULL").await, 0);
    // Without that of the quarter itself nothing has numbers, it is told, and mail goes on.
    shop.rows("UPDATE period_key SET wrapped = CAST('aaltered' AS BLOB) RETURNING id").await;
    shop.reopen(Policy::for_tests()).await;
    assert!(shop.relay.keep_periods(Timestamp::now()).await.is_err());
}

#[tokio::test]
async fn a_country_is_told_with_its_confidence_and_a_network_with_its_name() {
    use crate::geo::Geo;
    use crate::geo::made::{Value as Made, mmdb};
    let shop = Shop::open().await;
    let file = |name: &str, octets: Vec<u8>| {
        let path = shop.dir.join(name);
        std::fs::write(&path, octets).unwrap();
        path
    };
    let code = |code: &str| Made::map([("country", Made::map([("iso_code", Made::text(code))]))]);
    let system = |asn, name| {
        Made::map([
            ("autonomous_system_number", Made::Number(asn)),
            ("autonomous_system_organization", Made::text(name)),
        ])
    };
    let now = u32::try_from(Timestamp::now().as_millis() / 1000).unwrap();
    let countries = [("126.0.0.0/8", code("JP")), ("49.96.0.0/11", code("US"))];
    let networks =
        [("126.0.0.0/8", system(17676, "Example Telecom")), ("133.0.0.0/8", system(2527, "Example Net"))];
    let countries = file("countries.mmdb", mmdb(now, &countries));
    let networks = file("networks.mmdb", mmdb(now, &networks));
    shop.relay.locates_by(Arc::new(Geo::open(Some(&countries), Some(&networks)).unwrap()));
    // Agreed, contradicted, the registries alone, and nothing.
    for ip in ["126.1.2.3", "49.98.1.2", "133.237.16.234", "192.0.2.1"] {
        let peer = Peer::new((ip.parse::<std::net::IpAddr>().unwrap(), 1).into(), "submission");
        shop.relay.record_login(&shop.login, &shop.login.auth_id, &peer).await;
    }
    shop.relay.name_networks(Timestamp::now()).await.unwrap();
    let Ok(query) = Query::parse("event:login") else { panic!("a query") };
    let account = Account { uid: 1, login: None, from: Origin::Here };
    let begun =
        shop.relay.search(&query, Timestamp::now(), &crate::relay::Searcher::Account(account), None).await;
    let mut search = begun.unwrap();
    let mut told = Vec::new();
    while let Some(found) = search.step().await.unwrap() {
        told.extend(found.into_iter().map(|found| {
            let line = found.line;
            (line.country, line.country_overlay, line.country_confidence, line.asn, line.asn_name)
        }));
    }
    let own = |text: &str| Some(text.to_owned());
    assert_eq!(
        told,
        [
            (None, None, None, None, None),
            (own("JP"), None, Some("medium"), Some(2527), own("Example Net")),
            (own("JP"), own("US"), Some("low"), None, None),
            (own("JP"), None, Some("high"), Some(17676), own("Example Telecom")),
        ]
    );
    let of = |flag| format!("fact WHERE event = 'login' AND flags & {} <> 0", Flag::bit(flag));
    assert_eq!(shop.count(&of(Flag::CountryConfirmed)).await, 1);
    assert_eq!(shop.count(&of(Flag::CountryDisputed)).await, 1);
    // What a store was seen with has the name too, and one that changes is the newer one.
    let merchant = shop.login.merchant.id;
    shop.relay.store().name_networks(&[(2527, "Renamed Net".into())], Timestamp::now()).await.unwrap();
    let seen = shop.relay.store().seen_with(merchant, 100).await.unwrap();
    let names: Vec<_> =
        seen.into_iter().filter(|seen| seen.what == "asn").map(|seen| (seen.value, seen.name)).collect();
    assert_eq!(names, [("17676".into(), own("Example Telecom")), ("2527".into(), own("Renamed Net"))]);
}
