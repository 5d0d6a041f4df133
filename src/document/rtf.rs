//! TIFF
use super::search::Search;
pub fn scan(_octets: &[u8], _search: &mut Search<'_>) {}
