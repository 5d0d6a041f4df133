//! The text of a file: chunks of 64 KiB, each sealed by itself with ChaCha20-Poly1305, its nonce its number and whether it is the last
//! (STREAM; C2SP age.md, Payload). So a file that is cut off, or whose chunks were moved, is told from a whole one, and none is held
//! in memory at once.
//!
//! Rules: only what was found genuine is given out; that the file is whole is known at its end.
//! When it fails: [`AgeFault`].

use super::{AgeFault, Identity, Recipient, header, read_header};
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use std::io::{BufRead, Read, Write};
use zeroize::Zeroizing;

/// Octets of text in a chunk, and of its tag.
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;

/// The key of a text, and how many of its chunks there were.
struct Stream {
    key: LessSafeKey,
    number: u64,
}

impl Stream {
    fn new(key: &[u8; 32]) -> Result<Self, AgeFault> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| AgeFault::Key)?;
        Ok(Self { key: LessSafeKey::new(key), number: 0 })
    }

    /// The nonce of the next chunk: 88 bits of number, of which 64 are more than any file has chunks, 8 bits of end.
    fn nonce(&mut self, is_last: bool) -> Nonce {
        let mut nonce = [0_u8; 12];
        let number = self.number.to_be_bytes();
        nonce.iter_mut().skip(3).zip(number).for_each(|(to, from)| *to = from);
        if let Some(end) = nonce.last_mut() {
            *end = u8::from(is_last);
        }
        self.number += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Writes a file that only its recipients open. [`Sealer::finish`] ends it; without, it is cut off.
pub struct Sealer<W: Write> {
    to: W,
    stream: Stream,
    chunk: Zeroizing<Vec<u8>>,
    /// Something could not be written: nothing more may be.
    is_broken: bool,
}

impl<W: Write> Sealer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`AgeFault`] where it can't be written, or nothing can be wrapped for somebody.
    pub fn new(mut to: W, recipients: &[Recipient]) -> Result<Self, AgeFault> {
        let (head, key) = header(recipients)?;
        to.write_all(&head)?;
        Ok(Self {
            to,
            stream: Stream::new(&key)?,
            chunk: Zeroizing::new(Vec::with_capacity(CHUNK + TAG)),
            is_broken: false,
        })
    }

    fn seal(&mut self, is_last: bool) -> Result<(), AgeFault> {
        // A chunk that was not written whole can't be followed by another.
        if std::mem::replace(&mut self.is_broken, true) {
            return Err(AgeFault::Key);
        }
        let nonce = self.stream.nonce(is_last);
        let sealed = self.stream.key.seal_in_place_append_tag(nonce, Aad::empty(), &mut *self.chunk);
        sealed.map_err(|_| AgeFault::Key)?;
        self.to.write_all(&self.chunk)?;
        self.chunk.clear();
        self.is_broken = false;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`AgeFault`] where it can't be written.
    pub fn finish(mut self) -> Result<W, AgeFault> {
        self.seal(true)?;
        self.to.flush()?;
        Ok(self.to)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        if self.is_broken {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        // A full chunk waits for what comes: the last one may be full, and is none of those before.
        if self.chunk.len() == CHUNK && !text.is_empty() {
            self.seal(false).map_err(std::io::Error::other)?;
        }
        let taken = text.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(text.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    /// Whole chunks are written as they are full; what is left goes with the end.
    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// Reads a file, a chunk at a time.
pub struct Opener<R: BufRead> {
    from: R,
    stream: Stream,
    is_over: bool,
}

impl<R: BufRead> Opener<R> {
    /// Opens a file's head.
    ///
    /// # Errors
    /// [`AgeFault`] where it is none, or for somebody else.
    pub fn new(mut from: R, identity: &Identity) -> Result<Self, AgeFault> {
        let key = read_header(&mut from, identity)?;
        Ok(Self { from, stream: Stream::new(&key)?, is_over: false })
    }

    /// The text's next chunk; `None` behind the last.
    ///
    /// # Errors
    /// [`AgeFault::Altered`] where it is not what was written, or the file is cut off.
    pub fn chunk(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, AgeFault> {
        if self.is_over {
            return Ok(None);
        }
        let mut sealed = Zeroizing::new(Vec::with_capacity(CHUNK + TAG));
        (&mut self.from).take((CHUNK + TAG) as u64).read_to_end(&mut sealed)?;
        let is_last = self.from.fill_buf()?.is_empty();
        let is_first = self.stream.number == 0;
        let nonce = self.stream.nonce(is_last);
        let opened = self.stream.key.open_in_place(nonce, Aad::empty(), &mut sealed);
        let length = opened.map_err(|_| AgeFault::Altered)?.len();
        // An empty chunk ends an empty file alone.
        if length == 0 && !is_first {
            return Err(AgeFault::Altered);
        }
        sealed.truncate(length);
        self.is_over = is_last;
        Ok(Some(sealed))
    }
}
