//! What became of each message: when its content was sent, when it was acknowledged, when it arrived.
//!
//! Rules: every message of a process has a number of its own, written into its text; generator and sink meet here
//! alone. Times are microseconds since the ledger was opened, 0 is never.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Messages of one process at most: far more than any run sends.
const ROOM: usize = 2_000_000;

/// In front of the number in a message's text. Twelve digits follow.
pub const MARK: &[u8] = b"measured-no-";
/// Digits of the number.
pub const DIGITS: usize = 12;

/// The times of all messages.
pub struct Ledger {
    opened: Instant,
    next: AtomicU64,
    lines: Vec<Line>,
    accepted: AtomicU64,
    delivered: AtomicU64,
    /// Messages that arrived a second time, or never left.
    pub strange: AtomicU64,
    /// Messages in which a real address was found.
    pub leaks: AtomicU64,
}

#[derive(Default)]
struct Line {
    sent: AtomicU64,
    accepted: AtomicU64,
    delivered: AtomicU64,
}

/// Sorted latencies of one run, in milliseconds.
pub struct Latencies(Vec<f64>);

impl Ledger {
    pub fn open() -> Self {
        let mut lines = Vec::new();
        lines.resize_with(ROOM, Line::default);
        Self {
            opened: Instant::now(),
            next: AtomicU64::new(0),
            lines,
            accepted: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            strange: AtomicU64::new(0),
            leaks: AtomicU64::new(0),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap().max(1)
    }

    fn line(&self, number: u64) -> &Line {
        self.lines.get(usize::try_from(number).unwrap()).expect("more messages than the ledger has room for")
    }

    /// The number of the next message.
    pub fn number(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    /// All numbers given out so far.
    pub fn numbers(&self) -> u64 {
        self.next.load(Relaxed)
    }

    /// The first octet of the content is about to be sent.
    pub fn sent(&self, number: u64) {
        self.line(number).sent.store(self.now(), Relaxed);
    }

    /// The 250 is read.
    pub fn accepted(&self, number: u64) {
        self.line(number).accepted.store(self.now(), Relaxed);
        self.accepted.fetch_add(1, Relaxed);
    }

    /// The last octet has arrived at the sink.
    pub fn delivered(&self, number: u64) {
        let known = number < self.numbers();
        if known && self.line(number).delivered.swap(self.now(), Relaxed) == 0 {
            self.delivered.fetch_add(1, Relaxed);
        } else {
            self.strange.fetch_add(1, Relaxed);
        }
    }

    /// Messages acknowledged so far.
    pub fn count_accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Messages that arrived so far.
    pub fn count_delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// From content to 250, and from content to delivery, of the messages from `first` on.
    pub fn latencies(&self, first: u64) -> (Latencies, Latencies) {
        let lines = &self.lines[usize::try_from(first).unwrap()..usize::try_from(self.numbers()).unwrap()];
        let of = |end: fn(&Line) -> &AtomicU64| {
            let mut all: Vec<f64> = lines
                .iter()
                .map(|line| (line.sent.load(Relaxed), end(line).load(Relaxed)))
                .filter(|(sent, end)| *sent > 0 && *end > 0)
                .map(|(sent, end)| end.saturating_sub(sent) as f64 / 1000.0)
                .collect();
            all.sort_by(f64::total_cmp);
            Latencies(all)
        };
        (of(|line| &line.accepted), of(|line| &line.delivered))
    }
}

impl Latencies {
    /// The latency that this share of the messages does not exceed; 0 where there was none.
    pub fn quantile(&self, share: f64) -> f64 {
        let at = (self.0.len() as f64 * share).ceil() as usize;
        self.0.get(at.saturating_sub(1)).copied().unwrap_or(0.0)
    }
}
