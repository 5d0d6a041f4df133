//! The attempts that are sending, on the board of destinations, and the word that one has ended.

use crate::mail::Timestamp;
use crate::schedule::{Board, Class, Effect, Rooms, Word};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The board with what is under way. Clones share it.
#[derive(Clone)]
pub(super) struct Sending {
    inner: Arc<Inner>,
}

struct Inner {
    board: Mutex<Board>,
    ended: Notify,
}

/// One attempt's place, free again when it ends or is dropped, however the attempt ends.
pub(super) struct Place {
    sending: Sending,
    route: i64,
    is_aside: bool,
    ended: Option<Effect>,
}

impl Sending {
    pub fn new(board: Board) -> Self {
        Self { inner: Arc::new(Inner { board: Mutex::new(board), ended: Notify::new() }) }
    }

    pub fn board(&self) -> MutexGuard<'_, Board> {
        self.inner.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What may be leased now, at most `most`, and the order of the classes.
    pub fn rooms(&self, now: Timestamp, most: usize) -> (Rooms, [Class; 3]) {
        let mut board = self.board();
        let classes = Class::in_turn(board.next_turn());
        (board.rooms(now, most), classes)
    }

    /// Counts an attempt to this destination.
    pub fn begin(&self, route: i64) -> Place {
        self.board().began(route, Timestamp::now());
        Place { sending: self.clone(), route, is_aside: false, ended: None }
    }

    /// Waits until an attempt has ended, or stepped aside, since this was last asked.
    pub async fn ended(&self) {
        self.inner.ended.notified().await;
    }
}

impl Place {
    /// The attempt lasts: it waits aside, where there is room, and another may begin.
    pub fn step_aside(&mut self) {
        if !self.is_aside {
            self.is_aside = self.sending.board().step_aside();
            self.sending.inner.ended.notify_one();
        }
    }

    /// Ends the attempt with what it said of its destination.
    pub fn end(mut self, effect: Effect) -> Word {
        self.ended = Some(effect);
        self.leave()
    }

    fn leave(&self) -> Word {
        let random = u64::from_be_bytes(crate::vault::random_bytes());
        let effect = self.ended.unwrap_or(Effect::Ours);
        let mut board = self.sending.board();
        if self.is_aside {
            board.come_back();
        }
        let word = board.ended(self.route, effect, Timestamp::now(), random);
        drop(board);
        self.sending.inner.ended.notify_one();
        word
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Bounds, Groups, Rest};
    use std::time::Duration;

    #[test]
    fn a_place_is_free_again_once_however_its_attempt_ends() {
        let rest = Rest { first: Duration::from_secs(60), max: Duration::from_secs(900) };
        let bounds = Bounds { concurrency: 9, per_destination: 2, messages_per_connection: 1, rest };
        let sending = Sending::new(Board::new(bounds, Groups::default(), Vec::new()));
        let (first, mut second) = (sending.begin(7), sending.begin(7));
        let room = || sending.rooms(Timestamp::now(), 9).0;
        assert_eq!((room().of(7), room().of(8), room().limit()), (0, 2, 7));
        second.step_aside();
        second.step_aside();
        assert_eq!((room().of(7), room().limit()), (0, 8));
        drop(first);
        assert_eq!(room().of(7), 1);
        assert_eq!(second.end(Effect::Answered), Word::Nothing);
        assert_eq!((room().of(7), room().limit(), sending.board().sending()), (2, 9, 0));
    }
}
