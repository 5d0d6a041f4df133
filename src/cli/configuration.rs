//! `anshin config check|show`.

use super::arguments::{Common, ConfigCommand};
use super::output::{Failure, print};
use super::{process, residency};
use crate::config::{Enforce, Profile, Role};
use crate::ingress::certificate_warnings;
use crate::mail::Timestamp;
use serde_json::json;

pub(super) fn run(command: &ConfigCommand, common: &Common) -> Result<(), Failure> {
    let path = process::config_path(common);
    let config = process::load(common, &Role::ALL)?;
    match command {
        ConfigCommand::Check => {
            let from = process::describe(path.as_deref());
            let now = Timestamp::now();
            let mut warnings = config.retention.warnings(now);
            let checker = residency::checker(&config)?;
            warnings.extend(checker.geo().data_files().iter().filter_map(|file| file.warning(now)));
            if config.profile == Profile::Production && config.residency.staff.enforce == Enforce::Warn {
                warnings.push(
                    "residency.staff.enforce: \"warn\" lets people have user information opened from abroad"
                        .to_owned(),
                );
            }
            if config.profile == Profile::Production {
                warnings.extend(config.audit.warnings());
            }
            super::rules::of(&config)?;
            warnings.extend(certificate_warnings(&config.ingress.tls, now));
            let text = warnings
                .iter()
                .fold(format!("{from}: good"), |text, said| format!("{text}\nwarning: {said}"));
            print(common, &json!({ "ok": true, "from": from, "warnings": warnings }), &text);
        }
        ConfigCommand::Show => print(common, &config.to_json(), &config.to_toml()),
    }
    Ok(())
}
