//! The tree of erasure: a secret from which each data key has a leaf of its own, and from which single leaves can be taken out
//! for good.
//!
//! A data key is wrapped under a seal key of the ring and its leaf together (`seal.rs`). The leaf of id `n` is what remains after
//! 64 steps from the root, each of which hashes a seed with one bit of `n` (the construction of Goldreich, Goldwasser and
//! Micali, punctured as by Boneh and Waters 2013). To erase is to put in place of the root what hangs beside the way to
//! the leaf: all other leaves come out as before, and this one can't be computed any more by anybody who has the tree as it is
//! now. So a copy of the database, however old, opens nothing that was erased since, and all the rest.
//!
//! Rules: the tree lies in one file of the ring, `seal-tree.nodes`, never in the database. Each erased key adds at most 64 nodes
//! of 41 octets, less where two share a way.
//! When it fails: [`RingError`]; then nothing was taken out.

use super::keyfile::{self, Over};
use super::ring::RingError;
use super::wrapping::Wrapping;
use super::{aead, random_bytes};
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const DEPTH: u32 = 64;
const NODE: usize = 41;
/// What a provider binds the file's key to.
const BOUND: &str = "seal-tree";

type Seed = Zeroizing<[u8; 32]>;

/// The tree, as far as it stands.
pub struct Tree {
    /// What tells it from another tree; stays the same whatever is taken out.
    id: String,
    /// What keeps the key of its file.
    wrapped_by: String,
    /// By the first id below each: how many bits of it are fixed, and the seed.
    nodes: BTreeMap<u64, (u32, Seed)>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TreeFile {
    id: String,
    /// The key of the nodes, which is another one each time they are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrapped: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrapped_by: Option<String>,
    nodes: String,
}

fn child(seed: &Seed, bit: u64) -> Seed {
    let hash = Sha256::new().chain_update(b"anshin tree 1\0").chain_update(seed.as_slice());
    Zeroizing::new(hash.chain_update([u8::from(bit == 1)]).finalize().into())
}

/// The bit of an id that is decided below so many fixed ones.
fn bit(id: u64, fixed: u32) -> u64 {
    id.checked_shr(DEPTH - 1 - fixed).unwrap_or(0) & 1
}

impl Tree {
    fn new() -> Self {
        let root = (0, Zeroizing::new(random_bytes()));
        let id = HEXLOWER.encode(&random_bytes::<8>());
        Self { id, wrapped_by: Wrapping::File.name(), nodes: BTreeMap::from([(0, root)]) }
    }

    /// What tells it from another tree.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The first id of the node above an id, if it stands.
    fn above(&self, id: u64) -> Option<u64> {
        let (first, (fixed, _)) = self.nodes.range(..=id).next_back()?;
        let free = DEPTH - fixed;
        (id.checked_shr(free) == first.checked_shr(free)).then_some(*first)
    }

    /// The leaf of a data key; `None` once it was taken out.
    pub(super) fn leaf(&self, id: i64) -> Option<Seed> {
        let id = id.cast_unsigned();
        let (fixed, seed) = self.nodes.get(&self.above(id)?)?;
        Some((*fixed..DEPTH).fold(seed.clone(), |seed, fixed| child(&seed, bit(id, fixed))))
    }

    /// Takes a leaf out. `false` when it was out already.
    fn take_out(&mut self, id: i64) -> bool {
        let id = id.cast_unsigned();
        let Some((fixed, mut seed)) = self.above(id).and_then(|first| self.nodes.remove(&first)) else {
            return false;
        };
        for fixed in fixed..DEPTH {
            let own = bit(id, fixed);
            let place = 1_u64 << (DEPTH - 1 - fixed);
            // The other side's first id: the bits above are the same, this one is the other, those below are zero.
            let first = (id & !(place | (place - 1))) | if own == 1 { 0 } else { place };
            self.nodes.insert(first, (fixed + 1, child(&seed, 1 - own)));
            seed = child(&seed, own);
        }
        true
    }

