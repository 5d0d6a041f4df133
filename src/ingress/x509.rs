//! The little that we read of certificates ourselves: until when one is valid, its public key, its fingerprint.
//!
//! Rules: a walk over DER (ITU-T X.690) along RFC 5280 §4.1, by borrowed slices; definite lengths of at most four octets.
//! Nothing is verified here: these are our own certificates, or fingerprints of what a client showed.
//! When it fails: `None`, for what is no certificate.

use crate::mail::Timestamp;
use sha2::{Digest, Sha256};
use time::{Date, Month, PrimitiveDateTime, Time};

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version of a certificate, which version 1 does not have.
const VERSION: u8 = 0xa0;

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256_hex(octets: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(octets))
}

/// The end of the validity of a certificate in DER (RFC 5280 §4.1.2.5).
pub(crate) fn valid_until(certificate: &[u8]) -> Option<Timestamp> {
    let (validity, _) = fields(certificate)?;
    let (_, after) = element(validity.content)?;
    let (end, _) = element(after)?;
    time_of(&end)
}

/// SubjectPublicKeyInfo of a certificate in DER, whole: what TLSA 3 1 1 takes the hash of (RFC 7671 §5.1).
pub(crate) fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let (_, key) = fields(certificate)?;
    Some(key.whole)
}

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    /// With tag and length.
    whole: &'a [u8],
}

/// Validity and public key.
fn fields(certificate: &[u8]) -> Option<(Element<'_>, Element<'_>)> {
    let (certificate, _) = element(certificate).filter(|(e, _)| e.tag == SEQUENCE)?;
    let (body, _) = element(certificate.content).filter(|(e, _)| e.tag == SEQUENCE)?;
    let mut rest = body.content;
    if let (version, behind) = element(rest)?
        && version.tag == VERSION
    {
        rest = behind;
    }
    let mut next = || {
        let (found, behind) = element(rest)?;
        rest = behind;
        Some(found)
    };
    let [_serial, _algorithm, _issuer] = [next()?, next()?, next()?];
    let validity = next().filter(|e| e.tag == SEQUENCE)?;
    let _subject = next()?;
    let key = next().filter(|e| e.tag == SEQUENCE)?;
    Some((validity, key))
}

/// The first element, and what stands behind it.
fn element(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, behind) = der.split_first()?;
    let (&first, mut behind) = behind.split_first()?;
    let length = if first < 0x80 {
        usize::from(first)
    } else {
        let octets = usize::from(first & 0x7f);
        if !(1..=4).contains(&octets) {
            return None;
        }
        let (length, rest) = behind.split_at_checked(octets)?;
        behind = rest;
        length
            .iter()
            .try_fold(0_usize, |sum, octet| sum.checked_mul(256)?.checked_add(usize::from(*octet)))?
    };
    let (content, rest) = behind.split_at_checked(length)?;
    let whole = der.get(..der.len() - rest.len())?;
    Some((Element { tag, content, whole }, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5.1, §4.1.2.5.2).
fn time_of(element: &Element<'_>) -> Option<Timestamp> {
    let digits = element.content.strip_suffix(b"Z").filter(|d| d.iter().all(u8::is_ascii_digit))?;
    let (year, rest) = match (element.tag, digits.len()) {
        (UTC_TIME, 12) => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year);
            (if year >= 50 { 1900 + year } else { 2000 + year }, rest)
        }
        (GENERALIZED_TIME, 14) => {
            let (year, rest) = digits.split_at_checked(4)?;
            (number(year), rest)
        }
        _ => return None,
    };
    let mut pairs = rest.chunks_exact(2).map(|pair| u8::try_from(number(pair)).unwrap_or(0));
    let mut next = || pairs.next();
    let (month, day, hour, minute, second) = (next()?, next()?, next()?, next()?, next()?);
    let date = Date::from_calendar_date(i32::from(year), Month::try_from(month).ok()?, day).ok()?;
    let at = PrimitiveDateTime::new(date, Time::from_hms(hour, minute, second).ok()?).assume_utc();
    Some(Timestamp::from_millis(at.unix_timestamp().saturating_mul(1000)))
}

fn number(digits: &[u8]) -> u16 {
    digits.iter().fold(0, |sum: u16, digit| {
        sum.saturating_mul(10).saturating_add(u16::from(digit.saturating_sub(b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn made(year: i32) -> (Vec<u8>, Vec<u8>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["relay.example.jp".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 3, 9);
        let certificate = parameters.self_signed(&key).unwrap();
        let public = rcgen::PublicKeyData::subject_public_key_info(&key);
        (certificate.der().to_vec(), public)
    }

    #[test]
    fn the_end_of_validity_and_the_public_key_are_those_of_the_certificate() {
        for (year, until) in [(2031, "2031-03-09"), (2055, "2055-03-09")] {
            let (certificate, key) = made(year);
            assert!(valid_until(&certificate).unwrap().to_rfc3339().starts_with(until));
            assert_eq!(public_key(&certificate), Some(&key[..]));
        }
    }

    #[test]
    fn what_is_cut_is_no_certificate() {
        let (certificate, _) = made(2031);
        for length in 0..certificate.len() {
            assert_eq!(public_key(&certificate[..length]), None);
        }
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..400, to in any::<u8>()) {
            let _ = (valid_until(&octets), public_key(&octets));
            let (mut certificate, _) = made(2031);
            if let Some(octet) = certificate.get_mut(at) {
                *octet = to;
            }
            let _ = (valid_until(&certificate), public_key(&certificate));
        }
    }
}
