//! Traffic that never was: records of mails, logins and refusals at a time that is handed in, made and written by the same functions as
//! those of real traffic, for `anshin log generate` in a development profile.
//!
//! Rules: nothing is queued, and nothing is sent. What happens is told in the order in which it happens. Stores have a password that
//! nobody knows. What is refused is sealed with the installation's key, as where the database gives no other.
//! When it fails: [`RelayFault`]; what was kept before stays.

use super::draft::Taken;
use super::envelope::{Notify, Wishes, recipient_place};
use super::leg::Leg;
use super::login::{scram_place, verifier_place};
use super::record::Moment;
use super::refused::RefusedRecipient;
use super::registered::Registered;
use super::threads::Threads;
use super::{
    AttemptResult, Conversation, Event, Incoming, Login, MailParameters, Merchant, Peer, Recipient, Refusal,
    Relay, RelayFault, Said, SenderProof, Verdict,
};
use crate::anonymize::NameRule;
use crate::mail::{RealAddress, Timestamp};
use crate::schedule::Class;
use crate::senders::Findings;
use crate::store::{
    Ids, KeyRow, Kind, NewAddress, NewConversation, NewCredential, NewMerchant, NewRecord, Verifiers, Work,
};
use crate::vault::{Indexed, Place, Sealed, Side, nonces, random_bytes};

/// Where generated traffic comes from: a clock of its own, and ids by it.
pub struct Past {
    relay: Relay,
    ids: Ids,
}

/// A mail of the past.
pub struct PastMail<'a> {
    pub conversation: &'a Conversation,
    /// The store of the conversation.
    pub store: &'a Login,
    pub writer: Side,
    pub sender: &'a RealAddress,
    pub peer: &'a Peer,
    pub bytes: Vec<u8>,
    /// How its sender was proven, at port 25.
    pub found: Option<Findings>,
    /// Whether its header block is still kept.
    pub keeps_headers: bool,
    /// Whether a program wrote it.
    pub is_automatic: bool,
    /// Whether it answers what its writer never got.
    pub answers_unknown: bool,
}

/// A mail of the past that was taken.
pub struct PastMessage {
    work: Work,
    /// The id that its recipient sees.
    pub sent_id: String,
}

impl PastMessage {
    /// Whether it goes to the customer.
    #[must_use]
    pub fn goes_to_customer(&self) -> bool {
        self.work.direction == "to_customer"
    }

    /// The message's id, as `anshin queue` would show it.
    #[must_use]
    pub fn queue_id(&self) -> String {
        super::queue_id(self.work.message_id)
    }
}

impl Past {
    #[must_use]
    pub fn new(relay: Relay) -> Self {
        Self { relay, ids: Ids::default() }
    }

    fn moment(&self, at: Timestamp) -> Moment {
        Moment { at, id: self.ids.next(at) }
    }

    /// Has what facts of a day need: the key of its quarter, and on PostgreSQL its partition.
    ///
    /// # Errors
    /// [`RelayFault`] when the database or a key fails.
    pub async fn begin_day(&self, at: Timestamp) -> Result<(), RelayFault> {
        self.relay.keep_periods(at).await?;
        self.relay.arm_rules(at).await?;
        self.relay.name_networks(at).await?;
        Ok(self.relay.store().make_partitions(at).await?)
    }

    /// A store, logged in; one that is not there is added.
    ///
    /// # Errors
    /// [`RelayFault`] when the database or a key fails.
    pub async fn store(
        &self,
        store_id: &str,
        name: &str,
        address: &str,
        at: Timestamp,
    ) -> Result<Login, RelayFault> {
        let parse = |text| RealAddress::parse(text).map_err(|_| RelayFault::Malformed("merchant_address"));
        let merchant = match self.relay.merchant(store_id).await? {
            Some(merchant) => merchant,
            None => self.add_store(store_id, name, parse(address)?, at).await?,
        };
        Ok(Login {
            public_alias: self.relay.domains().public_alias(store_id),
            addresses: vec![Registered::bare(parse(address)?)],
            credential_id: merchant.id,
            auth_id: auth_id(merchant.id),
            last_use: None,
            merchant,
        })
    }

