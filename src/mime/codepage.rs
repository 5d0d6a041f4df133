//! Code pages of Windows by their numbers: the names that mail has for them, and their charsets.
//!
//! Rules: the names are those of the IANA registry where it has one (MS-OXOMSG writes the numbers of the Windows
//! API).
//! When it fails: a number without a charset that can be read is `None`; what is written in it is read as
//! windows-1252, in which ASCII at least is right.

use crate::mime::charset::Charset;

/// The charset's name for a Content-Type.
pub fn label(page: u32) -> Option<&'static str> {
    const ISO_8859: [(u32, &str); 15] = [
        (28591, "iso-8859-1"),
        (28592, "iso-8859-2"),
        (28593, "iso-8859-3"),
        (28594, "iso-8859-4"),
        (28595, "iso-8859-5"),
        (28596, "iso-8859-6"),
        (28597, "iso-8859-7"),
        (28598, "iso-8859-8"),
        (38598, "iso-8859-8-i"),
        (28599, "windows-1254"),
        (28600, "iso-8859-10"),
        (28603, "iso-8859-13"),
        (28604, "iso-8859-14"),
        (28605, "iso-8859-15"),
        (28606, "iso-8859-16"),
    ];
    Some(match page {
        866 => "ibm866",
        874 => "windows-874",
        932 => "shift_jis",
        936 | 20936 => "gbk",
        949 | 51949 => "euc-kr",
        950 => "big5",
        1200 => "utf-16le",
        1201 => "utf-16be",
        1250 => "windows-1250",
        1251 => "windows-1251",
        1252 => "windows-1252",
        1253 => "windows-1253",
        1254 => "windows-1254",
        1255 => "windows-1255",
        1256 => "windows-1256",
        1257 => "windows-1257",
        1258 => "windows-1258",
        10000 => "macintosh",
        10007 => "x-mac-cyrillic",
        20127 => "us-ascii",
        20866 => "koi8-r",
        20932 | 51932 => "euc-jp",
        21866 => "koi8-u",
        50220..=50222 => "iso-2022-jp",
        54936 => "gb18030",
        65001 => "utf-8",
        _ => return ISO_8859.iter().find(|(number, _)| *number == page).map(|(_, name)| *name),
    })
}

/// The charset, or windows-1252 in its place.
pub fn charset(page: u32) -> Charset {
    label(page).and_then(|name| Charset::for_label(name.as_bytes())).unwrap_or(Charset::ASCII)
}
