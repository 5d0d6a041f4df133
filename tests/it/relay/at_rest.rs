//! Nothing can be read in the database, its WAL, the key ring's neighbours or a dump, while mail waits in it.

use super::letter::Letter;
use super::log_export::by_two;
use super::process::{On, Setup, on_both_databases};
use super::scene::Scene;
use super::searcher::{Knowing, Known, RUN};
use super::watch::random_hex;
use crate::peer::cluster::Cluster;
use crate::peer::{Scratch, eventually, eventually_within, sqlite};
use data_encoding::{BASE64, BASE64_MIME};
use encoding_rs::{ISO_2022_JP, SHIFT_JIS};
use sqlx::AssertSqlSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

on_both_databases! {
    no_address_subject_header_or_text_can_be_read_where_waiting_mail_lies,
    a_relay_that_took_many_mails_keeps_nothing_that_can_be_read_in_any_charset_or_encoding,
}

fn no_address_subject_header_or_text_can_be_read_where_waiting_mail_lies(on: On) {
    let scene = Scene::new(on);
    scene.hana.mailbox.go_down();
    scene.mise.mailbox.go_down();
    for letter in [scene.to_customer(), scene.to_customer()] {
        scene.submit(&letter).is("250 2.0.0");
        scene.watch.secret(&letter.message_id);
    }
    scene.deliver(&scene.to_merchant()).is("250 2.0.0");
    scene
        .deliver(&Letter::new(&scene.watch, &scene.hana.address, &scene.account.public_alias))
        .is("250 2.0.0");
    for secret in [
        "A-1001",
        "花屋",
        "Hanaya",
        "MIME-Version",
        "Message-ID:",
        "text/plain",
        "Mail Delivery",
        "client.test",
        &scene.account.user,
        &scene.account.password,
        &scene.order.customer_alias,
        &scene.order.merchant_alias,
    ] {
        scene.watch.secret(secret);
    }
    eventually("all four wait", || {
        let queue = scene.relay.queue(None);
        (queue.len() == 4 && queue.iter().all(|line| line["attempts"].as_i64() > Some(0))).then_some(())
    });
    scene.relay.check_at_rest();
    // The search itself works: what is not secret is found.
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scene.watch.secret("shop.anshin.test");
        scene.relay.check_at_rest();
    }));
    assert!(found.is_err(), "the domain of an alias stands in the database and was not found");
    scene.watch.forget_secret("shop.anshin.test");
}

/// Sessions side by side; an even number, since those with an odd one are the customer's.
const SESSIONS: usize = 8;

/// Mails of known content; the full size is 10,000.
fn mails() -> usize {
    std::env::var("ANSHIN_TEST_MAILS").map_or(200, |text| text.parse().unwrap())
}

