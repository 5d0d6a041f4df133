//! Checks against the machine: are the files there that this profile needs, can they be read, and by whom else?
//!
//! Rules: only what the roles of this process use is looked at. The development profile makes what is missing, so
//! only a half pair of certificate and key, or a file that is no PEM, is refused there. The production profile
//! makes nothing: a missing database file is a missing mount more often than a first start, and starting empty
//! would refuse every alias in circulation.

use super::place::reason_of;
use super::reader::Reader;
use super::{Config, Keys, Profile, Provider, Role};
use crate::vault::Purpose;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Mode bits of group and others.
const NOT_THE_OWNER: u32 = 0o077;
/// Mode bits of others.
const OTHERS: u32 = 0o007;

pub(super) fn check(config: &Config, roles: &[Role], file: Option<&Path>, r: &mut Reader) {
    if !r.are_sound(&["profile"]) {
        return;
    }
    let production = config.profile == Profile::Production;
    if production {
        key_ring(config, roles, r);
        secrets_of_provider(config, r);
        database(config, r);
        if let Some(file) = file.filter(|_| config.storage.url.holds_password())
            && fs::metadata(file).is_ok_and(|m| m.permissions().mode() & OTHERS != 0)
            && !r.is_from_environment("storage.url")
        {
            let cure = format!("chmod 640 {} and chgrp it to the group of the service", file.display());
            r.refuse("storage.url", "holds a password in a file that everyone may read", cure);
        }
    }
    if roles.contains(&Role::Ingress) {
        certificate(config, production, r);
    }
    if roles.contains(&Role::Web) && config.menu.login.issuer.is_some() {
        login(config, r);
    }
    if roles.contains(&Role::Egress) {
        if production {
            signing_keys(&config.egress.dkim.dir, r);
        }
        if let Some(path) = &config.egress.ca_file {
            certificates_in(
                "egress.ca_file",
                path,
                "name a PEM file of root certificates, or leave it empty",
                r,
            );
        }
    }
}

fn key_ring(config: &Config, roles: &[Role], r: &mut Reader) {
    let dir = &config.keys.dir;
    if !r.are_sound(&["keys.dir"])
        || !private_directory(
            "keys.dir",
            dir,
            "restore the key ring from its backup, or make the first keys with `anshin keys rotate`",
            r,
        )
    {
        return;
    }
    let take = Keys::take(roles, &config.storage.url);
    let needed = Purpose::ALL.into_iter().filter(|purpose| take.needs(*purpose));
    // A ring that an older version made numbers with its index key.
    let mut missing: Vec<Purpose> = needed.filter(|purpose| *purpose != Purpose::Guard).collect();
    let mut sealed_to: Vec<Purpose> =
        Purpose::ALL.into_iter().filter(|purpose| purpose.has_halves() && !purpose.may_lack()).collect();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Some((stem, extension)) = name.to_str().and_then(|name| name.rsplit_once('.')) else { continue };
        let purpose = stem.split_once('-').and_then(|(word, _)| Purpose::parse(word));
        let Some(purpose) = purpose.filter(|_| matches!(extension, "key" | "pub")) else { continue };
        let is_secret = extension == "key";
        if is_secret {
            missing.retain(|other| *other != purpose);
        }
        if !is_secret || take.wants(purpose) {
            sealed_to.retain(|other| *other != purpose);
        }
        if is_secret && entry.metadata().is_ok_and(|m| m.permissions().mode() & NOT_THE_OWNER != 0) {
            let reason = format!("{stem}.key may be read by others than its owner");
            r.refuse("keys.dir", reason, format!("chmod 600 {}", path.display()));
        }
    }
    let cure = match missing.as_slice() {
        // What an older version made.
        [Purpose::File] => {
            "make one with `anshin keys rotate --purpose file`, and copy it to every directory of a role on this machine"
        }
        _ => "restore the key ring from its backup, or make the first keys with `anshin keys rotate`",
    };
    if !missing.is_empty() {
        let reason = format!("has no key for: {}; the production profile makes none", words(&missing));
        r.refuse("keys.dir", reason, cure);
    } else if !sealed_to.is_empty() {
        let reason =
            format!("has no public half for: {}; the production profile makes none", words(&sealed_to));
        let cure =
            "copy the .pub files of the whole key ring; `anshin keys rotate` there writes what is missing";
        r.refuse("keys.dir", reason, cure);
    }
}

fn words(purposes: &[Purpose]) -> String {
    purposes.iter().map(|purpose| purpose.as_str()).collect::<Vec<_>>().join(", ")
}

/// The files of the menu's login.
fn login(config: &Config, r: &mut Reader) {
    let login = &config.menu.login;
    if let Some(path) = &login.client_secret_file {
        owners_alone("menu.login.client_secret_file", path, r);
    }
    if let Some(path) = &login.authorities {
        let cure = "name a PEM file of the provider's authorities, or leave it empty";
        certificates_in("menu.login.authorities", path, cure, r);
    }
}

