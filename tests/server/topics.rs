//! Topics as resources: how they are read, and several at once.

use fairwind::hub::publish::{Preconditions, PublishRequest};
use fairwind::hub::topic::Topic;
use futures_util::FutureExt;
use serde_json::Value;

use crate::client;
use crate::support::{QUIET, TestServer};

/// What a browser asks for when a reader follows a link.
const BROWSER: &str =
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

fn publish(server: &TestServer, topic: &str, data: &str) -> String {
    let topic = Topic::new(topic).expect("a topic");
    let published =
        server
            .hub
            .publish(&topic, PublishRequest::text(data), Preconditions::default());
    published
        .now_or_never()
        .expect("a log in memory commits at once")
        .expect("published")
        .id
        .to_string()
}

async fn json(server: &TestServer, target: &str) -> Value {
    let answer = client::send(server.address, "GET", target, &["Accept: application/json"]).await;
    assert_eq!(answer.status, 200, "{target}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    serde_json::from_str(&answer.text().await).expect("JSON")
}

#[tokio::test]
async fn any_text_in_the_path_is_a_topic() {
    let server = TestServer::start(&QUIET).await;
    for (path, topic) in [
        ("kitchen", "kitchen"),
        ("orders/7", "orders/7"),
        ("orders%2F7", "orders/7"),
        ("%E4%B8%8A%20x%3Fy%23z", "上 x?y#z"),
        ("a//b/", "a//b/"),
        ("/", "/"),
    ] {
        let mut events = client::events(server.address, &format!("/topics/{path}"), &[]).await;
        events.read_opening().await;
        publish(&server, topic, "hi");
        assert_eq!(events.next().await.data, "hi", "{path}");
    }
    for (path, expected) in [
        ("a%0Ab", "control character"),
        (&"x".repeat(1_025), "1024"),
        ("%FF", "UTF-8"),
        ("a/%2E%2e/b", "segment '..'"),
        (".", "segment '.'"),
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let target = format!("/topics/{path}");
            let answer = client::send_body(server.address, method, &target, &[], b"hi").await;
            assert_eq!(answer.status, 400, "{target}");
            assert_eq!(
                answer.header("content-type"),
                Some("application/problem+json")
            );
            assert!(answer.text().await.contains(expected), "{target}");
        }
    }
    let several = client::get(server.address, "/topics?topic=a&topic=..").await;
    assert_eq!(several.status, 400);
}

#[tokio::test]
async fn the_clock_is_a_topic_like_any() {
    let server = TestServer::start(&QUIET).await;
    let mut events = client::events(server.address, "/topics/clock?last=1", &[]).await;
    assert!(events.next().await.data.starts_with("hello, now is: "));
}

#[tokio::test]
async fn a_topic_is_given_as_the_client_likes_it() {
    let server = TestServer::start(&QUIET).await;
    for (accept, expected) in [
        ("Accept: */*", "text/event-stream"),
        ("Accept: text/event-stream", "text/event-stream"),
        ("Accept: application/json", "application/json"),
        (BROWSER, "text/html; charset=utf-8"),
    ] {
        let answer = client::send(server.address, "GET", "/topics/a", &[accept]).await;
        assert_eq!(answer.header("content-type"), Some(expected));
        assert!(answer.header("vary").expect("vary").contains("accept"));
        let head = client::send(server.address, "HEAD", "/topics/a", &[accept]).await;
        assert_eq!(
            (head.status, head.header("content-type")),
            (200, Some(expected))
        );
    }
    let answer = client::send(server.address, "GET", "/topics/a", &["Accept: image/png"]).await;
    assert_eq!(answer.status, 406);
}

