//! Signed notes: a text, an empty line, and one line for each signature (C2SP signed-note v1.0.0).
//!
//! Rules: Ed25519 alone (RFC 8032). A signature covers the text with its last line feed, nothing else; a witness's covers
//! a time as well (C2SP tlog-cosignature v1). A verifier that is not asked for proves nothing: signatures of unknown keys
//! are passed over, one of a known key that does not verify spoils the whole note.
//! When it fails: [`NoteError`].

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// Octets of a note that are read at most. Ours have a few hundred.
const MAX_NOTE: usize = 64 * 1024;
/// Signature lines that are read at most.
const MAX_SIGNATURES: usize = 16;
/// Before each signature: an em dash and a space.
pub(super) const DASH: &str = "\u{2014} ";

/// Why a note or a key is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("it is longer than {MAX_NOTE} octets")]
    TooLong,
    #[error("it is not UTF-8 text whose lines end with a line feed")]
    NoText,
    #[error("it has no signature lines after an empty line")]
    Unsigned,
    #[error("a signature line is not \"\u{2014} NAME BASE64\"")]
    BadSignatureLine,
    #[error("the signature of a known key does not match the text: text or signature was changed")]
    Forged,
    #[error("no key that is known here signed it")]
    UnknownSigner,
    #[error("the key is not NAME+HASH+BASE64 of an Ed25519 key")]
    BadKey,
    #[error("a key's name has no space and no plus sign in it, and is not empty")]
    BadName,
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signs {
    /// Texts.
    Notes,
    /// Texts of others, each with a time: a witness.
    Cosignatures,
}

impl Signs {
    /// The algorithm octet (C2SP signed-note §Signature types).
    fn octet(self) -> u8 {
        match self {
            Signs::Notes => 0x01,
            Signs::Cosignatures => 0x04,
        }
    }

    fn parse(octet: u8) -> Option<Self> {
        [Signs::Notes, Signs::Cosignatures].into_iter().find(|signs| signs.octet() == octet)
    }

    /// What is signed of a text at `time`, in seconds since 1970.
    fn signed(self, text: &str, time: u64) -> String {
        match self {
            Signs::Notes => text.to_owned(),
            Signs::Cosignatures => format!("cosignature/v1\ntime {time}\n{text}"),
        }
    }
}

/// The public half of a key: `NAME+HASH+BASE64`, as `Display` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    signs: Signs,
    public: [u8; 32],
}

impl Verifier {
    /// Reads `NAME+HASH+BASE64` (C2SP signed-note §Verifier keys).
    ///
    /// # Errors
    /// [`NoteError::BadKey`], [`NoteError::BadName`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, rest) = text.split_once('+').ok_or(NoteError::BadKey)?;
        let (hash, key) = rest.split_once('+').ok_or(NoteError::BadKey)?;
        let key = BASE64.decode(key.as_bytes()).map_err(|_| NoteError::BadKey)?;
        let (octet, public) = key.split_first().ok_or(NoteError::BadKey)?;
        let signs = Signs::parse(*octet).ok_or(NoteError::BadKey)?;
        let public = public.try_into().map_err(|_| NoteError::BadKey)?;
        let verifier = Self { name: checked_name(name)?, signs, public };
        if hash != HEXLOWER.encode(&verifier.hash()) {
            return Err(NoteError::BadKey);
        }
        Ok(verifier)
    }

    /// Whose key it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub fn signs(&self) -> Signs {
        self.signs
    }

    /// Whether `octets`, behind the key's hash, sign `text`.
    fn verify(&self, text: &str, octets: &[u8]) -> bool {
        let (time, signature) = match self.signs {
            Signs::Notes => (0, octets),
            Signs::Cosignatures => match octets.split_first_chunk() {
                Some((time, signature)) => (u64::from_be_bytes(*time), signature),
                None => return false,
            },
        };
        let key = UnparsedPublicKey::new(&ED25519, self.public);
        key.verify(self.signs.signed(text, time).as_bytes(), signature).is_ok()
    }

    /// Four octets that name the key in a signature line.
    fn hash(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(self.name.as_bytes())
            .chain_update([b'\n', self.signs.octet()])
            .chain_update(self.public)
            .finalize();
        let [a, b, c, d, ..] = hash.0;
        [a, b, c, d]
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.signs.octet()];
        key.extend_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.hash()), BASE64.encode(&key))
    }
}

