//! What a provider says of itself (OpenID Connect Discovery 1.0 §3), as far as it is used. Pure.
//!
//! Rules: it is of the issuer that the operator named, to the letter; its endpoints lie at the issuer's own host or at one that the operator
//! named beside it, under which they were judged ([`crate::residency`]).
//! When it fails: [`DiscoveryFault`].

use crate::config::WebAddress;
use serde::Deserialize;

/// Why nobody can sign in by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::web) enum DiscoveryFault {
    #[error("what the provider says of itself is no discovery document")]
    Malformed,
    #[error("the provider calls itself another issuer than menu.login.issuer")]
    Issuer,
    #[error("the provider has an endpoint at a host that menu.login names nowhere")]
    Host,
    #[error("the provider does not take client_secret_basic")]
    Method,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where the provider is asked.
pub(in crate::web) struct Endpoints {
    pub authorization: WebAddress,
    pub token: WebAddress,
    pub keys: WebAddress,
    /// Whether each answer names its issuer (RFC 9207 §3).
    pub names_issuer: bool,
}

/// Where a provider says what it is.
pub(in crate::web) fn address_of(issuer: &str) -> Option<WebAddress> {
    WebAddress::parse(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
}

impl Endpoints {
    /// Reads a document. `origins`: where its endpoints may be.
    pub fn read(octets: &[u8], issuer: &str, origins: &[String]) -> Result<Self, DiscoveryFault> {
        let document: Document = serde_json::from_slice(octets).map_err(|_| DiscoveryFault::Malformed)?;
        if document.issuer != issuer {
            return Err(DiscoveryFault::Issuer);
        }
        let basic = |methods: Vec<String>| methods.iter().any(|method| method == "client_secret_basic");
        // It is what goes without saying (§3).
        if !document.token_endpoint_auth_methods_supported.is_none_or(basic) {
            return Err(DiscoveryFault::Method);
        }
        let endpoint = |text: &str| {
            let address = WebAddress::parse(text).ok_or(DiscoveryFault::Malformed)?;
            if origins.contains(&address.origin()) { Ok(address) } else { Err(DiscoveryFault::Host) }
        };
        Ok(Self {
            authorization: endpoint(&document.authorization_endpoint)?,
            token: endpoint(&document.token_endpoint)?,
            keys: endpoint(&document.jwks_uri)?,
            names_issuer: document.authorization_response_iss_parameter_supported,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(change: impl FnOnce(&mut Value)) -> Result<String, DiscoveryFault> {
        let mut document = json!({
            "issuer": "https://login.example.jp/shops",
            "authorization_endpoint": "https://login.example.jp/authorize?tenant=1",
            "token_endpoint": "https://token.login.example.jp/token",
            "jwks_uri": "https://login.example.jp/keys",
        });
        change(&mut document);
        let origins = ["https://login.example.jp".to_owned(), "https://token.login.example.jp".to_owned()];
        let read =
            Endpoints::read(document.to_string().as_bytes(), "https://login.example.jp/shops", &origins);
        read.map(|endpoints| endpoints.authorization.to_string())
    }

    #[test]
    fn a_provider_is_the_one_that_was_named_and_stays_at_its_hosts() {
        assert_eq!(read(|_| ()), Ok("https://login.example.jp/authorize?tenant=1".to_owned()));
        for (key, value, fault) in [
            ("issuer", json!("https://login.example.jp/shops/"), DiscoveryFault::Issuer),
            ("token_endpoint", json!("https://evil.test/token"), DiscoveryFault::Host),
            ("jwks_uri", json!("https://login.example.jp:8443/keys"), DiscoveryFault::Host),
            ("authorization_endpoint", json!("http://login.example.jp/"), DiscoveryFault::Malformed),
            ("authorization_endpoint", json!("javascript:alert(1)"), DiscoveryFault::Malformed),
            ("jwks_uri", json!(null), DiscoveryFault::Malformed),
            ("token_endpoint_auth_methods_supported", json!(["private_key_jwt"]), DiscoveryFault::Method),
        ] {
            assert_eq!(read(|document| document[key] = value), Err(fault), "{key}");
        }
        assert!(
            read(|d| d["token_endpoint_auth_methods_supported"] = json!(["none", "client_secret_basic"]))
                .is_ok()
        );
    }

    #[test]
    fn a_provider_is_asked_below_its_issuer() {
        let address = |issuer: &str| address_of(issuer).unwrap().to_string();
        assert_eq!(address("https://a.test"), "https://a.test/.well-known/openid-configuration");
        assert_eq!(address("https://a.test/b/"), "https://a.test/b/.well-known/openid-configuration");
    }
}