    async fn add_store(
        &self,
        store_id: &str,
        name: &str,
        address: RealAddress,
        at: Timestamp,
    ) -> Result<Merchant, RelayFault> {
        let (relay, id) = (&self.relay, self.ids.next(at));
        let (vault, nobody) = (relay.vault(), relay.inner.hashes.nobody().as_str().as_bytes().to_vec());
        let (key, new_key) = relay.new_data_key("merchant");
        let malformed = |_| RelayFault::Malformed("merchant.profile");
        let profile = super::conversation::Profile { store_id: store_id.to_owned(), name: name.to_owned() };
        let profile = serde_json::to_vec(&profile).map_err(malformed)?;
        let (auth_id, address_id) = (auth_id(id), self.ids.next(at));
        let label = serde_json::json!({ "auth_id": auth_id, "name": "first" }).to_string();
        let new = NewMerchant {
            id,
            store_idx: vault.index.of(Indexed::StoreId(store_id)),
            profile: key.seal(Place::new("merchant", "profile", id), &profile),
            menu: key.seal(Place::new("merchant", "menu", id), &nobody),
            addresses: vec![NewAddress {
                id: address_id,
                address_idx: vault.index.of(Indexed::Address(&address)),
                address: key
                    .seal(Place::new("merchant_address", "address", address_id), address.reveal().as_bytes()),
            }],
            credential: NewCredential {
                id,
                auth_idx: vault.index.of(Indexed::AuthId(&auth_id)),
                secret: random_bytes::<32>().to_vec(),
                verifiers: Verifiers {
                    password: relay.seal_for_installation(verifier_place(id), &nobody),
                    scram: relay.seal_for_installation(scram_place(id), &random_bytes::<64>()),
                },
                label: key.seal(Place::new("credential", "label", id), label.as_bytes()),
                networks: None,
            },
            key: new_key,
            at,
        };
        relay.store().add_merchant(new).await?;
        Ok(Merchant { id, store_id: store_id.to_owned(), name: name.to_owned(), key })
    }

    /// A conversation of a store with a customer, and the row that opens it. An inquiry has no order number.
    ///
    /// # Errors
    /// [`RelayFault`] when a key fails, or the customer's address is none.
    pub fn conversation(
        &self,
        store: &Login,
        order_no: &str,
        customer: &str,
        at: Timestamp,
    ) -> Result<(NewConversation, Conversation), RelayFault> {
        let customer =
            RealAddress::parse(customer).map_err(|_| RelayFault::Malformed("conversation.customer"))?;
        let (relay, merchant, id) = (&self.relay, &store.merchant, self.ids.next(at));
        let kind = if order_no.is_empty() { Kind::Inquiry } else { Kind::Order };
        let during = (at, at.after(relay.policy().order_lifetime));
        let (new, key) =
            relay.conversation_under(id, (merchant.id, None), kind, order_no, &customer, during)?;
        let [of_customer, of_merchant] = &new.aliases;
        let alias = |side, new: &crate::store::NewAlias| {
            let key_name = new.key_name.bytes().next().unwrap_or_default();
            let row = crate::store::AliasRow { id: new.id, key_name, domain: new.domain.clone(), tag: None };
            relay.alias_of(side, &row)
        };
        let conversation = Conversation {
            customer_sealed: new.customer.clone(),
            id,
            kind,
            parent: None,
            merchant: Merchant {
                id: merchant.id,
                store_id: merchant.store_id.clone(),
                name: merchant.name.clone(),
                key: merchant.key.clone(),
            },
            customer,
            former: Vec::new(),
            order_no: order_no.to_owned(),
            customer_alias: alias(Side::Customer, of_customer)?,
            merchant_alias: alias(Side::Merchant, of_merchant)?,
            alias_ids: [of_customer.id, of_merchant.id],
            revision: 0,
            key,
            created_at: at,
            expires_at: during.1,
            closed_at: None,
        };
        Ok((new, conversation))
    }

