//! The exchange itself: three mails through the relay, two attempts that it must refuse, a search of its storage.
//!
//! When it fails: with the reply of the relay, when it refuses what it should take.

use super::cast::{CUSTOMER, Player, STORE, STRANGER};
use super::letters::{self, PHRASES};
use super::mailbox::Arrival;
use super::program::{Answer, Login, Mechanism, Sending, Tls};
use super::reading::Reading;
use super::stage::Stage;
use super::traces::{self, Sweep};
use crate::cli::output::Failure;
use crate::mail::Timestamp;
use std::net::SocketAddr;

/// One mail, sent and arrived.
pub(super) struct Exchange {
    pub title: &'static str,
    pub from: &'static Player,
    pub to: &'static Player,
    /// How it was handed to the relay.
    pub way: String,
    pub mail_from: String,
    pub rcpt_to: String,
    /// As it was sent.
    pub octets: Vec<u8>,
    /// What the relay said to it.
    pub answer: Answer,
    pub arrival: Arrival,
}

/// What is tried besides.
pub(super) struct Attempts {
    /// A stranger writes to the store's alias.
    pub stranger: Sending,
    /// The store's program has the wrong password.
    pub wrong_password: Sending,
    /// The storage is searched for what passed.
    pub sweep: Sweep,
}

/// A mail on its way in.
struct Outgoing {
    title: &'static str,
    from: &'static Player,
    to: &'static Player,
    mail_from: &'static str,
    rcpt_to: String,
    octets: Vec<u8>,
}

impl Stage {
    /// The order confirmation.
    pub async fn first(&mut self) -> Result<Exchange, Failure> {
        let octets = letters::confirmation(&self.order.customer_alias, Timestamp::now());
        let outgoing = Outgoing {
            title: "the store confirms the order",
            from: &STORE,
            to: &CUSTOMER,
            mail_from: STORE.address(),
            rcpt_to: self.order.customer_alias.to_string(),
            octets,
        };
        self.pass(outgoing, self.submission, Tls::Starttls, Some(Mechanism::Login)).await
    }

    /// The customer's reply to what it received.
    pub async fn second(&mut self, received: &Arrival) -> Result<Exchange, Failure> {
        let received = read(received)?;
        let outgoing = Outgoing {
            title: "the customer replies",
            from: &CUSTOMER,
            to: &STORE,
            mail_from: CUSTOMER.address(),
            rcpt_to: received.address_in("From").to_owned(),
            octets: letters::reply(&received, Timestamp::now()),
        };
        self.pass(outgoing, self.mx, Tls::Starttls, None).await
    }

    /// The store's answer to what it received.
    pub async fn third(&mut self, received: &Arrival) -> Result<Exchange, Failure> {
        let received = read(received)?;
        let outgoing = Outgoing {
            title: "the store answers from its other address",
            from: &STORE,
            to: &CUSTOMER,
            mail_from: STORE.addresses.last().copied().unwrap_or_default(),
            rcpt_to: received.address_in("From").to_owned(),
            octets: letters::answer(&received, Timestamp::now()),
        };
        self.pass(outgoing, self.submissions, Tls::Implicit, Some(Mechanism::Plain)).await
    }

    async fn pass(
        &mut self,
        outgoing: Outgoing,
        server: SocketAddr,
        tls: Tls,
        mechanism: Option<Mechanism>,
    ) -> Result<Exchange, Failure> {
        let Outgoing { title, from, to, mail_from, rcpt_to, octets } = outgoing;
        let login = mechanism.map(|mechanism| self.login(mechanism));
        let sending = self.access(from, server, tls, login)?.send(mail_from, &rcpt_to, &octets).await?;
        let answer = match sending {
            Sending::Taken(answer) => answer,
            Sending::Refused { at, answer } => {
                return Err(Failure::new(format!("{title}: the relay refused at {at}: {answer}")));
            }
        };
        let way = match mechanism {
            Some(mechanism) => format!("submission, port {}, {tls}, {mechanism}", server.port()),
            None => format!("MX, port {}, {tls}", server.port()),
        };
        let arrival = self.arrival().await?;
        Ok(Exchange {
            title,
            from,
            to,
            way,
            mail_from: mail_from.to_owned(),
            rcpt_to,
            octets,
            answer,
            arrival,
        })
    }

    fn login(&self, mechanism: Mechanism) -> Login<'_> {
        Login { mechanism, user: &self.store.auth_id, password: self.store.auth_password.show() }
    }

    /// What must not work, and what must not be on disk.
    pub async fn attempt(&self) -> Result<Attempts, Failure> {
        let (alias, now) = (&self.order.merchant_alias, Timestamp::now());
        let mail = letters::intrusion(STRANGER, alias, now);
        let outside = self.access(&CUSTOMER, self.mx, Tls::Starttls, None)?;
        let stranger = outside.send(STRANGER, &alias.to_string(), &mail).await?;
        let login = Login { password: "wrong", ..self.login(Mechanism::Plain) };
        let inside = self.access(&STORE, self.submission, Tls::Starttls, Some(login))?;
        let mail = letters::confirmation(&self.order.customer_alias, now);
        let to = self.order.customer_alias.to_string();
        let wrong_password = inside.send(STORE.address(), &to, &mail).await?;
        let mut phrases = PHRASES.to_vec();
        for player in [&STORE, &CUSTOMER] {
            phrases.extend(player.addresses);
            phrases.extend([player.domain, player.name]);
        }
        let password = self.store.auth_password.show();
        phrases.extend([STRANGER, password]);
        let sweep = traces::in_directory(self.scratch.path(), &phrases);
        Ok(Attempts { stranger, wrong_password, sweep })
    }
}

fn read(arrival: &Arrival) -> Result<Reading, Failure> {
    Reading::of(&arrival.octets).ok_or_else(|| Failure::new("what arrived is no mail"))
}
