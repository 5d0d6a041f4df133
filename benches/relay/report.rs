//! What is said in the end: a table for a person, with `--json` one document.
//!
//! Rules: each figure is the median over the runs of its cell; the ratio to Postfix is the median of the ratios of
//! runs that followed each other, which is steadier than the figures on a machine that others use too.

use serde_json::{Value, json};

/// Who was measured in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Generator straight to the sink: the most that could be measured here.
    Ceiling,
    /// Customer to store, in clear, a connection for each message.
    MxNew,
    /// The same, connections kept.
    MxKept,
    /// Store to customer, STARTTLS and AUTH, connections kept.
    Submission,
    /// Postfix, a connection for each message.
    PostfixNew,
    /// Postfix, connections kept.
    PostfixKept,
}

impl Way {
    pub const ALL: [Way; 6] =
        [Way::Ceiling, Way::MxNew, Way::PostfixNew, Way::MxKept, Way::PostfixKept, Way::Submission];

    pub fn name(self) -> &'static str {
        match self {
            Way::Ceiling => "sink alone, new",
            Way::MxNew => "anshin mx, new",
            Way::MxKept => "anshin mx, kept",
            Way::Submission => "anshin submission, TLS kept",
            Way::PostfixNew => "postfix, new",
            Way::PostfixKept => "postfix, kept",
        }
    }

    /// What it is compared with.
    fn peer(self) -> Option<Way> {
        match self {
            Way::MxNew => Some(Way::PostfixNew),
            Way::MxKept => Some(Way::PostfixKept),
            _ => None,
        }
    }
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Acknowledged a second, while mail was sent.
    pub accepted: f64,
    /// Delivered a second, from the first message sent to the last delivered.
    pub delivered: f64,
    /// CPU milliseconds a message, user and system.
    pub cpu_ms: f64,
    /// The same of the PostgreSQL server, where one runs here.
    pub database_ms: f64,
    /// From content to 250, in milliseconds: half of the messages, and 99 of 100.
    pub reply_ms: [f64; 2],
    /// From content to delivery.
    pub delivery_ms: [f64; 2],
    /// Largest PSS seen, in MiB.
    pub pss_mib: f64,
    /// Peak of resident memory of the process, in MiB; 0 for many processes.
    pub peak_mib: f64,
}

/// All runs of one way at one load.
pub struct Row {
    pub way: Way,
    pub kb: usize,
    pub sessions: usize,
    pub samples: Vec<Sample>,
}

/// Everything.
pub struct Report {
    /// What describes machine, versions and command.
    pub about: Vec<(&'static str, String)>,
    pub rows: Vec<Row>,
}

impl Row {
    fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(of).collect())
    }

    /// Median of the paired ratios to the peer: delivered a second, CPU a message.
    fn ratios(&self, all: &[Row]) -> Option<[f64; 2]> {
        let peer = self.way.peer()?;
        let same = |row: &&Row| row.way == peer && row.kb == self.kb && row.sessions == self.sessions;
        let peer = all.iter().find(same).filter(|row| !row.samples.is_empty())?;
        let pairs = || self.samples.iter().zip(&peer.samples);
        let rate = pairs().map(|(own, other)| own.delivered / other.delivered).collect();
        let cpu = pairs().map(|(own, other)| own.cpu_ms / other.cpu_ms).collect();
        Some([median(rate), median(cpu)])
    }

    fn json(&self, all: &[Row]) -> Value {
        let ratios = self.ratios(all);
        json!({
            "way": self.way.name(),
            "size_kb": self.kb,
            "sessions": self.sessions,
            "runs": self.samples.len(),
            "accepted_per_s": round(self.median(|s| s.accepted)),
            "delivered_per_s": round(self.median(|s| s.delivered)),
            "cpu_ms_per_message": round(self.median(|s| s.cpu_ms)),
            "postgres_cpu_ms_per_message": round(self.median(|s| s.database_ms)),
            "data_to_250_ms": { "p50": round(self.median(|s| s.reply_ms[0])), "p99": round(self.median(|s| s.reply_ms[1])) },
            "data_to_delivery_ms": {
                "p50": round(self.median(|s| s.delivery_ms[0])), "p99": round(self.median(|s| s.delivery_ms[1])),
            },
            "pss_mib": round(self.median(|s| s.pss_mib)),
            "vm_hwm_mib": round(self.median(|s| s.peak_mib)),
            "delivered_to_postfix": ratios.map(|[rate, _]| round(rate)),
            "cpu_to_postfix": ratios.map(|[_, cpu]| round(cpu)),
        })
    }

    fn line(&self, all: &[Row]) -> String {
        let ratio = match self.ratios(all) {
            Some([rate, cpu]) => format!("{rate:.2} / {cpu:.2}"),
            None => "-".to_owned(),
        };
        format!(
            "| {:<27} | {:>3} KB | {:>2} | {:>6.0} | {:>6.0} | {:>6.2} | {:>6.2} | {:>6.1} / {:>6.1} | {:>7.1} / {:>7.1} | {:>5.0} | {:>5.0} | {:>11} |",
            self.way.name(),
            self.kb,
            self.sessions,
            self.median(|s| s.delivered),
            self.median(|s| s.accepted),
            self.median(|s| s.cpu_ms),
            self.median(|s| s.database_ms),
            self.median(|s| s.reply_ms[0]),
            self.median(|s| s.reply_ms[1]),
            self.median(|s| s.delivery_ms[0]),
            self.median(|s| s.delivery_ms[1]),
            self.median(|s| s.pss_mib),
            self.median(|s| s.peak_mib),
            ratio,
        )
    }
}

impl Report {
    pub fn print(&self) {
        for (name, value) in &self.about {
            println!("{name}: {value}");
        }
        println!(
            "\n| {:<27} | size   | n  | deliv/s | acc/s | CPU ms | PG ms | DATA→250 p50/p99 | DATA→delivery p50/p99 | PSS MiB | HWM MiB | to Postfix: rate / CPU |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|",
            "way"
        );
        for row in &self.rows {
            println!("{}", row.line(&self.rows));
        }
    }

    pub fn print_json(&self) {
        let about: serde_json::Map<String, Value> =
            self.about.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let rows: Vec<Value> = self.rows.iter().map(|row| row.json(&self.rows)).collect();
        println!("{:#}", json!({ "about": about, "rows": rows }));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
