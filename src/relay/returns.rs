//! What comes back to a return address. It is read as a bounce and answered for by us; nothing of it is passed on.
//!
//! The address names the delivery, so nothing in the message needs to be believed except what kind of answer it is: a
//! delivery status notification (RFC 3464) that says `failed`, or anything else (a delay, a vacation text, a read receipt),
//! which is recorded and ends here. So does a bounce without that form, since guessing at its words could fail a mail
//! that arrived.

use super::accept::Incoming;
use super::notice::Outcome;
use super::record::peer_json;
use super::{Event, Refusal, Relay};
use crate::mail::Timestamp;
use crate::store::Bounced;
use mail_parser::MessageParser;

/// What a bounce says of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Failed for good, with this enhanced status.
    Failed(String),
    /// Something else.
    Other,
}

impl Relay {
    /// Takes a bounce for a delivery of ours.
    pub(super) async fn take_return(
        &self,
        delivery: i64,
        said: &Said,
        incoming: &Incoming<'_>,
    ) -> Result<(), Refusal> {
        let now = Timestamp::now();
        let Some(work) = self.store().delivered_work(delivery).await? else {
            // Its time is over; the answer is the same, so that nobody can ask which deliveries there are.
            return Ok(());
        };
        let key = self.data_key(&work.key)?;
        let detail = serde_json::json!({
            "said": match said { Said::Failed(status) => status.as_str(), Said::Other => "other" },
            "peer": peer_json(incoming.peer),
            "size_received": incoming.bytes.len(),
        });
        let about = self.about(&work);
        let record = self.new_record(&key, Event::Returned, about, Some(incoming.peer.ip), &detail, None);
        match said {
            Said::Failed(status) => {
                let status = format!("550 {status}");
                let notice = self.notice(&key, &work, Outcome::Failed, &status, now);
                let bounced = self.store().bounced(delivery, now, status, record, notice).await?;
                // A bounce can be faster than the commit that says "delivered". Whoever sent it keeps it and comes again.
                if bounced == Bounced::Waiting {
                    return Err(Refusal::TryAgain);
                }
            }
            Said::Other => self.store().record(vec![record]).await?,
        }
        Ok(())
    }
}

pub(super) fn read(message: &[u8]) -> Said {
    let Some(parsed) = MessageParser::default().parse(message) else { return Said::Other };
    for part in parsed.parts() {
        let is_status = part.content_type().is_some_and(|t| {
            t.ctype().eq_ignore_ascii_case("message")
                && t.subtype().is_some_and(|s| {
                    s.eq_ignore_ascii_case("delivery-status")
                        || s.eq_ignore_ascii_case("global-delivery-status")
                })
        });
        if is_status {
            return read_status(&part.decoded());
        }
    }
    Said::Other
}

/// The recipient's fields of a report (RFC 3464 §2.3).
fn read_status(fields: &[u8]) -> Said {
    let text = String::from_utf8_lossy(fields);
    let field = |name: &str| {
        text.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let failed = field("action").is_some_and(|action| action.to_ascii_lowercase().starts_with("failed"));
    if !failed {
        return Said::Other;
    }
    let status: String = field("status")
        .unwrap_or_default()
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .take(9)
        .collect();
    Said::Failed(if status.starts_with("5.") { status } else { "5.0.0".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(action: &str, status: &str) -> Vec<u8> {
        format!(
            "From: MAILER-DAEMON@mx.example\r\nContent-Type: multipart/report; report-type=delivery-status; \
             boundary=b\r\nMIME-Version: 1.0\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsorry\r\n--b\r\n\
             Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
             Final-Recipient: rfc822; x@y.example\r\nAction: {action}\r\nStatus: {status}\r\n\r\n--b--\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn only_a_failure_counts_as_one() {
        assert_eq!(read(&report("failed", "5.1.1 (no such user)")), Said::Failed("5.1.1".into()));
        assert_eq!(read(&report("Failed", "garbage")), Said::Failed("5.0.0".into()));
        assert_eq!(read(&report("delayed", "4.4.1")), Said::Other);
        assert_eq!(read(b"Subject: away\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n"), Said::Other);
        assert_eq!(read(b""), Said::Other);
    }
}
