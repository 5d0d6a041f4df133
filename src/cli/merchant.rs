//! `anshin merchant add`, `menu-password`, `address first`; `merchant credential` is `credential.rs`, `contain` is `contain.rs`.

use super::arguments::{AddressCommand, Common, MerchantCommand};
use super::output::{Failure, print};
use super::{contain, credential, desk, process};
use crate::relay::{NewMerchantRequest, OldMailbox, Recovered};
use crate::web::merchant_json;
use serde_json::json;

pub(super) async fn run(command: MerchantCommand, common: &Common) -> Result<(), Failure> {
    let (store_id, name, addresses) = match command {
        MerchantCommand::Credential { command } => return credential::run(command, common).await,
        MerchantCommand::Contain { store_id, lift, look } => {
            return contain::run(&store_id, lift, &look, common).await;
        }
        MerchantCommand::MenuPassword { store_id, name, without_second_factor } => {
            return menu_password(&store_id, name.as_deref(), without_second_factor, common).await;
        }
        MerchantCommand::Address { command: AddressCommand::First { store_id, address, lost } } => {
            let (_, relay) = desk::relay(common, "merchant address").await?;
            let old = if lost { OldMailbox::Lost } else { OldMailbox::Kept };
            relay.first_address(&store_id, &address, old).await?;
            let text =
                "The store's mail goes there from now on. All its addresses and its administrators are told.";
            print(common, &json!({ "store_id": store_id, "first": true }), text);
            return Ok(());
        }
        MerchantCommand::Add { store_id, name, addresses } => (store_id, name, addresses),
    };
    let (config, relay) = desk::relay(common, "merchant").await?;
    let added = relay.add_merchant(NewMerchantRequest { store_id, name, addresses }).await?;
    let smtp = process::smtp_access(&config, None);
    let text = format!(
        "Store {} added. Both passwords are shown this once.\n\n\
         public alias   {}\n\
         SMTP server    {}, port {} with STARTTLS\n\
         user name      {}\n\
         password       {}\n\
         menu           {} / {}",
        added.store_id,
        added.public_alias,
        smtp.host,
        smtp.port,
        added.auth_id,
        added.auth_password.show(),
        added.store_id,
        added.menu_password.show(),
    );
    print(common, &merchant_json(&added, &smtp), &text);
    Ok(())
}

async fn menu_password(
    store_id: &str,
    name: Option<&str>,
    drops_factor: bool,
    common: &Common,
) -> Result<(), Failure> {
    let (_, relay) = desk::relay(common, "merchant menu-password").await?;
    let recovered = relay.new_menu_password(store_id, name, drops_factor).await?;
    let recovered = recovered
        .ok_or_else(|| Failure::new("store id: there is no such store; `anshin merchant add` makes one"))?;
    let Recovered::Password(password) = recovered else {
        let document = json!({ "menu": { "store_id": store_id, "second_factor_off": true } });
        print(
            common,
            &document,
            "The second factor is off. This person signs in with the marketplace's account, and has no password here.",
        );
        return Ok(());
    };
    let document = json!({ "menu": { "store_id": store_id, "password": password.show() } });
    let text = format!(
        "This is shown once, good for seven days, and has to be changed at the first sign-in.\n\nmenu           {store_id} / {}",
        password.show()
    );
    print(common, &document, &text);
    Ok(())
}
