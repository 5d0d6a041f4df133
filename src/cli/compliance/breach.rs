//! `anshin compliance breach`: the register of breaches, its clocks, and the page for the report.

use super::page::{Page, time};
use crate::cli::arguments::Common;
use crate::cli::desk;
use crate::cli::output::{Failure, print, table};
use crate::cli::process;
use crate::config::Compliance;
use crate::mail::Timestamp;
use crate::relay::{Breach, BreachFacts, Breached, Clock, ReportStage};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(in crate::cli) enum BreachCommand {
    /// Enter a breach. From when it came to be known the clocks of the law run.
    Add {
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
        #[command(flatten)]
        facts: Box<FactArguments>,
    },
    /// Add to a breach what is known by now; what is left out stays as it was.
    Set {
        /// The breach, as the list shows it.
        breach: String,
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
        #[command(flatten)]
        facts: Box<FactArguments>,
    },
    /// Note that a report was made.
    Reported {
        /// The breach.
        breach: String,
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
        /// What was breached.
        #[arg(long, value_name = "WHAT", value_parser = Breached::ALL.map(Breached::as_str))]
        breached: String,
        /// Which report.
        #[arg(long, value_parser = ["first", "full"])]
        stage: String,
        /// When [default: now].
        #[arg(long, value_name = "RFC3339")]
        at: Option<String>,
    },
    /// Close a breach whose reports are all made.
    Close {
        /// The breach.
        breach: String,
        /// Your name.
        #[arg(long, value_name = "NAME")]
        actor: String,
    },
    /// List the breaches with what is due when. Exit status 1 where a report is overdue.
    List,
    /// Show one.
    Show {
        /// The breach.
        breach: String,
    },
    /// Write the page of a report in Japanese, with the ten items of the first report.
    Report {
        /// The breach.
        breach: String,
        /// The file to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Count what a span of time touched: records, conversations, customers, stores.
    Affected {
        /// Only what is of this store.
        #[arg(long, value_name = "ID")]
        store_id: Option<String>,
        /// From then on.
        #[arg(long, value_name = "RFC3339")]
        from: String,
        /// Before then [default: now].
        #[arg(long, value_name = "RFC3339")]
        until: Option<String>,
    },
}

/// What is known of a breach.
#[derive(clap::Args)]
pub(in crate::cli) struct FactArguments {
    /// What was breached; may be given several times.
    #[arg(long, value_name = "WHAT", value_parser = Breached::ALL.map(Breached::as_str))]
    breached: Vec<String>,
    /// When it occurred.
    #[arg(long, value_name = "RFC3339")]
    occurred: Option<String>,
    /// When it came to be known.
    #[arg(long, value_name = "RFC3339")]
    known: Option<String>,
    /// Whether somebody meant harm.
    #[arg(long)]
    malicious: Option<bool>,
    /// (3) What happened, and how it came to be known.
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,
    /// (4) Which information leaked.
    #[arg(long, value_name = "TEXT")]
    information: Option<String>,
    /// (5) Of how many persons; see `affected`.
    #[arg(long, value_name = "COUNT")]
    persons: Option<u64>,
    /// (6) Why it happened.
    #[arg(long, value_name = "TEXT")]
    cause: Option<String>,
    /// (7) Harm that followed or may follow.
    #[arg(long, value_name = "TEXT")]
    secondary: Option<String>,
    /// (8) What was published, and when.
    #[arg(long, value_name = "TEXT")]
    published: Option<String>,
    /// (9) What was done for those concerned.
    #[arg(long, value_name = "TEXT")]
    response: Option<String>,
    /// (10) What keeps it from happening again.
    #[arg(long, value_name = "TEXT")]
    prevention: Option<String>,
}

impl FactArguments {
    fn read(self) -> Result<BreachFacts, Failure> {
        let millis = |option: &str, text: Option<String>| {
            text.map(|text| at(option, &text).map(Timestamp::as_millis)).transpose()
        };
        Ok(BreachFacts {
            breached: self.breached.iter().filter_map(|word| Breached::parse(word)).collect(),
            occurred_at: millis("--occurred", self.occurred)?,
            known_at: millis("--known", self.known)?,
            malicious: self.malicious,
            summary: self.summary,
            information: self.information,
            persons: self.persons,
            cause: self.cause,
            secondary: self.secondary,
            published: self.published,
            response: self.response,
            prevention: self.prevention,
            reported: Vec::new(),
            closed: None,
        })
    }
}

impl BreachCommand {
    /// Whether it says who gives it.
    fn is_of_somebody(&self) -> bool {
        match self {
            BreachCommand::Add { .. }
            | BreachCommand::Set { .. }
            | BreachCommand::Reported { .. }
            | BreachCommand::Close { .. } => true,
            BreachCommand::List
            | BreachCommand::Show { .. }
            | BreachCommand::Report { .. }
            | BreachCommand::Affected { .. } => false,
        }
    }
}

/// A time that somebody wrote.
pub(super) fn at(option: &str, text: &str) -> Result<Timestamp, Failure> {
    let wrong = || Failure::new(format!("{option}: a time such as 2027-01-31T09:00:00+09:00, not {text:?}"));
    Timestamp::parse_rfc3339(text).ok_or_else(wrong)
}

pub(super) async fn run(command: BreachCommand, common: &Common) -> Result<(), Failure> {
    let (config, relay) = process::relay(common).await?;
    if !command.is_of_somebody() {
        desk::come(&relay, "compliance breach").await?;
    }
    let entered = match command {
        BreachCommand::Add { actor, facts } => {
            relay.enter_breach(&desk::auditor(&relay, &actor).await?, None, facts.read()?).await?
        }
        BreachCommand::Set { breach, actor, facts } => {
            relay.enter_breach(&desk::auditor(&relay, &actor).await?, Some(&breach), facts.read()?).await?
        }
        BreachCommand::Reported { breach, actor, breached, stage, at: said } => {
            let made = said.map_or(Ok(Timestamp::now()), |text| at("--at", &text))?;
            let (Some(breached), Some(stage)) = (Breached::parse(&breached), ReportStage::parse(&stage))
            else {
                return Err(Failure::new("--breached, --stage: words of the list"));
            };
            let facts =
                BreachFacts { reported: vec![(breached, stage, made.as_millis())], ..Default::default() };
            relay.enter_breach(&desk::auditor(&relay, &actor).await?, Some(&breach), facts).await?
        }
        BreachCommand::Close { breach, actor } => {
            let facts = BreachFacts { closed: Some(true), ..Default::default() };
            relay.enter_breach(&desk::auditor(&relay, &actor).await?, Some(&breach), facts).await?
        }
        BreachCommand::List => return list(&relay.breaches().await?, common),
        BreachCommand::Show { breach } => breach,
        BreachCommand::Report { breach, out } => {
            let breach = relay.breach(&breach).await?;
            page(&breach, &config.compliance).write(&out)?;
            let text = format!("{} is written", out.display());
            print(common, &json!({ "breach": breach.id, "file": out.display().to_string() }), &text);
            return Ok(());
        }
        BreachCommand::Affected { store_id, from, until } => {
            let from = at("--from", &from)?;
            let until = until.map_or(Ok(Timestamp::now()), |text| at("--until", &text))?;
            let found = relay.affected(store_id.as_deref(), from, until).await?;
            let document = json!({
                "records": found.records, "conversations": found.conversations,
                "customers": found.customers, "stores": found.stores,
            });
            let text = format!(
                "records        {}\nconversations  {}\ncustomers      {} (each counted once for a store)\nstores         {}",
                found.records, found.conversations, found.customers, found.stores
            );
            print(common, &document, &text);
            return Ok(());
        }
    };
    let breach = relay.breach(&entered).await?;
    print(common, &json(&breach), &told(&breach));
    Ok(())
}

fn list(all: &[Breach], common: &Common) -> Result<(), Failure> {
    let now = Timestamp::now();
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|breach| {
            let next = breach.clocks().into_iter().find(|clock| clock.reported_at.is_none());
            vec![
                breach.id.clone(),
                if breach.facts.closed == Some(true) { "closed" } else { "open" }.to_owned(),
                breach.facts.known_at.map(|at| time(Timestamp::from_millis(at))).unwrap_or_default(),
                breach.facts.breached.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", "),
                breach.facts.persons.map(|count| count.to_string()).unwrap_or_default(),
                next.map(|clock| due(&clock, now)).unwrap_or_else(|| "nothing".to_owned()),
            ]
        })
        .collect();
    let head = ["breach", "state", "known", "breached", "persons", "due next"];
    let overdue = all.iter().flat_map(Breach::clocks).filter(|clock| is_overdue(clock, now)).count();
    let document = Value::Array(all.iter().map(json).collect());
    print(common, &document, &table(&head, &rows));
    if overdue > 0 {
        return Err(Failure::new(format!("{overdue} reports are overdue")));
    }
    Ok(())
}

