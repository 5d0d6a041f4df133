//! Reads the parameters behind the path of MAIL and RCPT (RFC 5321 §4.1.1.11): SIZE (RFC 1870), BODY (RFC 6152,
//! RFC 3030 §3), REQUIRETLS (RFC 8689), SMTPUTF8 (RFC 6531), RET, ENVID, NOTIFY and ORCPT (RFC 3461), AUTH (RFC 4954 §5).
//!
//! Rules: each at most once; unknown ones are refused, never ignored. `xtext` must decode to printable ASCII: a
//! decoded line end would write header fields into a delivery report. AUTH= is checked and forgotten.
//! When it fails: [`ParamFault`], without a word of the value.

/// The parameters of MAIL.
#[derive(Default)]
pub struct MailParams {
    /// The size that the client declared, in octets (RFC 1870). It is a claim.
    pub size: Option<u64>,
    /// Whether the client declared octets above 127 in the body.
    pub body: Body,
    /// Whether addresses and header may be UTF-8 (RFC 6531).
    pub smtputf8: bool,
    /// How much of the message a failure report shall return.
    pub ret: Option<Ret>,
    /// What the sender calls this envelope in reports.
    pub envid: Option<EnvId>,
    /// Whether it may go on only over TLS to servers that keep this rule themselves (RFC 8689 §3).
    pub require_tls: bool,
}

/// The parameters of RCPT.
#[derive(Default)]
pub struct RcptParams {
    /// When the sender wants a report.
    pub notify: Option<Notify>,
    /// What the sender first called this recipient.
    pub orcpt: Option<Orcpt>,
}

/// `BODY=` (RFC 6152).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Body {
    /// `7BIT`, or nothing said.
    #[default]
    SevenBit,
    /// `8BITMIME`.
    EightBit,
    /// `BINARYMIME` (RFC 3030 §3): any octets, by BDAT only.
    BinaryMime,
}

/// `RET=` (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ret {
    /// `FULL`: all of it.
    Full,
    /// `HDRS`: its header only.
    Headers,
}

/// `NOTIFY=` (RFC 3461 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    /// `NEVER`, whatever happens.
    Never,
    /// On each of the events named.
    On { success: bool, failure: bool, delay: bool },
}

/// `ENVID=` decoded (RFC 3461 §4.4): up to 100 characters of printable ASCII. A peer's text, so it is not printed.
pub struct EnvId(String);

impl EnvId {
    /// The decoded text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// `ORCPT=` (RFC 3461 §4.2). It holds an address, so it is not printed.
pub struct Orcpt {
    kind: String,
    address: String,
}

impl Orcpt {
    /// The address type in lower case, such as `rfc822` or `utf-8` (RFC 6533 §3).
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The decoded address.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.address
    }
}

/// Why parameters are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParamFault {
    #[error("a parameter is malformed")]
    Syntax,
    #[error("a parameter is not known")]
    Unknown,
    #[error("a parameter has a value that it cannot have")]
    Value,
    #[error("a parameter is given twice")]
    Duplicate,
}

/// Longest ENVID, in characters as sent (RFC 3461 §4.4).
const MAX_ENVID: usize = 100;
/// Longest ORCPT, in characters as sent (RFC 3461 §4.2).
const MAX_ORCPT: usize = 500;
/// Most digits of SIZE (RFC 1870 §6.1).
const MAX_SIZE_DIGITS: usize = 20;

impl MailParams {
    /// Reads what stands behind the reverse-path.
    ///
    /// # Errors
    /// [`ParamFault`] for the first parameter that is not good.
    pub(crate) fn parse(text: &str) -> Result<Self, ParamFault> {
        let mut params = Self::default();
        let mut seen = Vec::new();
        for item in text.split(' ').filter(|item| !item.is_empty()) {
            let (keyword, value) = keyword_and_value(item, &mut seen)?;
            match (keyword.as_str(), value) {
                ("SIZE", Some(value)) => params.size = Some(size(value).ok_or(ParamFault::Value)?),
                ("BODY", Some(value)) if value.eq_ignore_ascii_case("7BIT") => params.body = Body::SevenBit,
                ("BODY", Some(value)) if value.eq_ignore_ascii_case("8BITMIME") => {
                    params.body = Body::EightBit
                }
                ("BODY", Some(value)) if value.eq_ignore_ascii_case("BINARYMIME") => {
                    params.body = Body::BinaryMime
                }
                ("SMTPUTF8", None) => params.smtputf8 = true,
                ("REQUIRETLS", None) => params.require_tls = true,
                ("RET", Some(value)) if value.eq_ignore_ascii_case("FULL") => params.ret = Some(Ret::Full),
                ("RET", Some(value)) if value.eq_ignore_ascii_case("HDRS") => params.ret = Some(Ret::Headers),
                ("ENVID", Some(value)) if value.len() <= MAX_ENVID => {
                    params.envid = Some(EnvId(xtext(value).ok_or(ParamFault::Value)?));
                }
                ("AUTH", Some("<>")) => {}
                ("AUTH", Some(value)) if xtext(value).is_some() => {}
                ("SIZE" | "BODY" | "SMTPUTF8" | "REQUIRETLS" | "RET" | "ENVID" | "AUTH", _) => {
                    return Err(ParamFault::Value);
                }
                _ => return Err(ParamFault::Unknown),
            }
        }
        Ok(params)
    }
}

