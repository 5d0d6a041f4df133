//! Codes of an authenticator app (TOTP, RFC 6238): HMAC-SHA-1, 30 seconds, 6 digits, which is what all apps have.
//!
//! Rules: a code of the step before and of the one after counts too, for clocks that differ; whoever takes one remembers its step, so that
//! none is taken twice. A secret has 160 random bits.
//! When it fails: a secret that is none has no code.

use super::random_bytes;
use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Seconds of a step.
const STEP_S: i64 = 30;
/// Ten to the digits of a code.
const MODULUS: u32 = 1_000_000;

/// What an app and we share. Wiped when dropped.
pub struct TotpSecret(Zeroizing<[u8; 20]>);

impl TotpSecret {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(Zeroizing::new(random_bytes()))
    }

    /// As it is typed into an app: base32.
    #[must_use]
    pub fn show(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(&*self.0))
    }

    /// Reads it back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let octets = Zeroizing::new(BASE32_NOPAD.decode(text.trim().to_ascii_uppercase().as_bytes()).ok()?);
        <[u8; 20]>::try_from(octets.as_slice()).ok().map(|octets| Self(Zeroizing::new(octets)))
    }

    /// The step of which `code` is the code now, give or take one, and that is after `used`.
    #[must_use]
    pub fn step_of(&self, code: &str, now_ms: i64, used: Option<i64>) -> Option<i64> {
        let code: Vec<u8> = code.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let current = now_ms.div_euclid(1000 * STEP_S);
        let mut found = None;
        // All three are compared, whichever fits.
        for step in [current - 1, current, current + 1] {
            let is_it: bool = self.code(step).as_bytes().ct_eq(&code).into();
            if is_it && used.is_none_or(|used| step > used) {
                found = Some(step);
            }
        }
        found
    }

    /// The code of a step (RFC 4226 §5.3).
    #[must_use]
    pub fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &*self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let digest = tag.as_ref();
        let offset = usize::from(digest.last().copied().unwrap_or_default() & 0xf);
        let four = digest.get(offset..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
        format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % MODULUS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 Appendix B has eight digits; of these the last six.
    #[test]
    fn codes_are_those_of_rfc_6238() {
        let secret = TotpSecret(Zeroizing::new(*b"12345678901234567890"));
        for (at_s, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.code(at_s / 30), code);
            assert_eq!(secret.step_of(code, at_s * 1000, None), Some(at_s / 30));
        }
    }

    #[test]
    fn a_code_counts_once_and_not_for_long() {
        let secret = TotpSecret::generate();
        let (now, step) = (90_000_i64 * 1000, 3000);
        let code = secret.code(step);
        assert_eq!(secret.step_of(&format!(" {} {} ", &code[..3], &code[3..]), now, None), Some(step));
        assert_eq!(secret.step_of(&code, now, Some(step - 1)), Some(step));
        assert_eq!(secret.step_of(&code, now, Some(step)), None, "it was used");
        assert_eq!(secret.step_of(&code, now + 60_000, None), None);
        assert_eq!(secret.step_of(&code, now - 60_000, None), None);
        assert_eq!(secret.step_of("", now, None), None);
        let again = TotpSecret::parse(&secret.show()).unwrap();
        assert_eq!(again.code(7), secret.code(7));
        assert!(TotpSecret::parse("no secret").is_none());
    }
}
