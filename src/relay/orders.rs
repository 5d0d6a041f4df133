//! Orders: opening a conversation and its alias pair, showing, extending and closing it. Opening is
//! idempotent: the same order gives the same aliases.

use super::admission::GUESTS_MAX;
use super::binding::Leads;
use super::domains::AddressClass;
use super::{Conversation, Merchant, Refusal, Relay, RelayFault};
use crate::mail::{AddressError, Alias, RealAddress, Timestamp};
use crate::store::{ConversationRow, Kind, NewAlias, NewConversation, random_id};
use crate::vault::{DataKey, Indexed, Place, Side};
use std::sync::Arc;

/// Longest order number, in characters.
const ORDER_NO_MAX: usize = 64;
/// Most orders in one list.
pub const LIST_MAX: i64 = 1000;

/// What is asked for.
pub struct OrderRequest {
    pub store_id: String,
    pub order_no: String,
    pub customer: String,
    /// Otherwise the configured lifetime from now.
    pub expires_at: Option<Timestamp>,
}

/// An order as the marketplace sees it: aliases, never addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// Empty in a list where the row does not open: its key is destroyed, or somebody changed it.
    pub order_no: String,
    pub customer_alias: Alias,
    pub merchant_alias: Alias,
    pub expires_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    /// Its key is destroyed: its aliases lead nowhere, whatever the times say.
    pub is_destroyed: bool,
    /// Whether this call opened it.
    pub is_new: bool,
}

/// What another mail does to the end of an inquiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    /// It goes on as long as its sender writes.
    Longer,
    /// A mail that anybody may have written prolongs nothing.
    AsItWas,
}

/// Why an order call failed.
#[derive(Debug, thiserror::Error)]
pub enum OrderFault {
    #[error("store id: no such store; add it first with `anshin merchant add`")]
    NoStore,
    #[error("store id: the store has left; nothing is opened with it any more")]
    Left,
    #[error("order number: no such order of this store; open it first with `anshin order open`")]
    NoOrder,
    #[error("order number: 1 to 64 characters, no control characters, no space at either end")]
    OrderNo,
    #[error("customer: {0}")]
    Customer(#[from] AddressError),
    #[error(
        "customer: the address lies in one of this installation's own domains; give the customer's real address"
    )]
    OwnDomain,
    #[error("customer: this order is open with another address; use `anshin order readdress` to change it")]
    OtherCustomer,
    #[error("customer: it is the address of now")]
    Same,
    #[error("expires_at: it must lie in the future")]
    Past,
    #[error("the order is closed; a closed conversation stays closed")]
    Closed,
    #[error(
        "the key of the order is destroyed, and nothing of it can be prolonged; open it anew with `anshin order open`"
    )]
    Destroyed,
    #[error(
        "customer: somebody else changed the address of this order at the same time, and nothing was done; look at it with `anshin order show` and ask again"
    )]
    Moved,
    #[error(
        "this process opens no address: `anshin order readdress` changes it, or one with the role egress or ingress beside web"
    )]
    Apart,
    #[error(transparent)]
    Fault(#[from] RelayFault),
}

impl Relay {
    /// Opens the conversation of an order, or finds it.
    ///
    /// # Errors
    /// [`OrderFault`] that names the field and the rule.
    pub async fn open_order(&self, request: OrderRequest) -> Result<OrderView, OrderFault> {
        let now = Timestamp::now();
        let merchant = self.merchant_row(&request.store_id).await?.ok_or(OrderFault::NoStore)?.id;
        if self.store().has_left(merchant).await.map_err(RelayFault::from)? {
            return Err(OrderFault::Left);
        }
        let order_no = request.order_no;
        let length = order_no.chars().count();
        if length == 0
            || length > ORDER_NO_MAX
            || order_no.chars().any(char::is_control)
            || order_no.trim() != order_no
        {
            return Err(OrderFault::OrderNo);
        }
        let customer = self.parse_customer(&request.customer)?;
        let expires_at = request.expires_at.unwrap_or(now.after(self.policy().order_lifetime));
        if expires_at <= now {
            return Err(OrderFault::Past);
        }
        // First under every index key of the ring: the table's own uniqueness knows only the key of its row.
        let key = Indexed::OrderNo { merchant, order_no: &order_no };
        let (row, is_new) = match self.living_row(merchant, Kind::Order, key).await? {
            Some(row) => (row, false),
            None => {
                let new = self.new_conversation(
                    (merchant, None),
                    Kind::Order,
                    &order_no,
                    &customer,
                    now,
                    expires_at,
                )?;
                let opened = self.store().open_conversation(new).await.map_err(RelayFault::from)?;
                let (id, is_new) = opened.ok_or(OrderFault::Left)?;
                let row = self.store().conversation(id).await.map_err(RelayFault::from)?;
                (row.ok_or(OrderFault::NoOrder)?, is_new)
            }
        };
        // By its index: whoever opens orders need not be able to read whose they are.
        let indexes = self.vault().index.all(Indexed::CustomerOf { merchant, address: &customer });
        if !indexes.iter().any(|index| index.as_bytes() == row.customer_idx) {
            return Err(OrderFault::OtherCustomer);
        }
        Ok(self.view(&row, order_no, is_new)?)
    }

