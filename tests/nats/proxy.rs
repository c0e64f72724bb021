//! The network between a node and its nats-server, which a test can break.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::engine::own_host;

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Everything passes.
    Whole,
    /// Nothing passes, and nobody is told.
    Silent,
    /// Connections are closed, and new ones too.
    Cut,
}

/// A forwarder of connections. It ends when it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    network: watch::Sender<Network>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((own_host(), 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (network, changes) = watch::channel(Network::Whole);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, changes));
        Self {
            address,
            network,
            _tasks: tasks,
        }
    }

    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    pub fn become_network(&self, network: Network) {
        self.network.send_replace(network);
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, network: watch::Receiver<Network>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(forward(client, target, network.clone()));
    }
}

async fn forward(client: TcpStream, target: SocketAddr, mut network: watch::Receiver<Network>) {
    if *network.borrow() == Network::Cut {
        return;
    }
    // A connection that begins in silence is never heard of.
    if !becomes(&mut network, |network| network != Network::Silent).await {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let up = copy(from_client, to_server, network.clone());
    let down = copy(from_server, to_client, network.clone());
    let cut = async {
        becomes(&mut network, |network| network == Network::Cut).await;
    };
    tokio::select! {
        () = up => {}
        () = down => {}
        () = cut => {}
    }
}

/// Passes bytes on, while the network is whole. What has come in silence passes when it is over.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
) {
    let mut bytes = vec![0; 64 * 1_024];
    while let Ok(count) = from.read(&mut bytes).await {
        let is_whole = becomes(&mut network, |network| network == Network::Whole).await;
        if count == 0 || !is_whole || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// Waits until the network is as it should be; false if it never will, since its proxy is gone.
async fn becomes(
    network: &mut watch::Receiver<Network>,
    mut is_right: impl FnMut(Network) -> bool,
) -> bool {
    network.wait_for(|network| is_right(*network)).await.is_ok()
}
