//! A scanner for malware: clamd, by its INSTREAM command (clamd(8)).
//!
//! Rules: off unless configured; a whole message goes over in chunks, before it is anonymized, and never leaves the
//! machine or a private network. The name of what was found is clamd's, is kept to letters and dots, and goes to the log, not
//! to the sender. `daemon` has the turns and the connection.
//! When it fails: [`Scan::Failed`]; what becomes of the mail is `ingress.clamd.on_failure`.

use super::daemon::{Daemon, Silence, Whose};
use crate::config::{Clamd, OnFailure};
use std::borrow::Cow;

/// Octets of a chunk.
const CHUNK: usize = 64 * 1024;
/// Longest reply that is read.
const REPLY: u64 = 4096;

/// What came of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scan {
    Clean,
    /// The scanner's name for it.
    Found(String),
    /// It could not be looked at; why, for the log.
    Failed(&'static str),
}

/// The scanner.
pub(super) struct Scanner {
    daemon: Daemon,
    on_failure: OnFailure,
}

impl Scanner {
    /// `None` where none is configured.
    pub fn new(config: &Clamd) -> Option<Self> {
        let address = config.address.clone()?;
        Some(Self { daemon: Daemon::new(address, config.timeout), on_failure: config.on_failure })
    }

    /// Whether mail that could not be scanned is taken.
    pub fn accepts_unscanned(&self) -> bool {
        self.on_failure == OnFailure::Accept
    }

    /// Looks at a message: `zINSTREAM`, chunks of a length in four octets each, a chunk of none, then the reply up to a NUL.
    pub async fn scan(&self, whose: Whose, message: &[u8]) -> Scan {
        let mut question = vec![Cow::from(&b"zINSTREAM\0"[..])];
        for chunk in message.chunks(CHUNK) {
            // CHUNK is less than 2^32.
            let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX).to_be_bytes();
            question.extend([length.to_vec().into(), chunk.into()]);
        }
        question.push(Cow::from(&[0; 4][..]));
        match self.daemon.ask(whose, &question, REPLY).await {
            // It closes early where a message is larger than its StreamMaxLength, and says so.
            Ok(reply) => read_reply(&reply),
            Err(Silence::Gone) => Scan::Failed("no connection to clamd, or it ended"),
            Err(Silence::Late) => Scan::Failed("clamd did not answer in time"),
        }
    }
}

/// `stream: OK`, `stream: NAME FOUND`, or `… ERROR`.
fn read_reply(reply: &[u8]) -> Scan {
    let text = String::from_utf8_lossy(reply);
    let text = text.trim_end_matches(['\0', '\n']);
    match text.strip_prefix("stream: ") {
        Some("OK") => Scan::Clean,
        Some(rest) => match rest.strip_suffix(" FOUND") {
            Some(name) => {
                let is_good = |c: &char| c.is_ascii_alphanumeric() || ".-_/:".contains(*c);
                Scan::Found(name.chars().filter(is_good).take(100).collect())
            }
            None => Scan::Failed("clamd reported an error"),
        },
        None if text.contains("size limit exceeded") => Scan::Failed(
            "the message is larger than clamd's StreamMaxLength; raise it to limits.message_size",
        ),
        None => Scan::Failed("clamd reported an error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ScannerAddress;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn replies_are_clean_found_or_failed() {
        for (reply, scan) in [
            (&b"stream: OK\0"[..], Scan::Clean),
            (b"stream: Eicar-Signature FOUND\0", Scan::Found("Eicar-Signature".into())),
            (b"stream: a\r\nb FOUND\0", Scan::Found("ab".into())),
        ] {
            assert_eq!(read_reply(reply), scan);
        }
        for reply in [&b""[..], b"INSTREAM size limit exceeded. ERROR\0", b"stream: x ERROR\0", b"OK"] {
            assert!(matches!(read_reply(reply), Scan::Failed(_)));
        }
    }

    #[tokio::test]
    async fn a_message_goes_over_whole_and_a_silent_scanner_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Clamd {
            address: Some(ScannerAddress::Tcp(listener.local_addr().unwrap())),
            timeout: Duration::from_secs(5),
            on_failure: OnFailure::Defer,
        };
        let scanner = Scanner::new(&config).unwrap();
        let message = vec![b'x'; CHUNK + 10];
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut all = vec![0; 10 + 4 + CHUNK + 4 + 10 + 4];
            stream.read_exact(&mut all).await.unwrap();
            assert!(
                all.starts_with(b"zINSTREAM\0\0\x01\0\0x") && all.ends_with(b"\0\0\0\x0axxxxxxxxxx\0\0\0\0")
            );
            stream.write_all(b"stream: OK\0").await.unwrap();
        };
        let (scan, ()) = tokio::join!(scanner.scan(Whose::Strangers, &message), serve);
        assert_eq!(scan, Scan::Clean);
        tokio::time::pause();
        assert!(matches!(scanner.scan(Whose::Stores, b"x").await, Scan::Failed(_)));
    }
}
