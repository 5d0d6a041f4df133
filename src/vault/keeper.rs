//! The ring of a running process: read again when its directory changed, and when the time of a new key has come.
//!
//! Rules: a look costs a listing of the directory; files are read only when that differs. A ring that does not read changes
//! nothing: the process goes on with the keys it has.
//! When it fails: [`RingError`], at each look until it succeeds.

use super::{KeyRing, Make, Purpose, RingError, Take, Vault, Wrapping};
use crate::mail::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// What tells one state of the directory from another.
type Listing = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// Keeps the ring of one process.
pub struct Keeper {
    dir: PathBuf,
    wrapping: Arc<Wrapping>,
    take: Take,
    seen: Listing,
    change_at: Option<Timestamp>,
}

impl Keeper {
    /// Opens the ring, and goes on from there.
    ///
    /// # Errors
    /// [`RingError`] when it can't be used.
    pub fn open(
        dir: &Path,
        wrapping: Wrapping,
        take: Take,
        make: Make,
        now: Timestamp,
    ) -> Result<(Self, Vault), RingError> {
        let wrapping = Arc::new(wrapping);
        if make == Make::Missing {
            KeyRing::open_or_begin(dir, wrapping.clone())?.complete(now, &take)?;
        }
        // Listed before it is read: what changes meanwhile is seen by the first look.
        let seen = listing(dir);
        let ring = KeyRing::open_for(dir, wrapping.clone(), &take, Make::Nothing, now)?;
        let vault = Vault::open_at(&ring, now)?;
        Ok((Self { dir: dir.into(), wrapping, take, seen, change_at: ring.next_change(now) }, vault))
    }

    /// The keys anew, if they changed.
    ///
    /// # Errors
    /// [`RingError`] when the ring changed and can't be used as it is.
    pub fn look(&mut self, now: Timestamp) -> Result<Option<Vault>, RingError> {
        let listing = listing(&self.dir);
        let is_due = self.change_at.is_some_and(|at| at <= now);
        if listing == self.seen && !is_due {
            return Ok(None);
        }
        let ring = KeyRing::open_for(&self.dir, self.wrapping.clone(), &self.take, Make::Nothing, now)?;
        let vault = Vault::open_at(&ring, now)?;
        // Only now: what could not be read is tried again, whether or not the directory changes once more.
        self.seen = listing;
        self.change_at = ring.next_change(now);
        Ok(Some(vault))
    }

    /// Takes the leaves of erased data keys out of the ring's tree. How many were still in it.
    ///
    /// # Errors
    /// [`RingError`] when its file can't be read or written; then they are still in it.
    pub fn erase(&self, data_keys: &[i64]) -> Result<usize, RingError> {
        super::erasure_tree::take_out(&self.dir, &self.wrapping, data_keys)
    }

    /// Destroys a key in the ring's directory.
    ///
    /// # Errors
    /// [`RingError`] when its file can't be removed.
    pub fn destroy(&self, purpose: Purpose, name: char) -> Result<(), RingError> {
        let fault = |cause| RingError::Directory { path: self.dir.clone(), cause };
        let lock = std::fs::File::open(&self.dir).map_err(fault)?;
        lock.lock().map_err(fault)?;
        let Ok(name) = u8::try_from(name) else { return Ok(()) };
        super::keyfile::destroy(&self.dir, purpose, name)
    }

    /// The keys that were given last can't be used: the next look gives them again.
    pub fn again(&mut self) {
        self.seen.clear();
    }
}

fn listing(dir: &Path) -> Listing {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut listing: Listing = entries
        .map(|entry| {
            let metadata = entry.metadata().ok();
            let length = metadata.as_ref().map_or(0, std::fs::Metadata::len);
            (entry.path(), metadata.and_then(|metadata| metadata.modified().ok()), length)
        })
        .collect();
    listing.sort();
    listing
}

#[cfg(test)]
mod tests {
    use super::super::{Side, random_bytes};
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_running_process_takes_a_new_key_opens_with_it_at_once_and_seals_with_it_in_time() {
        let name = data_encoding::HEXLOWER.encode(&random_bytes::<8>());
        let dir = std::env::temp_dir().join(format!("anshin-keeper-{name}"));
        let at = |seconds| Timestamp::from_millis(1_000_000).after(Duration::from_secs(seconds));
        let (mut keeper, vault) =
            Keeper::open(&dir, Wrapping::File, Take::Found, Make::Missing, at(0)).unwrap();
        assert_eq!(vault.alias.newest(), b'a');
        assert!(keeper.look(at(1)).unwrap().is_none());
        let mut ring = KeyRing::open_or_begin(&dir, Arc::default()).unwrap();
        ring.make(Purpose::Alias, at(2), Duration::from_secs(60)).unwrap();
        let known = keeper.look(at(3)).unwrap().unwrap();
        assert_eq!(known.alias.newest(), b'a');
        assert!(keeper.look(at(61)).unwrap().is_none());
        let sealing = keeper.look(at(62)).unwrap().unwrap();
        assert_eq!(sealing.alias.newest(), b'b');
        let token = sealing.alias.mint(Side::Customer, 7);
        assert_eq!(known.alias.open(&token), Some((Side::Customer, 7)));
        std::fs::write(dir.join("alias-c.key"), "x").unwrap();
        assert!(keeper.look(at(63)).is_err());
        assert!(keeper.look(at(64)).is_err(), "it is tried again");
        std::fs::remove_file(dir.join("alias-c.key")).unwrap();
        assert!(keeper.look(at(65)).unwrap().is_none(), "it is again as it was");
        keeper.again();
        assert_eq!(keeper.look(at(66)).unwrap().map(|vault| vault.alias.newest()), Some(b'b'));
        assert!(keeper.look(at(67)).unwrap().is_none());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
