//! Who wants reports: the TXT record of `_smtp._tls.DOMAIN` (RFC 8460 §3).
//!
//! Rules: exactly one record that begins with `v=TLSRPTv1` counts; of its `rua` at most [`MAX_READERS`] `mailto:` addresses
//! and as many `https:` endpoints, on port 443 and without a name or password in them.
//! When it fails: there are none.

use crate::egress::https::Endpoint;
use crate::mail::RealAddress;

/// Readers of a kind served for one domain.
const MAX_READERS: usize = 4;

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
