//! Whether this machine's clock may decide that something is due: what is destroyed is gone, and a clock that is ahead
//! by a year would have destroyed a year too much.
//!
//! Rules: the database keeps the last time by which somebody kept house. When a process begins, its clock may be ahead of
//! that by what a machine may have stood still. While it runs, its clock may be ahead of where it began by hardly more
//! than one that only goes forward has counted since, over the whole run: a clock that slips a little again and again is
//! no better than one that leaps. Whatever lies beyond waits for the word of a person, which is written down among the
//! looks and from which it counts anew. The clock of a database server must agree too; about that one nobody's word
//! helps, since one of the two is wrong.
//! When it fails: [`RelayFault`]. A clock in doubt is told ([`ClockDoubt`]), and nothing is destroyed.

use super::desk::DeskFault;
use super::look::Look;
use super::{Relay, RelayFault};
use crate::mail::Timestamp;
use serde_json::json;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// By how much this clock and a database server's may differ.
const DIFFERS: Duration = Duration::from_secs(600);
/// By how much a clock may be ahead of one that only goes forward, while a process runs.
const SLIPS: Duration = Duration::from_secs(3600);
/// How long a machine may have stood still without anybody's word: over a long weekend.
const STOOD_STILL: Duration = Duration::from_secs(4 * 86_400);

/// Why nothing is destroyed by this clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockDoubt {
    #[error(
        "this clock says {}, the database server's {}: nothing is destroyed by retention until they agree", .now.to_rfc3339(),
        .server.to_rfc3339()
    )]
    Server { now: Timestamp, server: Timestamp },
    #[error(
        "this clock says {}, but the last known time is {}: nothing is destroyed by retention until the clock is set right, or \
         somebody says that it is (`anshin compliance retention --clock-is-right`)", .now.to_rfc3339(), .known.to_rfc3339()
    )]
    Ahead { now: Timestamp, known: Timestamp },
}

/// Where a run began, or a person said what time it is: by this clock and by one that only goes forward.
#[derive(Clone, Copy)]
pub(super) struct Began {
    at: Timestamp,
    by: Instant,
    /// The word of a person that it goes by.
    trusted: Option<Timestamp>,
}

/// Whether a clock is further ahead than can be. `ran`: when the run began, and how long ago that is by another clock.
fn judge(now: Timestamp, known: Timestamp, ran: Option<(Timestamp, Duration)>) -> Result<(), ClockDoubt> {
    let latest = match ran {
        Some((began, since)) => began.after(since).after(SLIPS),
        None => known.after(STOOD_STILL),
    };
    if now > latest { Err(ClockDoubt::Ahead { now, known }) } else { Ok(()) }
}

impl Relay {
    /// What is to be said against this clock.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn clock_doubt(&self, now: Timestamp) -> Result<Option<ClockDoubt>, RelayFault> {
        if let Some(server) = self.store().server_time().await?
            && server.since(now).max(now.since(server)) > DIFFERS
        {
            return Ok(Some(ClockDoubt::Server { now, server }));
        }
        let Some(known) = self.store().known_time().await? else { return Ok(None) };
        let ran = self.began().await?.map(|began| (began.at, began.by.elapsed()));
        Ok(judge(now, known, ran).err())
    }

    /// Where this run began, or somebody's word since.
    async fn began(&self) -> Result<Option<Began>, RelayFault> {
        let trusted = self.store().trusted_time().await?;
        let mut began = self.inner.clock_began.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(began), Some(at)) = (began.as_mut(), trusted)
            && began.trusted != trusted
        {
            *began = Began { at, by: Instant::now(), trusted };
        }
        Ok(*began)
    }

    /// The same, and where there is nothing, notes that it is this late.
    pub(super) async fn know_time(&self, now: Timestamp) -> Result<Option<ClockDoubt>, RelayFault> {
        if let Some(doubt) = self.clock_doubt(now).await? {
            return Ok(Some(doubt));
        }
        self.store().know_time(now).await?;
        let trusted = self.store().trusted_time().await?;
        let mut began = self.inner.clock_began.lock().unwrap_or_else(PoisonError::into_inner);
        began.get_or_insert(Began { at: now, by: Instant::now(), trusted });
        Ok(None)
    }

    /// Takes somebody's word that it is this late.
    ///
    /// # Errors
    /// [`DeskFault`] when it is not taken from this one, or the database does not answer.
    pub async fn trust_clock(&self, look: &Look, now: Timestamp) -> Result<(), DeskFault> {
        self.may_look(look).await?;
        let known = self.store().known_time().await.map_err(RelayFault::from)?.map(Timestamp::to_rfc3339);
        let what = json!({ "clock": now.to_rfc3339(), "known": known });
        self.note_deed(look, "clock", what, "set").await?;
        self.store().set_known_time(now).await.map_err(RelayFault::from)?;
        tracing::info!(event = "clock_trusted", "by the word of a person");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_ahead_by_what_can_have_gone_by_and_no_more() {
        let (known, day) = (Timestamp::from_millis(1_795_000_000_000), Duration::from_secs(86_400));
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert_eq!(judge(known, known, None), Ok(()));
        assert_eq!(judge(known.after(3 * day), known, None), Ok(()), "a weekend");
        let later = known.after(5 * day);
        assert_eq!(judge(later, known, None), Err(ClockDoubt::Ahead { now: later, known }));
        // While it runs, the other clock counts.
        let ran = |since| Some((known, since));
        assert_eq!(judge(known.after(minutes(50)), known, ran(minutes(1))), Ok(()));
        assert!(judge(known.after(minutes(90)), known, ran(minutes(1))).is_err());
        assert_eq!(judge(known.after(365 * day), known, ran(365 * day)), Ok(()));
        // What was noted by this clock since proves nothing.
        assert!(judge(known.after(minutes(100)), known.after(minutes(50)), ran(minutes(2))).is_err());
        // A clock that is behind destroys nothing too early.
        assert_eq!(judge(known, known.after(365 * day), None), Ok(()));
    }
}
