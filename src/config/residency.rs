//! Where the storage lies. Specified User Information is stored, used and reached only inside Japan
//! (Telecommunications Business Act art. 27-5 ff.); what is configured otherwise does not start.
//!
//! Rules: the operator states the country; where the address of the storage itself tells a region, it is checked
//! against the statement. Most addresses tell nothing, so the statement stays the operator's.

use super::kind;
use super::reader::{Context, Flaw};
use super::tree::Value;

/// Regions of Amazon RDS that lie in Japan: Tokyo and Osaka.
const JAPANESE_RDS_REGIONS: [&str; 2] = ["ap-northeast-1", "ap-northeast-3"];

/// The one country accepted.
pub(super) fn country(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?;
    if text == "JP" {
        return Ok(text.to_owned());
    }
    Err(Flaw::new(
        format!("{}: user information must be stored, used and reached only inside Japan", kind::quote(text)),
        "use storage that lies in Japan and write \"JP\"",
    ))
}

/// The region that `host` names, where it names one outside Japan.
pub(super) fn foreign_region(host: &str) -> Option<&str> {
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let region = host.strip_suffix(".rds.amazonaws.com")?.rsplit('.').next()?;
    if JAPANESE_RDS_REGIONS.contains(&region) { None } else { Some(region) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_names_a_region_outside_japan_is_found() {
        assert_eq!(foreign_region("db.abc.us-east-1.rds.amazonaws.com"), Some("us-east-1"));
        assert_eq!(foreign_region("db.abc.cn-north-1.rds.amazonaws.com.cn"), Some("cn-north-1"));
        assert_eq!(foreign_region("db.abc.ap-northeast-1.rds.amazonaws.com"), None);
        assert_eq!(foreign_region("db.example.jp"), None);
    }
}
