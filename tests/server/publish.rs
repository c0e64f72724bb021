//! Publishing over HTTP, one event or a stream of them, and what a publisher is told.

use serde_json::Value;

use crate::client::{self, Answer, Upload};
use crate::support::{QUIET, TestServer};

async fn post(server: &TestServer, target: &str, headers: &[&str], body: &str) -> Answer {
    client::send_body(server.address, "POST", target, headers, body.as_bytes()).await
}

async fn json(answer: Answer, status: u16) -> Value {
    assert_eq!(answer.status, status);
    serde_json::from_str(&answer.text().await).expect("JSON")
}

async fn problem(answer: Answer, status: u16) -> String {
    let document = json(answer, status).await;
    document["detail"].as_str().expect("a detail").to_owned()
}

#[tokio::test]
async fn a_body_is_an_events_data_and_the_publisher_learns_what_became_of_it() {
    let server = TestServer::start(&QUIET).await;
    let mut events = client::events(server.address, "/topics/kitchen", &[]).await;
    events.read_opening().await;
    // What `curl -d` says of its body does not count.
    let form = "Content-Type: application/x-www-form-urlencoded";
    let receipt = json(
        post(&server, "/topics/kitchen", &[form], "tea & cake\r\n=ready").await,
        200,
    )
    .await;
    let message = events.next().await;
    assert_eq!(message.data, "tea & cake\n=ready");
    assert_eq!(
        (&receipt["id"], &receipt["topic"]),
        (&Value::from(message.last_event_id), &Value::from("kitchen"))
    );
    assert_eq!(receipt["subscribers"], 1);
}

