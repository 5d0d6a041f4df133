//! The table of origins: 55 addresses whose country is known, and what each rule makes of some.

use super::*;
use crate::geo::made::{Value as Made, mmdb};
use std::path::PathBuf;

/// Addresses, where their users are, what the registries say, and what becomes of who comes from there. Clouds in Japan are
/// registered abroad, or run by a provider of servers: nobody sits there.
const TABLE: [(&str, &str, &str, &str); 55] = [
    ("133.237.16.234", "Rakuten", "JP", "japan"),
    ("49.98.1.1", "docomo", "JP", "japan"),
    ("1.75.1.1", "docomo", "JP", "japan"),
    ("110.163.1.1", "docomo", "JP", "japan"),
    ("106.128.3.4", "KDDI", "JP", "japan"),
    ("106.154.1.1", "KDDI", "JP", "japan"),
    ("111.86.1.1", "KDDI", "JP", "japan"),
    ("2001:268:c000::1", "KDDI", "JP", "japan"),
    ("126.1.2.3", "SoftBank", "JP", "japan"),
    ("60.64.1.1", "SoftBank", "JP", "japan"),
    ("123.108.237.1", "SoftBank", "JP", "japan"),
    ("2400:2410::1", "SoftBank", "JP", "japan"),
    ("133.106.32.1", "Rakuten Mobile", "JP", "japan"),
    ("153.128.1.1", "OCN", "JP", "japan"),
    ("2400:4050::1", "OCN", "JP", "japan"),
    ("202.232.2.164", "IIJ", "JP", "japan"),
    ("2001:240::1", "IIJ", "JP", "japan"),
    ("240a:6b::1", "a mobile carrier", "JP", "japan"),
    ("2001:a000::1", "a block of Japan's own registry", "JP", "japan"),
    ("202.72.50.10", "a company", "JP", "japan"),
    ("::ffff:126.1.2.3", "SoftBank, mapped", "JP", "japan"),
    ("64:ff9b::7e01:203", "SoftBank, by NAT64", "JP", "japan"),
    ("49.212.1.1", "SAKURA Internet", "JP", "hosting"),
    ("153.127.1.1", "SAKURA Internet", "JP", "hosting"),
    ("160.16.1.1", "SAKURA Internet", "JP", "hosting"),
    ("150.95.128.1", "GMO", "JP", "hosting"),
    ("160.251.1.1", "GMO", "JP", "hosting"),
    ("162.43.1.1", "Xserver", "JP", "hosting"),
    ("133.18.1.1", "KAGOYA", "JP", "hosting"),
    ("54.238.1.2", "AWS Tokyo", "US", "abroad"),
    ("13.112.1.1", "AWS Tokyo", "US", "abroad"),
    ("52.68.1.1", "AWS Tokyo", "US", "abroad"),
    ("13.208.1.1", "AWS Osaka", "US", "abroad"),
    ("2406:da14::1", "AWS Tokyo", "US", "abroad"),
    ("20.27.1.1", "Azure Tokyo", "US", "abroad"),
    ("34.84.1.1", "Google Cloud Tokyo", "US", "abroad"),
    ("2404:6800::1", "Google", "AU", "abroad"),
    ("8.8.8.8", "Google", "US", "abroad"),
    ("12.0.0.1", "AT&T", "US", "abroad"),
    ("209.85.220.41", "Gmail", "US", "abroad"),
    ("73.1.1.1", "Comcast", "US", "abroad"),
    ("98.137.11.163", "Yahoo", "US", "abroad"),
    ("114.114.114.114", "a resolver in China", "CN", "abroad"),
    ("202.96.128.86", "China Telecom", "CN", "abroad"),
    ("240e::1", "China Telecom", "CN", "abroad"),
    ("5.9.1.1", "Hetzner", "DE", "abroad"),
    ("77.88.8.8", "Yandex", "RU", "abroad"),
    ("41.58.1.1", "a carrier in Nigeria", "NG", "abroad"),
    ("10.1.2.3", "a private network", "", "unknown"),
    ("192.168.0.1", "a private network", "", "unknown"),
    ("100.64.0.1", "a carrier's own network", "", "unknown"),
    ("fd00::1", "a private network", "", "unknown"),
    ("fe80::1", "a link", "", "unknown"),
    ("198.51.100.1", "a network for examples", "", "unknown"),
    ("2001:db8::1", "a network for examples", "", "unknown"),
];