#[tokio::test]
async fn a_snapshot_says_what_there_is_and_where_to_go_on() {
    let server = TestServer::start(&QUIET).await;
    let ids: Vec<String> = ["1", "2", "3"]
        .iter()
        .map(|data| publish(&server, "a", data))
        .collect();
    let snapshot = json(&server, "/topics/a?limit=2").await;
    assert_eq!(snapshot["topic"], "a");
    assert_eq!(
        (&snapshot["first_id"], &snapshot["last_id"]),
        (&Value::from(&*ids[1]), &Value::from(&*ids[2]))
    );
    assert_eq!(snapshot["events"][0]["data"], "2");
    chrono::DateTime::parse_from_rfc3339(
        snapshot["events"][0]["published_at"]
            .as_str()
            .expect("text"),
    )
    .expect("a time");
    assert_eq!(snapshot["limits"]["history_events"], 1_000);
    assert!(ids[0].contains(snapshot["epoch"].as_str().expect("an epoch")));
    let older = json(&server, snapshot["older"].as_str().expect("a URL")).await;
    assert_eq!(
        (older["events"][0]["data"].as_str(), &older["older"]),
        (Some("1"), &Value::Null)
    );
    publish(&server, "a", "4");
    let from = snapshot["last_event_id"]
        .as_str()
        .expect("an id")
        .replace('#', "%23");
    let mut events = client::events(
        server.address,
        &format!("/topics/a?last_event_id={from}"),
        &[],
    )
    .await;
    assert_eq!(events.next().await.data, "4");
}

#[tokio::test]
async fn head_of_a_snapshot_says_how_long_it_is() {
    let server = TestServer::start(&QUIET).await;
    publish(&server, "a", "1");
    let of = async |method| {
        client::send(
            server.address,
            method,
            "/topics/a",
            &["Accept: application/json"],
        )
        .await
    };
    let (head, get) = (of("HEAD").await, of("GET").await);
    assert!(head.header("content-length").is_some());
    assert_eq!(head.header("content-length"), get.header("content-length"));
}

#[tokio::test]
async fn the_list_of_topics_says_what_is_alive() {
    let server = TestServer::start(&QUIET).await;
    publish(&server, "a b", "1");
    publish(&server, "~secret", "1");
    let mut events = client::events(server.address, "/topics/c", &[]).await;
    events.read_opening().await;
    let list = json(&server, "/topics").await;
    let names: Vec<_> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|topic| topic["topic"].as_str())
        .collect();
    // An unlisted topic is not among them.
    assert_eq!(names, [Some("a b"), Some("c"), Some("clock")]);
    assert_eq!(list[0]["url"], "/topics/a%20b");
    assert_eq!(
        (&list[0]["events"], &list[1]["subscribers"]),
        (&Value::from(1), &Value::from(1))
    );
}

