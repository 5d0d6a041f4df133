//! Stub
pub mod jpeg {
    pub fn scan(_octets: &[u8], _search: &mut crate::document::search::Search<'_>) {}
}
pub mod png {
    pub fn scan(_octets: &[u8], _search: &mut crate::document::search::Search<'_>) {}
}
pub mod gif {
    pub fn scan(_octets: &[u8], _search: &mut crate::document::search::Search<'_>) {}
}
pub mod webp {
    pub fn scan(_octets: &[u8], _search: &mut crate::document::search::Search<'_>) {}
}
