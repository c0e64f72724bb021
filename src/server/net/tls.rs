//! TLS: which certificate the server shows, and changing it while it runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::server::TlsStream;

/// What a client may speak inside TLS, best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The server's side of TLS; clones share it.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
}

/// The certificate that is shown to who connects next, and the files that it came from.
#[derive(Debug)]
struct Certificate {
    chain_file: PathBuf,
    key_file: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Tls {
    /// TLS with a certificate chain and its key, or none without both.
    ///
    /// # Errors
    ///
    /// When only one of them is given, or they cannot be used; the message names the setting and the file.
    pub(crate) fn from_files(chain: Option<&Path>, key: Option<&Path>) -> io::Result<Option<Self>> {
        match (chain, key) {
            (Some(chain), Some(key)) => Self::new(chain, key).map(Some),
            (None, None) => Ok(None),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "--tls-cert and --tls-key belong together; give both, or neither",
            )),
        }
    }

    fn new(chain_file: &Path, key_file: &Path) -> io::Result<Self> {
        let certificate = Arc::new(Certificate {
            chain_file: chain_file.to_owned(),
            key_file: key_file.to_owned(),
            current: RwLock::new(Arc::new(read(chain_file, key_file)?)),
        });
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Certificate>::clone(&certificate);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate,
        })
    }

    /// Reads the certificate again for everybody who connects from now on. One that cannot be used is logged, and the
    /// old one stays.
    pub(crate) fn reload(&self) {
        let certificate = &self.certificate;
        match read(&certificate.chain_file, &certificate.key_file) {
            Ok(read) => {
                *certificate.current.write() = Arc::new(read);
                tracing::info!("new connections get the certificate as it is now");
            }
            Err(error) => tracing::error!("{error}; the old certificate stays"),
        }
    }

    /// The handshake.
    ///
    /// # Errors
    ///
    /// When the client breaks it off, or has nothing in common with the server.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
    ) -> io::Result<TlsStream<S>> {
        self.acceptor.accept(socket).await
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

fn read(chain_file: &Path, key_file: &Path) -> io::Result<CertifiedKey> {
    let wrong = |setting: &str, file: &Path, error: &dyn std::fmt::Display| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("cannot use {} for {setting}: {error}", file.display()),
        )
    };
    let chain = CertificateDer::pem_file_iter(chain_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong("--tls-cert", chain_file, &error))?;
    if chain.is_empty() {
        return Err(wrong(
            "--tls-cert",
            chain_file,
            &"it holds no certificate in PEM",
        ));
    }
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| wrong("--tls-key", key_file, &error))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| wrong("--tls-key, with the certificate", key_file, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        chain: PathBuf,
        key: PathBuf,
    }

    fn files(name: &str) -> Files {
        let folder = std::env::temp_dir();
        let file = |kind| folder.join(format!("fairwind-{}-{name}.{kind}", std::process::id()));
        let files = Files {
            chain: file("cert"),
            key: file("key"),
        };
        files.write();
        files
    }

    impl Files {
        /// A new certificate in both files.
        fn write(&self) {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
                .expect("a certificate");
            std::fs::write(&self.chain, made.cert.pem()).expect("a file");
            std::fs::write(&self.key, made.signing_key.serialize_pem()).expect("a file");
        }
    }

    fn shown(tls: &Tls) -> Vec<u8> {
        let current = tls.certificate.current.read();
        current.cert[0].to_vec()
    }

    #[test]
    fn a_new_certificate_is_shown_and_a_broken_one_is_not() {
        let files = files("reload");
        let tls = Tls::new(&files.chain, &files.key).expect("TLS");
        let first = shown(&tls);
        files.write();
        tls.reload();
        let second = shown(&tls);
        assert_ne!(first, second);
        std::fs::write(&files.chain, "nonsense").expect("a file");
        tls.reload();
        assert_eq!(shown(&tls), second);
    }

    #[test]
    fn a_certificate_and_its_key_belong_together() {
        let files = files("pair");
        let (chain, key) = (Some(files.chain.as_path()), Some(files.key.as_path()));
        assert!(Tls::from_files(chain, key).expect("TLS").is_some());
        for (chain, key) in [(chain, None), (None, key)] {
            let refused = Tls::from_files(chain, key).err().expect("a refusal");
            assert!(refused.to_string().contains("--tls-cert"), "{refused}");
        }
        assert!(Tls::from_files(None, None).expect("no TLS").is_none());
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let message = |chain: &Path, key: &Path| {
            let error = Tls::new(chain, key).err().expect("a refusal");
            error.to_string()
        };
        let (one, other) = (files("one"), files("other"));
        let nowhere = Path::new("/nowhere.pem");
        assert!(message(nowhere, &one.key).contains("/nowhere.pem for --tls-cert"));
        assert!(message(&one.chain, nowhere).contains("/nowhere.pem for --tls-key"));
        assert!(message(&one.chain, &one.chain).contains("--tls-key"));
        assert!(message(&one.key, &one.key).contains("--tls-cert"));
        assert!(message(&one.chain, &other.key).contains("--tls-key"));
    }
}
