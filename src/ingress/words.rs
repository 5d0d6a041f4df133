//! What a reply shows of what was taken.

/// The queue ids that fit a reply line of 512 octets (RFC 5321 §4.5.3.1.5); one recipient's message has one.
pub(super) fn shown_ids(ids: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown = ids.get(..SHOWN).unwrap_or(ids).join(" ");
    if ids.len() > SHOWN { format!("{shown} and {} more", ids.len() - SHOWN) } else { shown }
}
