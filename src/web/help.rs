//! The help pages: `/help` and `/help/REASON`, for people who got a refusal.
//!
//! Rules: Japanese and English on one page, readable on a telephone, without JavaScript and without anything from
//! elsewhere; nothing of the request is written into a page, and nobody is asked who he is.
//! When it fails: a reason that does not exist gets the list of all, with 404.

use crate::relay::{Help, help, pages};
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::fmt::Write;

const STYLE: &str = "body{font:1.1rem/1.7 sans-serif;max-width:40rem;margin:0 auto;padding:1rem;color:#222;background:#fff}\
    h1{font-size:1.3rem;line-height:1.4}section{border-top:1px solid #ccc;margin-top:1.5rem}\
    a{color:#06c}@media(prefers-color-scheme:dark){body{color:#eee;background:#111}a{color:#8bf}}";

/// `GET /help`
pub(super) async fn list() -> Response {
    respond(StatusCode::OK, &all())
}

/// `GET /help/{name}`
pub(super) async fn page(Path(name): Path<String>) -> Response {
    match help(&name) {
        Some(page) => respond(StatusCode::OK, &one(page)),
        None => respond(StatusCode::NOT_FOUND, &all()),
    }
}

fn one(page: &Help) -> String {
    let body = format!(
        "<section lang=\"ja\"><h1>{}</h1><p>{}</p></section><section lang=\"en\"><h1>{}</h1><p>{}</p></section>\
         <section><p><a href=\"../help\">メールが届かない理由の一覧 / All reasons</a></p></section>",
        page.ja.title, page.ja.text, page.en.title, page.en.text
    );
    whole(page.ja.title, &body)
}

fn all() -> String {
    let mut items = String::new();
    for page in pages() {
        let (name, ja, en) = (page.name, page.ja.title, page.en.title);
        let _ = write!(items, "<li><a href=\"/help/{name}\">{ja}<br><span lang=\"en\">{en}</span></a></li>");
    }
    whole(
        "メールが届かないとき",
        &format!("<h1>メールが届かないとき / When mail is refused</h1><ul>{items}</ul>"),
    )
}

fn whole(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"ja\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )
}

fn respond(status: StatusCode, page: &str) -> Response {
    let mut response = (status, page.to_owned()).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "max-age=3600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_needs_nothing_from_elsewhere_and_has_both_languages() {
        for page in pages() {
            let text = one(page);
            assert!(text.contains(page.ja.text) && text.contains(page.en.text));
            for word in ["<script", "http:", "https:", "src=", "@import", "url("] {
                assert!(!text.contains(word), "{word} in {}", page.name);
            }
            let opened = text.matches("<section").count();
            assert_eq!(opened, text.matches("</section>").count());
        }
    }
}
