//! What keys cost a message: `cargo bench --bench sealing`. Sealing its envelope, recipient, text, log record and header block, its
//! indexes, and opening the data keys of its conversation and store; then each alone.
//!
//! Printed are microseconds of the processor, the median of rounds. Run it on a quiet machine, or with
//! `valgrind --tool=callgrind`, whose instructions other work does not change.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for its developers")]

use anshin::mail::{Domain, RealAddress, Timestamp};
use anshin::vault::{Class, Indexed, KeyRing, Make, Place, Vault};
use std::hint::black_box;

const ROUNDS: usize = 21;
const TIMES: u32 = 2_000;
/// A store's mail: header block and text as they are on the way.
const HEADERS: usize = 1_500;
const TEXT: usize = 3_000;

fn main() {
    let dir = std::env::temp_dir().join(format!("anshin-sealing-{}", std::process::id()));
    let ring = KeyRing::open(&dir, Make::Missing, Timestamp::now()).unwrap();
    let vault = Vault::open(&ring).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    let (key, wrapped) = vault.seal.new_data_key(1);
    let (_, store) = vault.seal.new_data_key(2);
    let (body, _) = vault.body.new_segment(Class::Body, 3, 20_000);
    let (log, sealed_log) = vault.log.new_segment(Class::Metadata, 4, 20_000);
    let (headers, text) = (vec![b'h'; HEADERS], vec![b't'; TEXT]);
    let (envelope, detail) = (vec![b'e'; HEADERS + 500], [b'd'; 600]);
    let recipient = b"hana@customer.example";
    let domain = Domain::parse("customer.example").unwrap();
    let address = RealAddress::parse("hana@customer.example").unwrap();
    let ip = std::net::IpAddr::from([192, 0, 2, 1]);
    let indexes = || {
        black_box(vault.index.of(Indexed::Ip(ip)));
        black_box(vault.index.of(Indexed::Domain(&domain)));
        black_box(vault.index.of(Indexed::MailboxOf { merchant: 1, address: &address }));
        black_box(vault.index.of(Indexed::Submission {
            alias: 1,
            message_id: "<1@x.example>",
            digest: &[7; 32],
        }));
    };
    let open = || {
        black_box(vault.seal.unwrap_data_key(1, &wrapped).unwrap());
        black_box(vault.seal.unwrap_data_key(2, &store).unwrap());
    };
    let party = || {
        black_box(key.seal(Place::new("message", "envelope", 1), &envelope));
        black_box(key.seal(Place::new("delivery", "recipient", 1), recipient));
    };
    let classes = || {
        black_box(key.seal_in(&body, Place::new("message_body", "body", 1), &text));
        black_box(key.seal_in(&log, Place::new("record", "detail", 1), &detail));
        black_box(key.seal_in(&log, Place::new("record", "headers", 1), &headers));
    };
    measure("a message: all of it", || {
        open();
        indexes();
        party();
        classes();
    });
    measure("  data keys of conversation and store, remembered", open);
    measure("  four indexes", indexes);
    measure("  envelope and recipient", party);
    measure("  text, record and header block in their classes", classes);
    let sealed = key.seal_in(&body, Place::new("message_body", "body", 1), &text);
    measure("opening the text, at delivery", || {
        black_box(key.open_in(&body, Place::new("message_body", "body", 1), &sealed).unwrap());
    });
    let fresh = |vault: &Vault| vault.seal.rewrap(1, &wrapped).unwrap();
    measure("looking whether a data key is under the newest key", || {
        black_box(fresh(&vault));
    });
    measure("a new data key, wrapped under its leaf of the tree of erasure", || {
        black_box(vault.seal.new_data_key(5));
    });
    measure("a segment, once a day and class: sealed to the public half", || {
        black_box(vault.log.new_segment(Class::Metadata, 5, 20_000));
    });
    measure("the same, opened", || {
        black_box(vault.log.open_segment(Class::Metadata, 4, 20_000, &sealed_log).unwrap());
    });
}

/// How long this thread was on a processor, which other work lengthens less than the clock.
fn on_processor_ns() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    told.split(' ').next().unwrap().parse().unwrap()
}

fn measure(what: &str, mut work: impl FnMut()) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = on_processor_ns();
            (0..TIMES).for_each(|_| work());
            f64::from(u32::try_from(on_processor_ns() - start).unwrap()) / 1e3 / f64::from(TIMES)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{:>9.2} µs  (least {:.2})  {what}", rounds[ROUNDS / 2], rounds[0]);
}
