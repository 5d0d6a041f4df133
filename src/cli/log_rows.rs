//! Rows of a search: for people, as JSON, as CSV and JSON Lines for other programs, and what Parquet has of them
//! (`log_parquet.rs`). None of them names anybody. docs/query.md has the table of names.

use super::arguments_search::{Format, Names};
use crate::mail::Timestamp;
use crate::query::in_japan;
use crate::relay::FoundLine;
use serde_json::{Map, Value};

/// The clock by which times are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    Japan,
    Utc,
}

impl Clock {
    pub fn of(utc: bool) -> Self {
        if utc { Clock::Utc } else { Clock::Japan }
    }

    pub fn show(self, at: Timestamp) -> String {
        match self {
            Clock::Japan => in_japan(at),
            Clock::Utc => at.to_rfc3339(),
        }
    }
}

/// A field of a row: its name here, in ECS, in ASIM.
pub(super) type Field = (&'static str, &'static str, &'static str);

/// The fields in their order. What a schema has no name for keeps a name of ours.
pub(super) const FIELDS: [Field; 24] = [
    ("at", "@timestamp", "TimeGenerated"),
    ("id", "event.id", "EventOriginalUid"),
    ("event", "event.action", "EventOriginalType"),
    ("direction", "email.direction", "EventSubType"),
    ("result", "event.reason", "EventResultDetails"),
    ("store", "organization.id", "SrcUserScopeId"),
    ("queue_id", "email.local_id", "EmailLocalId"),
    ("country", "source.geo.country_iso_code", "SrcGeoCountry"),
    ("country_overlay", "anshin.source.country_overlay", "SrcGeoCountryOverlay"),
    ("country_confidence", "anshin.source.country_confidence", "SrcGeoCountryConfidence"),
    ("origin_country", "anshin.origin.country", "OriginGeoCountry"),
    ("asn", "source.as.number", "SrcAsn"),
    ("asn_name", "source.as.organization.name", "SrcAsnName"),
    ("tls", "tls.version", "TlsVersion"),
    ("spf", "anshin.spf.result", "SpfResult"),
    ("dkim", "anshin.dkim.result", "DkimResult"),
    ("dmarc", "anshin.dmarc.result", "DmarcResult"),
    ("arc", "anshin.arc.result", "ArcResult"),
    ("size", "source.bytes", "SrcBytes"),
    ("recipients", "anshin.recipients", "RecipientCount"),
    ("files", "anshin.files", "AttachmentCount"),
    ("hops", "anshin.hops", "HopCount"),
    ("flags", "tags", "Flags"),
    ("matched", "anshin.matched", "Matched"),
];

pub(super) fn name(field: &Field, names: Names) -> &'static str {
    match names {
        Names::Own => field.0,
        Names::Ecs => field.1,
        Names::Asim => field.2,
    }
}

/// A row as a JSON object, without what it does not have.
fn object(line: &FoundLine, names: Names) -> Value {
    let own = line.to_json();
    let named =
        FIELDS.iter().filter_map(|field| Some((name(field, names).to_owned(), own.get(field.0)?.clone())));
    Value::Object(named.collect::<Map<_, _>>())
}

/// What comes before all rows.
pub(super) fn head(format: Format, names: Names) -> String {
    match format {
        Format::Jsonl | Format::Parquet => String::new(),
        Format::Csv => {
            let names: Vec<&str> = FIELDS.iter().map(|field| name(field, names)).collect();
            format!("{}\r\n", names.join(","))
        }
    }
}

/// A row for another program, with the end of its line.
pub(super) fn row(line: &FoundLine, format: Format, names: Names) -> String {
    match format {
        Format::Jsonl | Format::Parquet => format!("{}\n", object(line, names)),
        Format::Csv => {
            let own = line.to_json();
            let cells: Vec<String> =
                FIELDS.iter().map(|field| own.get(field.0).map_or_else(String::new, cell)).collect();
            format!("{}\r\n", cells.join(","))
        }
    }
}

