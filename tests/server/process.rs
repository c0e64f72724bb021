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
    start_logging_to(Stdio::piped(), flags).await
}

/// Starts it with this as its standard error.
async fn start_logging_to(log: impl Into<Stdio>, flags: &[&str]) -> Process {
    let mut child = fairwind(&[&["--addr", "127.0.0.1:0"], flags].concat())
        .stderr(log)
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

/// It answers, its clock ticks, and it stops in time.
async fn works_and_stops(mut process: Process) {
    let mut events = client::events(process.address, "/events", &[]).await;
    for _ in 0..3 {
        events.next().await;
    }
    assert_eq!(client::get(process.address, "/healthz").await.status, 200);
    let started = Instant::now();
    signal(&process, "-TERM").await;
    let status = timeout(PATIENCE, process.child.wait())
        .await
        .expect("an end")
        .expect("an exit status");
    assert_eq!(status.code(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
}

/// How many lines of the log it has dropped.
async fn dropped_lines(process: &Process) -> u64 {
    let numbers = client::get(process.address, "/metrics").await.text().await;
    let line = numbers
        .lines()
        .find_map(|line| line.strip_prefix("fairwind_log_lines_dropped_total "))
        .expect("the number of dropped lines");
    line.parse().expect("a number")
}

#[tokio::test]
async fn a_log_on_a_full_disk_stops_nothing_and_its_lines_are_counted() {
    let full = std::fs::File::create("/dev/full").expect("the device");
    let process = start_logging_to(full, &["--clock-interval=100ms", "--log=debug"]).await;
    let counting = async { while dropped_lines(&process).await == 0 {} };
    timeout(PATIENCE, counting)
        .await
        .expect("a line that cannot be written");
    works_and_stops(process).await;
}

#[tokio::test]
async fn a_log_whose_reader_has_gone_stops_nothing() {
    let mut process = start(&["--clock-interval=100ms", "--log=debug"]).await;
    drop(process.child.stderr.take());
    works_and_stops(process).await;
}

#[tokio::test]
async fn a_log_whose_reader_is_stuck_stops_nothing() {
    let (_reader, mut pipe) = std::io::pipe().expect("a pipe");
    let log = pipe.try_clone().expect("its other handle");
    // Keeps the pipe full until its reader is dropped.
    std::thread::spawn(move || while std::io::Write::write_all(&mut pipe, &[b'x'; 512]).is_ok() {});
    let process = start_logging_to(log, &["--clock-interval=100ms", "--log=trace"]).await;
    let counting = async { while dropped_lines(&process).await == 0 {} };
    timeout(PATIENCE, counting)
        .await
        .expect("lines that find no room");
    works_and_stops(process).await;
}

#[tokio::test]
async fn a_closed_standard_output_stops_nothing() {
    let (reader, output) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut child = fairwind(&["--addr=127.0.0.1:0", "--clock-interval=100ms"])
        .stdout(output)
        .spawn()
        .expect("the binary starts");
    let mut log = BufReader::new(child.stderr.take().expect("standard error")).lines();
    let reading = async {
        while let Some(line) = log.next_line().await.expect("a log in UTF-8") {
            if let Some((_, address)) = line.split_once("listening on http://") {
                return address.to_owned();
            }
        }
        panic!("the log ended");
    };
    // The log says what standard output could not.
    let address = timeout(PATIENCE, reading).await.expect("a line");
    let address = address.parse().expect("an address");
    works_and_stops(Process { child, address }).await;
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
