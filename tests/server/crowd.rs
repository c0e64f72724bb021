//! A thousand ordinary clients on an ordinary day.

use crate::client;
use crate::support::{QUIET, TestServer};

const CROWD: usize = 1_000;
const EVENTS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_lose_nothing() {
    rlimit::increase_nofile_limit(4 * CROWD as u64).expect("enough open files");
    let server = TestServer::start(&QUIET).await;
    let mut readers = Vec::new();
    for _ in 0..CROWD {
        let mut events = client::events(server.address, "/events", &[]).await;
        readers.push(tokio::spawn(async move {
            events
                .read_until(|parser| parser.messages.len() == EVENTS)
                .await;
            let data: Vec<String> = events
                .parser
                .messages
                .iter()
                .map(|message| message.data.clone())
                .collect();
            (events, data)
        }));
    }
    server.until(|server| server.consumers() == CROWD).await;
    let expected: Vec<String> = (0..EVENTS).map(|number| number.to_string()).collect();
    for data in &expected {
        assert_eq!(server.publish(data).subscribers, CROWD);
    }
    let mut open = Vec::new();
    for reader in readers {
        let (events, data) = reader.await.expect("no panic");
        assert_eq!(data, expected);
        open.push(events);
    }
    drop(open);
    server.until(|server| server.consumers() == 0).await;
    server.stop().await;
}
