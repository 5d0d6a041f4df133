//! Where a secret key lies in memory: on a page of its own that is locked, so that it is not swapped out, and wiped before
//! it is given back.
//!
//! When it fails: where the system lets this process lock no more (RLIMIT_MEMLOCK) the key lies on an ordinary page, and
//! [`LockedKey::is_locked`] says so. Ciphers and MACs that are derived from a key lie on ordinary pages, wiped too.

use zeroize::{Zeroize, Zeroizing};

#[repr(C, align(4096))]
struct Page([u8; 4096]);

/// A 256-bit key. Neither printable nor copyable.
pub(super) struct LockedKey {
    /// Declared first: the lock ends before the page is given back.
    lock: Option<region::LockGuard>,
    page: Box<Page>,
}

impl LockedKey {
    pub fn new(key: &Zeroizing<[u8; 32]>) -> Self {
        let mut page = Box::new(Page([0; 4096]));
        let lock = region::lock(page.0.as_ptr(), page.0.len()).ok();
        for (to, from) in page.0.iter_mut().zip(key.iter()) {
            *to = *from;
        }
        Self { lock, page }
    }

    pub fn bytes(&self) -> &[u8; 32] {
        const NONE: [u8; 32] = [0; 32];
        // A page is longer than a key.
        self.page.0.first_chunk().unwrap_or(&NONE)
    }

    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }
}

impl Drop for LockedKey {
    fn drop(&mut self) {
        self.page.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_lies_on_a_locked_page_that_the_system_knows_of() {
        let key = LockedKey::new(&Zeroizing::new([7; 32]));
        assert_eq!(key.bytes(), &[7; 32]);
        assert!(key.is_locked());
        let at = key.bytes().as_ptr() as usize;
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
