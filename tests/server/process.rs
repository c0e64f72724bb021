//! The binary as scripts and operators use it: what it prints, obeys and returns.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::client::{self, PATIENCE};

struct Process {
    child: Child,
    address: SocketAddr,
}

fn fairwind(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fairwind"));
    command
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // A folder without a settings file.
    command.current_dir(std::env::temp_dir());
    command
}

async fn start(flags: &[&str]) -> Process {
    let mut child = fairwind(&[&["--addr", "127.0.0.1:0"], flags].concat())
        .spawn()
        .expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
    let line = timeout(PATIENCE, lines.next_line())
        .await
        .expect("in time")
        .expect("readable")
        .expect("a line");
    let address = line
        .strip_prefix("listening on http://")
        .expect("the line that scripts wait for");
    Process {
        child,
        address: address.parse().expect("an address"),
    }
}

async fn signal(process: &Process, name: &str) {
    let id = process.child.id().expect("a running process").to_string();
    assert!(
        Command::new("kill")
            .args([name, &id])
            .status()
            .await
            .expect("kill runs")
            .success()
    );
}

/// Waits for the end; gives the exit code and what was logged.
async fn finish(mut process: Process) -> (Option<i32>, String) {
    let mut log = String::new();
    let mut stderr = process.child.stderr.take().expect("standard error");
    timeout(PATIENCE, stderr.read_to_string(&mut log))
        .await
        .expect("an end")
        .expect("a log in UTF-8");
    let status = process.child.wait().await.expect("an exit status");
    (status.code(), log)
}

#[tokio::test]
async fn it_says_where_it_listens_and_is_healthy() {
    let process = start(&[]).await;
    assert_eq!(client::get(process.address, "/healthz").await.status, 200);
}

#[tokio::test]
async fn each_tick_logs_the_exact_number_of_consumers() {
    let mut process = start(&["--clock-interval", "100ms"]).await;
    let mut lines = BufReader::new(process.child.stderr.take().expect("standard error")).lines();
    let mut until = async |wanted: &str| {
        let reading = async {
            while let Some(line) = lines.next_line().await.expect("a log in UTF-8") {
                if line.contains(wanted) {
                    return;
                }
            }
            panic!("the log ended");
        };
        timeout(PATIENCE, reading)
            .await
            .unwrap_or_else(|_| panic!("no line with {wanted}"));
    };
    until("hello has been sent (consumers: 0)").await;
    let mut events = Vec::new();
    for _ in 0..3 {
        events.push(client::events(process.address, "/events", &[]).await);
    }
    until("hello has been sent (consumers: 3)").await;
    drop(events);
    until("hello has been sent (consumers: 0)").await;
}

#[tokio::test]
async fn sigterm_and_sigint_stop_it_within_two_seconds_with_streams_open() {
    for name in ["-TERM", "-INT"] {
        let process = start(&[]).await;
        let mut events = client::events(process.address, "/events", &[]).await;
        events.read_opening().await;
        let started = Instant::now();
        signal(&process, name).await;
        events.read_to_end().await;
        let (code, log) = finish(process).await;
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "{:?}",
            started.elapsed()
        );
        assert_eq!(code, Some(0), "{log}");
        assert!(
            !log.contains("ERROR") && !log.contains("WARN") && !log.contains("panicked"),
            "{log}"
        );
    }
}

#[tokio::test]
async fn sigusr1_ends_all_streams_and_nothing_else() {
    let process = start(&[]).await;
    let mut events = client::events(process.address, "/events", &[]).await;
    events.read_opening().await;
    signal(&process, "-USR1").await;
    events.read_to_end().await;
    client::events(process.address, "/events", &[])
        .await
        .read_opening()
        .await;
}

#[tokio::test]
async fn an_unknown_or_invalid_setting_stops_the_start_and_is_named() {
    for (flags, variables, expected) in [
        (&["--clok", "1s"][..], &[][..], "--clok"),
        (&["--retry", "soon"], &[], "--retry"),
        (&[], &[("FAIRWIND_CLOK", "1s")], "FAIRWIND_CLOK"),
        (&[], &[("FAIRWIND_RETRY", "soon")], "FAIRWIND_RETRY"),
    ] {
        let output = fairwind(flags)
            .envs(variables.iter().copied())
            .output()
            .await
            .expect("the binary runs");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn help_explains_every_setting() {
    let output = fairwind(&["--help"])
        .output()
        .await
        .expect("the binary runs");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0));
    for flag in [
        "--addr",
        "--clock-interval",
        "--history-bytes",
        "--stream-lifetime",
        "--allow-origin",
    ] {
        assert!(help.contains(flag), "{help}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_named_with_a_way_out() {
    let process = start(&[]).await;
    let address = process.address.to_string();
    let output = fairwind(&["--addr", &address])
        .output()
        .await
        .expect("the binary runs");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&address) && said.contains("--addr"), "{said}");
}