/// RFC 4180 §2. What a spreadsheet would compute gets a quote in front.
pub(super) fn cell(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().unwrap_or_default()).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    };
    let text = if text.starts_with(['=', '+', '-', '@', '\t']) { format!("'{text}") } else { text };
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// The columns that a person sees.
pub(super) const COLUMNS: &str = "time                       event      direction    result           store             country  size      queue id          network / auth / flags / matched";

/// A row for a person.
pub(super) fn text(line: &FoundLine, clock: Clock) -> String {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let size = line.size.map_or_else(|| "-".into(), |size| size.to_string());
    let proven: Vec<String> =
        [("spf", &line.spf), ("dkim", &line.dkim), ("dmarc", &line.dmarc), ("arc", &line.arc)]
            .into_iter()
            .filter_map(|(method, result)| result.as_ref().map(|result| format!("{method}={result}")))
            .collect();
    let doubt = if line.country_confidence == Some("low") { "?" } else { "" };
    let network = line.asn.map(|asn| format!("AS{asn} {}", line.asn_name.as_deref().unwrap_or_default()));
    let network = network.unwrap_or_default().trim_end().to_owned();
    let rest: Vec<String> = [network, proven.join(" "), line.flags.join(" "), line.matched.join(" ")]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    format!(
        "{:<25}  {:<9}  {:<11}  {:<15}  {:<16}  {:<7}  {:<8}  {:<16}  {}",
        clock.show(line.at),
        line.event,
        or_dash(&line.direction),
        or_dash(&line.result),
        or_dash(&line.store),
        format!("{}{doubt}", or_dash(&line.country)),
        size,
        or_dash(&line.queue_id),
        rest.join(" / ")
    )
    .trim_end()
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> FoundLine {
        FoundLine {
            id: "0000000000000001".into(),
            at: Timestamp::from_millis(1_795_000_000_000),
            event: "refused".into(),
            direction: None,
            result: Some("=1+1,\"x\"".into()),
            store: Some("hana-ya".into()),
            queue_id: None,
            country: Some("JP".into()),
            country_overlay: None,
            country_confidence: Some("low"),
            origin_country: None,
            asn: Some(2527),
            asn_name: Some("Example Net".into()),
            tls: None,
            spf: Some("pass".into()),
            dkim: None,
            dmarc: None,
            arc: None,
            size: Some(10),
            recipients: None,
            files: None,
            hops: None,
            flags: vec!["list", "auto"],
            matched: vec!["from:h…@e…".into()],
        }
    }

    #[test]
    fn every_format_has_every_field_in_its_names() {
        let page = include_str!("../../docs/query.md");
        for (own, ecs, asim) in FIELDS {
            assert!(page.contains(&format!("| `{own}` | `{ecs}` | `{asim}` |")), "docs/query.md lacks {own}");
        }
        for names in [Names::Own, Names::Ecs, Names::Asim] {
            let mut known: Vec<&str> = FIELDS.iter().map(|field| name(field, names)).collect();
            known.sort_unstable();
            known.dedup();
            assert_eq!(known.len(), FIELDS.len());
            assert_eq!(head(Format::Csv, names).trim_end().split(',').count(), FIELDS.len());
        }
        let row = row(&line(), Format::Jsonl, Names::Ecs);
        let value: Value = serde_json::from_str(&row).unwrap();
        assert_eq!(value["event.action"], "refused");
        assert_eq!(value["@timestamp"], "2026-11-18T11:06:40Z");
    }

    #[test]
    fn what_a_spreadsheet_would_compute_or_misread_is_quoted() {
        let row = row(&line(), Format::Csv, Names::Own);
        assert!(row.contains(",\"'=1+1,\"\"x\"\"\",hana-ya,"), "{row}");
        assert!(row.ends_with(",list auto,from:h…@e…\r\n"), "{row}");
    }

    #[test]
    fn a_person_sees_that_a_country_is_in_doubt_and_what_its_network_is_called() {
        let text = text(&line(), Clock::Utc);
        assert!(text.contains("  JP?  ") && text.contains("  AS2527 Example Net / spf=pass / "), "{text}");
    }
}
