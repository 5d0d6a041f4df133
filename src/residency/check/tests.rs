//! The judgements, on files of a machine that a test wrote.

use super::*;

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("anshin-residency-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn file(&self, name: &str, text: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn found(place: Place, ground: Ground) -> Vec<(Standing, Origin)> {
    let (files, officers, geo) = (Vec::new(), Vec::new(), Arc::default());
    let checker = Checker { places: vec![place], files, officers, geo, ground };
    let report = checker.look(&Told::default(), Timestamp::from_millis(0)).await;
    report.findings.iter().map(|finding| (finding.standing, finding.origin)).collect()
}

#[tokio::test]
async fn resolvers_of_the_machine_are_told_apart_also_behind_a_stub() {
    let dir = Dir::new("resolvers");
    for (first, behind, expected) in [
        ("nameserver 10.1.2.3\n", "", vec![(Standing::Unproven, Origin::Neighbour)]),
        ("nameserver fe80::1%eth0\n", "", vec![(Standing::Unproven, Origin::Neighbour)]),
        ("# x\nnameserver 8.8.8.8\n", "", vec![(Standing::Abroad, Origin::Delegated)]),
        ("nameserver 64:ff9b::808:808\n", "", vec![(Standing::Abroad, Origin::Delegated)]),
        ("nameserver 126.1.2.3\n", "", vec![(Standing::Unproven, Origin::Delegated)]),
        ("nameserver 127.0.0.1\n", "nameserver 8.8.8.8\n", vec![(Standing::InJapan, Origin::Neighbour)]),
        (
            "nameserver 127.0.0.53\n",
            "nameserver 8.8.8.8\n",
            vec![(Standing::InJapan, Origin::Neighbour), (Standing::Abroad, Origin::Delegated)],
        ),
    ] {
        let ground = Ground {
            resolvers: dir.file("first", first.as_bytes()),
            behind_the_stub: dir.file("behind", behind.as_bytes()),
            ..Ground::default()
        };
        let key = "dns.servers".to_owned();
        let place = Place { key, purpose: Purpose::Resolver, at: At::SystemResolvers };
        assert_eq!(found(place, ground).await, expected, "{first}");
    }
}

#[tokio::test]
async fn a_path_on_a_server_is_judged_by_the_server_whatever_leads_there() {
    let dir = Dir::new("mounts");
    let real = dir.0.join("nfs");
    std::fs::create_dir_all(&real).unwrap();
    std::os::unix::fs::symlink(&real, dir.0.join("link")).unwrap();
    // A mount point with octets that are no UTF-8 must not hide the rest.
    let mut mounts = b"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 8:2 / /\x83\x65 rw - ext4 /dev/b rw\n".to_vec();
    let point = real.canonicalize().unwrap();
    mounts.extend_from_slice(format!("3 1 0:9 / {} rw - nfs 8.8.8.8:/x rw\n", point.display()).as_bytes());
    for (path, mountinfo, standing) in [
        (dir.0.join("a.db"), &mounts, Standing::InJapan),
        (real.join("a.db"), &mounts, Standing::Abroad),
        (dir.0.join("link/new/a.db"), &mounts, Standing::Abroad),
        (dir.0.join("link/../a.db"), &mounts, Standing::InJapan),
        (dir.0.join("a.db"), &Vec::new(), Standing::Unknown),
    ] {
        let ground = Ground { mountinfo: dir.file("mountinfo", mountinfo), ..Ground::default() };
        let place = Place { key: "keys.dir".to_owned(), purpose: Purpose::Keys, at: At::File(path.clone()) };
        assert_eq!(found(place, ground).await, [(standing, Origin::Configured)], "{}", path.display());
    }
}

#[test]
fn what_the_database_says_of_itself_counts_only_against_it() {
    let (geo, ground) = (Geo::default(), Ground::default());
    let look = Look { sites: Vec::new(), geo: &geo, ground: &ground, mounts: String::new() };
    let ip = |text: &str| text.parse().unwrap();
    assert_eq!(look.server(ip("8.8.8.8")).map(|finding| finding.standing), Some(Standing::Abroad));
    assert!(look.server(ip("10.1.2.3")).is_none() && look.server(ip("126.1.2.3")).is_none());
}

#[test]
fn a_japanese_name_needs_addresses_that_can_be_there() {
    let (geo, ground) = (Geo::default(), Ground::default());
    let look = Look { sites: Vec::new(), geo: &geo, ground: &ground, mounts: String::new() };
    let name = Some(("db.c1x2.ap-northeast-1.rds.amazonaws.com", "AWS ap-northeast-1"));
    for (ip, standing) in [
        ("10.1.2.3", Standing::InJapan),
        ("126.1.2.3", Standing::InJapan),
        ("54.238.1.2", Standing::InJapan),
        ("114.114.114.114", Standing::Abroad),
    ] {
        assert_eq!(look.ip(ip.parse().unwrap(), name).standing, standing, "{ip}");
    }
}
