//! What keeps keys from leaving the process by the system's own ways: no core dump, no debugger of the same user.
//!
//! When it fails: the process goes on and says so, since an old kernel is no reason to refuse mail.

use crate::vault::Vault;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Called before any key is read.
pub(super) fn harden() {
    // Of the two either is enough against a core file; the first also keeps /proc/PID/mem from others of the same user.
    let dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let limited = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    if dumpable.is_err() && limited.is_err() {
        tracing::warn!(
            event = "core_dumps",
            "core dumps can't be switched off; a crash may write keys to disk"
        );
    }
}

/// Says that keys may be swapped out, where they may.
pub(super) fn warn_unlocked(vault: &Vault) {
    if !vault.is_locked {
        tracing::warn!(
            event = "keys_not_locked",
            "keys may be swapped out: raise LimitMEMLOCK= of the unit (ulimit -l) by 4 KiB for each key, or encrypt the swap"
        );
    }
}
