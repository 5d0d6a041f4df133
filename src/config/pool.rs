//! `[[egress.pool]]`: addresses that only some mail is sent from.
//!
//! Rules: a pool is named by a route, by a shape, or as `notice_pool` or `bulk_pool`; the first of these that a mail has
//! counts, and all other mail goes from `egress.source_addresses`.

use super::egress::Egress;
use super::kind;
use super::listen;
use super::reader::{Context, Flaw, Reader};
use super::tree::Value;
use serde::Serialize;
use std::collections::HashSet;
use std::net::IpAddr;

/// `[[egress.pool]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pool {
    pub name: String,
    /// At least one.
    pub source_addresses: Vec<IpAddr>,
}

impl Pool {
    pub(super) fn read_all(r: &mut Reader) -> Vec<Self> {
        let count = r.tables("egress.pool");
        (1..=count).filter_map(|i| Self::read(r, i)).collect()
    }

    fn read(r: &mut Reader, i: usize) -> Option<Self> {
        let key = |name: &str| format!("egress.pool[{i}].{name}");
        let name = r.required(
            &key("name"),
            "name it, so that a route or a shape can: \"bulk\", such as",
            kind::label,
        );
        let addresses = r.required(
            &key("source_addresses"),
            "list addresses of this machine, such as [\"192.0.2.1\", \"2001:db8::1\"]",
            kind::list(source),
        );
        Some(Self { name: name?, source_addresses: addresses? })
    }
}

/// Whether each pool has a name of its own and addresses, and each name that is used is a pool's.
pub(super) fn check(egress: &Egress, r: &mut Reader) {
    let mut names = HashSet::new();
    for (pool, i) in egress.pools.iter().zip(1..) {
        if !names.insert(pool.name.as_str()) {
            let key = format!("egress.pool[{i}].name");
            r.refuse(&key, "names a pool that there is already", "give each pool a name of its own");
        }
        if pool.source_addresses.is_empty() {
            let key = format!("egress.pool[{i}].source_addresses");
            r.refuse(&key, "is empty: nothing can be sent from there", "list addresses, or remove the pool");
        }
    }
    let routes =
        egress.routes.iter().zip(1..).map(|(route, i)| (format!("egress.route[{i}].pool"), &route.pool));
    let shapes =
        egress.shapes.iter().zip(1..).map(|(shape, i)| (format!("egress.shape[{i}].pool"), &shape.pool));
    let kinds = [("egress.notice_pool", &egress.notice_pool), ("egress.bulk_pool", &egress.bulk_pool)];
    let kinds = kinds.map(|(key, pool)| (key.to_owned(), pool));
    for (key, pool) in routes.chain(shapes).chain(kinds) {
        if let Some(name) = pool
            && !names.contains(name.as_str())
        {
            let reason = format!("{} is no pool", kind::quote(name));
            r.refuse(&key, reason, "write a [[egress.pool]] of that name, or another name");
        }
    }
}

/// An address to send from.
pub(super) fn source(value: &Value, context: &Context) -> Result<IpAddr, Flaw> {
    let ip = listen::ip(value, context)?;
    if ip.is_unspecified() || ip.is_multicast() {
        return Err(Flaw::new(
            format!("{ip} is no address to send from"),
            "write addresses of this machine, or none",
        ));
    }
    Ok(ip)
}