impl RcptParams {
    /// Reads what stands behind the forward-path.
    ///
    /// # Errors
    /// [`ParamFault`] for the first parameter that is not good.
    pub(crate) fn parse(text: &str) -> Result<Self, ParamFault> {
        let mut params = Self::default();
        let mut seen = Vec::new();
        for item in text.split(' ').filter(|item| !item.is_empty()) {
            let (keyword, value) = keyword_and_value(item, &mut seen)?;
            match (keyword.as_str(), value) {
                ("NOTIFY", Some(value)) => params.notify = Some(notify(value).ok_or(ParamFault::Value)?),
                ("ORCPT", Some(value)) => params.orcpt = Some(orcpt(value).ok_or(ParamFault::Value)?),
                ("NOTIFY" | "ORCPT", None) => return Err(ParamFault::Value),
                _ => return Err(ParamFault::Unknown),
            }
        }
        Ok(params)
    }
}

/// `keyword[=value]`; the keyword in upper case and never seen before.
fn keyword_and_value<'a>(
    item: &'a str,
    seen: &mut Vec<String>,
) -> Result<(String, Option<&'a str>), ParamFault> {
    let (keyword, value) = match item.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (item, None),
    };
    let is_keyword = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
        && keyword.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !is_keyword || value.is_some_and(str::is_empty) {
        return Err(ParamFault::Syntax);
    }
    let keyword = keyword.to_ascii_uppercase();
    if seen.contains(&keyword) {
        return Err(ParamFault::Duplicate);
    }
    seen.push(keyword.clone());
    Ok((keyword, value))
}

/// Digits; more than a `u64` holds is as good as its largest, for both are too large.
fn size(value: &str) -> Option<u64> {
    let is_number = value.len() <= MAX_SIZE_DIGITS && value.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| value.parse().unwrap_or(u64::MAX))
}

fn notify(value: &str) -> Option<Notify> {
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(Notify::Never);
    }
    let (mut success, mut failure, mut delay) = (false, false, false);
    for word in value.split(',') {
        let flag = match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => &mut success,
            "FAILURE" => &mut failure,
            "DELAY" => &mut delay,
            _ => return None,
        };
        *flag = true;
    }
    Some(Notify::On { success, failure, delay })
}

/// `type;xtext`; for the type `utf-8` the text may be UTF-8 as it is (RFC 6533 §3).
fn orcpt(value: &str) -> Option<Orcpt> {
    if value.len() > MAX_ORCPT {
        return None;
    }
    let (kind, address) = value.split_once(';')?;
    let is_kind = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !is_kind {
        return None;
    }
    let kind = kind.to_ascii_lowercase();
    let address = if kind == "utf-8" { utf8_xtext(address)? } else { xtext(address)? };
    Some(Orcpt { kind, address })
}

/// `xtext` of RFC 3461 §4, decoded; `None` when it is empty, malformed or not printable ASCII.
fn xtext(value: &str) -> Option<String> {
    if value.is_ascii() { utf8_xtext(value) } else { None }
}

