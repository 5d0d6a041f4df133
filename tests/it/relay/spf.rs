//! SPF case by case, beyond the public suite (`tests/suites/spf.py`): limits at their very edge, macros, redirects and
//! includes, addresses of both families, and records as people write them. NSD publishes, `anshin senders check` asks.
//!
//! In a case `@@` is a name of its own, below `test`.

use super::process::{On, Setup};
use super::watch::Watch;
use crate::peer::nsd::Nsd;
use std::sync::Arc;

/// What the case is about, the client's address, what is published, and the result (RFC 7208).
type Case = (&'static str, &'static str, &'static str, &'static str);

/// The client of most cases.
const IP: &str = "192.0.2.1";

/// §4.6.4.
const LIMITS: &[Case] = &[
    ("two look-ups of nothing", IP, "@@ TXT \"v=spf1 a:v1.@@.test a:v2.@@.test ip4:192.0.2.1 -all\"", "pass"),
    (
        "three look-ups of nothing",
        IP,
        "@@ TXT \"v=spf1 a:v1.@@.test a:v2.@@.test a:v3.@@.test ip4:192.0.2.1 -all\"",
        "permerror",
    ),
    (
        "a name without such a record is nothing too",
        IP,
        "v1.@@ TXT x\nv2.@@ AAAA ::1\n\
         @@ TXT \"v=spf1 a:v1.@@.test a:v2.@@.test mx:v1.@@.test ip4:192.0.2.1 -all\"",
        "permerror",
    ),
    (
        "nothing is counted over includes",
        IP,
        "i.@@ TXT \"v=spf1 a:v1.@@.test exists:v2.@@.test -all\"\n\
         @@ TXT \"v=spf1 include:i.@@.test a:v3.@@.test ip4:192.0.2.1 -all\"",
        "permerror",
    ),
    (
        "an exchange without an address is nothing",
        IP,
        "@@ MX 1 m1.@@\n@@ MX 2 m2.@@\n@@ MX 3 m3.@@\n@@ TXT \"v=spf1 mx ip4:192.0.2.1 -all\"",
        "permerror",
    ),
    (
        "what stands behind a match is not looked up",
        IP,
        "@@ TXT \"v=spf1 a:v1.@@.test a:v2.@@.test ip4:192.0.2.1 a:v3.@@.test -all\"",
        "pass",
    ),
    (
        "ten terms",
        IP,
        "a.@@ A 192.0.2.99\n@@ TXT \"v=spf1 a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test \" \
         \"a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test ip4:192.0.2.1 -all\"",
        "pass",
    ),
    (
        "eleven terms",
        IP,
        "a.@@ A 192.0.2.99\n@@ TXT \"v=spf1 a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test \" \
         \"a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test ip4:192.0.2.1 -all\"",
        "permerror",
    ),
    (
        "the eleventh behind a match",
        IP,
        "a.@@ A 192.0.2.99\n@@ TXT \"v=spf1 a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test \" \
         \"a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test ip4:192.0.2.1 a:a.@@.test -all\"",
        "pass",
    ),
    (
        "terms of an include and a redirect count",
        IP,
        "a.@@ A 192.0.2.99\n\
         i.@@ TXT \"v=spf1 a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test -all\"\n\
         r.@@ TXT \"v=spf1 a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test ip4:192.0.2.1 -all\"\n\
         @@ TXT \"v=spf1 include:i.@@.test redirect=r.@@.test\"",
        "permerror",
    ),
    (
        "addresses, networks, all and exp= do not count",
        IP,
        "a.@@ A 192.0.2.99\n\
         r.@@ TXT \"v=spf1 a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test ip4:192.0.2.1 ?all\"\n\
         i.@@ TXT \"v=spf1 a:a.@@.test a:a.@@.test a:a.@@.test a:a.@@.test -all\"\n\
         @@ TXT \"v=spf1 ip4:192.0.2.2 ip6:2001:db8::/32 include:i.@@.test exp=e.@@.test redirect=r.@@.test\"",
        "pass",
    ),
    ("an include of itself", IP, "@@ TXT \"v=spf1 include:@@.test -all\"", "permerror"),
    (
        "a redirect in a circle",
        IP,
        "r.@@ TXT \"v=spf1 redirect=@@.test\"\n@@ TXT \"v=spf1 redirect=r.@@.test\"",
        "permerror",
    ),
    (
        "ten exchanges",
        IP,
        "m.@@ A 192.0.2.1\nx.@@ A 192.0.2.99\n@@ MX 1 x.@@\n@@ MX 2 x.@@\n@@ MX 3 x.@@\n@@ MX 4 x.@@\n@@ MX 5 x.@@\n\
         @@ MX 6 x.@@\n@@ MX 7 x.@@\n@@ MX 8 x.@@\n@@ MX 9 x.@@\n@@ MX 10 m.@@\n@@ TXT \"v=spf1 mx -all\"",
        "pass",
    ),
    (
        "eleven exchanges",
        IP,
        "m.@@ A 192.0.2.1\n@@ MX 1 m.@@\n@@ MX 2 m.@@\n@@ MX 3 m.@@\n@@ MX 4 m.@@\n@@ MX 5 m.@@\n@@ MX 6 m.@@\n\
         @@ MX 7 m.@@\n@@ MX 8 m.@@\n@@ MX 9 m.@@\n@@ MX 10 m.@@\n@@ MX 11 m.@@\n@@ TXT \"v=spf1 mx -all\"",
        "permerror",
    ),
];