    pub(super) fn parse_customer(&self, text: &str) -> Result<RealAddress, OrderFault> {
        let customer = RealAddress::parse(text.trim())?;
        if self.domains().is_ours(customer.reveal_domain()) {
            return Err(OrderFault::OwnDomain);
        }
        Ok(customer)
    }

    /// The conversation between a sender and a store that began with a mail to the store's public alias.
    pub(super) async fn open_inquiry(
        &self,
        merchant: &Merchant,
        sender: &RealAddress,
        lasts: Lasts,
        now: Timestamp,
    ) -> Result<Conversation, Refusal> {
        let expires_at = now.after(self.policy().order_lifetime);
        let address = Indexed::CustomerOf { merchant: merchant.id, address: sender };
        let id = match self.find_conversation(merchant.id, Kind::Inquiry, address).await? {
            Some(found) => {
                if lasts == Lasts::Longer {
                    self.store().extend_conversation(found.id, expires_at).await?;
                }
                found.id
            }
            None => {
                let new =
                    self.new_conversation((merchant.id, None), Kind::Inquiry, "", sender, now, expires_at)?;
                // It has left since RCPT, and its public alias is unknown from then on.
                self.store().open_conversation(new).await?.ok_or(Refusal::UnknownAlias)?.0
            }
        };
        let inquiry = self.conversation_by_id(id).await?.ok_or(RelayFault::Malformed("conversation"))?;
        // It ended just now (`end_keys`), and the next attempt begins another; or its store leaves.
        if inquiry.closed_at.is_some() { Err(Refusal::TryAgain) } else { Ok(inquiry) }
    }

    /// An operator vouches for the sender of a mail: an inquiry lasts as long as if he were proven.
    pub(super) async fn prolong_inquiry(&self, conversation: i64, now: Timestamp) -> Result<(), RelayFault> {
        let found = self.conversation_by_id(conversation).await?;
        if let Some(inquiry) = found.filter(|found| found.kind == Kind::Inquiry) {
            let expires_at = now.after(self.policy().order_lifetime);
            self.store().extend_conversation(inquiry.id, expires_at).await?;
        }
        Ok(())
    }

    /// The conversation of another address that was admitted to the order of this one.
    pub(super) async fn find_guest(
        &self,
        conversation: &Conversation,
        address: &RealAddress,
    ) -> Result<Option<Conversation>, RelayFault> {
        let order = conversation.order();
        let key = Indexed::GuestOf { conversation: order, address };
        self.find_conversation(conversation.merchant.id, Kind::Guest, key).await
    }

    /// Admits another address to an order: an alias pair of its own, which lives as long as the order's.
    pub(super) async fn open_guest(
        &self,
        conversation: &Conversation,
        address: &RealAddress,
        now: Timestamp,
    ) -> Result<Conversation, Refusal> {
        let order = conversation.order();
        // An inquiry is one address's; who writes from another opens another.
        if conversation.kind == Kind::Inquiry || self.store().guests(order).await? >= GUESTS_MAX {
            return Err(Refusal::OtherSender);
        }
        let (merchant, label) = (conversation.merchant.id, conversation.order_no.as_str());
        let expires_at = conversation.expires_at;
        let of = (merchant, Some(order));
        let new = self.new_conversation(of, Kind::Guest, label, address, now, expires_at)?;
        let key = Indexed::GuestOf { conversation: order, address };
        let new = NewConversation { key_idx: self.vault().index.of(key), ..new };
        let (id, _) = self.store().open_conversation(new).await?.ok_or(Refusal::UnknownAlias)?;
        Ok(self.conversation_by_id(id).await?.ok_or(RelayFault::Malformed("conversation"))?)
    }

