//! SPF (RFC 7208): who may send for a domain of ours is the host, by its name, and every address that egress sends from.
//!
//! Rules: an address behind a translation is not what others see, so only public ones are named. A record is kept so short
//! that an answer fits into 512 octets (§3.4); what is longer goes to records of its own that the first one includes, each of
//! which is one of the ten look-ups that a receiver makes at most (§4.6.4).
//! When it fails: there are more addresses than that; networks must be put by hand.

use super::record::{Expected, Record};
use crate::cli::output::Failure;
use crate::config::Config;
use crate::mail::Domain;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Most octets of a record.
const LONGEST: usize = 450;
/// Most records that one may include, beside the look-up of the host's own name.
const INCLUDED: usize = 9;

/// All addresses that the configuration sends from.
pub(super) fn sources(config: &Config) -> BTreeSet<IpAddr> {
    let pools = config.egress.pools.iter().flat_map(|pool| &pool.source_addresses);
    config.egress.source_addresses.iter().chain(pools).copied().collect()
}

/// The records of a domain, its own first. `sources`: the public ones.
pub(super) fn records(
    domain: &Domain,
    host: &Domain,
    sources: &BTreeSet<IpAddr>,
) -> Result<Vec<Record>, Failure> {
    let record =
        |name: String, terms: &str| Record::new(name, "TXT", format!("v=spf1 {terms} -all"), Expected::Spf);
    let own = format!("a:{host}");
    let terms: Vec<String> = sources.iter().map(|ip| term(*ip)).collect();
    let whole = record(domain.to_string(), &[std::slice::from_ref(&own), &terms].concat().join(" "));
    if whole.value.len() <= LONGEST {
        return Ok(vec![whole]);
    }
    let mut parts: Vec<String> = Vec::new();
    for term in terms {
        match parts.last_mut() {
            Some(part) if part.len() + term.len() + "v=spf1   -all".len() <= LONGEST => {
                part.push(' ');
                part.push_str(&term);
            }
            _ => parts.push(term),
        }
    }
    let name = |number: usize| format!("_spf{number}.{domain}");
    let includes: Vec<String> = (1..=parts.len()).map(|number| format!("include:{}", name(number))).collect();
    let first = record(domain.to_string(), &[&[own], &includes[..]].concat().join(" "));
    if parts.len() > INCLUDED || first.value.len() > LONGEST {
        return Err(Failure::new(format!(
            "egress.source_addresses: {} addresses do not fit into SPF, whose receivers look up ten names at most \
             (RFC 7208 section 4.6.4); send from fewer",
            sources.len()
        )));
    }
    let others = parts.iter().zip(1..).map(|(part, number)| record(name(number), part));
    Ok(std::iter::once(first).chain(others).collect())
}

fn term(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => format!("ip4:{v4}"),
        IpAddr::V6(v6) => format!("ip6:{v6}"),
    }
}

/// Whether a record that was found lets all send that ours does: by the same terms, or by networks around them.
pub(super) fn allows(found: &str, ours: &str) -> bool {
    let found: Vec<String> =
        found.split_whitespace().map(|term| term.trim_start_matches('+').to_ascii_lowercase()).collect();
    let network = |term: &str| term.strip_prefix("ip4:").or(term.strip_prefix("ip6:")).map(str::to_owned);
    let mut terms = ours.split(' ').filter(|term| *term != "-all");
    terms.all(|term| match network(term).and_then(|text| text.parse::<IpAddr>().ok()) {
        Some(ip) => found.iter().filter_map(|term| network(term)).any(|network| is_within(ip, &network)),
        None => found.iter().any(|one| one == term),
    })
}

/// Whether an address lies in a network as SPF writes it (RFC 7208 §5.6).
fn is_within(ip: IpAddr, network: &str) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32_u32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let (first, length) = network.split_once('/').map_or((network, None), |(ip, length)| (ip, Some(length)));
    let Ok(first) = first.parse::<IpAddr>() else { return false };
    let ((first, all), (ip, of_ip)) = (bits(first), bits(ip));
    let Ok(length) = length.map_or(Ok(all), str::parse) else { return false };
    all == of_ip && length <= all && (first ^ ip).checked_shr(128 - length).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn of(count: u32, v6: bool) -> Result<Vec<Record>, Failure> {
        let ip = |n: u32| -> IpAddr {
            match v6 {
                true => {
                    Ipv6Addr::from_bits((0x2400_cb00 << 96) | (0xffff_ffff_ffff << 16) | u128::from(n)).into()
                }
                false => Ipv4Addr::from_bits((203 << 24 | 100 << 16 | 100 << 8) + n).into(),
            }
        };
        let domain = |text: &str| Domain::parse(text).unwrap();
        records(&domain("pc.fw.example.jp"), &domain("relay.example.jp"), &(0..count).map(ip).collect())
    }

    #[test]
    fn what_sends_is_named_in_records_that_fit_an_answer_and_in_ten_lookups() {
        assert_eq!(of(0, false).unwrap()[0].value, "v=spf1 a:relay.example.jp -all");
        let one = &of(1, false).unwrap()[0];
        assert_eq!(one.value, "v=spf1 a:relay.example.jp ip4:203.100.100.0 -all");
        assert_eq!(
            of(1, true).unwrap()[0].value,
            "v=spf1 a:relay.example.jp ip6:2400:cb00::ffff:ffff:ffff:0 -all"
        );
        for (count, v6) in [(60, false), (180, false), (60, true)] {
            let all = of(count, v6).unwrap();
            assert!(
                all.len() > 1 && all.len() <= 10 && all.iter().all(|record| record.value.len() <= LONGEST)
            );
            let asks = |term: &&str| term.starts_with("a:") || term.starts_with("include:");
            assert!(all[0].value.split(' ').filter(asks).count() == all.len());
            let named: usize = all.iter().map(|record| record.value.matches(" ip").count()).sum();
            assert_eq!(named, count as usize);
            for (record, number) in all[1..].iter().zip(1..) {
                assert_eq!(record.name, format!("_spf{number}.pc.fw.example.jp"));
                assert!(all[0].value.contains(&format!(" include:{} ", record.name)));
            }
        }
        assert!(of(2000, false).is_err());
    }

    #[test]
    fn a_record_allows_what_ours_does_also_by_networks() {
        let ours = "v=spf1 a:relay.example.jp ip4:203.0.113.5 ip6:2400:cb00::5 -all";
        for (found, is_good) in [
            ("v=spf1 a:relay.example.jp ip4:203.0.113.5 ip6:2400:cb00::5 -all", true),
            ("V=SPF1 +A:Relay.example.jp ip6:2400:CB00::/32 ip4:203.0.113.1/28 include:x.example ~all", true),
            ("v=spf1 a:relay.example.jp ip4:0.0.0.0/0 ip6:::/0 -all", true),
            ("v=spf1 a:relay.example.jp ip4:203.0.113.5 -all", false),
            ("v=spf1 a:relay.example.jp ip4:203.0.113.6 ip6:2400:cb00::5 -all", false),
            ("v=spf1 a:relay.example.jp ip4:203.0.113.5/33 ip6:2400:cb00::5 -all", false),
            ("v=spf1 a:relay.example.jp ip4:203.0.113.16/28 ip6:2400:cb00::5 -all", false),
            ("v=spf1 ip4:203.0.113.5 ip6:2400:cb00::5 -all", false),
        ] {
            assert_eq!(allows(found, ours), is_good, "{found}");
        }
    }
}
