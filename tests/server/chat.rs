//! Chat rooms for a browser without JavaScript: the page, the form, and what a room is beside it: a topic.

use fairwind::hub::topic::Topic;
use jsonwebtoken::get_current_timestamp;
use serde_json::{Value, json};

use crate::access::{secret_flag, token};
use crate::client::{self, Answer};
use crate::support::{QUIET, TestServer};

const BROWSER: &str = "Accept: text/html,*/*;q=0.8";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

async fn server(flags: &[&str]) -> TestServer {
    TestServer::start(&[&QUIET, flags].concat()).await
}

async fn get(server: &TestServer, path: &str, headers: &[&str]) -> Answer {
    let headers = [&[BROWSER], headers].concat();
    client::send(server.address, "GET", path, &headers).await
}

async fn page(server: &TestServer, path: &str) -> String {
    let answer = get(server, path, &[]).await;
    assert_eq!(answer.status, 200, "{path}");
    answer.text().await
}

async fn send(server: &TestServer, path: &str, headers: &[&str], form: &str) -> Answer {
    let headers = [&[BROWSER, FORM], headers].concat();
    client::send_body(server.address, "POST", path, &headers, form.as_bytes()).await
}

/// What has been said in a room: the data of its topic's events.
async fn said(server: &TestServer, room: &str) -> Vec<Value> {
    let accept = ["Accept: application/json"];
    let path = format!("/topics/chat/{room}");
    let answer = client::send(server.address, "GET", &path, &accept).await;
    let snapshot: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    let events = snapshot["events"].as_array().expect("events");
    let data = events.iter().map(|event| event["data"].as_str());
    data.map(|data| serde_json::from_str(data.expect("a text")).expect("JSON"))
        .collect()
}

#[tokio::test]
async fn a_form_publishes_a_message_once_and_leads_back_to_the_room() {
    let server = server(&[]).await;
    let mut live = client::events(server.address, "/topics/chat/tea", &[]).await;
    live.read_opening().await;
    let form = "id=m1&name=%E7%8E%8B%E8%8A%B3&text=hello%0D%0Athere";
    for _ in 0..2 {
        let answer = send(&server, "/chat/tea", &[], form).await;
        assert_eq!(answer.status, 303);
        assert_eq!(answer.header("location"), Some("/chat/tea#write"));
        let cookie = answer.header("set-cookie").expect("a cookie").to_owned();
        assert!(
            cookie.starts_with("fairwind_chat_name=%E7%8E%8B%E8%8A%B3; "),
            "{cookie}"
        );
        assert!(cookie.contains("Path=/chat"));
    }
    let expected = json!({"name": "王芳", "text": "hello\nthere"});
    assert_eq!(said(&server, "tea").await, [expected]);
    assert_eq!(live.next().await.last_event_id, "m1");
    let again = get(
        &server,
        "/chat/tea",
        &["Cookie: fairwind_chat_name=%E7%8E%8B%E8%8A%B3"],
    )
    .await;
    let again = again.text().await;
    assert!(again.contains("value=\"王芳\""), "the name is filled in");
    assert!(again.contains("hello\nthere"));
}

#[tokio::test]
async fn what_a_message_contains_is_never_html_and_its_addresses_are_links() {
    let server = server(&[]).await;
    let data = r#"{"name":"<i>Eve</i>","text":"<script>alert(1)</script> \"see\" https://a.example/?b=<c&d javascript:x"}"#;
    client::send_body(
        server.address,
        "POST",
        "/topics/chat/tea",
        &[],
        data.as_bytes(),
    )
    .await;
    client::send_body(
        server.address,
        "POST",
        "/topics/chat/tea",
        &[],
        b"plain <b>",
    )
    .await;
    client::send_body(
        server.address,
        "POST",
        "/topics/chat/tea?type=typing",
        &[],
        b"{}",
    )
    .await;
    let page = page(&server, "/chat/tea").await;
    assert!(!page.contains("<script>alert") && !page.contains("<i>Eve") && !page.contains("<b>"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("href=\"https://a.example/?b=\""));
    assert!(page.contains("rel=\"noopener noreferrer nofollow ugc\""));
    assert!(!page.contains("href=\"javascript"));
    assert!(page.contains("plain &lt;b&gt;"));
}

#[tokio::test]
async fn a_room_with_the_largest_messages_has_a_page_of_bounded_size() {
    let server = server(&[]).await;
    let large = "<".repeat(900_000);
    for _ in 0..3 {
        client::send_body(
            server.address,
            "POST",
            "/topics/chat/tea",
            &[],
            large.as_bytes(),
        )
        .await;
    }
    let small = "<".repeat(8_000);
    for _ in 0..60 {
        client::send_body(
            server.address,
            "POST",
            "/topics/chat/tea",
            &[],
            small.as_bytes(),
        )
        .await;
    }
    let length = page(&server, "/chat/tea").await.len();
    assert!(length < 512 * 1_024, "{length} bytes");
}

#[tokio::test]
async fn the_door_leads_to_a_room_and_says_which_there_cannot_be() {
    let server = server(&[]).await;
    assert!(page(&server, "/chat").await.contains("name=\"room\""));
    let answer = get(&server, "/chat?room=+green%20tea%2F7+", &[]).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/chat/green%20tea/7"))
    );
    for room in ["", "..", "a%0Ab"] {
        let answer = get(&server, &format!("/chat?room={room}"), &[]).await;
        assert_eq!(answer.status, 400, "{room}");
        assert!(answer.text().await.contains("aria-invalid=\"true\""));
    }
}

