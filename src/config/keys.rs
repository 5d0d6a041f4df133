//! `[keys]`: where the key ring lies and what wraps its secrets; which secrets a role takes.

use super::kind;
use super::reader::{Context, Flaw, Reader};
use super::tree::Value;
use super::{Role, StorageUrl, show};
use crate::vault::{Purpose, Take};
use serde::Serialize;
use std::path::PathBuf;

/// `[keys]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Keys {
    /// The directory of the key ring, mode 0700.
    pub dir: PathBuf,
    /// What keeps its secrets.
    pub provider: Provider,
    /// What kept them before, for as long as a ring moves from there; "file" where it does not.
    pub former_provider: Provider,
    pub pkcs11: Pkcs11,
    pub aws_kms: AwsKms,
}

/// What keeps the secrets of the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// The files themselves.
    File,
    /// A key in a token that wraps them.
    Pkcs11,
    /// A key in AWS KMS that wraps them.
    AwsKms,
}

/// `[keys.pkcs11]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pkcs11 {
    /// The library of the token's maker.
    #[serde(serialize_with = "show::optional_path")]
    pub module: Option<PathBuf>,
    /// The token's label.
    pub token: String,
    /// The label of the wrapping key, AES-256, in the token.
    pub key: String,
    /// A file that holds the PIN, mode 0600.
    #[serde(serialize_with = "show::optional_path")]
    pub pin_file: Option<PathBuf>,
}

/// `[keys.aws_kms]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AwsKms {
    /// The ARN of the wrapping key, symmetric, in Tokyo or Osaka.
    pub key: String,
    /// A file with access key id and secret access key, mode 0600.
    #[serde(serialize_with = "show::optional_path")]
    pub credentials_file: Option<PathBuf>,
    /// Where KMS answers, if not at its public name: a VPC endpoint.
    pub endpoint: String,
}

/// The regions of AWS that lie in Japan.
const REGIONS: [&str; 2] = ["ap-northeast-1", "ap-northeast-3"];

impl Keys {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let dir = r.value("keys.dir", "keys", kind::path);
        let words = [("file", Provider::File), ("pkcs11", Provider::Pkcs11), ("aws-kms", Provider::AwsKms)];
        let provider = r.value("keys.provider", "file", kind::word(&words));
        let former = r.value("keys.former_provider", "file", kind::word(&words));
        let module = r.value("keys.pkcs11.module", "", kind::optional(kind::path));
        let token = r.value("keys.pkcs11.token", "anshin", string);
        let key = r.value("keys.pkcs11.key", "anshin", string);
        let pin_file = r.value("keys.pkcs11.pin_file", "", kind::optional(kind::path));
        let arn = r.value("keys.aws_kms.key", "", string);
        let credentials_file = r.value("keys.aws_kms.credentials_file", "", kind::optional(kind::path));
        let endpoint = r.value("keys.aws_kms.endpoint", "", string);
        Some(Self {
            dir: dir?,
            provider: provider?,
            former_provider: former?,
            pkcs11: Pkcs11 { module: module?, token: token?, key: key?, pin_file: pin_file? },
            aws_kms: AwsKms { key: arn?, credentials_file: credentials_file?, endpoint: endpoint? },
        })
    }

    /// What the providers need.
    pub(super) fn check(&self, r: &mut Reader) {
        self.check_one("keys.provider", self.provider, r);
        if self.former_provider == self.provider && self.provider != Provider::File {
            let cure = "set it to what kept the ring before, or take it away";
            r.refuse("keys.former_provider", "is the same as keys.provider", cure);
        } else {
            self.check_one("keys.former_provider", self.former_provider, r);
        }
    }

    fn check_one(&self, key: &str, provider: Provider, r: &mut Reader) {
        let cure = format!("set it, or set {key} to \"file\"");
        let cure = cure.as_str();
        match provider {
            Provider::File => {}
            Provider::Pkcs11 if !cfg!(feature = "pkcs11") => {
                r.refuse(key, "this program is built without it", "build it with the feature pkcs11");
            }
            Provider::Pkcs11 => {
                let (module, pin) = (&self.pkcs11.module, &self.pkcs11.pin_file);
                for (own, path) in [("keys.pkcs11.module", module), ("keys.pkcs11.pin_file", pin)] {
                    if path.is_none() && r.are_sound(&[own]) {
                        r.refuse(own, "is empty", cure);
                    }
                }
            }
            Provider::AwsKms if !cfg!(feature = "aws-kms") => {
                r.refuse(key, "this program is built without it", "build it with the feature aws-kms");
            }
            Provider::AwsKms => {
                if let Err((reason, cure)) = self.aws_kms.region() {
                    r.refuse("keys.aws_kms.key", reason, cure);
                }
                if self.aws_kms.credentials_file.is_none() && r.are_sound(&["keys.aws_kms.credentials_file"])
                {
                    r.refuse("keys.aws_kms.credentials_file", "is empty", cure);
                }
            }
        }
    }

    /// What a process of these roles takes from the ring for its work on this database; without a role, a command, what its
    /// user may read.
    #[must_use]
    pub fn take(roles: &[Role], storage: &StorageUrl) -> Take {
        if roles.is_empty() {
            return Take::Found;
        }
        let mut purposes = vec![Purpose::Alias, Purpose::Index, Purpose::Guard];
        if roles.contains(&Role::Ingress) || roles.contains(&Role::Egress) {
            purposes.push(Purpose::Seal);
        }
        if roles.contains(&Role::Egress) {
            purposes.extend([Purpose::Body, Purpose::Tree]);
        }
        if roles.contains(&Role::Web) {
            purposes.push(Purpose::Menu);
        }
        if storage.file().is_some() {
            purposes.push(Purpose::File);
        }
        Take::Only(purposes)
    }
}

