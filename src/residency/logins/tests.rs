//! Logins, on files of a machine that a test wrote.

use super::*;
use std::fs;

struct Machine(PathBuf);

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const ALIKE: &str = "1 (a) (b) S 1 1 1";

impl Machine {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("anshin-logins-{}", crate::store::random_id()));
        fs::create_dir_all(dir.join("sessions")).unwrap();
        Self(dir)
    }

    fn session(&self, id: &str, text: &str) {
        fs::write(self.0.join("sessions").join(id), format!("# private\n{text}\n")).unwrap();
    }

    /// A record of utmp for each terminal and host.
    fn utmp(&self, lines: &[(&str, &str)]) {
        let mut octets = Vec::new();
        for (line, host) in lines {
            let mut record = vec![0; UTMP_RECORD];
            record[..2].copy_from_slice(&UTMP_USER.to_ne_bytes());
            record[8..8 + line.len()].copy_from_slice(line.as_bytes());
            record[76..76 + host.len()].copy_from_slice(host.as_bytes());
            octets.extend(record);
        }
        fs::write(self.0.join("utmp"), octets).unwrap();
    }

    /// The origins of a process of this login, cgroup, terminal (as the number of its device) and `SSH_CONNECTION`.
    fn origins(&self, login: Option<u32>, cgroup: &str, device: u32, ssh: Option<&str>) -> Vec<Origin> {
        let file = |name: &str, text: String| {
            fs::write(self.0.join(name), text).unwrap();
            self.0.join(name)
        };
        let _ = fs::remove_file(self.0.join("login"));
        if let Some(login) = login {
            file("login", login.to_string());
        }
        Ground {
            login: self.0.join("login"),
            cgroup: file("cgroup", format!("0::{cgroup}\n")),
            stat: file("stat", format!("{ALIKE} {device} -1 0\n")),
            sessions: self.0.join("sessions"),
            utmp: vec![self.0.join("none"), self.0.join("utmp")],
            uid: 1000,
            ssh_connection: ssh.map(str::to_owned),
        }
        .origins()
    }
}

fn at(ip: &str, by: By) -> Origin {
    Origin::At(ip.parse().unwrap(), by)
}

/// Nobody: the kernel's largest number.
const NOBODY: Option<u32> = Some(u32::MAX);
/// /dev/pts/3.
const PTS_3: u32 = 136 << 8 | 3;

#[test]
fn a_login_counts_as_logind_keeps_it_whatever_the_environment_says() {
    let machine = Machine::new();
    machine.session("7", "UID=1000\nREMOTE=1\nREMOTE_HOST=203.0.113.7\nTTY=pts/3\nCLASS=user");
    machine.session("7.ref", "UID=1000\nREMOTE=1\nREMOTE_HOST=192.0.2.1");
    machine.session("3", "UID=1000\nREMOTE=0\nCLASS=manager-early");
    let scope = "/user.slice/user-1000.slice/session-7.scope";
    let home = vec![at("203.0.113.7", By::Login)];
    assert_eq!(machine.origins(Some(1000), scope, 0, Some("192.0.2.9 1 192.0.2.1 22")), home);
    // Also from the user's manager, and as another user by sudo, whose own login is the same.
    assert_eq!(machine.origins(Some(1000), "/user.slice/user@1000.service/app.slice", 0, None), home);
    // By its terminal alone.
    assert_eq!(machine.origins(NOBODY, "/", PTS_3, None), home);
    // A timer is nobody's.
    assert_eq!(machine.origins(NOBODY, "/system.slice/backup.service", 0, None), [Origin::Here]);
    // A kernel that keeps no login: the user is what there is.
    assert_eq!(machine.origins(None, "/", 0, None), home);
    machine.session("9", "UID=1000\nREMOTE=1\nREMOTE_HOST=2001:db8::9%eth0\nTTY=pts/4");
    let mut both = machine.origins(Some(1000), scope, 0, None);
    both.sort_by_key(|origin| format!("{origin:?}"));
    assert_eq!(both, [at("2001:db8::9", By::Login), home[0]], "each login of the user");
}

#[test]
fn a_login_that_does_not_say_from_where_is_hidden() {
    let machine = Machine::new();
    let scope = "/user.slice/user-1000.slice/session-7.scope";
    for (session, origin) in [
        ("UID=1000\nREMOTE=1\nREMOTE_HOST=pc.example.jp", Origin::Hidden(Hidden::Name)),
        ("UID=1000\nREMOTE=1", Origin::Hidden(Hidden::Nowhere)),
        ("UID=1000\nREMOTE=1\nREMOTE_HOST=", Origin::Hidden(Hidden::Nowhere)),
        ("UID=1000\nREMOTE=0\nTTY=tty1\nSEAT=seat0", Origin::Here),
        ("UID=1000\nREMOTE=0\nSERVICE=cron\nCLASS=background", Origin::Here),
    ] {
        machine.session("7", session);
        assert_eq!(machine.origins(Some(1000), scope, 0, None), [origin], "{session}");
    }
    fs::remove_file(machine.0.join("sessions/7")).unwrap();
    let hidden = [Origin::Hidden(Hidden::Unrecorded)];
    let ssh = Some("203.0.113.7 1 192.0.2.1 22");
    assert_eq!(machine.origins(Some(1000), "/", 0, None), hidden);
    assert_eq!(machine.origins(NOBODY, scope, 0, None), hidden);
    // What a user can set does not stand in for it.
    assert_eq!(machine.origins(Some(1000), "/", 0, ssh), hidden);
}

#[test]
fn without_logind_utmp_tells_and_the_environment_where_nobody_logged_in() {
    let machine = Machine::new();
    machine.utmp(&[("pts/3", "192.0.2.1"), ("pts/3", "203.0.113.7"), ("pts/4", ""), ("tty2", ":0")]);
    let ssh = Some("198.51.100.7 1 192.0.2.1 22");
    assert_eq!(machine.origins(Some(1000), "/", PTS_3, ssh), [at("203.0.113.7", By::Utmp)]);
    assert_eq!(machine.origins(Some(1000), "/", PTS_3 + 1, None), [Origin::Here]);
    assert_eq!(machine.origins(Some(1000), "/", 4 << 8 | 2, None), [Origin::Here]);
    // A console's shell that came by SSH all the same.
    let both = [Origin::Here, at("198.51.100.7", By::SshConnection)];
    assert_eq!(machine.origins(Some(1000), "/", PTS_3 + 1, ssh), both);
    assert_eq!(machine.origins(NOBODY, "/", 0, ssh), [at("198.51.100.7", By::SshConnection)]);
    assert_eq!(machine.origins(NOBODY, "/", 0, Some("")), [Origin::Hidden(Hidden::Name)]);
    assert_eq!(machine.origins(NOBODY, "/", 0, None), [Origin::Here]);
}
