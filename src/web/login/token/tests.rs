//! Tokens as an issuer signs them, and as others would like to.

use super::*;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;

const NOW: i64 = 1_800_000_000;

struct Issuer {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Issuer {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    fn set(&self) -> Value {
        let text = |octets: &[u8]| BASE64URL_NOPAD.encode(octets);
        let public = self.rsa.public_key();
        let (n, e) = (public.modulus(), public.exponent());
        let point = self.ec.public_key().as_ref();
        json!({ "keys": [
            { "kty": "RSA", "kid": "rsa", "n": text(n.big_endian_without_leading_zero()),
              "e": text(e.big_endian_without_leading_zero()) },
            { "kty": "EC", "kid": "ec", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..]), "use": "sig" },
            { "kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": text(self.ed.public_key().as_ref()) },
            { "kty": "RSA", "kid": "enc", "n": "AQAB", "e": "AQAB", "use": "enc" },
            { "kty": "oct", "kid": "oct", "k": "c2VjcmV0" },
            { "kty": "WHAT", "kid": "what" },
        ] })
    }

    fn keys(&self) -> Keys {
        Keys::read(self.set().to_string().as_bytes()).unwrap()
    }

    fn sign(&self, head: &Value, claims: &Value) -> String {
        let text = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", text(head), text(claims));
        let random = SystemRandom::new();
        let rsa = |padding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(padding, &random, signed.as_bytes(), &mut signature).unwrap();
            signature
        };
        let signature = match head["alg"].as_str().unwrap_or_default() {
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "ES256" => self.ec.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed.sign(signed.as_bytes()).as_ref().to_vec(),
            "HS256" => {
                // Under the public key, as some library took it once.
                let public = self.rsa.public_key().as_ref().to_vec();
                let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&public).unwrap();
                mac.update(signed.as_bytes());
                mac.finalize().into_bytes().to_vec()
            }
            _ => Vec::new(),
        };
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://login.test", "aud": "menu", "sub": "248289761001", "nonce": "n", "iat": NOW - 1,
        "exp": NOW + 300, "store_id": "mise",
    })
}

fn expected() -> Expected<'static> {
    let (issuer, client_id, nonce) = ("https://login.test", "menu", "n");
    Expected { issuer, client_id, nonce, signed_in_since: None, now: NOW }
}

fn said(token: &str, keys: &Keys, expected: &Expected<'_>) -> Result<String, TokenFault> {
    verified(token, keys, expected).map(|claims| claims["store_id"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn four_algorithms_count_each_by_a_key_of_its_kind() {
    let issuer = Issuer::new();
    let keys = issuer.keys();
    for (algorithm, kid) in [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")] {
        let token = issuer.sign(&json!({ "alg": algorithm, "kid": kid }), &claims());
        assert_eq!(said(&token, &keys, &expected()).as_deref(), Ok("mise"), "{algorithm}");
        // Without a name it is the only one of its kind.
        let nameless = issuer.sign(&json!({ "alg": algorithm }), &claims());
        assert_eq!(said(&nameless, &keys, &expected()).as_deref(), Ok("mise"), "{algorithm}");
        let other = Issuer::new();
        let forged = other.sign(&json!({ "alg": algorithm, "kid": kid }), &claims());
        assert_eq!(said(&forged, &keys, &expected()), Err(TokenFault::Signature), "{algorithm}");
        let mut changed = token.clone().into_bytes();
        let at = token.find('.').unwrap() + 30;
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(said(&changed, &keys, &expected()), Err(TokenFault::Signature), "{algorithm}");
    }
}

#[test]
fn no_other_algorithm_key_or_header_counts() {
    let issuer = Issuer::new();
    let keys = issuer.keys();
    for (head, fault) in [
        (json!({ "alg": "none" }), TokenFault::Algorithm),
        (json!({ "alg": "NONE" }), TokenFault::Algorithm),
        (json!({ "alg": "HS256", "kid": "rsa" }), TokenFault::Algorithm),
        (json!({ "alg": "HS256", "kid": "oct" }), TokenFault::Algorithm),
        (json!({ "alg": "RS384", "kid": "rsa" }), TokenFault::Algorithm),
        (json!({ "alg": "RS256", "kid": "ec" }), TokenFault::UnknownKey),
        (json!({ "alg": "RS256", "kid": "enc" }), TokenFault::UnknownKey),
        (json!({ "alg": "RS256", "kid": "nobody" }), TokenFault::UnknownKey),
        (json!({ "alg": "RS256", "kid": "rsa", "crit": ["exp"] }), TokenFault::Malformed),
        (json!({ "kid": "rsa" }), TokenFault::Malformed),
    ] {
        assert_eq!(said(&issuer.sign(&head, &claims()), &keys, &expected()), Err(fault), "{head}");
    }
    for token in ["", ".", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        assert!(said(token, &keys, &expected()).is_err(), "{token}");
    }
    // A key that says for what it is does nothing else.
    let mut set = issuer.set();
    set["keys"][0]["alg"] = json!("PS256");
    let keys = Keys::read(set.to_string().as_bytes()).unwrap();
    let token = issuer.sign(&json!({ "alg": "RS256", "kid": "rsa" }), &claims());
    assert_eq!(said(&token, &keys, &expected()), Err(TokenFault::UnknownKey));
    for set in [json!({}), json!({ "keys": [] }), json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] })] {
        assert!(Keys::read(set.to_string().as_bytes()).is_none(), "{set}");
    }
}

