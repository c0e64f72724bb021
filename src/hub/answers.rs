//! The answers to publishers whose events are committed. Publishers wait in tasks of a runtime, and the log commits on a
//! thread of its own. If that thread woke each of a group's publishers, it would wake the runtime's thread with the first; on
//! a machine with few cores that one takes over at once, answers one publisher, and sleeps until the log's thread has woken
//! the next. So the log's thread wakes one task for the whole group, and that answers the publishers from within the runtime.

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::log::Unavailable;

/// Resolves when everything that was staged before is committed, or has failed.
pub(super) type Commit = oneshot::Receiver<Result<(), Unavailable>>;

/// Tells a publisher.
pub(super) type Publisher = oneshot::Sender<Result<(), Unavailable>>;

/// Publishers that are to be answered.
#[derive(Default)]
pub(super) struct Answers {
    /// Nothing if there is no task to give the answers out.
    waiting: Mutex<Option<Vec<Publisher>>>,
    given: Notify,
}

/// While it lives, there is a task. When that ends, those that still wait are answered.
struct Task<'a>(&'a Answers);

impl Answers {
    /// Answers publishers whose events are committed: in the task if there is one and they are several. A single one would be
    /// woken no sooner by it.
    pub(super) fn give(&self, mut publishers: Vec<Publisher>) {
        if publishers.len() > 1 {
            // Not locked while the task is woken.
            let is_left_to_task = match &mut *self.waiting.lock() {
                Some(waiting) => {
                    waiting.append(&mut publishers);
                    true
                }
                None => false,
            };
            if is_left_to_task {
                self.given.notify_one();
            }
        }
        answer(publishers);
    }

    /// Answers publishers until it is cancelled or dropped.
    pub(super) async fn give_out(&self, cancelled: &CancellationToken) {
        self.waiting.lock().get_or_insert_default();
        let _task = Task(self);
        while cancelled
            .run_until_cancelled(self.given.notified())
            .await
            .is_some()
        {
            let waiting = self.waiting.lock().as_mut().map(std::mem::take);
            answer(waiting.unwrap_or_default());
        }
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        let waiting = self.0.waiting.lock().take();
        answer(waiting.unwrap_or_default());
    }
}

fn answer(publishers: Vec<Publisher>) {
    for publisher in publishers {
        // A publisher that has gone needs no answer.
        let _ = publisher.send(Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn publishers(count: usize) -> (Vec<Publisher>, Vec<Commit>) {
        (0..count).map(|_| oneshot::channel()).unzip()
    }

    /// How many have been answered.
    fn answered(commits: &mut [Commit]) -> usize {
        let answers = commits.iter_mut().map(oneshot::Receiver::try_recv);
        answers.filter(|answer| *answer == Ok(Ok(()))).count()
    }

    #[test]
    fn without_a_task_publishers_are_answered_at_once() {
        let answers = Answers::default();
        let (group, mut commits) = publishers(3);
        answers.give(group);
        assert_eq!(answered(&mut commits), 3);
    }

    #[test]
    fn a_group_is_answered_by_the_task_and_one_publisher_at_once() {
        let answers = Answers::default();
        let cancelled = CancellationToken::new();
        let mut task = Box::pin(answers.give_out(&cancelled));
        assert!(task.as_mut().now_or_never().is_none());
        let (group, mut commits) = publishers(3);
        answers.give(group);
        assert_eq!(answered(&mut commits), 0);
        let (single, mut commit) = publishers(1);
        answers.give(single);
        assert_eq!(answered(&mut commit), 1);
        assert!(task.as_mut().now_or_never().is_none());
        assert_eq!(answered(&mut commits), 3);
    }

    #[test]
    fn a_task_that_ends_leaves_nobody_without_an_answer() {
        for is_cancelled in [true, false] {
            let answers = Answers::default();
            let cancelled = CancellationToken::new();
            let mut task = Box::pin(answers.give_out(&cancelled));
            assert!(task.as_mut().now_or_never().is_none());
            let (group, mut commits) = publishers(3);
            answers.give(group);
            if is_cancelled {
                cancelled.cancel();
                while task.as_mut().now_or_never().is_none() {}
            }
            drop(task);
            assert_eq!(answered(&mut commits), 3);
            let (group, mut commits) = publishers(2);
            answers.give(group);
            assert_eq!(answered(&mut commits), 2);
        }
    }
}