    /// A mail that was taken, and its record.
    ///
    /// # Errors
    /// [`RelayFault`] when the store has no address.
    pub fn taken(&self, mail: PastMail<'_>, at: Timestamp) -> Result<(NewRecord, PastMessage), RelayFault> {
        let PastMail { conversation, store, writer, .. } = mail;
        let to_customer = writer == Side::Merchant;
        let own = &store.addresses.first().ok_or(RelayFault::Malformed("merchant_address"))?.address;
        let (direction, forward_path) = match to_customer {
            true => ("to_customer", conversation.customer.again()),
            false => ("to_merchant", own.again()),
        };
        let (id, delivery) = (self.ids.next(at), self.ids.next(at));
        let recipient = conversation.key.seal(recipient_place(delivery), forward_path.reveal().as_bytes());
        let incoming = Incoming {
            peer: mail.peer,
            login: to_customer.then_some(store),
            sender: Some(mail.sender),
            recipients: vec![(Recipient::Copy(forward_path.again()), Wishes::default())],
            parameters: MailParameters::default(),
            bytes: mail.bytes,
            proof: mail.found.map_or_else(SenderProof::of_login, SenderProof::given),
            said: Said::default(),
        };
        let leg = Leg {
            conversation: Some(conversation),
            merchant: &conversation.merchant,
            key: &conversation.key,
            direction,
            writer: Some(writer),
            from: conversation.alias(writer).clone(),
            to: conversation.alias(writer.other()).clone(),
            name: NameRule::AsWritten,
            fallback_name: "",
            shown_to: Vec::new(),
            forward_path,
            secrets: Vec::new(),
            notify: Notify::default(),
            original: None,
            bounces_to: None,
            quotes: true,
            doubt: None,
            automatic: mail.is_automatic,
        };
        let own_id = incoming.said().message_id.clone();
        let threads = Threads::of_none(conversation, writer);
        let sent_id = own_id.as_deref().map_or_else(
            || format!("<{}@{}>", super::queue_id(id), self.relay.policy().hostname),
            |own| threads.map(own),
        );
        let taken = Taken {
            incoming: &incoming,
            leg: &leg,
            id,
            delivery,
            now: at,
            own_id: own_id.as_deref(),
            sent_id: Some(&sent_id),
            answers_unknown: mail.answers_unknown,
            acted: None,
            size: incoming.bytes.len(),
        };
        let headers = mail.keeps_headers.then(|| super::accept::header_block(&incoming.bytes));
        let record = self.relay.record_of_taken(nonces(), self.moment(at), &taken, headers);
        let work = Work {
            delivery_id: delivery,
            message_id: id,
            merchant_id: conversation.merchant.id,
            conversation_id: Some(conversation.id),
            route: 0,
            lease: 0,
            attempt: 1,
            recipient,
            envelope: Sealed::from_stored(Vec::new()),
            direction: direction.to_owned(),
            class: Class::Order,
            key: KeyRow { id: conversation.key.id(), wrapped: Vec::new() },
            size: i64::try_from(incoming.bytes.len()).unwrap_or(i64::MAX),
            label: (!conversation.order_no.is_empty()).then(|| {
                let place = super::conversation::label_place(conversation.id);
                conversation.key.seal(place, conversation.order_no.as_bytes())
            }),
            received_at: at,
            expires_at: at.after(self.relay.policy().expire),
            delay_noticed: false,
            times: 0,
        };
        Ok((record, PastMessage { work, sent_id }))
    }

    /// The record of an attempt to deliver it.
    #[must_use]
    pub fn attempt(
        &self,
        conversation: &Conversation,
        message: &PastMessage,
        result: &AttemptResult,
        at: Timestamp,
    ) -> NewRecord {
        let event = match result.verdict {
            Verdict::Delivered => Event::Delivered,
            Verdict::Deferred => Event::Deferred,
            Verdict::Failed => Event::Failed,
        };
        self.relay.record_of_attempt(self.moment(at), &conversation.key, event, &message.work, result)
    }

    /// The record of a login of a store.
    #[must_use]
    pub fn login(&self, store: &Login, peer: &Peer, at: Timestamp) -> NewRecord {
        self.relay.record_of_login(self.moment(at), store, Event::Login, &store.auth_id, peer)
    }

    /// The record of a login that failed, under a store's user name.
    #[must_use]
    pub fn refused_login(&self, store: &Login, peer: &Peer, at: Timestamp) -> NewRecord {
        self.relay.record_of_refused_login(self.moment(at), &store.auth_id, peer)
    }

    /// The record of a recipient that was refused.
    #[must_use]
    pub fn refused_recipient(
        &self,
        login: Option<&Login>,
        sender: &RealAddress,
        to: &RealAddress,
        refusal: &Refusal,
        peer: &Peer,
        at: Timestamp,
    ) -> NewRecord {
        let key = login.map_or(&self.relay.inner.installation, |login| &login.merchant.key);
        let merchant = login.map(|login| login.merchant.id);
        let refused = RefusedRecipient { login, sender: Some(sender), to, refusal, peer, merchant };
        self.relay.record_of_recipient(self.moment(at), key, &refused)
    }

    /// Commits conversations, then records, as the relay does.
    ///
    /// # Errors
    /// [`RelayFault`] when the database does not answer.
    pub async fn keep(
        relay: Relay,
        conversations: Vec<NewConversation>,
        records: Vec<NewRecord>,
    ) -> Result<(), RelayFault> {
        let store = relay.store();
        let opened = conversations.into_iter().map(|new| store.open_conversation(new));
        for opened in futures_util::future::join_all(opened).await {
            opened?;
        }
        Ok(store.record(records).await?)
    }
}

impl Threads {
    /// Of a mail that answers none of ours.
    fn of_none(conversation: &Conversation, writer: Side) -> Self {
        Self::new(conversation, writer, std::collections::HashMap::new())
    }
}

/// The user name of a generated store.
fn auth_id(merchant: i64) -> String {
    format!("{:010}", merchant.unsigned_abs() % 10_000_000_000)
}
