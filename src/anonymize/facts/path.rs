//! The path of a mail in its Received fields (RFC 5321 §4.4): how many, and the first public address.
//!
//! Rules: the oldest field stands last. Of each the part before `by` is read, which tells who gave the mail. Only the topmost
//! field is a host's that its reader knows; the others can be anybody's words, so this is what the mail says.
//! When it fails: never.

use crate::mime::header::{Header, unfold};
use crate::mime::slice;
use std::net::IpAddr;

/// Longest value that is read, in octets.
const MAX_VALUE: usize = 4096;

/// What the fields say.
pub struct Path {
    pub hops: usize,
    pub origin: Option<IpAddr>,
    /// There are addresses, and none of them is public.
    pub private_only: bool,
}

/// Reads the fields of a header.
pub fn read(bytes: &[u8], header: &Header) -> Path {
    let fields: Vec<_> = header.all(bytes, "Received").collect();
    let (mut has_any, mut origin) = (false, None);
    for field in fields.iter().rev() {
        let value = unfold(slice(bytes, field.value.clone()));
        for ip in addresses(value.get(..MAX_VALUE).unwrap_or(&value)) {
            has_any = true;
            if origin.is_none() && is_public(ip) {
                origin = Some(ip);
            }
        }
        if origin.is_some() {
            break;
        }
    }
    Path { hops: fields.len(), private_only: has_any && origin.is_none(), origin }
}

/// The addresses of who gave the mail.
fn addresses(value: &[u8]) -> impl Iterator<Item = IpAddr> {
    let end = memchr::memmem::find(value, b" by ").unwrap_or(value.len());
    let from = value.get(..end).unwrap_or_default();
    from.split(|b| b" \t()[]<>;,=".contains(b)).filter_map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        let word = word
            .get(..5)
            .filter(|tag| tag.eq_ignore_ascii_case("ipv6:"))
            .map_or(word, |_| word.get(5..).unwrap_or_default());
        word.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
    })
}

/// Whether an address is one of the open network: no private, shared (RFC 6598), local, documentation or other special one.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast()
                || ip.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b)))
        }
        // Global unicast is 2000::/3 (RFC 4291 §2.4), of which 2001:db8::/32 is for documents (RFC 3849).
        IpAddr::V6(ip) => {
            let [a, b, ..] = ip.segments();
            a & 0xe000 == 0x2000 && !(a == 0x2001 && b == 0xdb8)
        }
    }
}