fn staff(text: &str, geo: Geo) -> Staff {
    let dir = std::env::temp_dir().join(format!("anshin-staff-config-{}", crate::store::random_id()));
    std::fs::create_dir(&dir).unwrap();
    let file = dir.join("anshin.toml");
    std::fs::write(&file, format!("profile = 'development'\n{text}")).unwrap();
    let config = Config::load_before_set_up(Some(&file), std::iter::empty()).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    Staff::new(&config, geo)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn who_comes_from_each_of_the_known_addresses_is_judged_as_expected() {
    let staff = Staff::of_nobody(Enforce::Refuse);
    let mut wrong = Vec::new();
    for (address, whose, registry, ruling) in TABLE {
        let judged = staff.judge(Origin::from(ip(address)));
        let found = judged.located.registry.map(|country| country.to_string()).unwrap_or_default();
        if (found.as_str(), judged.ruling.as_str()) != (registry, ruling) {
            wrong.push(format!("{address} ({whose}): {found} {}", judged.ruling.as_str()));
        }
        assert_eq!(judged.ruling.is_allowed(), ruling == "japan", "{address}");
        assert_eq!(judged.cure().is_empty(), ruling == "japan", "{address}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

struct File(PathBuf);

impl File {
    fn new(records: &[(&str, Made)]) -> Self {
        let path = std::env::temp_dir().join(format!("anshin-staff-{}.mmdb", crate::store::random_id()));
        std::fs::write(&path, mmdb(1_790_000_000, records)).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn an_overlay_that_disagrees_is_shown_with_the_registry_and_refused_on_both_protocols() {
    let code = |code| Made::map([("country_code", Made::text(code))]);
    let overlay = File::new(&[
        ("126.1.0.0/16", code("JP")),
        ("126.2.0.0/16", code("US")),
        ("54.238.0.0/16", code("JP")),
        ("2001:268::/32", code("AU")),
        ("192.168.0.0/16", code("JP")),
        ("100.64.0.0/10", code("SG")),
    ]);
    let staff = staff("", Geo::open(Some(&overlay.0), None).unwrap());
    for (address, ruling, said) in [
        ("126.1.2.3", "japan", "registry JP, overlay JP"),
        ("126.3.2.3", "japan", "registry JP, overlay nothing"),
        ("126.2.2.3", "disputed", "registry JP, overlay US"),
        ("54.238.1.2", "disputed", "registry US, overlay JP"),
        ("2001:268::1", "disputed", "registry JP, overlay AU"),
        ("192.168.0.1", "unknown", "registry nothing, overlay JP"),
        ("100.64.0.1", "abroad", "registry nothing, overlay SG"),
    ] {
        let judged = staff.judge(Origin::from(ip(address)));
        assert_eq!(judged.ruling.as_str(), ruling, "{address}");
        assert!(judged.to_string().contains(said), "{judged}");
    }
}

#[test]
fn a_declared_office_goes_before_everything_and_a_declared_provider_before_the_registries() {
    let text = "[residency.staff]\nhosting = ['126.9.0.0/16', '10.9.0.0/16']\n[[residency.staff.network]]\nname = 'Tokyo \
                office'\nnetworks = ['203.0.113.0/24', '10.9.9.0/24', '49.212.7.0/24', '127.0.0.9/32']\n";
    let staff = staff(text, Geo::default());
    for (origin, ruling) in [
        (Origin::Here, "this-machine"),
        (Origin::from(ip("127.0.0.1")), "this-machine"),
        (Origin::from(ip("::1")), "this-machine"),
        (Origin::from(ip("::ffff:127.0.0.1")), "this-machine"),
        (Origin::At(ip("127.0.0.1"), By::Login), "hidden"),
        (Origin::At(ip("::1"), By::SshConnection), "hidden"),
        (Origin::At(ip("127.0.0.1"), By::Proxy), "hidden"),
        (Origin::At(ip("64:ff9b::7f00:1"), By::Login), "hidden"),
        (Origin::from(ip("203.0.113.7")), "declared"),
        (Origin::At(ip("10.9.9.9"), By::Login), "declared"),
        (Origin::At(ip("127.0.0.9"), By::Login), "declared"),
        (Origin::from(ip("49.212.7.1")), "declared"),
        (Origin::from(ip("49.212.8.1")), "hosting"),
        (Origin::from(ip("126.9.1.1")), "hosting"),
        (Origin::from(ip("10.9.1.1")), "hosting"),
        (Origin::from(ip("0.0.0.0")), "unknown"),
        (Origin::Hidden(Hidden::Unrecorded), "hidden"),
    ] {
        let judged = staff.judge(origin);
        assert_eq!(judged.ruling.as_str(), ruling, "{origin:?}");
        assert_eq!(judged.ruling.is_allowed(), matches!(ruling, "this-machine" | "declared"), "{origin:?}");
    }
    let entry = staff.judge(Origin::At(ip("203.0.113.7"), By::Login)).to_json();
    assert_eq!(
        entry,
        json!({
            "ruling": "declared", "address": "203.0.113.7", "by": "login", "registry": null, "overlay": null,
            "network": "Tokyo office",
        })
    );
}

#[test]
fn a_database_of_operators_finds_providers_that_the_list_has_by_number_alone() {
    let system = |asn| Made::map([("autonomous_system_number", Made::Number(asn))]);
    let networks = File::new(&[("126.0.0.0/8", system(9370)), ("133.237.0.0/16", system(138_384))]);
    let staff = staff("", Geo::open(None, Some(&networks.0)).unwrap());
    assert_eq!(staff.judge(Origin::from(ip("126.1.2.3"))).ruling.as_str(), "hosting");
    assert_eq!(staff.judge(Origin::from(ip("133.237.16.234"))).ruling.as_str(), "japan");
}

#[test]
fn of_several_logins_the_one_counts_that_is_refused() {
    let staff = Staff::of_nobody(Enforce::Refuse);
    let (home, away) = (Origin::At(ip("126.1.2.3"), By::Login), Origin::At(ip("8.8.8.8"), By::Login));
    assert_eq!(staff.worst(&[Origin::Here, home]), Origin::Here);
    assert_eq!(staff.worst(&[home, away]), away);
    assert_eq!(staff.worst(&[]), Origin::Here);
}
