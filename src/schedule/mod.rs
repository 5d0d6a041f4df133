//! What the scheduler decides: which class goes first, how many attempts a destination gets, when a dead one is probed,
//! when a delivery is tried again, and when its sender must be told.
//!
//! Rules: this floor is pure. Time and randomness are arguments, nothing is read or sent, so that years of queue run in
//! a second of simulation (`tests/fuzz/src/simulation`). It sees destinations as keyed indexes, never a domain.
//! When it fails: never; every input has an answer.

mod backoff;
mod board;
mod class;
mod deadline;
mod others;
mod refusals;
mod rooms;
mod shape;
mod site;
mod suppression;
mod suspicion;
mod window;

pub use backoff::{BackOff, NextAttempt};
pub use board::{Board, Bounds, Effect, Word, at_once};
pub use class::Class;
pub use deadline::{Blocked, Deadlines, Look, Told};
pub use others::Resting;
pub use refusals::Standing;
pub use rooms::{Groups, Key, Left, Rooms};
pub use shape::{Rate, Shape};
pub use site::Site;
pub use suppression::{Suppression, means_for_good};
pub use window::Rest;
