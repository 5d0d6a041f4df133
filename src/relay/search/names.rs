//! What the names in a query are: keyed numbers of the quarters that it covers, and rows of ours for stores, orders and aliases.

use super::SearchFault;
use crate::mail::RealAddress;
use crate::query::{Column, Filter, Keyed, Numbers, Outline, Problem, Seek, Sought, Word, quarter_of};
use crate::relay::{Relay, RelayFault};
use crate::senders;
use crate::vault::{Numbered, Period, Side};
use std::sync::Arc;

/// How far rows at the ends of a window may have numbers of the quarter beside it, in milliseconds.
const SLACK_MS: i64 = 600_000;

impl Relay {
    /// What each name of an outline is, in order.
    pub(in crate::relay) async fn named(&self, outline: &Outline<'_>) -> Result<Vec<Filter>, SearchFault> {
        let quarter = |millis: i64, slack: i64| quarter_of(millis.saturating_add(slack));
        let (from, until) =
            (quarter(outline.window.from, -SLACK_MS), quarter(outline.window.until, SLACK_MS));
        // A key that was destroyed is not among them: its rows have no names any more.
        let periods = self.periods(from, until).await?;
        // Before they are reckoned: a query can name 50,000 networks.
        outline.numbered_by(periods.len())?;
        let mut found = Vec::with_capacity(outline.seeks.len());
        for seek in &outline.seeks {
            found.push(self.filter_of(seek, &periods).await?);
        }
        Ok(found)
    }

    async fn filter_of(&self, seek: &Seek<'_>, periods: &[Arc<Period>]) -> Result<Filter, SearchFault> {
        if let Some(address) = seek.address()
            && (seek.word == Word::Alias || self.domains().all().any(|own| own == address.reveal_domain()))
        {
            return self.filter_of_alias(seek.word, address, periods).await;
        }
        let plain = seek.filter(&mut |keyed| numbers(periods, &keyed));
        match (&seek.what, plain) {
            (Sought::Store(id), _) => self.store_filter(id, seek).await,
            (Sought::Order { store: Some(store), no }, Some(by_number)) => {
                let of_store = self.store_filter(store, seek).await?;
                let mut ways = vec![Filter::all(vec![of_store, by_number])];
                if let Some(merchant) = self.merchant_row(store).await?
                    && let Some(row) = self.order_row(merchant.id, no).await?
                {
                    let mut ids = self.store().with_guests(vec![row.id]).await.map_err(RelayFault::from)?;
                    ids.sort_unstable();
                    ways.push(Filter::keyed(&[Column::Conversation], &Numbers::fixed(ids)));
                }
                Ok(Filter::any(ways))
            }
            (_, Some(filter)) => Ok(filter),
            (_, None) => Ok(Filter::Never),
        }
    }

    async fn store_filter(&self, id: &str, seek: &Seek<'_>) -> Result<Filter, SearchFault> {
        match self.merchant_row(id).await? {
            Some(row) => Ok(Filter::keyed(&[Column::Merchant], &Numbers::fixed(vec![row.id]))),
            // Of a bare word it is only one of the things that it may be.
            None if seek.is_bare => Ok(Filter::Never),
            None => Err(Problem { span: seek.span, reason: "no such store".into(), nearest: None }.into()),
        }
    }

    /// An address of ours: an alias, whose conversation has an index; a store's public one; or one that leads nowhere.
    async fn filter_of_alias(
        &self,
        word: Word,
        address: &RealAddress,
        periods: &[Arc<Period>],
    ) -> Result<Filter, SearchFault> {
        let written = Filter::keyed(&[Column::To], &numbers(periods, &Keyed::Address(address)));
        if let Some((row, side)) = self.alias_row_and_side(address).await? {
            let of = Filter::keyed(&[Column::Conversation], &Numbers::fixed(vec![row.id]));
            // What goes to a side's alias goes to that side, and what comes from it goes to the other.
            let direction = match (word, side) {
                (Word::To, Side::Customer) | (Word::From, Side::Merchant) => "to_customer",
                (Word::To, Side::Merchant) | (Word::From, Side::Customer) => "to_merchant",
                _ => return Ok(Filter::any(vec![of, written])),
            };
            let of = Filter::all(vec![of, Filter::text(Column::Direction, direction)]);
            // A recipient that was refused may be of no conversation.
            return Ok(if word == Word::From { of } else { Filter::any(vec![of, written]) });
        }
        let text = address.reveal_canonical();
        let local = text.rsplit_once('@').map_or("", |(local, _)| local);
        match self.merchant_row(local).await? {
            Some(row) if address.reveal_domain() == self.domains().merchant() && word != Word::From => {
                let of = Filter::keyed(&[Column::Merchant], &Numbers::fixed(vec![row.id]));
                Ok(Filter::all(vec![of, written]))
            }
            _ if word == Word::From => Ok(Filter::Never),
            _ => Ok(written),
        }
    }
}

/// The numbers of a value in each quarter.
fn numbers(periods: &[Arc<Period>], keyed: &Keyed<'_>) -> Numbers {
    let (registrable, bracketed);
    let numbered = match keyed {
        Keyed::Address(address) => Numbered::Address(address),
        Keyed::Domain(domain) => {
            registrable = senders::registrable(domain);
            Numbered::Domain(&registrable)
        }
        Keyed::Order(no) => Numbered::OrderNo(no),
        Keyed::Login(name) => Numbered::Login(name),
        Keyed::Mailer(name) => Numbered::Mailer(name),
        Keyed::Ip(ip) => Numbered::Ip(*ip),
        Keyed::Net(ip) => Numbered::Net(*ip),
        Keyed::Hash(hash) => Numbered::File(hash),
        Keyed::MessageId(id) => {
            bracketed = format!("<{}>", id.trim_start_matches('<').trim_end_matches('>'));
            Numbered::MessageId(&bracketed)
        }
    };
    Numbers::by_quarter(periods.iter().map(|period| (period.quarter, period.number(numbered))).collect())
}
