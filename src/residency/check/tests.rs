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

async fn found(place: Place, ground: Ground) -> Vec<(Standing, Source)> {
    let (files, officers, geo) = (Vec::new(), Vec::new(), Arc::default());
    let checker = Checker { places: vec![place], files, officers, geo, ground };
    let report = checker.look(&Told::default(), Timestamp::from_millis(0)).await;
    report.findings.iter().map(|finding| (finding.standing, finding.source)).collect()
}

#[tokio::test]
async fn resolvers_of_the_machine_are_told_apart_also_behind_a_stub() {
    let dir = Dir::new("resolvers");
    for (first, behind, expected) in [
        ("nameserver 10.1.2.3\n", "", vec![(Standing::Unproven, Source::Neighbour)]),
        ("nameserver fe80::1%eth0\n", "", vec![(Standing::Unproven, Source::Neighbour)]),
        ("# x\nnameserver 8.8.8.8\n", "", vec![(Standing::Abroad, Source::Delegated)]),
        ("nameserver 64:ff9b::808:808\n", "", vec![(Standing::Abroad, Source::Delegated)]),
        ("nameserver 126.1.2.3\n", "", vec![(Standing::Unproven, Source::Delegated)]),
        ("nameserver 127.0.0.1\n", "nameserver 8.8.8.8\n", vec![(Standing::InJapan, Source::Neighbour)]),
        (
            "nameserver 127.0.0.53\n",
            "nameserver 8.8.8.8\n",
            vec![(Standing::InJapan, Source::Neighbour), (Standing::Abroad, Source::Delegated)],
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
        assert_eq!(found(place, ground).await, [(standing, Source::Configured)], "{}", path.display());
    }
}

#[tokio::test]
async fn whatever_file_of_a_configuration_lies_on_a_foreign_server_is_named_and_so_is_one_that_is_to_be_written()
 {
    let dir = Dir::new("foreign");
    let real = dir.0.join("share");
    std::fs::create_dir_all(&real).unwrap();
    let point = real.canonicalize().unwrap();
    let mounts = |server: &str| {
        let own = "1 0 8:1 / / rw - ext4 /dev/a rw\n";
        format!("{own}3 1 0:9 / {} rw - {server} rw\n", point.display()).into_bytes()
    };
    for (server, expected) in [
        ("nfs 8.8.8.8:/x", Standing::Abroad),
        ("fuse.sshfs backup@8.8.8.8:/x", Standing::Abroad),
        ("fuse.gcsfuse some-bucket", Standing::Unproven),
    ] {
        let checker = || {
            let config = Config::development(&real).unwrap();
            let ground = Ground { mountinfo: dir.file("mountinfo", &mounts(server)), ..Ground::default() };
            Checker { ground, ..Checker::new(&config).unwrap() }
        };
        let report = checker().look(&Told::default(), Timestamp::from_millis(0)).await;
        for key in ["storage.url", "keys.dir", "egress.dkim.dir", "audit.anchors"] {
            let found = report.findings.iter().find(|finding| finding.key == key);
            assert_eq!(found.map(|finding| finding.standing), Some(expected), "{key} {server}");
        }
        let export = checker().for_export("--out", &real.join("hana.json"));
        let report = export.look(&Told::default(), Timestamp::from_millis(0)).await;
        let findings: Vec<_> =
            report.findings.iter().map(|finding| (&*finding.key, finding.standing)).collect();
        assert_eq!(findings, [("--out", expected)], "{server}");
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

#[tokio::test]
async fn a_replica_is_judged_by_its_address_and_one_that_is_hidden_is_not_proven() {
    let (files, officers, geo) = (Vec::new(), Vec::new(), Arc::default());
    let checker = Checker { places: Vec::new(), files, officers, geo, ground: Ground::default() };
    for (replica, standing) in [
        (Replica::At("12.0.0.1".parse().unwrap()), Standing::Abroad),
        (Replica::At("10.9.9.9".parse().unwrap()), Standing::Unproven),
        (Replica::Hidden, Standing::Unproven),
        (Replica::Local, Standing::InJapan),
    ] {
        let told = Told { server: None, replicas: vec![replica] };
        let report = checker.look(&told, Timestamp::from_millis(0)).await;
        let [finding] = &report.findings[..] else { panic!("one finding") };
        assert_eq!((finding.key.as_str(), finding.standing), ("storage.url", standing));
        let stops = report.refused(crate::config::Profile::Production).count();
        assert_eq!(stops == 0, standing == Standing::InJapan);
    }
}

#[tokio::test]
async fn keys_database_and_anchors_on_a_server_abroad_stop_a_start() {
    let dir = Dir::new("served");
    let real = dir.0.canonicalize().unwrap();
    let mounts =
        format!("1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / {} rw - nfs 12.0.0.1:/x rw\n", real.display());
    let mountinfo = std::env::temp_dir().join(format!("anshin-residency-mounts-{}", std::process::id()));
    std::fs::write(&mountinfo, mounts).unwrap();
    for (key, purpose) in [
        ("storage.url", Purpose::Storage),
        ("keys.dir", Purpose::Keys),
        ("egress.dkim.dir", Purpose::Keys),
        ("audit.anchors", Purpose::Anchor),
    ] {
        let place = Place { key: key.to_owned(), purpose, at: At::File(real.join("it")) };
        let ground = Ground { mountinfo: mountinfo.clone(), ..Ground::default() };
        assert_eq!(found(place, ground).await, [(Standing::Abroad, Source::Configured)], "{key}");
    }
    std::fs::remove_file(&mountinfo).unwrap();
}
