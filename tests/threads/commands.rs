//! The one thing that the writers' threads share by hand, tried in every order in which threads can meet: the queue is the
//! server's own file, made here of parts that a model checker turns.

#[path = "../../src/server/net/writers/command_queue.rs"]
mod command_queue;

mod sync {
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
}

use loom::sync::{Arc, Notify};
use loom::thread;

use command_queue::{CommandQueue, Put};

#[test]
fn every_command_is_taken_by_a_thread_that_sleeps_until_it_is_woken() {
    loom::model(|| {
        // It wakes the thread that waits, or that waits next, like the writers' own.
        let waker = Arc::new(Notify::new());
        let wake = {
            let waker = Arc::clone(&waker);
            move || waker.notify()
        };
        let queue = Arc::new(CommandQueue::<Vec<u32>, _>::new(wake));
        let senders = [vec![1, 10], vec![2]].map(|numbers| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let put = |number| queue.put(|commands| commands.push(number));
                numbers
                    .into_iter()
                    .map(put)
                    .filter(|put| *put == Put::Woke)
                    .count()
            })
        });
        let mut taken = Vec::new();
        // A wake-up that is lost would leave this thread asleep for ever, which the checker reports.
        while taken.len() < 3 {
            waker.wait();
            taken.append(&mut queue.take());
        }
        let woken = senders.map(|sender| sender.join().expect("no panic"));
        assert!((1..=3).contains(&woken.iter().sum::<usize>()), "{woken:?}");
        let index = |number| taken.iter().position(|taken| *taken == number);
        assert!(index(1) < index(10) && index(2).is_some(), "{taken:?}");
        assert!(queue.take().is_empty());
    });
}
