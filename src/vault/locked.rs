//! Where keys lie in memory: each on pages of its own that are locked, so that they are not swapped out, and that nothing else
//! lies on, so that unlocking one unlocks no other.
//!
//! Rules: what is put here wipes itself when dropped. Data keys and segments are too many for it; they lie on ordinary pages,
//! wiped too.
//! When it fails: where the system lets this process lock no more (RLIMIT_MEMLOCK) the value lies on ordinary pages, and
//! [`Locked::is_locked`] says so.

use std::ops::Deref;
use zeroize::Zeroizing;

#[repr(align(4096))]
struct OwnPages<T>(T);

/// A value on locked pages.
pub(super) struct Locked<T> {
    /// Declared first: the lock ends before the pages can be another's.
    lock: Option<region::LockGuard>,
    value: Box<OwnPages<T>>,
}

/// A 256-bit key. Neither printable nor copyable.
pub(super) type LockedKey = Locked<Zeroizing<[u8; 32]>>;

impl<T> Locked<T> {
    pub fn new(value: T) -> Self {
        let value = Box::new(OwnPages(value));
        let lock = region::lock(std::ptr::from_ref(&*value), size_of::<OwnPages<T>>()).ok();
        Self { lock, value }
    }

    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }
}

impl<T> Deref for Locked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_lies_on_a_locked_page_that_the_system_knows_of() {
        let key = LockedKey::new(Zeroizing::new([7; 32]));
        assert_eq!(&**key, &[7; 32]);
        assert!(key.is_locked());
        let at = key.as_ptr() as usize;
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            if let Some((range, _)) = line.split_once(' ').filter(|(range, _)| range.contains('-')) {
                let (from, to) = range.split_once('-').unwrap();
                let parse = |text| usize::from_str_radix(text, 16).unwrap();
                inside = (parse(from)..parse(to)).contains(&at);
            } else if inside && line.starts_with("Locked:") {
                assert!(!line.contains(" 0 kB"), "{line}");
                return;
            }
        }
        panic!("the page is in no mapping");
    }
}
