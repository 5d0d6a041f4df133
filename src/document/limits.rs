//! How much work and memory one document may cost.
//!
//! Rules: every reader counts against one set of limits for the whole document, nested documents included.
//! When it fails: never; what is beyond a limit is [`super::Why::TooLarge`].

/// Bounds on the search of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets that may come out of compressed data and stored parts, in all. An octet that is inflated twice counts
    /// twice.
    pub inflated: u64,
    /// Octets of nested documents that may be held at once; a nested archive cannot be read piece by piece.
    pub held: usize,
    /// Members of archives, in all.
    pub members: usize,
    /// Streams of PDF and compound files, chunks of images, in all.
    pub streams: usize,
    /// Documents in documents.
    pub depth: usize,
}

impl Limits {
    /// Times its own size that a document may inflate to.
    pub const RATIO: u64 = 20;
    /// What any document may inflate to, however small it is: 16 MiB.
    pub const LEAST_INFLATED: u64 = 16 << 20;
    /// What no document may exceed: 256 MiB.
    pub const MOST_INFLATED: u64 = 256 << 20;
    /// What a document may hold of nested documents beside its own size, 4 MiB: compound files shrink to a fifth in an
    /// archive.
    pub const MORE_HELD: usize = 4 << 20;
    /// Most members.
    pub const MEMBERS: usize = 10_000;
    /// Most streams and chunks: a PDF of some thousand pages.
    pub const STREAMS: usize = 100_000;
    /// Deepest nesting.
    pub const DEPTH: usize = 4;

    /// The limits for a document of `size` octets.
    #[must_use]
    pub fn for_size(size: usize) -> Self {
        let inflated = u64::try_from(size).unwrap_or(u64::MAX).saturating_mul(Self::RATIO);
        Self {
            inflated: inflated.clamp(Self::LEAST_INFLATED, Self::MOST_INFLATED),
            held: size.saturating_add(Self::MORE_HELD),
            members: Self::MEMBERS,
            streams: Self::STREAMS,
            depth: Self::DEPTH,
        }
    }
}
