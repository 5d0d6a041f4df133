//! The language as a whole: fixtures, and what holds of every query.

mod random;

use super::*;
use crate::mail::{Flag, Timestamp};
use proptest::prelude::*;
use std::path::Path;

/// Numbers that a test can know again: of the kind, of the quarter.
fn numbers(outline: &Outline<'_>, kind: i64) -> Numbers {
    let quarters = quarter_of(outline.window.from)..=quarter_of(outline.window.until);
    Numbers::by_quarter(quarters.map(|quarter| (quarter, kind * 1000 + quarter)).collect())
}

/// A plan in which every store has the number 7.
fn plan(query: &Query, now: Timestamp) -> Result<Plan, Problem> {
    let outline = Outline::of(query, now)?;
    let found = outline.seeks.iter().map(|seek| {
        let mut number = |keyed: Keyed<'_>| {
            let kind = match keyed {
                Keyed::Address(_) => 1,
                Keyed::Domain(_) => 2,
                Keyed::Order(_) => 3,
                Keyed::Login(_) => 4,
                Keyed::Mailer(_) => 5,
                Keyed::Ip(_) => 6,
                Keyed::Net(std::net::IpAddr::V4(net)) => {
                    800 + i64::from(net.octets()[1]) * 1000 + i64::from(net.octets()[2])
                }
                Keyed::Net(_) => 8,
                Keyed::Hash(_) => 9,
                Keyed::MessageId(_) => 10,
            };
            numbers(&outline, kind)
        };
        seek.filter(&mut number)
            .unwrap_or_else(|| Filter::keyed(&[Column::Merchant], &Numbers::fixed(vec![7])))
    });
    let found = found.collect();
    Plan::new(outline, found)
}

/// What a fixture should say: how the query is written, its plan, and the statement of each index in the newest slice; or
/// what is wrong with it.
fn told(text: &str, now: Timestamp) -> String {
    let query = match Query::parse(text) {
        Ok(query) => query,
        Err(problem) => return format!("{}\n", problem.show(text)),
    };
    let plan = match plan(&query, now) {
        Ok(plan) => plan,
        Err(problem) => return format!("{}\n{}\n", query.to_text(), problem.sentence()),
    };
    let mut told =
        format!("query   {}\n{}", query.to_text(), plan.explain()).replace("query   \n", "query\n");
    let Some(slice) = plan.slices().first().copied() else { return told };
    let span = IdSpan { from: 100, until: 200, quarters: slice.quarters };
    let probes: Vec<Option<&Probe>> =
        if plan.probes.is_empty() { vec![None] } else { plan.probes.iter().map(Some).collect() };
    for probe in probes {
        let statement = plan.rows(probe, span, 500).expect("the newest slice has numbers");
        let (_, text) = statement.text.split_once(" FROM fact ").expect("one table");
        let bound: Vec<String> = statement
            .bound
            .iter()
            .map(|bound| match bound {
                Bound::Number(number) => number.to_string(),
                Bound::Text(text) => format!("'{text}'"),
            })
            .collect();
        told.push_str(&format!("sql     … {text}\n        {}\n", bound.join(" ")));
    }
    told
}

/// Where fixtures and pages are, wherever these sources are compiled from.
fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|top| top.join("fixtures").is_dir()).unwrap()
}

