//! Compound files (MS-CFB): Office documents before 2007, Outlook's messages, encrypted Office documents.
//!
//! Rules: a stream is put together from its sectors, wherever they lie; what its program splits further is put together
//! too (strings of Excel over records). Allocation tables are read where they are, without a copy.
//! When it fails: `Encrypted`; `Damaged` where there is no directory, or a chain leads nowhere.

use super::Why;
use super::content::Content;
use super::search::{OctetWindow, Search};
use super::zip::{u16_at, u32_at};

/// The end of a chain and what else is no sector (§2.1).
const NO_SECTOR: u32 = 0xffff_fffa;
/// Octets of an entry of the directory (§2.6.1).
const ENTRY: usize = 128;
/// Octets of a sector of the mini stream.
const MINI: usize = 64;

/// What one file is.
struct File<'o> {
    octets: &'o [u8],
    sector: usize,
    /// The sectors of the allocation table, in order.
    table: Vec<u32>,
    /// The sectors of the mini stream's allocation table, and of the mini stream.
    mini_table: Vec<u32>,
    mini: Vec<u32>,
    /// Below this size a stream is in the mini stream.
    cutoff: u64,
}

impl<'o> File<'o> {
    fn new(octets: &'o [u8]) -> Option<Self> {
        let sector = 1usize << u16_at(octets, 30).filter(|shift| (7..=16).contains(shift))?;
        let mut file =
            Self { octets, sector, table: Vec::new(), mini_table: Vec::new(), mini: Vec::new(), cutoff: 0 };
        file.cutoff = u64::from(u32_at(octets, 56)?);
        let most = octets.len() / sector + 1;
        let first = (0..109).filter_map(|i| u32_at(octets, 76 + i * 4));
        file.table.extend(first.filter(|sector| *sector < NO_SECTOR));
        // The rest of the list has sectors of its own (§2.5).
        let mut next = u32_at(octets, 68)?;
        for _ in 0..most {
            if next >= NO_SECTOR {
                break;
            }
            let Some(list) = file.at(next) else { break };
            let (places, last) = list.split_at_checked(sector.min(list.len()).saturating_sub(4))?;
            let places = places.chunks_exact(4).filter_map(|four| u32_at(four, 0));
            file.table.extend(places.filter(|sector| *sector < NO_SECTOR).take(most));
            if file.table.len() > most {
                break;
            }
            next = u32_at(last, 0).unwrap_or(NO_SECTOR);
        }
        file.mini_table = file.chain(u32_at(octets, 60)?);
        Some(file)
    }

    /// A sector, as far as it is there.
    fn at(&self, sector: u32) -> Option<&'o [u8]> {
        let from = usize::try_from(sector).ok()?.checked_add(1)?.checked_mul(self.sector)?;
        let rest = self.octets.get(from..).filter(|rest| !rest.is_empty())?;
        Some(rest.get(..self.sector).unwrap_or(rest))
    }

    /// The number at a place of an allocation table that lies in these sectors.
    fn entry(&self, table: &[u32], index: u32) -> Option<u32> {
        let index = usize::try_from(index).ok()?;
        let each = self.sector / 4;
        u32_at(self.at(*table.get(index / each)?)?, index % each * 4)
    }

    /// The sectors of a chain; no longer than the file, so that a ring ends.
    fn chain(&self, first: u32) -> Vec<u32> {
        let most = self.octets.len() / self.sector + 1;
        let next = |sector: &u32| self.entry(&self.table, *sector).filter(|next| *next < NO_SECTOR);
        std::iter::successors(Some(first).filter(|first| *first < NO_SECTOR), next).take(most).collect()
    }

    /// Gives a stream piece by piece. Says whether its chain is as long as the stream.
    fn stream(&self, first: u32, size: u64, each: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let is_mini = size < self.cutoff;
        let (mut sector, mut left) = (first, size);
        while left > 0 {
            let piece = if is_mini { self.mini_at(sector) } else { self.at(sector) };
            let Some(piece) = piece else { return false };
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            if !each(piece.get(..length).unwrap_or_default()) {
                return true;
            }
            left -= u64::try_from(length).unwrap_or(left);
            let table = if is_mini { &self.mini_table } else { &self.table };
            sector = self.entry(table, sector).unwrap_or(NO_SECTOR);
        }
        true
    }

    fn mini_at(&self, sector: u32) -> Option<&'o [u8]> {
        let from = usize::try_from(sector).ok()?.checked_mul(MINI)?;
        let within = self.at(*self.mini.get(from / self.sector)?)?;
        within
            .get(from % self.sector..)
            .map(|rest| rest.get(..MINI).unwrap_or(rest))
            .filter(|m| !m.is_empty())
    }
}

