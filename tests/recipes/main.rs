//! Every piece of code in `docs/recipes.md`, run as it stands there; only the server's address is replaced. A program that
//! is not installed is skipped with a line that says so.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, unreachable_pub)]

#[path = "../shared/binary.rs"]
mod binary;
#[allow(dead_code)]
#[path = "../server/client.rs"]
mod client;
#[allow(dead_code)]
#[path = "../shared/document.rs"]
mod document;
#[path = "../server/parser.rs"]
mod parser;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use self::binary::Binary;
use self::client::{Events, PATIENCE};

const DOCUMENT: &str = "docs/recipes.md";

/// The settings of the recipes' server: publishing needs no token, and readers reconnect soon.
const FLAGS: [&str; 2] = ["--anonymous-publish=on", "--retry=100ms"];

/// A piece of code from the document that runs.
struct Recipe {
    child: Child,
    output: ChildStdout,
    /// What it has written so far.
    text: String,
    file: PathBuf,
}

/// The code of the document's blocks under a heading, with the server's address in place of the example's.
fn code(heading: &str, language: &str, server: SocketAddr) -> String {
    let blocks: Vec<String> = document::blocks(DOCUMENT)
        .into_iter()
        .filter(|block| block.heading == heading && block.language == language)
        .map(|block| block.code)
        .collect();
    assert!(
        !blocks.is_empty(),
        "{DOCUMENT} has no {language} under '{heading}'"
    );
    let code = blocks.join("\n");
    code.replace("127.0.0.1:8080", &server.to_string()).replace(
        "'127.0.0.1', 8080",
        &format!("'{}', {}", server.ip(), server.port()),
    )
}

/// Whether these programs are installed. If not, says which test is skipped.
fn are_installed(test: &str, programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing = programs
        .iter()
        .find(|program| !std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    if let Some(program) = missing {
        // The test harness captures what is printed by macros, but not this.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: {test}: {program} is not installed"
        );
    }
    missing.is_none()
}

impl Recipe {
    /// Starts the code under a heading.
    fn start(heading: &str, language: &str, server: SocketAddr) -> Self {
        Self::start_code(&code(heading, language, server), language)
    }

    fn start_code(code: &str, language: &str) -> Self {
        let extension = if language == "js" { "mjs" } else { language };
        let name = format!("fairwind-recipe-{:x}.{extension}", fastrand::u64(..));
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, code).expect("a file");
        let mut command = match language {
            "js" => {
                let browser =
                    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recipes/browser.mjs");
                let mut node = Command::new("node");
                node.arg("--import").arg(browser);
                node
            }
            "python" => Command::new("python3"),
            _ => {
                let mut shell = Command::new("sh");
                // curl shows its progress there.
                shell.arg("-e").stderr(Stdio::null());
                shell
            }
        };
        let mut child = command
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let output = child.stdout.take().expect("its output");
        Self {
            child,
            output,
            text: String::new(),
            file,
        }
    }

    fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("its input")
    }

    /// Reads on until something holds for everything that was written.
    async fn until(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        let mut piece = vec![0; 65_536];
        while !holds(&self.text) {
            let count = timeout(PATIENCE, self.output.read(&mut piece)).await;
            let count = count.unwrap_or_else(|_| panic!("{what}, but: {}", self.text));
            let count = count.expect("readable");
            assert!(count > 0, "{what}, but it ended: {}", self.text);
            self.text += std::str::from_utf8(&piece[..count]).expect("UTF-8");
        }
    }

    async fn until_text(&mut self, wanted: &str) {
        self.until(wanted, |text| text == wanted).await;
    }

    /// Reads all, and waits for the end, which is to be a good one. Gives what was written.
    async fn finish(mut self) -> String {
        drop(self.child.stdin.take());
        let mut text = std::mem::take(&mut self.text);
        let reading = self.output.read_to_string(&mut text);
        timeout(PATIENCE, reading)
            .await
            .expect("an end")
            .expect("UTF-8");
        let status = self.child.wait().await.expect("a status");
        assert!(status.success(), "{status}: {text}");
        text
    }
}