/// §7.
const MACROS: &[Case] = &[
    (
        "the address turned round",
        IP,
        "1.2.0.192.in-addr.@@ A 127.0.0.2\n@@ TXT \"v=spf1 exists:%{ir}.%{v}.%{d} -all\"",
        "pass",
    ),
    (
        "an IPv6 address by nibbles, and A is asked",
        "2001:db8::1",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.@@ A 127.0.0.2\n\
         @@ TXT \"v=spf1 exists:%{ir}.%{v}.%{d} -all\"",
        "pass",
    ),
    (
        "AAAA is not asked by exists",
        "2001:db8::1",
        "x.@@ AAAA 2001:db8::1\n@@ TXT \"v=spf1 exists:x.@@.test -all\"",
        "fail",
    ),
    ("the local part", IP, "hana._spf.@@ A 127.0.0.2\n@@ TXT \"v=spf1 exists:%{l}._spf.%{d} -all\"", "pass"),
    ("the sender's domain", IP, "x.@@ A 127.0.0.2\n@@ TXT \"v=spf1 exists:x.%{o} -all\"", "pass"),
    ("a part from the right", IP, "x.@@ A 127.0.0.2\n@@ TXT \"v=spf1 exists:x.@@.%{d1} -all\"", "pass"),
    (
        "the parts turned round",
        IP,
        "test.@@.y.@@ A 127.0.0.2\n@@ TXT \"v=spf1 exists:%{dr}.y.%{d} -all\"",
        "pass",
    ),
    ("HELO", IP, "helo.elsewhere.x.@@ A 127.0.0.2\n@@ TXT \"v=spf1 exists:%{h}.x.%{d} -all\"", "pass"),
    (
        "no validated name is unknown",
        IP,
        "unknown.@@ A 127.0.0.2\n@@ TXT \"v=spf1 exists:%{p}.%{d} -all\"",
        "pass",
    ),
    (
        "the domain within an include is the included one",
        IP,
        "x.i.@@ A 127.0.0.2\ni.@@ TXT \"v=spf1 exists:x.%{d} -all\"\n@@ TXT \"v=spf1 include:i.@@.test -all\"",
        "pass",
    ),
    (
        "the sender's domain within an include stays",
        IP,
        "x.@@ A 127.0.0.2\ni.@@ TXT \"v=spf1 exists:x.%{o} -all\"\n@@ TXT \"v=spf1 include:i.@@.test -all\"",
        "pass",
    ),
    (
        "a redirect with a macro",
        IP,
        "r.@@ TXT \"v=spf1 ip4:%{i} -all\"\n@@ TXT \"v=spf1 redirect=r.%{d}\"",
        "permerror",
    ),
    (
        "a redirect by a macro",
        IP,
        "r.@@ TXT \"v=spf1 ip4:192.0.2.1 -all\"\n@@ TXT \"v=spf1 redirect=r.%{d}\"",
        "pass",
    ),
    ("a letter that is none", IP, "@@ TXT \"v=spf1 exists:%{z}.@@.test ip4:192.0.2.1 -all\"", "permerror"),
    (
        "a letter of explanations only",
        IP,
        "@@ TXT \"v=spf1 exists:%{c}.@@.test ip4:192.0.2.1 -all\"",
        "permerror",
    ),
    (
        "a brace that does not close",
        IP,
        "@@ TXT \"v=spf1 ip4:192.0.2.1 exists:%{d.@@.test -all\"",
        "permerror",
    ),
    ("a lone percent sign", IP, "@@ TXT \"v=spf1 ip4:192.0.2.1 exists:100%.@@.test -all\"", "permerror"),
];

