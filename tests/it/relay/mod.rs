//! The running relay, from outside: the real binary on real databases, real sockets and real mail programs.
//!
//! Rules: a test says in its name what would be wrong if it failed; each has a relay of its own; every person in it
//! has a needle that is searched for when the relay is dropped ([`watch`]).

mod client;
mod http;
mod leaving;
mod letter;
mod mailbox;
mod process;
mod proxy;
mod scene;
mod watch;
mod wire;

mod api;
mod at_rest;
mod audit_tree;
mod automatic;
mod blocklists;
mod both_ways;
mod carriers;
mod clients;
mod clock;
mod commands;
mod correction;
mod decisions;
mod database_file;
mod dialogues;
mod dns_check;
mod door;
mod erasure;
mod evidence;
mod erasures_api;
mod export;
mod facts;
mod failover;
mod failures;
mod full_disk;
mod holds;
mod keys;
mod kills;
mod lifecycle;
mod log_search;
mod log_trace;
mod logins;
mod machines;
mod outages;
mod postmaster;
mod searcher;
mod secure_delivery;
mod programs;
mod providers;
mod queue_moves;
mod rolling;
mod rotation;
mod residency;
mod staff;
mod routes;
mod senders;
mod senders_rows;
mod senders_table;
mod sessions;
mod signatures;
mod spf;
mod torture;
