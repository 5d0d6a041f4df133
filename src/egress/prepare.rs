//! From a finished message to one that a next hop takes: signed, and written in fewer octets where the next hop says that it
//! does not take all of them.
//!
//! Rules: the message goes as it is first. A hop without 8BITMIME or SMTPUTF8 (5.6.3, 5.6.7, of our own finding, before a
//! word on the wire) gets it written anew and signed anew: a signature over other octets would be broken by whoever
//! changed them (RFC 6376 §5.3). The connection was kept meanwhile. An address that needs SMTPUTF8 stays refused.
//! When it fails: [`DkimFault`]; anything else is a [`Report`].

use super::dkim::{DkimFault, Signer};
use super::route::Route;
use super::{Dotted, Outgoing, Purpose, Report, Transport};
use crate::mail::{Alias, Domain, RealAddress};
use crate::mime::downgrade::{Extent, downgrade, has_long_lines};
use crate::smtp::client::{Outcome, Phase};
use std::borrow::Cow;

/// A message and its envelope, before signing.
pub(super) struct Letter<'a> {
    pub(super) reverse_path: Option<&'a Alias>,
    pub(super) forward_path: &'a RealAddress,
    pub(super) message: &'a [u8],
    pub(super) utf8_headers: bool,
    /// It may go only over proven TLS (RFC 8689).
    pub(super) require_tls: bool,
    pub(super) purpose: Purpose,
    /// In place of where the recipient's domain goes.
    pub(super) route: Option<&'a Route>,
    /// Most on one connection to this receiver.
    pub(super) messages_per_connection: u32,
    /// Whose key signs.
    pub(super) domain: &'a Domain,
    pub(super) dotted: &'a Dotted,
}

/// Signs and delivers.
///
/// # Errors
/// [`DkimFault`] when it cannot be signed.
pub(super) async fn send(
    transport: &Transport,
    signer: &Signer,
    letter: &Letter<'_>,
) -> Result<Report, DkimFault> {
    // Lines that a server may refuse or cut (RFC 5321 §4.5.3.1.6) are written in shorter ones before they are signed; what
    // can't be read well enough for that goes as it is.
    let whole = has_long_lines(letter.message).then(|| downgrade(letter.message, Extent::Lines)).flatten();
    let whole = whole.map_or(Cow::Borrowed(letter.message), Cow::Owned);
    let mut message = Cow::Borrowed(whole.as_ref());
    let mut utf8_headers = letter.utf8_headers;
    let mut extents = [Extent::Headers, Extent::Whole].into_iter();
    loop {
        let mut signed = signer.sign(&message, letter.domain)?;
        signed.extend_from_slice(&message);
        let outgoing = Outgoing {
            reverse_path: letter.reverse_path,
            forward_path: letter.forward_path,
            message: &signed,
            eight_bit: !message.is_ascii(),
            utf8_headers,
            require_tls: letter.require_tls,
            purpose: letter.purpose,
            route: letter.route,
            messages_per_connection: letter.messages_per_connection,
            dotted: letter.dotted,
        };
        let report = transport.deliver(outgoing).await;
        let Some(needed) = extent_for(&report) else { return Ok(report) };
        // Each step once, from the smaller change to the larger.
        if !extents.any(|extent| extent == needed) {
            return Ok(report);
        }
        let Some(changed) = downgrade(&whole, needed) else { return Ok(report) };
        message = Cow::Owned(changed);
        utf8_headers = false;
    }
}

/// What the next hop does not take, where that can be mended.
fn extent_for(report: &Report) -> Option<Extent> {
    let ours = report.phase == Phase::Mail && report.remote_text.is_none();
    match report.outcome {
        Outcome::Failed { status } if ours => match status.enhanced {
            Some((5, 6, 7)) => Some(Extent::Headers),
            Some((5, 6, 3)) => Some(Extent::Whole),
            _ => None,
        },
        _ => None,
    }
}