/// §5 and §6.
const TERMS: &[Case] = &[
    (
        "an include that fails does not match",
        IP,
        "i.@@ TXT \"v=spf1 -all\"\n@@ TXT \"v=spf1 include:i.@@.test ?all\"",
        "neutral",
    ),
    (
        "an include that softfails does not either",
        IP,
        "i.@@ TXT \"v=spf1 ~all\"\n@@ TXT \"v=spf1 -include:i.@@.test ~all\"",
        "softfail",
    ),
    (
        "an include that passes fails by its qualifier",
        IP,
        "i.@@ TXT \"v=spf1 all\"\n@@ TXT \"v=spf1 -include:i.@@.test all\"",
        "fail",
    ),
    ("an include of nothing", IP, "@@ TXT \"v=spf1 include:i.@@.test all\"", "permerror"),
    (
        "an include of a broken record",
        IP,
        "i.@@ TXT \"v=spf1 ip4:1.2.3 all\"\n@@ TXT \"v=spf1 include:i.@@.test all\"",
        "permerror",
    ),
    (
        "an include that the DNS does not answer",
        IP,
        "@@ TXT \"v=spf1 include:x.broken.test all\"",
        "temperror",
    ),
    (
        "what the DNS does not answer behind a match",
        IP,
        "@@ TXT \"v=spf1 ip4:192.0.2.1 include:x.broken.test -all\"",
        "pass",
    ),
    ("a redirect beside all", IP, "@@ TXT \"v=spf1 redirect=r.@@.test ?all\"", "neutral"),
    ("a redirect to nothing", IP, "@@ TXT \"v=spf1 redirect=r.@@.test\"", "permerror"),
    (
        "a redirect before the terms",
        IP,
        "r.@@ TXT \"v=spf1 -all\"\n@@ TXT \"v=spf1 redirect=r.@@.test ip4:192.0.2.1\"",
        "pass",
    ),
    (
        "a redirect's result is its own",
        IP,
        "r.@@ TXT \"v=spf1 ~all\"\n@@ TXT \"v=spf1 -ip4:192.0.2.9 redirect=r.@@.test\"",
        "softfail",
    ),
    (
        "two redirects",
        IP,
        "r.@@ TXT \"v=spf1 all\"\n@@ TXT \"v=spf1 redirect=r.@@.test redirect=r.@@.test\"",
        "permerror",
    ),
    ("no term matches", IP, "@@ TXT \"v=spf1 ip4:192.0.2.9\"", "neutral"),
    (
        "a prefix for each family",
        "2001:db8:0:1::9",
        "a.@@ AAAA 2001:db8:0:1::1\n@@ TXT \"v=spf1 a:a.@@.test/24//64 -all\"",
        "pass",
    ),
    (
        "a prefix of the other family",
        "2001:db8:0:1::9",
        "a.@@ AAAA 2001:db8:0:1::1\n@@ TXT \"v=spf1 a:a.@@.test/24 -all\"",
        "fail",
    ),
    ("every address", "203.0.113.9", "@@ TXT \"v=spf1 ip4:10.0.0.0/0 -all\"", "pass"),
    ("every address of one family", "203.0.113.9", "@@ TXT \"v=spf1 ip6:::/0 -all\"", "fail"),
    ("an IPv4 client in another dress", "::ffff:192.0.2.1", "@@ TXT \"v=spf1 ip4:192.0.2.1 -all\"", "pass"),
    ("the same is no IPv6 address", "::ffff:192.0.2.1", "@@ TXT \"v=spf1 ip6:::ffff:c000:201 -all\"", "fail"),
    ("a prefix too long", IP, "@@ TXT \"v=spf1 ip4:192.0.2.1/33 -all\"", "permerror"),
    (
        "a prefix behind an alias",
        IP,
        "a.@@ CNAME b.@@\nb.@@ A 192.0.2.99\n@@ TXT \"v=spf1 a:a.@@.test/24 -all\"",
        "pass",
    ),
    (
        "a name that the address has",
        "192.0.2.70",
        "mail.@@ A 192.0.2.70\n@@ TXT \"v=spf1 ptr:ptr.test -all\"",
        "pass",
    ),
    ("a name that does not lead back", "192.0.2.71", "@@ TXT \"v=spf1 ptr:liar.test -all\"", "fail"),
    ("the end of a name is no name above it", "192.0.2.70", "@@ TXT \"v=spf1 ptr:r.test -all\"", "fail"),
    ("a dot at the end", IP, "a.@@ A 192.0.2.1\n@@ TXT \"v=spf1 a:a.@@.test. -all\"", "pass"),
];

