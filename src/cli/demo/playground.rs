//! Playing on: who is who, where a person's own mail program can connect, and every mail that arrives, as it comes.
//!
//! Rules: the passwords and the token printed here are good for this demo alone and end with it.
//! When it fails: never; a mail that can't be read is said to be one.

use super::cast::{CUSTOMER, ORDER_NO, RELAY_HOST, STORE, STORE_ID};
use super::show::Show;
use super::stage::Stage;
use crate::cli::arguments::Common;
use crate::cli::output::{Failure, print};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Who is who.
pub(super) fn introduction(stage: &Stage, show: Show) -> String {
    format!(
        "{}The relay {} runs on loopback with temporary storage, keys and certificate of its own, all roles.\n\n\
         store      {} <{}>\n           the customer sees {}\n\
         customer   {} <{}>\n           the store sees    {}\n\n\
         Between sent and arrived: * changed, - gone, + new.",
        show.heading("Anshin Mail, a demo"),
        RELAY_HOST,
        STORE.name,
        STORE.address(),
        stage.order.merchant_alias,
        CUSTOMER.name,
        CUSTOMER.address(),
        stage.order.customer_alias,
    )
}

/// Prints what arrives, until nothing can any more.
pub(super) async fn watch(stage: &mut Stage, common: &Common) {
    let show = Show::for_standard_output();
    while let Some(arrival) = stage.arrivals.recv().await {
        if !common.json {
            print(common, &Value::Null, &format!("\n{}", show.arrival(&arrival)));
        }
    }
}

/// What a person needs to join in.
pub(super) struct Access {
    mx: SocketAddr,
    submission: SocketAddr,
    submissions: SocketAddr,
    user: String,
    password: String,
    store_alias: String,
    customer_alias: String,
    public_alias: String,
    web: Option<SocketAddr>,
    token: String,
    menu_password: String,
}

impl Access {
    /// Of a running demo; makes an API token.
    pub async fn of(stage: &Stage) -> Result<Self, Failure> {
        let token = stage.process.relay.add_token("demo", "merchants,orders").await?;
        Ok(Self {
            mx: stage.mx,
            submission: stage.submission,
            submissions: stage.submissions,
            user: stage.store.auth_id.clone(),
            password: stage.store.auth_password.show().to_owned(),
            store_alias: stage.order.merchant_alias.to_string(),
            customer_alias: stage.order.customer_alias.to_string(),
            public_alias: stage.store.public_alias.to_string(),
            web: stage.process.web.first().copied(),
            token: token.token.show().to_owned(),
            menu_password: stage.store.menu_password.show().to_owned(),
        })
    }

    /// For a person.
    pub fn text(&self, show: Show) -> String {
        let web = self.web.map(|address| format!("http://{address}")).unwrap_or_default();
        let (store, customer) = (STORE.address(), CUSTOMER.address());
        let header = "--header 'Content-Type: text/plain; charset=UTF-8'";
        format!(
            "{heading}The relay runs until Ctrl-C and prints here every mail that arrives at either side. Its certificate is\n\
             self-signed: a mail program asks once whether to trust it.\n\n\
             As the store, with any mail program:\n\
             \x20 server     {submission_ip}, port {submission} with STARTTLS or port {submissions} with TLS\n\
             \x20 user       {user}\n\
             \x20 password   {password}\n\
             \x20 From       {stores}\n\
             \x20 write to   {customer_alias}\n\n\
             \x20 swaks --server {submission_ip}:{submission} --tls --auth LOGIN --auth-user {user} --auth-password {password} \\\n\
             \x20   --from {store} --to {customer_alias} \\\n\
             \x20   {header} --header 'Subject: from the store' --body 'こんにちは、{store} です'\n\n\
             As the customer (a mail server of the customer's delivers to the MX port):\n\
             \x20 server     {mx}\n\
             \x20 From       {customer}\n\
             \x20 write to   {store_alias}\n\n\
             \x20 swaks --server {mx} --tls --from {customer} --to {store_alias} \\\n\
             \x20   {header} --header 'Subject: from the customer' --body 'こんにちは、{customer} です'\n\n\
             As anyone at {customer_domain}, to the store's public address {public_alias}:\n\n\
             \x20 swaks --server {mx} --tls --from visitor@{customer_domain} --to {public_alias} \\\n\
             \x20   {header} --header 'Subject: a question' --body 'ギフト包装はできますか'\n\n\
             The store's menu, in a browser (Chrome, Edge or Firefox; user name empty):\n\n\
             \x20 {web}/menu/\n\
             \x20 store ID   {STORE_ID}\n\
             \x20 password   {menu_password}\n\n\
             HTTP API:\n\n\
             \x20 curl {web}/readyz\n\
             \x20 curl -H 'Authorization: Bearer {token}' {web}/v1/orders/{STORE_ID}/{ORDER_NO}\n",
            heading = show.heading("Play on"),
            submission_ip = self.submission.ip(),
            submission = self.submission.port(),
            submissions = self.submissions.port(),
            user = self.user,
            password = self.password,
            stores = STORE.addresses.join(" or "),
            customer_alias = self.customer_alias,
            store_alias = self.store_alias,
            public_alias = self.public_alias,
            customer_domain = CUSTOMER.domain,
            mx = self.mx,
            token = self.token,
            menu_password = self.menu_password,
        )
    }

    /// For a program.
    pub fn document(&self) -> Value {
        json!({
            "store": {
                "submission": self.submission.to_string(),
                "submissions": self.submissions.to_string(),
                "auth_id": self.user,
                "auth_password": self.password,
                "from": STORE.addresses,
                "write_to": self.customer_alias,
                "public_alias": self.public_alias,
            },
            "customer": { "mx": self.mx.to_string(), "from": CUSTOMER.address(), "write_to": self.store_alias },
            "menu": {
                "url": self.web.map(|address| format!("http://{address}/menu/")),
                "store_id": STORE_ID,
                "password": self.menu_password,
            },
            "web": { "url": self.web.map(|address| format!("http://{address}")), "token": self.token },
        })
    }
}
