//! The fairwind binary as a process of its own, on a port that the system chooses.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Longer than a start should take, so that a test that hangs says where.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a test looks at the threads of a process that it stops.
const LOOK_AT_THREADS: Duration = Duration::from_millis(1);

/// Stops this process with SIGSTOP, and waits until each of its threads has stopped: `kill` returns before that, and a thread
/// that is in the middle of an fsync lets the others run until the disk has answered.
#[allow(dead_code)]
pub async fn pause(id: u32) {
    let status = Command::new("kill")
        .args(["-STOP", &id.to_string()])
        .status();
    assert!(status.await.expect("kill runs").success());
    let stopped = timeout(PATIENCE, async {
        while !has_stopped(id) {
            sleep(LOOK_AT_THREADS).await;
        }
    });
    stopped.await.expect("every thread stops");
}

/// Whether the state of every thread is `T`, as proc(5) says.
fn has_stopped(id: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).expect("a running process");
    threads.flatten().all(|thread| {
        // A thread that has ended since has no state.
        let state = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let after_the_name = state.rsplit_once(") ").map_or("T", |(_, rest)| rest);
        after_the_name.starts_with('T')
    })
}

/// A running server. It is killed when this is dropped.
pub struct Binary {
    pub child: Child,
    pub address: SocketAddr,
    log: PathBuf,
}

impl Binary {
    /// Starts the server with these flags and environment variables, and waits until it listens.
    #[allow(dead_code)]
    pub async fn start(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_at(any_port, flags, variables).await
    }

    /// The same at an address of the test's choice.
    pub async fn start_at(address: SocketAddr, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let server = Command::new(env!("CARGO_BIN_EXE_fairwind"));
        Self::start_command(server, address, flags, variables).await
    }

    /// The same by a command to which only the server's arguments are added. It may be another program that becomes the
    /// server.
    pub async fn start_command(
        mut command: Command,
        address: SocketAddr,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let log = std::env::temp_dir().join(format!("fairwind-test-{:x}.log", fastrand::u64(..)));
        let mut child = command
            .arg(format!("--addr={address}"))
            .arg("--clock-interval=1h")
            .args(flags)
            .envs(variables.iter().copied())
            // A folder without a settings file.
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a file for the log"))
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
        let line = timeout(PATIENCE, lines.next_line()).await;
        let line = line.expect("in time").expect("readable");
        let line = line.unwrap_or_else(|| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let _ = std::fs::remove_file(&log);
            panic!("the server does not start with {flags:?} {variables:?}: {said}")
        });
        let address = line
            .strip_prefix("listening on http://")
            .expect("the line that scripts wait for");
        Self {
            address: address.parse().expect("an address"),
            child,
            log,
        }
    }

    /// Sends the server a signal, such as `-USR1`.
    #[allow(dead_code)]
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("a running process").to_string();
        let status = Command::new("kill").args([name, &id]).status().await;
        assert!(status.expect("kill runs").success());
    }

    /// Stops the server, and waits until it has stopped.
    #[allow(dead_code)]
    pub async fn stop(mut self) {
        self.signal("-TERM").await;
        let status = timeout(PATIENCE, self.child.wait()).await;
        assert!(status.expect("an end").expect("a status").success());
    }

    /// Kills the server with SIGKILL, and waits until the system has removed the process.
    #[allow(dead_code)]
    pub async fn kill(mut self) {
        timeout(PATIENCE, self.child.kill())
            .await
            .expect("an end")
            .expect("a running process");
    }

    /// What the server has logged so far.
    #[allow(dead_code)]
    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log in UTF-8")
    }

    /// The memory that the server has in use, in bytes.
    #[allow(dead_code)]
    pub fn resident_bytes(&self) -> usize {
        let id = self.child.id().expect("a running process");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.expect("its memory").trim().trim_end_matches(" kB");
        kibibytes.parse::<usize>().expect("a number") * 1_024
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.log);
    }
}
