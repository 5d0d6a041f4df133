//! Texts that stay after their delivery: off, unless the configuration says otherwise (`[retention.kept_texts]`).
//!
//! Rules: only mail within a conversation, so that it goes with the person; as its recipient gets it, from its beginning, as far as is
//! kept. It is sealed under its conversation's key and the day's of a class of its own, so that either end destroys it, written in
//! the transaction of the mail, found by no search, and opened at the desk for two persons.
//! When it fails: the mail is not taken, since its transaction is one.

use super::draft::Draft;
use super::{Relay, RelayFault};
use crate::store::KeptTextRow;
use crate::vault::{Class, Place, Sealed};

const fn place(message: i64) -> Place {
    Place::new("kept_text", "body", message)
}

impl Relay {
    /// Says that so many octets of each mail stay, from now on; without this none does.
    pub fn keeps_texts(&self, largest: u64) {
        let _ = self.inner.kept_octets.set(usize::try_from(largest).unwrap_or(usize::MAX));
    }

    /// What stays of a draft.
    pub(super) fn kept_of(&self, draft: &Draft<'_>) -> Option<Sealed> {
        let largest = *self.inner.kept_octets.get()?;
        draft.leg.conversation?;
        let kept = draft.body.get(..largest).unwrap_or(&draft.body);
        Some(self.seal_in(Class::KeptText, draft.leg.key, place(draft.id), kept))
    }

    /// A text that stayed, opened: for the desk and for the person alone.
    pub(super) async fn open_kept(&self, row: &KeptTextRow) -> Result<String, RelayFault> {
        let key = self.data_key(&row.key)?;
        let plain = self.open_in(&key, place(row.message_id), &row.body).await?;
        Ok(String::from_utf8_lossy(&plain).into_owned())
    }
}
