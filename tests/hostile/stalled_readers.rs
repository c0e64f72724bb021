//! A crowd that takes no event, and one reader among it that does.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::binary::Binary;
use crate::client::{BYSTANDER, LiveReader, PATIENCE, connect_with_little_room, publish, request};
use crate::{MIB, bound_for_all};

const READERS: usize = 4_000;

/// The addresses that they come from, which are not the live reader's.
const ADDRESSES: usize = 16;

/// Enough that every socket of the crowd is full, and some more.
const EVENTS: usize = 400;
const EVENT_BYTES: usize = 16 * 1_024;
const PAUSE: Duration = Duration::from_millis(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_reader_misses_nothing_among_4000_that_are_stalled() {
    // The other tests of this program have some hundred sockets at the same time.
    let needed = READERS as u64 + 2_000;
    let limit = rlimit::increase_nofile_limit(needed).expect("a limit of open files");
    assert!(
        limit >= needed,
        "raise the hard limit of open files, which is {limit}, to {needed}"
    );
    let flags = ["--anonymous-publish=on", "--write-timeout=2m"];
    let server = Binary::start(&flags, &[]).await;
    let address = server.address;
    let mut opening = JoinSet::new();
    for number in 0..ADDRESSES {
        let from = Ipv4Addr::new(127, 0, 1, u8::try_from(number).expect("few") + 1);
        opening.spawn(async move {
            let mut sockets = Vec::new();
            for _ in 0..READERS / ADDRESSES {
                let mut socket = connect_with_little_room(from, address).await;
                let request = request("GET", "/topics/a", &[], b"");
                socket.write_all(&request).await.expect("it is taken");
                let _ = timeout(PATIENCE, socket.readable()).await.expect("in time");
                sockets.push(socket);
            }
            sockets
        });
    }
    let crowd = opening.join_all().await;
    assert_eq!(crowd.iter().map(Vec::len).sum::<usize>(), READERS);

    let mut reader = LiveReader::open(BYSTANDER, address, "/topics/a").await;
    let began = Instant::now();
    let publisher = tokio::spawn(async move {
        let mut ticks = interval(PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0..EVENTS {
            ticks.tick().await;
            let sent = began.elapsed().as_micros();
            let data = format!("{number} {sent} {}", "x".repeat(EVENT_BYTES));
            publish(address, "a", data.as_bytes()).await;
        }
    });
    let (mut latencies, mut most_memory) = (Vec::new(), 0);
    for expected in 0..EVENTS {
        let data = reader.data().await;
        let now = began.elapsed();
        let mut fields = data.split(' ');
        let mut number = || fields.next().and_then(|field| field.parse::<u64>().ok());
        assert_eq!(
            number(),
            Some(expected as u64),
            "nothing is missed or repeated"
        );
        let sent = Duration::from_micros(number().expect("a time"));
        latencies.push(now.saturating_sub(sent));
        most_memory = most_memory.max(server.resident_bytes());
    }
    publisher.await.expect("no panic");
    latencies.sort();
    let bound = bound_for_all(READERS);
    println!(
        "{READERS} stalled readers, {EVENTS} events of {EVENT_BYTES} bytes: latency of a live reader {:?} (median), {:?} (most); {} MiB in use, {} MiB allowed",
        latencies[EVENTS / 2],
        latencies[EVENTS - 1],
        most_memory / MIB,
        bound / MIB
    );
    assert!(most_memory <= bound);
}
