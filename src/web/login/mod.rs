//! The marketplace's one login for all: OpenID Connect Core 1.0, the code flow with PKCE (RFC 7636, RFC 9700). What is asked of the provider,
//! and what its answer is worth; pages and people are the menu's (`menu/one_login.rs`).
//!
//! Rules: the provider gets the scope `openid` and nothing of anybody. Its document and keys are kept for an hour; a key that is not among
//! them is looked for once a minute, and after a fault nobody asks for [`REST`]. At most [`AT_ONCE`] answers are looked into at once. Nothing
//! of a token, a code or a subject goes to the log.
//! When it fails: [`LoginFault`] for one person, and the next one tries again; [`SetUpFault`] at start.

mod discovery;
mod outer;
mod token;

pub(super) use outer::{LASTS_S, Outer, Why};

use crate::config::{Config, LoginRole, MenuLogin, WebAddress};
use crate::egress::{Form, HttpFault, JsonClient, JsonFault, Reach};
use crate::mail::Timestamp;
use crate::relay::MenuRole;
use crate::vault::Secret;
use data_encoding::BASE64;
use discovery::{DiscoveryFault, Endpoints};
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use token::{Expected, Keys, TokenFault};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How long what the provider says of itself is good.
const GOOD_FOR: Duration = Duration::from_secs(3600);
/// How often an unknown key is looked for.
const KEYS_AGAIN: Duration = Duration::from_secs(60);
/// How long nobody asks after a fault.
const REST: Duration = Duration::from_secs(5);
/// A sign-in at the provider counts as one for so long, in seconds.
const SIGNED_IN_S: i64 = 10 * 60;
/// Answers that are looked into at once.
const AT_ONCE: usize = 16;
/// Octets of a document, a key set, an answer of the token endpoint.
const DOCUMENT_MAX: usize = 64 * 1024;
/// Longest code, state and name of an error that an answer may have.
const PARAMETER_MAX: usize = 2048;
/// Octets of a file with a client secret.
const SECRET_MAX: usize = 4096;

/// Why there can be no such login.
#[derive(Debug, thiserror::Error)]
pub enum SetUpFault {
    #[error("menu.login.client_secret_file: {}: {cause}", file.display())]
    Secret { file: PathBuf, cause: std::io::Error },
    #[error("menu.login.client_secret_file: {}: empty, or longer than a secret is", file.display())]
    NoSecret { file: PathBuf },
    #[error("menu.login.issuer: the provider can't be asked: {0}")]
    Client(#[from] JsonFault),
    #[error("menu.login.issuer: is no address")]
    Issuer,
}

/// Why somebody is not signed in by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LoginFault {
    /// The provider does not answer, or has just not answered.
    #[error("the provider does not answer: {0}")]
    Away(HttpFault),
    #[error("{0}")]
    Provider(DiscoveryFault),
    #[error("the provider's keys are none that count")]
    Keys,
    /// The code was used, or is not this client's, or the provider refuses for another reason.
    #[error("the provider does not take the code: {0}")]
    Code(HttpFault),
    #[error("{0}")]
    Token(TokenFault),
    #[error("the ID token has no store")]
    NoStore,
    #[error("the ID token has a role that is none")]
    Role,
    /// As many are looked into as may be.
    #[error("too many at once")]
    Busy,
}

impl LoginFault {
    /// The word in the access log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Away(_) => "provider-away",
            Self::Provider(_) | Self::Keys => "provider-wrong",
            Self::Code(_) => "code-refused",
            Self::Token(TokenFault::NotFresh) => "not-fresh",
            Self::Token(_) => "token-refused",
            Self::NoStore => "no-store",
            Self::Role => "no-role",
            Self::Busy => "limited",
        }
    }
}

/// What an answer proves.
pub(super) struct Said {
    pub subject: Zeroizing<String>,
    pub store_id: String,
    /// What the person may, where a claim says it.
    pub claimed: Option<MenuRole>,
}

