//! A certificate that a test makes for itself, a server that shows it, and a client that trusts it.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{QUIET, TestServer};

/// A certificate for `localhost` in two files.
pub struct Certificate {
    pub chain_file: PathBuf,
    key_file: PathBuf,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// A new certificate, in files that have this in their names.
    pub fn new(name: &str) -> Self {
        let file = |kind| {
            let name = format!("fairwind-test-{}-{name}.{kind}", std::process::id());
            std::env::temp_dir().join(name)
        };
        let mut certificate = Self {
            chain_file: file("cert"),
            key_file: file("key"),
            der: Vec::new().into(),
        };
        certificate.renew();
        certificate
    }

    /// Another certificate in the same files.
    pub fn renew(&mut self) {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(&self.chain_file, cert.pem()).expect("a file");
        std::fs::write(&self.key_file, signing_key.serialize_pem()).expect("a file");
        self.der = cert.der().clone();
    }

    /// The settings of a server that shows it.
    pub fn flags(&self) -> [String; 2] {
        [
            format!("--tls-cert={}", self.chain_file.display()),
            format!("--tls-key={}", self.key_file.display()),
        ]
    }

    /// Starts a server that shows it.
    pub async fn server(&self, flags: &[&str]) -> TestServer {
        let own = self.flags();
        TestServer::start(&[&QUIET, &[own[0].as_str(), own[1].as_str()], flags].concat()).await
    }

    /// Connects as a client that trusts it and no other, and speaks this.
    pub async fn connect(
        &self,
        socket: TcpStream,
        protocol: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a root");
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
    }
}
