//! What a remote server said. It often quotes the recipient's real address, so it has no `Debug`, `Display`,
//! `Clone` or `Serialize`; it is made to be sealed into the log, through [`RemoteText::reveal`], and for nothing
//! else. It never reaches the other side: a bounce says what our own table says.
//!
//! Rules: at most [`RemoteText::MAX`] octets are kept; control characters become spaces, so that a log cannot be
//! forged with it; octets that are no UTF-8 become U+FFFD.

/// Text of a remote server, bounded and without control characters.
pub struct RemoteText(String);

impl RemoteText {
    /// Octets kept of one reply.
    pub const MAX: usize = 1024;

    /// From the lines of a reply as they came.
    #[must_use]
    pub(super) fn new(raw: &[u8]) -> Self {
        let kept = raw.get(..Self::MAX).unwrap_or(raw);
        let mut text: String =
            String::from_utf8_lossy(kept).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        while text.len() > Self::MAX {
            text.pop();
        }
        Self(text)
    }

    /// The code it begins with.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.0.get(..3).and_then(|digits| digits.parse().ok())
    }

    /// Whether these words stand in it, in any case of ASCII letters.
    #[must_use]
    pub fn mentions(&self, words: &str) -> bool {
        self.0.to_ascii_lowercase().contains(&words.to_ascii_lowercase())
    }

    /// The text, for sealing.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `IS` is true where `T` has the trait: an inherent constant comes before one of a trait.
    struct Probe<T>(std::marker::PhantomData<T>);
    trait Otherwise {
        const IS: bool = false;
    }
    impl<T> Otherwise for Probe<T> {}

    #[test]
    fn it_cannot_be_printed() {
        mod debug {
            use super::Probe;
            impl<T: std::fmt::Debug> Probe<T> {
                pub const IS: bool = true;
            }
        }
        const { assert!(!Probe::<RemoteText>::IS) };
        const { assert!(Probe::<String>::IS) };
    }

    #[test]
    fn a_log_cannot_be_forged_with_it_and_it_is_bounded() {
        assert_eq!(RemoteText::new(b"550 no\r\nsuch\x1b[2J user\x00").reveal(), "550 no  such [2J user ");
        assert!(RemoteText::new(&[0xff; 5000]).reveal().len() <= RemoteText::MAX);
    }
}
