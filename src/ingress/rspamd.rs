//! A filter for unwanted mail: rspamd, by its HTTP protocol (`POST /checkv2`).
//!
//! Rules: off unless configured; it labels before it blocks. A whole message goes over before it is anonymized, with the
//! address and HELO name of the client, the reverse-path and the name of the login, and never leaves the machine or a private
//! network. Of the answer the action and the score count, and nothing else is kept; it is read up to [`ANSWER`] octets.
//! `daemon` has the turns and the connection.
//! When it fails: [`Rating::Failed`]; what becomes of the mail is `ingress.rspamd.on_failure`.

use super::daemon::{Daemon, Silence, Whose};
use crate::config::{OnFailure, OnSpam, Rspamd};
use std::net::IpAddr;

/// Longest answer that is read: it names every rule that matched.
const ANSWER: u64 = 512 * 1024;
/// Longest value of a header field of the question.
const FIELD: usize = 500;

/// What came of a look.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rating {
    Wanted,
    /// A label: the action's word, and the score.
    Unwanted {
        action: &'static str,
        score: f64,
    },
    /// To be refused for good.
    Refused {
        score: f64,
    },
    /// To be asked again later.
    Later,
    /// It could not be looked at; why, for the log.
    Failed(&'static str),
}

/// What is said of a message beside its octets.
pub(super) struct Question<'a> {
    pub ip: IpAddr,
    pub helo: &'a str,
    /// Empty for a null reverse-path.
    pub reverse_path: &'a str,
    /// The name of the login, at submission.
    pub user: Option<&'a str>,
}

/// The filter.
pub(super) struct Filter {
    daemon: Daemon,
    on_failure: OnFailure,
    on_spam: OnSpam,
}

/// The part of the answer that counts.
#[derive(serde::Deserialize)]
struct Answer {
    action: String,
    #[serde(default)]
    score: f64,
}

impl Filter {
    /// `None` where none is configured.
    pub fn new(config: &Rspamd) -> Option<Self> {
        let address = config.address.clone()?;
        let daemon = Daemon::new(address, config.timeout);
        Some(Self { daemon, on_failure: config.on_failure, on_spam: config.on_spam })
    }

    /// Whether mail that could not be looked at is taken.
    pub fn accepts_unrated(&self) -> bool {
        self.on_failure == OnFailure::Accept
    }

    /// Looks at a message.
    pub async fn rate(&self, question: &Question<'_>, message: &[u8]) -> Rating {
        let whose = if question.user.is_some() { Whose::Stores } else { Whose::Strangers };
        let head = head(question, message.len());
        match self.daemon.ask(whose, &[head.as_bytes().into(), message.into()], ANSWER).await {
            Ok(answer) => self.judge(&answer),
            Err(Silence::Gone) => Rating::Failed("no connection to rspamd, or it ended"),
            Err(Silence::Late) => Rating::Failed("rspamd did not answer in time"),
        }
    }

    /// The actions are those of rspamd's `actions` configuration; a new one labels.
    fn judge(&self, answer: &[u8]) -> Rating {
        let Some(answer) = read_answer(answer) else {
            return Rating::Failed("rspamd answered with an error");
        };
        let (score, refuses) = (answer.score, self.on_spam == OnSpam::Refuse);
        match answer.action.as_str() {
            // What it would greylist has its own place here (ingress.mx.greylist).
            "no action" | "greylist" => Rating::Wanted,
            "reject" if refuses => Rating::Refused { score },
            "soft reject" if refuses => Rating::Later,
            "soft reject" => Rating::Wanted,
            "reject" => Rating::Unwanted { action: "reject", score },
            "add header" => Rating::Unwanted { action: "add header", score },
            "rewrite subject" => Rating::Unwanted { action: "rewrite subject", score },
            _ => Rating::Unwanted { action: "other", score },
        }
    }
}