/// The parameters with which a browser comes back (RFC 6749 §4.1.2, RFC 9207 §2).
pub(super) struct Back {
    pub code: Option<Zeroizing<String>>,
    pub state: String,
    pub error: Option<String>,
    pub issuer: Option<String>,
}

impl Back {
    /// Reads a query; none where a parameter stands twice, or is longer than any is.
    pub fn parse(query: &str) -> Option<Self> {
        let mut back = Self { code: None, state: String::new(), error: None, issuer: None };
        let mut seen = Vec::new();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            if !matches!(name, "code" | "state" | "error" | "iss") {
                continue;
            }
            let value = super::menu::decoded_text(value)?;
            if seen.contains(&name) || value.len() > PARAMETER_MAX {
                return None;
            }
            seen.push(name);
            match name {
                "code" => back.code = Some(value),
                "state" => back.state = value.to_string(),
                "error" => back.error = Some(value.to_string()),
                _ => back.issuer = Some(value.to_string()),
            }
        }
        (back.code.is_some() != back.error.is_some()).then_some(back)
    }
}

/// What is remembered of the provider.
#[derive(Default)]
struct Known {
    endpoints: Option<(Instant, Arc<Endpoints>)>,
    keys: Option<(Instant, Arc<Keys>)>,
    fault: Option<(Instant, LoginFault)>,
}

/// The login.
pub(crate) struct Login {
    client: JsonClient,
    issuer: String,
    /// Where its endpoints may be, the issuer's own first.
    origins: Vec<String>,
    client_id: String,
    secret: Secret,
    redirect: String,
    store_claim: String,
    role_claim: String,
    role: LoginRole,
    /// What the button says, in Japanese and in English.
    pub(super) names: [String; 2],
    known: Mutex<Known>,
    at_once: Semaphore,
}

