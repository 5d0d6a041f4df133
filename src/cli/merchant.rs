//! `anshin merchant add`; `merchant credential` is `credential.rs`.

use super::arguments::{Common, MerchantCommand};
use super::output::{Failure, print};
use super::{credential, desk, process};
use crate::relay::NewMerchantRequest;
use crate::web::merchant_json;

pub(super) async fn run(command: MerchantCommand, common: &Common) -> Result<(), Failure> {
    let (store_id, name, addresses) = match command {
        MerchantCommand::Credential { command } => return credential::run(command, common).await,
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
