//! What a sign-in brings with it: from where it is, what of that is new for its person, who is told, and what has to wait.
//!
//! Rules: a device, a network or a country is known for 180 days. What is new is told to the administrators in the sign-in's own transaction;
//! the same, of the same network and kind of browser, once in [`TOLD_FOR`]. After a sign-in from far nothing that leads mail is changed for
//! [`COOLING`].
//! When it fails: [`RelayFault`]; nobody is signed in.

use super::access::{Access, By};
use super::sign_in::{Stays, Way, random_text};
use super::{COOLING, Visit, Whence};
use crate::geo::Country;
use crate::mail::Timestamp;
use crate::relay::{Event, Merchant, Relay, RelayFault};
use crate::store::{NewMessage, Told};
use crate::vault::{Index, Indexed};
use std::time::Duration;

/// The same is told once within so long.
const TOLD_FOR: Duration = Duration::from_secs(10 * 60);

/// What a sign-in brings with it.
pub(super) struct Arrival {
    /// The mark of the device, where it may be known the next time.
    pub device: Option<String>,
    /// From where the person is known from now on.
    pub known: Vec<Index>,
    pub cools_until: Option<Timestamp>,
    pub told: Told,
}

/// What is new about a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct News {
    pub device: bool,
    pub network: bool,
    pub country: bool,
}

impl News {
    pub fn any(self) -> bool {
        self.device || self.network || self.country
    }
}

/// From where somebody comes, as it is known of a person.
struct Marks {
    device: Option<Index>,
    network: Index,
    country: Index,
    anything: Index,
}

impl Relay {
    /// The first step was right, and the second factor is to come: nothing is known of it yet but that.
    pub(super) fn half_arrival(
        &self,
        store: &Merchant,
        (name, session): (&str, i64),
        way: Way,
        visit: &Visit,
    ) -> Arrival {
        let action = way.first_step();
        let access = Access { page: way.page(), action, result: "second-factor", left_out: 0 };
        let by = By::Named { store: Some(store), store_id: &store.store_id, name, session: Some(session) };
        let record = self.access_record(Event::Menu, by, visit, access, None);
        let told = Told { records: vec![record], ..Told::default() };
        Arrival { device: visit.device.clone(), known: Vec::new(), cools_until: None, told }
    }

    /// What a sign-in brings with it: from where it is, what of that is new, and who is told.
    pub(super) async fn arrival(
        &self,
        store: &Merchant,
        (person, name, session): (i64, &str, i64),
        (stays, way): (Stays, Way),
        visit: &Visit,
        now: Timestamp,
    ) -> Result<Arrival, RelayFault> {
        // A device that is shared is not known the next time, and not marked.
        let device = match stays {
            Stays::Own => Some(visit.device.clone().unwrap_or_else(|| random_text(16))),
            Stays::Shared => None,
        };
        let country = self.country_of(visit);
        let marks = self.marks(person, device.as_deref(), country, visit);
        let (news, was_anywhere) = self.news(person, &marks, visit, now).await?;
        let access = Access { page: way.page(), action: "sign-in", result: "in", left_out: 0 };
        let by = By::Named { store: Some(store), store_id: &store.store_id, name, session: Some(session) };
        let record = self.access_record(Event::MenuLogin, by, visit, access, news_words(news));
        let mut known = vec![marks.network, marks.country, marks.anything];
        known.extend(marks.device);
        let (mut told, whence) = (Told { records: vec![record], ..Told::default() }, self.whence(visit));
        let (is_told, mark) = self.is_told(person, &whence, news, now).await?;
        if news.any() && !is_told {
            told.mails = self.mails_of_sign_in(store, (name, &whence, country), news, now).await?;
            known.push(mark);
        }
        let cools_until = is_far(country, news, was_anywhere, visit).then(|| now.after(COOLING));
        Ok(Arrival { device, known, cools_until, told })
    }