    fn to_octets(&self) -> Zeroizing<Vec<u8>> {
        let mut octets = Zeroizing::new(Vec::with_capacity(self.nodes.len() * NODE));
        for (first, (fixed, seed)) in &self.nodes {
            octets.push(u8::try_from(*fixed).unwrap_or(u8::MAX));
            octets.extend_from_slice(&first.to_be_bytes());
            octets.extend_from_slice(&**seed);
        }
        octets
    }

    fn from_octets(octets: &[u8]) -> Option<BTreeMap<u64, (u32, Seed)>> {
        let (nodes, rest) = octets.as_chunks::<NODE>();
        let read = |node: &[u8; NODE]| {
            let (fixed, rest) = node.split_first()?;
            let (first, seed) = rest.split_first_chunk::<8>()?;
            let seed = Zeroizing::new(<[u8; 32]>::try_from(seed).ok()?);
            (u32::from(*fixed) <= DEPTH).then_some((u64::from_be_bytes(*first), (u32::from(*fixed), seed)))
        };
        rest.is_empty().then(|| nodes.iter().map(read).collect::<Option<_>>()).flatten()
    }
}

fn path_of(dir: &Path) -> PathBuf {
    dir.join("seal-tree.nodes")
}

/// Reads the tree of a ring. `None` where there is none.
pub(super) fn read(dir: &Path, wrapping: &Wrapping) -> Result<Option<Tree>, RingError> {
    let path = path_of(dir);
    if !path.exists() {
        return Ok(None);
    }
    let fault = |cause| RingError::File { path: path.clone(), cause };
    let malformed = |reason| RingError::Malformed { path: path.clone(), reason };
    let mode = fs::metadata(&path).map_err(fault)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(RingError::Exposed { path, mode });
    }
    let text = Zeroizing::new(fs::read_to_string(&path).map_err(fault)?);
    let file: TreeFile = toml::from_str(&text).map_err(|_| malformed("this is no tree of erasure"))?;
    let wrapped_by = file.wrapped_by.clone().unwrap_or_else(|| Wrapping::File.name());
    let decoded = |text: &str| BASE64.decode(text.as_bytes()).map_err(|_| malformed("it has no base64"));
    let key = match (file.key, file.wrapped, file.wrapped_by) {
        (Some(key), None, None) => {
            let key = Zeroizing::new(decoded(&Zeroizing::new(key))?);
            Zeroizing::new(<[u8; 32]>::try_from(key.as_slice()).map_err(|_| malformed("its key is none"))?)
        }
        (None, Some(wrapped), Some(by)) => wrapping
            .unwrap(BOUND, &by, &decoded(&wrapped)?)
            .map_err(|cause| RingError::Wrapping { path: path.clone(), cause })?,
        _ => return Err(malformed("it has not one key")),
    };
    let octets = aead::decrypt(&aead::Cipher::new(&key), file.id.as_bytes(), &decoded(&file.nodes)?);
    let nodes = octets.and_then(|octets| Tree::from_octets(&octets));
    Ok(Some(Tree { id: file.id, wrapped_by, nodes: nodes.ok_or(malformed("its nodes do not open"))? }))
}

/// Makes the tree of a ring that has none.
pub(super) fn make(dir: &Path, wrapping: &Wrapping) -> Result<(), RingError> {
    if path_of(dir).exists() { Ok(()) } else { write(dir, wrapping, &Tree::new(), Over::Nothing) }
}

/// Writes the tree anew whose file's key lies otherwise wrapped. Whether it did.
pub(super) fn wrap_anew(dir: &Path, wrapping: &Wrapping) -> Result<bool, RingError> {
    match read(dir, wrapping)? {
        Some(tree) if tree.wrapped_by != wrapping.name() => {
            write(dir, wrapping, &tree, Over::ItsFile).map(|()| true)
        }
        _ => Ok(false),
    }
}

/// Takes the leaves of data keys out of the tree of a ring. How many were still there.
///
/// # Errors
/// [`RingError`] when the file can't be read or written; then none is taken out.
pub(super) fn take_out(dir: &Path, wrapping: &Wrapping, keys: &[i64]) -> Result<usize, RingError> {
    // Processes that share the directory write one after the other.
    let fault = |cause| RingError::Directory { path: dir.into(), cause };
    let lock = fs::File::open(dir).map_err(fault)?;
    lock.lock().map_err(fault)?;
    let Some(mut tree) = read(dir, wrapping)? else { return Ok(0) };
    let count = keys.iter().filter(|id| tree.take_out(**id)).count();
    if count > 0 {
        write(dir, wrapping, &tree, Over::ItsFile)?;
    }
    Ok(count)
}

