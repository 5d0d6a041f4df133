//! ID tokens: whose signature counts, and what a token has to say (OpenID Connect Core 1.0 §3.1.3.7). Pure: the time is an argument.
//!
//! Rules: RS256, PS256, ES256 and EdDSA alone, by a key that the issuer publishes, of the kind that the algorithm takes: never none, never a
//! shared secret. The audience is this client and nobody else. Clocks may differ by [`SKEW_S`].
//! When it fails: [`TokenFault`], which tells nothing of what stands in it.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use subtle::ConstantTimeEq;

/// How far clocks may be apart, in seconds.
const SKEW_S: i64 = 60;
/// A token was made within so long: it comes straight from the issuer.
const AGE_MAX_S: i64 = 10 * 60;
/// Longest subject (§2).
const SUBJECT_MAX: usize = 255;
/// Keys of a set that are looked at.
const KEYS_MAX: usize = 64;
/// What counts.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];

/// Why a token says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::web) enum TokenFault {
    #[error("the ID token is none")]
    Malformed,
    #[error("the ID token is signed by an algorithm that does not count")]
    Algorithm,
    #[error("the ID token is signed by a key that the issuer does not have")]
    UnknownKey,
    #[error("the signature of the ID token is wrong")]
    Signature,
    #[error("the ID token is of another issuer")]
    Issuer,
    #[error("the ID token is for another audience")]
    Audience,
    #[error("the ID token has expired, or is of another time")]
    Time,
    #[error("the ID token answers another question")]
    Nonce,
    #[error("the ID token names nobody")]
    Subject,
    #[error("the ID token does not say that the person has just signed in")]
    NotFresh,
}

/// What a token has to say.
pub(in crate::web) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    /// The person has signed in since then, in seconds since 1970.
    pub signed_in_since: Option<i64>,
    /// Seconds since 1970.
    pub now: i64,
}

/// The keys of an issuer that can sign.
pub(in crate::web) struct Keys(Vec<Jwk>);

impl Keys {
    /// Reads a key set (RFC 7517 §5). Keys of other kinds are passed over; none at all is a fault.
    pub fn read(octets: &[u8]) -> Option<Self> {
        let set: Value = serde_json::from_slice(octets).ok()?;
        let keys = set.get("keys")?.as_array()?;
        let read = |key: &Value| serde_json::from_value::<Jwk>(key.clone()).ok();
        let keys: Vec<Jwk> = keys.iter().take(KEYS_MAX).filter_map(read).filter(can_sign).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// Whether the key that a token names is among them.
    pub fn has_key_of(&self, token: &str) -> bool {
        head(token).is_ok_and(|(algorithm, kid)| self.find(algorithm, kid.as_deref()).is_some())
    }

    /// The key of this name; without a name the only one that fits.
    fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Option<&Jwk> {
        let mut fitting = self.0.iter().filter(|key| fits(key, algorithm));
        match kid {
            Some(kid) => fitting.find(|key| key.common.key_id.as_deref() == Some(kid)),
            None => {
                let one = fitting.next()?;
                fitting.next().is_none().then_some(one)
            }
        }
    }
}

fn can_sign(key: &Jwk) -> bool {
    let is_asymmetric = !matches!(key.algorithm, AlgorithmParameters::OctetKey(_));
    is_asymmetric && key.common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature)
}

/// Whether a key is of the kind that an algorithm takes, and is for no other.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let of_kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256 | Algorithm::PS256) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    let own = key.common.key_algorithm.map(|own| own.to_string());
    of_kind && own.is_none_or(|own| own == format!("{algorithm:?}"))
}

