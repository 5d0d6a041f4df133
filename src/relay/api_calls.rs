//! Calls of the API that are made once, whoever makes them again with the same idempotency key: the first answer is given again, for a day.
//!
//! Rules: a key is its token's own. What was answered is kept sealed under a key of the token itself, since an answer can have what is shown
//! once. What failed on our side is not kept: it is to be tried again.
//! When it fails: [`RelayFault`]; the call is not made.

use super::{Relay, RelayFault};
use crate::mail::Timestamp;
use crate::store::ApiCall;
use crate::vault::{Index, Indexed};

/// What becomes of a call that has a key.
pub enum Once {
    /// To be made; its answer is to be kept with this.
    First(Index),
    /// Somebody makes it just now.
    UnderWay,
    /// The key came with another method, path or body.
    Other,
    /// As it was answered.
    Again(u16, Vec<u8>),
}

impl Relay {
    /// Begins a call: `said` is all that it says, but for its key.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn begin_call(
        &self,
        (id, token): (i64, &str),
        key: &str,
        said: &[&[u8]],
    ) -> Result<Once, RelayFault> {
        let index = &self.vault().index;
        let call = index.of(Indexed::ApiCall { token: id, said: &[b"key", key.as_bytes()] });
        let what = index.of(Indexed::ApiCall { token: id, said });
        Ok(match self.store().begin_api_call(call, what, Timestamp::now()).await? {
            ApiCall::Begun => Once::First(call),
            ApiCall::UnderWay => Once::UnderWay,
            ApiCall::Other => Once::Other,
            ApiCall::Answered(status, sealed) => {
                let malformed = || RelayFault::Malformed("api_reply.answer");
                let answer = index.open_answer(token, &call, &sealed).ok_or_else(malformed)?;
                Once::Again(u16::try_from(status).map_err(|_| malformed())?, answer)
            }
        })
    }

    /// Keeps what a call was answered; nothing of one that failed on our side.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn end_call(
        &self,
        call: Index,
        token: &str,
        status: u16,
        answer: &[u8],
    ) -> Result<(), RelayFault> {
        if status >= 500 || status == 429 {
            return Ok(self.store().forget_api_call(call).await?);
        }
        let sealed = self.vault().index.seal_answer(token, &call, answer);
        Ok(self.store().keep_api_answer(call, i64::from(status), &sealed).await?)
    }
}
