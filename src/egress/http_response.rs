//! Reading an HTTP response as fetching an MTA-STS policy (RFC 8461 §3.3) or JSON needs it (RFC 9112): status 200, one of the media types that
//! are asked for, a body of bounded length. Pure: octets in, body out.
//!
//! Rules: the body ends by Content-Length, by its chunks or by the end of the connection. A header block is at most
//! [`MAX_HEADER`] octets. A redirect is a refusal.
//! When it fails: [`HttpFault`], which tells nothing of what came.

/// Octets of a header block.
const MAX_HEADER: usize = 16 * 1024;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpFault {
    #[error("no address of the host answers")]
    Unreachable,
    #[error("the certificate of the host does not prove its name")]
    Certificate,
    #[error("the connection broke")]
    Broken,
    #[error("what came is no HTTP, or has another status than 200")]
    Response,
    #[error("what came is of another media type than was asked for")]
    MediaType,
    #[error("what came is too long")]
    TooLong,
    #[error("nothing whole came in time")]
    Slow,
}

/// Whether more may come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Open,
    Closed,
}

/// The status of a response, once it is there: `HTTP/1.x NNN …` of the first that is final, behind any 1xx (RFC 9110 §15.2).
///
/// # Errors
/// [`HttpFault`] as soon as it is certain that none will come.
pub fn status_of(received: &[u8]) -> Result<Option<u16>, HttpFault> {
    let mut rest = received;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = rest.get(..end).and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
        let status = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "));
        let code =
            status.and_then(|status| status.get(..3)).filter(|code| code.bytes().all(|b| b.is_ascii_digit()));
        let code: u16 = code.and_then(|code| code.parse().ok()).ok_or(HttpFault::Response)?;
        if !(100..200).contains(&code) {
            return Ok(Some(code));
        }
        let Some(next) = memchr::memmem::find(rest, b"\r\n\r\n") else { break };
        rest = rest.get(next + 4..).unwrap_or_default();
    }
    if received.len() > MAX_HEADER { Err(HttpFault::TooLong) } else { Ok(None) }
}

/// The body of a response, once it is whole.
///
/// # Errors
/// [`HttpFault`] as soon as it is certain that none will come.
pub fn body_of(received: &[u8], end: End, media: &[&str], most: usize) -> Result<Option<Vec<u8>>, HttpFault> {
    let Some(header_end) = memchr::memmem::find(received, b"\r\n\r\n") else {
        return if received.len() > MAX_HEADER { Err(HttpFault::TooLong) } else { Ok(None) };
    };
    let (header, body) = received.split_at_checked(header_end + 4).ok_or(HttpFault::Response)?;
    if header.len() > MAX_HEADER {
        return Err(HttpFault::TooLong);
    }
    let header = std::str::from_utf8(header).map_err(|_| HttpFault::Response)?;
    let mut lines = header.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !(status.starts_with("HTTP/1.1 200") || status.starts_with("HTTP/1.0 200")) {
        return Err(HttpFault::Response);
    }
    let field = |name: &str| {
        let mut found = header.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        found.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let came = field("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !media.iter().any(|media| came.eq_ignore_ascii_case(media)) {
        return Err(HttpFault::MediaType);
    }
    if field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        // Sizes and extensions of chunks are not bounded by their content.
        if body.len() > most.saturating_mul(2).saturating_add(4096) {
            return Err(HttpFault::TooLong);
        }
        return unchunked(body, most);
    }
    match field("content-length") {
        Some(length) => {
            let length: usize = length.parse().map_err(|_| HttpFault::Response)?;
            if length > most { Err(HttpFault::TooLong) } else { Ok(body.get(..length).map(<[u8]>::to_vec)) }
        }
        None if body.len() > most => Err(HttpFault::TooLong),
        None => Ok((end == End::Closed).then(|| body.to_vec())),
    }
}

