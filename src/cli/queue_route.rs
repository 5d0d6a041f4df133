//! `anshin queue route`: waiting mail goes another way.
//!
//! Rules: of many each is moved by itself, with its record; what is under way or ended meanwhile is counted and left. A next hop
//! is held to residency as a smarthost of the configuration is.

use super::arguments::Common;
use super::output::{Failure, print};
use super::residency;
use crate::config::Config;
use crate::egress::{NextHop, TlsPolicy};
use crate::relay::{QueueFault, Relay};
use crate::store::QueueFilter;
use serde_json::json;

/// What is moved.
pub(super) enum Chosen {
    One(i64),
    All(QueueFilter),
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
    // The name of a route, which says itself how TLS is used.
    let named = config.egress.routes.iter().find(|route| route.domain.to_string() == to);
    let (to, tls) = named.map_or_else(
        || (to.to_owned(), tls.to_owned()),
        |route| (route.next_hop.to_string(), route.tls.as_str().to_owned()),
    );
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
    let (mut moved, mut left) = (0, 0);
    match chosen {
        Chosen::One(message) => {
            relay.reroute(message, to.clone()).await?;
            moved = 1;
        }
        Chosen::All(filter) => {
            let filter = QueueFilter { state: Some("waiting".into()), ..filter };
            for row in relay.store().queue(&filter).await? {
                match relay.reroute(row.message_id, to.clone()).await {
                    Ok(()) => moved += 1,
                    Err(QueueFault::Fault(fault)) => return Err(fault.into()),
                    Err(_) => left += 1,
                }
            }
        }
    }
    relay.store().ring();
    let way = to.map_or_else(|| "dns".to_owned(), |(next_hop, _)| next_hop);
    let text = format!("{moved} go to {way} now; {left} were in delivery or had ended, and stay as they are");
    print(common, &json!({ "moved": moved, "left": left, "to": way }), &text);
    Ok(())
}
