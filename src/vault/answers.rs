//! Answers that are kept for the one who was given them: sealed under a key of what he alone has, a token, and of the ring's guard key.
//!
//! Rules: the key is made anew each time and kept nowhere. Who has database and ring opens none without the token; who has the token and
//! the database none without the ring.
//! When it fails: what does not open is `None`.

use super::aead::{Cipher, decrypt, encrypt_into, nonce};
use super::index::{Index, IndexKey};

impl IndexKey {
    /// Seals an answer for whoever has the token, to a call.
    #[must_use]
    pub fn seal_answer(&self, token: &str, call: &Index, answer: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(answer.len() + 32);
        let key = self.guard_key(b"answer", &[token.as_bytes(), call.as_bytes()]);
        encrypt_into(&Cipher::new(&key), nonce(), call.as_bytes(), answer, &mut sealed);
        sealed
    }

    /// Opens it.
    #[must_use]
    pub fn open_answer(&self, token: &str, call: &Index, sealed: &[u8]) -> Option<Vec<u8>> {
        let key = self.guard_key(b"answer", &[token.as_bytes(), call.as_bytes()]);
        decrypt(&Cipher::new(&key), call.as_bytes(), sealed).map(|plain| plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::Indexed;
    use super::super::purpose::Purpose;
    use super::super::ring::ring_for_tests;
    use super::*;
    use crate::mail::Timestamp;

    #[test]
    fn an_answer_opens_for_its_call_and_its_token_alone() {
        let ring = ring_for_tests();
        let index = ring.keys(Purpose::Index, Timestamp::from_millis(1_000_000)).unwrap();
        let keys = IndexKey::new(index, ring.guard().unwrap());
        let call = |key| keys.of(Indexed::ApiCall { token: 7, said: &[b"POST", key] });
        let sealed = keys.seal_answer("anst_a", &call(b"1"), b"{}");
        assert_eq!(keys.open_answer("anst_a", &call(b"1"), &sealed).as_deref(), Some(&b"{}"[..]));
        assert_eq!(keys.open_answer("anst_b", &call(b"1"), &sealed), None);
        assert_eq!(keys.open_answer("anst_a", &call(b"2"), &sealed), None);
        let apart = [&b"a"[..], b"bc"];
        let other = [&b"ab"[..], b"c"];
        let of = |said| keys.of(Indexed::ApiCall { token: 7, said });
        assert!(of(&apart) != of(&other), "parts are told apart");
    }
}
