//! `anshin log rule`: the rules, and what one would have found.
//!
//! Rules: a test is a search: it is entered for the audit, and its rows name nobody. It keeps of each row that is counted 24 octets,
//! and of the newest ones what is shown.
//! When it fails: a flaw at its word, or a fault of the search.

use super::arguments::Common;
use super::arguments_rule::RuleCommand;
use super::log_rows::{self, Clock};
use super::log_search::{Progress, told, warn_of_cost};
use super::output::{Failure, print, table};
use super::{desk, process, rules};
use crate::detect::{Counting, Rule, Rules};
use crate::mail::Timestamp;
use crate::query::in_japan;
use crate::relay::{FoundLine, Searcher};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// Over which time hits are counted.
const HITS: Duration = Duration::from_secs(30 * 86_400);
/// Most rows that are counted.
const COUNTED_MAX: usize = 5_000_000;
/// Most rows that are kept to be shown.
const KEPT_MAX: usize = 5000;

pub(super) async fn run(command: RuleCommand, common: &Common) -> Result<(), Failure> {
    let config = process::load(common, &[])?;
    match command {
        RuleCommand::List => list(&rules::of(&config)?, common),
        RuleCommand::Show { name } => {
            let all = rules::of(&config)?;
            let rule = named(&all, &name)?;
            print(common, &document(rule), &rule.text);
        }
        RuleCommand::Hits => hits(common).await?,
        RuleCommand::Check { files } if files.is_empty() => {
            let count = rules::of(&config)?.iter().count();
            print(common, &json!({ "ok": true, "rules": count }), &format!("{count} rules: good"));
        }
        RuleCommand::Check { files } => {
            let files: Vec<_> = files.iter().map(|path| rules::file(path)).collect::<Result<_, _>>()?;
            Rules::with_files(&files).map_err(|flaws| rules::told(&flaws))?;
            print(common, &json!({ "ok": true, "rules": files.len() }), "good");
        }
        RuleCommand::Test { rule, sample, utc } => {
            let path = Path::new(&rule);
            let all = match path.extension().is_some_and(|extension| extension == "rule") {
                true => {
                    let (file, text) = rules::file(path)?;
                    let one = Rule::parse(&file, &text).map_err(|flaw| rules::told(&[flaw]))?;
                    return test(&one, usize::from(sample), Clock::of(utc), common).await;
                }
                false => rules::of(&config)?,
            };
            test(named(&all, &rule)?, usize::from(sample), Clock::of(utc), common).await?;
        }
    }
    Ok(())
}

fn named<'r>(rules: &'r Rules, name: &str) -> Result<&'r Rule, Failure> {
    rules.named(name).ok_or_else(|| Failure::new("no rule has this name: `anshin log rule list` has them"))
}

fn document(rule: &Rule) -> Value {
    json!({
        "name": rule.name, "version": rule.version, "mode": rule.mode.as_str(), "budget": rule.budget, "owner": rule.owner,
        "expires": rule.expires.to_rfc3339(), "is_over": !rule.is_good_at(Timestamp::now()), "file": rule.file,
        "ja": rule.ja, "en": rule.en, "when": rule.when.to_masked(),
    })
}

fn list(rules: &Rules, common: &Common) {
    let now = Timestamp::now();
    let rows: Vec<Vec<String>> = rules
        .iter()
        .map(|rule| {
            let until = if rule.is_good_at(now) { "" } else { " (over)" };
            // The last day that is whole.
            let last = in_japan(Timestamp::from_millis(rule.expires.as_millis() - 1));
            vec![
                rule.name.clone(),
                rule.version.to_string(),
                rule.mode.as_str().to_owned(),
                rule.budget.to_string(),
                rule.owner.clone(),
                format!("{}{until}", last.get(..10).unwrap_or(&last)),
                rule.file.clone().unwrap_or_else(|| "built in".into()),
            ]
        })
        .collect();
    let head = ["name", "version", "mode", "budget", "owner", "until", "from"];
    print(common, &Value::Array(rules.iter().map(document).collect()), &table(&head, &rows));
}

async fn hits(common: &Common) -> Result<(), Failure> {
    let (_, relay) = desk::relay(common, "log rule hits").await?;
    let since = Timestamp::now().before(HITS);
    let found = relay.rule_hits(since, &Searcher::Account(desk::account(&relay))).await?;
    let document: Vec<Value> =
        found.iter().map(|hit| json!({ "rule": hit.rule, "mode": hit.mode, "hits": hit.n })).collect();
    let rows: Vec<Vec<String>> =
        found.iter().map(|hit| vec![hit.rule.clone(), hit.mode.clone(), hit.n.to_string()]).collect();
    print(common, &Value::Array(document), &table(&["rule", "mode", "30 days"], &rows));
    Ok(())
}

