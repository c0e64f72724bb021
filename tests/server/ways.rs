//! What every stream does, however it is written: each behaviour is tested over each way, so that a failure names both.

use futures_util::FutureExt;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fairwind::hub::publish::{Preconditions, PublishRequest};
use fairwind::hub::topic::Topic;
use fairwind::protocol::event::EventType;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::access;
use crate::client::{self, PATIENCE};
use crate::support::TestServer;
use crate::way::{Stream, Way, heartbeats};

/// A module for each way, with each of its behaviours as a test.
macro_rules! ways {
    ($($name:ident: $way:expr, $behaviours:ident;)*) => {
        $(mod $name {
            use crate::way::Way;

            $behaviours!($way);
        })*
    };
}

macro_rules! tests {
    ($way:expr; $($behaviour:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $behaviour() {
            crate::ways::$behaviour($way).await;
        })*
    };
}

macro_rules! of_any_stream {
    ($way:expr) => {
        tests! {
            $way;
            events_come_in_order_and_each_once
            a_reader_that_comes_back_gets_exactly_what_it_has_missed
            a_long_replay_flows_into_what_is_live
            a_gap_is_told_when_the_id_is_unknown
            what_is_published_while_nobody_reads_is_there_when_somebody_does
            a_private_event_is_for_those_who_may_read_it
            a_silence_is_broken_by_heartbeats
            the_stream_ends_with_its_topic
            closing_all_streams_ends_it_and_its_reader_resumes
            a_stream_ends_properly_when_its_lifetime_is_over
            a_stream_without_events_ends_properly_after_the_idle_timeout
            a_reader_that_has_gone_is_not_counted
            consumers_are_told_to_a_reader_that_asks
            a_reader_that_takes_nothing_holds_nobody_up
            a_reader_on_a_narrow_link_gets_a_large_event
            a_server_that_stops_ends_the_stream_at_once
        }
    };
}

macro_rules! of_an_event_stream {
    ($way:expr) => {
        of_any_stream!($way);
        tests! {
            $way;
            types_are_told_to_a_reader_that_asks
            several_topics_come_on_one_stream_in_the_order_of_publication
            a_reader_that_takes_nothing_is_disconnected_and_can_resume
            a_reader_that_takes_nothing_is_told_of_the_gap_if_it_is_to_skip
            a_reader_that_takes_nothing_goes_on_with_the_newest_if_only_that_counts
        }
    };
}

macro_rules! of_a_stream_with_its_own_policy {
    ($way:expr) => {
        of_an_event_stream!($way);
        tests! {
            $way;
            a_reader_that_takes_nothing_is_treated_as_it_asks
        }
    };
}

ways! {
    http_1: Way::Http1, of_a_stream_with_its_own_policy;
    http_1_until_closed: Way::Http1UntilClosed, of_an_event_stream;
    http_1_compressed: Way::Http1Compressed, of_an_event_stream;
    http_1_over_tls: Way::Http1OverTls, of_an_event_stream;
    http_2: Way::Http2, of_a_stream_with_its_own_policy;
    http_2_over_tls: Way::Http2OverTls, of_a_stream_with_its_own_policy;
    websocket: Way::WebSocket, of_any_stream;
}

/// Together more than any socket's buffers take.
const MANY: usize = 24;
const LARGE: usize = 256 * 1_024;

/// Long enough for a reader that takes one such event while the machine is busy.
const WRITE_TIMEOUT: Duration = Duration::from_millis(300);

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("a topic")
}

/// Publishes to a topic; gives the id.
fn publish(server: &TestServer, name: &str, data: impl Into<String>) -> String {
    publish_as(server, name, PublishRequest::text(data))
}

fn publish_as(server: &TestServer, name: &str, publication: PublishRequest) -> String {
    let topic = topic(name);
    let published = server
        .hub
        .publish(&topic, publication, Preconditions::default());
    published
        .now_or_never()
        .expect("a log in memory commits at once")
        .expect("published")
        .id
        .to_string()
}

