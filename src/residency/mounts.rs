//! Whether a path lies on a disk of this machine or elsewhere: the kernel's list of mounts (proc_pid_mountinfo(5)).
//!
//! Rules: of the mounts whose point begins the path the last in the list counts, since it covers the others. Only the kinds of
//! file system below are known to be a disk of this machine; of any other kind the source is the server. What the list does not
//! tell is not known. A block device over the network (iSCSI, NBD, RBD) looks like a disk.

use std::path::{Path, PathBuf};

/// File systems on disks and in memory.
const LOCAL: [&str; 17] = [
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "vfat", "exfat",
    "tmpfs", "ramfs", "rootfs", "squashfs", "overlay",
];

/// Where a path lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lies {
    /// On a disk of this machine.
    Here,
    /// On what this source names: `server:/export` and the like, reduced to the host.
    On(String),
    /// The list says nothing.
    Unknown,
}

/// Where `path` lies, which is canonical.
pub(super) fn lies(mountinfo: &str, path: &Path) -> Lies {
    let mut found = Lies::Unknown;
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let Some(point) = left.split(' ').nth(4).map(|point| PathBuf::from(unescaped(point))) else {
            continue;
        };
        let mut right = right.split(' ');
        let (Some(kind), Some(source)) = (right.next(), right.next()) else { continue };
        if !path.starts_with(&point) {
            continue;
        }
        // A container's layers: what is written goes to the upper one.
        let upper =
            right.next().unwrap_or_default().split(',').find_map(|option| option.strip_prefix("upperdir="));
        found = match (kind, upper) {
            ("overlay", Some(upper)) if Path::new(upper) != path => {
                lies_without(mountinfo, line, Path::new(upper))
            }
            _ if LOCAL.contains(&kind) => Lies::Here,
            _ => Lies::On(host(&unescaped(source))),
        };
    }
    found
}

/// The upper directory of an overlay, by the other mounts. In a container that list does not show it: then it is here.
fn lies_without(mountinfo: &str, overlay: &str, upper: &Path) -> Lies {
    let others: Vec<_> =
        mountinfo.lines().filter(|line| *line != overlay && !line.contains(" - overlay ")).collect();
    match lies(&others.join("\n"), upper) {
        Lies::Unknown => Lies::Here,
        known => known,
    }
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
49 21 254:3 / /covered/inner rw - ext4 /dev/vdc1 rw
50 21 0:44 / /covered rw - nfs hidden.example.net:/e rw
51 21 0:45 / /bucket rw - fuse s3bucket rw
52 21 0:46 / /layers rw - overlay overlay rw,lowerdir=/l,upperdir=/mnt/six/up,workdir=/w
";

    fn on(path: &str) -> Lies {
        lies(MOUNTS, Path::new(path))
    }

    #[test]
    fn the_mount_that_covers_the_path_tells_whose_it_is() {
        let host = |name: &str| Lies::On(name.to_owned());
        assert_eq!(on("/var/lib/anshin/anshin.db"), Lies::Here);
        assert_eq!(on("/srv/mail/anshin.db"), host("store.example.jp"));
        assert_eq!(on("/srv/mail/local/anshin.db"), Lies::Here);
        assert_eq!(on("/srv/mailbox/anshin.db"), Lies::Here);
        assert_eq!(on("/mnt/two words/a.db"), host("192.0.2.7"));
        assert_eq!(on("/mnt/six/a.db"), host("2001:db8::1"));
        assert_eq!(on("/mnt/ssh/a.db"), host("backup.example.net"));
        assert_eq!(on("/covered/inner/a.db"), host("hidden.example.net"));
        assert_eq!(on("/bucket/a.db"), host("s3bucket"));
        assert_eq!(on("/layers/a.db"), host("2001:db8::1"));
    }

    #[test]
    fn a_list_that_is_no_list_tells_nothing() {
        for list in ["", "x", "a - b", "1 2 3 4 /srv - nfs"] {
            assert_eq!(lies(list, Path::new("/srv/x")), Lies::Unknown, "{list:?}");
        }
    }
}
