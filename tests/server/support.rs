//! A server for one test, on a port that the system chooses.

use futures_util::FutureExt;
use std::net::SocketAddr;
use std::time::Duration;

use fairwind::hub::publish::{Preconditions, PublishReceipt, PublishRequest};
use fairwind::hub::topic::Topic;
use fairwind::hub::{HistoryQuery, Hub, Snapshot};
use fairwind::server::settings::Settings;
use fairwind::server::{Server, StreamRegistry};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::client::PATIENCE;

/// A clock that ticks once, when the server starts, so that a test's own events are the only ones after it.
pub const QUIET: [&str; 2] = ["--clock-interval", "1h"];

/// A running server.
pub struct TestServer {
    pub address: SocketAddr,
    pub hub: Hub,
    pub streams: StreamRegistry,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl TestServer {
    /// Starts a server with these flags. It is open to every client unless the flags are about who may do what.
    pub async fn start(flags: &[&str]) -> Self {
        let is_about_access =
            |flag: &&str| flag.starts_with("--anonymous-publish") || flag.starts_with("--jwt");
        let open = if flags.iter().any(is_about_access) {
            &[][..]
        } else {
            &["--anonymous-publish=on", "--list-topics=on", "--metrics=on"]
        };
        let arguments = std::iter::once("fairwind")
            .chain(open.iter().copied())
            .chain(flags.iter().copied())
            .map(Into::into)
            .collect();
        let settings = Settings::read(arguments, Vec::new()).expect("settings");
        let shutdown = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let server = Server::new(settings, shutdown.clone())
            .await
            .expect("a server");
        let (hub, streams) = (server.hub().clone(), server.streams().clone());
        let task = tokio::spawn(server.serve(listener));
        let started = Self {
            address,
            hub,
            streams,
            shutdown,
            task,
        };
        if !flags.contains(&"--clock-interval=off") {
            started
                .until(|server| !server.clock_events(1).events.is_empty())
                .await;
        }
        started
    }

    /// Publishes to the clock's topic.
    pub fn publish(&self, data: impl Into<String>) -> PublishReceipt {
        let publication = PublishRequest::text(data);
        self.hub
            .publish(&Topic::clock(), publication, Preconditions::default())
            .now_or_never()
            .expect("a log in memory commits at once")
            .expect("published")
    }

    /// The clock's newest events.
    pub fn clock_events(&self, count: usize) -> Snapshot {
        self.hub.snapshot(
            &Topic::clock(),
            &HistoryQuery {
                count,
                max_bytes: usize::MAX,
                before: None,
                with_private: false,
            },
        )
    }

    /// How many consumers the clock has.
    pub fn consumers(&self) -> usize {
        self.hub.subscribers(&Topic::clock())
    }

    /// How many bytes are held for clients.
    pub fn held_bytes(&self) -> usize {
        self.streams.held()
    }

    /// Waits until something holds.
    pub async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, waiting)
            .await
            .expect("what the test waits for");
    }

    /// Stops the server as a signal would, and waits until it has stopped.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.expect("no panic").expect("a clean stop");
    }
}