impl Login {
    /// As the configuration has it; `None` where it has none.
    ///
    /// # Errors
    /// [`SetUpFault`].
    pub fn new(config: &Config) -> Result<Option<Self>, SetUpFault> {
        let MenuLogin {
            issuer,
            hosts,
            client_id,
            client_secret_file,
            public_url,
            store_claim,
            role_claim,
            role,
            name,
            name_en,
            authorities,
        } = config.menu.login.clone();
        let (Some(issuer), Some(file), Some(public_url)) = (issuer, client_secret_file, public_url) else {
            return Ok(None);
        };
        let address = WebAddress::parse(&issuer).ok_or(SetUpFault::Issuer)?;
        let reach = if address.is_loopback() { Reach::Loopback } else { Reach::Public };
        let client = JsonClient::new(&config.dns.servers, authorities.as_deref(), reach)?;
        let mut origins = vec![address.origin()];
        origins.extend(hosts.iter().map(|host| format!("https://{host}")));
        let secret = match std::fs::read_to_string(&file) {
            Ok(text) => Zeroizing::new(text),
            Err(cause) => return Err(SetUpFault::Secret { file, cause }),
        };
        let secret = Zeroizing::new(secret.trim().to_owned());
        if secret.is_empty() || secret.len() > SECRET_MAX {
            return Err(SetUpFault::NoSecret { file });
        }
        Ok(Some(Self {
            client,
            issuer,
            origins,
            client_id,
            secret: Secret::received(secret),
            redirect: format!("{public_url}/menu/one-login"),
            store_claim,
            role_claim,
            role,
            names: [name, name_en],
            known: Mutex::default(),
            at_once: Semaphore::new(AT_ONCE),
        }))
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What somebody may of whom no claim says it.
    pub fn role(&self) -> MenuRole {
        role_of(self.role)
    }

    /// Where forms of the sign-in page may lead (CSP `form-action`), beside here.
    pub fn origins(&self) -> String {
        self.origins.join(" ")
    }

    /// Where a browser goes to sign in (OpenID Connect Core 1.0 §3.1.2.1).
    ///
    /// # Errors
    /// [`LoginFault`] when the provider does not say where.
    pub async fn begin(&self, outer: &Outer, bound: &[u8]) -> Result<String, LoginFault> {
        let endpoints = self.endpoints().await?;
        let mut asked = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.client_id.clone()),
            ("redirect_uri", self.redirect.clone()),
            ("scope", "openid".to_owned()),
            ("state", outer.state(bound).to_string()),
            ("nonce", outer.nonce(bound).to_string()),
            ("code_challenge", outer.challenge(bound)),
            ("code_challenge_method", "S256".to_owned()),
        ];
        // Who comes in may change things for a while as one who has just said a password (`menu/confirm.rs`). So it has to be so: a provider that
        // lets people in without a word for days would else make that good for nothing.
        let (prompt, max_age) = match outer.why {
            Why::SignIn => (None, SIGNED_IN_S),
            _ => (Some(("prompt", "login".to_owned())), 0),
        };
        asked.extend(prompt.into_iter().chain([("max_age", max_age.to_string())]));
        let query: Vec<String> =
            asked.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let to = endpoints.authorization.to_string();
        let between = if to.contains('?') { '&' } else { '?' };
        Ok(format!("{to}{between}{}", query.join("&")))
    }

    /// Whether an answer is of this provider (RFC 9207 §2.4).
    ///
    /// # Errors
    /// [`LoginFault`] when the provider does not say whether its answers say so.
    pub async fn is_of_issuer(&self, back: &Back) -> Result<bool, LoginFault> {
        let names_issuer = self.endpoints().await?.names_issuer;
        Ok(back.issuer.as_ref().map_or(!names_issuer, |issuer| *issuer == self.issuer))
    }

    /// What the provider says for a code.
    ///
    /// # Errors
    /// [`LoginFault`].
    pub async fn exchange(&self, code: &str, outer: &Outer, bound: &[u8]) -> Result<Said, LoginFault> {
        let _place = self.at_once.try_acquire().map_err(|_| LoginFault::Busy)?;
        let endpoints = self.endpoints().await?;
        // RFC 6749 §2.3.1: both are encoded as a form before they are put together.
        let pair = Zeroizing::new(format!("{}:{}", encoded(&self.client_id), encoded(self.secret.show())));
        let authorization = Zeroizing::new(format!("Basic {}", BASE64.encode(pair.as_bytes())));
        let body = Zeroizing::new(format!(
            "grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={}",
            encoded(code),
            encoded(&self.redirect),
            *outer.verifier(bound)
        ));
        let form = Form { authorization: &authorization, body: &body };
        let answer = self.client.post(&endpoints.token, &form, DOCUMENT_MAX).await.map_err(|fault| {
            // Anything but 200: most often the code was used.
            if fault == HttpFault::Response { LoginFault::Code(fault) } else { LoginFault::Away(fault) }
        })?;
        let token = id_token(&answer).ok_or(LoginFault::Token(TokenFault::Malformed))?;
        drop(answer);
        let keys = self.keys(&endpoints, &token).await?;
        let (nonce, now) = (outer.nonce(bound), now_s());
        let expected = Expected {
            issuer: &self.issuer,
            client_id: &self.client_id,
            nonce: &nonce,
            signed_in_since: Some(if outer.why == Why::SignIn { now - SIGNED_IN_S } else { outer.at }),
            now,
        };
        let claims = token::verified(&token, &keys, &expected).map_err(LoginFault::Token)?;
        self.said(&claims)
    }

    fn said(&self, claims: &Value) -> Result<Said, LoginFault> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let store_id = text(&self.store_claim).filter(|id| !id.is_empty() && id.len() <= 64);
        // Where a claim says it, a token without one takes away what an earlier one gave.
        let claimed = match claims.get(&self.role_claim).filter(|claim| !claim.is_null()) {
            _ if self.role_claim.is_empty() => None,
            None => Some(self.role()),
            Some(word) => Some(word.as_str().and_then(MenuRole::parse).ok_or(LoginFault::Role)?),
        };
        Ok(Said {
            subject: Zeroizing::new(text("sub").unwrap_or_default().to_owned()),
            store_id: store_id.ok_or(LoginFault::NoStore)?.to_owned(),
            claimed,
        })
    }

    async fn endpoints(&self) -> Result<Arc<Endpoints>, LoginFault> {
        let mut known = self.known.lock().await;
        if let Some((_, endpoints)) = known.endpoints.as_ref().filter(|(at, _)| at.elapsed() < GOOD_FOR) {
            return Ok(Arc::clone(endpoints));
        }
        known.rests()?;
        let asked = async {
            let address =
                discovery::address_of(&self.issuer).ok_or(LoginFault::Provider(DiscoveryFault::Malformed))?;
            let document = self.client.get(&address, DOCUMENT_MAX).await.map_err(LoginFault::Away)?;
            Endpoints::read(&document, &self.issuer, &self.origins).map_err(LoginFault::Provider)
        };
        let endpoints = Arc::new(known.or_rest(asked.await)?);
        known.endpoints = Some((Instant::now(), Arc::clone(&endpoints)));
        Ok(endpoints)
    }

    /// The provider's keys; asked for again where the one of this token is not among those that are known.
    async fn keys(&self, endpoints: &Endpoints, token: &str) -> Result<Arc<Keys>, LoginFault> {
        let mut known = self.known.lock().await;
        if let Some((at, keys)) = &known.keys {
            let is_good = at.elapsed() < GOOD_FOR && keys.has_key_of(token);
            if is_good || at.elapsed() < KEYS_AGAIN {
                return Ok(Arc::clone(keys));
            }
        }
        known.rests()?;
        let asked = async {
            let set = self.client.get(&endpoints.keys, DOCUMENT_MAX).await.map_err(LoginFault::Away)?;
            Keys::read(&set).ok_or(LoginFault::Keys)
        };
        let keys = Arc::new(known.or_rest(asked.await)?);
        known.keys = Some((Instant::now(), Arc::clone(&keys)));
        Ok(keys)
    }
}

