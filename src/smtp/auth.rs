//! The client's proof of who it is: AUTH PLAIN (RFC 4616) and AUTH LOGIN (draft-murchison-sasl-login), which old
//! shop software uses, in the exchange of RFC 4954 §4.
//!
//! Rules: the caller offers it inside TLS only. An initial response may be given, `=` is the empty one, `*` cancels.
//! Nobody acts for another: an authorization identity must be empty or equal the name. Secrets are wiped.
//! When it fails: [`AuthFault`]; the exchange is over and the next line is a command again.

use data_encoding::BASE64;
use zeroize::Zeroizing;

/// A name and a password, not yet checked. It cannot be printed.
pub struct Credentials {
    auth_id: Zeroizing<String>,
    password: Zeroizing<String>,
}

impl Credentials {
    /// The name, as sent.
    #[must_use]
    pub fn auth_id(&self) -> &str {
        &self.auth_id
    }

    /// The password, as sent.
    #[must_use]
    pub fn reveal_password(&self) -> &str {
        &self.password
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
}

/// An exchange that waits for a line of the client.
pub(crate) enum Exchange {
    /// PLAIN without initial response.
    Plain,
    /// LOGIN, waiting for the name.
    LoginName,
    /// LOGIN, waiting for the password.
    LoginPassword { auth_id: Zeroizing<String> },
}

/// What comes next in an exchange.
pub(crate) enum Step {
    Ask(Exchange),
    Done(Credentials),
}

impl Exchange {
    /// Starts an exchange with what follows `AUTH `.
    ///
    /// # Errors
    /// [`AuthFault`] when the mechanism is not offered or the initial response is not good.
    pub(crate) fn start(argument: &str) -> Result<Step, AuthFault> {
        let (mechanism, initial) = match argument.split_once(' ') {
            Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
            None => (argument, None),
        };
        let exchange = if mechanism.eq_ignore_ascii_case("PLAIN") {
            Exchange::Plain
        } else if mechanism.eq_ignore_ascii_case("LOGIN") {
            Exchange::LoginName
        } else {
            return Err(AuthFault::Mechanism);
        };
        match initial {
            None => Ok(Step::Ask(exchange)),
            Some("=") => exchange.proceed(""),
            Some(initial) => exchange.proceed(initial),
        }
    }

    /// What the client is asked, in base64: the text of the `334`. LOGIN's are `Username:` and `Password:`.
    pub(crate) fn challenge(&self) -> &'static str {
        match self {
            Exchange::Plain => "",
            Exchange::LoginName => "VXNlcm5hbWU6",
            Exchange::LoginPassword { .. } => "UGFzc3dvcmQ6",
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
        match self {
            Exchange::Plain => plain(response).map(Step::Done),
            Exchange::LoginName => Ok(Step::Ask(Exchange::LoginPassword { auth_id: text(response)? })),
            Exchange::LoginPassword { auth_id } => {
                Ok(Step::Done(Credentials { auth_id, password: text(response)? }))
            }
        }
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
    let credentials = Credentials { auth_id: text(auth_id)?, password: text(password)? };
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
        let mut step = Exchange::start(argument)?;
        for line in lines {
            let Step::Ask(exchange) = step else { panic!("no further line is asked for") };
            step = exchange.proceed(&BASE64.encode(line))?;
        }
        match step {
            Step::Done(done) => Ok((done.auth_id().to_owned(), done.reveal_password().to_owned())),
            Step::Ask(_) => panic!("a further line is asked for"),
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
