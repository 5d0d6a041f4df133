//! Showing a checkpoint to a witness: `POST /add-checkpoint` (C2SP tlog-witness) over plain HTTP, since what goes there and
//! back is signed and is no secret.
//!
//! Rules: the witness answers with its signature, which is verified before it is kept, or with the size that it knows.
//! When it fails: [`WitnessFault`].

use crate::config::{Host, Witness};
use crate::ledger::Note;
use crate::ledger::merkle::Hash;
use data_encoding::BASE64;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of an answer.
const MOST: u64 = 16 * 1024;

/// Why a witness did not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WitnessFault {
    #[error("it does not answer")]
    Silent,
    #[error(
        "it knows a tree of {0} entries, which this one does not continue: the database is an old copy, or was changed"
    )]
    Knows(u64),
    #[error("it refuses (HTTP status {0}); its own log says why")]
    Refuses(u16),
    #[error("it refuses the proof: this tree does not continue the one that it knows")]
    Proof,
    #[error("its signature does not verify with the key of the configuration")]
    Signature,
}

/// The signature line of a witness under a checkpoint that continues the tree of `old` leaves by `proof`.
pub(super) async fn show(
    witness: &Witness,
    old: u64,
    proof: &[Hash],
    note: &str,
) -> Result<String, WitnessFault> {
    let mut body = format!("old {old}\n");
    for hash in proof {
        body.push_str(&BASE64.encode(hash));
        body.push('\n');
    }
    let body = format!("{body}\n{note}");
    let asked = tokio::time::timeout(PATIENCE, ask(witness, &body)).await;
    let answer = asked.map_err(|_| WitnessFault::Silent)?.map_err(|_| WitnessFault::Silent)?;
    let (head, said) = answer.split_once("\r\n\r\n").ok_or(WitnessFault::Silent)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(WitnessFault::Silent)?;
    match status {
        200 => {
            let line = said.lines().next().unwrap_or_default();
            let signed = format!("{note}{line}\n");
            let is_signed = Note::parse(signed.as_bytes())
                .is_ok_and(|note| note.verify(std::slice::from_ref(&witness.key)).is_ok());
            if is_signed { Ok(format!("{line}\n")) } else { Err(WitnessFault::Signature) }
        }
        409 => said
            .trim()
            .parse()
            .map_or(Err(WitnessFault::Refuses(status)), |size| Err(WitnessFault::Knows(size))),
        422 => Err(WitnessFault::Proof),
        _ => Err(WitnessFault::Refuses(status)),
    }
}

async fn ask(witness: &Witness, body: &str) -> std::io::Result<String> {
    let port = witness.address.port;
    let mut stream = match &witness.address.host {
        Host::Ip(ip) => TcpStream::connect((*ip, port)).await?,
        Host::Name(name) => TcpStream::connect((name.as_str(), port)).await?,
    };
    let request = format!(
        "POST /add-checkpoint HTTP/1.1\r\nHost: {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        witness.address,
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