#[tokio::test]
async fn id_type_and_retry_are_given_by_query_or_header() {
    let server = TestServer::start(&QUIET).await;
    let mut events = client::events(server.address, "/topics/a", &[]).await;
    events.read_opening().await;
    post(&server, "/topics/a?id=one&type=news&retry=1234", &[], "1").await;
    events
        .read_until(|parser| parser.retry == Some(1_234))
        .await;
    let first = events.parser.messages[0].clone();
    assert_eq!(
        (first.event_type.as_str(), first.last_event_id.as_str()),
        ("news", "one")
    );
    post(
        &server,
        "/topics/a?type=wins",
        &["Event-Id: two", "Event-Type: loses"],
        "2",
    )
    .await;
    events.read_until(|parser| parser.messages.len() == 2).await;
    let second = events.parser.messages[1].clone();
    assert_eq!(
        (second.event_type.as_str(), second.last_event_id.as_str()),
        ("wins", "two")
    );
    let mut resumed = client::events(server.address, "/topics/a", &["Last-Event-ID: one"]).await;
    assert_eq!(resumed.next().await.data, "2");
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_not_there_for_who_comes_later() {
    let server = TestServer::start(&QUIET).await;
    let mut present = client::events(server.address, "/topics/a", &[]).await;
    present.read_opening().await;
    post(&server, "/topics/a?keep=false", &[], "typing").await;
    post(&server, "/topics/a", &[], "text").await;
    assert_eq!(present.next().await.data, "typing");
    let mut later = client::events(server.address, "/topics/a?last_event_id=earliest", &[]).await;
    assert_eq!(later.next().await.data, "text");
}

#[tokio::test]
async fn wrong_attributes_are_refused_with_what_would_be_right() {
    let server = TestServer::start(&QUIET).await;
    for (query, expected) in [
        ("id=%23x", "without # in front"),
        ("id=earliest", "server's own"),
        ("id=a%0Ab", "control character"),
        ("type=gap", "server alone"),
        ("type=error", "EventSource itself"),
        ("type=a%0Db", "control character"),
        ("retry=soon", "milliseconds"),
        ("keep=no", "true or false"),
        ("tpye=x", "type"),
    ] {
        let detail = problem(
            post(&server, &format!("/topics/a?{query}"), &[], "1").await,
            400,
        )
        .await;
        assert!(detail.contains(expected), "{query}: {detail}");
    }
    let answer = client::send_body(server.address, "POST", "/topics/a", &[], b"\xff").await;
    assert!(problem(answer, 400).await.contains("UTF-8"));
    assert!(
        problem(post(&server, "/topics/clock", &[], "1").await, 403)
            .await
            .contains("clock")
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_taken() {
    let server = TestServer::start(&["--clock-interval", "1h", "--max-body", "1KiB"]).await;
    assert_eq!(
        post(&server, "/topics/a", &[], &"x".repeat(1_024))
            .await
            .status,
        200
    );
    assert!(
        problem(
            post(&server, "/topics/a", &[], &"x".repeat(1_025)).await,
            413
        )
        .await
        .contains("1024")
    );
}

#[tokio::test]
async fn publishing_again_under_a_key_gives_the_first_answer() {
    let server = TestServer::start(&QUIET).await;
    let key = ["Idempotency-Key: order-7"];
    let first = json(post(&server, "/topics/a", &key, "1").await, 200).await;
    let again = json(post(&server, "/topics/a", &key, "1").await, 200).await;
    assert_eq!(
        (&first["id"], &again["repeated"]),
        (&again["id"], &Value::from(true))
    );
}

#[tokio::test]
async fn publishing_on_a_condition_fails_when_the_topic_has_moved_on() {
    let server = TestServer::start(&QUIET).await;
    post(&server, "/topics/a", &[], "1").await;
    let snapshot = client::send(
        server.address,
        "GET",
        "/topics/a",
        &["Accept: application/json"],
    )
    .await;
    let if_match = format!("If-Match: {}", snapshot.header("etag").expect("a tag"));
    assert_eq!(
        post(&server, "/topics/a", &[&if_match], "2").await.status,
        200
    );
    assert!(
        problem(post(&server, "/topics/a", &[&if_match], "3").await, 412)
            .await
            .contains("moved on")
    );
}

#[tokio::test]
async fn each_event_of_a_published_stream_goes_out_as_it_arrives() {
    let server = TestServer::start(&QUIET).await;
    let mut events = client::events(server.address, "/topics/answer-42", &[]).await;
    events.read_opening().await;
    // As `curl -T -` sends it.
    let mut upload = Upload::start(server.address, "PUT", "/topics/answer-42", &[]).await;
    for token in ["The", "answer", "is"] {
        upload.send(format!("data: {token}\n\n").as_bytes()).await;
        assert_eq!(events.next().await.data, token);
    }
    upload.send(b"event: end\ndata: x\n\ndata: 42\n\n").await;
    let receipt = json(upload.finish().await, 200).await;
    assert_eq!(events.next().await.data, "42");
    assert_eq!(
        (&receipt["published"], &receipt["left_out"]),
        (&Value::from(4), &Value::from(1))
    );
    assert_eq!(receipt["last_id"], events.parser.last_event_id);
}

#[tokio::test]
async fn lines_of_json_are_published_and_a_wrong_one_is_told_with_what_came_before() {
    let server = TestServer::start(&QUIET).await;
    let lines = ["Content-Type: application/x-ndjson; charset=utf-8"];
    let body = "{\"data\":\"a\",\"type\":\"news\"}\n{\"data\":[1]}";
    let receipt = json(post(&server, "/topics/a", &lines, body).await, 200).await;
    assert_eq!(receipt["published"], 2);
    let broken = json(
        post(
            &server,
            "/topics/a",
            &lines,
            "{\"data\":1}\nnonsense\n{\"data\":2}\n",
        )
        .await,
        400,
    )
    .await;
    assert_eq!(broken["published"], 1);
    assert!(
        broken["detail"]
            .as_str()
            .expect("a detail")
            .contains("line 2")
    );
    let mut events = client::events(server.address, "/topics/a?last_event_id=earliest", &[]).await;
    events.read_until(|parser| parser.messages.len() == 3).await;
    let data: Vec<_> = events
        .parser
        .messages
        .iter()
        .map(|message| message.data.as_str())
        .collect();
    assert_eq!(data, ["a", "[1]", "1"]);
}

#[tokio::test]
async fn a_stream_with_an_event_over_the_limit_is_refused_there() {
    let server = TestServer::start(&["--clock-interval", "1h", "--max-body", "1KiB"]).await;
    let body = format!("data: small\n\ndata: {}\n\n", "x".repeat(2_000));
    let broken = json(
        post(
            &server,
            "/topics/a",
            &["Content-Type: text/event-stream"],
            &body,
        )
        .await,
        413,
    )
    .await;
    assert_eq!(broken["published"], 1);
}

#[tokio::test]
async fn a_form_is_published_and_its_reader_sent_back_to_the_page() {
    let server = TestServer::start(&QUIET).await;
    let body = "--x\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\nhello\r\n--x\r\n\
                Content-Disposition: form-data; name=\"type\"\r\n\r\n\r\n--x--\r\n";
    let answer = post(
        &server,
        "/topics/a%20b",
        &[
            "Content-Type: multipart/form-data; boundary=x",
            "Accept: text/html,*/*;q=0.8",
        ],
        body,
    )
    .await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/topics/a%20b"))
    );
    let mut events = client::events(server.address, "/topics/a%20b?last=1", &[]).await;
    assert_eq!(events.next().await.data, "hello");
}

fn form(fields: &[(&str, &str)]) -> String {
    let fields: String = fields
        .iter()
        .map(|(name, value)| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        })
        .collect();
    fields + "--x--\r\n"
}

const FORM: &str = "Content-Type: multipart/form-data; boundary=x";

#[tokio::test]
async fn a_form_obeys_the_query_the_headers_and_the_limits_of_every_other_way() {
    let flags = ["--clock-interval=1h", "--max-body=3MiB"];
    let server = TestServer::start(&flags).await;
    let text = form(&[("data", "x"), ("type", "news")]);
    let private = post(&server, "/topics/a?private=true", &[FORM], &text).await;
    assert!(
        problem(private, 400).await.contains("private"),
        "no key: nothing is private"
    );
    let unknown = post(&server, "/topics/a?pirvate=true", &[FORM], &text).await;
    assert_eq!(unknown.status, 400);
    let receipt = json(post(&server, "/topics/a?id=one", &[FORM], &text).await, 200).await;
    assert_eq!(receipt["id"], "one", "a program gets the receipt");
    let moved = post(&server, "/topics/a", &[FORM, "If-Match: \"two\""], &text).await;
    assert_eq!(moved.status, 412);
    let key = [FORM, "Idempotency-Key: k"];
    let first = json(post(&server, "/topics/a", &key, &text).await, 200).await;
    let again = json(post(&server, "/topics/a", &key, &text).await, 200).await;
    assert_eq!(
        (&again["id"], &again["repeated"]),
        (&first["id"], &Value::from(true))
    );
    let large = form(&[("data", &"x".repeat(3 << 20))]);
    assert_eq!(
        post(&server, "/topics/b", &[FORM], &large).await.status,
        200
    );
    let larger = form(&[("data", &"x".repeat((3 << 20) + 1))]);
    assert_eq!(
        post(&server, "/topics/b", &[FORM], &larger).await.status,
        413
    );
    for (fields, expected) in [
        (&[("data", "x"), ("tpye", "y")][..], "tpye"),
        (&[("type", "x")], "no field data"),
        (&[("data", "x"), ("retry", "0")], "100 to 3600000"),
        (&[("data", "x"), ("keep", "no")], "true or false"),
    ] {
        let refused = post(&server, "/topics/a", &[FORM], &form(fields)).await;
        assert!(problem(refused, 400).await.contains(expected));
    }
}

#[tokio::test]
async fn an_event_with_an_id_that_is_kept_is_refused_but_for_a_repeated_request() {
    let server = TestServer::start(&QUIET).await;
    let key = ["Idempotency-Key: k"];
    assert_eq!(post(&server, "/topics/a?id=x", &key, "1").await.status, 200);
    let again = json(post(&server, "/topics/a?id=x", &key, "1").await, 200).await;
    assert_eq!(
        (&again["id"], &again["repeated"]),
        (&Value::from("x"), &Value::from(true))
    );
    let other = post(&server, "/topics/a?id=x", &[], "2").await;
    assert!(problem(other, 409).await.contains("already"));
    let reused = post(&server, "/topics/a", &key, "2").await;
    assert!(problem(reused, 422).await.contains("new key"));
}

#[tokio::test]
async fn an_etag_is_what_if_match_takes_whatever_is_published_beside() {
    let server = TestServer::start(&QUIET).await;
    let etag = async || {
        let answer = client::send(
            server.address,
            "GET",
            "/topics/a",
            &["Accept: application/json"],
        )
        .await;
        answer.header("etag").expect("a tag").to_owned()
    };
    let publish = async |condition: &str| {
        let header = format!("If-Match: {condition}");
        post(&server, "/topics/a", &[&header], "x").await.status
    };
    assert_eq!(publish("*").await, 412, "there is nothing yet");
    post(&server, "/topics/a", &[], "1").await;
    post(&server, "/topics/a?keep=false", &[], "typing").await;
    assert_eq!(publish(&etag().await).await, 200);
    post(&server, "/topics/a?id=a%22b", &[], "quoted").await;
    let list = format!("\"other\", {}", etag().await);
    assert_eq!(publish(&list).await, 200);
    assert_eq!(publish(&format!("W/{}", etag().await)).await, 412);
    assert_eq!(publish("*").await, 200);
}

#[tokio::test]
async fn a_stream_in_which_there_is_no_event_is_refused() {
    let server = TestServer::start(&QUIET).await;
    let put = async |body: &str| {
        client::send_body(server.address, "PUT", "/topics/a", &[], body.as_bytes()).await
    };
    assert!(
        problem(put("a b c\nd").await, 400)
            .await
            .contains("no event")
    );
    assert!(
        problem(put("data: half").await, 400)
            .await
            .contains("blank line")
    );
    assert_eq!(put("").await.status, 200);
    let conditional = client::send_body(
        server.address,
        "PUT",
        "/topics/a",
        &["If-Match: *"],
        b"data: 1\n\n",
    );
    assert_eq!(conditional.await.status, 400);
}

#[tokio::test]
async fn fields_of_a_streams_request_are_for_each_of_its_events() {
    let server = TestServer::start(&QUIET).await;
    let body = "data: a\n\nevent: own\ndata: b\n\n";
    let target = "/topics/a?type=news";
    let answer = client::send_body(server.address, "PUT", target, &[], body.as_bytes()).await;
    assert_eq!(answer.status, 200);
    let mut events = client::events(server.address, "/topics/a?last=2", &[]).await;
    assert_eq!(events.next().await.event_type, "news");
    assert_eq!(events.next().await.event_type, "own");
}

#[tokio::test]
async fn a_streams_publisher_gets_its_receipt_when_the_server_stops() {
    let server = TestServer::start(&QUIET).await;
    let mut upload = Upload::start(server.address, "PUT", "/topics/a", &[]).await;
    upload.send(b"data: 1\n\n").await;
    server.until(|server| server.hub.totals().topics == 2).await;
    let (answer, ()) = tokio::join!(upload.answer(), server.stop());
    let document = json(answer, 503).await;
    assert_eq!(document["published"], 1);
}

#[tokio::test]
async fn a_coded_body_and_one_that_says_that_it_is_too_large_are_refused_at_once() {
    let server = TestServer::start(&QUIET).await;
    let coded = post(&server, "/topics/a", &["Content-Encoding: gzip"], "x").await;
    assert_eq!(coded.status, 415);
    let head = "POST /topics/a HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n";
    let socket = tokio::net::TcpStream::connect(server.address)
        .await
        .expect("a connection");
    let answer = client::ask(socket, head).await;
    assert_eq!(answer.status, 413, "without a byte of the body");
}

#[tokio::test]
async fn a_retry_is_for_readers_of_its_own_topic() {
    let server = TestServer::start(&QUIET).await;
    post(&server, "/topics/a?retry=1234", &[], "1").await;
    let mut both = client::events(server.address, "/topics?topic=a&topic=b&last=1", &[]).await;
    both.read_until(|parser| parser.messages.len() == 2).await;
    assert_ne!(both.parser.retry, Some(1_234));
    let mut alone = client::events(server.address, "/topics/a?last=1", &[]).await;
    alone.next().await;
    assert_eq!(alone.parser.retry, Some(1_234));
}
