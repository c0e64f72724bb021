//! A server under test: started on its core, asked what it uses, and always ended.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::machine::{self, Machine};

/// Ports are tried from here on, below those that the system gives to clients.
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 32_000;

const START: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(4);

/// The length of a tick in /proc/PID/stat.
const TICK: f64 = 0.01;

pub(crate) struct Server {
    child: Child,
    group: Pid,
    pub(crate) address: SocketAddr,
}

/// A port that nothing listens on; each is given once, so that no connection of an earlier server is in the way.
pub(crate) fn free_port() -> Result<u16, String> {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST_PORT);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if port > LAST_PORT {
            return Err(format!("no port from {FIRST_PORT} to {LAST_PORT} is free"));
        }
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
}

impl Server {
    /// Starts a program that will listen on this port, and waits until it does. What it prints goes to the log.
    pub(crate) fn start(
        command: &Command,
        port: u16,
        log: &Path,
        machine: &Machine,
    ) -> Result<Self, String> {
        let mut server = Self::spawn(command, port, log, machine)?;
        let address = server.address;
        server.wait(Duration::from_millis(20), || {
            TcpStream::connect(address).is_ok()
        })?;
        // The measurement begins after the start.
        sleep(Duration::from_millis(300));
        Ok(server)
    }

    /// The same, until it prints this. Returns how long that took.
    pub(crate) fn start_until(
        printed: &str,
        command: &Command,
        port: u16,
        log: &Path,
        machine: &Machine,
    ) -> Result<(Self, Duration), String> {
        let before = fs::metadata(log).map_or(0, |log| log.len() as usize);
        let begun = Instant::now();
        let mut server = Self::spawn(command, port, log, machine)?;
        server.wait(Duration::from_millis(1), || {
            let text = fs::read(log).unwrap_or_default();
            let text = text.get(before..).unwrap_or_default();
            memchr::memmem::find(text, printed.as_bytes()).is_some()
        })?;
        Ok((server, begun.elapsed()))
    }

    fn spawn(command: &Command, port: u16, log: &Path, machine: &Machine) -> Result<Self, String> {
        let log = File::options().create(true).append(true).open(log);
        let log = log.map_err(|error| format!("the log cannot be written: {error}"))?;
        let for_errors = log.try_clone().map_err(|error| error.to_string())?;
        // If this program dies in any way, so shall the server.
        let mut started = Command::new("setpriv");
        started
            .args(["--pdeathsig", "TERM", "--"])
            .arg(command.get_program())
            .args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            started.current_dir(folder);
        }
        started
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(for_errors)
            .process_group(0);
        machine::pin(machine.server_core)?;
        let child = started.spawn();
        machine::pin(machine.client_core)?;
        let child = child.map_err(|error| format!("it cannot be started: {error}"))?;
        Ok(Self {
            group: Pid::from_raw(child.id() as i32),
            child,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        })
    }

    /// Asks at this interval whether it has started.
    fn wait(&mut self, interval: Duration, has_started: impl Fn() -> bool) -> Result<(), String> {
        let deadline = Instant::now() + START;
        while !has_started() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended at its start, {status}"));
            }
            if Instant::now() > deadline {
                return Err("it does not listen".to_owned());
            }
            sleep(interval);
        }
        Ok(())
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(self) {
        // What cannot be signalled has ended already.
        let _ = killpg(self.group, Signal::SIGKILL);
    }

    /// The program and those that it has started.
    fn processes(&self) -> Vec<u32> {
        let group = self.group.as_raw().to_string();
        let mut processes = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(id) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            if stat(id, 4).is_some_and(|found| found == group) {
                processes.push(id);
            }
        }
        processes
    }

    /// The processor time that it has used, in seconds.
    pub(crate) fn cpu(&self) -> Cpu {
        let mut cpu = Cpu {
            threads: 0.0,
            ticks: 0.0,
        };
        for process in self.processes() {
            for entry in fs::read_dir(format!("/proc/{process}/task"))
                .into_iter()
                .flatten()
                .flatten()
            {
                let text = fs::read_to_string(entry.path().join("schedstat")).unwrap_or_default();
                let nanos: Option<f64> =
                    text.split(' ').next().and_then(|field| field.parse().ok());
                cpu.threads += nanos.unwrap_or(0.0) / 1e9;
            }
            for field in [13, 14] {
                let ticks: Option<f64> = stat(process, field).and_then(|field| field.parse().ok());
                cpu.ticks += ticks.unwrap_or(0.0) * TICK;
            }
        }
        cpu
    }

    /// The memory that is resident, in bytes.
    pub(crate) fn memory(&self) -> f64 {
        let mut kib = 0.0;
        for process in self.processes() {
            let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let value =
                line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
            kib += value.unwrap_or(0.0);
        }
        kib * 1024.0
    }
}

/// The processor time used until some moment, measured in two ways.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    /// To the nanosecond, of the threads that live.
    threads: f64,
    /// In hundredths of a second, of all.
    ticks: f64,
}

impl Cpu {
    /// The seconds since an earlier moment.
    pub(crate) fn since(self, earlier: Self) -> f64 {
        let (threads, ticks) = (self.threads - earlier.threads, self.ticks - earlier.ticks);
        // A thread that ended takes its nanoseconds along.
        if threads < ticks - 5.0 * TICK {
            ticks
        } else {
            threads
        }
    }
}

/// A field of /proc/PID/stat, counted from 0 as `proc(5)` does from 1; none of those before the name's end.
fn stat(process: u32, field: usize) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(") ")?;
    after_name.split(' ').nth(field - 2).map(str::to_owned)
}

impl Drop for Server {
    fn drop(&mut self) {
        // What cannot be signalled has ended already.
        let _ = kill(self.group, Signal::SIGTERM);
        let deadline = Instant::now() + END;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            sleep(Duration::from_millis(10));
        }
        let _ = killpg(self.group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