impl AwsKms {
    /// The region of the wrapping key, if it lies in Japan and in no other place.
    ///
    /// # Errors
    /// Reason and cure.
    pub fn region(&self) -> Result<&str, (&'static str, &'static str)> {
        let malformed =
            ("is no ARN of a key", "write such as arn:aws:kms:ap-northeast-1:123456789012:key/…, no alias");
        let parts: Vec<&str> = self.key.split(':').collect();
        let &["arn", "aws", "kms", region, account, resource] = parts.as_slice() else {
            return Err(malformed);
        };
        let id = resource.strip_prefix("key/").ok_or(malformed)?;
        let is_plain =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_plain(id) || account.is_empty() || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed);
        }
        if !REGIONS.contains(&region) {
            let cure = "make the key in Tokyo (ap-northeast-1) or Osaka (ap-northeast-3)";
            return Err(("names a region outside Japan", cure));
        }
        if id.starts_with("mrk-") {
            let cure = "make a single-Region key";
            return Err(("is a multi-Region key, which can be copied out of Japan", cure));
        }
        Ok(region)
    }
}

fn string(value: &Value, _: &Context) -> Result<String, Flaw> {
    kind::text(value).map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::storage;
    use super::*;

    #[test]
    fn a_kms_key_lies_in_japan_and_nowhere_else() {
        let region = |key: &str| {
            let kms = AwsKms { key: key.into(), credentials_file: None, endpoint: String::new() };
            kms.region().map(str::to_owned).map_err(|(reason, _)| reason)
        };
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let arn = |region: &str, id: &str| format!("arn:aws:kms:{region}:123456789012:key/{id}");
        assert_eq!(region(&arn("ap-northeast-1", id)), Ok("ap-northeast-1".into()));
        assert_eq!(region(&arn("ap-northeast-3", id)), Ok("ap-northeast-3".into()));
        for elsewhere in ["us-east-1", "ap-northeast-2", "ap-southeast-1", "AP-NORTHEAST-1", ""] {
            assert_eq!(region(&arn(elsewhere, id)), Err("names a region outside Japan"), "{elsewhere}");
        }
        let copied = region(&arn("ap-northeast-1", "mrk-1234abcd12ab34cd56ef1234567890ab"));
        assert_eq!(copied, Err("is a multi-Region key, which can be copied out of Japan"));
        for no_arn in ["", id, "alias/anshin", "arn:aws:kms:ap-northeast-1:123456789012:alias/anshin"] {
            assert_eq!(region(no_arn), Err("is no ARN of a key"), "{no_arn}");
        }
    }

    #[test]
    fn each_role_takes_what_its_work_needs() {
        let context = Context { dir: PathBuf::new() };
        let server = storage::url(&Value::Text("postgres://127.0.0.1/anshin".into()), &context).ok().unwrap();
        let of = |role| Keys::take(&[role], &server);
        let (ingress, egress, web) = (of(Role::Ingress), of(Role::Egress), of(Role::Web));
        let basis = [Purpose::Alias, Purpose::Index, Purpose::Guard];
        assert_eq!(web, Take::Only([&basis[..], &[Purpose::Menu]].concat()));
        assert_eq!(ingress, Take::Only([&basis[..], &[Purpose::Seal]].concat()));
        assert_eq!(egress, Take::Only([&basis[..], &[Purpose::Seal, Purpose::Body, Purpose::Tree]].concat()));
        let all = [&basis[..], &[Purpose::Seal, Purpose::Body, Purpose::Tree, Purpose::Menu]].concat();
        assert_eq!(Keys::take(&Role::ALL, &server), Take::Only(all));
        let in_a_file = Keys::take(&[Role::Web], &StorageUrl::sqlite("a.db"));
        assert_eq!(in_a_file, Take::Only([&basis[..], &[Purpose::Menu, Purpose::File]].concat()));
    }
}
