//! Every refusal the relay can give, in one table: reply code, enhanced code (RFC 3463), and a text that names the rule
//! and the cure. Unknown, foreign and forged aliases share one; no text names an address, a store or an order.

use super::{RelayFault, help};
use crate::anonymize;
use crate::mime::binary::BinaryFault;
use crate::smtp::Reply;
use crate::store::StoreFault;
use std::time::Duration;

/// Our decision not to do what a peer asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown user, wrong password, revoked credential: one answer.
    Credentials,
    /// What the session logged in with has ended since, or may not be used from there any more.
    LoginEnded,
    /// The reverse-path of a submission is not the store's.
    SenderNotRegistered,
    /// A submission with the null reverse-path.
    NullSender,
    /// The header From of a submission is not the store's.
    FromNotRegistered,
    /// The header From of a mail at port 25 is not one address.
    FromNotCustomer,
    /// No such address: unknown, foreign and forged aliases alike.
    UnknownAlias,
    /// The alias ended; said only to its own parties.
    Expired,
    /// The conversation was closed; said only to its own parties.
    Closed,
    /// The mailbox behind the alias refused for good.
    Suppressed,
    /// A submission to an address that is no alias.
    NotAnAlias,
    /// The mail is proven to come from another address than the order's.
    OtherSender,
    /// Nothing proves that the mail comes from the domain in From.
    SenderUnproven,
    /// The same, and that domain wants such mail refused (DMARC p=reject).
    SenderForged,
    /// The DNS did not say who the sender is: try again.
    SenderUnknown,
    /// A bounce or an automatic reply was to come, and something else came.
    NotAutomatic,
    /// Mail from one of our own domains arriving at the MX.
    OwnDomain,
    /// To a domain that is not ours.
    Relaying,
    /// Too many Received lines, or too often through us.
    Loop,
    /// The message can't be made anonymous with certainty.
    Content(anonymize::Refusal),
    /// It is binary (BODY=BINARYMIME), and can't be made one of lines.
    Binary(BinaryFault),
    /// The message is too large to be made once for each of its recipients.
    TooLargeForAll,
    /// A first contact: to come again after this long.
    Greylisted(Duration),
    /// The sending address stands in a block list, and the list's word is to wait.
    ListedForNow,
    /// The sending address stands in a block list.
    Listed,
    /// The scanner found malware.
    Malware,
    /// This installation may take nothing now.
    Halted,
    /// The filter takes it for spam.
    Spam,
    /// A rule that looks for fraud refuses it, or there is no more room for what such rules hold.
    Detected { rule: String, version: u32 },
    /// Too much mail to the operator waits already.
    OperatorFull,
    /// Our own breakage: try again.
    TryAgain,
    /// Our disk is full: try again.
    NoSpace,
}

