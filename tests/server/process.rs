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

/// The server's numbers, which it gives to programs of its own machine.
async fn metrics(process: &Process) -> String {
    let answer = client::send(process.address, "GET", "/metrics", &["Host: localhost"]).await;
    assert_eq!(answer.status, 200);
    answer.text().await
}

/// How many lines of the log it has dropped.
async fn dropped_lines(process: &Process) -> u64 {
    let numbers = metrics(process).await;
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
    let log = "--log=info,fairwind::feeds=debug";
    let mut process = start(&["--clock-interval", "100ms", log]).await;
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
async fn only_the_first_tick_is_logged_unless_more_is_asked_for() {
    let process = start(&["--clock-interval=100ms"]).await;
    let mut events = client::events(process.address, "/events", &[]).await;
    for _ in 0..3 {
        events.next().await;
    }
    signal(&process, "-TERM").await;
    let (_, log) = finish(process).await;
    assert_eq!(log.matches("hello has been sent").count(), 1, "{log}");
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

/// A file of its own for one test.
fn file(name: &str, text: &str) -> String {
    let name = format!("fairwind-{}-process-{name}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, text).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

/// What `fairwind token` prints.
async fn token(flags: &[&str]) -> String {
    let output = fairwind(&[&["token"], flags].concat())
        .output()
        .await
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let token = String::from_utf8(output.stdout).expect("UTF-8");
    token.strip_suffix('\n').expect("one line").to_owned()
}

/// Publishes with a token; gives the status.
async fn publish_with(process: &Process, topic: &str, token: &str) -> u16 {
    let bearer = format!("Authorization: Bearer {token}");
    let target = format!("/topics/{topic}");
    client::send_body(process.address, "POST", &target, &[&bearer], b"1")
        .await
        .status
}

#[tokio::test]
async fn a_token_of_the_subcommand_holds_where_its_key_is() {
    let secret = file("secret", "0123456789abcdef0123456789abcdef\n");
    let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let p256 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rsa-for-tests");
    let public = [
        file("ed.pub", &ed25519.public_key_pem()),
        file("ec.pub", &p256.public_key_pem()),
        format!("{fixtures}.pub.pem"),
    ];
    let private = [
        file("ed", &ed25519.serialize_pem()),
        file("ec", &p256.serialize_pem()),
        format!("{fixtures}.pem"),
    ];
    let mut flags = vec!["--jwt-secret-file", &secret];
    for file in &public {
        flags.extend(["--jwt-public-key", file]);
    }
    let process = start(&flags).await;
    let rights = ["--publish", "kitchen", "orders/*", "--for", "1h"];
    let mut tokens = vec![token(&[&["--secret-file", &secret], &rights[..]].concat()).await];
    for file in &private {
        tokens.push(token(&[&["--private-key", file], &rights[..]].concat()).await);
    }
    for token in &tokens {
        for (topic, status) in [("kitchen", 200), ("orders/7", 200), ("cellar", 403)] {
            assert_eq!(
                publish_with(&process, topic, token).await,
                status,
                "{topic}"
            );
        }
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_made_is_explained() {
    let secret = file("short", "short\n");
    for (flags, code, expected) in [
        (
            &["--help"][..],
            0,
            "--secret-file secret --publish kitchen --for 1h",
        ),
        (&[], 2, "--for"),
        (
            &["--secret-file", &secret, "--publish=a", "--for=1h"],
            1,
            "at least 32",
        ),
        (
            &["--private-key", &secret, "--publish=a", "--for=1h"],
            1,
            "Ed25519",
        ),
        (
            &["--secret-file=/nowhere", "--publish=a", "--for=1h"],
            1,
            "/nowhere",
        ),
    ] {
        let output = fairwind(&[&["token"], flags].concat())
            .output()
            .await
            .expect("the binary runs");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn sighup_reads_the_keys_again_and_ends_no_stream() {
    let secret = file("renewed", &"first".repeat(10));
    let mut process = start(&["--clock-interval=100ms", "--jwt-secret-file", &secret]).await;
    let mut log = BufReader::new(process.child.stderr.take().expect("standard error")).lines();
    let mut hang_up = async |process: &Process, wanted: &str| {
        signal(process, "-HUP").await;
        let reading = async {
            while let Some(line) = log.next_line().await.expect("a log in UTF-8") {
                if line.contains(wanted) {
                    return;
                }
            }
            panic!("the log ended");
        };
        timeout(PATIENCE, reading).await.expect("a line");
    };
    let flags = ["--secret-file", &secret, "--publish=*", "--for=1h"];
    let mut events = client::events(process.address, "/events", &[]).await;
    let first = token(&flags).await;
    assert_eq!(publish_with(&process, "kitchen", &first).await, 200);

    file("renewed", &"second".repeat(10));
    hang_up(&process, "with the keys as they are now").await;
    let second = token(&flags).await;
    assert_eq!(publish_with(&process, "kitchen", &first).await, 401);
    assert_eq!(publish_with(&process, "kitchen", &second).await, 200);

    file("renewed", "short");
    hang_up(&process, "the old keys stay").await;
    assert_eq!(publish_with(&process, "kitchen", &second).await, 200);
    for _ in 0..3 {
        events.next().await;
    }
}

#[tokio::test]
async fn sighup_without_anything_to_reload_is_logged_and_does_no_harm() {
    let process = start(&["--clock-interval=100ms"]).await;
    signal(&process, "-HUP").await;
    let mut events = client::events(process.address, "/events", &[]).await;
    for _ in 0..3 {
        events.next().await;
    }
    signal(&process, "-TERM").await;
    let (code, log) = finish(process).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("nothing to reload"), "{log}");
}

#[tokio::test]
async fn refusals_limits_and_slow_readers_are_logged_once_each_and_then_counted() {
    let secret = file("notices", &"secret".repeat(10));
    let process = start(&[
        "--clock-interval=1h",
        "--write-timeout=200ms",
        "--max-streams=1",
        "--publish-rate=14/h",
        "--read=public",
        "--jwt-secret-file",
        &secret,
    ])
    .await;
    for _ in 0..5 {
        assert_eq!(publish_with(&process, "kitchen", "x").await, 401);
    }
    let mut slow = client::events_with_little_room(process.address, "/topics/kitchen").await;
    slow.read_opening().await;
    for _ in 0..3 {
        client::events(process.address, "/events", &[]).await;
    }
    let flags = ["--secret-file", &secret, "--publish=*", "--for=1h"];
    let bearer = format!("Authorization: Bearer {}", token(&flags).await);
    let mut statuses = Vec::new();
    for _ in 0..11 {
        let (target, body) = ("/topics/kitchen", vec![b'x'; 1_000_000]);
        let headers = [bearer.as_str()];
        let answer = client::send_body(process.address, "POST", target, &headers, &body).await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [[200; 9].as_slice(), &[429; 2]].concat());
    let gone = async {
        let count = "fairwind_slow_readers_total 1";
        while !metrics(&process).await.contains(count) {}
    };
    timeout(PATIENCE, gone).await.expect("a slow reader");
    signal(&process, "-TERM").await;
    let (code, log) = finish(process).await;
    assert_eq!(code, Some(0));
    for (line, count) in [
        (
            "WARN fairwind::server::ops::notices: 127.0.0.1: 401 for POST /topics/kitchen",
            1,
        ),
        ("4 more requests that were not allowed", 1),
        (
            "127.0.0.1: its stream was not opened: there are as many as --max-streams allows",
            1,
        ),
        ("2 more streams that were not opened", 1),
        ("127.0.0.1: 429 for POST /topics/kitchen", 1),
        ("1 more requests over a limit", 1),
        ("a reader that is too slow was disconnected", 1),
    ] {
        assert_eq!(log.matches(line).count(), count, "{line} in\n{log}");
    }
}

/// The first piece of code in a language that the document about access shows.
fn documented(language: &str) -> &'static str {
    let document = include_str!("../../docs/access.md");
    let (_, code) = document
        .split_once(&format!("```{language}\n"))
        .expect("a piece of code");
    code.split_once("```").expect("its end").0
}

#[tokio::test]
async fn the_documented_programs_make_tokens_that_hold() {
    let folder = std::env::temp_dir().join(format!("fairwind-{}-tokens", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let secret = folder.join("secret");
    std::fs::write(&secret, "0123456789abcdef".repeat(4) + "\n").expect("a file");
    let process = start(&["--jwt-secret-file", secret.to_str().expect("UTF-8")]).await;
    for (language, program, name) in [("python", "python3", "a.py"), ("js", "node", "a.mjs")] {
        std::fs::write(folder.join(name), documented(language)).expect("a file");
        let output = Command::new(program)
            .arg(name)
            .current_dir(&folder)
            .output()
            .await;
        let Ok(output) = output else {
            println!("skipped: the document's program for {program}, which is not installed");
            continue;
        };
        let token = String::from_utf8(output.stdout).expect("UTF-8");
        let status = publish_with(&process, "kitchen", token.trim_end()).await;
        assert_eq!(status, 200, "{program}");
    }
    std::fs::remove_dir_all(&folder).expect("the folder");
}

/// A network of its own that goes down while Ada reads, until the server has no connection any more, and comes back: does she leave
/// then? The arguments are the binary, and an option for curl. 1F90 is the port, and 01 a connection that is established.
const VANISH: &str = r#"
ip link set lo up
"$0" --addr 127.0.0.1:8080 --clock-interval off --heartbeat 1s --write-timeout 1s --request-timeout 1s --retry 200ms &
server=$!
present() { curl -s -H 'Accept: application/json' http://127.0.0.1:8080/topics/a | grep -o '"present":[^]]*]'; }
until [ "$(present)" = '"present":[]' ]; do sleep 0.05; done
curl -sN "$1" 'http://127.0.0.1:8080/topics/a?name=Ada' > /dev/null &
until [ "$(present)" = '"present":["Ada"]' ]; do sleep 0.05; done
ip link set lo down
while grep -q ': 0100007F:1F90 [0-9A-F:]* 01 ' /proc/net/tcp; do sleep 0.1; done
ip link set lo up
until [ "$(present)" = '"present":[]' ]; do sleep 0.05; done
echo "Ada has left"
kill $server $!
"#;

/// Fails unless the server notices that a reader's network is down, and the reader is no longer present then.
#[cfg(target_os = "linux")]
async fn check_vanished(curl_option: &str) {
    let network = ["-rn", "bash", "-c"];
    let mut possible = Command::new("unshare");
    possible
        .args(network)
        .arg("ip link set lo up && curl --version");
    if !possible
        .output()
        .await
        .is_ok_and(|output| output.status.success())
    {
        eprintln!("skipped: a network of one's own needs unshare, ip and curl");
        return;
    }
    let mut command = Command::new("unshare");
    command
        .args(network)
        .args([VANISH, env!("CARGO_BIN_EXE_fairwind"), curl_option])
        .current_dir(std::env::temp_dir())
        .kill_on_drop(true);
    let output = timeout(2 * PATIENCE, command.output()).await;
    let output = output.expect("in time").expect("it runs").stdout;
    let output = String::from_utf8_lossy(&output);
    assert!(output.contains("Ada has left"), "{output}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_reader_whose_network_vanishes_is_soon_no_longer_present() {
    check_vanished("--http1.1").await;
}

/// A ping is sent after a second here, and its answer awaited for 20.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_reader_over_http_2_whose_network_vanishes_is_no_longer_present_either() {
    check_vanished("--http2-prior-knowledge").await;
}
