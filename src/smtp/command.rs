//! Takes a command line apart into its verb and argument (RFC 5321 §4.1.1). The argument of MAIL and RCPT is read
//! later, by `path` and `params`, because the order of commands is judged before their syntax.
//!
//! Rules: verbs in any case; white space at the end is ignored; a control character anywhere refuses the line.
//! When it fails: [`CommandFault`], which tells an unknown verb from one we know and do not offer, and both from a
//! client that speaks no SMTP at all: a browser made to talk to us, or the header of a message whose sender and
//! receiver disagree on where it began.

/// A command with its argument still as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    /// EHLO with the client's name.
    Ehlo(&'a str),
    /// HELO with the client's name.
    Helo(&'a str),
    /// MAIL with all that follows `FROM:`.
    Mail(&'a str),
    /// RCPT with all that follows `TO:`.
    Rcpt(&'a str),
    Data,
    /// BDAT (RFC 3030 §2).
    Bdat(Chunk),
    Rset,
    Noop,
    Quit,
    Vrfy,
    Help,
    StartTls,
    /// AUTH with mechanism and initial response.
    Auth(&'a str),
}

/// A chunk as BDAT announces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Octets that follow the command.
    pub(crate) size: u64,
    /// Whether the message ends with it.
    pub(crate) last: bool,
}

/// Why a line is no command of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandFault {
    #[error("the verb is not known")]
    Unknown,
    #[error("the verb is known and not offered")]
    NotOffered,
    #[error("BDAT says no size, so octets of unknown number follow it")]
    Chunk,
    #[error("this is not SMTP")]
    NotSmtp,
    #[error("the line has a control character")]
    Control,
    #[error("the verb takes no argument")]
    NeedlessArgument,
    #[error("the verb needs an argument")]
    MissingArgument,
    #[error("FROM: is missing")]
    NoFrom,
    #[error("TO: is missing")]
    NoTo,
}

/// Longest client name, in octets (RFC 5321 §4.5.3.1.2).
const MAX_NAME: usize = 255;

/// Verbs of SMTP and its extensions that are not offered here, or nowhere any more.
const NOT_OFFERED: [&str; 11] =
    ["EXPN", "TURN", "ETRN", "ATRN", "BURL", "SEND", "SOML", "SAML", "XCLIENT", "XFORWARD", "ONEX"];

/// What only a client of another protocol says first: request methods of HTTP (RFC 9110 §9, RFC 5789, RFC 4918).
const HTTP_METHODS: [&str; 11] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "PRI"];

impl<'a> Command<'a> {
    /// Reads a line without its CRLF.
    ///
    /// # Errors
    /// [`CommandFault`] when it is no command, or one whose argument is missing or needless.
    pub(crate) fn parse(line: &'a str) -> Result<Self, CommandFault> {
        let line = line.trim_end_matches([' ', '\t']);
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        if !verb.starts_with(|c: char| c.is_ascii_alphabetic())
            || verb.contains(':')
            || is_one_of(verb, &HTTP_METHODS)
        {
            return Err(if line.is_empty() { CommandFault::Unknown } else { CommandFault::NotSmtp });
        }
        if verb.eq_ignore_ascii_case("BDAT") {
            return chunk(argument).map(Command::Bdat).ok_or(CommandFault::Chunk);
        }
        if line.contains(char::is_control) {
            return Err(CommandFault::Control);
        }
        let argument = argument.trim_start_matches(' ');
        let is = |name: &str| verb.eq_ignore_ascii_case(name);
        let alone =
            |command| if argument.is_empty() { Ok(command) } else { Err(CommandFault::NeedlessArgument) };
        let with =
            |command| if argument.is_empty() { Err(CommandFault::MissingArgument) } else { Ok(command) };
        if is("EHLO") {
            name(argument).map(Command::Ehlo)
        } else if is("HELO") {
            name(argument).map(Command::Helo)
        } else if is("MAIL") {
            after_keyword(argument, "FROM:").map(Command::Mail).ok_or(CommandFault::NoFrom)
        } else if is("RCPT") {
            after_keyword(argument, "TO:").map(Command::Rcpt).ok_or(CommandFault::NoTo)
        } else if is("DATA") {
            alone(Command::Data)
        } else if is("RSET") {
            alone(Command::Rset)
        } else if is("NOOP") {
            Ok(Command::Noop)
        } else if is("QUIT") {
            alone(Command::Quit)
        } else if is("VRFY") {
            with(Command::Vrfy)
        } else if is("HELP") {
            Ok(Command::Help)
        } else if is("STARTTLS") {
            alone(Command::StartTls)
        } else if is("AUTH") {
            with(Command::Auth(argument))
        } else if is_one_of(verb, &NOT_OFFERED) {
            Err(CommandFault::NotOffered)
        } else {
            Err(CommandFault::Unknown)
        }
    }
}

fn is_one_of(verb: &str, names: &[&str]) -> bool {
    names.iter().any(|name| verb.eq_ignore_ascii_case(name))
}

/// `size [LAST]`; a size that does not fit 64 bits is none, for nobody could count it off.
fn chunk(argument: &str) -> Option<Chunk> {
    let (size, last) = match argument.trim_start_matches(' ').split_once(' ') {
        Some((size, last)) if last.eq_ignore_ascii_case("LAST") => (size, true),
        Some(_) => return None,
        None => (argument.trim_start_matches(' '), false),
    };
    let is_number = !size.is_empty() && size.bytes().all(|b| b.is_ascii_digit());
    Some(Chunk { size: size.parse().ok().filter(|_| is_number)?, last })
}

/// The client's name: one word. What it says is not believed, so any characters will do.
fn name(argument: &str) -> Result<&str, CommandFault> {
    if argument.is_empty() || argument.contains(' ') || argument.len() > MAX_NAME {
        return Err(CommandFault::MissingArgument);
    }
    Ok(argument)
}

/// What follows `keyword` (any case) and at most one space, which many clients put there against RFC 5321 §3.3.
fn after_keyword<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, rest) = argument.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then(|| rest.strip_prefix(' ').unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Result<Command<'_>, CommandFault>) {
        assert!(Command::parse(line) == expected, "{line:?}: {:?}", Command::parse(line).err());
    }

    #[test]
    fn verbs_are_read_in_any_case_and_white_space_at_the_end_is_ignored() {
        check("EHLO mx.example", Ok(Command::Ehlo("mx.example")));
        check("helo [192.0.2.1] ", Ok(Command::Helo("[192.0.2.1]")));
        check("Mail From:<>", Ok(Command::Mail("<>")));
        check("MAIL FROM: <a@x.example> SIZE=1", Ok(Command::Mail("<a@x.example> SIZE=1")));
        check("RCPT TO:<a@x.example> \t", Ok(Command::Rcpt("<a@x.example>")));
        check("data  ", Ok(Command::Data));
        check("NOOP anything at all", Ok(Command::Noop));
        check("quit", Ok(Command::Quit));
        check("VRFY someone", Ok(Command::Vrfy));
        check("AUTH PLAIN =", Ok(Command::Auth("PLAIN =")));
        check("StartTLS", Ok(Command::StartTls));
    }

    #[test]
    fn a_chunk_has_a_size_and_may_be_the_last() {
        let chunk = |size, last| Ok(Command::Bdat(Chunk { size, last }));
        check("BDAT 100 LAST", chunk(100, true));
        check("bdat 0 last ", chunk(0, true));
        check("BDAT 0", chunk(0, false));
        check("BDAT 18446744073709551615", chunk(u64::MAX, false));
    }

    #[test]
    fn each_way_to_be_no_command_is_told_apart() {
        use CommandFault::{
            Chunk, Control, MissingArgument, NeedlessArgument, NoFrom, NoTo, NotOffered, NotSmtp, Unknown,
        };
        for (line, fault) in [
            ("", Unknown),
            ("HELLO x", Unknown),
            ("MAILFROM:<a@x.example>", NotSmtp),
            ("EHLO", MissingArgument),
            ("EHLO a b", MissingArgument),
            ("VRFY", MissingArgument),
            ("AUTH", MissingArgument),
            ("DATA now", NeedlessArgument),
            ("STARTTLS x", NeedlessArgument),
            ("RSET x", NeedlessArgument),
            ("MAIL", NoFrom),
            ("MAIL <a@x.example>", NoFrom),
            ("MAIL FROM :<a@x.example>", NoFrom),
            ("RCPT FROM:<a@x.example>", NoTo),
            ("RCPT あ", NoTo),
            ("EXPN list", NotOffered),
            ("ETRN x.example", NotOffered),
            ("BDAT", Chunk),
            ("BDAT LAST", Chunk),
            ("BDAT -1", Chunk),
            ("BDAT +1", Chunk),
            ("BDAT 1 FIRST", Chunk),
            ("BDAT 1 LAST x", Chunk),
            ("BDAT 1\tLAST", Chunk),
            ("BDAT 0x10", Chunk),
            ("BDAT 18446744073709551616", Chunk),
            ("GET / HTTP/1.1", NotSmtp),
            ("post /", NotSmtp),
            ("CONNECT 192.0.2.1:25 HTTP/1.0", NotSmtp),
            ("Subject: hello", NotSmtp),
            ("Received: from x", NotSmtp),
            ("<html>", NotSmtp),
            ("\u{16}\u{3}\u{1}", NotSmtp),
            (" NOOP", NotSmtp),
            ("あ", NotSmtp),
            ("NOOP\u{7}", Control),
            ("EHLO\tx", Control),
            ("MAIL FROM:<a\u{1b}@x.example>", Control),
        ] {
            check(line, Err(fault));
        }
    }
}
