//! Who wants reports: the TXT record of `_smtp._tls.DOMAIN` (RFC 8460 §3).
//!
//! Rules: exactly one record that begins with `v=TLSRPTv1` counts; of its `rua` at most [`MAX_READERS`] `mailto:` addresses
//! and as many `https:` endpoints, on port 443 and without a name or password in them.
//! When it fails: there are none.

use crate::mail::{Domain, RealAddress};

/// Readers of a kind served for one domain.
const MAX_READERS: usize = 4;

/// Where something is posted to: `https://HOST/PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub host: Domain,
    /// From the first `/`, query included; printable ASCII without blanks.
    pub path: String,
}

impl Endpoint {
    /// Reads a URI; none for another scheme, another port or anything but host and path.
    #[must_use]
    pub fn parse(uri: &str) -> Option<Self> {
        let scheme = uri.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://"))?;
        let rest = uri.get(scheme.len()..)?.split('#').next()?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at_checked(at)?,
            None => (rest, "/"),
        };
        let host = Domain::parse(authority.strip_suffix(":443").unwrap_or(authority)).ok()?;
        // RFC 8460 §3 has commas, exclamation marks and semicolons percent-encoded.
        let is_good = path.len() <= 1024 && path.bytes().all(|octet| octet.is_ascii_graphic());
        // No top-level domain is a number: `192.0.2.1` is no name.
        let last = host.as_str().rsplit('.').next().unwrap_or_default();
        let is_name = !host.is_literal() && !last.bytes().all(|octet| octet.is_ascii_digit());
        (is_good && is_name).then(|| Self { host, path: path.to_owned() })
    }
}

/// Who wants the reports about a domain.
#[derive(Default)]
pub struct Readers {
    pub addresses: Vec<RealAddress>,
    pub endpoints: Vec<Endpoint>,
}

/// The readers that the TXT records name.
#[must_use]
pub fn readers(texts: &[Vec<u8>]) -> Readers {
    let mut records = texts
        .iter()
        .filter_map(|text| std::str::from_utf8(text).ok())
        .filter(|text| text.split(';').next().is_some_and(|version| version.trim() == "v=TLSRPTv1"));
    let (Some(record), None) = (records.next(), records.next()) else { return Readers::default() };
    let rua = record.split(';').find_map(|field| {
        let (key, value) = field.split_once('=')?;
        (key.trim() == "rua").then_some(value)
    });
    let uris = || rua.unwrap_or_default().split(',');
    let addresses = uris().filter_map(|uri| {
        let uri = uri.trim();
        let scheme = uri.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:"))?;
        // RFC 6068: what follows `?` are header fields, which nobody here sets for us.
        let address = uri.get(scheme.len()..)?.split(['?', '!']).next()?;
        RealAddress::parse(&unescaped(address)?).ok()
    });
    Readers {
        addresses: addresses.take(MAX_READERS).collect(),
        endpoints: uris().filter_map(|uri| Endpoint::parse(uri.trim())).take(MAX_READERS).collect(),
    }
}

/// Percent-encoding undone (RFC 3986 §2.1); none where it is broken or hides a control character.
fn unescaped(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let (high, low) =
                    (char::from(rest.next()?).to_digit(16)?, char::from(rest.next()?).to_digit(16)?);
                u8::try_from(high * 16 + low).ok()?
            }
            octet => octet,
        });
    }
    String::from_utf8(octets).ok().filter(|text| !text.chars().any(char::is_control))
}
