//! How often who comes to the API is recorded.
//!
//! Rules: a token is recorded when it comes from a network for the first time in an hour, at most [`OF_TOKEN`] times an hour. Of calls that were
//! not let in so many a minute are as `limits.records_per_minute` says, a tenth of it of one network. What is left out is counted in
//! the next record of its kind. The counts are of this process, in a table that does not grow.
//! When it fails: a call whose record can't be kept is not answered, and the next one is recorded.

use super::super::Shared;
use super::super::problem::Problem;
use crate::config::mask;
use crate::ingress::{Answer, Rate, Table};
use crate::relay::{ApiCaller, NotLetIn, Scope};
use crate::residency::Origin;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Records of the use of one token an hour.
const OF_TOKEN: u64 = 60;
/// Subjects that are remembered.
const SUBJECTS: usize = 16_384;

/// What is counted in this process.
pub(in crate::web) struct Logins {
    table: Mutex<Table>,
    began: Instant,
    /// Records of calls that were not let in: of all, and of one network.
    refused: [Rate; 2],
    left_out: [AtomicU64; 2],
}

/// From where a call comes, as its record has it.
#[derive(Clone, Copy)]
pub(super) struct From {
    ip: IpAddr,
    is_known: bool,
}

impl From {
    /// `peer`: the other end of the connection.
    pub fn of(origin: Origin, peer: IpAddr) -> Self {
        match origin {
            Origin::At(ip, _) => Self { ip: ip.to_canonical(), is_known: true },
            Origin::Here | Origin::Hidden(_) => Self { ip: peer.to_canonical(), is_known: false },
        }
    }

    fn network(self) -> IpAddr {
        mask(self.ip, if self.ip.is_ipv4() { 24 } else { 56 })
    }
}

impl Logins {
    /// `refused`: records a minute of calls that were not let in.
    pub fn new(refused: u32) -> Self {
        let all = u64::from(refused);
        Self {
            table: Mutex::new(Table::new(SUBJECTS)),
            began: Instant::now(),
            refused: [Rate::new(all, MINUTE), Rate::new(all.div_ceil(10), MINUTE)],
            left_out: Default::default(),
        }
    }

    /// Keeps that a token was used, where that is to be recorded.
    ///
    /// # Errors
    /// A problem when it can't be kept.
    pub(super) async fn used(
        &self,
        shared: &Shared,
        token: i64,
        scope: Scope,
        from: From,
    ) -> Result<(), Problem> {
        let place = [format!("used {token} {}", from.network())];
        if !self.take(&place, &[Rate::new(1, HOUR)]) {
            return Ok(());
        }
        let [used, _] = &self.left_out;
        if !self.take(&[format!("token {token}")], &[Rate::new(OF_TOKEN, HOUR)]) {
            used.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let left_out = used.swap(0, Ordering::Relaxed);
        let caller = ApiCaller { ip: from.ip, is_known: from.is_known, scope, left_out };
        let kept = shared.relay.record_api_login(token, caller).await;
        if kept.is_err() {
            used.fetch_add(left_out, Ordering::Relaxed);
            self.forget(&place);
        }
        Ok(kept?)
    }

    /// Keeps that a call was not let in, where there is room for its record.
    ///
    /// # Errors
    /// A problem when it can't be kept.
    pub(super) async fn refused(
        &self,
        shared: &Shared,
        why: NotLetIn,
        scope: Scope,
        from: From,
    ) -> Result<(), Problem> {
        let [_, refused] = &self.left_out;
        if !self.take(&["refused".to_owned(), format!("refused {}", from.network())], &self.refused) {
            refused.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let left_out = refused.swap(0, Ordering::Relaxed);
        let caller = ApiCaller { ip: from.ip, is_known: from.is_known, scope, left_out };
        let kept = shared.relay.record_api_refused(why, caller).await;
        if kept.is_err() {
            refused.fetch_add(left_out.saturating_add(1), Ordering::Relaxed);
        }
        Ok(kept?)
    }

    /// Takes one of each, or none.
    fn take(&self, subjects: &[String], rates: &[Rate]) -> bool {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        for (subject, rate) in subjects.iter().zip(rates) {
            let key = table.key(subject);
            match rate.ask(table.paid_until(key), now, 1) {
                Answer::Taken { paid_until, .. } => taken.push((key, paid_until)),
                Answer::Wait { .. } => return false,
            }
        }
        taken.into_iter().for_each(|(key, paid_until)| table.set(key, paid_until, now));
        true
    }

    fn forget(&self, subjects: &[String]) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for subject in subjects {
            let key = table.key(subject);
            table.set(key, 0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_have_as_many_records_a_minute_as_was_said_and_one_network_a_tenth() {
        let logins = Logins::new(20);
        let take = |network: u8| {
            let subjects = ["refused".to_owned(), format!("refused 192.0.{network}.0")];
            logins.take(&subjects, &logins.refused)
        };
        assert_eq!((0..10).filter(|_| take(1)).count(), 2);
        assert_eq!((2..200).filter(|n| take(*n)).count(), 18);
    }

    #[test]
    fn what_was_not_recorded_is_recorded_the_next_time() {
        let (logins, place) = (Logins::new(1), ["used 1 192.0.2.0".to_owned()]);
        let once = [Rate::new(1, HOUR)];
        assert!(logins.take(&place, &once) && !logins.take(&place, &once));
        logins.forget(&place);
        assert!(logins.take(&place, &once));
    }
}
