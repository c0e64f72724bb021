//! Supervises the tasks and threads that the server needs: the clock, the signals, the threads that write streams. If one of
//! them ends while the server runs, by a panic or an error, the server stops and reports a failure, rather than serving on
//! without it while `/healthz` answers 200.

use std::borrow::Cow;
use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Watches over what is vital; clones share it.
#[derive(Clone)]
pub(crate) struct Supervisor(Arc<Shared>);

struct Shared {
    shutdown: CancellationToken,
    /// What failed first.
    failure: OnceLock<String>,
}

/// Held by a vital task or thread for as long as it runs.
pub(crate) struct Vital {
    supervisor: Supervisor,
    name: Cow<'static, str>,
}

impl Supervisor {
    /// Stops the server by this token.
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self(Arc::new(Shared {
            shutdown,
            failure: OnceLock::new(),
        }))
    }

    /// Spawns a task that ends when the server stops, and never before.
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let vital = self.vital(name);
        tokio::spawn(async move {
            task.await;
            drop(vital);
        })
    }

    /// What a vital task or thread holds for as long as it runs.
    pub(crate) fn vital(&self, name: impl Into<Cow<'static, str>>) -> Vital {
        Vital {
            supervisor: self.clone(),
            name: name.into(),
        }
    }

    /// Stops the server, which then reports this failure.
    pub(crate) fn fail(&self, failure: String) {
        // The first one has caused the others, as a rule.
        let _ = self.0.failure.set(failure);
        self.0.shutdown.cancel();
    }

    /// How it went.
    ///
    /// # Errors
    ///
    /// When something vital has failed.
    pub(crate) fn result(&self) -> io::Result<()> {
        match self.0.failure.get() {
            None => Ok(()),
            Some(failure) => Err(io::Error::other(failure.as_str())),
        }
    }
}

impl Drop for Vital {
    fn drop(&mut self) {
        if thread::panicking() || !self.supervisor.0.shutdown.is_cancelled() {
            let failure = format!(
                "stopped, since the server cannot do without what ended unexpectedly: {}",
                self.name
            );
            self.supervisor.fail(failure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervisor() -> Supervisor {
        Supervisor::new(CancellationToken::new())
    }

    fn failure(supervisor: &Supervisor) -> String {
        assert!(supervisor.0.shutdown.is_cancelled());
        supervisor.result().expect_err("a failure").to_string()
    }

    #[tokio::test]
    async fn a_vital_task_that_panics_stops_the_server_with_a_failure() {
        let supervisor = supervisor();
        let task = supervisor.spawn("the clock", async { panic!("of the test") });
        assert!(task.await.expect_err("a panic").is_panic());
        assert!(failure(&supervisor).contains("the clock"));
    }

    #[tokio::test]
    async fn a_vital_task_that_ends_stops_the_server_with_a_failure() {
        let supervisor = supervisor();
        supervisor
            .spawn("the clock", async {})
            .await
            .expect("an end");
        assert!(failure(&supervisor).contains("the clock"));
    }

    #[test]
    fn a_vital_thread_that_panics_stops_the_server_with_a_failure_even_at_the_end() {
        for is_stopping in [false, true] {
            let supervisor = supervisor();
            if is_stopping {
                supervisor.0.shutdown.cancel();
            }
            let vital = supervisor.vital("writer-1");
            let thread = thread::spawn(move || {
                let _vital = vital;
                panic!("of the test");
            });
            assert!(thread.join().is_err());
            assert!(failure(&supervisor).contains("writer-1"));
        }
    }

    #[tokio::test]
    async fn what_ends_with_the_server_is_no_failure() {
        let supervisor = supervisor();
        let shutdown = supervisor.0.shutdown.clone();
        let task = supervisor.spawn("the clock", async move { shutdown.cancelled().await });
        supervisor.0.shutdown.cancel();
        task.await.expect("an end");
        supervisor.result().expect("no failure");
    }

    #[tokio::test]
    async fn the_first_failure_is_reported() {
        let supervisor = supervisor();
        supervisor.fail("first".to_owned());
        supervisor.fail("second".to_owned());
        assert_eq!(failure(&supervisor), "first");
    }
}
