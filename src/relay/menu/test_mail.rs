//! A test mail of a store to itself, on the way that all its mail goes: the rules of submission, the anonymizer and its gate, the
//! spool, delivery to the store's own mailbox.
//!
//! Rules: it is taken by the same functions as what a program submits, so what refuses that refuses this. It goes from a registered address to
//! itself, and to nobody else; what became of it says the page of mails.
//! When it fails: [`TestFault`].

use super::credentials::handles_mail;
use super::{MenuSession, PeopleFault, Visit};
use crate::mail::Timestamp;
use crate::relay::{
    Incoming, Login, MailParameters, Merchant, Peer, Refusal, Relay, RelayFault, SenderProof, Wishes,
    parse_queue_id,
};
use crate::vault::random_bytes;
use data_encoding::{BASE64, HEXLOWER};
use std::net::SocketAddr;

/// Why no test mail was sent.
#[derive(Debug, thiserror::Error)]
pub enum TestFault {
    #[error(transparent)]
    Person(#[from] PeopleFault),
    /// As any mail from there would be now.
    #[error("it was refused")]
    Refused(Refusal),
}

impl From<RelayFault> for TestFault {
    fn from(fault: RelayFault) -> Self {
        Self::Person(fault.into())
    }
}

impl Relay {
    /// Sends a test mail from a registered address to itself; the number by which it is found.
    ///
    /// # Errors
    /// [`TestFault`].
    pub async fn send_test(&self, who: &MenuSession, sender: i64, visit: &Visit) -> Result<i64, TestFault> {
        handles_mail(who)?;
        let Merchant { id, store_id, name, key } = &who.store;
        let merchant = Merchant { id: *id, store_id: store_id.clone(), name: name.clone(), key: key.clone() };
        let login = Login {
            public_alias: self.domains().public_alias(store_id),
            addresses: self.senders_of(&merchant).await?,
            merchant,
            credential_id: 0,
            auth_id: format!("menu/{}", who.person.name),
            last_use: None,
        };
        let own = login.addresses.iter().find(|one| one.id == sender).ok_or(PeopleFault::Gone)?;
        let own = own.address.again();
        self.submission_sender(&login, Some(&own)).await.map_err(TestFault::Refused)?;
        let recipient = self.submission_recipient(&login, &own).await.map_err(TestFault::Refused)?;
        let peer = Peer::new(SocketAddr::new(visit.ip, 0), "menu");
        let incoming = Incoming {
            peer: &peer,
            login: Some(&login),
            sender: Some(&own),
            recipients: vec![(recipient, Wishes::default())],
            parameters: MailParameters::default(),
            bytes: letter(&own.reveal(), &self.policy().hostname, &self.policy().brand),
            proof: SenderProof::of_login(),
            said: crate::relay::Said::default(),
        };
        let receipt = self.accept(incoming).await.map_err(TestFault::Refused)?;
        let id = receipt.queue_ids.first().and_then(|id| parse_queue_id(id));
        Ok(id.ok_or(RelayFault::Malformed("a receipt without a number"))?)
    }
}

/// As a mail program would write it.
fn letter(address: &str, host: &str, brand: &str) -> Vec<u8> {
    let subject = BASE64.encode("送信テスト / Test mail".as_bytes());
    let (date, id) = (Timestamp::now().to_rfc5322(), HEXLOWER.encode(&random_bytes::<12>()));
    let text = format!(
        "{brand}の店舗メニューから送った、送信テストのメールです。\r\n\
         このメールが届いていれば、お店のメールは受け付けられ、お店のメールボックスまで配信されています。\r\n\
         \r\n\
         ----\r\n\
         \r\n\
         This is a test that was sent from the store menu of {brand}.\r\n\
         If you read this, your store's mail is taken, and delivered to its own mailbox.\r\n"
    );
    let body = BASE64.encode(text.as_bytes());
    let lines: Vec<&str> =
        (0..body.len()).step_by(76).filter_map(|at| body.get(at..body.len().min(at + 76))).collect();
    format!(
        "Date: {date}\r\nFrom: <{address}>\r\nTo: <{address}>\r\nSubject: =?UTF-8?B?{subject}?=\r\n\
         Message-ID: <{id}@{host}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        lines.join("\r\n")
    )
    .into_bytes()
}