impl Refusal {
    /// What the peer is told.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "one table, two lines an entry")]
    pub fn reply(&self) -> Reply {
        match self {
            Refusal::Credentials => Reply::new(
                535,
                7,
                8,
                "Authentication failed: check user name and password in the menu under mail server settings",
            ),
            Refusal::LoginEnded => Reply::new(
                421,
                7,
                0,
                "The user name and password of this session have ended: set the new ones, which the store has, in the mail \
                 program",
            ),
            Refusal::SenderNotRegistered => Reply::new(
                553,
                7,
                1,
                "The sender (MAIL FROM) is not one of the store's registered addresses: register it in the menu, or \
                 send from one that is registered",
            ),
            Refusal::NullSender => Reply::new(
                553,
                7,
                1,
                "A submission needs a sender (MAIL FROM): use one of the store's registered addresses",
            ),
            Refusal::FromNotRegistered => Reply::new(
                550,
                7,
                1,
                "The From line is not one of the store's registered addresses: register it in the menu, or write \
                 from one that is registered",
            ),
            Refusal::FromNotCustomer => Reply::new(
                550,
                7,
                1,
                "The From line must be one address, that used for the order: write from that address alone",
            )
            .line("差出人(From)は、ご注文時のメールアドレスのみをご使用ください。"),
            Refusal::UnknownAlias => {
                Reply::new(550, 1, 1, "No such address here: check it against the order, letter by letter")
            }
            Refusal::Expired => Reply::new(
                550,
                1,
                6,
                "This address has expired with its order: use the contact form of the marketplace",
            )
            .line("このアドレスは有効期限が切れています。マーケットプレイスのお問い合わせをご利用ください。"),
            Refusal::Closed => Reply::new(
                550,
                1,
                6,
                "This conversation has been closed: use the contact form of the marketplace",
            )
            .line("このやり取りは終了しています。マーケットプレイスのお問い合わせをご利用ください。"),
            Refusal::Suppressed => Reply::new(
                550,
                2,
                1,
                "The mailbox behind this address refuses all mail, so none is sent to it for now: it is tried again some \
                 days later, or as soon as mail comes from it",
            )
            .line("この宛先のメールボックスは現在メールを受け付けていないため、送信を停止しています。"),
            Refusal::NotAnAlias => Reply::new(
                550,
                7,
                1,
                "This server delivers to customer aliases of your store and to its registered addresses only: use the \
                 alias shown with the order",
            ),
            Refusal::OtherSender => Reply::new(
                550,
                7,
                1,
                "This address takes mail only from the address used for the order: write again from that address",
            )
            .line("このアドレスには、ご注文時にお使いのメールアドレスからのみ送信できます。"),
            Refusal::SenderUnproven => Reply::new(
                550,
                7,
                1,
                "It cannot be verified that this message comes from the address in its From line: send it through the \
                 mail server of that address (SPF, DKIM)",
            )
            .line("差出人(From)のアドレスから送信されたことを確認できません。そのアドレスのメールサーバから送信してください。"),
            // RFC 7372 §3.3: several checks failed.
            Refusal::SenderForged => Reply::new(
                550,
                7,
                26,
                "The domain in the From line wants messages refused that it does not vouch for (DMARC), and this is one: \
                 send it through the mail server of that address",
            )
            .line("差出人(From)のドメインのDMARCポリシーにより受信できません。そのアドレスのメールサーバから送信してください。"),
            Refusal::SenderUnknown => Reply::new(
                451,
                7,
                0,
                "The sender can't be verified just now, since the DNS does not answer: the message was not taken, try again \
                 later",
            ),
            Refusal::NotAutomatic => Reply::new(
                550,
                7,
                1,
                "Without a sender (MAIL FROM) this address takes bounces and automatic replies of the other side alone: \
                 write from the address used for the order",
            ),
            Refusal::OwnDomain => not_here(
                "Mail from this domain does not come in here: stores send through the submission port with AUTH",
            ),
            Refusal::Relaying => {
                Reply::new(550, 7, 1, "This server takes mail for its own addresses only, and relays none")
            }
            Refusal::Loop => Reply::new(554, 4, 6, "Too many hops: the message is going round in a loop"),
            Refusal::Content(why) => {
                let reply = Reply::new(554, 6, 0, why.to_string());
                match help::help(&self.page()) {
                    Some(page) => reply.line(format!("{}。{}", page.ja.title, page.ja.text)),
                    None => reply,
                }
            }
            Refusal::Binary(why) => binary(*why),
            Refusal::TooLargeForAll => Reply::new(
                552,
                3,
                4,
                "The message is too large for so many recipients at once: send it to fewer at a time",
            ),
            Refusal::Greylisted(_) | Refusal::ListedForNow | Refusal::Listed | Refusal::Malware | Refusal::Spam => {
                self.of_a_helper()
            }
            Refusal::Detected { .. } => Reply::new(
                554,
                7,
                1,
                "The message met a check against fraud: send it anew without attached files, or ask the marketplace",
            )
            .line("不正防止の確認により受信できません。添付ファイルを付けずに送り直すか、マーケットプレイスにお問い合わせください。"),
            Refusal::OperatorFull => {
                Reply::new(452, 2, 2, "Too much mail to the postmaster waits already: the message was not taken, try again later")
            }
            Refusal::Halted => Reply::new(451, 3, 2, "This server takes no mail just now: the message was not taken, try again later"),
            Refusal::TryAgain => Reply::new(451, 3, 0, "A temporary fault on our side: the message was not taken, try again later"),
            Refusal::NoSpace => Reply::new(452, 3, 1, "No space for mail just now: the message was not taken, try again later"),
        }
    }

