//! What memory has forgotten, and the log has not: how a restart and a reader meet it again.

use futures_util::FutureExt;

use super::super::simulated::SimulatedDisk;
use super::*;
use crate::hub::publish::{Preconditions, PublishError, PublishReceipt, PublishRequest};
use crate::hub::subscriber::{LagPolicy, ReadOutcome, Start, Subscriber, Subscription};
use crate::hub::topic::Topic;
use crate::hub::{EndError, HistoryQuery};
use crate::protocol::event::EventId;

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("a topic")
}

/// A hub whose memory has no room for history, so that it forgets at once, with its log.
fn open_forgetful(disk: &SimulatedDisk) -> (Hub, SteppedLog) {
    let limits = Limits {
        bytes: 1,
        tail_bytes: 1,
        ..Limits::default()
    };
    SteppedLog::open(disk, config(), limits, "boot").expect("a disk that works")
}

fn publish(
    (hub, log): &(Hub, SteppedLog),
    name: &str,
    request: PublishRequest,
) -> Result<PublishReceipt, PublishError> {
    let topic = topic(name);
    let submitted = hub.submit(&topic, request, Preconditions::default());
    let submitted = submitted.now_or_never().expect("there is room");
    log.step();
    submitted.receipt().now_or_never().expect("an answer")
}

fn publish_text(opened: &(Hub, SteppedLog), name: &str, text: &str) {
    publish(opened, name, PublishRequest::text(text)).expect("taken");
}

/// Ends a topic, which memory then forgets.
fn end((hub, log): &(Hub, SteppedLog), name: &str) -> Result<(), EndError> {
    let topic = topic(name);
    let mut ending = Box::pin(hub.end(&topic));
    let first = ending.as_mut().now_or_never();
    log.step();
    hub.retain();
    let answer = first.or_else(|| ending.as_mut().now_or_never());
    answer.expect("an answer")
}

/// The last event of a topic has its name as data.
fn read_all(reader: &mut Subscriber) -> (Vec<String>, ReadOutcome) {
    let mut read = Vec::new();
    loop {
        match reader.read(1_000) {
            ReadOutcome::Batch(batch) => {
                read.extend(batch.entries().iter().map(|entry| entry.event.data.clone()));
            }
            ReadOutcome::Nothing if reader.is_ready() => {}
            other => return (read, other),
        }
    }
}

fn subscription(name: &str, start: Start) -> Subscription {
    Subscription::public(topic(name), start, LagPolicy::Disconnect)
}

#[test]
fn a_topic_whose_name_was_used_again_after_its_end_has_not_ended_after_a_restart() {
    let disk = SimulatedDisk::new(1);
    let before = open_forgetful(&disk);
    publish_text(&before, "a", "1");
    end(&before, "a").expect("a topic");
    publish_text(&before, "a", "2");
    let after = SteppedLog::open(&disk.after_kill(), config(), Limits::default(), "boot");
    let after = after.expect("a disk that works");
    let page = HistoryQuery {
        count: 10,
        max_bytes: usize::MAX,
        before: None,
        with_private: true,
    };
    let snapshot = after.0.snapshot(&topic("a"), &page);
    assert_eq!((snapshot.events.len(), snapshot.has_ended), (3, false));
    publish_text(&after, "a", "3");
}

#[test]
fn an_own_id_that_was_used_again_stays_the_newer_events_when_a_restart_finds_no_room_for_the_older()
{
    let own = || PublishRequest {
        id: EventId::new("own").ok(),
        ..PublishRequest::text("x")
    };
    let disk = SimulatedDisk::new(1);
    let before = open_forgetful(&disk);
    publish(&before, "a", own()).expect("a new id");
    before.0.retain();
    publish(&before, "a", own()).expect("an id that is forgotten");
    let entry = before.1.all_after(Offset::START).remove(0);
    let limits = Limits {
        bytes: 2 * entry.bytes() - 1,
        ..Limits::default()
    };
    let after = SteppedLog::open(&disk.after_kill(), config(), limits, "boot");
    let after = after.expect("a disk that works");
    let refused = publish(&after, "a", own());
    assert!(
        matches!(refused, Err(PublishError::DuplicateId(_))),
        "{refused:?}"
    );
}

#[test]
fn a_topic_whose_end_only_the_log_has_is_read_to_its_end() {
    let disk = SimulatedDisk::new(1);
    let opened = open_forgetful(&disk);
    // A reader that has not read the end keeps the topic in memory.
    let [slow, other] =
        ["a", "b"].map(|name| opened.0.subscribe(&subscription(name, Start::Now)).ok());
    publish_text(&opened, "a", "1");
    end(&opened, "a").expect("a topic");
    publish_text(
        &opened,
        "b",
        "the newest of all, for which the tails have room",
    );
    let reader = opened.0.subscribe(&subscription("a", Start::Earliest));
    let mut reader = reader.expect("events to read");
    let (read, last) = read_all(&mut reader);
    assert_eq!(read, ["1", "a"]);
    assert!(matches!(last, ReadOutcome::End), "{last:?}");
    drop((slow, other));
}

#[test]
fn a_reader_leaves_a_topic_at_an_end_and_resumes_with_what_came_under_the_same_name() {
    let disk = SimulatedDisk::new(1);
    let opened = open_forgetful(&disk);
    publish_text(&opened, "a", "1");
    end(&opened, "a").expect("a topic");
    publish_text(&opened, "a", "2");
    let reader = opened.0.subscribe(&subscription("a", Start::Earliest));
    let mut reader = reader.expect("events to read");
    let (read, last) = read_all(&mut reader);
    assert_eq!(read, ["1", "a"]);
    assert!(matches!(last, ReadOutcome::End), "{last:?}");
    let start = Start::After(reader.position());
    let mut reader = opened.0.subscribe(&subscription("a", start)).expect("more");
    let (read, last) = read_all(&mut reader);
    assert_eq!(read, ["2"]);
    assert!(matches!(last, ReadOutcome::Nothing), "{last:?}");
}