fn write(dir: &Path, wrapping: &Wrapping, tree: &Tree, over: Over) -> Result<(), RingError> {
    let path = path_of(dir);
    let fresh = Zeroizing::new(random_bytes::<32>());
    let mut nodes = Vec::new();
    let cipher = aead::Cipher::new(&fresh);
    aead::encrypt_into(&cipher, aead::nonce(), tree.id.as_bytes(), &tree.to_octets(), &mut nodes);
    let wrapped =
        wrapping.wrap(BOUND, &fresh).map_err(|cause| RingError::Wrapping { path: path.clone(), cause })?;
    let (by, wrapped) = wrapped.unzip();
    let file = TreeFile {
        id: tree.id.clone(),
        key: wrapped.is_none().then(|| BASE64.encode(&*fresh)),
        wrapped: wrapped.map(|wrapped| BASE64.encode(&wrapped)),
        wrapped_by: by,
        nodes: BASE64.encode(&nodes),
    };
    let text = toml::to_string(&file)
        .map_err(|_| RingError::Malformed { path: path.clone(), reason: "it can't be written" })?;
    let text = Zeroizing::new(format!(
        "# The tree of erasure of Anshin Mail. Who has an older copy of it opens what was erased since: back it up apart\n\
         # from the database, and keep no copy for longer than a week.\n{text}"
    ));
    keyfile::write_whole(&path, text.as_bytes(), 0o600, over)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_out_is_gone_and_every_other_leaf_is_what_it_was() {
        let mut tree = Tree::new();
        let ids = [0, 1, 2, 3, 1 << 40, i64::MAX - 1, i64::MAX, -1, i64::MIN, 0x5555_5555_5555_5555];
        let before: Vec<_> = ids.map(|id| tree.leaf(id).unwrap()).into();
        for (i, a) in before.iter().enumerate() {
            assert!(before.iter().skip(i + 1).all(|b| a != b));
        }
        for (out, gone) in ids.iter().enumerate() {
            assert!(tree.take_out(*gone));
            assert!(!tree.take_out(*gone));
            tree.nodes = Tree::from_octets(&tree.to_octets()).unwrap();
            for (i, id) in ids.iter().enumerate() {
                assert_eq!(tree.leaf(*id).as_ref(), (i > out).then(|| &before[i]), "{gone} {id}");
            }
        }
        assert!(tree.nodes.len() <= ids.len() * 64);
        assert!(tree.leaf(4).is_some());
    }

    #[test]
    fn the_file_is_the_owners_keeps_its_name_and_is_written_anew_whole() {
        let name = HEXLOWER.encode(&random_bytes::<8>());
        let dir = std::env::temp_dir().join(format!("anshin-tree-{name}"));
        fs::create_dir(&dir).unwrap();
        assert!(read(&dir, &Wrapping::File).unwrap().is_none());
        assert_eq!(take_out(&dir, &Wrapping::File, &[7]).unwrap(), 0);
        make(&dir, &Wrapping::File).unwrap();
        let first = read(&dir, &Wrapping::File).unwrap().unwrap();
        make(&dir, &Wrapping::File).unwrap();
        assert_eq!(take_out(&dir, &Wrapping::File, &[7, 9, 7]).unwrap(), 2);
        assert_eq!(take_out(&dir, &Wrapping::File, &[7, 9]).unwrap(), 0);
        let then = read(&dir, &Wrapping::File).unwrap().unwrap();
        assert_eq!((first.id(), first.leaf(8)), (then.id(), then.leaf(8)));
        assert!(then.leaf(7).is_none() && then.leaf(9).is_none() && first.leaf(7).is_some());
        fs::set_permissions(path_of(&dir), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&dir, &Wrapping::File), Err(RingError::Exposed { .. })));
        fs::remove_dir_all(dir).unwrap();
    }
}
