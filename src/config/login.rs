//! `[menu.login]`: where the marketplace has one login for all, the menu's people may come in by it (OpenID Connect).
//!
//! Rules: without an issuer there is none. Whom it lets in is told by claims of its ID tokens; which, stands here.
//! When it fails: a problem with key and cure.

use super::kind;
use super::reader::{Context, Flaw, Reader};
use super::show;
use super::tree::Value;
use super::web_address::WebAddress;
use serde::Serialize;
use std::path::PathBuf;

/// Longest name of the button, in characters.
const NAME_MAX: usize = 60;

/// `[menu.login]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MenuLogin {
    /// As the provider writes it, to the letter. None: there is no such login.
    #[serde(serialize_with = "show::optional")]
    pub issuer: Option<String>,
    /// Other hosts, perhaps with a port, at which the provider has endpoints.
    pub hosts: Vec<String>,
    pub client_id: String,
    /// A file with the secret of the client, mode 0600.
    #[serde(serialize_with = "show::optional_path")]
    pub client_secret_file: Option<PathBuf>,
    /// Where people reach the menu: its origin, to which the provider sends them back.
    #[serde(serialize_with = "show::optional")]
    pub public_url: Option<String>,
    /// The claim that names the store.
    pub store_claim: String,
    /// The claim that says what somebody may. Empty: none does.
    pub role_claim: String,
    /// What somebody may of whom no claim says it.
    pub role: LoginRole,
    /// What the button says in Japanese, and in English.
    pub name: String,
    pub name_en: String,
    /// A PEM file of authorities of the provider's certificates, beside those that everybody knows.
    #[serde(serialize_with = "show::optional_path")]
    pub authorities: Option<PathBuf>,
}

/// What somebody may in the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginRole {
    Administrator,
    Staff,
    Reader,
}

impl LoginRole {
    const WORDS: [(&str, LoginRole); 3] = [
        ("administrator", LoginRole::Administrator),
        ("staff", LoginRole::Staff),
        ("reader", LoginRole::Reader),
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LoginRole::Administrator => "administrator",
            LoginRole::Staff => "staff",
            LoginRole::Reader => "reader",
        }
    }
}

impl MenuLogin {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let issuer = r.value("menu.login.issuer", "", kind::optional(issuer));
        let hosts = r.value("menu.login.hosts", "[]", kind::list(host));
        let client_id = r.value("menu.login.client_id", "", client_id);
        let secret = r.value("menu.login.client_secret_file", "", kind::optional(kind::path));
        let public_url = r.value("menu.login.public_url", "", kind::optional(origin));
        let store_claim = r.value("menu.login.store_claim", "store_id", claim);
        let role_claim = r.value("menu.login.role_claim", "", claim);
        let role = r.value("menu.login.role", "staff", kind::word(&LoginRole::WORDS));
        let button = r.value("menu.login.name", "マーケットプレイスのアカウントでログイン", name);
        let name_en = r.value("menu.login.name_en", "Sign in with your marketplace account", name);
        let authorities = r.value("menu.login.authorities", "", kind::optional(kind::path));
        Some(Self {
            issuer: issuer?,
            hosts: hosts?,
            client_id: client_id?,
            client_secret_file: secret?,
            public_url: public_url?,
            store_claim: store_claim?,
            role_claim: role_claim?,
            role: role?,
            name: button?,
            name_en: name_en?,
            authorities: authorities?,
        })
    }

    /// What a login needs beside its issuer.
    pub(super) fn check(&self, r: &mut Reader) {
        if self.issuer.is_none() {
            return;
        }
        let needed = [
            ("menu.login.client_id", self.client_id.is_empty(), "write the client id that the provider gave"),
            (
                "menu.login.client_secret_file",
                self.client_secret_file.is_none(),
                "name a file with the client secret that the provider gave, mode 0600",
            ),
            (
                "menu.login.public_url",
                self.public_url.is_none(),
                "write where people reach the menu, such as https://menu.example.jp",
            ),
            ("menu.login.store_claim", self.store_claim.is_empty(), "name the claim that has the store ID"),
        ];
        for (key, is_missing, cure) in needed {
            if is_missing && r.are_sound(&[key]) {
                r.refuse(key, "is empty, and menu.login.issuer is set", cure);
            }
        }
    }
}

fn issuer(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim();
    // OpenID Connect Discovery 1.0 §3: no query, no fragment.
    match WebAddress::parse(text) {
        Some(_) if !text.contains('?') => Ok(text.to_owned()),
        _ => Err(Flaw::new(
            format!("{} is no issuer", kind::quote(text)),
            "write it as the provider's discovery document has it, such as https://login.example.jp",
        )),
    }
}

fn host(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim();
    match WebAddress::parse(&format!("https://{text}")) {
        Some(address) if address.path == "/" && !text.ends_with('/') => Ok(address.authority()),
        _ => Err(Flaw::new(
            format!("{} is no host", kind::quote(text)),
            "write such as token.login.example.jp or token.login.example.jp:8443",
        )),
    }
}

fn origin(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim().trim_end_matches('/');
    match WebAddress::parse(text) {
        Some(address) if address.path == "/" => Ok(address.origin()),
        _ => Err(Flaw::new(
            format!("{} is no origin of web pages", kind::quote(text)),
            "write such as https://menu.example.jp, without a path",
        )),
    }
}

fn client_id(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim();
    if text.len() <= 200 && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return Ok(text.to_owned());
    }
    Err(Flaw::new("is no client id", "write at most 200 printable ASCII characters"))
}

fn claim(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim();
    if text.len() <= 200 && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Flaw::new("is no name of a claim", "write such as store_id or https://example.jp/store"))
}

fn name(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?.trim();
    let count = text.chars().count();
    if (1..=NAME_MAX).contains(&count) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Flaw::new("is no name for a button", format!("write 1 to {NAME_MAX} characters on one line")))
}