/// The files that open the provider.
fn secrets_of_provider(config: &Config, r: &mut Reader) {
    let file = match config.keys.provider {
        Provider::File => None,
        Provider::Pkcs11 => Some(("keys.pkcs11.pin_file", &config.keys.pkcs11.pin_file)),
        Provider::AwsKms => Some(("keys.aws_kms.credentials_file", &config.keys.aws_kms.credentials_file)),
    };
    if let Some((key, Some(path))) = file {
        owners_alone(key, path, r);
    }
}

/// A file with a secret: this user can read it, and nobody else.
fn owners_alone(key: &str, path: &Path, r: &mut Reader) {
    match fs::metadata(path) {
        Err(fault) => r.refuse(
            key,
            format!("{}: {}", path.display(), reason_of(&fault)),
            "name a file that this user can read",
        ),
        Ok(metadata) if metadata.permissions().mode() & NOT_THE_OWNER != 0 => {
            let reason = format!("{} may be read by others than its owner", path.display());
            r.refuse(key, reason, format!("chmod 600 {}", path.display()));
        }
        Ok(_) => {}
    }
}

fn signing_keys(dir: &Path, r: &mut Reader) {
    if r.are_sound(&["egress.dkim.dir"]) {
        private_directory(
            "egress.dkim.dir",
            dir,
            "put the signing keys there; the production profile makes none",
            r,
        );
    }
}

/// Whether `dir` is a directory that only its owner may use.
fn private_directory(key: &str, dir: &Path, cure: &str, r: &mut Reader) -> bool {
    match fs::metadata(dir).and_then(|m| fs::read_dir(dir).map(|_| m)) {
        Err(fault) => r.refuse(key, format!("{}: {}", dir.display(), reason_of(&fault)), cure),
        Ok(metadata) if metadata.permissions().mode() & NOT_THE_OWNER != 0 => {
            let reason = format!("{} may be read by others than its owner", dir.display());
            r.refuse(key, reason, format!("chmod 700 {}", dir.display()));
        }
        Ok(_) => return true,
    }
    false
}

fn database(config: &Config, r: &mut Reader) {
    let Some(path) = config.storage.url.file() else { return };
    if !r.are_sound(&["storage.url"]) {
        return;
    }
    let found = fs::metadata(path);
    if !matches!(&found, Ok(m) if m.is_file()) {
        let reason = found.map_or_else(|fault| reason_of(&fault), |_| "is no file".to_owned());
        let cure = format!(
            "mount or restore it; for a new installation: install -m 600 /dev/null {}",
            path.display()
        );
        r.refuse(
            "storage.url",
            format!("{}: {reason}; the production profile makes none", path.display()),
            cure,
        );
    }
}

fn certificate(config: &Config, production: bool, r: &mut Reader) {
    let (certificate_key, key_key) = ("ingress.tls.certificate", "ingress.tls.key");
    let tls = &config.ingress.tls;
    let may_be_made = !production && !tls.certificate.exists() && !tls.key.exists();
    for (i, named) in (1..).zip(&tls.named) {
        let key = |name: &str| format!("ingress.tls.named[{i}].{name}");
        pair((&key("certificate"), &named.certificate), (&key("key"), &named.key), production, r);
    }
    if may_be_made || !r.are_sound(&[certificate_key, key_key]) {
        return;
    }
    pair((certificate_key, &tls.certificate), (key_key, &tls.key), production, r);
}

/// A certificate with its key, each with the name of its place in the configuration.
fn pair(
    (certificate_key, certificate): (&str, &Path),
    (key_key, key): (&str, &Path),
    production: bool,
    r: &mut Reader,
) {
    let cure = "name PEM files that this user can read: the certificate with its chain, and its private key";
    certificates_in(certificate_key, certificate, cure, r);
    match PrivateKeyDer::from_pem_file(key) {
        Err(pem::Error::Io(fault)) => {
            r.refuse(key_key, format!("{}: {}", key.display(), reason_of(&fault)), cure)
        }
        Err(_) => r.refuse(key_key, format!("{} holds no private key in PEM", key.display()), cure),
        Ok(_) if production && fs::metadata(key).is_ok_and(|m| m.permissions().mode() & OTHERS != 0) => {
            let reason = format!("{} may be read by everyone", key.display());
            r.refuse(key_key, reason, format!("chmod 600 {}", key.display()));
        }
        Ok(_) => {}
    }
}

fn certificates_in(key: &str, path: &Path, cure: &str, r: &mut Reader) {
    let read = CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>());
    let reason = match read {
        Ok(certificates) if certificates.is_empty() => "holds no certificate in PEM".to_owned(),
        Ok(_) => return,
        Err(pem::Error::Io(fault)) => reason_of(&fault),
        Err(_) => "holds no certificate in PEM".to_owned(),
    };
    r.refuse(key, format!("{}: {reason}", path.display()), cure);
}
