//! A message as the crate that verifies signatures reads it, and whether we read the same.
//!
//! Rules: a signature proves something only if the crate found the end of the header and the author where the rest of this
//! program finds them; otherwise a mail could be signed for one reader and written for another. Of all signatures at
//! most [`SIGNATURES_MAX`] are looked at, those of the author's own domain first. Not counted at all are those whose list of
//! tags is broken, those with SHA-1 (RFC 8301 §3.1), those that do not cover From (RFC 6376 §5.4) and those with `l=`
//! (§8.2), which leave room for another text.
//! When it fails: a message without signatures.

use super::dmarc::{Mode, is_aligned};
use super::tags::is_sound;
use crate::mail::{Domain, RealAddress};
use mail_auth::AuthenticatedMessage;
use mail_auth::dkim::{DkimError, Signature};

/// Signatures that are looked at. Real mail has one to four.
const SIGNATURES_MAX: usize = 10;
/// What a signature must say (RFC 6376 §3.5).
const REQUIRED: [&str; 7] = ["v", "a", "b", "bh", "d", "h", "s"];

/// A message, prepared: its body is hashed.
pub struct Message<'a> {
    pub(super) inner: Option<AuthenticatedMessage<'a>>,
    /// `None` where From is not one address.
    pub(super) author: Option<Domain>,
}

impl<'a> Message<'a> {
    /// Reads a message by this author, as the header From names it. Takes time in proportion to the message.
    #[must_use]
    pub fn read(bytes: &'a [u8], author: Option<&RealAddress>) -> Self {
        let domain = author.map(|author| author.reveal_domain().clone());
        let mut inner =
            AuthenticatedMessage::parse(bytes).filter(|message| is_read_alike(bytes, message, author));
        if let (Some(message), Some(author)) = (&mut inner, &domain) {
            bound(message, author);
        }
        Self { inner, author: domain }
    }
}

/// Whether both readers see one header and one author.
fn is_read_alike(bytes: &[u8], message: &AuthenticatedMessage<'_>, author: Option<&RealAddress>) -> bool {
    let header = match memchr::memmem::find(bytes, b"\r\n\r\n") {
        Some(at) => at.saturating_add(4),
        None => bytes.len(),
    };
    let block = bytes.get(..header).unwrap_or_default();
    let has_bare_ends = memchr::memchr2_iter(b'\r', b'\n', block).any(|at| match block.get(at) {
        Some(b'\r') => block.get(at.saturating_add(1)) != Some(&b'\n'),
        _ => at.checked_sub(1).and_then(|before| block.get(before)) != Some(&b'\r'),
    });
    if has_bare_ends || message.body_offset() != header {
        return false;
    }
    let froms = message.headers().iter().filter(|(name, _)| name.trim_ascii().eq_ignore_ascii_case(b"from"));
    match (author, message.from_addresses()) {
        (None, _) => true,
        (Some(author), [only]) => {
            froms.count() == 1
                && only.rsplit_once('@').and_then(|(_, domain)| Domain::parse(domain).ok()).as_ref()
                    == Some(author.reveal_domain())
        }
        _ => false,
    }
}

/// Keeps what can prove something, and not more than is looked at.
fn bound(message: &mut AuthenticatedMessage<'_>, author: &Domain) {
    let is_own = |signature: &Signature| {
        Domain::parse(&signature.d).is_ok_and(|name| is_aligned(author, &name, Mode::Relaxed))
    };
    let own = message.dkim_signatures().iter().filter(|header| is_own(&header.header)).count();
    // In the order in which they are asked about below.
    let sound: Vec<bool> =
        message.dkim_signatures().iter().map(|header| is_sound(header.value, &REQUIRED)).collect();
    let mut sound = sound.into_iter();
    let (mut own_left, mut others_left) = (SIGNATURES_MAX, SIGNATURES_MAX.saturating_sub(own));
    message.retain_dkim_signatures(|signature| {
        let left = if is_own(signature) { &mut own_left } else { &mut others_left };
        let has_place = *left > 0;
        *left = left.saturating_sub(1);
        let covers_from = signature.h.iter().any(|name| name.trim().eq_ignore_ascii_case("from"));
        if sound.next() == Some(true) && has_place && covers_from {
            Ok(())
        } else {
            Err(DkimError::UnsupportedAlgorithm)
        }
    });
}
