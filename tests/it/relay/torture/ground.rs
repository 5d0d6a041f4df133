//! What the relay stands on in the torture, and how it breaks: disk, database server, the paths to it, next hops.
//!
//! Rules: one thing of the ground is broken at a time, beside the next hops; [`Ground::mend`] makes all of it whole.

use super::disk::Disk;
use crate::peer::cluster::{Cluster, Stop};
use crate::peer::eventually_within;
use crate::relay::kills::Random;
use crate::relay::mailbox::{Mailbox, Manner};
use crate::relay::process::{On, Setup};
use crate::relay::proxy::Proxy;
use std::time::Duration;

/// Makes commits fail with a chance, with codes of several classes: serialization failure, deadlock, disk full, internal error.
const FAILING_COMMITS: &str = "CREATE TABLE torture (chance DOUBLE PRECISION NOT NULL); INSERT INTO torture VALUES (0); \
    CREATE FUNCTION torture() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    IF random() < (SELECT chance FROM torture) THEN RAISE EXCEPTION 'torture' USING ERRCODE = \
    (ARRAY['40001', '40P01', '53100', 'XX000'])[1 + floor(random() * 4)::int]; END IF; RETURN NULL; END $$; \
    CREATE CONSTRAINT TRIGGER torture AFTER INSERT OR UPDATE ON delivery DEFERRABLE INITIALLY DEFERRED \
    FOR EACH ROW EXECUTE FUNCTION torture()";

/// The ground. What is dropped first stands on what is dropped later.
pub struct Ground {
    paths: Vec<Path>,
    /// Whose path was broken last, until the next harm.
    cut_off: Option<usize>,
    cluster: Option<Cluster>,
    disk: Disk,
}

/// A node's path to the database.
struct Path {
    proxy: Proxy,
    is_cut: bool,
}

/// What was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    Nothing,
    FullDisk,
    FailingWrites,
    FailingCommits,
    DatabaseCrash,
    CutPath,
    SilentPath,
}

impl Ground {
    pub fn new(on: On, nodes: usize, kills: u64) -> Self {
        // What is kept of a mail for good are some kilobytes.
        let disk = Disk::new(if on == On::Sqlite { 40 + kills } else { 250 + 2 * kills });
        let cluster = (on == On::Postgres).then(|| {
            let environment = disk.environment();
            let environment: Vec<_> = environment.iter().map(|(name, value)| (&**name, &**value)).collect();
            Cluster::new(disk.path(), &environment)
        });
        let path = |cluster: &Cluster| Path { proxy: Proxy::start(cluster.address()), is_cut: false };
        let paths = cluster.iter().flat_map(|cluster| (0..nodes).map(|_| path(cluster))).collect();
        Self { paths, cut_off: None, cluster, disk }
    }

    /// Puts a relay on it. Its first node takes the first path, and the commands too.
    pub fn carry(&self, setup: Setup) -> Setup {
        match &self.cluster {
            Some(cluster) => {
                setup.database(cluster.database()).key("storage.url", &format!("'{}'", self.url(0)))
            }
            None => {
                let url = format!("'sqlite:{}/anshin.db'", self.disk.path().display());
                let environment = self.disk.environment();
                let setup = setup.environment("ANSHIN_TEST_DISK_LOSES", "1").key("storage.url", &url);
                environment.iter().fold(setup, |setup, (name, value)| setup.environment(name, value))
            }
        }
    }

    /// Once the schema is there: commits can fail.
    pub fn prepare(&self) {
        if let Some(cluster) = &self.cluster {
            cluster.ask("anshin", FAILING_COMMITS);
            assert_eq!(cluster.ask("anshin", "SELECT chance FROM torture"), "0");
        }
    }

    /// The database by the path of a node.
    pub fn url(&self, node: usize) -> String {
        let path = self.paths.get(node).map(|path| path.proxy.address().to_string());
        format!("postgres://anshin@{}/anshin", path.unwrap_or_default())
    }