pub fn scan(octets: &[u8], search: &mut Search<'_>) {
    let Some(mut file) = File::new(octets) else { return search.is_opaque(Why::Damaged) };
    let directory = file.chain(u32_at(octets, 48).unwrap_or(NO_SECTOR));
    let mut has_root = false;
    for sector in directory {
        let entries = file.at(sector).unwrap_or_default();
        for entry in entries.chunks_exact(ENTRY) {
            let first = u32_at(entry, 116).unwrap_or(NO_SECTOR);
            match entry.get(66) {
                Some(5) if !has_root => {
                    has_root = true;
                    file.mini = file.chain(first);
                }
                Some(2) => {
                    if !search.stream() {
                        return;
                    }
                    one(&file, entry, first, search);
                }
                _ => {}
            }
        }
    }
    if !has_root {
        search.is_opaque(Why::Damaged);
    }
}

/// One stream by its entry in the directory.
fn one(file: &File<'_>, entry: &[u8], first: u32, search: &mut Search<'_>) {
    let length = usize::from(u16_at(entry, 64).unwrap_or(0)).clamp(2, 64);
    let name = entry.get(..length - 2).unwrap_or_default();
    let name = encoding_rs::UTF_16LE.decode_without_bom_handling(name).0.into_owned();
    search.unicode(&name);
    let high = if file.sector > 512 { u32_at(entry, 124).unwrap_or(0) } else { 0 };
    let size = u64::from(high) << 32 | u64::from(u32_at(entry, 120).unwrap_or(0));
    let mut content = Content::new("");
    let mut records = matches!(name.as_str(), "Workbook" | "Book").then(Records::default);
    let mut head = Vec::new();
    let is_whole = file.stream(first, size, &mut |piece| {
        if head.len() < MINI {
            head.extend(piece.iter().take(MINI));
        }
        content.push(piece, search);
        if let Some(records) = &mut records {
            records.push(piece, search);
        }
        search.spend(piece.len())
    });
    content.finish(search);
    let mut is_encrypted = match name.as_str() {
        "EncryptedPackage" => true,
        // MS-DOC §2.5.2: fEncrypted, fObfuscated.
        "WordDocument" => {
            u16_at(&head, 0) == Some(0xa5ec) && u16_at(&head, 10).is_some_and(|f| f & 0x8100 != 0)
        }
        // MS-PPT §2.3.2: headerToken.
        "Current User" => u32_at(&head, 12) == Some(0xf3d1_c4df),
        _ => false,
    };
    if let Some(records) = records {
        is_encrypted |= records.finish(search);
    }
    if is_encrypted {
        search.is_opaque(Why::Encrypted);
    } else if !is_whole {
        search.is_opaque(Why::Damaged);
    }
}

/// The records of a workbook (MS-XLS §2.1.4): the strings of its cells go on over the edges of records.
#[derive(Default)]
struct Records {
    header: Vec<u8>,
    left: usize,
    kind: u16,
    /// Whether the next octet says how the string goes on (§2.5.293).
    at_edge: bool,
    strings: OctetWindow,
    is_encrypted: bool,
}

impl Records {
    const FILE_PASS: u16 = 0x002f;
    const CONTINUE: u16 = 0x003c;

    fn push(&mut self, octets: &[u8], search: &mut Search<'_>) {
        let mut rest = octets;
        while !rest.is_empty() {
            if self.left > 0 {
                let (now, later) = rest.split_at_checked(self.left).unwrap_or((rest, &[]));
                self.left -= now.len();
                rest = later;
                let skip = usize::from(std::mem::take(&mut self.at_edge));
                self.strings.push(now.get(skip..).unwrap_or_default(), search);
                continue;
            }
            let (now, later) = rest.split_at_checked(4 - self.header.len()).unwrap_or((rest, &[]));
            self.header.extend_from_slice(now);
            rest = later;
            if let (Some(kind), Some(length), 4) =
                (u16_at(&self.header, 0), u16_at(&self.header, 2), self.header.len())
            {
                self.kind = kind;
                self.left = usize::from(length);
                self.at_edge = kind == Self::CONTINUE;
                self.is_encrypted |= kind == Self::FILE_PASS;
                self.header.clear();
            }
        }
    }

    /// Says whether the workbook is encrypted.
    fn finish(mut self, search: &mut Search<'_>) -> bool {
        self.strings.finish(search);
        self.is_encrypted
    }
}