/// The private half. It cannot be printed; [`Signer::to_secret`] is for the file that keeps it.
pub struct Signer {
    verifier: Verifier,
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
}

impl Signer {
    /// The key of `seed`, 32 random octets (RFC 8032 §5.1.5), for notes.
    ///
    /// # Errors
    /// [`NoteError::BadName`]; [`NoteError::BadKey`] where the library refuses the seed.
    pub fn new(name: &str, seed: Zeroizing<[u8; 32]>) -> Result<Self, NoteError> {
        Self::of(name, Signs::Notes, seed)
    }

    /// The key of `seed`, for a use.
    ///
    /// # Errors
    /// As [`Signer::new`].
    pub fn of(name: &str, signs: Signs, seed: Zeroizing<[u8; 32]>) -> Result<Self, NoteError> {
        let name = checked_name(name)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| NoteError::BadKey)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NoteError::BadKey)?;
        Ok(Self { verifier: Verifier { name, signs, public }, pair, seed })
    }

    /// Reads what [`Signer::to_secret`] wrote.
    ///
    /// # Errors
    /// [`NoteError::BadKey`], also where name and key do not belong together.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let rest = text.trim_end().strip_prefix("PRIVATE+KEY+").ok_or(NoteError::BadKey)?;
        let (name, rest) = rest.split_once('+').ok_or(NoteError::BadKey)?;
        let (hash, key) = rest.split_once('+').ok_or(NoteError::BadKey)?;
        let key = Zeroizing::new(BASE64.decode(key.as_bytes()).map_err(|_| NoteError::BadKey)?);
        let (octet, seed) = key.split_first().ok_or(NoteError::BadKey)?;
        let signs = Signs::parse(*octet).ok_or(NoteError::BadKey)?;
        let seed = Zeroizing::new(seed.try_into().map_err(|_| NoteError::BadKey)?);
        let signer = Self::of(name, signs, seed)?;
        if hash != HEXLOWER.encode(&signer.verifier.hash()) {
            return Err(NoteError::BadKey);
        }
        Ok(signer)
    }

    /// `PRIVATE+KEY+NAME+HASH+BASE64`, for the file that keeps it and nothing else.
    #[must_use]
    pub fn to_secret(&self) -> Zeroizing<String> {
        let mut key = Zeroizing::new(vec![self.verifier.signs.octet()]);
        key.extend_from_slice(self.seed.as_slice());
        let hash = HEXLOWER.encode(&self.verifier.hash());
        let key = Zeroizing::new(BASE64.encode(&key));
        Zeroizing::new(format!("PRIVATE+KEY+{}+{hash}+{}", self.verifier.name, key.as_str()))
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The note of `text`, which ends with a line feed. For keys that sign notes.
    ///
    /// # Errors
    /// [`NoteError::NoText`] where it does not, or has an empty line at its end; [`NoteError::TooLong`].
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        is_text(text)?;
        Ok(format!("{text}\n{}", self.line(text, 0)))
    }

    /// The signature line under a note that was read, at `time` in seconds since 1970: how a witness says what it saw.
    #[must_use]
    pub fn cosign(&self, note: &Note, time: u64) -> String {
        self.line(&note.text, time)
    }

    fn line(&self, text: &str, time: u64) -> String {
        let signs = self.verifier.signs;
        let mut octets = self.verifier.hash().to_vec();
        if signs == Signs::Cosignatures {
            octets.extend_from_slice(&time.to_be_bytes());
        }
        octets.extend_from_slice(self.pair.sign(signs.signed(text, time).as_bytes()).as_ref());
        format!("{DASH}{} {}\n", self.verifier.name, BASE64.encode(&octets))
    }
}

struct Signature {
    name: String,
    /// The key's hash, then the signature.
    octets: Vec<u8>,
}

