//! `anshin log extract make|list|verify|end`: pseudonymized rows, or counts, of a search for somebody else.
//!
//! Rules: days instead of times, classes instead of sizes, pseudonyms under a key of whoever gets it instead of stores, persons and
//! networks; a row that few persons share its day, direction, event, result and country with is left out. Beside the
//! file lies `NAME.about.json`, which says for whom it is, until when, how it was made and its SHA-256; the register has the same.
//! When it fails: there is no file; what was registered meanwhile ends by its time.

use super::arguments::Common;
use super::arguments_extract::{ExtractCommand, Kind, MakeArguments};
use super::arguments_search::Format;
use super::log_parquet::{Column as Field, Kind as Holds, ParquetRows};
use super::log_search::{Progress, read, told, warn_of_cost};
use super::new_file::NewFile;
use super::output::{Failure, print, table};
use super::{desk, log_rows, residency};
use crate::mail::Timestamp;
use crate::query::{Column, Row, quarter_of};
use crate::relay::{
    ExtractAsked, ExtractView, Extracting, Goes, Look, Opened, Opening, Relay, Search, Searcher,
};
use crate::vault::Pseudonyms;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Most persons that are told apart, over all groups together.
const PERSONS_MAX: usize = 5_000_000;
/// What is said of each column, in the file beside.
const ROWS: [(&str, Holds, &str); 19] = [
    ("day", Holds::Text, "day in UTC"),
    ("event", Holds::Text, "what happened"),
    ("direction", Holds::Text, "which way the mail went"),
    ("result", Holds::Text, "why it was refused or held, or the status of an attempt"),
    ("country", Holds::Text, "of the peer, by the registries"),
    ("store", Holds::Text, "pseudonym of the store"),
    ("conversation", Holds::Text, "pseudonym of the pair of store and customer"),
    ("message", Holds::Text, "pseudonym of the message"),
    ("sender", Holds::Text, "pseudonym of the envelope's sender, of the quarter"),
    ("network", Holds::Text, "pseudonym of the peer's network, of the quarter"),
    ("domain", Holds::Text, "pseudonym of the registrable domain in From, of the quarter"),
    ("mailer", Holds::Text, "pseudonym of the mail program, of the quarter"),
    ("size_up_to", Holds::Number, "octets, the next power of two"),
    ("files", Holds::Number, "how many files, 3 for more"),
    ("spf", Holds::Text, "result of SPF"),
    ("dkim", Holds::Text, "result of DKIM"),
    ("dmarc", Holds::Text, "result of DMARC"),
    ("tls", Holds::Text, "version of TLS"),
    ("flags", Holds::Texts, "named facts"),
];
const COUNTS: [(&str, Holds, &str); 7] = [
    ("day", Holds::Text, "day in UTC"),
    ("event", Holds::Text, "what happened"),
    ("direction", Holds::Text, "which way the mail went"),
    ("result", Holds::Text, "why it was refused or held, or the status of an attempt"),
    ("country", Holds::Text, "of the peer, by the registries"),
    ("rows", Holds::Number, "how many"),
    ("persons", Holds::Number, "of how many customers, else senders"),
];

/// What rows have in common, among which few persons would be known.
type Group = [String; 5];

/// Rows of a group, and whose they are.
#[derive(Default)]
struct Members {
    rows: u64,
    persons: BTreeSet<(u8, i64, i64)>,
}

pub(super) async fn run(command: ExtractCommand, common: &Common) -> Result<(), Failure> {
    match command {
        ExtractCommand::Make(arguments) => make(&arguments, common).await,
        ExtractCommand::List => list(common).await,
        ExtractCommand::Verify { file } => verify(&file, common).await,
        ExtractCommand::End { id, actor, case } => {
            let (_, relay) = super::process::relay(common).await?;
            let look = desk::for_audit(&relay, &actor, &case).await?;
            relay.end_extract(&look, &id).await?;
            print(
                common,
                &json!({ "id": id, "state": "ended" }),
                "ended: its key is destroyed, unless another one has it",
            );
            Ok(())
        }
    }
}