    /// What block lists, greylisting, scanner and filter say.
    fn of_a_helper(&self) -> Reply {
        match self {
            Refusal::Greylisted(wait) => {
                let again = match wait.as_secs().div_ceil(60) {
                    0 | 1 => "a minute".to_owned(),
                    minutes => format!("{minutes} minutes"),
                };
                Reply::new(450, 7, 1, format!("First mail from this sender: try again in {again}"))
            }
            Refusal::ListedForNow => Reply::new(
                450,
                7,
                1,
                "The address that sends this mail stands in a block list: try again in an hour, or through another server",
            ),
            Refusal::Listed => Reply::new(
                550,
                7,
                1,
                "The address that sends this mail stands in a block list: ask your provider to have it taken off",
            ),
            Refusal::Spam => Reply::new(
                554,
                7,
                1,
                "The message looks like unwanted mail: write it anew in your own words, with fewer links and files",
            ),
            // Malware, the one that is left.
            _ => Reply::new(
                554,
                7,
                0,
                "The message holds malware: check your device, and send it again without the file",
            ),
        }
    }

    /// What the peer is told on the wire: in ASCII unless it asked for more (RFC 6531 §3.7.4), and with the address of the
    /// help page where there is one for everybody.
    #[must_use]
    pub fn told(&self, smtputf8: bool, public_url: Option<&str>) -> Reply {
        let reply = if smtputf8 { self.reply() } else { self.reply().in_ascii() };
        match public_url {
            Some(url) => reply.line(format!("See {url}/help/{}", self.page())),
            None => reply,
        }
    }

    /// The name of the help page.
    #[must_use]
    pub fn page(&self) -> String {
        match self {
            Refusal::Content(why) => format!("content-{}", why.word()),
            _ => self.name().replace('_', "-"),
        }
    }

    /// The reply to AUTH: 454 says that the check failed, not the password, and clients keep it then (RFC 4954 §6).
    #[must_use]
    pub fn auth_reply(&self) -> Reply {
        match self {
            Refusal::Credentials => self.reply(),
            _ => Reply::new(454, 7, 0, "The password can't be checked just now: try again later"),
        }
    }

    /// The word for log and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::Credentials => "credentials",
            Refusal::LoginEnded => "login_ended",
            Refusal::SenderNotRegistered => "sender_not_registered",
            Refusal::NullSender => "null_sender",
            Refusal::FromNotRegistered => "from_not_registered",
            Refusal::FromNotCustomer => "from_not_customer",
            Refusal::UnknownAlias => "unknown_alias",
            Refusal::Expired => "expired",
            Refusal::Closed => "closed",
            Refusal::Suppressed => "suppressed",
            Refusal::NotAnAlias => "not_an_alias",
            Refusal::OtherSender => "other_sender",
            Refusal::SenderUnproven => "sender_unproven",
            Refusal::SenderForged => "sender_forged",
            Refusal::SenderUnknown => "sender_unknown",
            Refusal::NotAutomatic => "not_automatic",
            Refusal::OwnDomain => "own_domain",
            Refusal::Relaying => "relaying",
            Refusal::Loop => "loop",
            Refusal::Content(_) => "content",
            Refusal::Binary(_) => "binary",
            Refusal::TooLargeForAll => "too_large_for_all",
            Refusal::Greylisted(_) => "greylisted",
            Refusal::ListedForNow => "listed_for_now",
            Refusal::Listed => "listed",
            Refusal::Malware => "malware",
            Refusal::Halted => "halted",
            Refusal::Spam => "spam",
            Refusal::Detected { .. } => "detected",
            Refusal::OperatorFull => "operator_full",
            Refusal::TryAgain => "try_again",
            Refusal::NoSpace => "no_space",
        }
    }
}

fn binary(why: BinaryFault) -> Reply {
    let text =
        format!("The binary message can't go on in lines: {why}: send it in base64, or without BINARYMIME");
    Reply::new(554, 6, 1, text)
}

/// 550 5.7.1.
fn not_here(text: &'static str) -> Reply {
    Reply::new(550, 7, 1, text)
}

impl From<RelayFault> for Refusal {
    /// A fault is reported here, where it becomes a reply, and nowhere else.
    fn from(fault: RelayFault) -> Self {
        tracing::error!(event = "fault", %fault, "a request failed on our side");
        match fault {
            RelayFault::Store(StoreFault::Full) => Refusal::NoSpace,
            _ => Refusal::TryAgain,
        }
    }
}

impl From<StoreFault> for Refusal {
    fn from(fault: StoreFault) -> Self {
        RelayFault::from(fault).into()
    }
}

impl From<crate::vault::VaultError> for Refusal {
    fn from(fault: crate::vault::VaultError) -> Self {
        RelayFault::from(fault).into()
    }
}