/// A note that was read, its signatures not yet checked.
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// Takes text and signatures apart.
    ///
    /// # Errors
    /// [`NoteError`] of the form alone.
    pub fn parse(octets: &[u8]) -> Result<Self, NoteError> {
        if octets.len() > MAX_NOTE {
            return Err(NoteError::TooLong);
        }
        let whole = std::str::from_utf8(octets).map_err(|_| NoteError::NoText)?;
        // The text may have empty lines of its own: the signatures follow the last one.
        let cut = whole.rfind("\n\n").ok_or(NoteError::Unsigned)?;
        let (text, lines) = whole.split_at_checked(cut + 2).ok_or(NoteError::Unsigned)?;
        let text = text.strip_suffix('\n').ok_or(NoteError::NoText)?;
        is_text(text)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Unsigned)?;
        let signatures = lines.split('\n').map(signature).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::TooLong);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, once one of `known` is proven to have signed it; with it, who did.
    ///
    /// # Errors
    /// [`NoteError::Forged`], [`NoteError::UnknownSigner`].
    pub fn verify<'a>(&self, known: &'a [Verifier]) -> Result<(&str, Vec<&'a Verifier>), NoteError> {
        let mut signers = Vec::new();
        for signature in &self.signatures {
            let Some((hash, signature_octets)) = signature.octets.split_at_checked(4) else { continue };
            let of = |verifier: &&Verifier| verifier.name == signature.name && verifier.hash() == hash;
            let Some(verifier) = known.iter().find(of) else { continue };
            if !verifier.verify(&self.text, signature_octets) {
                return Err(NoteError::Forged);
            }
            if !signers.contains(&verifier) {
                signers.push(verifier);
            }
        }
        if signers.is_empty() { Err(NoteError::UnknownSigner) } else { Ok((&self.text, signers)) }
    }
}

fn signature(line: &str) -> Result<Signature, NoteError> {
    let (name, octets) =
        line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or(NoteError::BadSignatureLine)?;
    let name = checked_name(name).map_err(|_| NoteError::BadSignatureLine)?;
    let octets = BASE64.decode(octets.as_bytes()).map_err(|_| NoteError::BadSignatureLine)?;
    Ok(Signature { name, octets })
}

fn checked_name(name: &str) -> Result<String, NoteError> {
    let is_good = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    if name.is_empty() || !name.chars().all(is_good) {
        return Err(NoteError::BadName);
    }
    Ok(name.to_owned())
}