async fn make(arguments: &MakeArguments, common: &Common) -> Result<(), Failure> {
    let text = arguments.query.join(" ");
    let query = read(&text, common)?;
    let (config, relay, named) = desk::relay_named(common, "log extract", &arguments.look).await?;
    residency::export(&config, "--out", &arguments.out).await?;
    let file = NewFile::begin(&arguments.out)?;
    let about = NewFile::begin(&beside(&arguments.out))?;
    let begun = relay.search(&query, Timestamp::now(), &Searcher::Named(&named), None).await;
    let mut search = begun.map_err(|fault| told(fault, &text, common))?;
    warn_of_cost(&mut search).await?;
    let groups = groups(&relay, &mut search).await?;
    let least = usize::try_from(arguments.least).unwrap_or(usize::MAX);
    let told_of = |members: &Members| members.persons.len() >= least;
    let (rows, all) = groups.values().fold((0, 0), |(rows, all), members| {
        (if told_of(members) { rows + members.rows } else { rows }, all + members.rows)
    });
    let asked = ExtractAsked {
        recipient: arguments.recipient.trim().to_owned(),
        query: relay.audited(&query),
        kind: arguments.kind.word(),
        least: arguments.least,
        days: arguments.days,
        rows: usize::try_from(rows).unwrap_or(usize::MAX),
    };
    let opened = relay
        .open_for(&named, &Opening::Extract(asked), Goes::ToAFile, arguments.look.approved.as_deref())
        .await?;
    let Opened::Extract(extract) = opened else { return Ok(()) };
    let mut out = Out::begin(file, arguments)?;
    let mut written = 0;
    match arguments.kind {
        Kind::Counts => {
            for (group, members) in groups.iter().filter(|(_, members)| told_of(members)) {
                out.add(count(group, members))?;
                written += 1;
            }
        }
        Kind::Rows => {
            let (mut search, mut progress) = (search.again(), Progress::new());
            while let Some(found) = progress.step(&mut search).await? {
                for found in &found {
                    if groups.get(&group(&found.row)).is_some_and(told_of) {
                        out.add(pseudonymized(&found.row, &extract.pseudonyms))?;
                        written += 1;
                    }
                }
            }
            progress.end();
        }
    }
    let left_out = all - rows;
    finish(&relay, &named, arguments, &extract, (out.end()?, about), (written, left_out), common).await
}

/// Registers what was written, and gives both files their names.
async fn finish(
    relay: &crate::relay::Relay,
    named: &Look,
    arguments: &MakeArguments,
    extract: &Extracting,
    (file, mut about): (NewFile, NewFile),
    (rows, left_out): (u64, u64),
    common: &Common,
) -> Result<(), Failure> {
    let sha256 = file.sha256();
    let columns: BTreeMap<&str, &str> =
        columns(arguments.kind).iter().map(|(name, _, what)| (*name, *what)).collect();
    let said = json!({
        "id": extract.number(),
        "for": arguments.recipient.trim(),
        "kind": arguments.kind.word(),
        "made_at": extract.at.to_rfc3339(),
        "destroy_by": extract.expires_at.to_rfc3339(),
        "sha256": HEXLOWER.encode(&sha256),
        "rows": rows,
        "left_out": left_out,
        "least_persons": arguments.least,
        "key_check": extract.pseudonyms.check(),
        "columns": columns,
    });
    about.put(format!("{said:#}\n").as_bytes())?;
    relay.finish_extract(named, extract, &sha256, (rows, left_out)).await?;
    file.finish()?;
    about.finish()?;
    let until = extract.expires_at.to_rfc3339();
    let mut document = said;
    document["file"] = arguments.out.display().to_string().into();
    let text = format!(
        "{rows} rows are in {}, {left_out} are left out, since fewer than {} persons share them. It is extract {}, for {}, and is \
         to be destroyed by {until}",
        arguments.out.display(),
        arguments.least,
        extract.number(),
        arguments.recipient.trim(),
    );
    print(common, &document, &text);
    Ok(())
}

fn beside(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".about.json");
    name.into()
}

fn columns(kind: Kind) -> &'static [(&'static str, Holds, &'static str)] {
    match kind {
        Kind::Rows => &ROWS,
        Kind::Counts => &COUNTS,
    }
}

