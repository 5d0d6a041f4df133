//! The PROXY protocol, versions 1 and 2: what a balancer says before anything else about whose connection it passes on
//! (haproxy.org, The PROXY protocol, 2020-03-05).
//!
//! Rules: never an octet too many is asked for, for what follows belongs to SMTP or TLS. A line of version 1 has at most
//! 107 octets (§2.1), a header of version 2 at most [`MAX_V2`] behind its first 16; what stands behind the addresses
//! there (TLVs, §2.2) is read and ignored. `LOCAL`, `UNKNOWN` and `UNSPEC` name nobody: the connection is the
//! balancer's own, such as a check of health.
//! When it fails: [`ProxyFault`]; nothing of the connection can be trusted then, and it is closed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest line of version 1, CRLF included.
const MAX_V1: usize = 107;
/// Longest rest of a header of version 2, in octets: the addresses (at most 216) and whatever TLVs a balancer adds.
const MAX_V2: usize = 2048;
/// The first octets of version 2.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;

/// What the octets so far mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyStep {
    /// Read exactly so many octets more; never 0.
    Need(usize),
    /// The header is whole, and nothing behind it was read.
    Done(ProxyHeader),
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The client's, from there.
    Client(SocketAddr),
    /// The balancer's own, or one of which it knows nothing.
    Local,
}

/// Why it is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyFault {
    #[error("the connection does not begin with a PROXY header")]
    NoHeader,
    #[error("the PROXY header is longer than it may be")]
    TooLong,
    #[error("the PROXY header is malformed")]
    Malformed,
    #[error("the PROXY header is for another protocol than TCP, or of a version that nobody knows")]
    Unsupported,
}

/// Looks at the octets read so far.
///
/// # Errors
/// [`ProxyFault`] as soon as they can't become a header any more.
pub fn proxy_step(read: &[u8]) -> Result<ProxyStep, ProxyFault> {
    let Some(first) = read.get(..SIGNATURE.len()) else { return begins(read) };
    if first == SIGNATURE {
        return version_2(read);
    }
    if first.starts_with(b"PROXY ") {
        return version_1(read);
    }
    Err(ProxyFault::NoHeader)
}

/// Fewer octets than both versions have.
fn begins(read: &[u8]) -> Result<ProxyStep, ProxyFault> {
    let fits = |pattern: &[u8]| read.iter().zip(pattern).all(|(a, b)| a == b);
    if fits(&SIGNATURE) || fits(b"PROXY ") {
        Ok(ProxyStep::Need(SIGNATURE.len() - read.len()))
    } else {
        Err(ProxyFault::NoHeader)
    }
}

fn version_1(read: &[u8]) -> Result<ProxyStep, ProxyFault> {
    let Some(line) = read.strip_suffix(b"\r\n") else {
        if read.len() >= MAX_V1 {
            return Err(ProxyFault::TooLong);
        }
        if read.contains(&b'\n') {
            return Err(ProxyFault::Malformed);
        }
        let missing = if read.ends_with(b"\r") { 1 } else { 2 };
        return Ok(ProxyStep::Need(missing.min(MAX_V1 - read.len())));
    };
    let text = std::str::from_utf8(line).map_err(|_| ProxyFault::Malformed)?;
    let mut words = text.split(' ').skip(1);
    let mut next = || words.next().ok_or(ProxyFault::Malformed);
    let family = next()?;
    if family == "UNKNOWN" {
        // Whatever follows is to be ignored (§2.1).
        return Ok(ProxyStep::Done(ProxyHeader::Local));
    }
    let parse = |text: &str| -> Result<IpAddr, ProxyFault> {
        let malformed = |_| ProxyFault::Malformed;
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(malformed),
            "TCP6" => text.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(malformed),
            _ => Err(ProxyFault::Unsupported),
        }
    };
    let (source, _) = (parse(next()?)?, parse(next()?)?);
    let (source_port, _) = (port(next()?)?, port(next()?)?);
    if words.next().is_some() {
        return Err(ProxyFault::Malformed);
    }
    Ok(ProxyStep::Done(ProxyHeader::Client(SocketAddr::new(source, source_port))))
}

fn port(text: &str) -> Result<u16, ProxyFault> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or(ProxyFault::Malformed)
}

fn version_2(read: &[u8]) -> Result<ProxyStep, ProxyFault> {
    let Some(&[command, family, high, low]) = read.get(SIGNATURE.len()..FIXED) else {
        return Ok(ProxyStep::Need(FIXED.saturating_sub(read.len()).max(1)));
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_V2 {
        return Err(ProxyFault::TooLong);
    }
    let rest = read.get(FIXED..).unwrap_or_default();
    if rest.len() < length {
        return Ok(ProxyStep::Need(length - rest.len()));
    }
    if rest.len() > length {
        return Err(ProxyFault::Malformed);
    }
    let header = match (command, family) {
        (0x20, _) | (0x21, 0x00) => ProxyHeader::Local,
        (0x21, 0x11) => {
            let [a, b, c, d, _, _, _, _, high, low] = *rest.first_chunk().ok_or(ProxyFault::Malformed)?;
            within(rest, 12)?;
            ProxyHeader::Client(SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low]))))
        }
        (0x21, 0x21) => {
            within(rest, 36)?;
            let source: [u8; 16] = *rest.first_chunk().ok_or(ProxyFault::Malformed)?;
            let ports =
                rest.get(32..34).and_then(|ports| ports.try_into().ok()).ok_or(ProxyFault::Malformed)?;
            ProxyHeader::Client(SocketAddr::from((source, u16::from_be_bytes(ports))))
        }
        _ => return Err(ProxyFault::Unsupported),
    };
    Ok(ProxyStep::Done(header))
}

