//! The two layers of a TNEF stream: its attributes, and the MAPI properties in some of them.
//!
//! Rules: MS-OXTNEF §2.1.3 (attributes: level, number, length, octets, checksum) and §2.1.3.4 (properties: fixed,
//! variable and multi-valued ones, named ones with their set). Checksums are not compared: most programs show what
//! has a wrong one.
//! When it fails: the iteration ends, and [`Attributes::is_damaged`] or [`Properties::is_damaged`] says so.

use crate::mime::slice;

/// Little-endian numbers and stretches from the front of a buffer.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    pub rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(octets)?;
        self.rest = tail;
        Some(head)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A length before its octets.
    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    /// Octets that are filled up to a multiple of four. The last ones of a stream may lack the filling.
    fn padded(&mut self, octets: usize) -> Option<&'a [u8]> {
        let taken = self.take(octets)?;
        let filling = (4 - octets % 4) % 4;
        self.rest = self.rest.get(filling..).unwrap_or_default();
        Some(taken)
    }
}

/// One attribute.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a> {
    /// The lower half of the number: the upper one only repeats the type.
    pub id: u16,
    pub octets: &'a [u8],
    /// Whether all its octets are there.
    pub whole: bool,
}

/// The attributes of a stream, from behind its key.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    reader: Reader<'a>,
    is_damaged: bool,
}

impl<'a> Attributes<'a> {
    pub fn new(octets: &'a [u8]) -> Self {
        Self { reader: Reader { rest: octets }, is_damaged: false }
    }

    /// Whether the iteration ended before the stream did.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    fn read(&mut self) -> Option<Attribute<'a>> {
        let level = self.reader.u8()?;
        let id = self.reader.u16()?;
        self.reader.u16()?;
        let length = self.reader.length()?;
        if !matches!(level, 1 | 2) {
            return None;
        }
        if let Some(octets) = self.reader.take(length) {
            // The last checksum is missing where a program cut the stream to what it thinks is its content.
            self.reader.rest = self.reader.rest.get(2..).unwrap_or_default();
            return Some(Attribute { id, octets, whole: true });
        }
        let octets = std::mem::take(&mut self.reader.rest);
        self.is_damaged = true;
        Some(Attribute { id, octets, whole: false })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // Transport leaves line ends and NULs behind.
        if self.is_damaged || self.reader.rest.iter().all(|b| matches!(b, 0 | b'\r' | b'\n' | b' ')) {
            return None;
        }
        let read = self.read();
        self.is_damaged |= read.is_none();
        read
    }
}

/// The types of a property that matter here (MS-OXCDATA §2.11.1).
pub mod kind {
    pub const LONG: u16 = 0x0003;
    pub const BOOLEAN: u16 = 0x000b;
    pub const OBJECT: u16 = 0x000d;
    pub const STRING8: u16 = 0x001e;
    pub const UNICODE: u16 = 0x001f;
    pub const TIME: u16 = 0x0040;
    pub const BINARY: u16 = 0x0102;
    /// Set where a property has several values.
    pub const MULTIPLE: u16 = 0x1000;
}

/// A property with its (first) value.
#[derive(Debug, Clone, Copy)]
pub struct Property<'a> {
    pub id: u16,
    /// Set and number of a named property.
    pub named: Option<(&'a [u8], u32)>,
    pub kind: u16,
    pub value: &'a [u8],
}

/// The properties of an attribute.
#[derive(Debug, Clone)]
pub struct Properties<'a> {
    reader: Reader<'a>,
    left: u32,
    is_damaged: bool,
}

impl<'a> Properties<'a> {
    pub fn new(octets: &'a [u8]) -> Self {
        let mut reader = Reader { rest: octets };
        let count = reader.u32();
        Self { reader, left: count.unwrap_or(0), is_damaged: count.is_none() && !octets.is_empty() }
    }

    /// Whether the iteration ended before the announced number.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    fn read(&mut self) -> Option<Property<'a>> {
        let kind = self.reader.u16()?;
        let id = self.reader.u16()?;
        let mut named = None;
        if id >= 0x8000 {
            let set = self.reader.take(16)?;
            if self.reader.u32()? == 0 {
                named = Some((set, self.reader.u32()?));
            } else {
                let length = self.reader.length()?;
                self.reader.padded(length)?;
            }
        }
        let single = kind & !kind::MULTIPLE;
        // Variable ones always say how many they are.
        let is_variable = matches!(single, kind::OBJECT | kind::STRING8 | kind::UNICODE | kind::BINARY);
        let count = if is_variable || kind != single { self.reader.u32()? } else { 1 };
        let mut value: &[u8] = &[];
        for i in 0..count {
            let one = if is_variable {
                let length = self.reader.length()?;
                self.reader.padded(length)?
            } else {
                self.reader.padded(width(single)?)?
            };
            // What takes no room could go on for ever.
            if one.is_empty() && !is_variable {
                break;
            }
            if i == 0 {
                value = one;
            }
        }
        Some(Property { id, named, kind, value })
    }
}

impl<'a> Iterator for Properties<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 || self.is_damaged {
            return None;
        }
        self.left -= 1;
        let read = self.read();
        self.is_damaged |= read.is_none();
        read
    }
}

/// How many octets a value of a fixed type has.
fn width(kind: u16) -> Option<usize> {
    match kind {
        0x0000 | 0x0001 => Some(0),
        0x0002 | kind::BOOLEAN => Some(2),
        kind::LONG | 0x0004 | 0x000a => Some(4),
        0x0005..=0x0007 | 0x0014 | kind::TIME => Some(8),
        0x0048 => Some(16),
        _ => None,
    }
}

/// The text of a value up to its NUL, without it.
pub fn until_nul(octets: &[u8], unit: usize) -> &[u8] {
    let end = octets.chunks_exact(unit.max(1)).position(|c| c.iter().all(|b| *b == 0));
    slice(octets, 0..end.map_or(octets.len() / unit.max(1), |n| n) * unit.max(1))
}
