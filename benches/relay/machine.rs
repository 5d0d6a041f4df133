//! What /proc tells: the CPU time and the memory of a process and its children, and what machine this is.
//!
//! Rules: CPU time is that of the process, of its living children and of those it has reaped, in user and system
//! mode. Memory is the proportional set size (PSS), shared pages counted once, looked at every 200 ms; the peak of
//! resident pages (VmHWM) is the kernel's own and only given for a single process.

use std::fs;
use std::time::Duration;

/// Clock ticks a second in /proc (`getconf CLK_TCK`); 100 on every Linux that this runs on.
const TICKS: u64 = 100;

/// Processes and their children.
#[derive(Debug, Clone)]
pub struct Tree {
    pub roots: Vec<u32>,
}

/// All processes of this machine.
fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// CPU time of the PostgreSQL server on this machine: of its main process, its children, and those that it has reaped.
/// Zero where none runs.
pub fn postgres_cpu() -> Duration {
    let is_postgres =
        |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "postgres\n");
    let all: Vec<u32> = processes().filter(is_postgres).collect();
    let is_main = |pid: &&u32| {
        stat(**pid).is_some_and(|fields| !all.iter().any(|other| u64::from(*other) == fields[1]))
    };
    Tree { roots: all.iter().filter(is_main).copied().collect() }.cpu()
}

impl Tree {
    /// The roots, then their children.
    fn pids(&self) -> Vec<u32> {
        let is_child = |pid: &u32| {
            stat(*pid).is_some_and(|fields| self.roots.iter().any(|root| u64::from(*root) == fields[1]))
        };
        self.roots.iter().copied().chain(processes().filter(is_child)).collect()
    }

    /// CPU time used so far.
    pub fn cpu(&self) -> Duration {
        let own = |pid: u32| stat(pid).map_or(0, |fields| fields[11] + fields[12]);
        let reaped: u64 =
            self.roots.iter().map(|root| stat(*root).map_or(0, |fields| fields[13] + fields[14])).sum();
        let ticks: u64 = self.pids().into_iter().map(own).sum::<u64>() + reaped;
        Duration::from_millis(ticks * 1000 / TICKS)
    }

    /// PSS of all of them now, in KiB.
    pub fn pss_kib(&self) -> u64 {
        self.pids().into_iter().filter_map(|pid| field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")).sum()
    }

    /// Most resident memory of the roots since [`Tree::forget_peak`], in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.roots.iter().filter_map(|root| field(&format!("/proc/{root}/status"), "VmHWM:")).sum()
    }

    /// Lets the peaks of the roots begin anew (proc(5), clear_refs).
    pub fn forget_peak(&self) {
        for root in &self.roots {
            let _ = fs::write(format!("/proc/{root}/clear_refs"), "5");
        }
    }
}

/// The numbers of /proc/PID/stat from the state on (which counts as 0): parent 1, utime 11, stime 12, cutime 13,
/// cstime 14.
fn stat(pid: u32) -> Option<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = text.rsplit_once(')')?.1.split_whitespace();
    Some(fields.map(|field| field.parse().unwrap_or(0)).collect())
}

fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// The machine in one line each: processor, memory, kernel.
pub fn describe() -> Vec<(&'static str, String)> {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']).to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field("/proc/meminfo", "MemTotal:").unwrap_or(0) / (1024 * 1024);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    vec![
        ("cpu", format!("{cores} cores, {}", if model.is_empty() { std::env::consts::ARCH } else { &model })),
        ("memory", format!("{memory} GiB")),
        ("kernel", format!("Linux {}", kernel.trim())),
        ("load at start", load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")),
    ]
}
