//! Tables as files: CSV (RFC 4180), in UTF-8 with its mark, since spreadsheets of here read it as Shift_JIS otherwise.
//!
//! Rules: every field stands in quotes, and none is taken for a formula: what a stranger typed may stand there.
//! When it fails: it does not.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// A file with its first line.
pub(super) fn begun(head: &str) -> String {
    format!("\u{feff}{head}\r\n")
}

pub(super) fn line(text: &mut String, fields: &[&str]) {
    let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
    text.push_str(&fields.join(","));
    text.push_str("\r\n");
}

/// The file as an answer. `disposition`: with its name (RFC 6266).
pub(super) fn file(text: String, disposition: &'static str) -> Response {
    let mut response = text.into_response();
    for (name, value) in
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, disposition)]
    {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn quoted(field: &str) -> String {
    let mark = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) && field.len() > 1 { "'" } else { "" };
    format!("\"{mark}{}\"", field.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_no_formula_and_ends_where_it_ends() {
        assert_eq!(quoted("hana"), "\"hana\"");
        assert_eq!(quoted("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(quoted("-"), "\"-\"");
    }
}
