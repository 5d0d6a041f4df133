//! Countries, contradictions, and the operator's files: layouts, age, and what becomes of one that is replaced.

use super::made::{Value, mmdb};
use super::*;
use crate::mail::Timestamp;
use std::path::PathBuf;

fn country(ip: &str) -> Option<Country> {
    let ip = ip.parse().unwrap();
    Geo::default().locate(ip).country(embedded(ip).is_ipv4())
}

#[test]
fn the_registries_know_japanese_carriers_on_both_protocols() {
    for ip in ["49.98.1.1", "106.128.3.4", "126.1.2.3", "133.237.16.234", "2001:268::1", "240a:6b::1"] {
        assert_eq!(country(ip), Some(Country::JAPAN), "{ip}");
    }
    assert_eq!(country("12.0.0.1"), Country::parse("US"));
    assert_eq!(country("114.114.114.114"), Country::parse("CN"));
    for ip in ["::ffff:126.1.2.3", "64:ff9b::7e01:203", "2002:7e01:203::1"] {
        assert_eq!(country(ip), Some(Country::JAPAN), "{ip}");
    }
}

#[test]
fn what_nobody_delegated_has_no_country() {
    for ip in ["10.1.2.3", "192.168.0.1", "100.64.0.1", "127.0.0.1", "::1", "fe80::1", "198.51.100.1"] {
        assert_eq!(country(ip), None, "{ip}");
    }
}

#[test]
fn a_contradiction_is_no_country_but_for_a_cloud_in_japan() {
    let us = Country::parse("US");
    let located = |registry, overlay| Located { registry, overlay };
    let japan = Some(Country::JAPAN);
    assert_eq!(located(us, japan).country(true), japan);
    assert_eq!(located(us, japan).country(false), us);
    assert_eq!(located(japan, us).country(true), None);
    assert_eq!(located(japan, us).country(false), japan);
    assert_eq!((located(None, japan).country(true), located(japan, None).country(true)), (japan, japan));
    assert!(located(us, japan).is_disputed() && !located(None, japan).is_disputed());
}

#[test]
fn only_two_capital_letters_are_a_country() {
    for bad in ["", "J", "jp", "JPN", "ZZ", "日本"] {
        assert_eq!(Country::parse(bad), None, "{bad}");
    }
}

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("anshin-geo-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn country_of(code: &str) -> Value {
    Value::map([("country", Value::map([("iso_code", Value::text(code))]))])
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let dir = Dir::new("none");
    let file = dir.0.join("overlay.mmdb");
    assert!(matches!(Geo::open(Some(&file), None), Err(OverlayError::Unreadable(..))));
    std::fs::write(&file, b"country,JP\n").unwrap();
    let error = Geo::open(None, Some(&file)).err().unwrap().to_string();
    assert!(error.contains("overlay.mmdb is no database"), "{error}");
}

#[test]
fn a_file_that_was_replaced_counts_once_it_was_read_again_and_a_broken_one_changes_nothing() {
    let dir = Dir::new("renew");
    let file = dir.0.join("overlay.mmdb");
    let put = |octets: &[u8]| {
        let new = dir.0.join("new");
        std::fs::write(&new, octets).unwrap();
        std::fs::rename(&new, &file).unwrap();
    };
    let ip: IpAddr = "54.238.1.2".parse().unwrap();
    put(&mmdb(1_700_000_000, &[("54.238.0.0/16", country_of("JP"))]));
    let geo = Geo::open(Some(&file), None).unwrap();
    let clone = geo.clone();
    assert_eq!(clone.locate(ip).overlay, Some(Country::JAPAN));
    put(&mmdb(1_700_000_000, &[("54.238.0.0/16", country_of("DE"))]));
    assert_eq!(clone.locate(ip).overlay, Some(Country::JAPAN));
    geo.renew().unwrap();
    assert_eq!(clone.locate(ip).overlay, Country::parse("DE"));
    put(b"half a file");
    assert!(geo.renew().is_err());
    assert_eq!(clone.locate(ip).overlay, Country::parse("DE"));
    std::fs::remove_file(&file).unwrap();
    assert!(geo.renew().is_err());
    assert_eq!(clone.locate(ip).overlay, Country::parse("DE"));
    let [file] = &geo.data_files()[..] else { panic!("one file") };
    let built = Timestamp::from_millis(1_700_000_000_000);
    let days = |days: u64| built.after(std::time::Duration::from_secs(days * 86_400));
    assert_eq!((file.built, file.warning(days(60))), (built, None));
    assert!(file.warning(days(61)).unwrap().contains("was made 61 days ago"));
}

#[test]
fn both_layouts_of_operators_are_read() {
    let dir = Dir::new("operators");
    let file = dir.0.join("asn.mmdb");
    let geolite = |asn, name| {
        Value::map([
            ("autonomous_system_number", Value::Number(asn)),
            ("autonomous_system_organization", Value::text(name)),
        ])
    };
    let ipinfo = |asn, name| Value::map([("asn", Value::text(asn)), ("as_name", Value::text(name))]);
    let kind = |name, kind| Value::map([("name", Value::text(name)), ("type", Value::text(kind))]);
    let records = [
        ("126.0.0.0/8", geolite(17676, "SoftBank Corp.")),
        ("203.0.0.0/8", geolite(4694, "IDC Frontier Inc.")),
        ("153.0.0.0/8", ipinfo("AS9370", "SAKURA Internet Inc.")),
        ("61.0.0.0/8", kind("Some VPS", "hosting")),
        ("60.0.0.0/8", kind("Some carrier", "isp")),
    ];
    std::fs::write(&file, mmdb(1_700_000_000, &records)).unwrap();
    let geo = Geo::open(None, Some(&file)).unwrap();
    let found = |ip: &str| {
        let ip = ip.parse().unwrap();
        (geo.operator(ip).map(|operator| operator.to_string()), geo.hoster(ip))
    };
    let (some, none) = (|text: &str| Some(text.to_owned()), None);
    assert_eq!(found("126.1.2.3"), (some("AS17676 SoftBank Corp."), none.clone()));
    assert_eq!(found("153.200.1.1"), (some("AS9370 SAKURA Internet Inc."), some("SAKURA Internet")));
    assert_eq!(found("::ffff:153.200.1.1").1, some("SAKURA Internet"));
    assert_eq!(found("61.1.1.1"), (some("Some VPS"), some("Some VPS")));
    assert_eq!(found("60.1.1.1"), (some("Some carrier"), none.clone()));
    assert_eq!(found("8.8.8.8"), (none.clone(), none));
}
