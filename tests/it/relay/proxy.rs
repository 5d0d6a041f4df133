//! A TCP path that can be cut and mended, between the relay and its database server.

use crate::peer::eventually;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The path.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
}

struct State {
    is_cut: bool,
    open: Vec<TcpStream>,
}

impl Proxy {
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { target, state: Mutex::new(State { is_cut: false, open: Vec::new() }) });
        spawn(listener, shared.clone());
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections and refuses new ones.
    pub fn cut(&self) {
        {
            let mut state = self.shared.state.lock().unwrap();
            state.is_cut = true;
            for stream in state.open.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        let _ = TcpStream::connect(self.address);
        eventually("the path is cut", || TcpStream::connect(self.address).is_err().then_some(()));
    }

    /// Lets connections pass again.
    pub fn mend(&self) {
        let listener = eventually("the port is free again", || TcpListener::bind(self.address).ok());
        self.shared.state.lock().unwrap().is_cut = false;
        spawn(listener, self.shared.clone());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Ok(mut state) = self.shared.state.lock() {
            state.is_cut = true;
        }
        let _ = TcpStream::connect(self.address);
    }
}

fn spawn(listener: TcpListener, shared: Arc<Shared>) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut state = shared.state.lock().unwrap();
            if state.is_cut {
                return;
            }
            let (Ok(inner), Ok(outer)) = (stream, TcpStream::connect(shared.target)) else { continue };
            for stream in [&inner, &outer] {
                let _ = stream.set_nodelay(true);
                state.open.extend(stream.try_clone());
            }
            let (inner_again, outer_again) = (inner.try_clone().unwrap(), outer.try_clone().unwrap());
            thread::spawn(move || pass(inner, outer));
            thread::spawn(move || pass(outer_again, inner_again));
        }
    });
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut block = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut block) {
        if to.write_all(&block[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
