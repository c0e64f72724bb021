//! Publications for later, and a server that is killed with SIGKILL at any moment: what was answered is published once, and
//! what was cancelled is not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{sleep, timeout};

use crate::binary::Binary;
use crate::connection::{Answer, Connection, PATIENCE, Stream, ask};
use crate::folder::Folder;

const TOPIC: &str = "/topics/reminders";

/// How many topics below it the load goes to: one may have 1,000 that wait for their time, or for their key to be forgotten.
const TOPICS: u8 = 50;

const ROUNDS: usize = 25;

/// What clients were answered; an event is named by its data.
#[derive(Default)]
struct Promises {
    next: u64,
    /// The URLs of what was scheduled.
    scheduled: BTreeMap<String, String>,
    cancelled: BTreeSet<String>,
    /// A request to cancel it was not answered.
    uncertain: BTreeSet<String>,
}

impl Promises {
    /// Schedules and cancels until the server is gone.
    async fn keep_busy(&mut self, address: SocketAddr, random: &mut Rng) {
        let Ok(mut connection) = Connection::open(address).await else {
            return;
        };
        loop {
            let data = self.next.to_string();
            self.next += 1;
            let delay = random.u64(0..1_500);
            let target = format!("{TOPIC}/{}?in={delay}ms", random.u8(..TOPICS));
            let key = format!("Idempotency-Key: {data}");
            let headers = [key.as_str()];
            let sent = connection
                .request("POST", &target, &headers, data.as_bytes())
                .await;
            let Ok(Answer {
                status, headers, ..
            }) = sent
            else {
                return;
            };
            assert_eq!(status, 202);
            self.scheduled.insert(data, headers["location"].clone());
            if random.u8(..4) == 0 {
                let nth = random.usize(..self.scheduled.len());
                let (data, location) = self.scheduled.iter().nth(nth).expect("one of them");
                match connection.request("DELETE", location, &[], b"").await {
                    Ok(answer) if answer.status == 204 => drop(self.cancelled.insert(data.clone())),
                    Ok(answer) => assert_eq!(answer.code(), "not-scheduled"),
                    Err(_) => {
                        self.uncertain.insert(data.clone());
                        return;
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_no_scheduled_publication_and_repeats_none() {
    let seed = std::env::var("KILL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("scheduled: KILL_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let folder = Folder::new("scheduled");
    let own = [
        "--anonymous-publish=on",
        "--publish-rate=off",
        "--max-scheduled=1000000",
        "--max-scheduled-per-address=1000000",
        "--max-scheduled-bytes=1GiB",
        "--history-events=1000000",
    ];
    let data = folder.flag();
    let flags: Vec<&str> = own.into_iter().chain([data.as_str()]).collect();
    let host = SocketAddr::from((Ipv4Addr::new(127, 0, 1, 9), 0));
    let mut promises = Promises::default();
    for round in 0..ROUNDS {
        let server = Binary::start_at(host, &flags, &[]).await;
        let killed_after = Duration::from_millis(random.u64(0..400));
        let busy = promises.keep_busy(server.address, &mut random);
        let killing = async {
            sleep(killed_after).await;
            server.kill().await;
        };
        tokio::join!(busy, killing);
        // Some of it is due while there is no server.
        if round % 3 == 0 {
            sleep(Duration::from_millis(300)).await;
        }
    }
    let server = Binary::start_at(host, &flags, &[]).await;
    let target = format!("{TOPIC}/last?in=2s");
    let last = ask(server.address, "POST", &target, "last").await;
    assert_eq!(last.status, 202, "{}", last.text());
    let everything = "/topics?match=reminders/*";
    let opened = Stream::open(server.address, everything, Some("earliest")).await;
    let mut stream = opened.expect("a running server").expect("a topic");
    let mut published = Vec::new();
    while published.last().is_none_or(|last| last != "last") {
        let messages = timeout(PATIENCE, stream.next()).await.expect("in time");
        for message in messages.expect("an unbroken stream").expect("more events") {
            match message.event_type.as_str() {
                "topic" => {}
                "message" => published.push(message.data),
                other => panic!("{other}: {}", message.data),
            }
        }
    }
    println!(
        "scheduled: {} asked for, {} answered, {} cancelled, {} published",
        promises.next,
        promises.scheduled.len(),
        promises.cancelled.len(),
        published.len()
    );
    let once: BTreeSet<_> = published.iter().collect();
    assert_eq!(once.len(), published.len(), "some were published twice");
    for data in promises.scheduled.keys() {
        match once.contains(data) {
            true => assert!(!promises.cancelled.contains(data), "{data} was cancelled"),
            false => {
                let may_be_missing =
                    promises.cancelled.contains(data) || promises.uncertain.contains(data);
                assert!(may_be_missing, "{data} is lost");
            }
        }
    }
    assert!(
        promises.scheduled.len() > 5 * ROUNDS,
        "hardly anything was scheduled"
    );
    assert!(!promises.cancelled.is_empty());
    server.stop().await;
}

/// The order is that of the times, also where all of them have passed.
#[tokio::test]
async fn what_was_due_while_there_was_no_server_is_published_at_the_start_in_order() {
    let folder = Folder::new("scheduled-order");
    let data = folder.flag();
    let flags = [data.as_str(), "--anonymous-publish=on"];
    let server = Binary::start(&flags, &[]).await;
    for (delay, data) in [(900, "3"), (700, "1"), (800, "2"), (600_000, "far")] {
        let target = format!("{TOPIC}?in={delay}ms");
        let answer = ask(server.address, "POST", &target, data).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
    }
    server.kill().await;
    sleep(Duration::from_millis(1_000)).await;
    let server = Binary::start(&flags, &[]).await;
    let opened = Stream::open(server.address, TOPIC, Some("earliest")).await;
    let mut stream = opened.expect("a running server").expect("a topic");
    let mut published = Vec::new();
    while published.len() < 3 {
        let messages = timeout(PATIENCE, stream.next()).await.expect("in time");
        let messages = messages.expect("an unbroken stream").expect("more events");
        published.extend(messages.into_iter().map(|message| message.data));
    }
    assert_eq!(published, ["1", "2", "3"]);
    let left = ask(server.address, "GET", "/scheduled?topic=reminders", "").await;
    assert_eq!(left.json()[0]["data"], "far");
    server.stop().await;
}
