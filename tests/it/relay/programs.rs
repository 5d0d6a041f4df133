//! Real programs at both ends: Postfix as the customer's mail server, swaks and Python's smtplib as the store's.
//!
//! The customer's provider has one Postfix for mail that comes in and one for mail that goes out, as large ones do.

use super::letter::{Letter, header, show};
use super::process::{On, Setup, TestRelay};
use super::scene::{Account, Order, Person, add_merchant, open_order};
use super::watch::Watch;
use crate::peer::postfix::Postfix;
use crate::peer::{HOW_TO_RUN, eventually, swaks};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// A store with a mailbox of ours, a customer at Postfix.
struct Provider {
    relay: TestRelay,
    watch: Arc<Watch>,
    mise: Person,
    incoming: Postfix,
    hana: String,
    address: String,
    account: Account,
    order: Order,
}

impl Provider {
    fn new() -> Self {
        let watch = Arc::new(Watch::default());
        let mise = Person::new(&watch, "mise");
        let needle = watch.needle("hana");
        let domain = format!("hana-{needle}.test");
        let incoming = Postfix::start(&domain, None);
        let relay = Setup::new(On::Sqlite)
            .route(&mise.domain, mise.mailbox.address())
            .route(&domain, incoming.address())
            .start(&watch);
        let account = add_merchant(&relay, "mise", &[&mise.address]);
        let hana = format!("hana.{needle}");
        let address = format!("{hana}@{domain}");
        let order = open_order(&relay, "mise", "A-1001", &address);
        Self { relay, watch, mise, incoming, hana, address, account, order }
    }

    /// A mail of the store's to the order's customer.
    fn letter(&self) -> Letter {
        Letter::new(&self.watch, &self.mise.address, &self.order.customer_alias)
    }

    /// Submits with swaks on port 587.
    #[track_caller]
    fn swaks(&self, letter: &Letter) {
        let (user, password) = (&self.account.user, &self.account.password);
        let (user, password) = (format!("--auth-user={user}"), format!("--auth-password={password}"));
        let options = ["--tls", "--auth=PLAIN", &user, &password];
        let mail = show(&letter.bytes()).replace("\r\n", "\n");
        let sent = swaks::send(self.relay.submission(), &self.mise.address, &[&letter.to], &mail, &options);
        assert!(
            sent.accepted() && sent.transcript.contains("<~  250 2.0.0 Ok: queued as"),
            "{}",
            sent.transcript
        );
    }

    /// The customer's mails so far, once there are so many.
    fn inbox(&self, count: usize) -> Vec<Vec<u8>> {
        let mails = self.incoming.wait_for_mails(&self.hana, count);
        mails.iter().for_each(|mail| self.watch.shown("hana", "her mailbox", mail));
        self.watch.shown("hana", "her server's log", self.incoming.log().as_bytes());
        mails
    }
}

