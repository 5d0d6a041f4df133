//! What can go wrong within the relay, other than what a person asked for wrongly.
//!
//! When it fails: it is what others fail with; it names rows and keys, never what they hold.

use crate::store::StoreFault;
use crate::vault::VaultError;

/// Our breakage.
#[derive(Debug, thiserror::Error)]
pub enum RelayFault {
    #[error(transparent)]
    Store(#[from] StoreFault),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("what is kept in {0} is not what this program wrote")]
    Malformed(&'static str),
    #[error("rows of conversation {0} do not belong together: somebody changed them, or put old ones back")]
    Tampered(i64),
    #[error("this key ring does not belong to this database: {0}")]
    WrongRing(VaultError),
    #[error(
        "this key ring does not belong to this database: {0}.key is another one than before; restore the right file"
    )]
    OtherKey(String),
    #[error(
        "{0}.key is missing from the key ring, and this database needs it; restore the file from its backup"
    )]
    MissingKey(String),
    #[error(
        "the tree of erasure (seal-tree.nodes) in the key ring is missing, or another one than this database was used with; \
         restore the file beside the seal keys"
    )]
    OtherTree,
    #[error(
        "{0} was retired, but this process would seal with it, and nothing could ever open that; bring the key directory of \
         this role up to date from the whole ring"
    )]
    RetiredKey(String),
}

impl RelayFault {
    /// Whether it is one row's own: its key is destroyed, or somebody changed it. It stops no work on others.
    pub(super) fn is_of_one_row(&self) -> bool {
        matches!(
            self,
            Self::Tampered(_) | Self::Vault(VaultError::Destroyed { .. } | VaultError::DoesNotOpen { .. })
        )
    }
}