    /// The row of an order, which nothing opens.
    pub(super) async fn order_row(
        &self,
        merchant: i64,
        order_no: &str,
    ) -> Result<Option<ConversationRow>, RelayFault> {
        self.conversation_row(merchant, Kind::Order, Indexed::OrderNo { merchant, order_no }).await
    }

    async fn find_conversation(
        &self,
        merchant: i64,
        kind: Kind,
        key: Indexed<'_>,
    ) -> Result<Option<Conversation>, RelayFault> {
        match self.living_row(merchant, kind, key).await? {
            Some(row) => self.open_bound(&row).await.map(Some),
            None => Ok(None),
        }
    }

    /// The row that is found, whose key is there. One whose key is destroyed, as a copy of the database from before an erasure
    /// brings it back, leads nowhere and gives way to another.
    async fn living_row(
        &self,
        merchant: i64,
        kind: Kind,
        key: Indexed<'_>,
    ) -> Result<Option<ConversationRow>, RelayFault> {
        loop {
            let found = self.conversation_row(merchant, kind, key).await?;
            let Some(dead) = found.as_ref().filter(|row| self.is_destroyed(&row.key)) else {
                return Ok(found);
            };
            self.store().give_way(dead.id, Timestamp::now()).await?;
            tracing::info!(event = "gave_way", conversation = dead.id, "its key is destroyed");
        }
    }

