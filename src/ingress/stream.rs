//! The octets of a connection, in clear or in TLS.
//!
//! Rules: nothing is held to read into while there is nothing to read. The block belongs to the thread and is lent for
//! one poll, so that a session that waits costs its own state and the kernel's buffers alone.
//! When it fails: an error of the socket; the session ends with it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Octets read at once: as many as a TLS record holds (RFC 8446 §5.1).
const BLOCK: usize = 16 * 1024;

thread_local! {
    static LENT: RefCell<Box<[u8]>> = RefCell::new(vec![0; BLOCK].into());
}

/// A connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Between the two, and after a failed handshake.
    Gone,
}

impl Stream {
    /// Waits for octets and shows them; how many there were, 0 at the end.
    ///
    /// # Errors
    /// Those of the socket, and of TLS.
    pub async fn read(&mut self, mut show: impl FnMut(&[u8])) -> io::Result<usize> {
        poll_fn(|context| match self {
            Stream::Plain(stream) => poll(Pin::new(stream), context, &mut show),
            Stream::Tls(stream) => poll(Pin::new(stream.as_mut()), context, &mut show),
            Stream::Gone => Poll::Ready(Ok(0)),
        })
        .await
    }

    /// Whether the peer said something already.
    pub fn has_spoken(&self) -> bool {
        match self {
            Stream::Plain(stream) => matches!(stream.try_read(&mut [0_u8; 1]), Ok(n) if n > 0),
            _ => false,
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.write_all(octets).await,
            Stream::Tls(stream) => {
                stream.write_all(octets).await?;
                stream.flush().await
            }
            Stream::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// What binds a client's proof to this connection (RFC 9266 §2). With TLS 1.2 it is unique only where the handshake
    /// used extended_master_secret, which nobody tells us, so there channel binding is not offered (RFC 9266 §4.2).
    pub fn channel_binding(&self) -> Option<[u8; 32]> {
        let Stream::Tls(stream) = self else { return None };
        let (_, tls) = stream.get_ref();
        if tls.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
            return None;
        }
        tls.export_keying_material([0_u8; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok()
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.shutdown().await,
            Stream::Tls(stream) => stream.shutdown().await,
            Stream::Gone => Ok(()),
        }
    }

    /// Begins TLS: version and suite, and the fingerprint of the client's certificate where it showed one. `None` when it
    /// did not come about in time; the connection is gone then.
    pub async fn start_tls(
        &mut self,
        config: Arc<rustls::ServerConfig>,
        patience: Duration,
    ) -> Option<(String, Option<String>)> {
        let Stream::Plain(stream) = std::mem::replace(self, Stream::Gone) else { return None };
        let stream = timeout(patience, TlsAcceptor::from(config).accept(stream)).await.ok()?.ok()?;
        let (_, tls) = stream.get_ref();
        let version = tls.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
        let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("?");
        let said = format!("{version} {suite}");
        let certificate = tls.peer_certificates().and_then(|chain| chain.first());
        let fingerprint = certificate.map(|own| super::x509::sha256_hex(own));
        *self = Stream::Tls(Box::new(stream));
        Some((said, fingerprint))
    }
}

fn poll(
    stream: Pin<&mut impl AsyncRead>,
    context: &mut Context<'_>,
    show: &mut impl FnMut(&[u8]),
) -> Poll<io::Result<usize>> {
    LENT.with(|block| match block.try_borrow_mut() {
        Ok(mut block) => into(stream, context, &mut block, show),
        // Nobody reads while it shows; if somebody did, a block of his own would do.
        Err(_) => into(stream, context, &mut vec![0; BLOCK], show),
    })
}

fn into(
    stream: Pin<&mut impl AsyncRead>,
    context: &mut Context<'_>,
    block: &mut [u8],
    show: &mut impl FnMut(&[u8]),
) -> Poll<io::Result<usize>> {
    let mut block = ReadBuf::new(block);
    ready!(stream.poll_read(context, &mut block))?;
    let read = block.filled();
    if !read.is_empty() {
        show(read);
    }
    let octets = read.len();
    // It may have been a password in clear text: the next session finds nothing of it.
    zeroize::Zeroize::zeroize(block.filled_mut());
    Poll::Ready(Ok(octets))
}
