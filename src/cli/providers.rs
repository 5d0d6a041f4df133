//! What wraps the secrets of the key ring, by the configuration.

use super::output::Failure;
use super::residency;
use crate::config::{Config, Keys, Provider};
use crate::vault::Wrapping;

/// The provider that is configured; while the ring moves it opens what the one before has wrapped, too.
/// A service is asked for nothing until it is proven where it is.
pub(super) async fn wrapping(config: &Config) -> Result<Wrapping, Failure> {
    let keys = &config.keys;
    if [keys.provider, keys.former_provider].contains(&Provider::AwsKms) {
        residency::key_service(config).await?;
    }
    let own = provider(keys, keys.provider)?;
    match keys.former_provider {
        Provider::File => Ok(own),
        former => Ok(own.moved_from(provider(keys, former)?)),
    }
}

fn provider(keys: &Keys, provider: Provider) -> Result<Wrapping, Failure> {
    match provider {
        Provider::File => Ok(Wrapping::File),
        #[cfg(feature = "pkcs11")]
        Provider::Pkcs11 => {
            let (module, pin_file) = (keys.pkcs11.module.clone(), keys.pkcs11.pin_file.clone());
            let setup = crate::vault::TokenSetup {
                module: module.unwrap_or_default(),
                token: keys.pkcs11.token.clone(),
                key: keys.pkcs11.key.clone(),
                pin_file: pin_file.unwrap_or_default(),
            };
            Ok(Wrapping::Pkcs11(crate::vault::Token::open(setup)?))
        }
        #[cfg(feature = "aws-kms")]
        Provider::AwsKms => {
            let region = keys
                .aws_kms
                .region()
                .map_err(|(reason, _)| Failure::new(format!("keys.aws_kms.key: {reason}")))?;
            let setup = crate::vault::KmsSetup {
                key: keys.aws_kms.key.clone(),
                region: region.to_owned(),
                credentials_file: keys.aws_kms.credentials_file.clone().unwrap_or_default(),
                endpoint: keys.aws_kms.endpoint.clone(),
            };
            Ok(Wrapping::AwsKms(crate::vault::Kms::open(setup)?))
        }
        #[cfg(not(all(feature = "pkcs11", feature = "aws-kms")))]
        _ => Err(Failure::new("keys.provider: this program is built without it")),
    }
}
