//! A marketplace's own system that is told by webhooks: it takes, refuses, redirects or says nothing, and keeps what came.
//!
//! When it fails: the test panics with what it read.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What it does with a post.
#[derive(Clone, PartialEq, Eq)]
pub enum Does {
    Take,
    Refuse,
    Redirect(String),
    /// It reads and says nothing until it goes.
    Nothing,
}

/// A post.
#[derive(Clone)]
pub struct Posted {
    pub head: String,
    pub body: String,
    /// Whether it was answered 2xx.
    pub taken: bool,
}

impl Posted {
    /// The value of a header field.
    pub fn header(&self, name: &str) -> String {
        let value = self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        });
        value.unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }
}

/// It listens until it is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    does: Arc<Mutex<Does>>,
    posted: Arc<Mutex<Vec<Posted>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    pub fn start(does: Does) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), does)
    }

    /// At an address where another one was.
    pub fn start_at(address: SocketAddr, does: Does) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (does, posted) = (Arc::new(Mutex::new(does)), Arc::new(Mutex::new(Vec::new())));
        let ends = Arc::new(AtomicBool::new(false));
        let own = (Arc::clone(&does), Arc::clone(&posted), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if own.2.load(Ordering::Relaxed) {
                    return;
                }
                let (does, posted, ends) =
                    (own.0.lock().unwrap().clone(), Arc::clone(&own.1), Arc::clone(&own.2));
                std::thread::spawn(move || serve(stream, &does, &posted, &ends));
            }
        });
        Self { address, does, posted, ends, thread: Some(thread) }
    }

    pub fn now_does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, does: &Does, posted: &Mutex<Vec<Posted>>, ends: &AtomicBool) {
    let mut octets = Vec::new();
    let mut buffer = [0; 4096];
    let (head, body) = loop {
        let Ok(read @ 1..) = stream.read(&mut buffer) else { return };
        octets.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8(octets.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        if body.len() >= length.unwrap().parse().unwrap() {
            break (head.to_owned(), body.to_owned());
        }
    };
    posted.lock().unwrap().push(Posted { head, body, taken: *does == Does::Take });
    let answer = match does {
        Does::Take => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        Does::Refuse => "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_owned(),
        Does::Redirect(to) => {
            format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
        }
        Does::Nothing => {
            // Until the client has enough of it.
            while !ends.load(Ordering::Relaxed) && matches!(stream.read(&mut buffer), Ok(1..)) {}
            return;
        }
    };
    let _ = stream.write_all(answer.as_bytes());
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