fn utf8_xtext(value: &str) -> Option<String> {
    let mut decoded = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        let plain = if c == '+' {
            let high = chars.next()?.to_digit(16)?;
            let low = chars.next()?.to_digit(16)?;
            char::from_u32(high * 16 + low).filter(char::is_ascii)?
        } else if c == '=' || c == ' ' {
            return None;
        } else {
            c
        };
        if plain.is_control() {
            return None;
        }
        decoded.push(plain);
    }
    (!decoded.is_empty()).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parameters_of_mail_are_read_in_any_case_and_order() {
        let params =
            MailParams::parse(" size=12345 BODY=8bitmime  SMTPUTF8 RET=hdrs ENVID=Q+2B1+20a AUTH=<>").ok();
        let params = params.unwrap();
        assert_eq!(params.size, Some(12345));
        assert_eq!(params.body, Body::EightBit);
        assert!(params.smtputf8);
        assert_eq!(params.ret, Some(Ret::Headers));
        assert_eq!(params.envid.as_ref().map(EnvId::reveal), Some("Q+1 a"));
        assert_eq!(MailParams::parse("SIZE=99999999999999999999").ok().and_then(|p| p.size), Some(u64::MAX));
        assert!(
            MailParams::parse("BODY=binarymime requiretls")
                .is_ok_and(|params| { params.body == Body::BinaryMime && params.require_tls })
        );
        assert!(MailParams::parse("AUTH=e+3Dmc2@example.com BODY=7BIT RET=FULL").is_ok());
    }

    #[test]
    fn all_parameters_of_rcpt_are_read() {
        let params = RcptParams::parse(" NOTIFY=success,DELAY ORCPT=rfc822;a+2Bb@x.example").ok().unwrap();
        assert_eq!(params.notify, Some(Notify::On { success: true, failure: false, delay: true }));
        assert_eq!(params.orcpt.as_ref().map(|o| (o.kind(), o.reveal())), Some(("rfc822", "a+b@x.example")));
        assert_eq!(RcptParams::parse("NOTIFY=NEVER").ok().and_then(|p| p.notify), Some(Notify::Never));
        assert!(RcptParams::parse("ORCPT=UTF-8;あ@x.example").is_ok());
    }

    #[test]
    fn each_bad_parameter_of_mail_is_refused_for_its_reason() {
        use ParamFault::{Duplicate, Syntax, Unknown, Value};
        let long = format!("ENVID={}", "a".repeat(101));
        for (text, fault) in [
            ("FOO=1", Unknown),
            ("XVERP", Unknown),
            ("NOTIFY=NEVER", Unknown),
            ("SIZE=1 SIZE=1", Duplicate),
            ("SMTPUTF8 smtputf8", Duplicate),
            ("SIZE", Value),
            ("SIZE=abc", Value),
            ("SIZE=-1", Value),
            ("SIZE=+1", Value),
            ("SIZE=123456789012345678901", Value),
            ("SIZE=", Syntax),
            ("=1", Syntax),
            ("-A=1", Syntax),
            ("あ=1", Syntax),
            ("BODY=BINARY", Value),
            ("REQUIRETLS=yes", Value),
            ("REQUIRETLS REQUIRETLS", Duplicate),
            ("BODY", Value),
            ("SMTPUTF8=yes", Value),
            ("RET=BODY", Value),
            ("ENVID=a+00b", Value),
            ("ENVID=a+0D+0Ab", Value),
            ("ENVID=a+7F", Value),
            ("ENVID=a+FF", Value),
            ("ENVID=a+2", Value),
            ("ENVID=a+ZZ", Value),
            ("ENVID=a=b", Value),
            ("ENVID=あ", Value),
            ("AUTH=a+0a", Value),
            (&long, Value),
        ] {
            assert_eq!(MailParams::parse(text).err(), Some(fault), "{text}");
        }
    }

    #[test]
    fn each_bad_parameter_of_rcpt_is_refused_for_its_reason() {
        use ParamFault::{Duplicate, Unknown, Value};
        let long = format!("ORCPT=rfc822;{}", "a".repeat(500));
        for (text, fault) in [
            ("SIZE=1", Unknown),
            ("NOTIFY=NEVER NOTIFY=NEVER", Duplicate),
            ("NOTIFY", Value),
            ("NOTIFY=NEVER,FAILURE", Value),
            ("NOTIFY=FAILURE,", Value),
            ("NOTIFY=ALWAYS", Value),
            ("ORCPT=a@x.example", Value),
            ("ORCPT=;a@x.example", Value),
            ("ORCPT=rfc822;", Value),
            ("ORCPT=rfc822;a+00@x.example", Value),
            ("ORCPT=rfc822;あ@x.example", Value),
            ("ORCPT=utf-8;a+E3@x.example", Value),
            ("ORCPT=utf-8;a\u{85}@x.example", Value),
            (&long, Value),
        ] {
            assert_eq!(RcptParams::parse(text).err(), Some(fault), "{text}");
        }
    }
}