/// Data that says its number, and is of a length that no compression makes much shorter.
fn numbered(number: usize, length: usize) -> String {
    static NOISE: OnceLock<String> = OnceLock::new();
    let noise = NOISE.get_or_init(|| {
        let mut random = fastrand::Rng::with_seed(7);
        (0..LARGE).map(|_| random.alphanumeric()).collect()
    });
    format!("{number} {}", &noise[..length])
}

fn number(data: &str) -> usize {
    data.split(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

fn resume(id: &str) -> String {
    format!("Last-Event-ID: {id}")
}

async fn until_consumers_are(server: &TestServer, count: usize) {
    server
        .until(|server| server.hub.subscribers(&topic("a")) == count)
        .await;
}

async fn expect(stream: &mut Stream, data: &[&str]) {
    for expected in data {
        assert_eq!(stream.next().await.data, *expected);
    }
}

async fn events_come_in_order_and_each_once(way: Way) {
    const EVENTS: usize = 500;
    let length = |number: usize| match number % 50 {
        49 => 100_000,
        _ => number,
    };
    let server = way.server(&[]).await;
    let mut stream = way.open(&server, "/topics/a", &[]).await;
    stream.read_opening().await;
    let (progress, mut published) = watch::channel(0);
    let hub = server.hub.clone();
    let publisher = tokio::spawn(async move {
        for number in 0..EVENTS {
            let event = PublishRequest::text(numbered(number, length(number)));
            hub.publish(&topic("a"), event, Preconditions::default())
                .now_or_never()
                .expect("a log in memory commits at once")
                .expect("published");
            progress.send_replace(number + 1);
            if number % 10 == 0 {
                tokio::task::yield_now().await;
            }
        }
    });
    for expected in 0..EVENTS {
        let message = stream.next().await;
        assert_eq!(number(&message.data), expected);
        assert!(message.data == numbered(expected, length(expected)));
        if expected == 100 {
            // Reads nothing while much is published.
            let much = published.wait_for(|count| *count == EVENTS);
            much.await.expect("a publisher");
        }
    }
    publisher.await.expect("no panic");
    publish(&server, "a", "the end");
    expect(&mut stream, &["the end"]).await;
}

async fn a_reader_that_comes_back_gets_exactly_what_it_has_missed(way: Way) {
    let server = way.server(&[]).await;
    let mut stream = way.open(&server, "/topics/a", &[]).await;
    let primed = stream.read_opening().await;
    for number in 0..10 {
        publish(&server, "a", number.to_string());
    }
    expect(&mut stream, &["0", "1", "2"]).await;
    let seen = stream.next().await.last_event_id;
    drop(stream);
    until_consumers_are(&server, 0).await;
    for number in 10..13 {
        publish(&server, "a", number.to_string());
    }
    let target = format!("/topics/a?last_event_id={}", primed.replace('#', "%23"));
    let mut from_the_start = way.open(&server, &target, &[]).await;
    let mut back = way.open(&server, &target, &[&resume(&seen)]).await;
    until_consumers_are(&server, 2).await;
    publish(&server, "a", "13");
    for (stream, first) in [(&mut from_the_start, 0), (&mut back, 4)] {
        for number in first..=13 {
            assert_eq!(stream.next().await.data, number.to_string());
        }
    }
}

async fn a_long_replay_flows_into_what_is_live(way: Way) {
    const KEPT: usize = 5_000;
    const LIVE: usize = 100;
    let server = way.server(&["--history-events=10000"]).await;
    for number in 0..KEPT {
        publish(&server, "a", numbered(number, 1_200));
    }
    let target = "/topics/a?last_event_id=earliest";
    let mut stream = way.open(&server, target, &[]).await;
    for expected in 0..KEPT + LIVE {
        if expected == KEPT / 2 {
            for number in KEPT..KEPT + LIVE {
                publish(&server, "a", numbered(number, 1_200));
            }
        }
        let message = stream.next().await;
        assert_eq!(number(&message.data), expected);
        if expected % 200 == 0 {
            // A slow reader.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    publish(&server, "a", "the end");
    expect(&mut stream, &["the end"]).await;
}

async fn a_gap_is_told_when_the_id_is_unknown(way: Way) {
    let server = way.server(&[]).await;
    publish(&server, "a", "kept");
    let mut stream = way
        .open(&server, "/topics/a", &["Last-Event-ID: #lost-9"])
        .await;
    let gap = stream.next().await;
    assert_eq!(
        (gap.event_type.as_str(), gap.last_event_id.as_str()),
        ("gap", "")
    );
    let gap: Value = serde_json::from_str(&gap.data).expect("JSON");
    assert_eq!(gap["requested"], "#lost-9");
    expect(&mut stream, &["kept"]).await;
    publish(&server, "a", "live");
    expect(&mut stream, &["live"]).await;
    let resumed_from = gap["resumed_from"].as_str().expect("an id");
    let mut again = way
        .open(&server, "/topics/a", &[&resume(resumed_from)])
        .await;
    expect(&mut again, &["kept", "live"]).await;
}

async fn what_is_published_while_nobody_reads_is_there_when_somebody_does(way: Way) {
    let server = way.server(&[]).await;
    let mut stream = way.open_with_little_room(server.address, "/topics/a").await;
    let mut prompt = way.open(&server, "/topics/a", &[]).await;
    stream.read_opening().await;
    prompt.read_opening().await;
    let length = |number: usize| if number.is_multiple_of(2) { LARGE } else { 10 };
    for number in 0..MANY {
        publish(&server, "a", numbered(number, length(number)));
    }
    for stream in [&mut prompt, &mut stream] {
        for number in 0..MANY {
            let message = stream.next().await;
            assert!(message.data == numbered(number, length(number)), "{number}");
        }
    }
}

async fn a_private_event_is_for_those_who_may_read_it(way: Way) {
    let flag = access::secret_flag(&format!("{way:?}"));
    let server = way.server(&[&flag, "--read=public"]).await;
    let bearer = format!("Authorization: Bearer {}", access::master_token(60));
    let target = "/topics/a?last_event_id=earliest";
    let mut public = way.open(&server, target, &[]).await;
    let mut live = way.open(&server, target, &[&bearer]).await;
    live.read_opening().await;
    publish(&server, "a", "1");
    let secret = PublishRequest {
        is_private: true,
        ..PublishRequest::text("secret")
    };
    publish_as(&server, "a", secret);
    publish(&server, "a", "3");
    let mut replayed = way.open(&server, target, &[&bearer]).await;
    expect(&mut live, &["1", "secret", "3"]).await;
    expect(&mut replayed, &["1", "secret", "3"]).await;
    expect(&mut public, &["1", "3"]).await;
}

async fn a_silence_is_broken_by_heartbeats(way: Way) {
    let server = way.server(&["--heartbeat=100ms"]).await;
    let mut stream = way.open(&server, "/topics/a", &[]).await;
    let started = Instant::now();
    stream.read_until(|parser| heartbeats(parser) == 3).await;
    assert!(started.elapsed() >= Duration::from_millis(250));
    publish(&server, "a", "still there");
    expect(&mut stream, &["still there"]).await;
}

async fn the_stream_ends_with_its_topic(way: Way) {
    let server = way.server(&[]).await;
    let mut stream = way.open(&server, "/topics/a", &[]).await;
    stream.read_opening().await;
    publish(&server, "a", "1");
    server.hub.end(&topic("a")).await.expect("ended");
    expect(&mut stream, &["1"]).await;
    let end = stream.next().await;
    assert_eq!((end.event_type.as_str(), end.data.as_str()), ("end", "a"));
    stream.read_to_end().await;
    assert_close_code(way, &stream, 1000);
    until_consumers_are(&server, 0).await;
}

async fn closing_all_streams_ends_it_and_its_reader_resumes(way: Way) {
    let server = way.server(&[]).await;
    let mut stream = way.open(&server, "/topics/a", &[]).await;
    stream.read_opening().await;
    publish(&server, "a", "1");
    let seen = stream.next().await.last_event_id;
    server.streams.close_all();
    stream.read_to_end().await;
    assert_close_code(way, &stream, 1001);
    until_consumers_are(&server, 0).await;
    publish(&server, "a", "2");
    let mut back = way.open(&server, "/topics/a", &[&resume(&seen)]).await;
    expect(&mut back, &["2"]).await;
    publish(&server, "a", "3");
    expect(&mut back, &["3"]).await;
}

async fn a_stream_ends_properly_when_its_lifetime_is_over(way: Way) {
    let server = way.server(&["--stream-lifetime=300ms"]).await;
    let started = Instant::now();
    let mut stream = way.open(&server, "/topics/a", &[]).await;
    publish(&server, "a", "1");
    stream.read_opening().await;
    while stream.try_next().await.expect("a proper end").is_some() {}
    assert!(started.elapsed() >= Duration::from_millis(240));
    assert_close_code(way, &stream, 1012);
    until_consumers_are(&server, 0).await;
}

async fn a_stream_without_events_ends_properly_after_the_idle_timeout(way: Way) {
    let server = way
        .server(&["--idle-timeout=300ms", "--heartbeat=50ms"])
        .await;
    let started = Instant::now();
    let mut stream = way.open(&server, "/topics/a", &[]).await;
    stream.read_to_end().await;
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert!(heartbeats(&stream.parser) > 0, "a heartbeat is no event");
    assert_close_code(way, &stream, 1001);
    until_consumers_are(&server, 0).await;
}

async fn a_reader_that_has_gone_is_not_counted(way: Way) {
    let server = way.server(&[]).await;
    let mut stays = way.open(&server, "/topics/a", &[]).await;
    stays.read_opening().await;
    let mut silent = way.open(&server, "/topics/a", &[]).await;
    silent.read_opening().await;
    let never_read = way.open(&server, "/topics/a", &[]).await;
    until_consumers_are(&server, 3).await;
    drop(silent);
    until_consumers_are(&server, 2).await;
    publish(&server, "a", "1");
    // What has not been read makes the end a reset.
    drop(never_read);
    until_consumers_are(&server, 1).await;
    publish(&server, "a", "2");
    expect(&mut stays, &["1", "2"]).await;
    drop(stays);
    until_consumers_are(&server, 0).await;
}

async fn consumers_are_told_to_a_reader_that_asks(way: Way) {
    let server = way.server(&[]).await;
    let mut asks = way.open(&server, "/topics/a?consumers=event", &[]).await;
    let mut expect_count = async |count: &str| {
        let told = asks.next().await;
        assert_eq!(
            (told.event_type.as_str(), told.data.as_str()),
            ("consumers", count)
        );
        told.last_event_id
    };
    let primed = expect_count("1").await;
    let mut other = way.open(&server, "/topics/a", &[]).await;
    let moved = expect_count("2").await;
    assert_eq!(moved, primed, "it does not move the reader's place");
    publish(&server, "a", "only this");
    expect(&mut other, &["only this"]).await;
    expect(&mut asks, &["only this"]).await;
}

async fn types_are_told_to_a_reader_that_asks(way: Way) {
    let server = way.server(&[]).await;
    let mut asks = way.open(&server, "/topics/a?types=event", &[]).await;
    let mut other = way.open(&server, "/topics/a", &[]).await;
    asks.read_opening().await;
    other.read_opening().await;
    let news = PublishRequest {
        event_type: EventType::new("news").expect("a type"),
        ..PublishRequest::text("two\nlines")
    };
    publish_as(&server, "a", news);
    publish(&server, "a", "plain");
    server.hub.end(&topic("a")).await.expect("ended");
    for (stream, expected) in [
        (
            &mut asks,
            &[
                ("type", "news"),
                ("message", "two\nlines"),
                ("message", "plain"),
                ("end", "a"),
            ][..],
        ),
        (
            &mut other,
            &[("news", "two\nlines"), ("message", "plain"), ("end", "a")],
        ),
    ] {
        for expected in expected {
            let message = stream.next().await;
            assert_eq!(
                (message.event_type.as_str(), message.data.as_str()),
                *expected
            );
        }
        stream.read_to_end().await;
    }
}

async fn several_topics_come_on_one_stream_in_the_order_of_publication(way: Way) {
    let server = way.server(&[]).await;
    let target = "/topics?topic=a&topic=b%2Fc";
    let mut stream = way.open(&server, target, &[]).await;
    stream.read_opening().await;
    let names: Vec<_> = (0..100)
        .map(|number| match number % 7 {
            0..3 => "a",
            3..6 => "b/c",
            _ => "other",
        })
        .collect();
    for (number, name) in names.iter().enumerate() {
        publish(&server, name, number.to_string());
    }
    let expected = names
        .iter()
        .enumerate()
        .filter(|(_, name)| **name != "other");
    let mut last = None;
    for (number, name) in expected.clone() {
        let named = stream.next().await;
        assert_eq!(
            (named.event_type.as_str(), named.data.as_str()),
            ("topic", *name)
        );
        let message = stream.next().await;
        assert_eq!(message.data, number.to_string());
        if number == 50 {
            last = Some(message.last_event_id);
        }
    }
    let id = last.expect("the fiftieth");
    let mut back = way.open(&server, target, &[&resume(&id)]).await;
    for (number, name) in expected.filter(|(number, _)| *number > 50) {
        assert_eq!(back.next().await.data, *name);
        assert_eq!(back.next().await.data, number.to_string());
    }
}

async fn a_reader_that_takes_nothing_holds_nobody_up(way: Way) {
    let server = way.server(&[]).await;
    let (_stalled, mut others) = stalled_reader(way, &server, 2).await;
    for stream in &mut others {
        for number in 0..MANY {
            assert!(stream.next().await.data == numbered(number, LARGE));
        }
    }
    assert_eq!(server.hub.subscribers(&topic("a")), 3, "it has time yet");
}

async fn a_server_that_stops_ends_the_stream_at_once(way: Way) {
    let server = way.server(&[]).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = way.open(&server, "/topics/a", &[]).await;
        stream.read_opening().await;
        streams.push(stream);
    }
    let started = Instant::now();
    let stopping = tokio::spawn(server.stop());
    for stream in &mut streams {
        stream.read_to_end().await;
        assert_close_code(way, stream, 1001);
    }
    assert!(started.elapsed() < Duration::from_secs(1));
    drop(streams);
    stopping.await.expect("a clean stop");
    assert!(started.elapsed() < Duration::from_secs(2));
}

async fn a_reader_that_takes_nothing_is_disconnected_and_can_resume(way: Way) {
    let server = slow_reader_server(way, "disconnect").await;
    let (mut stalled, _) = stalled_reader(way, &server, 0).await;
    until_consumers_are(&server, 0).await;
    while let Ok(Some(_)) = stalled.try_next().await {}
    let seen = stalled.parser.messages.len();
    assert!(seen < MANY);
    let mut id = stalled.parser.last_event_id;
    let coming_back = async {
        let mut expected = seen;
        while expected < MANY {
            let mut back = way.open(&server, "/topics/a", &[&resume(&id)]).await;
            // On a busy machine it may be cut off once more.
            while expected < MANY
                && let Ok(Some(message)) = back.try_next().await
            {
                assert_eq!(number(&message.data), expected);
                expected += 1;
                id = message.last_event_id;
            }
        }
    };
    timeout(PATIENCE, coming_back).await.expect("in time");
}

async fn a_reader_that_takes_nothing_is_told_of_the_gap_if_it_is_to_skip(way: Way) {
    let server = slow_reader_server(way, "skip").await;
    let (mut stalled, _) = stalled_reader(way, &server, 0).await;
    // However long it sleeps, it is at least for the write timeout: that is all that counts.
    tokio::time::sleep(2 * WRITE_TIMEOUT).await;
    assert_eq!(server.hub.subscribers(&topic("a")), 1);
    // Every loss is told, and nothing else is lost. On a busy machine it may fall behind more than once.
    let mut expected = 0;
    let mut last_gap = None;
    let mut after_gap = None;
    while expected < MANY {
        let message = stalled.next().await;
        if message.event_type == "gap" {
            last_gap = Some(message.data);
            after_gap = None;
            continue;
        }
        let number = number(&message.data);
        if last_gap.is_some() && after_gap.is_none() {
            assert!(number > expected);
            after_gap = Some(message);
        } else {
            assert_eq!(number, expected);
        }
        expected = number + 1;
    }
    publish(&server, "a", "live again");
    expect(&mut stalled, &["live again"]).await;
    let gap = last_gap.expect("a gap");
    let gap: Value = serde_json::from_str(&gap).expect("JSON");
    let from = resume(gap["resumed_from"].as_str().expect("an id"));
    let mut back = way.open(&server, "/topics/a", &[&from]).await;
    assert_eq!(Some(back.next().await), after_gap);
}

async fn a_reader_that_takes_nothing_goes_on_with_the_newest_if_only_that_counts(way: Way) {
    let server = slow_reader_server(way, "latest").await;
    let (mut stalled, _) = stalled_reader(way, &server, 0).await;
    tokio::time::sleep(2 * WRITE_TIMEOUT).await;
    let mut numbers = Vec::new();
    while numbers.last() != Some(&(MANY - 1)) {
        let message = stalled.next().await;
        assert_eq!(message.event_type, "message");
        numbers.push(number(&message.data));
    }
    assert!(numbers.len() < MANY && numbers.is_sorted());
    publish(&server, "a", "live again");
    expect(&mut stalled, &["live again"]).await;
}

async fn a_reader_that_takes_nothing_is_treated_as_it_asks(way: Way) {
    let server = slow_reader_server(way, "disconnect").await;
    let (mut skips, _) = stalled_reader_of(way, &server, "/topics/a?slow_reader=skip", 0).await;
    tokio::time::sleep(2 * WRITE_TIMEOUT).await;
    skips
        .read_until(|parser| {
            let mut messages = parser.messages.iter();
            messages.any(|message| message.event_type == "gap")
        })
        .await;
    drop(skips);
    until_consumers_are(&server, 0).await;
    drop(server);
    let server = slow_reader_server(way, "skip").await;
    let target = "/topics/a?slow_reader=disconnect";
    let (_disconnects, _) = stalled_reader_of(way, &server, target, 0).await;
    until_consumers_are(&server, 0).await;
}

async fn a_reader_on_a_narrow_link_gets_a_large_event(way: Way) {
    const TIMEOUT: Duration = Duration::from_secs(1);
    let server = way.server(&["--write-timeout=1s"]).await;
    let link = narrow_link(server.address).await;
    let mut stream = way.open_with_little_room(link, "/topics/a").await;
    stream.read_opening().await;
    let started = Instant::now();
    let data = numbered(1, LARGE).repeat(2);
    publish(&server, "a", data.clone());
    publish(&server, "a", "after");
    expect(&mut stream, &[&data, "after"]).await;
    assert!(started.elapsed() > TIMEOUT, "the link is not narrow");
}

/// Passes connections on to a server; what the server sends comes slowly, but it comes.
async fn narrow_link(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (mut from_client, mut to_client) = client.into_split();
            let server = client::connect_with_little_room(server).await;
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            tokio::spawn(async move {
                let mut piece = [0; 2_048];
                while let Ok(read @ 1..) = from_server.read(&mut piece).await {
                    if to_client.write_all(&piece[..read]).await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
        }
    });
    address
}

async fn slow_reader_server(way: Way, policy: &str) -> TestServer {
    let policy = format!("--slow-reader={policy}");
    let timeout = format!("--write-timeout={}ms", WRITE_TIMEOUT.as_millis());
    way.server(&[&policy, &timeout]).await
}

/// A reader that has opened its stream and takes nothing while much is published, and so many others.
async fn stalled_reader(way: Way, server: &TestServer, others: usize) -> (Stream, Vec<Stream>) {
    stalled_reader_of(way, server, "/topics/a", others).await
}

async fn stalled_reader_of(
    way: Way,
    server: &TestServer,
    target: &str,
    others: usize,
) -> (Stream, Vec<Stream>) {
    let mut stalled = way.open_with_little_room(server.address, target).await;
    stalled.read_opening().await;
    let mut streams = Vec::new();
    for _ in 0..others {
        let mut stream = way.open(server, "/topics/a", &[]).await;
        stream.read_opening().await;
        streams.push(stream);
    }
    for number in 0..MANY {
        publish(server, "a", numbered(number, LARGE));
    }
    (stalled, streams)
}

/// A WebSocket says why it ends; the others end.
fn assert_close_code(way: Way, stream: &Stream, code: u16) {
    if way == Way::WebSocket {
        assert_eq!(stream.close_code, Some(code));
    }
}
