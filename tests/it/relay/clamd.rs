//! A scanner that speaks clamd's INSTREAM and knows one piece of malware.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// What it finds.
pub const MALWARE: &[u8] = b"\r\nthis is what the scanner of this test takes for malware\r\n";

/// It serves until it is dropped.
pub struct Clamd {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Clamd {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if until.load(Ordering::Acquire) {
                    return;
                }
                let _ = stream.and_then(scan);
            }
        });
        Self { address, over, thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn scan(mut stream: TcpStream) -> io::Result<()> {
    let mut command = [0; 10];
    stream.read_exact(&mut command)?;
    assert_eq!(&command, b"zINSTREAM\0");
    let mut message = Vec::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut chunk = vec![0; u32::from_be_bytes(length) as usize];
        if chunk.is_empty() {
            break;
        }
        stream.read_exact(&mut chunk)?;
        message.extend(chunk);
    }
    let found = memchr::memmem::find(&message, MALWARE).is_some();
    stream.write_all(if found { b"stream: Test.Anshin FOUND\0" } else { b"stream: OK\0" })
}
