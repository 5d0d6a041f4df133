//! The one source of secret randomness: the operating system's generator.

/// Several values at once, in one call of the system.
pub(super) fn random_chunks<const N: usize, const M: usize>() -> [[u8; N]; M] {
    let mut chunks = [[0_u8; N]; M];
    if getrandom::fill(chunks.as_flattened_mut()).is_err() {
        std::process::abort();
    }
    chunks
}

/// Fresh random bytes for keys, nonces and ids.
///
/// The system generator cannot fail once the machine has booted (getrandom(2)); if it does, nothing that follows
/// could be safe, so the process ends.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    if getrandom::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}
