//! Whether a domain that ends somewhere is only the beginning of another one: for the gate alone, apart from the rewriter's
//! list of countries.
//!
//! Rules: a dot and a country, or a word that registries put before or in place of one, go on with it; so do a hyphen
//! and a word with further labels that end so. Behind them stands no letter. They are written as the domain is, all in capitals
//! or with none. Countries whose letters also end names of files need a registry's word before them.
//! When it fails: never; what it takes for the end of a domain is a hit.

/// What registries have beside countries.
const WORDS: [&str; 8] = ["com", "net", "org", "info", "biz", "edu", "gov", "jp"];
/// What registries have before countries alone.
const UNDER: [&str; 9] = ["co", "ne", "or", "ac", "go", "gr", "ad", "ed", "lg"];
/// Countries that are endings of file names, and what makes them countries.
const ENDINGS: &str = "ai cc md ml pl pm ps py rs sh so";
const ENDED: [&str; 6] = ["com", "net", "org", "edu", "gov", "co"];
/// Second letters of countries, for each first one from `a` on.
const COUNTRIES: [&str; 26] = [
    "cdefgilmoqrstuwxz",
    "abdefghijmnorstvwyz",
    "acdfghiklmnoruvwxyz",
    "ejkmoz",
    "cegrstu",
    "ijkmor",
    "abdefghilmnpqrstuwy",
    "kmnrtu",
    "delmnoqrst",
    "emop",
    "eghimnprwyz",
    "abcikrstuvy",
    "acdeghklmnopqrstuvwxyz",
    "acefgilopruz",
    "m",
    "aefghklmnrstwy",
    "a",
    "eosuw",
    "abcdeghiklmnorstuvxyz",
    "cdfghjklmnortvwz",
    "agksyz",
    "aceginu",
    "fs",
    "",
    "et",
    "amw",
];

/// Whether `rest`, which stands behind a `domain`, makes it longer.
pub fn goes_on(domain: &[u8], rest: &[u8]) -> bool {
    let Some((joint, tail)) = rest.split_first() else { return false };
    let length = tail.iter().position(|b| !(b.is_ascii_alphanumeric() || b"-_.".contains(b)));
    let (run, behind) = tail.split_at_checked(length.unwrap_or(tail.len())).unwrap_or_default();
    let (run, behind) = match memchr::memmem::find(run, b"..") {
        Some(end) => (run.get(..end).unwrap_or_default(), b"".as_slice()),
        None => (run.strip_suffix(b".").unwrap_or(run), behind),
    };
    let is_loud = domain.iter().any(u8::is_ascii_uppercase) && !domain.iter().any(u8::is_ascii_lowercase);
    let differs = |b: &u8| if is_loud { b.is_ascii_lowercase() } else { b.is_ascii_uppercase() };
    if run.iter().any(differs) || starts_with_letter(behind) {
        return false;
    }
    let run = run.to_ascii_lowercase();
    let labels: Vec<&str> =
        run.split(|b| *b == b'.').filter_map(|label| str::from_utf8(label).ok()).collect();
    let is_end = |label: &str| WORDS.contains(&label) || is_country(label) && !is_ending(label);
    match (joint, labels.as_slice()) {
        (b'.', [label]) => is_end(label),
        (b'.', [first, country]) if is_ending(country) => ENDED.contains(first),
        (b'.', [first, last]) => {
            (WORDS.contains(first) || UNDER.contains(first)) && is_country(last)
                || is_country(first) && !WORDS.contains(first) && !UNDER.contains(first) && is_end(last)
        }
        (b'-', [first, .., last]) => {
            let is_site = labels.iter().any(|label| label.starts_with("www"));
            first.starts_with(|c: char| c.is_ascii_lowercase())
                && !first.ends_with('-')
                && !is_site
                && is_end(last)
        }
        _ => false,
    }
}

fn is_ending(label: &str) -> bool {
    ENDINGS.split(' ').any(|ending| ending == label)
}

fn is_country(label: &str) -> bool {
    let &[first, second] = label.as_bytes() else { return false };
    let seconds = first.checked_sub(b'a').and_then(|at| COUNTRIES.get(usize::from(at)));
    seconds.is_some_and(|seconds| seconds.as_bytes().contains(&second))
}

/// Whether a letter of any script is the next character; octets of other charsets are none.
fn starts_with_letter(text: &[u8]) -> bool {
    (1..=4)
        .filter_map(|length| str::from_utf8(text.get(..length)?).ok()?.chars().next())
        .any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_domain_is_told_from_the_next_sentence() {
        for rest in [".tw", ".co.jp>", ".com,", "-group.jp", "-x.y.org/", ".com.py", ".tw。", ".uk."] {
            assert!(goes_on(b"a.example", rest.as_bytes()), "{rest}");
            let loud = rest.to_ascii_uppercase();
            assert!(
                goes_on(b"A.EXAMPLE", loud.as_bytes()) && !goes_on(b"a.example", loud.as_bytes()),
                "{loud}"
            );
        }
        for rest in [
            "",
            ".",
            ".Is",
            ".thanks",
            "-thanks",
            "-thanks.Bye",
            "/x",
            ".1",
            "..tw",
            "-x.1",
            ".TV",
            ".idは",
            ".twへ",
            ".no.5",
            ".py",
            ".md",
            ".zip",
            ".qq",
            "-2026.pdf",
            "-logo.png",
            "-www.x.jp",
            "----www.x.jp",
            "-x.py",
            "-x-.jp",
            "-2.jp",
        ] {
            assert!(!goes_on(b"a.example", rest.as_bytes()), "{rest}");
        }
    }
}