fn is_text(text: &str) -> Result<(), NoteError> {
    if text.len() > MAX_NOTE / 2 {
        return Err(NoteError::TooLong);
    }
    let is_good = text.ends_with('\n') && text.chars().all(|c| c == '\n' || !c.is_control());
    if is_good { Ok(()) } else { Err(NoteError::NoText) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(name: &str, seed: u8) -> Signer {
        Signer::new(name, Zeroizing::new([seed; 32])).unwrap()
    }

    #[test]
    fn a_note_is_text_an_empty_line_and_lines_that_name_their_signers() {
        let officer = signer("officer.example.jp", 7);
        let note = officer.sign("Tokyo\n\n10.1.0.0/16\n").unwrap();
        let (head, tail) = note.rsplit_once("\n\n").unwrap();
        assert_eq!(head, "Tokyo\n\n10.1.0.0/16");
        assert!(tail.starts_with("\u{2014} officer.example.jp ") && tail.ends_with('\n'));
        let read = Note::parse(note.as_bytes()).unwrap();
        let known = [officer.verifier().clone()];
        assert_eq!(read.verify(&known).unwrap().0, "Tokyo\n\n10.1.0.0/16\n");
    }

    #[test]
    fn every_octet_that_is_changed_is_noticed() {
        let officer = signer("officer", 7);
        let known = [officer.verifier().clone()];
        let note = officer.sign("size 12\nroot abc\n").unwrap().into_bytes();
        for at in 0..note.len() {
            for change in [0x01, 0x20] {
                let mut changed = note.clone();
                changed[at] ^= change;
                let verified = Note::parse(&changed).and_then(|note| note.verify(&known).map(|_| ()));
                assert!(verified.is_err(), "octet {at}");
            }
        }
        for cut in 0..note.len() {
            let verified = Note::parse(&note[..cut]).and_then(|note| note.verify(&known).map(|_| ()));
            assert!(verified.is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_stranger_s_signature_proves_nothing_and_spoils_nothing() {
        let (officer, stranger) = (signer("officer", 7), signer("stranger", 8));
        let signed = stranger.sign("x\n").unwrap();
        let note = Note::parse(signed.as_bytes()).unwrap();
        let known = [officer.verifier().clone()];
        assert_eq!(note.verify(&known).unwrap_err(), NoteError::UnknownSigner);
        let line = officer.sign("x\n").unwrap().lines().last().unwrap().to_owned();
        let both = Note::parse(format!("{signed}{line}\n").as_bytes()).unwrap();
        assert_eq!(both.verify(&known).unwrap().1, [officer.verifier()]);
        // The name alone is not enough: a key of the same name is another key.
        let other = Note::parse(signer("officer", 9).sign("x\n").unwrap().as_bytes()).unwrap();
        assert_eq!(other.verify(&known).unwrap_err(), NoteError::UnknownSigner);
    }

    #[test]
    fn a_witness_signs_text_and_time_and_nothing_else_passes_for_it() {
        let (log, seed) = (signer("log", 7), Zeroizing::new([9; 32]));
        let witness = Signer::of("witness.example.jp", Signs::Cosignatures, seed).unwrap();
        let signed = log.sign("log\n5\n").unwrap();
        let note = Note::parse(signed.as_bytes()).unwrap();
        let line = witness.cosign(&note, 1_795_000_000);
        let both = format!("{signed}{line}");
        let known = [log.verifier().clone(), witness.verifier().clone()];
        let (_, signers) = {
            let note = Note::parse(both.as_bytes()).unwrap();
            let (text, signers) = note.verify(&known).unwrap();
            (text.to_owned(), signers)
        };
        assert_eq!(signers, [log.verifier(), witness.verifier()]);
        // Another time is another signature.
        let (head, octets) = line.trim_end().rsplit_once(' ').unwrap();
        let mut octets = BASE64.decode(octets.as_bytes()).unwrap();
        octets[11] ^= 1;
        let late = format!("{signed}{head} {}\n", BASE64.encode(&octets));
        assert_eq!(Note::parse(late.as_bytes()).unwrap().verify(&known).unwrap_err(), NoteError::Forged);
        assert_eq!(&Verifier::parse(&witness.verifier().to_string()).unwrap(), witness.verifier());
        let again = Signer::parse(&witness.to_secret()).unwrap();
        assert_eq!(
            (again.verifier().signs(), again.cosign(&note, 3)),
            (Signs::Cosignatures, witness.cosign(&note, 3))
        );
    }

    #[test]
    fn keys_are_read_as_they_are_written_and_no_other_way() {
        let officer = signer("officer", 7);
        let written = officer.verifier().to_string();
        assert_eq!(&Verifier::parse(&written).unwrap(), officer.verifier());
        let secret = officer.to_secret();
        assert_eq!(Signer::parse(&secret).unwrap().verifier(), officer.verifier());
        let renamed = (written.replacen("officer", "officers", 1), secret.replacen("officer", "officers", 1));
        assert_eq!(Verifier::parse(&renamed.0).unwrap_err(), NoteError::BadKey);
        assert_eq!(Signer::parse(&renamed.1).err(), Some(NoteError::BadKey));
        for bad in ["", "a", "a+b", "a+00000000+", "a b+00000000+AA=="] {
            assert!(Verifier::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_example_of_the_specification_verifies() {
        // RFC 8032 §7.1, test 1: the key pair, here under a name.
        let seed =
            HEXLOWER.decode(b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let signer = Signer::new("rfc8032", Zeroizing::new(seed.try_into().unwrap())).unwrap();
        let public = HEXLOWER.encode(&signer.verifier().public);
        assert_eq!(public, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    }
}