impl Known {
    /// Whether the provider has just failed.
    fn rests(&self) -> Result<(), LoginFault> {
        match self.fault {
            Some((at, fault)) if at.elapsed() < REST => Err(fault),
            _ => Ok(()),
        }
    }

    fn or_rest<T>(&mut self, came: Result<T, LoginFault>) -> Result<T, LoginFault> {
        self.fault = came.as_ref().err().map(|fault| (Instant::now(), *fault));
        came
    }
}

/// The token in an answer of the token endpoint; what else is in it is not looked at.
fn id_token(answer: &[u8]) -> Option<Zeroizing<String>> {
    #[derive(Deserialize)]
    struct Answer {
        id_token: String,
    }
    serde_json::from_slice::<Answer>(answer).ok().map(|answer| Zeroizing::new(answer.id_token))
}

fn role_of(role: LoginRole) -> MenuRole {
    match role {
        LoginRole::Administrator => MenuRole::Administrator,
        LoginRole::Staff => MenuRole::Staff,
        LoginRole::Reader => MenuRole::Reader,
    }
}

/// Now, in seconds since 1970.
pub(super) fn now_s() -> i64 {
    Timestamp::now().as_millis().div_euclid(1000)
}

/// A value as URLs and forms have it.
pub(super) fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_code_or_an_error_and_nothing_twice() {
        let back =
            |query: &str| Back::parse(query).map(|back| (back.code.is_some(), back.state, back.issuer));
        let issuer = Some("https://a.test".to_owned());
        assert_eq!(back("code=a%2Bb&state=c&iss=https%3A%2F%2Fa.test"), Some((true, "c".into(), issuer)));
        assert_eq!(back("error=access_denied&state=c&error_description=x"), Some((false, "c".into(), None)));
        let long = format!("code={}&state=c", "x".repeat(PARAMETER_MAX + 1));
        for query in
            ["", "state=c", "code=a&code=b&state=c", "code=a&error=b&state=c", "code=%zz&state=c", &long]
        {
            assert_eq!(back(query), None, "{query}");
        }
    }

    #[test]
    fn what_goes_into_a_url_is_encoded() {
        assert_eq!(encoded("a b/ü&=~"), "a%20b%2F%C3%BC%26%3D~");
    }
}