/// Each fixture: the query, `---`, what is told.
#[test]
fn queries_become_the_plans_of_the_fixtures() {
    let now = Timestamp::parse_rfc3339("2026-11-27T03:00:00Z").unwrap();
    let folder = top().join("fixtures/queries");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 20, "{}", files.len());
    let mut wrong = String::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (query, expected) = text.split_once("\n---\n").unwrap_or_else(|| panic!("{}", file.display()));
        let found = told(query, now);
        if found != expected {
            wrong.push_str(&format!("== {}\n{found}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_word_has_an_example_that_is_a_query_and_stands_in_the_page() {
    let page = std::fs::read_to_string(top().join("docs/query.md")).unwrap();
    for word in Word::ALL {
        let example = word.example();
        let query = Query::parse(example).unwrap_or_else(|problem| panic!("{}", problem.show(example)));
        assert!(query == Query::parse(&query.to_text()).unwrap_or_else(|p| panic!("{}", p.show(example))));
        let row = format!("| `{}:` | `{example}` | {} |", word.name(), word.about().replace('|', "\\|"));
        assert!(page.contains(&row), "docs/query.md lacks: {row}");
    }
    for word in EVENTS.iter().chain(&DIRECTIONS).copied().chain(Flag::all().map(Flag::as_str)) {
        assert!(page.contains(&format!("`{word}`")), "docs/query.md lacks {word}");
    }
}

#[test]
fn what_an_attacker_types_stands_among_the_parameters_or_is_refused() {
    let now = Timestamp::from_millis(1_795_000_000_000);
    for text in [
        "id:\"' OR 1=1 --\"",
        "mailer:\"x'); DROP TABLE fact; --\"",
        "login:\"$1\" order:\"x' UNION SELECT 1\"",
        "store:\"x' OR '1'='1\"",
        "mailer:\"%\" result:_*",
        "\"' OR ''='\"",
    ] {
        let query = Query::parse(text).unwrap_or_else(|problem| panic!("{}", problem.show(text)));
        let plan = plan(&query, now).unwrap();
        for slice in plan.slices() {
            let span = IdSpan { from: 1, until: 2, quarters: slice.quarters };
            for probe in plan.probes.iter().map(Some).chain([None]) {
                let Some(statement) = plan.rows(probe, span, 5) else { continue };
                assert!(!statement.text.contains(['\'', ';', '-', '%', '"']), "{}", statement.text);
                let places = statement.text.matches('$').count();
                assert_eq!(places, statement.bound.len(), "{}", statement.text);
            }
        }
    }
    for text in [
        "from:a\0b@example.jp",
        "\u{7}",
        "order:\"a\u{1b}[2J\"",
        "result:a*b",
        "result:\"' OR 1=1\"",
        "event:refused,held",
    ] {
        assert!(Query::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_query_is_shown_and_written_down_without_addresses() {
    let text =
        "from:Hana@Example.jp (\"hana@example.jp\" or id:<hana@example.jp>) -order:A-1 to:me@own.example";
    let query = Query::parse(text).unwrap_or_else(|problem| panic!("{}", problem.show(text)));
    assert_eq!(query.to_masked(), "from:h…@e… (h…@e… or id:h…@e…) not order:A-1 to:m…@o…");
    let own = |text: &str| (!text.ends_with("@own.example")).then(|| "0f".to_owned());
    assert_eq!(query.text_with(&own), "from:0f (0f or id:0f) not order:A-1 to:me@own.example");
}

/// Ways in which people write an address where a query takes another text.
const HIDDEN: [&str; 13] = [
    "\"Hana Sato <canary@example.jp>\"",
    "\"mailto:canary@example.jp\"",
    "\"canary@example.jp,\"",
    "canary＠example.jp",
    "\"canary﹫example.jp\"",
    "\"mailto:canary%40example.jp\"",
    "order:canary@example.jp",
    "order:hana-ya/canary@example.jp",
    "mailer:\"x canary@example.jp\"",
    "login:\"canary@example.jp canary\"",
    "answers:\"<canary@example.jp> <canary@example.jp>\"",
    "store:canary＠example.jp",
    "hash:@canary@example.jp.pdf",
];

#[test]
fn an_address_within_another_text_is_neither_shown_nor_written_down() {
    for text in HIDDEN {
        let query = Query::parse(text).unwrap_or_else(|problem| panic!("{}", problem.show(text)));
        let (shown, written) = (query.to_masked(), query.text_with(&|_| Some("0f".into())));
        assert!(!shown.contains("anary") && !shown.contains("xample"), "{text}: {shown}");
        assert!(written == "0f" || written.ends_with(":0f"), "{text}: {written}");
    }
    for text in ["from:@example.jp", "@example.jp"] {
        let query = Query::parse(text).unwrap_or_else(|problem| panic!("{}", problem.show(text)));
        assert_eq!(query.to_masked(), text);
    }
}

#[test]
fn huge_queries_are_refused_at_once_and_the_largest_allowed_are_answered() {
    assert!(Query::parse(&"x ".repeat(LENGTH_MAX)).is_err());
    assert!(Query::parse(&"x ".repeat(TERMS_MAX)).is_ok());
    assert!(Query::parse(&"x ".repeat(TERMS_MAX + 1)).is_err());
    let deep = |depth: usize| format!("{}x{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Query::parse(&deep(DEPTH_MAX - 1)).is_ok());
    assert!(Query::parse(&deep(DEPTH_MAX)).is_err());
    assert!(Query::parse(&"(".repeat(LENGTH_MAX)).is_err());
    assert!(Query::parse(&"not ".repeat(1000)).is_err());
    let now = Timestamp::from_millis(1_795_000_000_000);
    let nets: Vec<String> = (0..100).map(|n| format!("net:10.{n}.0.0/16")).collect();
    let query = Query::parse(&nets.join(" or ")).unwrap_or_else(|problem| panic!("{}", problem.reason));
    assert!(plan(&query, now).is_err_and(|problem| problem.reason.contains("too many")));
}

#[test]
fn a_search_without_a_beginning_or_an_index_is_bounded() {
    let now = Timestamp::from_millis(1_795_000_000_000);
    let of = |text: &str| plan(&Query::parse(text).unwrap_or_else(|p| panic!("{}", p.show(text))), now);
    assert!(of("").unwrap().window.is_default);
    assert!(of("all: country:JP").is_err_and(|problem| problem.reason.contains("after:")));
    assert!(!of("all: from:a@example.jp").unwrap().window.is_default);
    assert!(of("all: (from:a@example.jp or country:JP)").is_err());
    assert!(of("after:1990-01-01 country:JP").unwrap().probes.is_empty());
    assert!(of("after:3d before:5d").unwrap().is_empty());
    for (text, is_in_order) in [
        ("from:a@example.jp after:3d", true),
        ("from:a@example.jp event:held", false),
        ("net:192.0.2.0/24", true),
        ("net:192.0.2.0/23", false),
        ("ip:192.0.2.7", false),
    ] {
        assert_eq!(of(text).unwrap().is_in_order(), is_in_order, "{text}");
    }
    assert!(of("not after:3d").unwrap().window.is_default);
    assert_eq!(of("not before:3d").unwrap().window.from, now.as_millis() - 3 * 86_400_000);
}

#[test]
fn a_branch_that_names_no_beginning_reaches_30_days_back_and_cuts_no_other_short() {
    let now = Timestamp::parse_rfc3339("2026-11-27T03:00:00Z").unwrap();
    let of =
        |text: &str| plan(&Query::parse(text).unwrap_or_else(|p| panic!("{}", p.show(text))), now).unwrap();
    let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap().as_millis();
    let (far, month) = (at("2026-03-01T00:00:00+09:00"), now.as_millis() - 30 * 86_400_000);
    for (text, from, is_whole, of_branches) in [
        ("from:a@example.jp after:2026-03-01 or order:A-1", far, false, true),
        ("store:x (order:A-1 or from:a@example.jp after:2026-03-01)", far, false, true),
        ("after:2026-03-01 (order:A-1 or from:a@example.jp after:2026-05-01)", far, false, false),
        ("order:A-1 or from:a@example.jp", month, true, false),
        ("order:A-1 or not from:a@example.jp before:2026-11-20", month, true, false),
        ("from:a@example.jp after:2026-03-01 or order:A-1 after:2026-04-01", far, false, false),
    ] {
        let window = of(text).window;
        assert_eq!((window.is_default, window.is_default_of_branches), (is_whole, of_branches), "{text}");
        if text.contains("before:") {
            assert!(window.from < window.until, "{text}");
        } else {
            assert_eq!(window.from, from, "{text}");
        }
    }
    let row = |at: i64, order: bool| {
        let mut row = Row { id: 1, at, texts: vec![None; TEXTS], ..Row::default() };
        row.numbers = vec![None; Column::ALL.len() - TEXTS];
        let number = |kind: i64| Some(kind * 1000 + quarter_of(at));
        let place = Column::ALL.iter().position(|c| *c == if order { Column::Order } else { Column::From });
        row.numbers[place.unwrap() - TEXTS] = number(if order { 3 } else { 1 });
        row
    };
    let plan = of("from:a@example.jp after:2026-03-01 or order:A-1");
    let old = at("2026-04-01T00:00:00Z");
    assert!(plan.holds(&row(old, false)) && !plan.holds(&row(old, true)));
    assert!(plan.holds(&row(now.as_millis() - 1, true)));
    assert!(plan.explain().contains("where a branch names no beginning"), "{}", plan.explain());
}

#[test]
fn ids_behind_the_window_are_looked_at_where_that_costs_little() {
    let now = Timestamp::parse_rfc3339("2026-11-27T03:00:00Z").unwrap();
    let of =
        |text: &str| plan(&Query::parse(text).unwrap_or_else(|p| panic!("{}", p.show(text))), now).unwrap();
    for (text, is_read) in [
        ("from:a@example.jp", true),
        ("country:JP after:3d", true),
        ("from:a@example.jp before:2026-11-20", true),
        ("hash:0707070707070707070707070707070707070707070707070707070707070707 on:2026-11-20", true),
        ("net:192.0.2.0/24 before:2026-11-20", false),
        ("country:JP on:2026-11-20", false),
        ("after:3d before:5d", false),
    ] {
        let beyond = of(text).beyond();
        assert_eq!(!beyond.is_empty(), is_read, "{text}");
        assert!(beyond.windows(2).all(|pair| pair[0].until == pair[1].from), "{text}: {beyond:?}");
        assert!(beyond.last().is_none_or(|last| last.until == i64::MAX), "{text}: {beyond:?}");
    }
    let plan = of("from:a@example.jp on:2026-11-20");
    let row = |text: &str| Row { at: Timestamp::parse_rfc3339(text).unwrap().as_millis(), ..Row::default() };
    assert!(plan.is_within(&row("2026-11-20T00:00:00Z")) && !plan.is_within(&row("2026-11-21T00:00:00Z")));
}

#[test]
fn behind_all_that_has_happened_no_stretch_is_named() {
    let now = Timestamp::parse_rfc3339("2026-11-27T03:00:00Z").unwrap();
    for text in ["domain:example.jp after:2026-01-01", "answers:<a@b.jp> before:2026-02-01"] {
        let query = Query::parse(text).unwrap();
        let plan = plan(&query, now).unwrap();
        let bound = |slice: &Slice| {
            // Ids begin with milliseconds since 2026.
            let id = |millis: i64| (millis - 1_767_225_600_000).clamp(0, (1 << 41) - 1) << 22;
            let span = IdSpan { from: id(slice.from), until: id(slice.until), quarters: slice.quarters };
            plan.rows(plan.probes.first(), span, 10).map_or(0, |statement| statement.bound.len())
        };
        let most_bound = plan.beyond().iter().map(bound).max().unwrap();
        assert!((1..=100).contains(&most_bound), "{text}: {most_bound}");
    }
}

#[test]
fn parts_are_the_window_without_gaps_and_have_the_numbers_of_all_their_quarters() {
    let now = Timestamp::parse_rfc3339("2027-01-10T00:00:00Z").unwrap();
    let query = Query::parse("from:a@example.jp after:2026-01-01").unwrap_or_else(|p| panic!("{}", p.reason));
    let plan = plan(&query, now).unwrap();
    let slices = plan.slices();
    let day = 86_400_000;
    let cuts: Vec<i64> = (1..5).map(|n| plan.window.until - n * 92 * day).collect();
    let apart = [plan.window.until + day, plan.window.from - day];
    for (cuts, count) in [(&cuts[..], 5), (&apart, 1), (&[], 1)] {
        let parts = plan.parts(cuts);
        assert_eq!(parts.len(), count);
        assert!(parts.windows(2).all(|pair| pair[0].from == pair[1].until));
        assert_eq!(parts.first().map(|part| part.until), slices.first().map(|slice| slice.until));
        assert_eq!(parts.last().map(|part| part.from), slices.last().map(|slice| slice.from));
        for slice in &slices {
            let over = |part: &&Slice| part.from < slice.until && slice.from < part.until;
            assert!(parts.iter().filter(over).all(|part| part.quarters.0 <= slice.quarters.1));
        }
    }
}

#[test]
fn a_slice_at_the_border_of_quarters_has_the_numbers_of_both() {
    let now = Timestamp::parse_rfc3339("2027-01-10T00:00:00Z").unwrap();
    let query = Query::parse("from:a@example.jp after:2026-09-01").unwrap_or_else(|p| panic!("{}", p.reason));
    let plan = plan(&query, now).unwrap();
    let slices = plan.slices();
    let lengths: Vec<i64> = slices.iter().map(|slice| slice.quarters.1 - slice.quarters.0 + 1).collect();
    assert_eq!(lengths, [1, 2, 1, 2, 1]);
    assert!(slices.windows(2).all(|pair| pair[0].from == pair[1].until));
    assert!(slices.first().is_some_and(|s| s.until > plan.window.until));
    assert!(slices.last().is_some_and(|s| s.from < plan.window.from));
}

#[test]
fn completion_knows_words_and_closed_values() {
    let texts = |text: &str, at: usize| -> Vec<String> {
        complete(text, at).items.into_iter().map(|(item, _)| item).collect()
    };
    assert_eq!(texts("from:x co", 9), ["country:"]);
    assert_eq!(texts("event:hel", 9), ["held"]);
    assert_eq!(texts("-auth:dmarc=p", 13), ["dmarc=pass", "dmarc=policy", "dmarc=permerror"]);
    assert_eq!(texts("(flag:gu", 8), ["guest"]);
    assert_eq!(texts("order:x o", 9), ["order:", "origin:", "on:", "or "]);
    assert!(texts("from:\"a b", 9).is_empty() && texts("store:", 6).is_empty());
    assert_eq!(texts("", 0).len(), Word::ALL.len());
    let completion = complete("size:>1k ev", 11);
    assert_eq!(completion.replaces, Span { start: 9, end: 11 });
}

proptest! {
    #[test]
    fn what_is_printed_reads_as_the_same(made in random::made()) {
        let query = random::query(&made);
        let text = query.to_text();
        let again = Query::parse(&text);
        prop_assert!(again.is_ok_and(|again| again == query && again.to_text() == text), "{text}");
    }

    #[test]
    fn no_text_stops_the_reader(text in "\\PC{0,80}", cursor in 0_usize..100) {
        if let Err(problem) = Query::parse(&text) {
            prop_assert!(problem.show(&text).lines().count() >= 3);
        }
        let completion = complete(&text, cursor);
        prop_assert!(text.get(completion.replaces.start..completion.replaces.end).is_some());
    }

    #[test]
    fn every_query_has_a_plan_or_a_reason_and_its_statements_hold_no_value(made in random::made()) {
        let query = random::query(&made);
        let now = Timestamp::from_millis(1_795_000_000_000);
        let Ok(plan) = plan(&query, now) else { return Ok(()) };
        prop_assert!(!plan.explain().contains('@'), "{}", plan.explain());
        for slice in plan.slices() {
            let span = IdSpan { from: 1, until: 2, quarters: slice.quarters };
            let statements = plan.probes.iter().map(Some).chain([None]);
            let few = plan.probes.iter().filter_map(|probe| plan.few(probe, span, 5));
            for statement in statements.filter_map(|probe| plan.rows(probe, span, 5)).chain(few) {
                let is_plain = |c: char| c.is_ascii_alphanumeric() || " _.,()<>=$*&+".contains(c);
                prop_assert!(statement.text.chars().all(is_plain), "{}", statement.text);
            }
        }
    }
}
