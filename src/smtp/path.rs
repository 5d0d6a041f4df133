//! Reads the path of MAIL and RCPT (RFC 5321 §4.1.2): `<>`, `<Postmaster>`, `<local@domain>`.
//!
//! Rules: a source route (`<@a,@b:c@d>`) is checked and dropped (RFC 5321 §4.1.1.3 and appendix C). Local parts are
//! kept as written, quoted ones and those of Japanese carriers included. Whether anyone lives there is not asked, nor
//! whether UTF-8 was declared (RFC 6531 §3.4), for in MAIL that stands behind the path.
//! When it fails: [`PathFault`], without a word of the path.

use crate::mail::{Domain, RealAddress};

/// Where a message is to go. It may be anyone's address, so it is not printed.
pub enum ForwardPath {
    /// `<Postmaster>` without a domain, in any case (RFC 5321 §4.5.1).
    Postmaster,
    /// Any other path. Whether the mailbox exists is the driver's decision.
    Mailbox(RealAddress),
}

/// Why some text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathFault {
    #[error("the path has no angle brackets, or something is glued to them")]
    Brackets,
    #[error("the source route is malformed")]
    Route,
    #[error("the address is malformed")]
    Address,
}

/// Reads a reverse-path, `None` being `<>`, and what stands behind it.
///
/// # Errors
/// [`PathFault`] when it is malformed, and for a bare `<Postmaster>`, which only a forward-path may be.
pub(crate) fn parse_reverse(argument: &str) -> Result<(Option<RealAddress>, &str), PathFault> {
    let (inner, params) = split(argument)?;
    let path = if inner.is_empty() { None } else { Some(mailbox(inner)?) };
    Ok((path, params))
}

/// Reads a forward-path and what stands behind it.
///
/// # Errors
/// [`PathFault`] when it is malformed or empty.
pub(crate) fn parse_forward(argument: &str) -> Result<(ForwardPath, &str), PathFault> {
    let (inner, params) = split(argument)?;
    let path = if inner.eq_ignore_ascii_case("postmaster") {
        ForwardPath::Postmaster
    } else {
        ForwardPath::Mailbox(mailbox(inner)?)
    };
    Ok((path, params))
}

/// What is between the brackets, and what follows them. A `>` inside a quoted local part closes nothing.
fn split(argument: &str) -> Result<(&str, &str), PathFault> {
    let text = argument.strip_prefix('<').ok_or(PathFault::Brackets)?;
    let mut quoted = false;
    let mut escaped = false;
    let close = text.char_indices().find(|&(_, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        c == '>' && !quoted
    });
    let (inner, rest) = close.and_then(|(at, _)| text.split_at_checked(at)).ok_or(PathFault::Brackets)?;
    let rest = rest.strip_prefix('>').ok_or(PathFault::Brackets)?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(PathFault::Brackets);
    }
    Ok((inner, rest))
}

fn mailbox(inner: &str) -> Result<RealAddress, PathFault> {
    let bare = if inner.starts_with('@') {
        let (route, mailbox) = inner.split_once(':').ok_or(PathFault::Route)?;
        let is_hop = |hop: &str| hop.strip_prefix('@').is_some_and(|domain| Domain::parse(domain).is_ok());
        if !route.split(',').all(is_hop) {
            return Err(PathFault::Route);
        }
        mailbox
    } else {
        inner
    };
    RealAddress::parse(bare).map_err(|_| PathFault::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(argument: &str) -> Result<(String, &str), PathFault> {
        parse_forward(argument).map(|(path, params)| match path {
            ForwardPath::Postmaster => ("postmaster".to_owned(), params),
            ForwardPath::Mailbox(address) => (address.reveal(), params),
        })
    }

    #[test]
    fn paths_are_read_with_what_stands_behind_them() {
        for (argument, address, params) in [
            ("<a@x.example>", "a@x.example", ""),
            ("<a@x.example> SIZE=1", "a@x.example", " SIZE=1"),
            ("<POSTmaster>", "postmaster", ""),
            ("<postmaster@x.example>", "postmaster@x.example", ""),
            ("<\"a b\"@x.example>", "\"a b\"@x.example", ""),
            ("<\"a>b\\\"c\"@x.example> X", "\"a>b\\\"c\"@x.example", " X"),
            ("<a@[192.0.2.1]>", "a@[192.0.2.1]", ""),
            ("<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", ""),
            ("<@r.example:a@x.example>", "a@x.example", ""),
            ("<@r.example,@s.example:\"a:b\"@x.example>", "\"a:b\"@x.example", ""),
            ("<a..b@carrier.example>", "a..b@carrier.example", ""),
            ("<.a-._b..@carrier.example>", ".a-._b..@carrier.example", ""),
            ("<Hana.Ko@X.Example>", "Hana.Ko@x.example", ""),
            ("<あ@日本.example>", "あ@xn--wgv71a.example", ""),
        ] {
            assert_eq!(forward(argument), Ok((address.to_owned(), params)), "{argument}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        use PathFault::{Address, Brackets, Route};
        for (argument, fault) in [
            ("", Brackets),
            ("a@x.example", Brackets),
            ("<a@x.example", Brackets),
            ("<a@x.example>SIZE=1", Brackets),
            ("<a@x.example>>", Brackets),
            ("<\"a@x.example>", Brackets),
            ("<\"a\\\"@x.example>", Brackets),
            ("<>", Address),
            ("<a>", Address),
            ("<@x.example>", Route),
            ("<@:a@x.example>", Route),
            ("<@r.example,s.example:a@x.example>", Route),
            ("<@r example:a@x.example>", Route),
            ("<<a@x.example>", Address),
            ("<a b@x.example>", Address),
            ("<a@x.example,b@x.example>", Address),
            ("<a@b@x.example>", Address),
            ("<a@x..example>", Address),
        ] {
            assert_eq!(forward(argument), Err(fault), "{argument}");
        }
    }

    #[test]
    fn the_null_reverse_path_is_none_and_a_bare_postmaster_sends_nothing() {
        assert!(parse_reverse("<>").is_ok_and(|(path, _)| path.is_none()));
        assert!(parse_reverse("< >").is_err());
        assert!(parse_reverse("<Postmaster>").is_err());
    }
}
