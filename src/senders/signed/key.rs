//! Public keys as domains publish them (RFC 6376 §3.6.1, RFC 8463 §4), and the check of a signature with one. Pure.

use super::tags::Tags;
use aws_lc_rs::signature::{ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use data_encoding::BASE64;

/// What a signature is made with. SHA-1 is none (RFC 8301 §3.1), nor are RSA keys below 1024 bits (§3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    RsaSha256,
    Ed25519Sha256,
}

impl Algorithm {
    /// The value of the tag `a`.
    pub fn parse(text: &str) -> Option<Self> {
        [("rsa-sha256", Self::RsaSha256), ("ed25519-sha256", Self::Ed25519Sha256)]
            .into_iter()
            .find(|(word, _)| text.eq_ignore_ascii_case(word))
            .map(|(_, algorithm)| algorithm)
    }
}

/// A published key.
#[derive(Debug)]
pub(super) struct PublicKey {
    algorithm: Algorithm,
    key: Vec<u8>,
    /// `t=y`: it is being tried out.
    pub is_on_trial: bool,
    /// `t=s`: the identity must be of the very domain.
    pub is_strict: bool,
}

impl PublicKey {
    /// Reads a record. `None` when it is no key, a revoked one, or one for something else.
    pub fn parse(record: &[u8]) -> Option<Self> {
        // Empty tags are common in records, and harm nobody.
        let tags: Vec<&[u8]> =
            record.split(|b| *b == b';').filter(|tag| !tag.trim_ascii().is_empty()).collect();
        let tags = Tags::parse(&tags.join(&b';'))?;
        let has = |list: Option<&str>, wanted: &[&str]| {
            list.is_none_or(|list| list.split(':').any(|item| wanted.contains(&item)))
        };
        let is_version = tags.find("v").is_none_or(|version| version == "DKIM1" && tags.is_first("v"));
        if !is_version || !has(tags.find("h"), &["sha256"]) || !has(tags.find("s"), &["*", "email"]) {
            return None;
        }
        let algorithm = match tags.find("k") {
            None | Some("rsa") => Algorithm::RsaSha256,
            Some("ed25519") => Algorithm::Ed25519Sha256,
            Some(_) => return None,
        };
        let key = BASE64.decode(tags.required("p")?.as_bytes()).ok()?;
        let flags = |flag: &str| tags.find("t").is_some_and(|flags| flags.split(':').any(|own| own == flag));
        Some(Self { algorithm, key, is_on_trial: flags("y"), is_strict: flags("s") })
    }

    /// Whether `signature` is this key's of these octets.
    pub fn verifies(&self, algorithm: Algorithm, octets: &[u8], signature: &[u8]) -> bool {
        if algorithm != self.algorithm {
            return false;
        }
        match algorithm {
            Algorithm::RsaSha256 => {
                UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, &self.key)
                    .verify(octets, signature)
                    .is_ok()
            }
            Algorithm::Ed25519Sha256 => {
                // RFC 8463 §3: what is signed is the hash.
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets);
                UnparsedPublicKey::new(&ED25519, &self.key).verify(digest.as_ref(), signature).is_ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_key_for_mail_or_none() {
        for good in [
            "p=AAAA",
            "v=DKIM1; k=rsa; p=AAAA",
            "v=DKIM1;; p=AA\tAA; t=y:s;",
            "h=sha1:sha256; s=email; p=AAAA",
        ] {
            assert!(PublicKey::parse(good.as_bytes()).is_some(), "{good}");
        }
        let flagged = PublicKey::parse(b"p=AAAA; t=y:s").unwrap();
        assert!(flagged.is_on_trial && flagged.is_strict);
        for bad in [
            "",
            "v=DKIM1; p=",
            "p=AAAA; v=DKIM1",
            "v=DKIM2; p=AAAA",
            "k=dsa; p=AAAA",
            "h=sha1; p=AAAA",
            "s=tlsrpt; p=AAAA",
            "p=A!",
        ] {
            assert!(PublicKey::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
