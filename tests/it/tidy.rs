//! Style as a test over the sources: what neither the compiler nor clippy can hold.
//!
//! Rules: the order of `pub mod` in `src/lib.rs` is the order of the floors, and a floor uses itself and those above it
//! in that list; the pure floors know no I/O; an exception stands in a list below with its reason and is an error once
//! it is idle. The sources are read as lines, formatted by rustfmt: good enough, and nothing to maintain.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file, in lines.
const MAX_LINES: usize = 450;

/// Files that may be longer, each with its reason.
const LONG: [(&str, &str); 0] = [];

/// Files that may look at a real address, each with its reason.
const MAY_REVEAL: [(&str, &str); 52] = [
    ("src/mail/address.rs", "defines it"),
    ("src/anonymize/gate.rs", "what the gate searches for"),
    ("src/anonymize/search.rs", "what the rewriter searches for"),
    ("src/cli/demo/mailbox.rs", "the demo's own people, shown to whoever runs it"),
    ("src/egress/outcomes.rs", "what a server said, into the sealed record"),
    ("src/egress/tls_report/mail.rs", "the reader of a TLS report, whose address stands in the DNS"),
    ("src/egress/transport.rs", "the domain of the next hop"),
    (
        "src/ingress/connection/checks.rs",
        "the reverse-path, to a filter on this machine or in a private network",
    ),
    ("src/config/cross.rs", "the domain of the operator's mailbox"),
    ("src/ingress/connection.rs", "envelope, HELO: to the relay's decisions"),
    ("src/ingress/connection/auth.rs", "a password: to its check"),
    ("src/ingress/limiter.rs", "a reverse-path into a hash under a key of the process"),
    ("src/query/print.rs", "a query as text, for whoever typed it, and sealed for the audit"),
    ("src/relay/accept.rs", "into sealed rows and keyed indexes"),
    ("src/relay/behind.rs", "who is behind an alias, for a person at the desk"),
    ("src/relay/correction.rs", "into sealed rows, and the recipients of the question and of the warning"),
    ("src/relay/desk.rs", "a customer's address, for a person at the desk"),
    ("src/relay/domains.rs", "the class of an address, by its domain"),
    ("src/relay/draft.rs", "into a sealed row"),
    ("src/relay/envelope.rs", "ORCPT, into a sealed row"),
    (
        "src/relay/export.rs",
        "a person's own addresses, for the person, by the desk; the other party's, to mask them",
    ),
    ("src/relay/facts.rs", "domains, into keyed numbers"),
    ("src/relay/leg.rs", "into the recipient's side of a message"),
    (
        "src/relay/menu/forgotten.rs",
        "whether two registered addresses are spelled alike: each spelling gets its own",
    ),
    ("src/relay/menu/first_address.rs", "whom people of a store are written to, into a sealed row"),
    ("src/relay/menu/one_login.rs", "the same of one who signs in elsewhere, for the store's address"),
    ("src/relay/menu/people.rs", "the address of a person of a store, into a sealed row"),
    ("src/relay/menu/senders.rs", "a store's registered addresses, for its own people; into sealed rows"),
    ("src/relay/menu/sign_in.rs", "the same of the first one"),
    ("src/relay/menu/test_mail.rs", "a registered address, into a mail to itself"),
    ("src/relay/merchants.rs", "into sealed rows"),
    ("src/relay/notice.rs", "what a notice must not hold, into a sealed row"),
    (
        "src/relay/own.rs",
        "the recipient of a message of our own, and what it must not hold, into a sealed row",
    ),
    ("src/relay/orders.rs", "into sealed rows"),
    ("src/relay/past.rs", "into sealed rows"),
    ("src/relay/postmaster.rs", "who wrote to the operator, for the operator"),
    ("src/relay/refused.rs", "into a sealed row"),
    ("src/relay/registered.rs", "registered addresses that were taken off, into a sealed row"),
    ("src/relay/search/mod.rs", "whether an address is one of ours"),
    ("src/relay/search/names.rs", "into keyed numbers"),
    ("src/relay/routing.rs", "whether a local part is a token of ours"),
    ("src/senders/signed/mod.rs", "the domain in From"),
    ("src/senders/mod.rs", "the reverse-path, for SPF"),
    ("src/relay/reroute.rs", "the recipient's domain, for its lane"),
    ("src/relay/tls.rs", "the reader of a TLS report, into a keyed index"),
    ("src/smtp/auth.rs", "defines it for credentials"),
    ("src/smtp/client/command.rs", "RCPT TO on the wire"),
    ("src/smtp/client/remote_text.rs", "defines it for what servers say"),
    ("src/smtp/params.rs", "defines it for ENVID and ORCPT"),
    ("src/smtp/server/event.rs", "defines it for EHLO names"),
    ("src/vault/index.rs", "into keyed indexes"),
    ("src/vault/period.rs", "into keyed numbers"),
];

