//! The machine: what it is, which core the server gets and which the load client.

use std::fs;
use std::io;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use serde::Serialize;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) memory_gib: f64,
    pub(crate) open_files: u64,
    pub(crate) server_core: usize,
    pub(crate) client_core: usize,
}

impl Machine {
    /// Looks at the machine, allows as many open files as can be, and moves this thread to the client's core.
    pub(crate) fn take() -> Result<Self, String> {
        let this = Pid::from_raw(0);
        let allowed =
            sched_getaffinity(this).map_err(|error| format!("sched_getaffinity: {error}"))?;
        let cores: Vec<usize> = (0..CpuSet::count())
            .filter(|&core| allowed.is_set(core).unwrap_or(false))
            .collect();
        let (&client_core, others) = cores.split_first().ok_or("no core may be used")?;
        // Not the other half of the same core, if there is a choice.
        let siblings = siblings(client_core);
        let server_core = others
            .iter()
            .find(|core| !siblings.contains(core))
            .or(others.first());
        let &server_core =
            server_core.ok_or("two cores are needed: one for the server, one for the load")?;
        pin(client_core)?;
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| error.to_string())?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(|error| error.to_string())?;
        Ok(Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: cores.len(),
            kernel: read("/proc/sys/kernel/osrelease"),
            memory_gib: field("/proc/meminfo", "MemTotal")
                .and_then(|value| value.trim_end_matches(" kB").parse::<f64>().ok())
                .map_or(0.0, |kib| kib / 1024.0 / 1024.0),
            open_files: most,
            server_core,
            client_core,
        })
    }
}

/// Moves this thread, and what it starts from now on, to one core.
pub(crate) fn pin(core: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(core)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .map_err(|error| format!("core {core} cannot be used: {error}"))
}

/// The processors that share a core with this one, itself among them.
fn siblings(core: usize) -> Vec<usize> {
    let list = read(&format!(
        "/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"
    ));
    let mut siblings = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse()) {
            siblings.extend(first..=last);
        }
    }
    siblings
}

fn read(path: &str) -> String {
    let read: io::Result<String> = fs::read_to_string(path);
    read.map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
