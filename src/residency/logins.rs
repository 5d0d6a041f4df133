//! From where the person comes who runs this process, as the system knows it.
//!
//! Rules: what a user can't set comes first. The login is the kernel's (loginuid, which stays through `su` and `sudo`); its
//! sessions are those that systemd-logind keeps: the one that this process belongs to, the one of its terminal, and all others of
//! that user, since a terminal that was left open can be taken up from elsewhere. Without any, utmp has the terminal's. Only
//! where nobody logged in at all is `SSH_CONNECTION` asked; it never stands in for a login that the system hides. Root can
//! change all of it: against root stand a second person and the audit tree.
//! When it fails: what can't be read is not known, and a login of which nothing is known is hidden.

use super::staff::{By, Hidden, Origin};
use std::net::IpAddr;
use std::path::PathBuf;

/// The octets of a record of utmp on Linux with glibc, and where in it stand its type, terminal and host (utmp(5)).
const UTMP_RECORD: usize = 384;
const UTMP_USER: i16 = 7;
const UTMP_LINE: std::ops::Range<usize> = 8..40;
const UTMP_HOST: std::ops::Range<usize> = 76..332;
/// The most of a file that is read, in octets.
const FILE_MAX: u64 = 1 << 20;
/// Numbers of the devices of pseudo-terminals: /dev/pts/N is 136 to 143, 256 of each (Linux, devices.txt).
const TERMINALS: std::ops::RangeInclusive<u64> = 136..=143;

/// The files of the machine, and what this process was given.
struct Ground {
    login: PathBuf,
    cgroup: PathBuf,
    stat: PathBuf,
    sessions: PathBuf,
    utmp: Vec<PathBuf>,
    uid: u32,
    ssh_connection: Option<String>,
}

/// A session, as logind keeps it (sd-login(3) reads the same file).
#[derive(Default)]
struct Session {
    id: String,
    uid: Option<u32>,
    terminal: String,
    class: String,
    is_remote: bool,
    host: String,
}

/// The origins of whoever runs this process: at least one, and several where he logged in several times.
#[must_use]
pub fn origins() -> Vec<Origin> {
    let own = PathBuf::from("/proc/self");
    Ground {
        login: own.join("loginuid"),
        cgroup: own.join("cgroup"),
        stat: own.join("stat"),
        sessions: "/run/systemd/sessions".into(),
        utmp: vec!["/run/utmp".into(), "/var/run/utmp".into()],
        uid: rustix::process::getuid().as_raw(),
        ssh_connection: std::env::var_os("SSH_CONNECTION").map(|text| text.to_string_lossy().into_owned()),
    }
    .origins()
}

impl Ground {
    fn origins(&self) -> Vec<Origin> {
        let terminal = self.terminal();
        let own = self.own_session();
        // Where the kernel keeps no login, the user is what there is. Where it does and there is none, nobody logged in.
        let login = text(&self.login).map(|text| text.trim().parse().unwrap_or(u32::MAX));
        let user = match login {
            Some(u32::MAX) => None,
            Some(login) => Some(login),
            None => Some(self.uid),
        };
        let is_ours = |session: &Session| {
            own.as_deref() == Some(session.id.as_str())
                || (!session.terminal.is_empty() && Some(&session.terminal) == terminal.as_ref())
                || (user.is_some() && session.uid == user)
        };
        let sessions: Vec<Session> = self.sessions().into_iter().filter(is_ours).collect();
        let mut origins: Vec<Origin> = sessions.iter().map(Session::origin).collect();
        if origins.is_empty() {
            origins.extend(terminal.and_then(|terminal| self.utmp(&terminal)));
        }
        let is_known = !origins.is_empty();
        match &self.ssh_connection {
            // It can only make it worse: a process of this machine's own has none.
            Some(connection) if origins.iter().all(|origin| *origin == Origin::Here) => {
                origins.push(ssh(connection));
            }
            _ => {}
        }
        let has_logged_in = login.is_some_and(|login| login != u32::MAX) || own.is_some();
        if !is_known && has_logged_in {
            return vec![Origin::Hidden(Hidden::Unrecorded)];
        }
        if origins.is_empty() {
            origins.push(Origin::Here);
        }
        origins
    }

