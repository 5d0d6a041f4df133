//! Files of what was opened for people, as `compliance export`, `log trace --export` and `log search --out` write them: encrypted to who
//! gets them, so that no disk, backup or mail between them and us has it in clear. And the commands for their keys.
//!
//! Rules: a file is new, its owner's alone, and for named recipients or not at all; what can't be written is not opened. In clear it
//! goes to standard output alone, where somebody says so, which is written down.
//! When it fails: [`Failure`] with cause and cure; a file that is not whole has no name.

use super::arguments::Common;
use super::arguments_desk::ForArguments;
use super::compliance::residency::write_new;
use super::new_file::NewFile;
use super::output::{Failure, print};
use crate::config::Config;
use crate::mail::Timestamp;
use crate::relay::FileWritten;
use crate::vault::{AgeFault, Identity, Opener, RECIPIENTS_MAX, Recipient, Sealer};
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// Who opens what is written now: those of the command line, or else of the configuration.
pub(super) fn recipients(config: &Config, named: &ForArguments) -> Result<Vec<Recipient>, Failure> {
    let read = |text: &String| {
        let wrong = || Failure::new(format!("--recipient: {text} is no public key of age (age1…)"));
        Recipient::parse(text).ok_or_else(wrong)
    };
    let named: Vec<Recipient> = named.recipients.iter().map(read).collect::<Result<_, _>>()?;
    let all = if named.is_empty() { config.compliance.export_recipients.clone() } else { named };
    if all.is_empty() {
        return Err(Failure::new(
            "nobody is named who may open the file: give --recipient age1…, or set compliance.export_recipients; \
             `anshin compliance export-key` makes a key",
        ));
    }
    if all.len() > RECIPIENTS_MAX {
        return Err(Failure::new(format!("a file is for {RECIPIENTS_MAX} keys at most: name fewer")));
    }
    Ok(all)
}

/// The same for rows that name nobody: where nobody is named either, their file is in clear.
pub(super) fn recipients_if_any(config: &Config, named: &ForArguments) -> Result<Vec<Recipient>, Failure> {
    if named.recipients.is_empty() && config.compliance.export_recipients.is_empty() {
        return Ok(Vec::new());
    }
    recipients(config, named)
}

/// A file that is being written.
pub(super) struct SealedFile(Sealer<NewFile>);

impl SealedFile {
    /// Begins a new file.
    pub fn new(path: &Path, recipients: &[Recipient]) -> Result<Self, Failure> {
        Ok(Self(Sealer::new(NewFile::begin(path)?, recipients)?))
    }

    /// Ends it, on the disk. What was written.
    pub fn finish(self) -> Result<FileWritten, Failure> {
        self.0.finish()?.finish()
    }
}

impl Write for SealedFile {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// A file of rows that name nobody: encrypted where it is for somebody.
pub(super) enum ExportFile {
    Clear(NewFile),
    Sealed(Box<SealedFile>),
}

impl ExportFile {
    /// Begins a new file.
    pub fn begin(path: &Path, recipients: &[Recipient]) -> Result<Self, Failure> {
        Ok(match recipients {
            [] => Self::Clear(NewFile::begin(path)?),
            some => Self::Sealed(Box::new(SealedFile::new(path, some)?)),
        })
    }

    /// Writes on.
    pub fn put(&mut self, octets: &[u8]) -> Result<(), Failure> {
        self.write_all(octets).map_err(|fault| Failure::new(format!("the file can't be written: {fault}")))
    }

    /// Gives it its name, once it is whole and on disk. What was written.
    pub fn finish(self) -> Result<FileWritten, Failure> {
        match self {
            Self::Clear(file) => file.finish(),
            Self::Sealed(file) => file.finish(),
        }
    }
}

impl Write for ExportFile {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Clear(file) => file.write(octets),
            Self::Sealed(file) => file.write(octets),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Clear(file) => file.flush(),
            Self::Sealed(file) => file.flush(),
        }
    }
}

/// Makes a key for those who get files.
pub(super) fn make_key(out: &Path, common: &Common) -> Result<(), Failure> {
    let identity = Identity::new();
    let recipient = identity.recipient()?.to_string();
    let at = Timestamp::now().to_rfc3339();
    let text = Zeroizing::new(format!("# created: {at}\n# public key: {recipient}\n{}\n", *identity.show()));
    write_new(out, &text, 0o600)?;
    let file = out.display().to_string();
    let said = format!(
        "The secret key is in {file}: keep it where files are read, off this machine.\nGive the public one with --recipient, or write it \
         into the configuration:\n\n[compliance]\nexport_recipients = [\"{recipient}\"]"
    );
    print(common, &json!({ "recipient": recipient, "file": file }), &said);
    Ok(())
}

/// Writes what is in a file to standard output.
pub(super) fn open(path: &Path, key: &Path) -> Result<(), Failure> {
    let told =
        |path: &Path, fault: &dyn std::fmt::Display| Failure::new(format!("{}: {fault}", path.display()));
    let text = Zeroizing::new(std::fs::read_to_string(key).map_err(|cause| told(key, &cause.kind()))?);
    let identity = Identity::read(&text).map_err(|cause| told(key, &cause))?;
    let file = BufReader::new(File::open(path).map_err(|cause| told(path, &cause.kind()))?);
    let fault = |cause: AgeFault| told(path, &cause);
    let mut opener = Opener::new(file, &identity).map_err(fault)?;
    let mut out = std::io::stdout().lock();
    while let Some(chunk) = opener.chunk().map_err(fault)? {
        out.write_all(&chunk)?;
    }
    Ok(out.flush()?)
}