/// What a rule found.
#[derive(Default)]
struct Hits {
    rows: u64,
    days: BTreeMap<String, u64>,
    stores: BTreeMap<String, BTreeSet<String>>,
    sample: Vec<FoundLine>,
}

impl Hits {
    fn add(&mut self, at: Timestamp, store: Option<&str>) {
        let day = in_japan(at).get(..10).unwrap_or_default().to_owned();
        self.rows += 1;
        *self.days.entry(day.clone()).or_default() += 1;
        self.stores.entry(day).or_default().insert(store.unwrap_or("-").to_owned());
    }
}

async fn test(rule: &Rule, sample: usize, clock: Clock, common: &Common) -> Result<(), Failure> {
    let (_, relay) = desk::relay(common, "log rule test").await?;
    let searcher = Searcher::Account(desk::account(&relay));
    let begun = relay.search(&rule.when, Timestamp::now(), &searcher, None).await;
    let mut search = begun.map_err(|fault| told(fault, &rule.when.to_text(), common))?;
    warn_of_cost(&mut search).await?;
    let window = search.plan().window;
    let (mut hits, mut counted, mut kept) = (Hits::default(), Vec::new(), HashMap::new());
    let mut progress = Progress::new();
    while let Some(found) = progress.step(&mut search).await? {
        for found in found {
            let Some(threshold) = rule.threshold else {
                hits.add(found.line.at, found.line.store.as_deref());
                if hits.sample.len() < sample {
                    hits.sample.push(found.line);
                }
                continue;
            };
            if let Some(value) = found.row.number(threshold.by) {
                counted.push((found.line.at.as_millis(), value, found.id));
                if kept.len() < KEPT_MAX {
                    kept.insert(found.id, found.line);
                }
            }
            if counted.len() > COUNTED_MAX {
                return Err(Failure::new("more rows than are counted: let the rule ask for less"));
            }
        }
    }
    progress.end();
    if let Some(threshold) = rule.threshold {
        let mut counting = Counting::new(threshold);
        counted.sort_unstable();
        counted.retain(|(at, value, _)| counting.comes(*value, *at));
        for (at, _, id) in counted.iter().rev() {
            let line = kept.remove(id);
            let store = line.as_ref().and_then(|line| line.store.clone());
            hits.add(Timestamp::from_millis(*at), store.as_deref());
            hits.sample.extend(line.filter(|_| hits.sample.len() < sample));
        }
    }
    let (from, until) = (Timestamp::from_millis(window.from), Timestamp::from_millis(window.until));
    let over = hits.days.iter().filter(|(_, n)| **n > u64::from(rule.budget)).count();
    let rows: Vec<Value> = hits.sample.iter().map(FoundLine::to_json).collect();
    let days: Vec<Value> = hits
        .days
        .iter()
        .map(|(day, n)| json!({ "day": day, "hits": n, "stores": hits.stores.get(day).map_or(0, BTreeSet::len) }))
        .collect();
    let document = json!({
        "rule": document(rule), "from": from.to_rfc3339(), "until": until.to_rfc3339(), "hits": hits.rows, "days": days,
        "days_over_budget": over, "sample": rows,
    });
    print(common, &document, &text(rule, &hits, over, (from, until), clock));
    Ok(())
}

fn text(
    rule: &Rule,
    hits: &Hits,
    over: usize,
    (from, until): (Timestamp, Timestamp),
    clock: Clock,
) -> String {
    let mut shown = format!("{} ({})\n{}\n{}\n", rule.id(), rule.mode.as_str(), rule.ja, rule.en);
    let _ = writeln!(shown, "from {} until {}: {} hits\n", clock.show(from), clock.show(until), hits.rows);
    for (day, n) in &hits.days {
        let mark = if *n > u64::from(rule.budget) { "  over the budget" } else { "" };
        let stores = hits.stores.get(day).map_or(0, BTreeSet::len);
        let _ = writeln!(shown, "{day}  {n:>9}  at {stores} stores{mark}");
    }
    if over > 0 {
        let _ = writeln!(shown, "{over} days over the budget of {}", rule.budget);
    }
    if !hits.sample.is_empty() {
        let _ = writeln!(shown, "\n{}", log_rows::COLUMNS);
    }
    for line in &hits.sample {
        let _ = writeln!(shown, "{}", log_rows::text(line, clock));
    }
    shown
}
