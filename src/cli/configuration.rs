//! `anshin config check|show`.

use super::arguments::{Common, ConfigCommand};
use super::output::{Failure, print};
use super::process;
use crate::config::Role;
use serde_json::json;

pub(super) fn run(command: &ConfigCommand, common: &Common) -> Result<(), Failure> {
    let path = process::config_path(common);
    let config = process::load(common, &Role::ALL)?;
    match command {
        ConfigCommand::Check => {
            let from = process::describe(path.as_deref());
            print(common, &json!({ "ok": true, "from": from }), &format!("{from}: good"));
        }
        ConfigCommand::Show => print(common, &config.to_json(), &config.to_toml()),
    }
    Ok(())
}
