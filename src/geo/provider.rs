//! What a host's name tells of where it stands: providers that write the region into it.
//!
//! Rules: only the label at the place where the provider itself writes the region counts, since customers choose the others;
//! a name of which nothing is known tells nothing. The addresses behind a name of a Japanese region are looked at as well:
//! large providers register theirs abroad, but where, is known.

use super::Country;

/// A provider's kind of host name.
struct Provider {
    name: &'static str,
    /// The end of its host names. The region is the label before it.
    suffix: &'static str,
    /// Regions in Japan; empty where all that has such a suffix lies in Japan.
    japan: &'static [&'static str],
    /// Where its addresses are registered.
    registered: &'static [&'static str],
}

const AWS_JAPAN: &[&str] = &["ap-northeast-1", "ap-northeast-3"];
/// Ranges of Tokyo came from Ireland's part of the registry too.
const AWS_REGISTERED: &[&str] = &["JP", "US", "IE"];

/// Tokyo and Osaka; the names of the regions are public. The more exact suffix stands before the wider one.
const PROVIDERS: [Provider; 9] = [
    Provider { name: "AWS", suffix: "rds.amazonaws.com", japan: AWS_JAPAN, registered: AWS_REGISTERED },
    Provider { name: "AWS", suffix: "rds.amazonaws.com.cn", japan: AWS_JAPAN, registered: AWS_REGISTERED },
    Provider { name: "AWS", suffix: "elb.amazonaws.com", japan: AWS_JAPAN, registered: AWS_REGISTERED },
    Provider { name: "AWS", suffix: "compute.amazonaws.com", japan: AWS_JAPAN, registered: AWS_REGISTERED },
    Provider {
        name: "Google Cloud",
        suffix: "sql.goog",
        japan: &["asia-northeast1", "asia-northeast2"],
        registered: &["JP", "US"],
    },
    Provider {
        name: "Azure",
        suffix: "cloudapp.azure.com",
        japan: &["japaneast", "japanwest"],
        registered: &["JP", "US", "GB", "BR"],
    },
    Provider { name: "Sakura", suffix: "sakurastorage.jp", japan: &[], registered: &["JP"] },
    Provider { name: "Sakura", suffix: "sakura.ad.jp", japan: &[], registered: &["JP"] },
    Provider { name: "IIJ", suffix: "iijgio.com", japan: &[], registered: &["JP"] },
];

/// What a name tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Region {
    /// A region in Japan, such as `AWS ap-northeast-1`.
    Japan(String),
    /// Another one.
    Abroad(String),
}

/// What `host` tells; `None` of names of nobody in particular, or without a region.
#[must_use]
pub fn region(host: &str) -> Option<Region> {
    let host = plain(host);
    let (provider, rest) = of(&host)?;
    if provider.japan.is_empty() {
        return Some(Region::Japan(provider.name.to_owned()));
    }
    let region = rest.rsplit('.').next().filter(|label| !label.is_empty())?;
    let named = format!("{} {region}", provider.name);
    Some(if provider.japan.contains(&region) { Region::Japan(named) } else { Region::Abroad(named) })
}

/// Whether an address that is registered in `country` can be behind a Japanese name of this provider.
#[must_use]
pub fn may_register(host: &str, country: Country) -> bool {
    of(&plain(host)).is_some_and(|(provider, _)| provider.registered.contains(&country.as_str()))
}

fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// The provider of a name, and what stands before the suffix and its dot.
fn of(host: &str) -> Option<(&'static Provider, &str)> {
    let known = PROVIDERS.iter().find_map(|provider| {
        let rest = host.strip_suffix(provider.suffix)?.strip_suffix('.')?;
        Some((provider, rest))
    });
    // `kms.REGION.amazonaws.com` has the region in the same place, but nothing else with that end has.
    let service = host.strip_suffix(".amazonaws.com").filter(|rest| rest.starts_with("kms."));
    let of_kms = || Some((PROVIDERS.first()?, service.filter(|rest| rest.matches('.').count() == 1)?));
    known.or_else(of_kms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_region_in_its_place_tells_where_it_stands() {
        for (host, region) in [
            ("db.c1x2.ap-northeast-1.rds.amazonaws.com", "AWS ap-northeast-1"),
            ("DB.c1x2.ap-northeast-3.RDS.amazonaws.com.", "AWS ap-northeast-3"),
            ("kms.ap-northeast-1.amazonaws.com", "AWS ap-northeast-1"),
            ("a1b2.c3d4.asia-northeast1.sql.goog", "Google Cloud asia-northeast1"),
            ("pg.japaneast.cloudapp.azure.com", "Azure japaneast"),
            ("s3.isk01.sakurastorage.jp", "Sakura"),
        ] {
            assert_eq!(super::region(host), Some(Region::Japan(region.to_owned())), "{host}");
        }
        for (host, region) in [
            ("db.c1x2.us-east-1.rds.amazonaws.com", "AWS us-east-1"),
            ("db.c1x2.cn-north-1.rds.amazonaws.com.cn", "AWS cn-north-1"),
            ("db.c1x2.ap-northeast-2.rds.amazonaws.com", "AWS ap-northeast-2"),
            ("kms.eu-west-1.amazonaws.com", "AWS eu-west-1"),
            ("a1.b2.europe-west4.sql.goog", "Google Cloud europe-west4"),
            ("pg.germanywestcentral.cloudapp.azure.com", "Azure germanywestcentral"),
            // What the customer chose says nothing.
            ("ap-northeast-1.c1x2.us-east-1.rds.amazonaws.com", "AWS us-east-1"),
            ("japaneast.westus.cloudapp.azure.com", "Azure westus"),
            ("db.ap-northeast-1-tpe-1.rds.amazonaws.com", "AWS ap-northeast-1-tpe-1"),
        ] {
            assert_eq!(super::region(host), Some(Region::Abroad(region.to_owned())), "{host}");
        }
    }

    #[test]
    fn a_name_without_one_tells_nothing() {
        for host in [
            "s3.amazonaws.com",
            "x.kms.ap-northeast-1.amazonaws.com",
            "japaneast-shop.postgres.database.azure.com",
            "fukuoka.postgres.database.azure.com",
            "db.example.jp",
            "rds.amazonaws.com",
            ".rds.amazonaws.com",
            "ap-northeast-1.rds.amazonaws.com.example.net",
            "xrds.amazonaws.com",
        ] {
            assert_eq!(region(host), None, "{host}");
        }
    }

    #[test]
    fn an_address_of_a_provider_is_registered_where_the_provider_registers() {
        let country = |code| Country::parse(code).unwrap();
        let host = "db.c1x2.ap-northeast-1.rds.amazonaws.com";
        assert!(may_register(host, country("US")) && may_register(host, Country::JAPAN));
        assert!(
            !may_register(host, country("DE")) && !may_register("s3.isk01.sakurastorage.jp", country("US"))
        );
    }
}
