//! `anshin queue route`: waiting mail goes another way.
//!
//! Rules: of many each is moved by itself, with its record; what is under way or ended meanwhile is counted and left. A next hop
//! is held to residency as a smarthost of the configuration is.

use super::arguments::Common;
use super::output::{Failure, print};
use super::queue_many::{Chosen, Tally, each};
use super::residency;
use crate::config::Config;
use crate::egress::{NextHop, TlsPolicy};
use crate::relay::Relay;
use serde_json::json;

/// A next hop in the words of the configuration where the name is that of a route there, which says itself how TLS is used.
pub(super) fn named(config: &Config, name: &str) -> (String, Option<String>) {
    let route = config.egress.routes.iter().find(|route| route.domain.to_string() == name);
    match route {
        Some(route) => (route.next_hop.to_string(), Some(route.tls.as_str().to_owned())),
        None => (name.to_owned(), None),
    }
}

/// Where to: a next hop and its TLS policy, or nothing for where the domain goes.
pub(super) async fn next_hop(
    config: &Config,
    to: &str,
    tls: &str,
) -> Result<Option<(String, String)>, Failure> {
    if to == "dns" {
        return Ok(None);
    }
    let (to, own_tls) = named(config, to);
    let tls = own_tls.unwrap_or_else(|| tls.to_owned());
    let wrong = |fault| Failure::new(format!("--to: {fault}"));
    let hop = NextHop::parse(&to).map_err(wrong)?;
    TlsPolicy::parse(&tls).map_err(wrong)?;
    residency::next_hop(config, &hop.host.to_string()).await?;
    Ok(Some((to, tls)))
}

pub(super) async fn run(
    common: &Common,
    relay: &Relay,
    chosen: Chosen,
    to: Option<(String, String)>,
) -> Result<(), Failure> {
    let tally = match chosen {
        Chosen::One(message) => {
            relay.reroute(message, to.clone()).await?;
            Tally { moved: 1, ..Tally::default() }
        }
        Chosen::Many(filter) => {
            each(relay, filter, async |message| relay.reroute(message, to.clone()).await).await?
        }
    };
    let way = to.map_or_else(|| "dns".to_owned(), |(next_hop, _)| next_hop);
    let document = json!({ "moved": tally.moved, "left": tally.left(), "why": tally.left, "to": way });
    print(common, &document, &format!("{} go to {way} now{}", tally.moved, tally.rest()));
    Ok(())
}
