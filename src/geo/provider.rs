//! What a host's name tells of where it stands: providers that write the region into it.
//!
//! Rules: only names whose region the provider assigns count; a name of which nothing is known tells nothing. The
//! addresses behind a name of a Japanese region are looked at as well: large providers register theirs in the United
//! States, but none of Tokyo's is registered in Germany.

use super::Country;

/// A provider.
struct Provider {
    name: &'static str,
    /// Ends of its host names.
    suffixes: &'static [&'static str],
    /// Regions in Japan, as a label of the name or a piece of one.
    japan: &'static [&'static str],
    /// Whether all that has such a suffix lies in Japan.
    is_all_japan: bool,
    /// Where its addresses are registered.
    registered: &'static [&'static str],
}

/// Tokyo and Osaka; the names of their regions are public. Ends are compared by label.
const PROVIDERS: [Provider; 5] = [
    Provider {
        name: "AWS",
        suffixes: &["amazonaws.com", "amazonaws.com.cn", "api.aws", "on.aws"],
        japan: &["ap-northeast-1", "ap-northeast-3"],
        is_all_japan: false,
        registered: &["JP", "US"],
    },
    Provider {
        name: "Google Cloud",
        suffixes: &["sql.goog", "run.app", "pkg.dev"],
        japan: &["asia-northeast1", "asia-northeast2"],
        is_all_japan: false,
        registered: &["JP", "US"],
    },
    Provider {
        name: "Azure",
        suffixes: &["cloudapp.azure.com", "database.azure.com", "core.windows.net", "vault.azure.net"],
        japan: &["japaneast", "japanwest"],
        is_all_japan: false,
        registered: &["JP", "US"],
    },
    Provider {
        name: "Sakura",
        suffixes: &["sakurastorage.jp", "sakura.ad.jp"],
        japan: &[],
        is_all_japan: true,
        registered: &["JP"],
    },
    Provider {
        name: "IIJ",
        suffixes: &["iijgio.com", "iijgio.jp"],
        japan: &[],
        is_all_japan: true,
        registered: &["JP"],
    },
];

/// What a name tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Region {
    /// A region in Japan, such as `AWS ap-northeast-1`.
    Japan(String),
    /// Another one.
    Abroad(String),
    /// A known provider, but the name has no region.
    Untold(&'static str),
}

/// What `host` tells; `None` of names of nobody in particular.
#[must_use]
pub fn region(host: &str) -> Option<Region> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let provider = of(&host)?;
    if provider.is_all_japan {
        return Some(Region::Japan(provider.name.to_owned()));
    }
    let labels = || host.split('.');
    if let Some(region) = provider.japan.iter().find(|region| labels().any(|label| is_of(label, region))) {
        return Some(Region::Japan(format!("{} {region}", provider.name)));
    }
    Some(match labels().find_map(|label| foreign(provider, label)) {
        Some(region) => Region::Abroad(format!("{} {region}", provider.name)),
        None => Region::Untold(provider.name),
    })
}

/// Whether an address that is registered in `country` can be behind a Japanese name of this provider.
#[must_use]
pub fn may_register(host: &str, country: Country) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    of(&host).is_some_and(|provider| provider.registered.contains(&country.as_str()))
}

fn of(host: &str) -> Option<&'static Provider> {
    let ends = |suffix: &&str| host.strip_suffix(*suffix).is_some_and(|rest| rest.ends_with('.'));
    PROVIDERS.iter().find(|provider| provider.suffixes.iter().any(|suffix| ends(&suffix)))
}

/// Whether a label is the region, or begins with it as `asia-northeast1-docker` does.
fn is_of(label: &str, region: &str) -> bool {
    label.strip_prefix(region).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The region of a label that looks like one: `us-east-1`, `europe-west4`, `germanywestcentral`.
fn foreign<'a>(provider: &Provider, label: &'a str) -> Option<&'a str> {
    let ends_in_digit = label.ends_with(|c: char| c.is_ascii_digit());
    let has_words = label.split('-').count() >= 2
        && label.starts_with(|c: char| c.is_ascii_lowercase())
        && label.split('-').next().is_some_and(|first| first.bytes().all(|b| b.is_ascii_lowercase()));
    let of_azure = [
        "us",
        "europe",
        "asia",
        "india",
        "uk",
        "france",
        "germany",
        "korea",
        "australia",
        "brazil",
        "canada",
    ];
    let is_region = match provider.name {
        "Azure" => of_azure.iter().any(|word| label.contains(word)) && !label.contains('-'),
        _ => ends_in_digit && has_words,
    };
    is_region.then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_region_in_it_tells_where_it_stands() {
        for (host, region) in [
            ("db.c1x2.ap-northeast-1.rds.amazonaws.com", "AWS ap-northeast-1"),
            ("S3.ap-northeast-3.amazonaws.com.", "AWS ap-northeast-3"),
            ("kms.ap-northeast-1.api.aws", "AWS ap-northeast-1"),
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
            ("db.us-gov-west-1.rds.amazonaws.com", "AWS us-gov-west-1"),
            ("a1.b2.europe-west4.sql.goog", "Google Cloud europe-west4"),
            ("pg.germanywestcentral.cloudapp.azure.com", "Azure germanywestcentral"),
        ] {
            assert_eq!(super::region(host), Some(Region::Abroad(region.to_owned())), "{host}");
        }
    }

    #[test]
    fn a_name_without_one_tells_nothing() {
        assert_eq!(region("s3.amazonaws.com"), Some(Region::Untold("AWS")));
        assert_eq!(region("shop.postgres.database.azure.com"), Some(Region::Untold("Azure")));
        for host in [
            "db.example.jp",
            "amazonaws.com",
            "ap-northeast-1.rds.amazonaws.com.example.net",
            "xamazonaws.com",
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