    /// The database by a path that nobody breaks.
    pub fn own_url(&self) -> String {
        match &self.cluster {
            Some(cluster) => format!("postgres://anshin@{}/anshin", cluster.address()),
            None => format!("sqlite:{}/anshin.db", self.disk.path().display()),
        }
    }

    /// Where its files are.
    pub fn disk(&self) -> &std::path::Path {
        self.disk.path()
    }

    /// Breaks something, or nothing half of the times.
    pub fn harm(&mut self, random: &mut Random) -> Harm {
        self.cut_off = None;
        if random.below(2) == 0 {
            return Harm::Nothing;
        }
        let kinds = if self.cluster.is_some() { 6 } else { 2 };
        let harm = match random.below(kinds) {
            0 => Harm::FailingWrites,
            1 => Harm::FullDisk,
            2 => Harm::FailingCommits,
            3 => Harm::DatabaseCrash,
            4 => Harm::CutPath,
            _ => Harm::SilentPath,
        };
        match (harm, &self.cluster) {
            // PostgreSQL does not go on after a failed sync: it crashes, and recovers.
            (Harm::FailingWrites, Some(_)) => self.disk.fail_once(),
            (Harm::FailingWrites, None) => self.disk.fail(),
            (Harm::FullDisk, _) => self.disk.fill(),
            (Harm::FailingCommits, Some(cluster)) => {
                cluster.ask("anshin", "UPDATE torture SET chance = 0.1");
            }
            (Harm::DatabaseCrash, Some(cluster)) => cluster.stop(Stop::Immediate),
            (Harm::CutPath | Harm::SilentPath, Some(_)) => {
                let at = usize::try_from(random.below(self.paths.len() as u64)).unwrap();
                self.cut_off = Some(at);
                let path = &mut self.paths[at];
                if harm == Harm::SilentPath {
                    path.proxy.fall_silent();
                } else {
                    path.proxy.cut();
                    path.is_cut = true;
                }
            }
            _ => {}
        }
        harm
    }

    /// The node whose path to the database the last harm broke.
    pub fn cut_off(&self) -> Option<usize> {
        self.cut_off
    }

    /// Makes everything whole.
    pub fn mend(&mut self) {
        self.disk.mend();
        for path in &mut self.paths {
            path.proxy.speak();
            if std::mem::take(&mut path.is_cut) {
                path.proxy.mend();
            }
        }
        if let Some(cluster) = &self.cluster {
            eventually_within(Duration::from_secs(120), "the database server runs", || {
                (cluster.start()
                    && cluster.ask("anshin", "UPDATE torture SET chance = 0 RETURNING 1").starts_with('1'))
                .then_some(())
            });
        }
    }
}

/// Lets next hops behave in some way for a while, each half of the times well.
pub fn misbehave(mailboxes: &[&Mailbox], random: &mut Random) {
    for mailbox in mailboxes {
        behave(mailbox);
        if random.below(2) == 0 {
            continue;
        }
        let later = || "450 4.2.1 Come back later".to_owned();
        let never = || "500 5.5.0 Never".to_owned();
        mailbox.behave(match random.below(16) {
            0 => Manner::Greets("421 4.3.2 Busy".into()),
            1 => Manner::ClosesOnConnect,
            2 => Manner::Ehlo(later()),
            3 => Manner::Mail(later()),
            4 => Manner::Rcpt(later()),
            5 => Manner::Data(later()),
            6 => Manner::Dot(later()),
            7 => Manner::Mail(never()),
            8 => Manner::Data(never()),
            9 => Manner::Dot(never()),
            10 | 11 => Manner::ClosesAfterDot,
            12 => Manner::HangsAfterDot,
            13 => Manner::Greets("450 4.3.2 Not now".into()),
            14 => Manner::Ehlo(never()),
            _ => {
                mailbox.go_down();
                continue;
            }
        });
    }
}

/// All is well again.
pub fn behave(mailbox: &Mailbox) {
    mailbox.behave(Manner::Kind);
    if mailbox.is_down() {
        mailbox.come_back();
    }
}