#[tokio::test]
async fn a_pattern_brings_topics_that_match_and_appear_later_on_one_connection() {
    let server = TestServer::start(&QUIET).await;
    publish(&server, "orders/1", "old");
    let target = "/topics?match=orders/*&topic=kitchen&topic=orders%2F1&last_event_id=earliest";
    let mut events = client::events(server.address, target, &[]).await;
    publish(&server, "orders/eu/2", "new");
    publish(&server, "garden", "not on this stream");
    let last = publish(&server, "kitchen", "tea");
    for (topic, data) in [
        ("orders/1", "old"),
        ("orders/eu/2", "new"),
        ("kitchen", "tea"),
    ] {
        let named = events.next().await;
        assert_eq!(
            (named.event_type.as_str(), named.data.as_str()),
            ("topic", topic)
        );
        assert_eq!(events.next().await.data, data);
    }
    let target = format!("/topics?match=*&last_event_id={}", last.replace('#', "%23"));
    let mut resumed = client::events(server.address, &target, &[]).await;
    publish(&server, "new/one", "5");
    resumed.next().await;
    assert_eq!(resumed.next().await.data, "5");
    let head = client::send(server.address, "HEAD", "/topics?match=none/*", &[]).await;
    assert_eq!(head.status, 200);
    for (query, expected) in [
        ("match=orders", "ends with *"),
        ("match=a%0A*", "control character"),
        ("match=a*&consumers=event", "several topics"),
    ] {
        let answer = client::get(server.address, &format!("/topics?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().await.contains(expected), "{query}");
    }
    let answer = client::get(server.address, "/topics/a?match=b*").await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn several_topics_come_on_one_connection_each_event_with_its_topic() {
    let server = TestServer::start(&QUIET).await;
    let mut events = client::events(server.address, "/topics?topic=a&topic=b%2Fc", &[]).await;
    events.read_opening().await;
    for (topic, data) in [("a", "1"), ("b/c", "2"), ("other", "9"), ("a", "3")] {
        publish(&server, topic, data);
    }
    for (topic, data) in [("a", "1"), ("b/c", "2"), ("a", "3")] {
        let named = events.next().await;
        assert_eq!(
            (named.event_type.as_str(), named.data.as_str()),
            ("topic", topic)
        );
        let message = events.next().await;
        assert_eq!(
            (message.event_type.as_str(), message.data.as_str()),
            ("message", data)
        );
    }
    let answer = client::get(server.address, "/topics").await;
    assert_eq!(answer.status, 400, "a stream of no topics");
    let many: String = (0..101).map(|number| format!("topic={number}&")).collect();
    assert_eq!(
        client::get(server.address, &format!("/topics?{many}"))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn who_asks_for_types_hears_every_event_as_a_message() {
    let server = TestServer::start(&QUIET).await;
    let mut events = client::events(server.address, "/topics/a?types=event", &[]).await;
    events.read_opening().await;
    for target in ["/topics/a?type=news", "/topics/a", "/topics/a?type=type"] {
        let answer = client::send_body(server.address, "POST", target, &[], b"hi").await;
        assert_eq!(answer.status, 200);
    }
    client::send(server.address, "DELETE", "/topics/a", &[]).await;
    let mut heard = Vec::new();
    while let Some(event) = events.try_next().await.expect("a proper end") {
        heard.push((event.event_type, event.data));
    }
    let pairs: Vec<_> = heard
        .iter()
        .map(|(event_type, data)| (event_type.as_str(), data.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("type", "news"),
            ("message", "hi"),
            ("message", "hi"),
            ("type", "type"),
            ("message", "hi"),
            ("end", "a"),
        ]
    );
    let answer = client::get(server.address, "/topics/b?types=yes").await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().await.contains("types=event"));
}

#[tokio::test]
async fn as_json_each_event_has_its_topic_its_type_and_its_own_id_and_the_stream_has_the_logs_ids()
{
    let server = TestServer::start(&QUIET).await;
    let first = publish(&server, "a", "0");
    let target = format!(
        "/topics?topic=a&match=b/*&format=json&last_event_id={}",
        first.replace('#', "%23")
    );
    let mut events = client::events(server.address, &target, &[]).await;
    let opened_at = events.read_opening().await;
    assert_eq!(opened_at, first);
    for (target, body) in [
        ("/topics/a?type=news&id=mine", "1\n\"2\""),
        ("/topics/b/c", "3"),
        ("/topics/other", "4"),
    ] {
        let answer = client::send_body(server.address, "POST", target, &[], body.as_bytes()).await;
        assert_eq!(answer.status, 200);
    }
    client::send(server.address, "DELETE", "/topics/a", &[]).await;
    let mut read = Vec::new();
    for _ in 0..3 {
        let message = events.next().await;
        assert_eq!(message.event_type, "message");
        assert!(message.last_event_id.starts_with('#'), "{message:?}");
        read.push((message.data, message.last_event_id));
    }
    let [(one, _), (two, two_id), (end, end_id)] = read.as_slice() else {
        unreachable!()
    };
    assert_eq!(
        one,
        r#"{"id":"mine","topic":"a","type":"news","data":"1\n\"2\""}"#
    );
    assert_eq!(
        *two,
        format!(r#"{{"id":"{two_id}","topic":"b/c","type":"message","data":"3"}}"#)
    );
    assert_eq!(
        *end,
        format!(r#"{{"id":"{end_id}","topic":"a","type":"end","data":"a"}}"#)
    );
    for (query, expected) in [
        ("topic=a&format=xml", "format=json"),
        ("topic=a&format=json&types=event", "leave types out"),
        ("topic=a&follow=perhaps", "true or false"),
    ] {
        let answer = client::get(server.address, &format!("/topics?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().await.contains(expected), "{query}");
    }
}

#[tokio::test]
async fn as_json_one_topic_has_the_logs_ids_too_after_an_own_one() {
    let server = TestServer::start(&QUIET).await;
    let answer = client::send_body(server.address, "POST", "/topics/a?id=mine", &[], b"1").await;
    assert_eq!(answer.status, 200);
    let target = "/topics/a?format=json&last_event_id=mine";
    let mut events = client::events(server.address, target, &[]).await;
    assert!(events.read_opening().await.starts_with('#'));
    let id = publish(&server, "a", "2");
    assert_eq!(events.next().await.last_event_id, id);
}

#[tokio::test]
async fn as_json_the_number_of_consumers_comes_for_each_topic() {
    let server = TestServer::start(&QUIET).await;
    let target = "/topics?topic=a&topic=b&match=c*&format=json&consumers=event";
    let mut events = client::events(server.address, target, &[]).await;
    events.read_opening().await;
    for topic in ["a", "b"] {
        let counted = events.next().await;
        assert_eq!(counted.event_type, "consumers");
        assert_eq!(
            counted.data,
            format!(r#"{{"topic":"{topic}","consumers":1}}"#)
        );
    }
    let _other = client::events(server.address, "/topics/b", &[]).await;
    let counted = events.next().await;
    assert_eq!(counted.data, r#"{"topic":"b","consumers":2}"#);
}

#[tokio::test]
async fn as_json_a_stream_begins_with_the_ends_that_came_before_it() {
    let server = TestServer::start(&QUIET).await;
    publish(&server, "a", "1");
    client::send(server.address, "DELETE", "/topics/a", &[]).await;
    let target = "/topics?topic=a&topic=b&format=json";
    let mut events = client::events(server.address, target, &[]).await;
    events.read_opening().await;
    let end = events.next().await;
    assert_eq!(end.data, r#"{"topic":"a","type":"end","data":"a"}"#);
    publish(&server, "b", "2");
    assert!(events.next().await.data.contains(r#""data":"2""#));
    // A reader that comes from before the end gets it in its place.
    let target = "/topics?topic=a&topic=b&format=json&last_event_id=earliest";
    let mut events = client::events(server.address, target, &[]).await;
    events.read_opening().await;
    let mut data = Vec::new();
    for _ in 0..3 {
        data.push(events.next().await.data);
    }
    assert!(data[0].contains(r#""data":"1""#), "{data:?}");
    assert!(data[1].contains(r#""type":"end""#), "{data:?}");
    assert!(data[2].contains(r#""data":"2""#), "{data:?}");
}

#[tokio::test]
async fn a_stream_that_does_not_follow_ends_with_what_there_was() {
    let server = TestServer::start(&QUIET).await;
    let ids: Vec<_> = ["1", "2", "3"]
        .map(|data| publish(&server, "a", data))
        .into();
    let after_the_first = format!("last_event_id={}", ids[0].replace('#', "%23"));
    for (query, expected) in [
        ("last=2", &["2", "3"][..]),
        ("last_event_id=earliest", &["1", "2", "3"]),
        (after_the_first.as_str(), &["2", "3"]),
        ("since=1h", &["1", "2", "3"]),
        ("last=0", &[]),
    ] {
        for target in [
            format!("/topics/a?{query}&follow=false"),
            format!("/topics?match=a*&{query}&follow=false"),
        ] {
            let mut events = client::events(server.address, &target, &[]).await;
            events.read_opening().await;
            let mut data = Vec::new();
            while let Some(event) = events.try_next().await.expect("a proper end") {
                if event.event_type == "message" {
                    data.push(event.data);
                }
            }
            assert_eq!(data, expected, "{target}");
        }
    }
    let (mut websocket, _) = tokio_tungstenite::connect_async(format!(
        "ws://{}/topics/a?last=2&follow=false",
        server.address
    ))
    .await
    .expect("a WebSocket");
    let mut frames = Vec::new();
    while let Some(Ok(frame)) = futures_util::StreamExt::next(&mut websocket).await {
        frames.push(frame);
    }
    let [_, two, three, close] = frames.as_slice() else {
        panic!("{frames:?}")
    };
    assert!(two.to_text().expect("a text").contains(r#""data":"2""#));
    assert!(three.to_text().expect("a text").contains(r#""data":"3""#));
    assert!(close.is_close(), "{close:?}");
    server
        .until(|server| server.hub.subscribers(&Topic::new("a").expect("a topic")) == 0)
        .await;
}

#[tokio::test]
async fn a_browser_gets_the_topics_page_and_goes_on_where_it_ends() {
    let server = TestServer::start(&["--clock-interval", "1h", "--anonymous-publish=on"]).await;
    publish(&server, "a b", "1");
    let id = publish(&server, "a b", "2");
    let answer = client::send(
        server.address,
        "GET",
        "/topics/a%20b?filter=type:news&utm_source=x",
        &[BROWSER],
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("content-security-policy").is_some());
    let html = answer.text().await;
    assert!(html.contains(">a b</h1>"));
    assert!(html.contains("value=\"type:news\""));
    assert!(html.contains("0 of 2 shown"));
    assert!(html.contains(&id), "the page knows where it ends");
    assert!(html.contains("action=\"/topics/a%20b\""));
    assert!(!html.contains("data-id="), "nothing passes the filter");
}

#[tokio::test]
async fn a_browser_gets_the_list_of_topics_and_is_led_to_one() {
    let server = TestServer::start(&QUIET).await;
    publish(&server, "<b>x</b>/1", "1");
    let page = async |target: &str| client::send(server.address, "GET", target, &[BROWSER]).await;
    let html = page("/topics").await.text().await;
    assert!(
        html.contains("href=\"/topics/%3Cb%3Ex%3C/b%3E/1\""),
        "{html}"
    );
    assert!(!html.contains("<b>x") && !html.contains(".wasm"));

    let answer = page("/topics?open=k%C3%BCche%2F1%3F").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/topics/k%C3%BCche/1%3F"))
    );
    let answer = page("/topics?open=").await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().await.contains("at least one character"));

    // A link to a stream is one, in a browser, too.
    let answer = page("/topics?topic=a&last=1").await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
}

#[tokio::test]
async fn a_page_leads_to_the_events_before_it() {
    let server = TestServer::start(&QUIET).await;
    let mut ids: Vec<String> = (1..=41)
        .map(|number| publish(&server, "a", &format!("event {number}.")))
        .collect();
    let page = async |target: &str| {
        let answer = client::send(server.address, "GET", target, &[BROWSER]).await;
        assert_eq!(answer.status, 200);
        answer.text().await
    };
    let mut target = "/topics/a".to_owned();
    // Of 41 events, each page has twenty, and the last has one.
    for (left, words) in [(41, Some("21 older")), (21, Some("1 older")), (1, None)] {
        let html = page(&target).await;
        let shown = ids.split_off(left.max(20) - 20);
        assert_eq!(html.matches("data-id=").count(), shown.len());
        assert!(
            shown
                .iter()
                .all(|id| html.contains(&format!("data-id=\"{id}\"")))
        );
        let first = shown[0].replace('#', "%23").replace('-', "%2D");
        target = format!("/topics/a?before={first}");
        assert_eq!(
            html.contains(&format!("href=\"{target}\"")),
            words.is_some()
        );
        assert!(words.is_none_or(|words| html.contains(&format!(">{words}</a>"))));
        assert!(html.contains(">event"));
    }
    let html = page(&target).await;
    assert!(html.contains("No older events are kept") && html.contains("href=\"/topics/a\""));
    assert!(!html.contains(".wasm"));
    let target = "/topics/a?before=%00";
    let answer = client::send(server.address, "GET", target, &[BROWSER]).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn the_page_of_topics_is_loaded_again_where_the_reader_wants_that() {
    let server = TestServer::start(&QUIET).await;
    let page = async |target: &str| client::send(server.address, "GET", target, &[BROWSER]).await;
    let once = page("/topics").await;
    assert_eq!(once.header("refresh"), None);
    assert!(once.text().await.contains("href=\"/topics?refresh=5\""));
    let again = page("/topics?refresh=5").await;
    assert_eq!(again.header("refresh"), Some("5"));
    assert!(again.text().await.contains("Stop refreshing"));
}

#[tokio::test]
async fn the_page_of_topics_stays_small_however_long_their_names_are() {
    let server = TestServer::start(&QUIET).await;
    for number in 0..100 {
        publish(&server, &format!("{}{number:04}", "<".repeat(1_020)), "1");
    }
    let html = client::send(server.address, "GET", "/topics", &[BROWSER]).await;
    let html = html.text().await;
    assert!(html.len() < 400_000, "{} bytes", html.len());
    assert!(html.contains("69 more are not shown"), "{html}");
}

#[tokio::test]
async fn the_page_of_help_has_commands_for_this_server() {
    let flags = ["--clock-interval=1h", "--anonymous-publish=off"];
    for (flags, may_publish) in [(&flags[..], false), (&["--anonymous-publish=on"], true)] {
        let server = TestServer::start(flags).await;
        let answer = client::send(server.address, "GET", "/help", &[BROWSER]).await;
        assert_eq!(answer.status, 200);
        let html = answer.text().await;
        assert!(html.contains("curl -N http://fairwind.test/topics/kitchen"));
        assert!(!html.contains(".wasm"));
        assert_eq!(html.contains("You cannot publish here"), !may_publish);
        let other = client::send(server.address, "POST", "/help", &[]).await;
        assert_eq!(other.status, 405);
    }
}

#[tokio::test]
async fn a_page_says_when_the_topic_has_ended() {
    let server = TestServer::start(&QUIET).await;
    publish(&server, "a", "1");
    client::send(server.address, "DELETE", "/topics/a", &[]).await;
    let html = client::send(server.address, "GET", "/topics/a", &[BROWSER])
        .await
        .text()
        .await;
    assert!(html.contains("data-state=\"ended\"") && html.contains("data-kind=\"end\""));
}

#[tokio::test]
async fn a_stream_starts_where_one_wants() {
    let server = TestServer::start(&QUIET).await;
    for data in ["1", "2", "3"] {
        publish(&server, "a", data);
    }
    for (query, expected) in [
        ("last=2", "2"),
        ("last_event_id=earliest", "1"),
        ("since=1h", "1"),
        ("since=1970-01-01T00:00:00%2B01:00", "1"),
    ] {
        let mut events = client::events(server.address, &format!("/topics/a?{query}"), &[]).await;
        assert_eq!(events.next().await.data, expected, "{query}");
    }
    for query in [
        "last=x",
        "since=yesterday",
        "last=1&since=1h",
        "topic=b",
        "slow_reader=never",
    ] {
        assert_eq!(
            client::get(server.address, &format!("/topics/a?{query}"))
                .await
                .status,
            400,
            "{query}"
        );
    }
}

#[tokio::test]
async fn the_end_of_a_topic_is_told_once_and_then_nobody_comes_back() {
    let server = TestServer::start(&QUIET).await;
    let mut reader = client::events(server.address, "/topics/a", &[]).await;
    reader.read_opening().await;
    publish(&server, "a", "1");
    let answer = client::send(server.address, "DELETE", "/topics/a", &[]).await;
    assert_eq!(answer.status, 204);
    assert_eq!(reader.next().await.data, "1");
    let end = reader.next().await;
    assert_eq!((end.event_type.as_str(), end.data.as_str()), ("end", "a"));
    reader.read_to_end().await;
    let back = format!("Last-Event-ID: {}", end.last_event_id);
    assert_eq!(
        client::send(server.address, "GET", "/topics/a", &[&back])
            .await
            .status,
        204
    );
    for (headers, status) in [
        (&[][..], 204),
        (&[&*back][..], 204),
        (&["Last-Event-ID: earliest"][..], 200),
        (&["Accept: text/html"][..], 200),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = client::send(server.address, method, "/topics/a", headers).await;
            assert_eq!(answer.status, status, "{method} {headers:?}");
        }
    }
    assert_eq!(
        client::send_body(server.address, "POST", "/topics/a", &[], b"2")
            .await
            .status,
        409
    );
    assert_eq!(json(&server, "/topics/a").await["ended"], true);
    assert_eq!(
        client::send(server.address, "DELETE", "/topics/unknown", &[])
            .await
            .status,
        404
    );
    assert_eq!(
        client::send(server.address, "DELETE", "/topics/clock", &[])
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn options_and_wrong_methods_are_told_what_a_topic_has() {
    let server = TestServer::start(&QUIET).await;
    let allow = Some("GET, HEAD, POST, PUT, DELETE, OPTIONS");
    let answer = client::send(server.address, "OPTIONS", "/topics/a", &[]).await;
    assert_eq!(answer.header("allow"), allow);
    let answer = client::send(server.address, "PATCH", "/topics/a", &[]).await;
    assert_eq!((answer.status, answer.header("allow")), (405, allow));
}