/// What goes before the message.
fn head(question: &Question<'_>, length: usize) -> String {
    let mut head = format!(
        "POST /checkv2 HTTP/1.1\r\nHost: rspamd\r\nConnection: close\r\nContent-Length: {length}\r\nIP: {}\r\n",
        question.ip.to_canonical()
    );
    let fields =
        [("Helo", Some(question.helo)), ("From", Some(question.reverse_path)), ("User", question.user)];
    for (name, value) in fields {
        if let Some(value) = value.filter(|value| may_stand(value)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head + "\r\n"
}

/// Whether a peer's word can stand in a field: it must not begin another one.
fn may_stand(value: &str) -> bool {
    !value.is_empty() && value.len() <= FIELD && value.bytes().all(|b| b.is_ascii_graphic())
}

/// Status 200 and JSON up to the end of the connection, or of Content-Length.
fn read_answer(octets: &[u8]) -> Option<Answer> {
    let end = memchr::memmem::find(octets, b"\r\n\r\n")?;
    let head = std::str::from_utf8(octets.get(..end)?).ok()?;
    let body = octets.get(end + 4..)?;
    let mut lines = head.split("\r\n");
    if lines.next()?.split(' ').nth(1)? != "200" {
        return None;
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())
    });
    let body = match length {
        Some(length) => body.get(..length?)?,
        None => body,
    };
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ScannerAddress;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn filter(address: std::net::SocketAddr, on_spam: OnSpam) -> Filter {
        let config = Rspamd {
            address: Some(ScannerAddress::Tcp(address)),
            timeout: Duration::from_secs(5),
            on_failure: OnFailure::Accept,
            on_spam,
        };
        Filter::new(&config).unwrap()
    }

    #[test]
    fn an_action_labels_and_blocks_only_where_that_is_wanted() {
        let nowhere = ([127, 0, 0, 1], 1).into();
        let (labels, refuses) = (filter(nowhere, OnSpam::Label), filter(nowhere, OnSpam::Refuse));
        let unwanted = |action, score| Rating::Unwanted { action, score };
        for (action, label, refusal) in [
            ("no action", Rating::Wanted, Rating::Wanted),
            ("greylist", Rating::Wanted, Rating::Wanted),
            ("add header", unwanted("add header", 7.5), unwanted("add header", 7.5)),
            ("rewrite subject", unwanted("rewrite subject", 7.5), unwanted("rewrite subject", 7.5)),
            ("soft reject", Rating::Wanted, Rating::Later),
            ("reject", unwanted("reject", 7.5), Rating::Refused { score: 7.5 }),
            ("quarantine", unwanted("other", 7.5), unwanted("other", 7.5)),
        ] {
            let body = format!("{{\"score\":7.5,\"action\":\"{action}\",\"symbols\":{{}}}}");
            let length = body.len();
            for answer in [
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"),
                format!("HTTP/1.0 200 OK\r\nServer: x\r\n\r\n{body}"),
            ] {
                assert_eq!(labels.judge(answer.as_bytes()), label, "{action}");
                assert_eq!(refuses.judge(answer.as_bytes()), refusal, "{action}");
            }
        }
        for answer in [
            "",
            "HTTP/1.1 500 Error\r\n\r\n{\"action\":\"no action\"}",
            "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"action\":\"no action\"}",
            "HTTP/1.1 200 OK\r\n\r\n{\"error\":\"x\"}",
            "{\"action\":\"no action\"}",
        ] {
            assert!(matches!(labels.judge(answer.as_bytes()), Rating::Failed(_)), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_message_goes_over_whole_a_peers_word_begins_no_field_and_a_silent_filter_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let filter = filter(listener.local_addr().unwrap(), OnSpam::Label);
        let question = Question {
            ip: "192.0.2.1".parse().unwrap(),
            helo: "x\r\nPass: all",
            reverse_path: "a@x.example",
            user: None,
        };
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\nHello.\r\n") {
                stream.read_buf(&mut asked).await.unwrap();
            }
            let asked = String::from_utf8(asked).unwrap();
            assert!(
                asked.contains("\r\nContent-Length: 8\r\nIP: 192.0.2.1\r\nFrom: a@x.example\r\n\r\n"),
                "{asked}"
            );
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"action\":\"no action\"}").await.unwrap();
        };
        let (rating, ()) = tokio::join!(filter.rate(&question, b"Hello.\r\n"), serve);
        assert_eq!(rating, Rating::Wanted);
        tokio::time::pause();
        assert!(matches!(filter.rate(&question, b"x").await, Rating::Failed(_)));
    }
}
