//! What a session asks of the relay, and what a reply shows of the answer.

use super::connection::Shared;
use crate::mail::RealAddress;
use crate::relay::{Login, Peer, Recipient, Refusal, SenderProof};
use crate::senders::Client;

/// Whether a recipient is admitted: a store's by its login, else by what the envelope proves.
pub(super) async fn recipient(
    shared: &Shared,
    login: Option<&Login>,
    sender: Option<&RealAddress>,
    peer: &Peer,
    to: &RealAddress,
) -> Result<Recipient, Refusal> {
    let Some(login) = login else {
        let client = Client { ip: peer.ip, helo: &peer.helo, reverse_path: sender };
        let proves_sender = async || shared.verifier.proves_envelope(&client).await;
        return shared.relay.mx_recipient(sender, to, proves_sender).await;
    };
    shared.relay.submission_recipient(login, to).await
}

/// How the sender of a message is proven.
pub(super) fn proof<'a>(shared: &'a Shared, login: Option<&Login>) -> SenderProof<'a> {
    match login {
        Some(_) => SenderProof::of_login(),
        None => SenderProof::by(&shared.verifier),
    }
}

/// The queue ids that fit a reply line of 512 octets (RFC 5321 §4.5.3.1.5); one recipient's message has one.
pub(super) fn shown_ids(ids: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown = ids.get(..SHOWN).unwrap_or(ids).join(" ");
    if ids.len() > SHOWN { format!("{shown} and {} more", ids.len() - SHOWN) } else { shown }
}
