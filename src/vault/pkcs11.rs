//! A token behind PKCS#11 (an HSM, a smart card, SoftHSM) that wraps the secrets of the ring with an AES-256 key of its own,
//! AES-GCM, bound to the name of the key file. The wrapping key can't leave the token.
//!
//! Rules: the token is asked when the ring is read and when a key is made, each time in a session of its own. The first
//! wrapping makes the key where the token has none. A key that the token would give away is refused.
//! Layout of a wrapped secret: 12 octets nonce, ciphertext, 16 octets tag.
//! When it fails: [`WrappingFault`] with the token's own code; the PIN is never told.

use super::wrapping::WrappingFault;
use super::{keep_openssl, random_bytes};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use std::path::PathBuf;
use zeroize::Zeroizing;

const NONCE: usize = 12;
const TAG_BITS: u64 = 128;

/// Which token, which key.
pub struct TokenSetup {
    /// The library of the token's maker.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// The wrapping key's label.
    pub key: String,
    /// A file that holds the PIN.
    pub pin_file: PathBuf,
}

/// The token.
pub struct Token {
    setup: TokenSetup,
    module: Pkcs11,
}

fn fault(reason: impl Into<String>) -> WrappingFault {
    WrappingFault::Provider { provider: "pkcs11", reason: reason.into() }
}

/// The code of the standard says what is wrong, and holds nothing of ours.
fn refused(error: Error) -> WrappingFault {
    match error {
        Error::Pkcs11(code, function) => fault(format!("{function:?} failed: {code}")),
        _ => fault("the module does not answer as PKCS#11 has it"),
    }
}

impl Token {
    /// Loads the module. The token is asked later.
    ///
    /// # Errors
    /// [`WrappingFault`] when the module can't be loaded.
    pub fn open(setup: TokenSetup) -> Result<Self, WrappingFault> {
        keep_openssl();
        let path = setup.module.display().to_string();
        let module = Pkcs11::new(&setup.module).map_err(|_| {
            fault(format!("{path} can't be loaded; set keys.pkcs11.module to the token's library"))
        })?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(refused(error)),
        }
        Ok(Self { setup, module })
    }

    /// How key files name it.
    #[must_use]
    pub fn name(&self) -> String {
        let plain = |text: &str| text.replace(|c: char| c.is_control() || matches!(c, '"' | '\\'), "_");
        format!("pkcs11:{}/{}", plain(&self.setup.token), plain(&self.setup.key))
    }

    fn session(&self) -> Result<Session, WrappingFault> {
        let slots = self.module.get_slots_with_initialized_token().map_err(refused)?;
        let is_ours = |slot: &&cryptoki::slot::Slot| {
            self.module.get_token_info(**slot).is_ok_and(|info| info.label().trim_end() == self.setup.token)
        };
        let slot = slots.iter().find(is_ours).ok_or_else(|| {
            fault(format!("there is no token with the label {}; set keys.pkcs11.token", self.setup.token))
        })?;
        let session = self.module.open_rw_session(*slot).map_err(refused)?;
        let path = self.setup.pin_file.display();
        let pin = std::fs::read_to_string(&self.setup.pin_file)
            .map(Zeroizing::new)
            .map_err(|error| fault(format!("{path}: {error}; set keys.pkcs11.pin_file")))?;
        let pin = AuthPin::from(pin.trim_end_matches(['\r', '\n']));
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => Err(refused(error)),
        }
    }

    fn find(&self, session: &Session) -> Result<Option<ObjectHandle>, WrappingFault> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(self.setup.key.as_bytes().to_vec()),
        ];
        let found = session.find_objects(&template).map_err(refused)?;
        if found.len() > 1 {
            return Err(fault(format!("there are several keys with the label {}", self.setup.key)));
        }
        let Some(key) = found.first() else { return Ok(None) };
        let can_leave = session.get_attributes(*key, &[AttributeType::Extractable]).map_err(refused)?;
        if can_leave != [Attribute::Extractable(false)] {
            return Err(fault(format!(
                "the key {} can be read out of the token; make one that can't (CKA_EXTRACTABLE false)",
                self.setup.key
            )));
        }
        Ok(Some(*key))
    }

    fn make(&self, session: &Session) -> Result<ObjectHandle, WrappingFault> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::Label(self.setup.key.as_bytes().to_vec()),
            Attribute::ValueLen(32.into()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ];
        session.generate_key(&Mechanism::AesKeyGen, &template).map_err(refused)
    }

    pub(super) fn wrap(&self, bound: &str, key: &[u8; 32]) -> Result<Vec<u8>, WrappingFault> {
        let session = self.session()?;
        let wrapping = match self.find(&session)? {
            Some(wrapping) => wrapping,
            None => self.make(&session)?,
        };
        let mut nonce = random_bytes::<NONCE>();
        let mut wrapped = nonce.to_vec();
        let parameters = GcmParams::new(&mut nonce, bound.as_bytes(), TAG_BITS.into()).map_err(refused)?;
        wrapped.extend(session.encrypt(&Mechanism::AesGcm(parameters), wrapping, key).map_err(refused)?);
        Ok(wrapped)
    }

    pub(super) fn unwrap(&self, bound: &str, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, WrappingFault> {
        let broken =
            || fault("the wrapped key was altered, or is another key's; restore the file from its backup");
        let session = self.session()?;
        let wrapping = self.find(&session)?.ok_or_else(|| {
            fault(format!("the token has no AES key with the label {}; set keys.pkcs11.key", self.setup.key))
        })?;
        let (nonce, ciphertext) = wrapped.split_first_chunk::<NONCE>().ok_or_else(broken)?;
        let mut nonce = *nonce;
        let parameters = GcmParams::new(&mut nonce, bound.as_bytes(), TAG_BITS.into()).map_err(refused)?;
        let plain = match session.decrypt(&Mechanism::AesGcm(parameters), wrapping, ciphertext) {
            Ok(plain) => Zeroizing::new(plain),
            Err(Error::Pkcs11(RvError::EncryptedDataInvalid | RvError::GeneralError, _)) => {
                return Err(broken());
            }
            Err(error) => return Err(refused(error)),
        };
        <[u8; 32]>::try_from(plain.as_slice()).map(Zeroizing::new).map_err(|_| broken())
    }
}