/// Floors without I/O, clock and randomness, and what would bring it in.
const PURE: [&str; 9] =
    ["mail", "ledger", "mime", "document", "anonymize", "smtp", "schedule", "query", "detect"];
const IMPURE: [&str; 8] =
    ["tokio", "async fn", "std::fs", "std::env", "std::process", "TcpStream", "getrandom", "Timestamp::now("];

/// What stops the process, or is left for later.
const PANICS: [&str; 6] = [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "unreachable!("];

/// Paths of some machine. Put together here so that this file does not hold them.
const MACHINES: [&str; 4] =
    [concat!("/", "root/"), concat!("/", "home/"), concat!("/", "tmp/"), concat!("/", "work/")];

/// One source file: its path from the top of the tree and its lines, comments emptied.
struct Source {
    path: String,
    text: String,
    /// Line number from 1, code without comments, whether only tests compile it.
    lines: Vec<(usize, String, bool)>,
}

impl Source {
    /// The floor, for a file below `src`; `None` for `lib.rs` and `main.rs`.
    fn floor(&self) -> Option<&str> {
        self.path.strip_prefix("src/")?.split_once('/').map(|(floor, _)| floor)
    }

    /// How many modules deep the file is: 1 for `src/mail/mod.rs`, 2 for `src/mail/alias.rs`.
    fn depth(&self) -> usize {
        self.path.matches('/').count() - usize::from(self.path.ends_with("/mod.rs"))
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(below: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![top().join(below)];
    while let Some(path) = open.pop() {
        // What was built is nobody's to read.
        if path.ends_with("target") {
            continue;
        }
        // What cargo built of the crate in tests/fuzz is nobody's source.
        if path.is_dir() && path.ends_with("fuzz/target") {
            continue;
        }
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.exists() {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources(below: &str) -> Vec<Source> {
    let rust = files(below).into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs"));
    let mut sources: Vec<Source> = rust.map(|path| read(&path)).collect();
    assert!(!sources.is_empty());
    // `#[cfg(test)] mod name;` makes the whole file, and all below it, a test.
    let mut test_modules = Vec::new();
    for source in &sources {
        let parent =
            source.path.strip_suffix("mod.rs").map_or_else(|| source.path.replace(".rs", "/"), str::to_owned);
        for (_, code, _) in
            source.lines.iter().filter(|(_, code, test)| *test && code.trim_end().ends_with(';'))
        {
            if let Some((_, name)) = code.trim_end_matches(';').split_once("mod ") {
                test_modules.push(format!("{parent}{name}"));
            }
        }
    }
    for source in &mut sources {
        let is_below = |module: &String| {
            source.path == format!("{module}.rs") || source.path.starts_with(&format!("{module}/"))
        };
        if test_modules.iter().any(is_below) {
            source.lines.iter_mut().for_each(|line| line.2 = true);
        }
    }
    sources
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    parse(path.strip_prefix(top()).unwrap().display().to_string(), text)
}

fn parse(path: String, text: String) -> Source {
    let mut lines = Vec::new();
    // The indentation of an item behind `#[cfg(test)]`, until the line that ends it.
    let mut test_item: Option<usize> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let code =
            if line.trim_start().starts_with("//") { "" } else { line.split(" // ").next().unwrap_or(line) };
        let indent = line.len() - line.trim_start().len();
        let starts = test_item.is_none() && code.trim() == "#[cfg(test)]";
        if starts {
            test_item = Some(indent);
        }
        lines.push((number, code.to_owned(), test_item.is_some()));
        let ends = indent == test_item.unwrap_or(usize::MAX)
            && !starts
            && (code.trim_end().ends_with('}') || code.trim_end().ends_with([';', ',']));
        if ends {
            test_item = None;
        }
    }
    Source { path, text, lines }
}

/// The floors that a source names, each with its line: `crate::x::…` and `crate::{x::…, y}`, also over several lines.
fn named_floors(source: &Source) -> Vec<(usize, String)> {
    let code: Vec<&str> = source.lines.iter().map(|(_, code, _)| code.as_str()).collect();
    let code = code.join("\n");
    let mut named = Vec::new();
    for (at, path) in code.match_indices("crate::") {
        let number = code[..at].lines().count().max(1);
        let rest = &code[at + path.len()..];
        for name in rest.strip_prefix('{').map_or_else(|| vec![rest], members) {
            let word = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            named.push((number, word));
        }
    }
    named
}

/// The members of a `{…}` group, which begins behind its brace, without looking into inner groups.
fn members(group: &str) -> Vec<&str> {
    let (mut members, mut start, mut open) = (Vec::new(), 0, 1);
    for (at, c) in group.char_indices() {
        open = if c == '{' { open + 1 } else { open - usize::from(c == '}') };
        if open == 0 || (open == 1 && c == ',') {
            members.push(&group[start..at]);
            start = at + 1;
        }
        if open == 0 {
            break;
        }
    }
    members
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn a_floor_uses_only_itself_and_lower_floors() {
    let lib = fs::read_to_string(top().join("src/lib.rs")).unwrap();
    let floors: Vec<&str> =
        lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(floors.len() > 5, "{floors:?}");
    let height = |name: &str| floors.iter().position(|floor| *floor == name);
    let mut wrong = Vec::new();
    for source in sources("src") {
        let Some(own) = source.floor() else { continue };
        for (number, other) in named_floors(&source) {
            if height(&other) > height(own) {
                wrong.push(format!("{}:{number}: {own} lies below {other} and may not use it", source.path));
            }
        }
        // Within a module written into the file, such as `mod tests {`, everything is one deeper.
        let mut inline = false;
        for (number, code, _) in &source.lines {
            inline = (inline && code != "}") || (code.contains("mod ") && code.ends_with('{'));
            let depth = source.depth() + usize::from(inline);
            let climbs = code
                .split(|c: char| c != ':' && !c.is_alphanumeric())
                .map(|path| path.matches("super::").count());
            if climbs.max() >= Some(depth) {
                wrong.push(format!(
                    "{}:{number}: leaves its floor by super::; name it by crate::",
                    source.path
                ));
            }
        }
    }
    none(&wrong);
}

#[test]
fn a_pure_floor_has_no_input_output_clock_or_randomness() {
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|s| s.floor().is_some_and(|f| PURE.contains(&f))) {
        for (number, code, _) in source.lines.iter().filter(|(_, _, test)| !test) {
            let found = IMPURE.iter().filter(|word| code.contains(**word));
            wrong.extend(found.map(|word| format!("{}:{number}: {word} in a pure floor", source.path)));
        }
    }
    none(&wrong);
}

#[test]
fn nothing_outside_tests_panics() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        for (number, code, _) in source.lines.iter().filter(|(_, _, test)| !test) {
            let found = PANICS.iter().filter(|word| code.contains(**word));
            wrong.extend(found.map(|word| format!("{}:{number}: {word}", source.path)));
        }
    }
    none(&wrong);
}

#[test]
fn a_real_address_is_revealed_only_in_the_listed_files() {
    let mut wrong = Vec::new();
    let mut idle: Vec<&str> = MAY_REVEAL.iter().map(|(path, _)| *path).collect();
    for source in sources("src") {
        let mut lines = source.lines.iter().filter(|(_, code, test)| !test && code.contains("reveal"));
        let Some((number, ..)) = lines.next() else { continue };
        if MAY_REVEAL.iter().any(|(path, _)| *path == source.path) {
            idle.retain(|path| *path != source.path);
        } else {
            wrong.push(format!("{}:{number}: reveals and is not in MAY_REVEAL", source.path));
        }
    }
    wrong.extend(idle.iter().map(|path| format!("{path}: in MAY_REVEAL without need")));
    none(&wrong);
}

#[test]
fn every_file_begins_with_what_it_is_for_and_stays_short() {
    let mut wrong = Vec::new();
    let mut idle: Vec<&str> = LONG.iter().map(|(path, _)| *path).collect();
    for source in sources("src").into_iter().chain(sources("tests")) {
        if !source.text.starts_with("//! ") {
            wrong.push(format!("{}: does not begin with //!", source.path));
        }
        if source.lines.len() > MAX_LINES && idle.contains(&source.path.as_str()) {
            idle.retain(|path| *path != source.path);
        } else if source.lines.len() > MAX_LINES {
            wrong.push(format!(
                "{}: {} lines; split it, or say in LONG why not",
                source.path,
                source.lines.len()
            ));
        }
    }
    wrong.extend(idle.iter().map(|path| format!("{path}: in LONG without need")));
    none(&wrong);
}

#[test]
fn no_test_is_skipped_or_sleeps_and_there_is_one_integration_binary() {
    let mut wrong = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        for (number, code, _) in &source.lines {
            let attribute = code.trim_start();
            let is_ignored = attribute.starts_with("#[ignore")
                || (attribute.starts_with("#[cfg_attr(") && attribute.contains("ignore"));
            if is_ignored || code.contains(concat!("thread::", "sleep")) {
                wrong.push(format!("{}:{number}: {}", source.path, code.trim()));
            }
        }
        let outside = source
            .path
            .strip_prefix("tests/")
            .is_some_and(|rest| !rest.starts_with("it/") && !rest.starts_with("fuzz/"));
        if outside {
            wrong.push(format!(
                "{}: would be a binary of its own; put it into tests/it, or tests/fuzz, which is a crate",
                source.path
            ));
        }
    }
    none(&wrong);
}

#[test]
fn no_file_names_a_path_of_some_machine() {
    let mut wrong = Vec::new();
    let places =
        [".ci", ".cargo", "benches", "certs", "deploy", "docs", "fixtures", "migrations", "src", "tests"];
    let pages = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "Cargo.toml", "clippy.toml", "deny.toml"];
    for path in
        places.iter().chain(&pages).filter(|place| top().join(place).exists()).flat_map(|place| files(place))
    {
        // What is no text holds no path for a person.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            let found = MACHINES.iter().filter(|word| line.contains(**word));
            wrong.extend(found.map(|word| format!("{}:{number}: {word}", path.display())));
        }
    }
    none(&wrong);
}

