//! Between the words of the wire and those of the relay.

use crate::relay::Notify;
use crate::smtp::RcptParams;

/// The queue ids that fit a reply line of 512 octets (RFC 5321 §4.5.3.1.5); one recipient's message has one.
pub(super) fn shown_ids(ids: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown = ids.get(..SHOWN).unwrap_or(ids).join(" ");
    if ids.len() > SHOWN { format!("{shown} and {} more", ids.len() - SHOWN) } else { shown }
}

/// When a sender wants to be told, by what it said with RCPT.
pub(super) fn notify(params: &RcptParams) -> Notify {
    use crate::smtp::Notify as Wanted;
    match params.notify {
        None => Notify::default(),
        Some(Wanted::Never) => Notify { success: false, failure: false, delay: false },
        Some(Wanted::On { success, failure, delay }) => Notify { success, failure, delay },
    }
}