#[tokio::test]
async fn a_form_that_is_no_message_is_refused_with_what_would_be_right() {
    let server = server(&[]).await;
    for (form, status, expected) in [
        ("id=1&name=Ada&text=+%0A", 400, "at least one character"),
        (
            "id=1&name=+&text=hello",
            400,
            "at least one other character",
        ),
        ("id=1&name=a%2Fb&text=hello", 400, "slashes"),
        ("id=%231&name=Ada&text=hello", 400, "without # in front"),
        ("name=Ada&text=hello", 400, "id"),
        ("id=1&name=Ada&text=hello&more=1", 400, "more"),
        (
            &format!("id=1&name=Ada&text={}", "x".repeat(33_000)),
            413,
            "32768",
        ),
    ] {
        let answer = client::send_body(
            server.address,
            "POST",
            "/chat/tea",
            &[FORM],
            form.as_bytes(),
        )
        .await;
        assert_eq!(answer.status, status, "{form}");
        let detail = answer.text().await;
        assert!(detail.contains(expected), "{detail}");
    }
    let put = client::send_body(server.address, "PUT", "/chat/tea", &[FORM], b"").await;
    assert_eq!(
        (put.status, put.header("allow")),
        (405, Some("GET, HEAD, POST"))
    );
    let foreign = [
        "Origin: https://elsewhere.example",
        "Sec-Fetch-Site: cross-site",
    ];
    let answer = send(&server, "/chat/tea", &foreign, "id=1&name=Ada&text=hello").await;
    assert_eq!(answer.status, 403, "a page of another origin");
    let topic = Topic::new("chat/tea").expect("a topic");
    assert_eq!(server.hub.subscribers(&topic), 0);
    assert_eq!(said(&server, "tea").await, [] as [Value; 0]);
}

#[tokio::test]
async fn with_a_key_a_message_has_the_name_of_the_token_whatever_the_form_says() {
    let flags = ["--read=public", &secret_flag("chat")];
    let server = server(&flags).await;
    let exp = get_current_timestamp() + 60;
    let cookie = |claims: Value| format!("Cookie: fairwind_token={}", token(&claims));
    let ada =
        cookie(json!({"exp": exp, "publish": ["chat/*"], "subscribe": ["chat/*"], "sub": "Ada"}));
    let shown = get(&server, "/chat/tea", &[&ada]).await.text().await;
    assert!(shown.contains("value=\"Ada\"") && shown.contains("readonly"));
    assert!(shown.contains("data-token") && shown.contains("data-present"));
    let same_site = "Sec-Fetch-Site: same-origin";
    let answer = send(
        &server,
        "/chat/tea",
        &[&ada, same_site],
        "id=1&name=Bob&text=hello",
    )
    .await;
    assert_eq!(answer.status, 303);
    assert_eq!(
        said(&server, "tea").await,
        [json!({"name": "Ada", "text": "hello"})]
    );
    let stranger = page(&server, "/chat/tea").await;
    assert!(!stranger.contains("data-present") && !stranger.contains("<form id=\"write\""));
    assert!(stranger.contains("needs a token"));
    let refused = send(
        &server,
        "/chat/tea",
        &[same_site],
        "id=2&name=Eve&text=hello",
    )
    .await;
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn switched_off_there_is_no_page_and_no_link() {
    let server = server(&["--chat=off"]).await;
    for path in ["/chat", "/chat/tea"] {
        let answer = get(&server, path, &[]).await;
        assert_eq!(answer.status, 404, "{path}");
        let detail = answer.text().await;
        assert!(detail.contains("--chat is off") && !detail.contains("href=\"/chat\""));
    }
    assert_eq!(
        send(&server, "/chat/tea", &[], "id=1&name=a&text=b")
            .await
            .status,
        404
    );
}