#[test]
fn each_claim_has_to_be_as_it_was_asked_for() {
    let issuer = Issuer::new();
    let keys = issuer.keys();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        issuer.sign(&json!({ "alg": "EdDSA", "kid": "ed" }), &claims)
    };
    for (name, value) in [
        ("aud", json!(["menu"])),
        ("azp", json!("menu")),
        ("exp", json!(NOW - 59)),
        ("exp", json!(NOW as f64 + 0.5)),
        ("iat", json!(NOW + 60)),
        ("nbf", json!(NOW + 60)),
    ] {
        assert_eq!(
            said(&with(name, value.clone()), &keys, &expected()).as_deref(),
            Ok("mise"),
            "{name} {value}"
        );
    }
    for (name, value, fault) in [
        ("iss", json!("https://login.test/"), TokenFault::Issuer),
        ("iss", Value::Null, TokenFault::Issuer),
        ("aud", json!("other"), TokenFault::Audience),
        ("aud", json!(["menu", "other"]), TokenFault::Audience),
        ("aud", json!([]), TokenFault::Audience),
        ("azp", json!("other"), TokenFault::Audience),
        ("exp", json!(NOW - 60), TokenFault::Time),
        ("exp", json!("tomorrow"), TokenFault::Time),
        ("iat", json!(NOW + 61), TokenFault::Time),
        ("iat", json!(NOW - 661), TokenFault::Time),
        ("iat", Value::Null, TokenFault::Time),
        ("nbf", json!(NOW + 61), TokenFault::Time),
        ("nbf", json!("now"), TokenFault::Time),
        ("nonce", json!("m"), TokenFault::Nonce),
        ("nonce", Value::Null, TokenFault::Nonce),
        ("sub", json!(""), TokenFault::Subject),
        ("sub", json!("花"), TokenFault::Subject),
        ("sub", json!("x".repeat(256)), TokenFault::Subject),
        ("sub", json!(7), TokenFault::Subject),
    ] {
        assert_eq!(said(&with(name, value.clone()), &keys, &expected()), Err(fault), "{name} {value}");
    }
}

#[test]
fn who_confirms_has_just_signed_in() {
    let issuer = Issuer::new();
    let keys = issuer.keys();
    let expected = Expected { signed_in_since: Some(NOW - 100), ..expected() };
    for (at, is_fresh) in [
        (Value::Null, false),
        (json!(NOW - 161), false),
        (json!(NOW + 61), false),
        (json!(NOW - 160), true),
        (json!(NOW), true),
    ] {
        let mut claims = claims();
        claims["auth_time"] = at.clone();
        let token = issuer.sign(&json!({ "alg": "ES256", "kid": "ec" }), &claims);
        assert_eq!(said(&token, &keys, &expected).is_ok(), is_fresh, "{at}");
    }
}
