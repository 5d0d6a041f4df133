//! `[retention]`: how long what is kept, why, who approved it and when it is looked at again.
//!
//! Rules: each class of what is sealed by days has a rule; the log's periods may not outlive what they hang on. A rule that
//! nobody approved, or whose review is missing or over, holds all the same, and is warned of.

use super::kind::{self, ByteSize};
use super::reader::{Context, Flaw, Reader};
use super::show;
use super::tree::Value;
use crate::mail::Timestamp;
use crate::vault::Class;
use serde::Serialize;
use std::time::Duration;

/// `[retention]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retention {
    /// How long an ended delivery stays listed in the queue before it is purged.
    #[serde(serialize_with = "show::duration")]
    pub queue: Duration,
    /// Of texts that wait for their delivery.
    pub texts: Rule,
    /// Of texts that stay after it.
    pub kept_texts: KeptTexts,
    pub rejected: Rule,
    pub headers: Rule,
    pub metadata: Rule,
    pub logins: Rule,
    /// What people of stores did in the menu.
    pub access: Rule,
    pub audit: Rule,
    /// Of what is no class of days: counted from the end of a conversation.
    pub conversations: Rule,
    /// Counts of the log by hour.
    pub rollups: Rule,
}

/// `[retention.kept_texts]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeptTexts {
    /// Whether texts stay at all.
    pub keep: Keep,
    /// So much of a mail stays, from its beginning.
    pub largest: ByteSize,
    #[serde(flatten)]
    pub rule: Rule,
}

/// Whether texts stay after their delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    Off,
    On,
}

/// `[retention.CLASS]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rule {
    /// Whole days, counted from the end of the day, or of the conversation.
    #[serde(serialize_with = "show::duration")]
    pub period: Duration,
    /// Why so long.
    pub reason: String,
    /// Who approved it; empty: nobody.
    pub approver: String,
    /// The day on which it is looked at again, such as 2027-11-01; empty: none.
    pub review: String,
}

impl Rule {
    fn read(r: &mut Reader, class: &str, period: &str, reason: &str) -> Option<Self> {
        let key = |name: &str| format!("retention.{class}.{name}");
        let period = r.value(&key("period"), period, days);
        let reason = r.value(&key("reason"), reason, reason_text);
        let approver = r.value(&key("approver"), "", line);
        let review = r.value(&key("review"), "", date);
        Some(Self { period: period?, reason: reason?, approver: approver?, review: review? })
    }

    /// When it is looked at again: the beginning of that day in Japan.
    #[must_use]
    pub fn review_at(&self) -> Option<Timestamp> {
        day_in_japan(&self.review)
    }
}

impl Retention {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let queue = r.value("retention.queue", "30d", kind::duration);
        let texts = Rule::read(r, "texts", "30d", "texts are kept for delivery alone");
        let keep =
            r.value("retention.kept_texts.keep", "off", kind::word(&[("off", Keep::Off), ("on", Keep::On)]));
        let largest = r.value("retention.kept_texts.largest", "256KiB", kind::size(1024..=1 << 30));
        let kept = Rule::read(r, "kept_texts", "30d", "to answer a dispute about what was written");
        let rejected = Rule::read(r, "rejected", "30d", "to answer a sender whose mail was refused");
        let headers =
            Rule::read(r, "headers", "180d", "to prove the path of a mail in a dispute or fraud case");
        let metadata = Rule::read(r, "metadata", "395d", "to find fraud against the same season a year ago");
        let logins = Rule::read(r, "logins", "395d", "to show a store its logins and find a takeover");
        let access = Rule::read(r, "access", "395d", "to show a store who used its menu and find a takeover");
        let audit = Rule::read(r, "audit", "1825d", "to show who looked at what");
        let conversations =
            Rule::read(r, "conversations", "90d", "to answer questions about an order after its end");
        let rollups =
            Rule::read(r, "rollups", "790d", "to hold a season against the two before it, by counts");
        Some(Self {
            queue: queue?,
            texts: texts?,
            kept_texts: KeptTexts { keep: keep?, largest: largest?, rule: kept? },
            rejected: rejected?,
            headers: headers?,
            metadata: metadata?,
            logins: logins?,
            access: access?,
            audit: audit?,
            conversations: conversations?,
            rollups: rollups?,
        })
    }

    /// The section and rule of each class, and of counts, in the order of the file.
    #[must_use]
    pub fn rules(&self) -> [(&'static str, &Rule); 10] {
        [
            ("texts", &self.texts),
            ("kept_texts", &self.kept_texts.rule),
            ("rejected", &self.rejected),
            ("headers", &self.headers),
            ("metadata", &self.metadata),
            ("logins", &self.logins),
            ("access", &self.access),
            ("audit", &self.audit),
            ("conversations", &self.conversations),
            ("rollups", &self.rollups),
        ]
    }

    /// The longest period of anything that has a fact.
    #[must_use]
    pub fn facts(&self) -> Duration {
        let of_logins = self.logins.period.max(self.access.period);
        self.rejected.period.max(self.metadata.period).max(of_logins)
    }

    /// The rule of a class. The log of older versions is whole under one key, so that the longest of its rules counts.
    #[must_use]
    pub fn rule(&self, class: Class) -> &Rule {
        match class {
            Class::Body => &self.texts,
            Class::KeptText => &self.kept_texts.rule,
            Class::Rejected => &self.rejected,
            Class::Headers => &self.headers,
            Class::Metadata => &self.metadata,
            Class::Logins => &self.logins,
            Class::Access => &self.access,
            Class::Audit => &self.audit,
            Class::Log => {
                let of_log = [&self.rejected, &self.headers, &self.metadata, &self.logins];
                of_log.into_iter().fold(&self.audit, |a, b| if b.period > a.period { b } else { a })
            }
        }
    }

    /// What somebody has to look after, in words.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut said = Vec::new();
        for (section, rule) in self.rules() {
            if rule.approver.is_empty() {
                said.push(format!("retention.{section}.approver: nobody approved this period"));
            }
            match rule.review_at() {
                None => {
                    said.push(format!("retention.{section}.review: no day on which it is looked at again"))
                }
                Some(at) if at <= now => {
                    said.push(format!("retention.{section}.review: was due on {}", rule.review));
                }
                Some(_) => {}
            }
        }
        said
    }

    /// Periods that do not go together.
    pub(super) fn check(&self, longest_wait: Duration, r: &mut Reader) {
        let mut refuse = |key: &str, reason: String, cure: &str| {
            if r.are_sound(&[key]) {
                r.refuse(key, reason, cure);
            }
        };
        if self.headers.period > self.metadata.period {
            let reason = "is longer than that of the records the header blocks belong to".to_owned();
            refuse("retention.headers.period", reason, "make it at most retention.metadata.period");
        }
        if self.kept_texts.rule.period > self.metadata.period {
            let reason = "is longer than that of the records the texts belong to".to_owned();
            refuse("retention.kept_texts.period", reason, "make it at most retention.metadata.period");
        }
        if self.kept_texts.keep == Keep::On && self.kept_texts.rule.approver.is_empty() {
            let reason = "is on, and nobody approved that texts are kept".to_owned();
            let cure = "name who approved it in retention.kept_texts.approver";
            refuse("retention.kept_texts.keep", reason, cure);
        }
        if self.texts.period < longest_wait {
            let wait = show::duration_text(longest_wait);
            let reason = format!("is shorter than mail may wait and be held ({wait})");
            refuse(
                "retention.texts.period",
                reason,
                "make it at least egress.retry.expire + content.hold_expire",
            );
        }
    }
}