    /// Whether the administrators were told of the same a moment ago: the same person, reason, network and kind of browser. Who has
    /// found a password out must not fill their mailboxes.
    async fn is_told(
        &self,
        person: i64,
        whence: &Whence,
        news: News,
        now: Timestamp,
    ) -> Result<(bool, Index), RelayFault> {
        let words = news_words(news).unwrap_or_default();
        let what = format!("told {words} {} {}", whence.network, whence.device);
        let mark = self.vault().index.of(Indexed::MenuKnown { person, what: &what });
        let ago = i64::try_from(TOLD_FOR.as_millis()).unwrap_or(0);
        let since = Timestamp::from_millis(now.as_millis().saturating_sub(ago));
        Ok((self.store().menu_known(person, &[mark], since).await?.contains(&true), mark))
    }

    async fn mails_of_sign_in(
        &self,
        store: &Merchant,
        (name, whence, country): (&str, &Whence, Option<Country>),
        news: News,
        now: Timestamp,
    ) -> Result<Vec<NewMessage>, RelayFault> {
        if !news.any() {
            return Ok(Vec::new());
        }
        let addresses = self.addresses_to_tell(store, Some(name)).await?;
        let text = self.login_alert(store, (name, whence, country), news, now);
        addresses.iter().map(|to| self.menu_mail(store, to, &text, "menu_login", now)).collect()
    }

    fn marks(&self, person: i64, device: Option<&str>, country: Option<Country>, visit: &Visit) -> Marks {
        let vault = self.vault();
        let mark = |what: &str| vault.index.of(Indexed::MenuKnown { person, what });
        let country = country.map_or_else(|| "-".to_owned(), |country| country.to_string());
        Marks {
            device: device.map(|device| mark(&format!("device {device}"))),
            network: mark(&format!("network {}", crate::relay::first_use::network(visit.ip).1)),
            country: mark(&format!("country {country}")),
            anything: mark("anything"),
        }
    }

    /// What is new about it, and whether the person was anywhere before.
    async fn news(
        &self,
        person: i64,
        marks: &Marks,
        visit: &Visit,
        now: Timestamp,
    ) -> Result<(News, bool), RelayFault> {
        let since = super::known_since(now);
        let mut asked = vec![marks.network, marks.country, marks.anything];
        // A mark that the browser did not bring is new, whatever it is.
        asked.extend(marks.device.filter(|_| visit.device.is_some()));
        let known = self.store().menu_known(person, &asked, since).await?;
        let knows = |at: usize| known.get(at).copied().unwrap_or(false);
        Ok((News { network: !knows(0), country: !knows(1), device: !knows(3) }, knows(2)))
    }
}

/// Whether a sign-in comes from so far that nothing that leads mail is changed for a while: from a new country; the first one from
/// outside Japan; a new browser where the country is not known, since "not known" is no place that one can have been at before.
/// Who sits at this machine itself is not far.
fn is_far(country: Option<Country>, news: News, was_anywhere: bool, visit: &Visit) -> bool {
    match country {
        None if visit.is_known && visit.ip.to_canonical().is_loopback() => false,
        None => !was_anywhere || news.device,
        Some(_) if was_anywhere => news.country,
        Some(country) => country != Country::JAPAN,
    }
}

fn news_words(news: News) -> Option<String> {
    let words = [(news.device, "new device"), (news.network, "new network"), (news.country, "new country")];
    let words: Vec<&str> = words.into_iter().filter(|(is_new, _)| *is_new).map(|(_, word)| word).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_who_comes_from_nowhere_or_from_outside_is_near_at_once() {
        let visit = |ip: &str, is_known| Visit {
            ip: ip.parse().unwrap(),
            is_known,
            agent: String::new(),
            device: None,
        };
        let (all, device) =
            (News { device: true, network: true, country: true }, News { device: true, ..News::default() });
        let (japan, there) = (Some(Country::JAPAN), visit("192.0.2.1", true));
        let usa = Country::parse("US");
        // The first one.
        assert!(!is_far(japan, all, false, &there));
        assert!(is_far(usa, all, false, &there) && is_far(None, all, false, &there));
        assert!(!is_far(None, all, false, &visit("127.0.0.1", true)));
        assert!(is_far(None, all, false, &visit("127.0.0.1", false)), "behind a proxy that nobody declared");
        // Later ones.
        assert!(is_far(japan, all, true, &there) && !is_far(japan, device, true, &there));
        assert!(is_far(None, device, true, &there) && !is_far(None, News::default(), true, &there));
    }
}
