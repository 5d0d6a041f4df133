//! Whether octets are a text: for the gate alone.
//!
//! Rules: controls that no text has make a file, unless marks or letters say that two or four octets make a character.
//! When it fails: never.

/// Whether octets are no text: there are controls that no text has, and no marks of a charset that has them.
pub fn is_binary(octets: &[u8]) -> bool {
    let wide = octets.starts_with(&[0xff, 0xfe]) || octets.starts_with(&[0xfe, 0xff]);
    let control =
        |b: &u8| *b < 0x20 && !matches!(b, b'\t' | b'\n' | 0x0b | 0x0c | b'\r' | 0x0e | 0x0f | 0x1b);
    !wide && octets.iter().any(control) && !is_wide(octets)
}

/// Whether the beginning reads as UTF-16 or UTF-32 of either order, with letters of ASCII among them.
fn is_wide(octets: &[u8]) -> bool {
    let head = octets.get(..octets.len().min(512)).unwrap_or_default();
    let reads = |unit: u16| match unit {
        0 | 0x09 | 0x0a | 0x0d | 0x20..=0x7e => true,
        // Beyond the first plane, such as letters of mathematics, a character is two units.
        _ => matches!(unit >> 8, 0x20..=0x22 | 0x24 | 0x30 | 0x4e..=0x9f | 0xd8..=0xdf | 0xff),
    };
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units = head.chunks_exact(2).filter_map(|pair| Some(unit(pair.try_into().ok()?)));
        let (mut all, mut known, mut ascii) = (0usize, 0usize, 0usize);
        for unit in units {
            all += 1;
            known += usize::from(reads(unit));
            ascii += usize::from((0x20..=0x7e).contains(&unit));
        }
        ascii >= 4 && known * 10 >= all * 9
    };
    wide(u16::from_be_bytes) || wide(u16::from_le_bytes)
}
