//! The one thing that the writers' threads share by hand, tried in every order in which threads can meet: the mailbox is
//! the server's own file, made here of parts that a model checker turns.

#[path = "../src/server/net/writers/mailbox.rs"]
mod mailbox;

mod sync {
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
}

use loom::sync::{Arc, Notify};
use loom::thread;

use mailbox::Mailbox;

#[test]
fn whatever_is_put_in_is_taken_by_who_sleeps_until_the_bell_rings() {
    loom::model(|| {
        // It wakes whoever waits, or who waits next, like the writers' own.
        let bell = Arc::new(Notify::new());
        let ring = {
            let bell = Arc::clone(&bell);
            move || bell.notify()
        };
        let mailbox = Arc::new(Mailbox::<Vec<u32>, _>::new(ring));
        let senders = [vec![1, 10], vec![2]].map(|numbers| {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                for number in numbers {
                    mailbox.put(|mail| mail.push(number));
                }
            })
        });
        let mut taken = Vec::new();
        // A ring that is lost would leave this thread asleep for ever, which the checker reports.
        while taken.len() < 3 {
            bell.wait();
            taken.append(&mut mailbox.take());
        }
        for sender in senders {
            sender.join().expect("no panic");
        }
        let place = |number| taken.iter().position(|taken| *taken == number);
        assert!(place(1) < place(10) && place(2).is_some(), "{taken:?}");
        assert!(mailbox.take().is_empty());
    });
}