/// All groups of a search.
async fn groups(relay: &Relay, search: &mut Search) -> Result<BTreeMap<Group, Members>, Failure> {
    let (mut groups, mut persons, mut progress): (BTreeMap<Group, Members>, usize, _) =
        (BTreeMap::new(), 0, Progress::new());
    while let Some(found) = progress.step(search).await? {
        // An attempt to bring something to a store does not say who wrote it: its conversation does.
        let mut unsaid: Vec<i64> = found
            .iter()
            .filter(|found| customer(&found.row).is_none())
            .filter_map(|found| found.conversation)
            .collect();
        unsaid.sort_unstable();
        unsaid.dedup();
        let customers: HashMap<i64, i64> = relay.store().customers_of(&unsaid).await?.into_iter().collect();
        for found in &found {
            let members = groups.entry(group(&found.row)).or_default();
            members.rows += 1;
            persons += usize::from(members.persons.insert(person(&found.row, &customers)));
        }
        if persons > PERSONS_MAX {
            return Err(Failure::new(format!("more than {PERSONS_MAX} persons: ask for less time at once")));
        }
    }
    progress.end();
    Ok(groups)
}

fn day(row: &Row) -> String {
    Timestamp::from_millis(row.at).to_rfc3339().chars().take(10).collect()
}

fn group(row: &Row) -> Group {
    let text = |column| row.text(column).unwrap_or_default().to_owned();
    [day(row), text(Column::Event), text(Column::Direction), text(Column::Result), text(Column::Country)]
}

/// The customer whom a row names, by the number of his address in that quarter: who wrote to a store, or whom a store wrote to.
fn customer(row: &Row) -> Option<(u8, i64, i64)> {
    let column = match row.text(Column::Direction) {
        Some("to_merchant") => Column::From,
        Some("to_customer") => Column::Rcpt,
        _ => return None,
    };
    row.number(column).map(|number| (2, quarter_of(row.at), number))
}

/// Whose a row is: of the customer, by his address, else as his store knows him, so that several orders of one are one; of what was
/// erased of the conversation; else of the sender, the login, the network of that quarter. All that are of none of these count as one.
fn person(row: &Row, customers: &HashMap<i64, i64>) -> (u8, i64, i64) {
    let quarter = quarter_of(row.at);
    let of = |kind, column| row.number(column).map(|number| (kind, quarter, number));
    let conversation = row.number(Column::Conversation);
    customer(row)
        .or_else(|| conversation.and_then(|id| customers.get(&id)).map(|customer| (5, 0, *customer)))
        .or_else(|| conversation.map(|id| (1, 0, id)))
        .or_else(|| of(2, Column::From))
        .or_else(|| of(3, Column::Login))
        .or_else(|| of(4, Column::Net))
        .unwrap_or_default()
}

fn count(group: &Group, members: &Members) -> Value {
    let [day, event, direction, result, country] = group;
    let persons = members.persons.len();
    json!({
        "day": day, "event": event, "direction": direction, "result": result, "country": country,
        "rows": members.rows, "persons": persons,
    })
}

/// A row without anything by which somebody who knows the log could find it again, but for its group.
fn pseudonymized(row: &Row, pseudonyms: &Pseudonyms) -> Value {
    let quarter = quarter_of(row.at);
    let fixed = |kind, column| row.number(column).map(|number| pseudonyms.name(kind, &[number]));
    let of_quarter =
        |kind, column| row.number(column).map(|number| pseudonyms.name(kind, &[quarter, number]));
    let flags = crate::mail::Flags::from_bits(row.number(Column::Flags).unwrap_or(0));
    let flags: Vec<&str> = flags.iter().map(crate::mail::Flag::as_str).collect();
    let size = row.number(Column::Size).and_then(|size| u64::try_from(size).ok());
    json!({
        "day": day(row),
        "event": row.text(Column::Event),
        "direction": row.text(Column::Direction),
        "result": row.text(Column::Result),
        "country": row.text(Column::Country),
        "store": fixed("store", Column::Merchant),
        "conversation": fixed("conversation", Column::Conversation),
        "message": fixed("message", Column::Message),
        "sender": of_quarter("sender", Column::From),
        "network": of_quarter("network", Column::Net),
        "domain": of_quarter("domain", Column::AuthorDomain),
        "mailer": of_quarter("mailer", Column::Mailer),
        "size_up_to": size.and_then(u64::checked_next_power_of_two),
        "files": row.number(Column::Files).map(|files| files.min(3)),
        "spf": row.text(Column::Spf),
        "dkim": row.text(Column::Dkim),
        "dmarc": row.text(Column::Dmarc),
        "tls": row.text(Column::Tls),
        "flags": flags,
    })
}

/// The file as it is written.
enum Out {
    Text(NewFile, Format, Kind),
    Parquet(Box<ParquetRows<NewFile>>),
}