fn is_overdue(clock: &Clock, now: Timestamp) -> bool {
    clock.reported_at.is_none() && clock.due_at < now
}

fn due(clock: &Clock, now: Timestamp) -> String {
    let late = if is_overdue(clock, now) { ", OVERDUE" } else { "" };
    format!("{} report, {}, by {}{late}", clock.stage.as_str(), clock.breached.as_str(), time(clock.due_at))
}

pub(super) fn json(breach: &Breach) -> Value {
    let mut document = serde_json::to_value(&breach.facts).unwrap_or_default();
    if let Some(fields) = document.as_object_mut() {
        for name in ["occurred_at", "known_at"] {
            if let Some(at) = fields.get(name).and_then(Value::as_i64) {
                fields.insert(name.to_owned(), Timestamp::from_millis(at).to_rfc3339().into());
            }
        }
        fields.remove("reported");
        fields.insert("breach".into(), breach.id.clone().into());
        let reports = breach.clocks().into_iter().map(|clock| {
            json!({
                "breached": clock.breached.as_str(),
                "stage": clock.stage.as_str(),
                "due_at": clock.due_at.to_rfc3339(),
                "reported_at": clock.reported_at.map(Timestamp::to_rfc3339),
            })
        });
        fields.insert("reports".into(), reports.collect());
        let entries = breach.entries.iter().map(|(at, by)| json!({ "at": at.to_rfc3339(), "by": by }));
        fields.insert("entries".into(), entries.collect());
    }
    document
}

