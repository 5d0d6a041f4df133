//! Looking into documents: what a PDF, an Office file, an archive or an image holds, as texts for a caller who knows
//! whom they must not name; and the same document without the metadata that names its author.
//!
//! Rules: nothing here knows an address; the caller's closure says whether a text names somebody. A text that a
//! program shows in one piece is given in one piece, however the file splits it: also with nothing between its pieces,
//! also with the file's own octets raw. Readers are lenient: what any program might open is looked at, by content, not
//! by name. What is in the clear is searched whatever the structure says. Work and memory are bounded by [`Limits`].
//! When it fails: [`Finding::Opaque`] with the reason, for a document that cannot be searched to its end. It is never
//! called clean on a guess.

mod archive;
mod clean;
mod content;
mod image;
mod inflate;
mod kind;
mod limits;
mod mail;
mod ole;
mod password;
mod pdf;
mod rtf;
mod search;
mod snappy;
mod tiff;
mod xml;
mod zip;

#[cfg(test)]
mod tests;

pub use clean::{Cleaned, without_metadata};
pub use kind::{Kind, kind};
pub use limits::Limits;
pub use password::needs_password;
pub use search::Text;

use search::Search;

/// What became of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Everything was looked at, and nothing named anybody.
    Clean,
    /// The closure said yes.
    Names,
    /// Nothing named anybody as far as it could be read, and that was not all.
    Opaque(Why),
}

/// Why a document could not be searched to its end. Of several, the last one in this list is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Its structure or a compressed part of it is broken.
    Damaged,
    /// It is beyond a bound of [`Limits`].
    TooLarge,
    /// It is compressed in a way that is not read here.
    Unreadable,
    /// It, or a part of it, needs a password.
    Encrypted,
}

/// Searches a document. `names` gets one text after another and says whether it names somebody; the first yes ends
/// the search. What is longer than a window comes in windows that overlap by some KiB.
pub fn scan(octets: &[u8], kind: Kind, limits: &Limits, names: &mut dyn FnMut(Text<'_>) -> bool) -> Finding {
    let mut search = Search::new(*limits, names);
    search.octets(octets);
    structure(octets, kind, &mut search);
    // A file can be two things at once (a self-extracting archive, an image with a ZIP behind it). What a second
    // look does not understand says nothing about the document.
    let told = search.opaque();
    if kind != Kind::Zip && kind::has_zip_end(octets) {
        structure(octets, Kind::Zip, &mut search);
    }
    if !matches!(kind, Kind::Pdf | Kind::Zip) && kind::has_pdf_head(octets) {
        structure(octets, Kind::Pdf, &mut search);
    }
    search.finding(told)
}

/// Looks at what is not in the clear, by kind. The raw octets were given already.
fn structure(octets: &[u8], kind: Kind, search: &mut Search<'_>) {
    if search.is_over() {
        return;
    }
    match kind {
        Kind::Zip => zip::scan(octets, search),
        Kind::Pdf => pdf::scan(octets, search),
        Kind::Jpeg => image::jpeg::scan(octets, search),
        Kind::Png => image::png::scan(octets, search),
        Kind::Gif => image::gif::scan(octets, search),
        Kind::Webp => image::webp::scan(octets, search),
        Kind::Tiff => tiff::scan(octets, search),
        Kind::Heif => image::heif(octets, search),
        Kind::Ole => ole::scan(octets, search),
        Kind::Rtf => rtf::scan(octets, search),
        Kind::Gzip => archive::gzip(octets, search),
        Kind::Zlib => archive::zlib(octets, search),
        Kind::Tar => archive::tar(octets, search),
        Kind::Packed => search.is_opaque(Why::Unreadable),
    }
}

/// Looks at a document within a document, whose raw octets were given already.
fn nested(octets: &[u8], name: &str, search: &mut Search<'_>) {
    if let Some(kind) = kind(octets, name, "") {
        search.deeper(|search| structure(octets, kind, search));
    } else if xml::is_markup(octets) && search.spend(octets.len()) {
        let mut markup = xml::Markup::new(octets);
        markup.push(octets, search);
        markup.finish(search);
    } else if mail::is_mail(octets) {
        search.deeper(|search| mail::scan(octets, search));
    }
}