/// Whether the addresses are all there.
fn within(rest: &[u8], least: usize) -> Result<(), ProxyFault> {
    if rest.len() < least { Err(ProxyFault::Malformed) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds octets as a driver does. What was found, and how many octets were read for it.
    fn drive(octets: &[u8]) -> (Result<Option<ProxyHeader>, ProxyFault>, usize) {
        let mut read = 0;
        loop {
            match proxy_step(&octets[..read]) {
                Ok(ProxyStep::Done(header)) => return (Ok(Some(header)), read),
                Ok(ProxyStep::Need(more)) if read + more <= octets.len() => read += more,
                Ok(ProxyStep::Need(_)) => return (Ok(None), read),
                Err(fault) => return (Err(fault), read),
            }
        }
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    fn client(text: &str) -> Result<Option<ProxyHeader>, ProxyFault> {
        Ok(Some(ProxyHeader::Client(text.parse().unwrap())))
    }

    #[test]
    fn lines_of_version_1_name_the_client_and_nothing_behind_them_is_read() {
        for (line, found) in [
            ("PROXY TCP4 192.0.2.7 203.0.113.1 56324 25\r\n", client("192.0.2.7:56324")),
            ("PROXY TCP6 2001:db8::7 2001:db8::1 1 25\r\n", client("[2001:db8::7]:1")),
            ("PROXY UNKNOWN\r\n", Ok(Some(ProxyHeader::Local))),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Ok(Some(ProxyHeader::Local))),
        ] {
            let whole = format!("{line}EHLO x\r\n");
            assert_eq!(drive(whole.as_bytes()), (found, line.len()), "{line}");
        }
    }

    #[test]
    fn what_is_no_line_of_version_1_is_refused() {
        for (line, fault) in [
            ("EHLO client.test\r\n", ProxyFault::NoHeader),
            ("PROXY\tTCP4 1.2.3.4\r\n", ProxyFault::NoHeader),
            ("PROXY TCP4 192.0.2.7 203.0.113.1 56324\r\n", ProxyFault::Malformed),
            ("PROXY TCP4 192.0.2.7 203.0.113.1 56324 25 \r\n", ProxyFault::Malformed),
            ("PROXY TCP4  192.0.2.7 203.0.113.1 56324 25\r\n", ProxyFault::Malformed),
            ("PROXY TCP4 192.0.2.7 203.0.113.1 056324 25\r\n", ProxyFault::Malformed),
            ("PROXY TCP4 192.0.2.7 203.0.113.1 65536 25\r\n", ProxyFault::Malformed),
            ("PROXY TCP4 192.0.2.7 203.0.113.1 +1 25\r\n", ProxyFault::Malformed),
            ("PROXY TCP4 2001:db8::7 203.0.113.1 1 25\r\n", ProxyFault::Malformed),
            ("PROXY UDP4 192.0.2.7 203.0.113.1 1 25\r\n", ProxyFault::Unsupported),
            ("PROXY TCP4 192.0.2.7\nEHLO x\r\n", ProxyFault::Malformed),
        ] {
            assert_eq!(drive(line.as_bytes()).0, Err(fault), "{line}");
        }
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(200));
        assert_eq!(drive(long.as_bytes()), (Err(ProxyFault::TooLong), MAX_V1));
    }

    #[test]
    fn headers_of_version_2_name_the_client_and_their_extensions_are_ignored() {
        let v4 = [192, 0, 2, 7, 203, 0, 113, 1, 0xdc, 0x04, 0, 25];
        let mut v6 = [0_u8; 36];
        v6[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
        v6[32..].copy_from_slice(&[0, 9, 0, 25]);
        let with_tlv = [&v4[..], &[0x04, 0, 5, 1, 2, 3, 4, 5]].concat();
        for (header, found) in [
            (v2(0x21, 0x11, &v4), client("192.0.2.7:56324")),
            (v2(0x21, 0x11, &with_tlv), client("192.0.2.7:56324")),
            (v2(0x21, 0x21, &v6), client("[2001:db8::7]:9")),
            (v2(0x20, 0x11, &v4), Ok(Some(ProxyHeader::Local))),
            (v2(0x20, 0x00, &[]), Ok(Some(ProxyHeader::Local))),
            (v2(0x21, 0x00, &[1, 2, 3]), Ok(Some(ProxyHeader::Local))),
            (v2(0x21, 0x11, &v4[..11]), Err(ProxyFault::Malformed)),
            (v2(0x21, 0x21, &v6[..35]), Err(ProxyFault::Malformed)),
            (v2(0x21, 0x31, &[0; 216]), Err(ProxyFault::Unsupported)),
            (v2(0x21, 0x12, &v4), Err(ProxyFault::Unsupported)),
            (v2(0x11, 0x11, &v4), Err(ProxyFault::Unsupported)),
        ] {
            let read = header.len();
            assert_eq!(drive(&[header, b"EHLO x\r\n".to_vec()].concat()), (found, read));
        }
        assert_eq!(drive(&v2(0x21, 0x11, &[0; MAX_V2 + 1])), (Err(ProxyFault::TooLong), FIXED));
    }

    proptest! {
        #[test]
        fn no_octets_panic_or_ask_for_nothing_or_for_more_than_a_header_has(
            mut octets in proptest::collection::vec(any::<u8>(), 0..4096), kind in 0..3_u8,
        ) {
            match kind {
                0 => { octets.splice(..0, SIGNATURE); }
                1 => { octets.splice(..0, *b"PROXY "); }
                _ => {}
            }
            let (_, read) = drive(&octets);
            prop_assert!(read <= FIXED + MAX_V2);
        }
    }
}