    /// The session whose scope this process is in: `…/session-7.scope` (cgroups(7)).
    fn own_session(&self) -> Option<String> {
        let text = text(&self.cgroup)?;
        let scope = |part: &str| Some(part.strip_prefix("session-")?.strip_suffix(".scope")?.to_owned());
        text.lines().flat_map(|line| line.split('/')).find_map(scope)
    }

    /// The terminal that controls this process, such as `pts/3`: the seventh value of proc_pid_stat(5).
    fn terminal(&self) -> Option<String> {
        let text = text(&self.stat)?;
        // The second is a name in brackets, which may hold anything.
        let device: u64 = text.rsplit_once(')')?.1.split_whitespace().nth(4)?.parse().ok()?;
        let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
        match major {
            major if TERMINALS.contains(&major) => {
                Some(format!("pts/{}", (major - TERMINALS.start()) * 256 + minor))
            }
            4 if minor < 64 => Some(format!("tty{minor}")),
            _ => None,
        }
    }

    fn sessions(&self) -> Vec<Session> {
        let entries = std::fs::read_dir(&self.sessions).into_iter().flatten().flatten();
        let session = |entry: std::fs::DirEntry| {
            let id = entry.file_name().into_string().ok().filter(|id| !id.contains('.'))?;
            let session = Session::read(id, &text(&entry.path())?);
            // The user's manager is there as long as any login of his, and says of none where it came from.
            (!session.class.starts_with("manager")).then_some(session)
        };
        entries.filter_map(session).collect()
    }

    /// From where the login on a terminal came.
    fn utmp(&self, terminal: &str) -> Option<Origin> {
        let octets = self.utmp.iter().find_map(|path| octets(path))?;
        let of = |record: &[u8]| {
            let field = |range| {
                let field: &[u8] = record.get(range)?;
                String::from_utf8(field.split(|octet| *octet == 0).next()?.to_vec()).ok()
            };
            let kind = record.first_chunk().map(|kind| i16::from_ne_bytes(*kind))?;
            (kind == UTMP_USER && field(UTMP_LINE)? == terminal).then(|| field(UTMP_HOST))?
        };
        let host = octets.chunks_exact(UTMP_RECORD).rev().find_map(of)?;
        // The display of a console has a colon before its number.
        Some(match host.as_str() {
            "" => Origin::Here,
            display if display.starts_with(':') && display.parse::<IpAddr>().is_err() => Origin::Here,
            host => address(host, By::Utmp),
        })
    }
}

impl Session {
    fn read(id: String, text: &str) -> Self {
        let mut session = Self { id, ..Self::default() };
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name {
                "UID" => session.uid = value.parse().ok(),
                "TTY" => value.clone_into(&mut session.terminal),
                "CLASS" => value.clone_into(&mut session.class),
                "REMOTE" => session.is_remote = value != "0",
                "REMOTE_HOST" => value.clone_into(&mut session.host),
                _ => {}
            }
        }
        session
    }

    fn origin(&self) -> Origin {
        match (self.is_remote, self.host.as_str()) {
            (false, "") => Origin::Here,
            (true, "") => Origin::Hidden(Hidden::Nowhere),
            (_, host) => address(host, By::Login),
        }
    }
}

/// The first word of `SSH_CONNECTION` is the client's address (ssh(1)).
fn ssh(connection: &str) -> Origin {
    address(connection.split_whitespace().next().unwrap_or_default(), By::SshConnection)
}

/// An address, without the zone of a link.
fn address(host: &str, by: By) -> Origin {
    let plain = host.split('%').next().unwrap_or_default();
    plain.parse().map_or(Origin::Hidden(Hidden::Name), |ip| Origin::At(ip, by))
}

fn octets(path: &std::path::Path) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut octets = Vec::new();
    std::fs::File::open(path).ok()?.take(FILE_MAX).read_to_end(&mut octets).ok()?;
    Some(octets)
}

fn text(path: &std::path::Path) -> Option<String> {
    octets(path).map(|octets| String::from_utf8_lossy(&octets).into_owned())
}

#[cfg(test)]
mod tests;