    async fn conversation_row(
        &self,
        merchant: i64,
        kind: Kind,
        key: Indexed<'_>,
    ) -> Result<Option<ConversationRow>, RelayFault> {
        for index in self.vault().index.all(key) {
            if let Some(row) = self.store().conversation_by_key(merchant, kind, index).await? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// A conversation with a store, and of a guest with the order's conversation.
    fn new_conversation(
        &self,
        of: (i64, Option<i64>),
        kind: Kind,
        order_no: &str,
        customer: &RealAddress,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<NewConversation, RelayFault> {
        let made = self.conversation_under(self.next_id(), of, kind, order_no, customer, (at, expires_at))?;
        Ok(made.0)
    }

    /// The same under an id, with its key. `during`: from its opening to the end of its aliases.
    pub(super) fn conversation_under(
        &self,
        id: i64,
        (merchant, parent): (i64, Option<i64>),
        kind: Kind,
        order_no: &str,
        customer: &RealAddress,
        (at, expires_at): (Timestamp, Timestamp),
    ) -> Result<(NewConversation, Arc<DataKey>), RelayFault> {
        let vault = self.vault();
        let customer_idx = vault.index.of(Indexed::CustomerOf { merchant, address: customer });
        let key_idx = match kind {
            Kind::Order => vault.index.of(Indexed::OrderNo { merchant, order_no }),
            Kind::Inquiry | Kind::Guest => customer_idx,
        };
        let (key, new_key) = self.new_data_key("conversation");
        let key_name = char::from(vault.alias.newest()).to_string();
        let alias = |side: Side| NewAlias {
            id: random_id(),
            side: side.as_str(),
            key_name: key_name.clone(),
            domain: match side {
                Side::Customer => self.domains().customer(AddressClass::of(customer)).to_string(),
                Side::Merchant => self.domains().merchant().to_string(),
            },
        };
        let customer = key.seal(Place::new("conversation", "customer", id), customer.reveal().as_bytes());
        let aliases = [alias(Side::Customer), alias(Side::Merchant)];
        let [of_customer, of_merchant] = &aliases;
        let ids = [of_customer.id, of_merchant.id];
        let leads = Leads { id, merchant, parent, customer: &customer, former: None, aliases: ids };
        let new = NewConversation {
            id,
            merchant_id: merchant,
            kind,
            parent,
            key_idx,
            customer_idx,
            bound: leads.bind(&key, 0)?,
            customer,
            label: key.seal(Place::new("conversation", "label", id), order_no.as_bytes()),
            aliases,
            key: new_key,
            at,
            expires_at,
        };
        Ok((new, key))
    }

    pub(super) async fn conversation_by_id(&self, id: i64) -> Result<Option<Conversation>, RelayFault> {
        match self.store().conversation(id).await? {
            Some(row) => self.open_bound(&row).await.map(Some),
            None => Ok(None),
        }
    }

    /// The conversation of an order.
    ///
    /// # Errors
    /// [`OrderFault::NoStore`], [`OrderFault::NoOrder`], or a fault.
    pub async fn order(&self, store_id: &str, order_no: &str) -> Result<Conversation, OrderFault> {
        Ok(self.open_conversation_row(&self.order_of(store_id, order_no).await?)?)
    }

    pub(super) async fn order_of(
        &self,
        store_id: &str,
        order_no: &str,
    ) -> Result<ConversationRow, OrderFault> {
        let merchant = self.merchant_row(store_id).await?.ok_or(OrderFault::NoStore)?;
        self.order_row(merchant.id, order_no).await?.ok_or(OrderFault::NoOrder)
    }

    /// An order as the marketplace sees it.
    ///
    /// # Errors
    /// [`OrderFault`] when there is none.
    pub async fn show_order(&self, store_id: &str, order_no: &str) -> Result<OrderView, OrderFault> {
        Ok(self.view(&self.order_of(store_id, order_no).await?, order_no.to_owned(), false)?)
    }

    /// All orders of a store, oldest first, at most 1000. One that does not open is listed without its number.
    ///
    /// # Errors
    /// [`OrderFault::NoStore`], or a fault.
    pub async fn list_orders(&self, store_id: &str) -> Result<Vec<OrderView>, OrderFault> {
        let merchant = self.merchant_row(store_id).await?.ok_or(OrderFault::NoStore)?;
        let rows = self.store().conversations(merchant.id, 0, LIST_MAX).await.map_err(RelayFault::from)?;
        rows.iter()
            .map(|row| {
                let order_no = match self.open_conversation_row(row) {
                    Ok(order) => order.order_no,
                    Err(fault) if fault.is_of_one_row() => String::new(),
                    Err(fault) => return Err(fault.into()),
                };
                Ok(self.view(row, order_no, false)?)
            })
            .collect()
    }

    /// Lets an order's aliases live until `expires_at`.
    ///
    /// # Errors
    /// [`OrderFault`] when there is none, it is closed, or the time lies in the past.
    pub async fn extend_order(
        &self,
        store_id: &str,
        order_no: &str,
        expires_at: Timestamp,
    ) -> Result<OrderView, OrderFault> {
        let conversation = self.order_of(store_id, order_no).await?;
        if conversation.closed_at.is_some() {
            return Err(OrderFault::Closed);
        }
        if self.is_destroyed(&conversation.key) {
            return Err(OrderFault::Destroyed);
        }
        if expires_at <= Timestamp::now() {
            return Err(OrderFault::Past);
        }
        self.store().extend_conversation(conversation.id, expires_at).await.map_err(RelayFault::from)?;
        self.show_order(store_id, order_no).await
    }

    /// Ends an order's aliases now.
    ///
    /// # Errors
    /// [`OrderFault`] when there is none.
    pub async fn close_order(&self, store_id: &str, order_no: &str) -> Result<OrderView, OrderFault> {
        let conversation = self.order_of(store_id, order_no).await?;
        self.store().close_conversation(conversation.id, Timestamp::now()).await.map_err(RelayFault::from)?;
        self.show_order(store_id, order_no).await
    }

    pub(super) fn view(
        &self,
        row: &ConversationRow,
        order_no: String,
        is_new: bool,
    ) -> Result<OrderView, RelayFault> {
        Ok(OrderView {
            order_no,
            customer_alias: self.alias_of(Side::Customer, &row.customer_alias)?,
            merchant_alias: self.alias_of(Side::Merchant, &row.merchant_alias)?,
            expires_at: row.expires_at,
            closed_at: row.closed_at,
            is_destroyed: self.is_destroyed(&row.key),
            is_new,
        })
    }
}
