//! A certificate that the proxy shows, and a client that trusts it and no other.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use rcgen::CertifiedKey;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A certificate for `localhost`.
pub struct Certificate(CertificateDer<'static>);

impl Certificate {
    /// A new certificate and its key, in two files.
    pub fn write(chain: &Path, key: &Path) -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(chain, cert.pem()).expect("a file");
        std::fs::write(key, signing_key.serialize_pem()).expect("a file");
        Self(cert.der().clone())
    }

    /// Connects from an address of this machine, and offers these protocols in this order.
    pub async fn connect(
        &self,
        from: Ipv4Addr,
        to: SocketAddr,
        protocols: &[&str],
    ) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.clone()).expect("a root");
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind(SocketAddr::new(from.into(), 0))
            .expect("an address of this machine");
        let socket = socket.connect(to).await.expect("a connection");
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
            .expect("TLS")
    }

    /// The same with HTTP/2, if the proxy agrees to it.
    pub async fn connect_http2(&self, to: SocketAddr) -> SendRequest<Bytes> {
        let offered = ["h2", "http/1.1"];
        let socket = self.connect(Ipv4Addr::LOCALHOST, to, &offered).await;
        assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (client, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
        tokio::spawn(connection);
        client.ready().await.expect("a ready connection")
    }
}
