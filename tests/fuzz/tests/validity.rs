//! Finished messages before other parsers: the relay's own test, which needs none of the floors below.
extern crate anshin_fuzz as anshin;
#[path = "../../it/validity.rs"]
mod validity;