/// Algorithm and key of a token.
fn head(token: &str) -> Result<(Algorithm, Option<String>), TokenFault> {
    let first = token.split('.').next().unwrap_or_default();
    let octets =
        data_encoding::BASE64URL_NOPAD.decode(first.as_bytes()).map_err(|_| TokenFault::Malformed)?;
    let head: Value = serde_json::from_slice(&octets).map_err(|_| TokenFault::Malformed)?;
    // What has to be understood (RFC 7515 §4.1.11) is nothing that we know.
    if head.get("crit").is_some() {
        return Err(TokenFault::Malformed);
    }
    let named = head.get("alg").and_then(Value::as_str).ok_or(TokenFault::Malformed)?;
    let own = |algorithm: &Algorithm| format!("{algorithm:?}") == named;
    let algorithm = ALGORITHMS.into_iter().find(own).ok_or(TokenFault::Algorithm)?;
    Ok((algorithm, head.get("kid").and_then(Value::as_str).map(str::to_owned)))
}

/// The claims of a token that is as it has to be.
///
/// # Errors
/// [`TokenFault`].
pub(in crate::web) fn verified(
    token: &str,
    keys: &Keys,
    expected: &Expected<'_>,
) -> Result<Value, TokenFault> {
    let (algorithm, kid) = head(token)?;
    let key = keys.find(algorithm, kid.as_deref()).ok_or(TokenFault::UnknownKey)?;
    let key = DecodingKey::from_jwk(key).map_err(|_| TokenFault::UnknownKey)?;
    let mut signature_alone = Validation::new(algorithm);
    signature_alone.required_spec_claims.clear();
    signature_alone.validate_exp = false;
    signature_alone.validate_nbf = false;
    signature_alone.validate_aud = false;
    let claims = jsonwebtoken::decode::<Value>(token, &key, &signature_alone)
        .map_err(|_| TokenFault::Signature)?
        .claims;
    says(&claims, expected)?;
    Ok(claims)
}

fn says(claims: &Value, expected: &Expected<'_>) -> Result<(), TokenFault> {
    let Expected { issuer, client_id, nonce, signed_in_since, now } = *expected;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| {
        let value = claims.get(name)?;
        value.as_i64().or_else(|| value.as_f64().filter(|time| time.abs() < 1e12).map(|time| time as i64))
    };
    let sound = |is_so: bool, fault: TokenFault| if is_so { Ok(()) } else { Err(fault) };
    sound(text("iss") == Some(issuer), TokenFault::Issuer)?;
    let is_for_us = match claims.get("aud") {
        Some(Value::String(one)) => one == client_id,
        Some(Value::Array(all)) => !all.is_empty() && all.iter().all(|one| one.as_str() == Some(client_id)),
        _ => false,
    };
    sound(is_for_us, TokenFault::Audience)?;
    sound(claims.get("azp").is_none_or(|azp| azp.as_str() == Some(client_id)), TokenFault::Audience)?;
    let (until, made) = (time("exp").ok_or(TokenFault::Time)?, time("iat").ok_or(TokenFault::Time)?);
    sound(until.saturating_add(SKEW_S) > now, TokenFault::Time)?;
    let is_now = made <= now.saturating_add(SKEW_S) && now.saturating_sub(made) <= AGE_MAX_S + SKEW_S;
    sound(is_now, TokenFault::Time)?;
    let begins = claims.get("nbf").map(|_| time("nbf").ok_or(TokenFault::Time)).transpose()?;
    sound(begins.is_none_or(|begins| begins <= now.saturating_add(SKEW_S)), TokenFault::Time)?;
    let own = text("nonce").unwrap_or_default();
    sound(bool::from(own.as_bytes().ct_eq(nonce.as_bytes())) && !nonce.is_empty(), TokenFault::Nonce)?;
    let subject = text("sub").unwrap_or_default();
    sound((1..=SUBJECT_MAX).contains(&subject.len()) && subject.is_ascii(), TokenFault::Subject)?;
    if let Some(since) = signed_in_since {
        let at = time("auth_time").ok_or(TokenFault::NotFresh)?;
        sound(at.saturating_add(SKEW_S) >= since && at <= now.saturating_add(SKEW_S), TokenFault::NotFresh)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
