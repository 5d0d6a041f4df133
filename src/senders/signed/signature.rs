//! One signature: what its field says (RFC 6376 §3.5; RFC 8617 §4.1.2 and §4.1.3 for those of ARC). Pure.

use super::canonical::Form;
use super::key::Algorithm;
use super::tags::Tags;
use crate::mail::Domain;
use data_encoding::BASE64;

/// What a field must say beside `a`, `b`, `d` and `s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// DKIM-Signature.
    Dkim,
    /// ARC-Message-Signature.
    ArcMessage,
    /// ARC-Seal.
    ArcSeal,
}

/// A signature that can be checked.
#[derive(Debug)]
pub(super) struct Signature {
    pub algorithm: Algorithm,
    pub domain: Domain,
    pub selector: String,
    pub signature: Vec<u8>,
    pub body_hash: Vec<u8>,
    /// Names of the fields that are signed, in lower case, in order.
    pub fields: Vec<String>,
    pub header_form: Form,
    pub body_form: Form,
    /// The domain of the identity, where there is one.
    pub identity: Option<String>,
    /// Seconds since 1970.
    pub expires_at: Option<i64>,
    /// The instance, in ARC.
    pub instance: u32,
    /// `cv`, in a seal.
    pub chain: String,
}

impl Signature {
    /// Reads a field's value. `None` when it proves nothing whatever it signs: its grammar is broken, a tag is missing, the
    /// algorithm is none that counts, From is not covered, something may be added behind what is signed (`l=`), or the key is to be
    /// asked for in ways that nobody knows (`q=`).
    pub fn parse(value: &[u8], kind: Kind) -> Option<Self> {
        let tags = Tags::parse(value)?;
        let number = |name: &str| -> Option<Option<i64>> {
            match tags.find(name) {
                None => Some(None),
                Some(digits) => digits.parse().ok().filter(|number| *number >= 0).map(Some),
            }
        };
        let base64 = |name: &str| BASE64.decode(tags.required(name)?.as_bytes()).ok();
        let fields: Vec<String> =
            tags.find("h").unwrap_or_default().split(':').map(str::to_ascii_lowercase).collect();
        if kind == Kind::ArcSeal {
            // RFC 8617 §4.1.3: there is none.
            if tags.find("h").is_some() {
                return None;
            }
        } else if !fields.iter().any(|name| name == "from")
            || tags.find("l").is_some()
            || !tags
                .find("q")
                .is_none_or(|ways| ways.split(':').any(|way| way.eq_ignore_ascii_case("dns/txt")))
            || (kind == Kind::ArcMessage && fields.iter().any(|name| name == "arc-seal"))
        {
            return None;
        }
        let forms = tags.find("c").unwrap_or("simple/simple");
        let (header_form, body_form) = forms.split_once('/').unwrap_or((forms, "simple"));
        let (signed_at, expires_at) = (number("t")?, number("x")?);
        if signed_at.zip(expires_at).is_some_and(|(signed, expires)| expires <= signed) {
            return None;
        }
        let instance = match kind {
            Kind::Dkim => {
                tags.required("v").filter(|version| *version == "1")?;
                0
            }
            Kind::ArcMessage | Kind::ArcSeal => tags.required("i")?.parse().ok()?,
        };
        Some(Self {
            algorithm: Algorithm::parse(tags.required("a")?)?,
            domain: Domain::parse(tags.required("d")?).ok()?,
            selector: tags.required("s")?.to_owned(),
            signature: base64("b")?,
            body_hash: if kind == Kind::ArcSeal { Vec::new() } else { base64("bh")? },
            fields,
            header_form: form(header_form)?,
            body_form: form(body_form)?,
            identity: match (kind, tags.find("i")) {
                (Kind::Dkim, Some(identity)) => Some(identity.rsplit_once('@')?.1.to_owned()),
                _ => None,
            },
            expires_at,
            instance,
            chain: match kind {
                Kind::ArcSeal => tags.required("cv")?.to_ascii_lowercase(),
                _ => String::new(),
            },
        })
    }

    /// Where its key is published.
    pub fn key_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// Whether its time is over.
    pub fn has_expired(&self, now: crate::mail::Timestamp) -> bool {
        self.expires_at.is_some_and(|expires| expires <= now.as_millis().div_euclid(1000))
    }

    /// Whether the identity belongs to the domain: it, or what lies below it unless the key says otherwise.
    pub fn is_own_identity(&self, is_strict: bool) -> bool {
        let Some(identity) = &self.identity else { return true };
        Domain::parse(identity).is_ok_and(|identity| {
            if is_strict { identity == self.domain } else { identity.is_within(&self.domain) }
        })
    }
}

fn form(word: &str) -> Option<Form> {
    if word.eq_ignore_ascii_case("relaxed") {
        Some(Form::Relaxed)
    } else if word.eq_ignore_ascii_case("simple") {
        Some(Form::Simple)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "v=1; a=rsa-sha256; d=mail.example; s=k; h=From:To; bh=AAAA; b=AA\r\n AA; i=@news.mail.example";

    #[test]
    fn a_signature_that_proves_nothing_is_none() {
        let good = Signature::parse(GOOD.as_bytes(), Kind::Dkim).unwrap();
        assert!(good.is_own_identity(false) && !good.is_own_identity(true));
        let asked = GOOD.replace("b=AA", "q=http/get : DNS/txt; b=AA");
        assert!(Signature::parse(asked.as_bytes(), Kind::Dkim).is_some());
        for (what, instead) in [
            ("v=1; ", ""),
            ("v=1", "v=2"),
            ("rsa-sha256", "rsa-sha1"),
            ("a=rsa-sha256; ", ""),
            ("From:", ""),
            ("s=k", "s="),
            ("d=mail.example", "d=mail..example"),
            ("bh=AAAA", "bh=A"),
            ("b=AA", "l=0; b=AA"),
            ("b=AA", "q=http/get; b=AA"),
            ("b=AA", "c=relaxed/odd; b=AA"),
            ("b=AA", "t=5; x=5; b=AA"),
            ("b=AA", "x=-5; b=AA"),
            ("b=AA", "d=x; b=AA"),
            ("@news.", "news."),
        ] {
            let bad = GOOD.replacen(what, instead, 1);
            assert!(Signature::parse(bad.as_bytes(), Kind::Dkim).is_none(), "{bad}");
        }
        let foreign = Signature::parse(GOOD.replace("news.mail", "xmail").as_bytes(), Kind::Dkim).unwrap();
        assert!(!foreign.is_own_identity(false));
    }
}
