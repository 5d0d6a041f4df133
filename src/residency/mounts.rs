//! Whether a path lies on this machine or on a server: the kernel's list of mounts (proc_pid_mountinfo(5)).
//!
//! Rules: the mount whose point is the longest beginning of the path counts, the last of those at one point. A file
//! system of which nothing is known is taken to be of this machine, since only networked ones name a server.

use std::path::{Path, PathBuf};

/// File systems whose data lies elsewhere.
const NETWORKED: [&str; 14] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "fuse.ceph",
    "fuse.glusterfs",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.gcsfuse",
    "lustre",
];

/// The server behind a path; `None` where the path is this machine's own.
#[must_use]
pub(super) fn server(mountinfo: &str, path: &Path) -> Option<String> {
    let mut best: Option<(PathBuf, String, String)> = None;
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let Some(point) = left.split(' ').nth(4).map(|point| PathBuf::from(unescaped(point))) else {
            continue;
        };
        let mut right = right.split(' ');
        let (Some(kind), Some(source)) = (right.next(), right.next()) else { continue };
        let is_better = best.as_ref().is_none_or(|(best, _, _)| point.starts_with(best));
        if path.starts_with(&point) && is_better {
            best = Some((point, kind.to_owned(), unescaped(source)));
        }
    }
    let (_, kind, source) = best?;
    NETWORKED.contains(&kind.as_str()).then(|| host(&source))
}

/// The host in `server:/export`, `//server/share`, `user@server:dir` or `[2001:db8::1]:/export`.
fn host(source: &str) -> String {
    let source = source.trim_start_matches('/');
    if let Some(v6) = source.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return v6.0.to_owned();
    }
    let end = source.find([':', '/', ',']).unwrap_or(source.len());
    let host = source.split_at_checked(end).map_or(source, |(host, _)| host);
    host.rsplit('@').next().unwrap_or(host).to_owned()
}

/// Octal escapes of the kernel's list: a blank is `\040`.
fn unescaped(text: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
21 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
44 21 0:40 / /srv/mail rw,relatime shared:20 - nfs4 store.example.jp:/export/mail rw,vers=4.2
45 44 254:2 / /srv/mail/local rw shared:21 - xfs /dev/vdb1 rw
46 21 0:41 / /mnt/two\\040words rw - cifs //192.0.2.7/share rw
47 21 0:42 / /mnt/six rw - nfs [2001:db8::1]:/export rw
48 21 0:43 / /mnt/ssh rw - fuse.sshfs anshin@backup.example.net:/b rw
";

    fn on(path: &str) -> Option<String> {
        server(MOUNTS, Path::new(path))
    }

    #[test]
    fn the_nearest_mount_tells_whose_the_path_is() {
        assert_eq!(on("/var/lib/anshin/anshin.db"), None);
        assert_eq!(on("/srv/mail/anshin.db").as_deref(), Some("store.example.jp"));
        assert_eq!(on("/srv/mail/local/anshin.db"), None);
        assert_eq!(on("/srv/mailbox/anshin.db"), None);
        assert_eq!(on("/mnt/two words/a.db").as_deref(), Some("192.0.2.7"));
        assert_eq!(on("/mnt/six/a.db").as_deref(), Some("2001:db8::1"));
        assert_eq!(on("/mnt/ssh/a.db").as_deref(), Some("backup.example.net"));
    }

    #[test]
    fn a_list_that_is_no_list_names_no_server() {
        for list in ["", "x", "a - b", "1 2 3 4 /srv - nfs"] {
            assert_eq!(server(list, Path::new("/srv/x")), None, "{list:?}");
        }
    }
}