fn told(breach: &Breach) -> String {
    let now = Timestamp::now();
    let mut rows = vec![vec!["breach".to_owned(), breach.id.clone()]];
    for (name, value) in items(breach) {
        rows.push(vec![name.to_owned(), value]);
    }
    for clock in breach.clocks() {
        let state = clock.reported_at.map_or_else(|| due(&clock, now), |at| format!("made {}", time(at)));
        rows.push(vec![format!("{} report, {}", clock.stage.as_str(), clock.breached.as_str()), state]);
    }
    for (at, by) in &breach.entries {
        rows.push(vec!["entry".to_owned(), format!("{} by {by}", time(*at))]);
    }
    table(&["what", "known"], &rows)
}

/// The items (3) to (10).
fn items(breach: &Breach) -> [(&'static str, String); 10] {
    let facts = &breach.facts;
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "(未記入)".to_owned());
    let when =
        |at: Option<i64>| at.map_or_else(|| "(調査中)".to_owned(), |at| time(Timestamp::from_millis(at)));
    [
        ("(3) 発生日時", when(facts.occurred_at)),
        ("(3) 発覚日時", when(facts.known_at)),
        ("(3) 事案の概要・発覚の経緯", text(&facts.summary)),
        ("(4) 漏えい等した情報の内容", text(&facts.information)),
        ("(5) 本人の数", facts.persons.map_or_else(|| "(調査中)".to_owned(), |count| format!("{count} 名"))),
        ("(6) 発生原因", text(&facts.cause)),
        ("(7) 二次被害(おそれを含む)", text(&facts.secondary)),
        ("(8) 公表の実施状況", text(&facts.published)),
        ("(9) 当事者への対応状況", text(&facts.response)),
        ("(10) 再発防止策", text(&facts.prevention)),
    ]
}

fn page(breach: &Breach, of: &Compliance) -> Page {
    let kinds: Vec<&str> = breach.facts.breached.iter().map(|one| one.japanese()).collect();
    let mut page = Page::new(&format!("漏えい等事案報告書({})", kinds.join("、")));
    let blank = |text: &str| if text.is_empty() { "(記入)".to_owned() } else { text.to_owned() };
    let mut rows = vec![
        vec!["(1) 法人名".to_owned(), blank(&of.company)],
        vec!["(2) 登録または届出番号".to_owned(), blank(&of.registration)],
    ];
    rows.extend(items(breach).into_iter().map(|(name, value)| vec![name.to_owned(), value]));
    page.table(&["項目", "内容"], &rows);
    page.heading("報告の期限");
    let rows: Vec<Vec<String>> = breach
        .clocks()
        .into_iter()
        .map(|clock| {
            let stage = match clock.stage {
                ReportStage::First => "第一報(速報)",
                ReportStage::Full => "詳報(確報)",
            };
            vec![
                clock.breached.japanese().to_owned(),
                stage.to_owned(),
                time(clock.due_at),
                clock.reported_at.map_or_else(|| "未報告".to_owned(), time),
            ]
        })
        .collect();
    page.table(&["対象", "報告", "期限", "報告日時"], &rows);
    page.paragraph(&format!("整理番号 {}  作成 {}", breach.id, time(Timestamp::now())));
    page.signatures(&["作成者", "特定利用者情報統括管理者"]);
    page
}
