//! A daemon that looks at messages over a socket, clamd or rspamd: its turns, and one question with its answer.
//!
//! Rules: one connection a question. It is written and the answer is read at the same time, since a daemon may answer, and
//! close, before it has read all: then the answer counts. Of the [`AT_ONCE`] messages looked at at once half are those of
//! stores that have logged in and half those of everybody else, so that strangers do not keep a store's mail waiting. The
//! others wait their turn, in order, within the daemon's time.
//! When it fails: [`Silence`]; what becomes of the mail is `on_failure`.

use crate::config::ScannerAddress;
use std::borrow::Cow;
use std::future::pending;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Messages looked at at once; clamd's own MaxThreads is 10 by default.
const AT_ONCE: usize = 8;

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// That of a store that has logged in.
    Stores,
    Strangers,
}

/// There is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// No connection, or it ended before the answer.
    Gone,
    /// Nothing came in time.
    Late,
}

/// A daemon by its address.
pub(super) struct Daemon {
    address: ScannerAddress,
    patience: Duration,
    stores: Semaphore,
    strangers: Semaphore,
}

impl Daemon {
    /// One that is given `patience` for each message, the wait for its turn included.
    pub fn new(address: ScannerAddress, patience: Duration) -> Self {
        let turns = || Semaphore::new(AT_ONCE / 2);
        Self { address, patience, stores: turns(), strangers: turns() }
    }

    /// Writes `question` and reads the answer up to its end, or to `longest` octets.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn ask(
        &self,
        whose: Whose,
        question: &[Cow<'_, [u8]>],
        longest: u64,
    ) -> Result<Vec<u8>, Silence> {
        let turns = match whose {
            Whose::Stores => &self.stores,
            Whose::Strangers => &self.strangers,
        };
        let asked = async {
            let _turn = turns.acquire().await.map_err(io::Error::other)?;
            match &self.address {
                ScannerAddress::Tcp(address) => {
                    exchange(TcpStream::connect(address).await?, question, longest).await
                }
                ScannerAddress::Unix(path) => {
                    exchange(UnixStream::connect(path).await?, question, longest).await
                }
            }
        };
        match timeout(self.patience, asked).await {
            Ok(answer) => answer.map_err(|_| Silence::Gone),
            Err(_) => Err(Silence::Late),
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite,
    question: &[Cow<'_, [u8]>],
    longest: u64,
) -> io::Result<Vec<u8>> {
    let (reader, mut writer) = tokio::io::split(stream);
    let write = async {
        for part in question {
            // Where it reads no more the answer says why.
            if writer.write_all(part).await.is_err() {
                break;
            }
        }
        let _ = writer.flush().await;
        pending().await
    };
    let mut answer = Vec::new();
    let mut reader = reader.take(longest);
    let read = tokio::select! {
        read = reader.read_to_end(&mut answer) => read,
        never = write => never,
    };
    match read {
        // What it left unread resets the connection behind its answer.
        Err(fault) if answer.is_empty() => Err(fault),
        _ => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use tokio::net::TcpListener;

    const LONGEST: u64 = 1024 * 1024;

    async fn daemon() -> (Daemon, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = ScannerAddress::Tcp(listener.local_addr().unwrap());
        (Daemon::new(address, Duration::from_secs(60)), listener)
    }

    #[tokio::test]
    async fn a_daemon_that_answers_before_it_has_read_all_is_heard() {
        let (daemon, listener) = daemon().await;
        // More than both ends hold for a peer that does not read.
        let (question, answer) = (vec![b'q'; 32 * 1024 * 1024], vec![b'a'; LONGEST as usize]);
        let question = [Cow::from(question)];
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&answer).await.unwrap();
            stream.shutdown().await.unwrap();
            stream
        };
        let (asked, _stream) = tokio::join!(daemon.ask(Whose::Strangers, &question, 2 * LONGEST), serve);
        assert!(asked.unwrap() == answer);
    }

    #[tokio::test]
    async fn strangers_that_wait_for_a_silent_daemon_keep_no_store_waiting() {
        let (daemon, listener) = daemon().await;
        let question = [Cow::from(&b"?"[..])];
        let mut strangers: Vec<_> =
            (0..AT_ONCE).map(|_| Box::pin(daemon.ask(Whose::Strangers, &question, LONGEST))).collect();
        let mut silent = Vec::new();
        for one in &mut strangers {
            assert!(poll!(one).is_pending());
        }
        for _ in 0..AT_ONCE / 2 {
            silent.push(listener.accept().await.unwrap());
        }
        assert_eq!(daemon.strangers.available_permits(), 0);
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut octet = [0];
            stream.read_exact(&mut octet).await.unwrap();
            stream.write_all(b"!").await.unwrap();
        };
        let (asked, ()) = tokio::join!(daemon.ask(Whose::Stores, &question, LONGEST), serve);
        assert_eq!(asked, Ok(b"!".to_vec()));
    }
}
