//! The way of staged events to the thread that writes them, tried in every order in which threads can meet: the queue is the
//! hub's own file, made here of parts that a model checker turns. What follows a group is as in the hub: it is committed, and
//! the publishers of its events get their answers.

#[path = "../../src/hub/log/disk/stage_queue.rs"]
mod stage_queue;

mod sync {
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
}

use std::sync::atomic::Ordering;

use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use stage_queue::{StageQueue, Work};

/// Takes groups until the queue is closed, and marks each event as committed.
fn write(queue: &StageQueue<u32, &'static str>, committed: &AtomicU32) {
    loop {
        // A wake-up that is lost would leave this thread asleep for ever, which the checker reports.
        match queue.take(2, 100, None) {
            Work::Write(group) => {
                assert!((1..=2).contains(&group.len()));
                for event in group {
                    committed.fetch_or(event, Ordering::SeqCst);
                }
            }
            Work::Tend => unreachable!("nothing is due"),
            Work::Close => return,
        }
    }
}

#[test]
fn every_event_that_is_taken_is_written_before_the_queue_is_closed() {
    loom::model(|| {
        let queue = Arc::new(StageQueue::<u32, &str>::new());
        let committed = Arc::new(AtomicU32::new(0));
        let writer = {
            let (queue, committed) = (Arc::clone(&queue), Arc::clone(&committed));
            thread::spawn(move || write(&queue, &committed))
        };
        let publisher = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let taken = [1, 2].map(|event| queue.put(event, 10).map(|()| event));
                taken.into_iter().flatten().sum::<u32>()
            })
        };
        queue.close("closed");
        let taken = publisher.join().expect("no panic");
        writer.join().expect("no panic");
        assert_eq!(
            committed.load(Ordering::SeqCst),
            taken,
            "what was taken, and nothing else"
        );
    });
}

#[test]
fn an_event_is_dropped_or_refused_when_the_disk_fails_and_taken_again_when_there_is_room() {
    loom::model(|| {
        let queue = Arc::new(StageQueue::<u32, &str>::new());
        let publisher = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.put(1, 10).is_ok())
        };
        queue.refuse("full");
        // The hub fails what it has staged here; nothing can be staged meanwhile.
        assert_eq!(queue.put(2, 10), Err("full"));
        let before = queue.bytes();
        assert_eq!(before, 0);
        queue.accept();
        let was_taken = publisher.join().expect("no panic");
        queue.put(4, 10).expect("there is room");
        let Work::Write(group) = queue.take(10, 100, None) else {
            panic!("there is an event");
        };
        assert!(group == [4] || was_taken && group == [1, 4], "{group:?}");
    });
}