/// A mail of which everything is known, and what is known of it.
fn known_mail(number: usize, from: &str, to: &str, knowing: &mut Knowing) -> Vec<u8> {
    let random = random_hex(6);
    let host = format!("host-{random}.path-{}.test", random_hex(4));
    let ip = format!("198.51.{}.{}", 100 + number % 100, 100 + number / 100 % 100);
    let name = format!("佐藤花子 {}", random_hex(4));
    let subject = format!("ご注文の品 {} について", random_hex(6));
    let file = format!("明細書-{}.txt", random_hex(4));
    let text = format!(
        "本日は {} のご連絡をありがとうございます。\r\nご住所は東京都千代田区 {} 番地ですね。\r\nYoroshiku {} onegai itashimasu.\r\n",
        random_hex(8),
        random_hex(5),
        random_hex(8)
    );
    let attached = format!("Denwa {} desu\r\n", random_hex(12));
    let id = format!("{random}.{number}@{host}");
    for known in [&host, &name, &subject, &file, &text, &attached, &id] {
        knowing.learn(known);
    }
    knowing.learn(&format!("[{ip}]"));
    // By turns as mail programs write.
    let base64 = |octets: &[u8]| BASE64_MIME.encode(octets);
    let quoted = |octets: &[u8]| octets.iter().map(|b| format!("={b:02X}")).collect::<Vec<_>>();
    let (charset, encoding, body) = match number % 4 {
        0 => ("utf-8", "8bit", text.clone().into_bytes()),
        1 => ("utf-8", "base64", base64(text.as_bytes()).into_bytes()),
        2 => ("iso-2022-jp", "7bit", ISO_2022_JP.encode(&text).0.into_owned()),
        _ => ("shift_jis", "quoted-printable", {
            let octets = SHIFT_JIS.encode(&text).0.into_owned();
            quoted(&octets).chunks(20).map(<[String]>::concat).collect::<Vec<_>>().join("=\r\n").into_bytes()
        }),
    };
    let word = |text: &str| format!("=?utf-8?B?{}?=", BASE64.encode(text.as_bytes()));
    let head = format!(
        "Received: from {host} ({host} [{ip}]) by {host} with ESMTP; Sun, 22 Nov 2026 09:00:00 +0900\r\n\
         Date: Sun, 22 Nov 2026 09:00:00 +0900\r\nFrom: {} <{from}>\r\nTo: {to}\r\nSubject: {}\r\nMessage-ID: <{id}>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\
         Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n",
        word(&name),
        word(&subject)
    );
    let tail = format!(
        "\r\n--B\r\nContent-Type: text/plain; name=\"{0}\"\r\nContent-Disposition: attachment; filename=\"{0}\"\r\n\r\n{attached}\
         --B--\r\n",
        word(&file)
    );
    [head.as_bytes(), &body, tail.as_bytes()].concat()
}

/// All files below a directory.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// What is found where, by as many threads as there are processors.
fn hits(haystacks: &[(String, Vec<u8>)], known: &Known) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let search = || {
        let mut found = Vec::new();
        while let Some((name, octets)) = haystacks.get(next.fetch_add(1, Ordering::Relaxed)) {
            found.extend(known.find(octets).map(|hit| format!("{name}: {hit}")));
        }
        found
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(search)).collect();
        running.into_iter().flat_map(|one| one.join().unwrap()).collect()
    })
}

