//! A file to whose end signed notes are added: whole, on the disk, or not at all.
//!
//! Rules: processes that share a file take turns. What a full disk or a power cut has left of a note is cut off before the next
//! one is added, and whenever the file is opened: half a note would make every later reading fail.
//! When it fails: the cause; then the file ends where it did.

use crate::ledger::whole_notes;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Octets at the end of the file that are read; a note has some hundred.
const TAIL: u64 = 64 * 1024;
/// Octets of a note: what is longer and has no end is something else, and is left alone.
const NOTE_MAX: u64 = 16 * 1024;

/// A file of notes, open.
pub struct NotesFile {
    file: File,
}

impl NotesFile {
    /// Opens a file of notes, which is made where there is none, and cuts off what is not whole.
    ///
    /// # Errors
    /// The cause when the file can't be read or written.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = File::options().read(true).append(true).create(true).open(path)?;
        in_turn(&mut file, |file| mend(file).map(|_| ()))?;
        Ok(Self { file })
    }

    /// Adds a note with an empty line below it.
    ///
    /// # Errors
    /// The cause when it can't be written; then the file ends where it did.
    pub fn add(&mut self, note: &str) -> std::io::Result<()> {
        in_turn(&mut self.file, |file| {
            let end = mend(file)?;
            let written = file.write_all(format!("{note}\n").as_bytes()).and_then(|()| file.sync_all());
            if written.is_err() {
                // If this fails too, whoever opens the file next does it.
                let _ = file.set_len(end).and_then(|()| file.sync_all());
            }
            written
        })
    }

    /// The end of the file.
    ///
    /// # Errors
    /// The cause when it can't be read.
    pub fn tail(&mut self) -> std::io::Result<String> {
        read_end(&mut self.file).map(|(_, octets)| String::from_utf8_lossy(&octets).into_owned())
    }
}

fn in_turn<T>(file: &mut File, work: impl FnOnce(&mut File) -> std::io::Result<T>) -> std::io::Result<T> {
    file.lock()?;
    let done = work(file);
    let unlocked = file.unlock();
    done.and_then(|done| unlocked.map(|()| done))
}

/// The last octets of a file, and where they begin.
fn read_end(file: &mut File) -> std::io::Result<(u64, Vec<u8>)> {
    let from = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut octets = Vec::new();
    file.read_to_end(&mut octets)?;
    Ok((from, octets))
}

/// Cuts off what is not whole. How long the file is then.
fn mend(file: &mut File) -> std::io::Result<u64> {
    let (from, octets) = read_end(file)?;
    let (whole, length) = (from + whole_notes(&octets) as u64, from + octets.len() as u64);
    if whole == length || length - whole > NOTE_MAX {
        return Ok(length);
    }
    tracing::warn!(
        event = "audit",
        octets = length - whole,
        "a note that was not written to its end is cut off"
    );
    file.set_len(whole)?;
    file.sync_all()?;
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Checkpoint, Signer, notes};
    use zeroize::Zeroizing;

    #[test]
    fn what_was_not_written_to_its_end_is_cut_off_and_the_next_note_follows() {
        let path = std::env::temp_dir().join(format!("anshin-notes-{}", crate::store::random_id()));
        let signer = Signer::new("fw.example/audit", Zeroizing::new([1; 32])).unwrap();
        let note = |size| {
            let said = vec!["2026-11-26T05:00:00Z".to_owned()];
            let checkpoint = Checkpoint { origin: "fw.example/audit".into(), size, root: [7; 32], said };
            checkpoint.sign(&signer).unwrap()
        };
        for cut in 0..=note(2).len() {
            let before = format!("{}\n{}", note(1), &note(2)[..floor(&note(2), cut)]);
            std::fs::write(&path, before).unwrap();
            NotesFile::open(&path).unwrap().add(&note(3)).unwrap();
            let kept = std::fs::read_to_string(&path).unwrap();
            assert_eq!(kept, format!("{}\n{}\n", note(1), note(3)), "{cut}");
            assert_eq!(notes(&kept).len(), 2);
        }
        // While it is open too, and not what is no note.
        let mut file = NotesFile::open(&path).unwrap();
        std::fs::write(&path, format!("{}\nfw.ex", note(1))).unwrap();
        file.add(&note(2)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n{}\n", note(1), note(2)));
        let other = "x".repeat(20_000);
        std::fs::write(&path, &other).unwrap();
        NotesFile::open(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        std::fs::remove_file(path).unwrap();
    }

    fn floor(text: &str, at: usize) -> usize {
        (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap()
    }
}