/// §3 and §4.
const RECORDS: &[Case] = &[
    ("no name", IP, "x.@@ A 192.0.2.1", "none"),
    ("no record", IP, "@@ TXT \"hello\"", "none"),
    ("another version", IP, "@@ TXT \"v=spf10 all\"", "none"),
    ("version 2", IP, "@@ TXT \"spf2.0/pra all\"", "none"),
    ("two records", IP, "@@ TXT \"v=spf1 all\"\n@@ TXT \"v=spf1 -all\"", "permerror"),
    (
        "one among other texts",
        IP,
        "@@ TXT \"hello\"\n@@ TXT \"v=spf1 ip4:192.0.2.1 -all\"\n@@ TXT \"v=spf10\"",
        "pass",
    ),
    ("upper case", IP, "@@ TXT \"V=SPF1 IP4:192.0.2.1 -ALL\"", "pass"),
    ("many blanks", IP, "@@ TXT \"v=spf1   ip4:192.0.2.1    -all  \"", "pass"),
    ("strings are joined without a blank", IP, "@@ TXT \"v=spf1 ip4:192.\" \"0.2.1 -al\" \"l\"", "pass"),
    ("a tab", IP, "@@ TXT \"v=spf1 ip4:192.0.2.1\\009-all\"", "permerror"),
    (
        "a term that nobody knows, behind a match",
        IP,
        "@@ TXT \"v=spf1 ip4:192.0.2.1 maybe -all\"",
        "permerror",
    ),
    ("a modifier that nobody knows", IP, "@@ TXT \"v=spf1 x-y.z=%{d}/1 ip4:192.0.2.1 -all\"", "pass"),
    ("a record behind an alias", IP, "@@ CNAME r.@@\nr.@@ TXT \"v=spf1 ip4:192.0.2.1 -all\"", "pass"),
    (
        "a record of a wildcard",
        IP,
        "*.@@ TXT \"v=spf1 ip4:192.0.2.1 -all\"\n@@ TXT \"v=spf1 redirect=any.@@.test\"",
        "pass",
    ),
    ("a name that the DNS does not answer", IP, "", "temperror"),
    ("an empty record", IP, "@@ TXT \"v=spf1\"", "neutral"),
    (
        "letters that are not ASCII",
        IP,
        "@@ TXT \"v=spf1 ip4:192.0.2.1 a:\\230\\151\\165.@@.test -all\"",
        "permerror",
    ),
];

#[test]
fn every_case_has_the_result_of_rfc_7208() {
    let cases: Vec<&Case> = [LIMITS, MACROS, TERMS, RECORDS].into_iter().flatten().collect();
    let mut zone = "mail.ptr A 192.0.2.70\nmail.liar A 192.0.2.1\n".to_owned();
    // Larger than a datagram: it comes by TCP.
    let long: String = (0..120).map(|n| format!("\"ip4:198.51.100.{n} \" ")).collect();
    zone.push_str(&format!("long TXT \"v=spf1 \" {long} \"ip4:192.0.2.1 -all\"\n"));
    for (number, (.., records, _)) in cases.iter().enumerate() {
        zone.push_str(&format!("{}\n", records.replace("@@", &format!("d{number}"))));
    }
    let reverse = "70 PTR mail.ptr.test.\n71 PTR mail.liar.test.\n";
    let dns =
        Nsd::start(&[("test", Some(&zone)), ("broken.test", None), ("2.0.192.in-addr.arpa", Some(reverse))]);
    let relay = Setup::new(On::Sqlite)
        .key("dns.servers", &format!("'{}'", dns.address()))
        .key("senders.trusted_networks", "[]")
        .prepare(&Arc::new(Watch::default()));
    let check = |ip: &str, domain: &str| {
        let sender = format!("hana@{domain}");
        let helo = ["--helo", "helo.elsewhere"];
        let found =
            relay.anshin(&[&["senders", "check", "--ip", ip, "--mail-from", &sender], &helo[..]].concat());
        found["spf"]["result"].as_str().unwrap().to_owned()
    };
    let mut wrong = Vec::new();
    for (number, (what, ip, records, wanted)) in cases.iter().enumerate() {
        let domain = if records.is_empty() { "broken.test".to_owned() } else { format!("d{number}.test") };
        let result = check(ip, &domain);
        if result != *wanted {
            wrong.push(format!("{what}: {result}, not {wanted}"));
        }
    }
    if check(IP, "long.test") != "pass" {
        wrong.push("a long record".to_owned());
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
