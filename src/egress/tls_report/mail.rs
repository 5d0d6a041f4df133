//! A report as mail (RFC 8460 §5.3): `multipart/report` with a sentence for people and the packed JSON for programs.

use super::report::{About, gzip, json_of};
use super::tally::Kind;
use crate::mail::{Alias, Domain, RealAddress, Timestamp};
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};

/// What a report is made of.
pub(super) struct Report<'a> {
    pub(super) about: About<'a>,
    pub(super) domain: &'a Domain,
    /// Where it comes from; its domain signs it, as §5.3 wants.
    pub(super) from: &'a Alias,
    pub(super) kinds: &'a [(Kind, u64)],
    pub(super) now: Timestamp,
}

impl Report<'_> {
    /// The message for one reader.
    pub(super) fn message(&self, to: &RealAddress) -> Vec<u8> {
        let (about, domain) = (&self.about, self.domain);
        let packed = gzip(json_of(about, self.kinds).to_string().as_bytes());
        let unix = |at: Timestamp| at.as_millis().div_euclid(1000);
        let name = format!(
            "{}!{domain}!{}!{}.json.gz",
            about.organization,
            unix(about.period.start()),
            unix(about.period.end())
        );
        let text = format!(
            "This is an aggregate TLS report for mail to {domain} from {} (RFC 8460).\r\n\
             これは {domain} 宛メールの TLS 集計レポートです。\r\n",
            about.organization
        );
        let parts = vec![
            MimePart::new("text/plain", BodyPart::Text(text.into())),
            MimePart::new("application/tlsrpt+gzip", BodyPart::Binary(packed.into())).attachment(name),
        ];
        MessageBuilder::new()
            .from(Address::new_address(None::<&str>, self.from.to_string()))
            .to(Address::new_address(None::<&str>, to.reveal().to_owned()))
            .subject(format!(
                "Report Domain: {domain} Submitter: {} Report-ID: <{}>",
                about.organization, about.id
            ))
            .date(unix(self.now))
            .message_id(format!("{}.{}@{}", about.id, about.period.day, self.from.domain()))
            .header("TLS-Report-Domain", Raw::new(domain.to_string()))
            .header("TLS-Report-Submitter", Raw::new(about.organization.to_owned()))
            .header("TLS-Required", Raw::new("No"))
            .header("Auto-Submitted", Raw::new("auto-generated"))
            .body(MimePart::new("multipart/report; report-type=tlsrpt", BodyPart::Multipart(parts)))
            .write_to_vec()
            .unwrap_or_default()
    }
}
