//! A browser as far as the menu needs one: it keeps cookies, follows redirections, and sends forms with what stands in them.

use super::watch::Watch;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// A page as it came.
#[derive(Clone)]
pub struct Page {
    pub status: u16,
    pub path: String,
    head: String,
    pub body: String,
}

impl Page {
    /// The values of a header field.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    /// The value of a hidden field of the page's first form that has it.
    pub fn field(&self, name: &str) -> Option<String> {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\""))?;
        Some(rest.split('"').next()?.to_owned())
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.path, self.body);
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.body.contains(text), "{text} is not in {}:\n{}", self.path, self.body);
        self
    }
}

/// A browser of somebody.
pub struct Browser {
    server: SocketAddr,
    watch: Arc<Watch>,
    who: String,
    pub cookies: BTreeMap<String, String>,
    /// Header fields that it sends always, each with CRLF.
    pub fields: String,
    pub last: Option<Page>,
}

impl Browser {
    pub fn new(server: SocketAddr, watch: &Arc<Watch>, who: &str) -> Self {
        let fields = "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/140.0\r\n"
            .to_owned();
        let (watch, who) = (watch.clone(), who.to_owned());
        Self { server, watch, who, cookies: BTreeMap::new(), fields, last: None }
    }

    /// Comes through a proxy from this address.
    pub fn from(mut self, ip: &str) -> Self {
        self.fields.push_str(&format!("X-Forwarded-For: {ip}\r\n"));
        self
    }

    /// A page, redirections followed.
    pub fn get(&mut self, path: &str) -> Page {
        let mut page = self.once("GET", path, "", None);
        for _ in 0..5 {
            if page.status != 303 {
                break;
            }
            let to = page.header("Location").unwrap().to_owned();
            page = self.once("GET", &to, "", None);
        }
        self.last = Some(page.clone());
        page
    }

    /// Sends a form of the last page, with the word that stands in it; redirections followed.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let word = self.last.as_ref().and_then(|page| page.field("word")).unwrap_or_default();
        let page = self.post_with(path, &word, fields, "Sec-Fetch-Site: same-origin\r\n");
        let page = if page.status == 303 {
            let to = page.header("Location").unwrap().to_owned();
            return self.get(&to);
        } else {
            page
        };
        self.last = Some(page.clone());
        page
    }

    /// Sends a form with this word and these header fields; nothing is followed.
    pub fn post_with(&mut self, path: &str, word: &str, fields: &[(&str, &str)], more: &str) -> Page {
        let mut body = format!("word={}", encoded(word));
        for (name, value) in fields {
            body.push_str(&format!("&{name}={}", encoded(value)));
        }
        self.once("POST", path, more, Some(&body))
    }

    /// Sends a form of the last page but for its last octet. What is returned sends that, and is the answer.
    pub fn post_slowly(&mut self, path: &str, fields: &[(&str, &str)]) -> impl FnOnce() -> Page + use<> {
        let word = self.last.as_ref().and_then(|page| page.field("word")).unwrap_or_default();
        let mut body = format!("word={}", encoded(&word));
        for (name, value) in fields {
            body.push_str(&format!("&{name}={}", encoded(value)));
        }
        let mut stream = TcpStream::connect(self.server).unwrap();
        let text = self.request("POST", path, "Sec-Fetch-Site: same-origin\r\n", Some(&body));
        let (most, last) = text.split_at(text.len() - 1);
        stream.write_all(most.as_bytes()).unwrap();
        let (last, path) = (last.to_owned(), path.to_owned());
        let (watch, who) = (self.watch.clone(), self.who.clone());
        move || {
            stream.write_all(last.as_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            watch.shown(&who, &path, &answer);
            read(&path, answer)
        }
    }

    fn request(&self, method: &str, path: &str, more: &str, body: Option<&str>) -> String {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies =
            if cookies.is_empty() { String::new() } else { format!("Cookie: {}\r\n", cookies.join("; ")) };
        let fields = &self.fields;
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nHost: menu.anshin.test\r\nConnection: close\r\n{fields}{cookies}{more}"
        );
        if let Some(body) = body {
            let kind = "application/x-www-form-urlencoded";
            text.push_str(&format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body.unwrap_or_default());
        text
    }

    /// One request.
    pub fn once(&mut self, method: &str, path: &str, more: &str, body: Option<&str>) -> Page {
        let mut stream = TcpStream::connect(self.server).unwrap();
        let text = self.request(method, path, more, body);
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        self.watch.shown(&self.who, path, &answer);
        let page = read(path, answer);
        for cookie in page.headers("Set-Cookie") {
            let (pair, rest) = cookie.split_once(';').unwrap();
            for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
                assert!(rest.contains(attribute), "{cookie}");
            }
            let (name, value) = pair.split_once('=').unwrap();
            assert!(name.starts_with("__Host-") && !rest.contains("Domain"), "{cookie}");
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        page
    }

    /// Signs in; where it led.
    pub fn sign_in(&mut self, store: &str, name: &str, password: &str) -> Page {
        self.get("/menu/sign-in").is(200);
        self.post("/menu/sign-in", &[("store", store), ("name", name), ("password", password)])
    }

    /// Changes the password; where it led.
    pub fn change_password(&mut self, old: &str, new: &str) -> Page {
        self.get("/menu/password").is(200);
        self.post("/menu/password", &[("old", old), ("new", new), ("again", new)])
    }
}

fn read(path: &str, answer: Vec<u8>) -> Page {
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Page { status, path: path.to_owned(), head: head.to_owned(), body: body.to_owned() }
}

fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
