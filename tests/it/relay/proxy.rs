//! A TCP path between the relay and its database server that can be cut, mended, silenced and led elsewhere.

use crate::peer::eventually;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// The path.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: Mutex<SocketAddr>,
    state: Mutex<State>,
}

struct State {
    is_cut: bool,
    open: Vec<TcpStream>,
    /// Raised to silence all connections that are open then.
    silence: Arc<Silence>,
    raised: Vec<Arc<Silence>>,
}

impl State {
    fn speak(&mut self) {
        self.raised.drain(..).for_each(|silence| silence.set(false));
    }
}

/// Whether what passes is held back; shared by connections of one time.
#[derive(Default)]
struct Silence {
    is_on: Mutex<bool>,
    is_over: Condvar,
}

impl Silence {
    fn set(&self, is_on: bool) {
        *self.is_on.lock().unwrap() = is_on;
        self.is_over.notify_all();
    }

    fn wait(&self) {
        let guard = self.is_on.lock().unwrap();
        drop(self.is_over.wait_while(guard, |is_on| *is_on).unwrap());
    }
}

impl Proxy {
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            state: Mutex::new(State {
                is_cut: false,
                open: Vec::new(),
                silence: Arc::default(),
                raised: Vec::new(),
            }),
        });
        spawn(listener, shared.clone());
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections to another place.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap() = target;
    }

    /// From now on nothing passes on the connections that are open: neither side is told. New ones pass.
    pub fn fall_silent(&self) {
        let mut state = self.shared.state.lock().unwrap();
        let silence = std::mem::take(&mut state.silence);
        silence.set(true);
        state.raised.push(silence);
    }

    /// Lets pass what was held back.
    pub fn speak(&self) {
        self.shared.state.lock().unwrap().speak();
    }

    /// Ends all connections and refuses new ones.
    pub fn cut(&self) {
        {
            let mut state = self.shared.state.lock().unwrap();
            state.is_cut = true;
            for stream in state.open.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
            state.speak();
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
            state.speak();
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
            let target = *shared.target.lock().unwrap();
            // A server that is away refuses; so does the path then.
            let (Ok(inner), Ok(outer)) = (stream, TcpStream::connect(target)) else { continue };
            for stream in [&inner, &outer] {
                let _ = stream.set_nodelay(true);
                state.open.extend(stream.try_clone());
            }
            let (inner_again, outer_again) = (inner.try_clone().unwrap(), outer.try_clone().unwrap());
            state.open.retain(|stream| stream.peer_addr().is_ok());
            let (silence, silence_again) = (state.silence.clone(), state.silence.clone());
            thread::spawn(move || pass(inner, outer, &silence));
            thread::spawn(move || pass(outer_again, inner_again, &silence_again));
        }
    });
}

fn pass(mut from: TcpStream, mut to: TcpStream, silence: &Silence) {
    let mut block = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut block) {
        silence.wait();
        if to.write_all(&block[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
