//! The fuzzer: libFuzzer's main calls this with what it makes up. `ANSHIN_TARGET` names the target.
#![no_main]

use anshin_fuzz::targets::TARGETS;
use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("ANSHIN_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("ANSHIN_TARGET is none of the targets")).1
});

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    TARGET(octets);
});