/// Runs a Python program with these arguments and this input; what it printed.
#[track_caller]
fn python(program: &str, arguments: &[&str], input: &[u8]) -> String {
    let mut child = Command::new("python3")
        .args(["-c", program])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|fault| panic!("python3: {fault}; {HOW_TO_RUN}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Answers the mail on its input as a mail program does: quoted text below, sent through the customer's own server.
const ANSWER: &str = r#"
import email, email.policy, smtplib, sys
from email.message import EmailMessage
port, sender, words = sys.argv[1:]
asked = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
quoted = "".join("> " + line + "\n" for line in asked.get_body().get_content().splitlines())
answer = EmailMessage()
answer["From"] = sender
answer["To"] = asked["Reply-To"] or asked["From"]
answer["Subject"] = "Re: " + asked["Subject"]
answer["Message-ID"] = email.utils.make_msgid(domain=sender.rsplit("@")[1])
answer["In-Reply-To"] = asked["Message-ID"]
answer["References"] = asked["Message-ID"]
answer.set_content(words + "\n\n" + asked["From"] + " wrote:\n" + quoted)
with smtplib.SMTP("127.0.0.1", int(port)) as server:
    server.send_message(answer)
print(answer["Message-ID"])
"#;

/// Submits the mail on its input, on port 587 or 465, and prints what the server said.
const SUBMIT: &str = r#"
import smtplib, ssl, sys
port, implicit, user, password, sender, recipient = sys.argv[1:]
trust = ssl.create_default_context()
trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
if implicit == "yes":
    server = smtplib.SMTP_SSL("127.0.0.1", int(port), context=trust)
else:
    server = smtplib.SMTP("127.0.0.1", int(port))
    server.starttls(context=trust)
server.login(user, password)
refused = server.sendmail(sender, [recipient, sender], sys.stdin.buffer.read(), mail_options=["BODY=8BITMIME"])
print(refused, server.noop())
server.quit()
"#;

#[test]
fn a_reply_with_quoted_text_through_postfix_arrives_at_the_store_in_the_same_thread() {
    let provider = Provider::new();
    let outgoing = Postfix::start("outgoing.test", Some(provider.relay.mx()));
    let letter = provider.letter();
    provider.swaks(&letter);
    let asked = provider.inbox(1).remove(0);
    assert!(header(&asked, "From").unwrap().contains(&provider.order.merchant_alias), "{}", show(&asked));

    let port = outgoing.address().port().to_string();
    let words = format!("Arigatou {}", super::watch::random_hex(6));
    provider.watch.secret(&words);
    let own_id = python(ANSWER, &[&port, &provider.address, &words], &asked);
    let answer = provider.mise.mailbox.wait_for(1).remove(0).bytes;
    let text = show(&answer);
    assert_eq!(header(&answer, "In-Reply-To").unwrap(), letter.message_id, "{text}");
    assert!(header(&answer, "From").unwrap().contains(&provider.order.customer_alias), "{text}");
    assert_eq!(header(&answer, "Subject").unwrap(), format!("Re: {}", letter.subject));
    assert!(text.contains(&words) && text.contains(&format!("> {}", letter.text)), "{text}");
    assert!(text.contains("wrote:"), "{text}");

    // And back once more, into the thread in the customer's mailbox.
    provider.swaks(&provider.letter().answering(&answer));
    let again = provider.inbox(2).remove(1);
    assert_eq!(header(&again, "In-Reply-To").unwrap(), own_id.trim());
    provider.watch.shown("hana", "her server's log", outgoing.log().as_bytes());
}

#[test]
fn smtplib_submits_on_both_ports_and_gets_its_copy() {
    let provider = Provider::new();
    let ports = [(provider.relay.submission(), "no"), (provider.relay.submissions(), "yes")];
    for ((server, implicit), count) in ports.into_iter().zip(1..) {
        let letter = provider.letter();
        let port = server.port().to_string();
        let (user, password) = (&provider.account.user, &provider.account.password);
        let arguments = [&port, implicit, user, password, &provider.mise.address, &letter.to];
        let said = python(SUBMIT, &arguments, &letter.bytes());
        provider.watch.shown("mise", "what smtplib printed", said.as_bytes());
        assert!(said.starts_with("{} (250"), "{said}");
        let mail = &provider.inbox(count)[count - 1];
        assert_eq!(header(mail, "Subject").unwrap(), letter.subject);
        let copies = provider.mise.mailbox.wait_for(count);
        assert_eq!(header(&copies[count - 1].bytes, "Subject").unwrap(), letter.subject);
    }
}

#[test]
fn mail_sent_while_postfix_is_down_arrives_after_it_is_back() {
    let mut provider = Provider::new();
    provider.incoming.stop();
    let letters: Vec<Letter> = (0..5).map(|_| provider.letter()).collect();
    letters.iter().for_each(|letter| provider.swaks(letter));
    eventually("all were tried in vain", || {
        let queue = provider.relay.queue(None);
        (queue.len() == 5 && queue.iter().all(|line| line["last_status"].is_string())).then_some(())
    });
    provider.incoming.start_again();
    provider.relay.anshin(&["queue", "retry", "--all"]);
    let mails = provider.inbox(5);
    for letter in &letters {
        let arrived =
            mails.iter().filter(|mail| header(mail, "Subject").as_deref() == Some(&letter.subject)).count();
        assert_eq!(arrived, 1);
    }
}

#[test]
fn what_postfix_refuses_comes_back_to_the_store_without_postfixs_words() {
    let provider = Provider::new();
    let domain = provider.address.rsplit_once('@').unwrap().1;
    let order = open_order(&provider.relay, "mise", "A-1002", &format!("nobody@{domain}"));
    let letter = Letter { to: order.customer_alias.clone(), ..provider.letter() };
    provider.swaks(&letter);
    let notice = show(&provider.mise.mailbox.wait_for(1).remove(0).bytes);
    assert!(notice.contains(&format!("Final-Recipient: rfc822; {}\r\n", order.customer_alias)), "{notice}");
    assert!(notice.contains("\r\nStatus: 5.1.1\r\n") && !notice.contains("User unknown"), "{notice}");
}