impl Drop for Recipe {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

async fn publish(server: SocketAddr, topic: &str, data: &str) {
    let target = format!("/topics/{topic}");
    let answer = client::send_body(server, "POST", &target, &[], data.as_bytes()).await;
    assert_eq!(answer.status, 200);
}

async fn read_from_the_start(server: SocketAddr, topic: &str) -> Events {
    client::events(
        server,
        &format!("/topics/{topic}?last_event_id=earliest"),
        &[],
    )
    .await
}

async fn stored(server: SocketAddr, topic: &str) -> Vec<(String, String)> {
    let accept = ["Accept: application/json"];
    let answer = client::send(server, "GET", &format!("/topics/{topic}"), &accept).await;
    let snapshot: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    let events = snapshot["events"].as_array().expect("events").iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    events
        .map(|event| (text(&event["type"]), text(&event["data"])))
        .collect()
}

/// Waits until a topic has so many subscribers.
async fn until_subscribed(server: SocketAddr, topic: &str, count: u64) {
    let waiting = async {
        loop {
            let accept = ["Accept: application/json"];
            let answer = client::send(server, "GET", &format!("/topics/{topic}"), &accept).await;
            let snapshot: Value = serde_json::from_str(&answer.text().await).expect("JSON");
            if snapshot["subscribers"] == count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("a subscriber");
}

#[tokio::test]
async fn publishing_by_curl_python_and_javascript() {
    if !are_installed(
        "publishing_by_curl_python_and_javascript",
        &["curl", "python3", "node"],
    ) {
        return;
    }
    let server = Binary::start(&FLAGS, &[]).await;
    for (language, answers) in [("sh", 2), ("python", 1), ("js", 1)] {
        let answer = Recipe::start("Publish", language, server.address)
            .finish()
            .await;
        // Node shows the answer as an object, the others as JSON.
        assert_eq!(answer.matches("subscribers").count(), answers, "{answer}");
    }
    let tea = (String::new(), "tea is ready".to_owned());
    assert_eq!(stored(server.address, "kitchen").await, vec![tea; 3]);
    let order = r#"{"table": 7, "status": "paid"}"#;
    assert_eq!(
        stored(server.address, "orders").await,
        [(String::new(), order.to_owned())]
    );
}

#[tokio::test]
async fn a_token_of_ones_own_lets_a_program_publish() {
    let programs = ["curl", "python3", "node"];
    if !are_installed("a_token_of_ones_own_lets_a_program_publish", &programs) {
        return;
    }
    let name = format!("fairwind-secret-{:x}", fastrand::u64(..));
    let secret = std::env::temp_dir().join(name);
    // As `openssl rand -hex 32` writes it, the line's end included.
    let digits = "0123456789abcdef".repeat(4);
    std::fs::write(&secret, digits + "\n").expect("a file");
    let setting = format!("--jwt-secret-file={}", secret.display());
    let server = Binary::start(&[&setting], &[]).await;
    let publish = code("A token", "sh", server.address);
    for language in ["python", "js"] {
        let own = code("A token", language, server.address);
        let with_path = own.replace("'secret'", &format!("'{}'", secret.display()));
        let token = Recipe::start_code(&with_path, language).finish().await;
        let script = format!("TOKEN={}\n{publish}", token.trim());
        let answer = Recipe::start_code(&script, "sh").finish().await;
        assert!(answer.contains("\"topic\":\"kitchen\""), "{answer}");
    }
    std::fs::remove_file(secret).expect("the file");
}

#[tokio::test]
async fn publishing_by_a_form() {
    if !are_installed("publishing_by_a_form", &["curl"]) {
        return;
    }
    let server = Binary::start(&FLAGS, &[]).await;
    Recipe::start("By a form", "sh", server.address)
        .finish()
        .await;
    // The page's form, filled in and sent as a browser would.
    let html = code("By a form", "html", server.address);
    let attribute = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    assert_eq!(attribute(&html, "method").as_deref(), Some("post"));
    assert_eq!(
        attribute(&html, "enctype").as_deref(),
        Some("multipart/form-data")
    );
    let mut command = Command::new("curl");
    command.args([
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %{redirect_url}",
    ]);
    // As a browser asks for what comes after a form.
    command.args(["-H", "Accept: text/html,application/xhtml+xml,*/*;q=0.8"]);
    command.args(["-H", &format!("Origin: http://{}", server.address)]);
    for input in html.split("<input").skip(1) {
        let name = attribute(input, "name").expect("a name");
        let value = attribute(input, "value").unwrap_or_else(|| "tea is ready".to_owned());
        command.arg("-F").arg(format!("{name}={value}"));
    }
    let output = command
        .arg(attribute(&html, "action").expect("an action"))
        .output()
        .await;
    let answer = String::from_utf8(output.expect("curl runs").stdout).expect("UTF-8");
    assert_eq!(
        answer,
        format!("303 http://{}/topics/kitchen", server.address)
    );
    let news = ("news".to_owned(), "tea is ready".to_owned());
    assert_eq!(
        stored(server.address, "kitchen").await,
        [news.clone(), news]
    );
}

#[tokio::test]
async fn reading_in_a_terminal() {
    if !are_installed("reading_in_a_terminal", &["curl"]) {
        return;
    }
    let server = Binary::start(&FLAGS, &[]).await;
    // Each line by itself, in place of the shell, so that it ends with it.
    let code = code("Read in a terminal", "sh", server.address);
    for (number, line) in code.lines().filter(|line| !line.is_empty()).enumerate() {
        let mut recipe = Recipe::start_code(&format!("exec {line}"), "sh");
        until_subscribed(server.address, "kitchen", 1).await;
        publish(server.address, "kitchen", &format!("tea {number}")).await;
        let wanted = format!("data: tea {number}\n");
        recipe.until(&wanted, |text| text.contains(&wanted)).await;
        // The second line asks for what was there before.
        assert!(recipe.text.contains("data: tea 0\n"));
        drop(recipe);
        until_subscribed(server.address, "kitchen", 0).await;
    }
}

#[tokio::test]
async fn a_snapshot_and_then_the_live_events() {
    if !are_installed("a_snapshot_and_then_the_live_events", &["node"]) {
        return;
    }
    let server = Binary::start(&FLAGS, &[]).await;
    publish(server.address, "orders", "one").await;
    publish(server.address, "orders", "two").await;
    let heading = "First what is there, then what comes";
    let mut page = Recipe::start(heading, "js", server.address);
    page.until_text("one\ntwo\n").await;
    publish(server.address, "orders", "three").await;
    page.until_text("one\ntwo\nthree\n").await;
}

#[tokio::test]
async fn a_page_is_right_again_after_a_gap() {
    if !are_installed("a_page_is_right_again_after_a_gap", &["node"]) {
        return;
    }
    let server = Binary::start(&FLAGS, &[]).await;
    let address = server.address;
    publish(address, "orders", "one").await;
    let mut page = Recipe::start("What to do on a gap", "js", address);
    page.until_text("\x0cone\n").await;
    until_subscribed(address, "orders", 1).await;
    server.stop().await;
    let server = Binary::start_at(address, &FLAGS, &[]).await;
    publish(server.address, "orders", "one of the new server").await;
    page.until_text("\x0cone\n\x0cone of the new server\n")
        .await;
    publish(server.address, "orders", "two").await;
    page.until_text("\x0cone\n\x0cone of the new server\ntwo\n")
        .await;
}

#[tokio::test]
async fn a_python_reader_comes_back_and_resumes_until_the_topic_ends() {
    if !are_installed(
        "a_python_reader_comes_back_and_resumes_until_the_topic_ends",
        &["python3"],
    ) {
        return;
    }
    let server = Binary::start(&FLAGS, &[]).await;
    let heading = "A reader that never gives up";
    let mut reader = Recipe::start(heading, "python", server.address);
    until_subscribed(server.address, "kitchen", 1).await;
    publish(server.address, "kitchen", "one\nand a second line").await;
    let one = "message one\nand a second line\n";
    reader.until_text(one).await;
    server.signal("-USR1").await;
    publish(server.address, "kitchen", "two").await;
    reader.until_text(&format!("{one}message two\n")).await;
    until_subscribed(server.address, "kitchen", 1).await;
    client::send(server.address, "DELETE", "/topics/kitchen", &[]).await;
    let all = reader.finish().await;
    assert_eq!(all, format!("{one}message two\nend kitchen\n"));
}

#[tokio::test]
async fn an_answer_survives_a_reload_in_the_middle_and_reaches_late_readers() {
    if !are_installed("an_answer_survives_a_reload", &["node", "python3"]) {
        return;
    }
    let server = Binary::start(&FLAGS, &[]).await;
    let mut publisher = Recipe::start("The publisher", "python", server.address);
    let mut tokens = publisher.input();
    let mut page = Recipe::start("The page", "js", server.address);
    until_subscribed(server.address, "answer-42", 1).await;
    tokens
        .write_all(b"\"The wind\"\n")
        .await
        .expect("it is taken");
    page.until_text("The wind").await;
    drop(page);
    let mut reloaded = Recipe::start("The page", "js", server.address);
    reloaded.until_text("The wind").await;
    // A lost connection is resumed.
    server.signal("-USR1").await;
    tokens
        .write_all(b"\" has gone\"\n")
        .await
        .expect("it is taken");
    reloaded.until_text("The wind has gone").await;
    tokens
        .write_all(b"\" down.\"\n")
        .await
        .expect("it is taken");
    drop(tokens);
    let said = publisher.finish().await;
    assert!(
        said.starts_with("200 ") && said.ends_with("204\n"),
        "{said}"
    );
    assert_eq!(reloaded.finish().await, "The wind has gone down.");
    let late = Recipe::start("The page", "js", server.address);
    assert_eq!(late.finish().await, "The wind has gone down.");
    let mut events = read_from_the_start(server.address, "answer-42").await;
    events.read_to_end().await;
    let seen = &events.parser.last_event_id;
    let header = format!("Last-Event-ID: {seen}");
    let again = client::send(server.address, "GET", "/topics/answer-42", &[&header]).await;
    assert_eq!(again.status, 204, "an EventSource stops for good");
}

/// An answer of this many tokens, as the recipe's publisher takes it, and as a page shows it.
fn long_answer(tokens: usize) -> (String, String) {
    let token = |number: usize| format!("{number} ");
    let input = (0..tokens).map(|number| format!("\"{}\"\n", token(number)));
    (input.collect(), (0..tokens).map(token).collect())
}

#[tokio::test]
async fn an_answer_of_5000_tokens_is_kept_whole_if_tokens_are_joined() {
    if !are_installed("an_answer_of_5000_tokens_joined", &["node", "python3"]) {
        return;
    }
    let server = Binary::start(&FLAGS, &[]).await;
    let mut publisher = Recipe::start("The publisher", "python", server.address);
    let (input, answer) = long_answer(5_000);
    publisher
        .input()
        .write_all(input.as_bytes())
        .await
        .expect("it is taken");
    publisher.finish().await;
    let late = Recipe::start("The page", "js", server.address)
        .finish()
        .await;
    assert!(late == answer, "{} of {} bytes", late.len(), answer.len());
}

#[tokio::test]
async fn an_answer_of_5000_tokens_is_kept_whole_if_enough_events_are() {
    if !are_installed("an_answer_of_5000_tokens_each", &["node", "python3"]) {
        return;
    }
    let (input, answer) = long_answer(5_000);
    for (history, is_whole) in [
        ("--history-events=5001", true),
        ("--history-events=1000", false),
    ] {
        let server = Binary::start(&[&FLAGS[..], &[history]].concat(), &[]).await;
        let code = code("The publisher", "python", server.address);
        let each = code.replace("batches(tokens())", "tokens()");
        assert_ne!(code, each);
        let mut publisher = Recipe::start_code(&each, "python");
        publisher
            .input()
            .write_all(input.as_bytes())
            .await
            .expect("it is taken");
        let said = publisher.finish().await;
        assert!(said.contains("\"published\":5000"), "{said}");
        let late = Recipe::start("The page", "js", server.address)
            .finish()
            .await;
        assert_eq!(late == answer, is_whole, "{history}: {} bytes", late.len());
        assert!(
            answer.ends_with(&late),
            "{history}: it is the end that is kept"
        );
    }
}

#[tokio::test]
async fn an_event_stream_is_passed_on_by_curl() {
    if !are_installed("an_event_stream_is_passed_on_by_curl", &["curl"]) {
        return;
    }
    let server = Binary::start(&FLAGS, &[]).await;
    Recipe::start("From a stream that exists", "sh", server.address)
        .finish()
        .await;
    let mut events = read_from_the_start(server.address, "answer-43").await;
    events.read_to_end().await;
    let all: Vec<_> = events
        .parser
        .messages
        .iter()
        .map(|message| message.data.as_str())
        .collect();
    assert_eq!(all, ["The wind", " has gone down.", "answer-43"]);
}

#[test]
fn every_block_of_the_document_is_run_by_a_test() {
    let run = include_str!("main.rs");
    for block in document::blocks(DOCUMENT) {
        assert!(
            run.contains(&format!("\"{}\"", block.heading)),
            "no test runs the {} under '{}'",
            block.language,
            block.heading
        );
    }
}

#[tokio::test]
async fn the_first_commands_of_the_readme() {
    if !are_installed("the_first_commands_of_the_readme", &["curl"]) {
        return;
    }
    let server = Binary::start(&FLAGS, &[]).await;
    let first = document::blocks("README.md").remove(0);
    let code = first
        .code
        .replace("127.0.0.1:8080", &server.address.to_string());
    let commands: Vec<&str> = code.lines().collect();
    let [run, read, publish] = commands[..] else {
        panic!("run, read, publish: {commands:?}");
    };
    let script = run.split(' ').next().expect("a command");
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(script).is_file());
    let mut reader = Recipe::start_code(&format!("exec {read}"), "sh");
    until_subscribed(server.address, "kitchen", 1).await;
    Recipe::start_code(publish, "sh").finish().await;
    let wanted = "data: tea is ready\n";
    reader.until(wanted, |text| text.contains(wanted)).await;
}