impl Out {
    fn begin(mut file: NewFile, arguments: &MakeArguments) -> Result<Self, Failure> {
        let columns = columns(arguments.kind);
        match arguments.format {
            Format::Parquet => {
                let field =
                    |(name, kind, _): &(&'static str, Holds, &str)| Field { field: name, name, kind: *kind };
                let fields = columns.iter().map(field).collect();
                let about = [("for", arguments.recipient.trim().to_owned())];
                Ok(Out::Parquet(Box::new(ParquetRows::begin(file, fields, &about)?)))
            }
            format => {
                if format == Format::Csv {
                    let names: Vec<&str> = columns.iter().map(|column| column.0).collect();
                    file.put(format!("{}\r\n", names.join(",")).as_bytes())?;
                }
                Ok(Out::Text(file, format, arguments.kind))
            }
        }
    }

    fn add(&mut self, row: Value) -> Result<(), Failure> {
        match self {
            Out::Parquet(parquet) => parquet.add(row),
            Out::Text(file, Format::Csv, kind) => {
                let cell = |name: &str| row.get(name).filter(|value| !value.is_null()).map(log_rows::cell);
                let cells: Vec<String> =
                    columns(*kind).iter().map(|column| cell(column.0).unwrap_or_default()).collect();
                file.put(format!("{}\r\n", cells.join(",")).as_bytes())
            }
            Out::Text(file, ..) => file.put(format!("{row}\n").as_bytes()),
        }
    }

    fn end(self) -> Result<NewFile, Failure> {
        match self {
            Out::Text(file, ..) => Ok(file),
            Out::Parquet(parquet) => parquet.finish(),
        }
    }
}

fn document(view: &ExtractView, now: Timestamp) -> Value {
    json!({
        "id": view.id,
        "for": view.detail.get("recipient"),
        "by": view.detail.get("actor"),
        "purpose": view.detail.get("purpose"),
        "case": view.detail.get("case"),
        "query": view.detail.get("query"),
        "least_persons": view.detail.get("least"),
        "kind": view.kind,
        "at": view.at.to_rfc3339(),
        "destroy_by": view.expires_at.to_rfc3339(),
        "ended_at": view.ended_at.map(Timestamp::to_rfc3339),
        "state": state(view, now),
        "sha256": view.sha256,
        "rows": view.rows,
        "left_out": view.left_out,
    })
}

fn state(view: &ExtractView, now: Timestamp) -> &'static str {
    match (view.is_good(now), view.sha256.is_some()) {
        (true, _) => "good",
        (false, false) => "unfinished",
        (false, true) => "ended",
    }
}

async fn list(common: &Common) -> Result<(), Failure> {
    let (_, relay) = desk::relay(common, "log extract").await?;
    let (views, now) = (relay.extracts().await?, Timestamp::now());
    let row = |view: &ExtractView| {
        let word = |name: &str| view.detail.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
        let (until, state) = (view.expires_at.to_rfc3339(), state(view, now).to_owned());
        vec![
            view.id.clone(),
            state,
            word("recipient"),
            view.kind.clone(),
            view.rows.to_string(),
            word("case"),
            until,
        ]
    };
    let rows: Vec<Vec<String>> = views.iter().map(row).collect();
    let head = ["id", "state", "for", "kind", "rows", "case", "destroy by"];
    let all = views.iter().map(|view| document(view, now)).collect();
    print(common, &Value::Array(all), &table(&head, &rows));
    Ok(())
}

async fn verify(path: &Path, common: &Common) -> Result<(), Failure> {
    let (_, relay) = desk::relay(common, "log extract").await?;
    let sha256 = super::log_search::hash(path)?;
    let now = Timestamp::now();
    let Some(view) = relay.extract_with(&sha256).await? else {
        return Err(Failure::new(format!(
            "{}: it is no extract of the register, or was changed",
            path.display()
        )));
    };
    if !view.is_good(now) {
        let until = view.ended_at.unwrap_or(view.expires_at).to_rfc3339();
        let text =
            format!("{}: it is extract {}, which ended at {until}: destroy it", path.display(), view.id);
        return Err(Failure { details: Some(document(&view, now)), ..Failure::new(text) });
    }
    let who = view.detail.get("recipient").and_then(Value::as_str).unwrap_or("-").to_owned();
    let text = format!(
        "it is extract {}, for {who}, unchanged, good until {}",
        view.id,
        view.expires_at.to_rfc3339()
    );
    print(common, &document(&view, now), &text);
    Ok(())
}