/// A body in chunks (RFC 9112 §7.1), once the last one is there.
fn unchunked(mut rest: &[u8], most: usize) -> Result<Option<Vec<u8>>, HttpFault> {
    let mut body = Vec::new();
    loop {
        let Some(at) = memchr::memmem::find(rest, b"\r\n") else {
            return if rest.len() > 64 { Err(HttpFault::Response) } else { Ok(None) };
        };
        let digits = rest.get(..at).and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
        let digits = digits.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(digits, 16).map_err(|_| HttpFault::Response)?;
        if length == 0 {
            return Ok(Some(body));
        }
        if length > most.saturating_sub(body.len()) {
            return Err(HttpFault::TooLong);
        }
        let start = at + 2;
        let (Some(chunk), Some(after)) = (rest.get(start..start + length), rest.get(start + length..)) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        match after.split_at_checked(2) {
            Some((b"\r\n", next)) => rest = next,
            Some(_) => return Err(HttpFault::Response),
            None => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(received: &str, end: End) -> Result<Option<String>, HttpFault> {
        body_of(received.as_bytes(), end, &["text/plain"], 20)
            .map(|body| body.map(|body| String::from_utf8(body).unwrap()))
    }

    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: Text/Plain; charset=utf-8\r\n";

    #[test]
    fn a_body_ends_by_its_length_its_chunks_or_the_end() {
        let whole = Ok(Some("hello".to_owned()));
        let length = format!("{HEAD}Content-Length: 5\r\n\r\nhello");
        assert_eq!(read(&length, End::Open), whole);
        assert_eq!(read(&length[..length.len() - 1], End::Open), Ok(None));
        let chunks = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n");
        assert_eq!(read(&chunks, End::Open), whole);
        for cut in [3, 8, 12, 16] {
            assert_eq!(read(&chunks[..chunks.len() - cut], End::Open), Ok(None), "{cut}");
        }
        assert_eq!(read(&format!("{HEAD}\r\nhello"), End::Open), Ok(None));
        assert_eq!(read(&format!("{HEAD}\r\nhello"), End::Closed), whole);
        assert_eq!(read(HEAD, End::Open), Ok(None));
    }

    #[test]
    fn a_status_is_three_digits_behind_the_version_and_behind_what_is_not_final() {
        for (received, status) in [
            ("HTTP/1.1 204 No Content\r\n", Ok(Some(204))),
            ("HTTP/1.1 201 Created\n", Ok(Some(201))),
            ("HTTP/1.0 500 \r\nX: y\r\n", Ok(Some(500))),
            ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n", Ok(Some(200))),
            ("HTTP/1.1 100 Continue\r\n\r\n", Ok(None)),
            ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n", Ok(None)),
            ("HTTP/1.1 20", Ok(None)),
            ("", Ok(None)),
            ("HTTP/2 200\r\n", Err(HttpFault::Response)),
            ("HTTP/1.1 2x0\r\n", Err(HttpFault::Response)),
            ("HTTP/1.1 2\r\n", Err(HttpFault::Response)),
            ("SSH-2.0\r\n", Err(HttpFault::Response)),
        ] {
            assert_eq!(status_of(received.as_bytes()), status, "{received}");
        }
        assert_eq!(status_of(&[b'x'; MAX_HEADER + 1]), Err(HttpFault::TooLong));
    }

    #[test]
    fn what_is_not_as_it_should_be_is_refused() {
        let long = "x".repeat(21);
        let endless = "y".repeat(MAX_HEADER);
        for (received, fault) in [
            ("HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.example/\r\n\r\n", HttpFault::Response),
            ("HTTP/1.1 404 No\r\nContent-Type: text/plain\r\n\r\n", HttpFault::Response),
            ("SSH-2.0\r\n\r\n", HttpFault::Response),
            ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nhello", HttpFault::MediaType),
            ("HTTP/1.1 200 OK\r\n\r\nhello", HttpFault::MediaType),
            (&format!("{HEAD}Content-Length: 21\r\n\r\n"), HttpFault::TooLong),
            (&format!("{HEAD}\r\n{long}"), HttpFault::TooLong),
            (&format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n15\r\n"), HttpFault::TooLong),
            (&format!("{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), HttpFault::Response),
            (&format!("{HEAD}Content-Length: five\r\n\r\nhello"), HttpFault::Response),
            (&format!("{HEAD}X: {endless}"), HttpFault::TooLong),
        ] {
            assert_eq!(read(received, End::Open), Err(fault), "{received}");
        }
    }
}
