//! Sockets that the supervisor opened and passed on (systemd's socket activation, sd_listen_fds(3)): while a process is
//! stopped and the next one starts, connections wait at them and none is refused.
//!
//! Rules: a socket belongs to the listener that its name says (`mx`, `submission`, `submissions`, `web`), or else to the
//! one in whose `listen` its address stands; a listener that got a socket opens none of its own. A socket that belongs
//! nowhere stops the start: it would take connections that nobody answers.
//! When it fails: [`InheritedError`] with the address and the cure.

use crate::config::Config;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// A listener that can get sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Mx,
    Submission,
    Submissions,
    Web,
}

/// The sockets that nobody took yet.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(Place, TcpListener)>,
}

/// Why the sockets can't be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    #[error("LISTEN_FDS is no number of sockets; let systemd set it, or unset it")]
    Malformed,
    #[error("a passed socket can't be used: {0}; pass TCP sockets that listen (ListenStream=)")]
    Unusable(io::Error),
    #[error(
        "the passed socket on {address} belongs to no listener; name it mx, submission, submissions or web \
         (FileDescriptorName=), or write its address into that listener's key `listen`"
    )]
    Nobodys { address: SocketAddr },
}

impl Inherited {
    /// Takes the sockets that were passed to this process; none is the usual number. To be called once.
    ///
    /// # Errors
    /// [`InheritedError`].
    pub fn take(config: &Config) -> Result<Self, InheritedError> {
        let passed = sd_listen_fds::get().map_err(|_| InheritedError::Malformed)?;
        let mut sockets = Vec::new();
        for (name, descriptor) in passed {
            let listener = TcpListener::from(descriptor.into_std());
            let address = listener.local_addr().map_err(InheritedError::Unusable)?;
            listener.set_nonblocking(true).map_err(InheritedError::Unusable)?;
            let place = Place::by_name(name.as_deref())
                .or_else(|| Place::by_address(config, address))
                .ok_or(InheritedError::Nobodys { address })?;
            sockets.push((place, listener));
        }
        Ok(Self { sockets })
    }

    /// The sockets of a listener, ready to accept.
    ///
    /// # Errors
    /// Those of the system.
    pub fn of(&mut self, place: Place) -> io::Result<Vec<tokio::net::TcpListener>> {
        let own = self.sockets.extract_if(.., |(owner, _)| *owner == place);
        own.map(|(_, listener)| tokio::net::TcpListener::from_std(listener)).collect()
    }
}

impl Place {
    fn by_name(name: Option<&str>) -> Option<Self> {
        match name? {
            "mx" => Some(Place::Mx),
            "submission" => Some(Place::Submission),
            "submissions" => Some(Place::Submissions),
            "web" => Some(Place::Web),
            _ => None,
        }
    }

    fn by_address(config: &Config, address: SocketAddr) -> Option<Self> {
        let (mx, submission) = (&config.ingress.mx, &config.ingress.submission);
        let lists = [
            (Place::Mx, &mx.listen),
            (Place::Submission, &submission.listen),
            (Place::Submissions, &submission.tls_listen),
            (Place::Web, &config.web.listen),
        ];
        lists.into_iter().find(|(_, list)| list.contains(&address)).map(|(place, _)| place)
    }
}
