//! The client's proof of who it is: AUTH PLAIN (RFC 4616), AUTH LOGIN (draft-murchison-sasl-login), which old shop
//! software uses, and SCRAM-SHA-256 with and without channel binding (`scram`), in the exchange of RFC 4954 §4.
//!
//! Rules: the caller offers it inside TLS only. An initial response may be given, `=` is the empty one, `*` cancels.
//! Nobody acts for another: an authorization identity must be empty or equal the name. Secrets are wiped.
//! When it fails: [`AuthFault`]; the exchange is over and the next line is a command again.

use super::scram::{Binding, ChannelBinding, Checked, ClientFirst, NONCE, ScramFault, ServerFirst, Verifier};
use data_encoding::BASE64;
use zeroize::Zeroizing;

/// Who a client says it is, and what speaks for it. It cannot be printed.
pub struct Credentials {
    auth_id: Zeroizing<String>,
    proof: Proof,
}

/// What speaks for a client.
pub enum Proof {
    /// A password, not yet checked. It cannot be printed.
    Password(Password),
    /// The session has checked that the client knows the password (SCRAM).
    Known,
    /// The session has checked that it does not.
    Unknown,
}

/// A password as a client sent it.
pub struct Password(Zeroizing<String>);

impl Password {
    /// The password, as sent.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Credentials {
    /// The name, as sent.
    #[must_use]
    pub fn auth_id(&self) -> &str {
        &self.auth_id
    }

    /// What speaks for it.
    #[must_use]
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    fn password(auth_id: Zeroizing<String>, password: Zeroizing<String>) -> Self {
        Self { auth_id, proof: Proof::Password(Password(password)) }
    }

    fn checked(name: String, proof: Proof) -> Self {
        Self { auth_id: Zeroizing::new(name), proof }
    }
}

/// Why an exchange came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthFault {
    #[error("the mechanism is not offered")]
    Mechanism,
    #[error("the client cancelled")]
    Cancelled,
    #[error("the response is no base64")]
    Base64,
    #[error("the response does not hold what the mechanism asks for")]
    Malformed,
    #[error("the client wants to act for another")]
    OtherIdentity,
    #[error("the client speaks on another channel than we, or was told that we cannot bind it")]
    Binding,
}

impl From<ScramFault> for AuthFault {
    fn from(fault: ScramFault) -> Self {
        match fault {
            ScramFault::Malformed => AuthFault::Malformed,
            ScramFault::OtherIdentity => AuthFault::OtherIdentity,
            ScramFault::Binding => AuthFault::Binding,
        }
    }
}

/// An exchange that waits for a line of the client.
pub(crate) enum Exchange {
    /// PLAIN without initial response.
    Plain,
    /// LOGIN, waiting for the name.
    LoginName,
    /// LOGIN, waiting for the password.
    LoginPassword { auth_id: Zeroizing<String> },
    /// SCRAM, waiting for the first message.
    ScramFirst(Binding),
    /// SCRAM, waiting for the proof.
    ScramFinal(ServerFirst),
    /// SCRAM, waiting for the empty line with which the client takes our own proof.
    ScramTaken { server_final: String },
}

/// What comes next in an exchange.
pub(crate) enum Step {
    Ask(Exchange),
    /// The verifier of this name is needed; then [`Exchange::scram`].
    LookUp(ClientFirst),
    Done(Credentials),
    /// The client's proof is right. If the driver lets it in it is told ours, and the exchange goes on; before that it
    /// learns nothing, so that no guess is confirmed that the driver has not counted.
    Proven(Credentials, Exchange),
    /// The client has taken our proof.
    Taken,
}

