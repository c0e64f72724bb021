//! What kept events take, against what is counted for them.

use crate::binary::Binary;
use crate::client::{ATTACKER, ask, publish_lines};
use crate::{HISTORY, MIB, PROCESS};

/// The number that the server gives under this name.
async fn number(server: &Binary, name: &str) -> usize {
    let (_, numbers) = ask(ATTACKER, server.address, "GET", "/metrics", b"").await;
    let line = numbers
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .expect("the number");
    line.trim().parse().expect("a number")
}

#[tokio::test]
async fn kept_events_take_what_is_counted_for_them() {
    // The longest topic name, and the longest type with each event.
    for (topic, event_type, events) in [
        ("a".to_owned(), "", 280_000),
        ("x".repeat(1_024), "t", 150_000),
    ] {
        let flags = [
            "--anonymous-publish=on",
            "--metrics=on",
            "--history-events=1000000",
        ];
        let server = Binary::start(&flags, &[]).await;
        let before = server.resident_bytes();
        let line = format!(
            "{{\"data\":\"x\",\"type\":\"t{}\"}}\n",
            event_type.repeat(250)
        );
        publish_lines(server.address, &topic, &line, events).await;
        let counted = number(&server, "fairwind_log_bytes").await;
        let taken = server.resident_bytes() - before;
        println!(
            "{} MiB counted, {} MiB taken, for a name of {} bytes and a type of {}",
            counted / MIB,
            taken / MIB,
            topic.len(),
            1 + 250 * event_type.len(),
        );
        assert!(
            counted > 63 * MIB && counted <= 64 * MIB,
            "the history is full"
        );
        assert!(
            taken <= counted * 5 / 4 + 8 * MIB,
            "{taken} bytes are taken"
        );
        assert!(server.resident_bytes() <= PROCESS + HISTORY);
    }
}
