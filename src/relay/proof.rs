//! What is proven of the sender of a mail at port 25: asked once for a mail, and only where something hangs on it.
//! When it fails: [`Verdict::Unknown`]; the mail is deferred.

use super::Relay;
use super::accept::Incoming;
use crate::mail::RealAddress;
use crate::senders::{Client, Findings, Message, Verdict, Verifier, Wish};
use tokio::sync::OnceCell;

/// How the sender of one mail is proven, and what came of it.
pub struct SenderProof<'a> {
    verifier: Option<&'a Verifier>,
    found: OnceCell<Findings>,
}

impl<'a> SenderProof<'a> {
    /// By what the DNS says of the client and of the mail.
    #[must_use]
    pub fn by(verifier: &'a Verifier) -> Self {
        Self { verifier: Some(verifier), found: OnceCell::new() }
    }

    /// By the login, which says who it is.
    #[must_use]
    pub fn of_login() -> Self {
        Self { verifier: None, found: OnceCell::new() }
    }

    /// What was found, given: in tests, and of mail that never was.
    pub(crate) fn given(found: Findings) -> SenderProof<'static> {
        SenderProof { verifier: None, found: OnceCell::new_with(Some(found)) }
    }

    /// What was found, if anything was asked.
    pub(super) fn found(&self) -> Option<&Findings> {
        self.found.get()
    }

    /// Whether the sender is proven, as far as was asked.
    pub(super) fn holds(&self) -> bool {
        self.found.get().is_some_and(|found| matches!(found.verdict(), Verdict::Proven(_)))
    }

    /// For the record; null where nothing was asked.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let Some(found) = self.found.get() else { return serde_json::Value::Null };
        let mut json = found.to_json();
        if let Some(fields) = json.as_object_mut() {
            fields.insert("verdict".into(), found.verdict().word().into());
        }
        json
    }
}

impl Relay {
    /// Who wrote a mail, the header From of which names this author.
    pub(super) async fn prove(&self, incoming: &Incoming<'_>, author: &RealAddress) -> Verdict {
        if let Some(found) = incoming.proof.found.get() {
            return found.verdict();
        }
        let Some(verifier) = incoming.proof.verifier else { return Verdict::Unproven(Wish::Unpublished) };
        let check = async {
            if verifier.trusts(incoming.peer.ip) {
                return Findings::Trusted;
            }
            let message =
                self.in_turn(incoming.bytes.len(), || Message::read(&incoming.bytes, Some(author))).await;
            let client =
                Client { ip: incoming.peer.ip, helo: &incoming.peer.helo, reverse_path: incoming.sender };
            let found = verifier.check(&client, &message).await;
            tracing::info!(
                event = "sender_checked",
                verdict = found.verdict().word(),
                spf = found.spf_word(),
                dkim = found.dkim_word(),
            );
            found
        };
        incoming.proof.found.get_or_init(|| check).await.verdict()
    }
}