fn a_relay_that_took_many_mails_keeps_nothing_that_can_be_read_in_any_charset_or_encoding(on: On) {
    let disk = Scratch::new("at-rest");
    let cluster = (on == On::Postgres).then(|| Cluster::new(disk.path(), &[]));
    let keeps = |setup: Setup| {
        let setup = setup.key("retention.kept_texts.keep", "'on'");
        setup.key("retention.kept_texts.approver", "'the chief manager'")
    };
    let scene = Scene::with(on, |setup| match (&cluster, keeps(setup)) {
        (Some(cluster), setup) => {
            let url = format!("'postgres://anshin@{}/anshin'", cluster.address());
            setup.database(cluster.database()).key("storage.url", &url)
        }
        (None, setup) => setup,
    });
    let mut knowing = Knowing::default();
    for person in [&scene.mise, &scene.hana, &scene.taro] {
        knowing.learn(&person.address);
        knowing.learn(&person.domain);
    }
    // What goes to the customer waits with its text, what goes to the store has been delivered.
    scene.hana.mailbox.go_down();
    let route = |number: usize| match number % 2 {
        0 => (&scene.mise.address, &scene.order.customer_alias),
        _ => (&scene.hana.address, &scene.order.merchant_alias),
    };
    let letters: Vec<Vec<u8>> = (0..mails())
        .map(|number| {
            let (from, to) = route(number);
            known_mail(number, from, to, &mut knowing)
        })
        .collect();
    let began = Instant::now();
    // Side by side, so that they share commits: half of the sessions are the store's, half the customer's.
    std::thread::scope(|scope| {
        for lane in 0..SESSIONS {
            let (scene, letters, route) = (&scene, &letters, &route);
            scope.spawn(move || {
                let own: Vec<usize> = (lane..letters.len()).step_by(SESSIONS).collect();
                for some in own.chunks(50) {
                    let session = if lane % 2 == 0 { scene.merchant() } else { scene.customer() };
                    let mut session = session.unwrap();
                    for number in some {
                        let (from, to) = route(*number);
                        session.send(from, &[to], &letters[*number]).unwrap().is("250 2.0.0");
                    }
                }
            });
        }
    });
    let taken = began.elapsed();
    eventually_within(Duration::from_secs(600), "the store has its mail", || {
        (scene.mise.mailbox.count() >= mails() / 2).then_some(())
    });
    let known = knowing.done();

    // While it runs: the WAL is there. Its backup, and all that is within the file, without the file's own encryption.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = scene.relay.database_url();
    let mut haystacks: Vec<(String, Vec<u8>)> = Vec::new();
    match &cluster {
        None => {
            let (backup, plain) = (scene.relay.state().join("backup.db"), disk.path().join("plain.db"));
            runtime.block_on(async {
                let mut connection = sqlite::connect(&url).await;
                let text = format!("VACUUM INTO '{}'", backup.display());
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
                sqlite::write_plain(&url, &plain).await;
            });
            haystacks.push(("within the file".into(), std::fs::read(plain).unwrap()));
        }
        Some(cluster) => haystacks.push(("a dump".into(), cluster.dump("anshin"))),
    }
    let kept =
        [files_below(&scene.relay.state()), cluster.iter().flat_map(|_| files_below(disk.path())).collect()];
    let read = |path: PathBuf| std::fs::read(&path).ok().map(|octets| (path.display().to_string(), octets));
    haystacks.extend(kept.into_iter().flatten().filter_map(read));
    // What analysts and others get of the log without a second look: rows, and an extract.
    let given = disk.path().join("given");
    std::fs::create_dir(&given).unwrap();
    let (rows, extract) = (given.join("rows.csv"), given.join("extract.csv"));
    scene.relay.anshin(&["log", "export", "after:1d", "--out", rows.to_str().unwrap()]);
    let make =
        ["log", "extract", "make", "after:1d", "--for", "a laboratory", "--out", extract.to_str().unwrap()];
    let made =
        by_two(&scene, &[&make[..], &["--actor", "akiko", "--purpose", "audit", "--case", "C-1"]].concat());
    println!("{made}");
    assert!(std::fs::read_to_string(&rows).unwrap().lines().count() > mails(), "rows of all of them");
    haystacks.extend(
        files_below(&given)
            .into_iter()
            .map(|path| (path.display().to_string(), std::fs::read(path).unwrap())),
    );
    haystacks.push(("the log".into(), scene.relay.log().into_bytes()));
    let size: usize = haystacks.iter().map(|(_, octets)| octets.len()).sum();
    let began = Instant::now();
    let found = hits(&haystacks, &known);
    println!(
        "{on:?}: {} mails taken in {} s; {} files of {} MiB searched for {} runs of {RUN} octets in {} s",
        mails(),
        taken.as_secs(),
        haystacks.len(),
        size >> 20,
        known.len(),
        began.elapsed().as_secs()
    );
    assert_eq!(found, [""; 0]);
    // The search itself works: what stands plainly in the database is found within the file, and in no file as it lies there.
    let mut knowing = Knowing::default();
    knowing.learn("CREATE TABLE message_body");
    let visible = knowing.done();
    let seen: Vec<&String> =
        haystacks.iter().filter(|(_, octets)| visible.stands_in(octets)).map(|(name, _)| name).collect();
    match on {
        On::Sqlite => assert_eq!(seen, ["within the file"]),
        On::Postgres => assert!(seen.iter().any(|name| *name == "a dump"), "{seen:?}"),
    }
}
