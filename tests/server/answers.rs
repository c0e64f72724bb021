//! Answers over HTTP: asked, read, stopped, continued and bounded; and every way in which a model's server can misbehave, played by
//! a small HTTP server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::client::{self, Answer, PATIENCE};
use crate::support::{QUIET, TestServer};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const JSON: &str = "Content-Type: application/json";
const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// A server that answers each request with a text and then waits or closes.
struct Model {
    address: SocketAddr,
    /// The requests that it has got.
    requests: mpsc::UnboundedReceiver<String>,
    /// How many connections its clients have closed.
    closed: Arc<AtomicUsize>,
}

impl Model {
    /// A server that sends `response` and, if `waits`, keeps the connection open.
    async fn start(response: String, waits: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (sender, requests) = mpsc::unbounded_channel();
        let closed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&closed);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (response, sender, count) =
                    (response.clone(), sender.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    let request = read_request(&mut socket).await;
                    let _ = sender.send(request);
                    let _ = socket.write_all(response.as_bytes()).await;
                    if waits {
                        let mut rest = [0; 64];
                        while socket.read(&mut rest).await.is_ok_and(|count| count > 0) {}
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        Self {
            address,
            requests,
            closed,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    async fn request(&mut self) -> String {
        let request = timeout(PATIENCE, self.requests.recv()).await;
        request.expect("in time").expect("a request")
    }
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let count = socket.read(&mut buffer).await.unwrap_or_default();
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if count == 0 {
                return text;
            }
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or_default() || count == 0 {
            return text;
        }
    }
}

fn chunk(text: &str) -> String {
    format!(
        "data: {}\n\n",
        json!({"choices":[{"index":0,"delta":{"content":text}}]})
    )
}

async fn with_model(url: &str, more: &[&str]) -> TestServer {
    let mut flags = QUIET.to_vec();
    flags.extend(["--answers-upstream", url, "--answers-model", "m"]);
    flags.extend(more);
    TestServer::start(&flags).await
}

async fn post(server: &TestServer, target: &str, headers: &[&str], body: &str) -> Answer {
    client::send_body(server.address, "POST", target, headers, body.as_bytes()).await
}

async fn read(answer: Answer, status: u16) -> Value {
    let found = answer.status;
    let text = answer.text().await;
    assert_eq!(found, status, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

async fn ask(server: &TestServer, body: &str) -> String {
    let begun = read(post(server, "/answers", &[FORM], body).await, 201).await;
    begun["answer"].as_str().expect("an id").to_owned()
}

async fn shown(server: &TestServer, id: &str) -> Value {
    let target = format!("/answers/{id}");
    read(client::get(server.address, &target).await, 200).await
}

/// What there is of an answer once it is over.
async fn finished(server: &TestServer, id: &str) -> Value {
    let waiting = async {
        loop {
            let answer = shown(server, id).await;
            if !answer["finish"].is_null() {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it is over")
}

#[tokio::test]
async fn a_question_is_answered_by_the_documentation_on_a_topic_of_its_own() {
    let server = TestServer::start(&QUIET).await;
    let answer = post(
        &server,
        "/answers",
        &[FORM],
        "question=Who+may+list+topics%3F",
    )
    .await;
    let location = answer.header("location").expect("a URL").to_owned();
    let begun = read(answer, 201).await;
    assert_eq!(begun["url"], location);
    let stream = begun["stream"].as_str().expect("a stream").to_owned();
    let target = format!("{stream}?last_event_id=earliest");
    let mut events = client::events(server.address, &target, &[]).await;
    let question = events.next().await;
    assert_eq!(question.event_type, "question");
    let (mut text, mut count) = (String::new(), 0);
    let finish = loop {
        let event = events.next().await;
        if event.event_type == "finish" {
            break event.data;
        }
        text.push_str(&event.data);
        count += 1;
    };
    assert!(finish.starts_with("{\"code\":\"complete\""), "{finish}");
    assert!(
        text.contains("No model has written this") && count > 10,
        "{count}: {text}"
    );
    assert_eq!(events.next().await.event_type, "end");
    let id = begun["answer"].as_str().expect("an id");
    assert_eq!(shown(&server, id).await["text"], text);
    let again = client::send(
        server.address,
        "GET",
        &stream,
        &["Accept: text/event-stream"],
    )
    .await;
    assert_eq!(again.status, 204, "a browser does not reconnect");
    for link in text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
    {
        if link.starts_with("/docs/") {
            assert_eq!(
                client::get(server.address, link).await.status,
                200,
                "{link}"
            );
        }
    }
}

#[tokio::test]
async fn a_browsers_form_leads_to_the_answers_page_and_back_when_it_is_stopped() {
    let server = TestServer::start(&QUIET).await;
    let browser = [FORM, "Accept: text/html"];
    let answer = post(&server, "/answers", &browser, "question=tokens").await;
    assert_eq!(answer.status, 303);
    let page = answer.header("location").expect("a URL").to_owned();
    let stopped = post(&server, &format!("{page}/stop"), &browser, "").await;
    assert_eq!(
        (stopped.status, stopped.header("location")),
        (303, Some(&*page))
    );
    let id = page.rsplit('/').next().expect("an id");
    assert_eq!(shown(&server, id).await["finish"]["code"], "stopped");
}

#[tokio::test]
async fn no_client_publishes_to_an_answer_and_no_list_has_it() {
    let server = TestServer::start(&QUIET).await;
    let id = ask(&server, "question=tokens").await;
    let topic = format!("/topics/~answers/{id}");
    for method in ["POST", "DELETE"] {
        let refused = client::send_body(server.address, method, &topic, &[], b"x").await;
        assert_eq!(read(refused, 403).await["code"], "reserved-topic");
    }
    let list = client::send(
        server.address,
        "GET",
        "/topics",
        &["Accept: application/json"],
    )
    .await;
    assert!(!list.text().await.contains("answers"));
}

#[tokio::test]
async fn a_model_is_asked_with_the_key_and_its_text_is_relayed_whole() {
    let stream = format!(
        "{STREAM}: hello\n\n{}{}data: {}\n\ndata: [DONE]\n\n",
        chunk("Wind "),
        chunk("风。"),
        json!({"choices":[{"delta":{},"finish_reason":"stop"}]})
    );
    let mut model = Model::start(stream, false).await;
    let key = std::env::temp_dir().join(format!("fairwind-{}-answers-key", std::process::id()));
    std::fs::write(&key, "sk-test\n").expect("a file");
    let key_file = key.to_str().expect("a path");
    let server = with_model(&model.url(), &["--answers-key-file", key_file]).await;
    let body = json!({
        "question": "And now?",
        "turns": [{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}],
    });
    let begun = read(
        post(&server, "/answers", &[JSON], &body.to_string()).await,
        201,
    )
    .await;
    let answer = finished(&server, begun["answer"].as_str().expect("an id")).await;
    assert_eq!(answer["text"], "Wind 风。");
    assert_eq!(answer["finish"]["code"], "complete");
    assert_eq!(answer["model"], "m");
    let request = model.request().await;
    let (head, body) = request.split_once("\r\n\r\n").expect("a body");
    assert!(
        head.starts_with("POST /v1/chat/completions HTTP/1.1"),
        "{head}"
    );
    assert!(
        head.to_lowercase()
            .contains("authorization: bearer sk-test")
    );
    let body: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(
        (&body["stream"], &body["model"]),
        (&json!(true), &json!("m"))
    );
    assert_eq!(body["messages"][1]["role"], "assistant");
    assert_eq!(body["messages"][2]["content"], "And now?");
    std::fs::remove_file(key).expect("the file");
}

#[tokio::test]
async fn each_misbehaviour_has_a_code_and_leaves_the_partial_text() {
    let partial = format!("{STREAM}{}", chunk("half"));
    let status = |line: &str| format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n");
    let cases = [
        (
            "upstream-key-refused",
            "",
            status("401 Unauthorized"),
            false,
        ),
        ("upstream-not-found", "", status("404 Not Found"), false),
        (
            "upstream-busy",
            "",
            status("429 Too Many Requests\r\nRetry-After: 7"),
            false,
        ),
        ("upstream-refused", "", status("400 Bad Request"), false),
        (
            "upstream-failed",
            "",
            status("500 Internal Server Error"),
            false,
        ),
        (
            "upstream-redirects",
            "",
            status("307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/"),
            false,
        ),
        (
            "upstream-not-a-stream",
            "",
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
            false,
        ),
        ("upstream-cut", "half", partial.clone(), false),
        (
            "upstream-malformed",
            "half",
            format!("{partial}data: {{\n\n"),
            true,
        ),
        (
            "upstream-error",
            "half",
            format!("{partial}data: {{\"error\":{{}}}}\n\n"),
            true,
        ),
        ("upstream-silent", "half", partial.clone(), true),
        ("upstream-silent", "", String::new(), true),
        (
            "too-long",
            "half0123456789",
            format!("{partial}{}", chunk("0123456789too much")),
            true,
        ),
    ];
    for (code, text, response, waits) in cases {
        let model = Model::start(response, waits).await;
        let flags = ["--answers-silence", "300ms", "--answers-bytes", "14B"];
        let server = with_model(&model.url(), &flags).await;
        let id = ask(&server, "question=x").await;
        let answer = finished(&server, &id).await;
        assert_eq!(
            (&answer["finish"]["code"], &answer["text"]),
            (&json!(code), &json!(text))
        );
        let is_busy = code == "upstream-busy";
        assert_eq!(
            answer["finish"]["retry_after"],
            if is_busy { json!(7) } else { Value::Null }
        );
        server.stop().await;
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", closed.local_addr().expect("an address"));
    drop(closed);
    let server = with_model(&url, &[]).await;
    let id = ask(&server, "question=x").await;
    assert_eq!(
        finished(&server, &id).await["finish"]["code"],
        "upstream-unreachable"
    );
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_finished() {
    let model = Model::start(format!("{STREAM}{}", chunk("half")), true).await;
    let server = with_model(&model.url(), &["--answers-time", "200ms"]).await;
    let id = ask(&server, "question=x").await;
    let answer = finished(&server, &id).await;
    assert_eq!(answer["finish"]["code"], "took-too-long");
    assert_eq!(answer["text"], "half");
}

#[tokio::test]
async fn to_stop_an_answer_closes_the_connection_to_the_model() {
    for response in [format!("{STREAM}{}", chunk("half")), String::new()] {
        let mut model = Model::start(response, true).await;
        let server = with_model(&model.url(), &[]).await;
        let id = ask(&server, "question=x").await;
        model.request().await;
        assert_eq!(model.closed.load(Ordering::SeqCst), 0);
        let target = format!("/answers/{id}");
        for _ in 0..2 {
            let stopped = client::send(server.address, "DELETE", &target, &[]).await;
            assert_eq!(stopped.status, 204);
        }
        assert_eq!(shown(&server, &id).await["finish"]["code"], "stopped");
        server
            .until(|_| model.closed.load(Ordering::SeqCst) == 1)
            .await;
        let again = client::send(
            server.address,
            "DELETE",
            "/answers/0123456789012345678901",
            &[],
        );
        assert_eq!(read(again.await, 404).await["code"], "unknown-answer");
    }
}

#[tokio::test]
async fn an_answer_is_continued_from_its_text_or_asked_afresh() {
    let mut model = Model::start(format!("{STREAM}{}", chunk("half")), false).await;
    let server = with_model(&model.url(), &[]).await;
    let id = ask(&server, "question=x").await;
    finished(&server, &id).await;
    model.request().await;
    let next = ask(&server, &format!("continue={id}")).await;
    let answer = finished(&server, &next).await;
    assert_eq!(
        (&answer["text"], &answer["continues"]),
        (&json!("halfhalf"), &json!(id))
    );
    let request = model.request().await;
    let body: Value =
        serde_json::from_str(request.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    assert_eq!(
        body["messages"][1],
        json!({"role":"assistant","content":"half"})
    );
    let afresh = ask(&server, &format!("retry={id}")).await;
    assert_eq!(finished(&server, &afresh).await["text"], "half");
    for (body, status, code) in [
        ("continue=0123456789012345678901", 404, "unknown-answer"),
        (&*format!("continue={id}&question=x"), 400, "invalid-body"),
        (&*format!("continue={id}&retry={id}"), 400, "invalid-body"),
    ] {
        let refused = read(post(&server, "/answers", &[FORM], body).await, status).await;
        assert_eq!(refused["code"], code);
    }
}

#[tokio::test]
async fn a_model_that_takes_its_time_is_asked_once_to_continue_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("its address"));
    let (sender, mut requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        // The first is cut in the middle, and the others wait.
        let mut waiting = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = sender.send(read_request(&mut socket).await);
            if waiting.is_empty() {
                let text = format!("{STREAM}{}", chunk("tea "));
                let _ = socket.write_all(text.as_bytes()).await;
                let _ = socket.shutdown().await;
            }
            waiting.push(socket);
        }
    });
    let server = with_model(&url, &[]).await;
    let first = ask(&server, "question=tea").await;
    finished(&server, &first).await;
    let second = ask(&server, &format!("continue={first}")).await;
    let waiting = async {
        while shown(&server, &second).await["text"] != "tea " {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("what there was");
    post(&server, &format!("/answers/{second}/stop"), &[], "").await;
    finished(&server, &second).await;
    // Whatever was asked before the next question has come before it.
    ask(&server, "question=last").await;
    let mut asked = Vec::new();
    while !asked
        .last()
        .is_some_and(|request: &String| request.contains("last\""))
    {
        let request = timeout(PATIENCE, requests.recv()).await;
        asked.push(request.expect("in time").expect("a request"));
    }
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[tokio::test]
async fn questions_and_answers_are_bounded() {
    let model = Model::start(STREAM.to_owned(), true).await;
    let flags = ["--max-answers-per-address", "2", "--max-kept-answers", "30"];
    let server = with_model(&model.url(), &flags).await;
    let long = format!("question={}", "x".repeat(8 * 1_024 + 1));
    let turn = json!({"role":"user","content":"x"});
    let turns = json!({"question":"x","turns":vec![turn; 21]}).to_string();
    let words = json!({"question":"x","turns":[{"role":"user","content":"x".repeat(32 * 1_024)}]});
    let words = words.to_string();
    for (content_type, body, status, code) in [
        (FORM, "question=+", 400, "invalid-body"),
        (FORM, "other=x", 400, "invalid-body"),
        (JSON, "{", 400, "invalid-body"),
        ("Content-Type: text/plain", "x", 415, "unsupported-type"),
        (FORM, &*long, 413, "too-large"),
        (JSON, &*turns, 413, "too-large"),
        (JSON, &*words, 413, "too-large"),
    ] {
        let refused = read(
            post(&server, "/answers", &[content_type], body).await,
            status,
        )
        .await;
        assert_eq!(refused["code"], code);
    }
    let first = ask(&server, "question=x").await;
    let running = read(
        post(&server, "/answers", &[FORM], &format!("continue={first}")).await,
        409,
    )
    .await;
    assert_eq!(running["code"], "answer-running");
    ask(&server, "question=x").await;
    let full = post(&server, "/answers", &[FORM], "question=x").await;
    assert_eq!(full.header("retry-after"), Some("10"));
    assert_eq!(read(full, 503).await["code"], "too-many-answers");
    client::send(server.address, "DELETE", &format!("/answers/{first}"), &[]).await;
    ask(&server, "question=x").await;
    // An address keeps a tenth of thirty.
    client::send(server.address, "DELETE", &format!("/answers/{first}"), &[]).await;
    let full = post(&server, "/answers", &[FORM], "question=x").await;
    assert_eq!(read(full, 503).await["code"], "too-many-answers");
}

#[tokio::test]
async fn a_restart_finishes_the_answers_that_were_under_way() {
    let folder = std::env::temp_dir().join(format!("fairwind-{}-answers", std::process::id()));
    let data = folder.to_str().expect("a path");
    let model = Model::start(format!("{STREAM}{}", chunk("half")), true).await;
    let server = with_model(&model.url(), &["--data", data]).await;
    let id = ask(&server, "question=x").await;
    let topic = fairwind::hub::topic::Topic::new(&format!("~answers/{id}")).expect("a topic");
    server
        .until(|server| {
            let newest = fairwind::hub::HistoryQuery::newest();
            let events = server.hub.snapshot(&topic, &newest).events;
            events.iter().any(|entry| entry.event.data == "half")
        })
        .await;
    // As after SIGKILL: the log has no finish.
    let copy = folder.with_extension("copy");
    let _ = std::fs::remove_dir_all(&copy);
    std::fs::create_dir_all(&copy).expect("a folder");
    for file in std::fs::read_dir(&folder).expect("files") {
        let file = file.expect("a file");
        if file.file_type().expect("its type").is_file() {
            std::fs::copy(file.path(), copy.join(file.file_name())).expect("a copy");
        }
    }
    server.stop().await;
    for (folder, what) in [(&folder, "stopped"), (&copy, "killed")] {
        let server = with_model(&model.url(), &["--data", folder.to_str().expect("a path")]).await;
        let answer = finished(&server, &id).await;
        assert_eq!(answer["finish"]["code"], "interrupted", "{what}");
        assert_eq!(answer["text"], "half");
        server
            .until(|server| {
                server
                    .hub
                    .snapshot(&topic, &fairwind::hub::HistoryQuery::newest())
                    .has_ended
            })
            .await;
        server.stop().await;
        std::fs::remove_dir_all(folder).expect("the folder");
    }
}

#[tokio::test]
async fn a_restart_goes_on_with_an_answer_of_the_documentation_where_it_was() {
    let folder = std::env::temp_dir().join(format!("fairwind-{}-resumed", std::process::id()));
    let data = folder.to_str().expect("a path");
    let flags = ["--clock-interval", "1h", "--data", data];
    let mut server = TestServer::start(&flags).await;
    let question = "question=What+survives+a+restart%3F";
    let whole = finished(&server, &ask(&server, question).await).await;
    let id = ask(&server, question).await;
    let topic = fairwind::hub::topic::Topic::new(&format!("~answers/{id}")).expect("a topic");
    for stops in 1..=2 {
        server
            .until(|server| {
                let newest = fairwind::hub::HistoryQuery {
                    count: 100,
                    ..fairwind::hub::HistoryQuery::newest()
                };
                server.hub.snapshot(&topic, &newest).events.len() > 5 * stops
            })
            .await;
        server.stop().await;
        server = TestServer::start(&flags).await;
    }
    let resumed = finished(&server, &id).await;
    assert_eq!(resumed["finish"]["code"], "complete");
    assert_eq!(resumed["text"], whole["text"]);
    server.stop().await;
    std::fs::remove_dir_all(folder).expect("the folder");
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_asks_leaves_no_answer_without_an_end() {
    let many = ["--clock-interval", "1h", "--max-answers-per-address", "100"];
    let server = TestServer::start(&many).await;
    let body = "question=What+survives+a+restart%3F";
    let request = format!(
        "POST /answers HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for pause in 0..6 {
        let mut socket = TcpStream::connect(server.address).await.expect("a socket");
        socket.write_all(request.as_bytes()).await.expect("taken");
        tokio::time::sleep(Duration::from_micros(100 * pause)).await;
        socket.set_zero_linger().expect("a reset");
    }
    let has_ended = |server: &TestServer| {
        let topics = server.hub.topics_below("~answers/");
        let nothing = fairwind::hub::HistoryQuery::newest();
        topics
            .iter()
            .all(|topic| server.hub.snapshot(topic, &nothing).has_ended)
    };
    let id = ask(&server, body).await;
    finished(&server, &id).await;
    server.until(has_ended).await;
}

#[tokio::test]
async fn answers_that_are_off_are_not_there() {
    let server = TestServer::start(&["--clock-interval", "1h", "--answers", "off"]).await;
    for (method, target) in [
        ("POST", "/answers"),
        ("GET", "/answers/x"),
        ("POST", "/answers/x/stop"),
    ] {
        let answer = client::send(server.address, method, target, &[]).await;
        assert_eq!(read(answer, 404).await["code"], "not-found");
    }
}

#[tokio::test]
async fn a_browser_gets_a_page_that_shows_what_there_is_of_an_answer_safely() {
    let text = chunk("# Tea\n\n<script>alert(1)</script> *rea");
    let mut model = Model::start(format!("{STREAM}{text}"), true).await;
    let server = with_model(&model.url(), &[]).await;
    let page = async |target: &str| {
        let answer = client::send(server.address, "GET", target, &["Accept: text/html"]).await;
        assert_eq!(answer.status, 200);
        answer.text().await
    };
    let door = page("/answers").await;
    assert!(door.contains("Written by the model m") && door.contains("name=\"question\""));
    let id = ask(&server, "question=%3Cb%3Etea").await;
    model.request().await;
    let target = format!("/answers/{id}");
    let waiting = async {
        while shown(&server, &id).await["text"] == "" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("some text");
    let answer = page(&target).await;
    assert!(answer.contains("&lt;b&gt;tea"), "the question");
    assert!(answer.contains("<h3>Tea</h3>"));
    assert!(answer.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(!answer.contains("<script>alert"));
    assert!(answer.contains("aria-busy=\"true\"") && answer.contains("data-state=\"writing\""));
    post(&server, &format!("{target}/stop"), &[], "").await;
    let answer = page(&target).await;
    assert!(answer.contains("aria-busy=\"false\"") && answer.contains("data-state=\"stopped\""));
}

#[tokio::test]
async fn a_model_is_asked_only_for_clients_that_may_publish_where_that_needs_a_token() {
    let model = Model::start(format!("{STREAM}{}", chunk("tea")), false).await;
    let closed = ["--anonymous-publish=off"];
    let server = with_model(&model.url(), &closed).await;
    let refused = post(&server, "/answers", &[FORM], "question=tea").await;
    assert_eq!(read(refused, 403).await["code"], "forbidden");
    let html = ["Accept: text/html"];
    let page = client::send(server.address, "GET", "/answers", &html).await;
    let page = page.text().await;
    assert!(page.contains("You cannot ask here") && !page.contains("name=\"question\""));

    let server = with_model(&model.url(), &["--anonymous-publish=off", "--ask", "on"]).await;
    ask(&server, "question=tea").await;
    let server = TestServer::start(&["--clock-interval", "1h", "--anonymous-publish=off"]).await;
    ask(&server, "question=tokens").await;
    let flags = [
        "--clock-interval",
        "1h",
        "--anonymous-publish=off",
        "--ask",
        "publishers",
    ];
    let server = TestServer::start(&flags).await;
    let refused = post(&server, "/answers", &[FORM], "question=tokens").await;
    assert_eq!(read(refused, 403).await["code"], "forbidden");
}
