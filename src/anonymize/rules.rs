//! What an installation decides about contents that more than one way is right for.

/// The policies of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Outlook's `winmail.dat`.
    pub tnef: TnefRule,
    /// S/MIME and PGP signatures.
    pub signatures: SignatureRule,
    /// PDF, Office documents, ZIP archives, images.
    pub documents: DocumentRule,
    /// The display name of the sender.
    pub name: NameRule,
}

/// What is done with Outlook's own format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TnefRule {
    /// Its text and its files become ordinary parts.
    #[default]
    Unwrap,
    /// The message is refused.
    Refuse,
}

/// What is done with a signed message. Passing is no choice: certificate and key name their owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureRule {
    /// The signature goes, the text passes, the sender is told.
    #[default]
    Strip,
    /// The message is refused.
    Refuse,
}

/// What is done with documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DocumentRule {
    /// Searched; one that names somebody is held until its sender confirms or withdraws it.
    #[default]
    Scan,
    /// Their metadata is removed; what cannot be cleaned is searched as above.
    CleanMetadata,
    /// Passed as they are.
    Pass,
}

/// Which display name the other side sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameRule {
    /// The one that was written, unless it holds a secret or contact data; then the fallback.
    #[default]
    AsWritten,
    /// Always the fallback that the caller gives: the registered name, or the role.
    Given,
}