/// Whole days.
fn days(value: &Value, context: &Context) -> Result<Duration, Flaw> {
    let period = kind::duration(value, context)?;
    if !period.as_secs().is_multiple_of(86_400) {
        return Err(Flaw::new(
            "is not whole days",
            "write such as \"180d\": what is kept is destroyed by days",
        ));
    }
    Ok(period)
}

pub(super) fn line(value: &Value, _: &Context) -> Result<String, Flaw> {
    let text = kind::text(value)?;
    if text.contains(char::is_control) || text.chars().count() > 200 {
        return Err(Flaw::new("is not one line of at most 200 characters", "write one line"));
    }
    Ok(text.trim().to_owned())
}

fn reason_text(value: &Value, context: &Context) -> Result<String, Flaw> {
    let text = line(value, context)?;
    if text.is_empty() {
        return Err(Flaw::new("is empty", "write why it is kept so long: the law asks for it"));
    }
    Ok(text)
}

fn date(value: &Value, context: &Context) -> Result<String, Flaw> {
    let text = line(value, context)?;
    if text.is_empty() || day_in_japan(&text).is_some() {
        return Ok(text);
    }
    Err(Flaw::new(
        format!("{} is no day", kind::quote(&text)),
        "write a day such as 2027-11-01, or leave it empty",
    ))
}

fn day_in_japan(text: &str) -> Option<Timestamp> {
    (text.len() == 10).then(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00+09:00"))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    fn read(text: &str) -> (Retention, Vec<String>) {
        let (config, mut reader) = Config::read(text, Path::new("/x"), std::iter::empty());
        let config = config.unwrap();
        crate::config::cross::check(&config, &mut reader);
        let said = reader.finish().into_iter().filter(|p| p.key.starts_with("retention")).map(|p| p.reason);
        (config.retention, said.collect())
    }

    #[test]
    fn a_rule_that_nobody_approved_or_looks_at_again_is_warned_of() {
        let now = Timestamp::parse_rfc3339("2027-05-01T00:00:00Z").unwrap();
        let (retention, said) = read("");
        assert_eq!((retention.warnings(now).len(), said), (20, vec![]));
        assert_eq!(retention.kept_texts.keep, Keep::Off, "unless somebody decides otherwise");
        let rule = "approver = 'the chief manager'\nreview = '2027-06-01'\n";
        let sections = [
            "texts",
            "kept_texts",
            "rejected",
            "headers",
            "metadata",
            "logins",
            "access",
            "audit",
            "conversations",
            "rollups",
        ];
        let text = sections.map(|section| format!("[retention.{section}]\n{rule}")).concat();
        assert!(read(&text).0.warnings(now).is_empty());
        let later = Timestamp::parse_rfc3339("2027-06-01T00:00:00+09:00").unwrap();
        assert_eq!(read(&text).0.warnings(later).len(), 10);
    }

    #[test]
    fn periods_are_whole_days_that_go_together_and_reasons_are_written() {
        for (text, reason) in [
            ("headers.period = '400d'", "is longer than that of the records"),
            ("texts.period = '3d'", "is shorter than mail may wait"),
            ("kept_texts.period = '400d'", "is longer than that of the records"),
            ("kept_texts.keep = 'on'", "nobody approved"),
            ("audit.period = '36h'", "is not whole days"),
            ("audit.period = '0s'", "is zero"),
            ("audit.reason = ' '", "is empty"),
            ("audit.review = '1 May'", "is no day"),
        ] {
            let (_, said) = read(&format!("[retention]\n{text}\n"));
            assert!(said.len() == 1 && said[0].contains(reason), "{text}: {said:?}");
        }
    }
}