impl Exchange {
    /// Starts an exchange with what follows `AUTH `. `channel` is there where channel binding is offered.
    ///
    /// # Errors
    /// [`AuthFault`] when the mechanism is not offered or the initial response is not good.
    pub(crate) fn start(argument: &str, channel: Option<ChannelBinding>) -> Result<Step, AuthFault> {
        let (mechanism, initial) = match argument.split_once(' ') {
            Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
            None => (argument, None),
        };
        let is = |name: &str| mechanism.eq_ignore_ascii_case(name);
        let exchange = match channel {
            _ if is("PLAIN") => Exchange::Plain,
            _ if is("LOGIN") => Exchange::LoginName,
            _ if is("SCRAM-SHA-256") => Exchange::ScramFirst(Binding::None { offered: channel.is_some() }),
            Some(octets) if is("SCRAM-SHA-256-PLUS") => Exchange::ScramFirst(Binding::Exporter(octets)),
            _ => return Err(AuthFault::Mechanism),
        };
        match initial {
            None => Ok(Step::Ask(exchange)),
            Some("=") => exchange.proceed(""),
            Some(initial) => exchange.proceed(initial),
        }
    }

    /// Goes on with the verifier of the name that was looked up.
    pub(crate) fn scram(first: ClientFirst, verifier: Verifier, random: [u8; NONCE]) -> Self {
        Exchange::ScramFinal(first.answer(verifier, random))
    }

    /// What the client is asked, in base64: the text of the `334`. LOGIN's are `Username:` and `Password:`.
    pub(crate) fn challenge(&self) -> String {
        match self {
            Exchange::Plain | Exchange::ScramFirst(_) => String::new(),
            Exchange::LoginName => "VXNlcm5hbWU6".to_owned(),
            Exchange::LoginPassword { .. } => "UGFzc3dvcmQ6".to_owned(),
            Exchange::ScramFinal(server) => BASE64.encode(server.text().as_bytes()),
            Exchange::ScramTaken { server_final } => BASE64.encode(server_final.as_bytes()),
        }
    }

    /// Takes the client's next line.
    ///
    /// # Errors
    /// [`AuthFault`] when it cancels or the response is not good.
    pub(crate) fn proceed(self, line: &str) -> Result<Step, AuthFault> {
        if line == "*" {
            return Err(AuthFault::Cancelled);
        }
        let response = BASE64.decode(line.as_bytes()).map(Zeroizing::new).map_err(|_| AuthFault::Base64)?;
        let response = std::str::from_utf8(&response).map_err(|_| AuthFault::Malformed)?;
        Ok(match self {
            Exchange::Plain => Step::Done(plain(response)?),
            Exchange::LoginName => Step::Ask(Exchange::LoginPassword { auth_id: text(response)? }),
            Exchange::LoginPassword { auth_id } => {
                Step::Done(Credentials::password(auth_id, text(response)?))
            }
            Exchange::ScramFirst(binding) => Step::LookUp(ClientFirst::parse(response, binding)?),
            Exchange::ScramFinal(server) => match server.check(response)? {
                Checked::Right { name, server_final } => Step::Proven(
                    Credentials::checked(name, Proof::Known),
                    Exchange::ScramTaken { server_final },
                ),
                Checked::Wrong { name } => Step::Done(Credentials::checked(name, Proof::Unknown)),
            },
            Exchange::ScramTaken { .. } if response.is_empty() => Step::Taken,
            Exchange::ScramTaken { .. } => return Err(AuthFault::Malformed),
        })
    }
}

/// `[authzid] NUL authcid NUL passwd` (RFC 4616 §2).
fn plain(response: &str) -> Result<Credentials, AuthFault> {
    let mut fields = response.split('\0');
    let (Some(other), Some(auth_id), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(AuthFault::Malformed);
    };
    let credentials = Credentials::password(text(auth_id)?, text(password)?);
    if other.is_empty() || other == auth_id { Ok(credentials) } else { Err(AuthFault::OtherIdentity) }
}