#[test]
fn every_column_of_every_migration_has_a_comment() {
    let mut wrong = Vec::new();
    let migrations = top().join("migrations");
    for path in migrations.exists().then(|| files("migrations")).into_iter().flatten() {
        let mut in_table = false;
        for (number, line) in (1..).zip(fs::read_to_string(&path).unwrap().lines()) {
            in_table = (in_table || line.starts_with("CREATE TABLE")) && !line.starts_with(')');
            // Constraints are written in upper case, columns in lower.
            let column = in_table
                && line.starts_with("    ")
                && line.trim_start().starts_with(|c: char| c.is_ascii_lowercase());
            let added = line.contains("ADD COLUMN");
            if (column || added) && !line.contains("-- ") {
                wrong.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    none(&wrong);
}

#[test]
fn these_tests_see_floors_and_test_items_as_they_are_written() {
    let text = "use crate::{\n    mail::{Alias, Domain},\n    vault,\n};\nuse crate::store::{Row, Key};\n\
        // crate::web in a comment\nlet a = crate::relay::B + crate::{web, cli};\n";
    let named: Vec<_> =
        named_floors(&parse("src/store/a.rs".into(), text.into())).into_iter().map(|(_, n)| n).collect();
    assert_eq!(named, ["mail", "vault", "", "store", "relay", "web", "cli"]);

    let text = "fn a() {\n    b();\n}\n\n#[cfg(test)]\nuse c::d;\nfn e() {}\n#[cfg(test)]\nmod tests {\n    fn f() {\n    }\n}\nfn g() {}\n";
    let tests: Vec<_> =
        parse("src/mail/a.rs".into(), text.into()).lines.into_iter().filter(|l| l.2).map(|l| l.0).collect();
    assert_eq!(tests, [5, 6, 8, 9, 10, 11, 12]);
    assert_eq!(parse("src/mail/a/b.rs".into(), String::new()).depth(), 3);
}