/// A field, which must hold something and no NUL.
fn text(field: &str) -> Result<Zeroizing<String>, AuthFault> {
    if field.is_empty() || field.contains('\0') {
        return Err(AuthFault::Malformed);
    }
    Ok(Zeroizing::new(field.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The credentials that come of `AUTH argument` and the lines after it.
    fn run(argument: &str, lines: &[&[u8]]) -> Result<(String, String), AuthFault> {
        let mut step = Exchange::start(argument, None)?;
        for line in lines {
            let Step::Ask(exchange) = step else { panic!("no further line is asked for") };
            step = exchange.proceed(&BASE64.encode(line))?;
        }
        match step {
            Step::Done(done) => match done.proof() {
                Proof::Password(password) => Ok((done.auth_id().to_owned(), password.reveal().to_owned())),
                _ => panic!("no password was sent"),
            },
            _ => panic!("a further line is asked for"),
        }
    }

    fn pair(auth_id: &str, password: &str) -> Result<(String, String), AuthFault> {
        Ok((auth_id.to_owned(), password.to_owned()))
    }

    #[test]
    fn plain_and_login_are_read_with_and_without_initial_response() {
        let initial = BASE64.encode(b"\0shop-1\0p\xc3\xa9ch\xc3\xa9 secret");
        assert_eq!(run(&format!("PLAIN {initial}"), &[]), pair("shop-1", "péché secret"));
        assert_eq!(run("plain", &[b"shop-1\0shop-1\0x"]), pair("shop-1", "x"));
        assert_eq!(run("LOGIN", &[b"shop-1", b"x y"]), pair("shop-1", "x y"));
        assert_eq!(run("Login c2hvcC0x", &[b"x"]), pair("shop-1", "x"));
    }

    #[test]
    fn login_asks_with_the_words_that_every_client_knows() {
        assert_eq!(Exchange::Plain.challenge(), "");
        assert_eq!(Exchange::LoginName.challenge(), BASE64.encode(b"Username:"));
        let password = Exchange::LoginPassword { auth_id: Zeroizing::new("a".into()) };
        assert_eq!(password.challenge(), BASE64.encode(b"Password:"));
    }

    #[test]
    fn each_bad_exchange_fails_for_its_reason() {
        assert_eq!(run("CRAM-MD5", &[]), Err(AuthFault::Mechanism));
        assert_eq!(run("SCRAM-SHA-256-PLUS", &[]), Err(AuthFault::Mechanism));
        assert_eq!(run("SCRAM-SHA-256 =", &[]), Err(AuthFault::Malformed));
        assert_eq!(run("SCRAM-SHA-256 cD10bHMtZXhwb3J0ZXIsLG49YSxyPWI=", &[]), Err(AuthFault::Binding));
        assert_eq!(run("PLAIN *", &[]), Err(AuthFault::Cancelled));
        assert_eq!(run("PLAIN =", &[]), Err(AuthFault::Malformed));
        assert_eq!(run("LOGIN =", &[]), Err(AuthFault::Malformed));
        assert_eq!(run("PLAIN AGEAYg", &[]), Err(AuthFault::Base64));
        assert_eq!(run("PLAIN AGEA Yg==", &[]), Err(AuthFault::Base64));
        assert_eq!(run("PLAIN", &[b"\0a"]), Err(AuthFault::Malformed));
        assert_eq!(run("PLAIN", &[b"\0a\0b\0c"]), Err(AuthFault::Malformed));
        assert_eq!(run("PLAIN", &[b"\0\0b"]), Err(AuthFault::Malformed));
        assert_eq!(run("PLAIN", &[b"\0a\0"]), Err(AuthFault::Malformed));
        assert_eq!(run("PLAIN", &[b"\0a\0\xff"]), Err(AuthFault::Malformed));
        assert_eq!(run("PLAIN", &[b"other\0a\0b"]), Err(AuthFault::OtherIdentity));
        assert_eq!(run("LOGIN", &[b"a", b""]), Err(AuthFault::Malformed));
        assert_eq!(run("LOGIN", &[b"a\0b"]), Err(AuthFault::Malformed));
    }
}
