//! A connection of the load client: bare, or under TLS with a certificate that nothing verifies.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream as BlockingStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

/// What the servers are given to serve HTTPS.
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// Makes one, good for this machine and this run.
    pub(crate) fn make(folder: &Path) -> Result<Self, String> {
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
                .map_err(|error| format!("the certificate: {error}"))?;
        let this = Self {
            chain: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        };
        for (path, text) in [
            (&this.chain, made.cert.pem()),
            (&this.key, made.signing_key.serialize_pem()),
        ] {
            std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(this)
    }
}

/// The protocol that is spoken under TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    /// Its name in a TLS handshake.
    fn name(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

/// How the client speaks TLS, for each protocol.
pub(crate) struct Tls {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Tls {
    pub(crate) fn new() -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let config = |protocol: Protocol| {
            let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anything(Arc::clone(&provider))))
                .with_no_client_auth();
            config.alpn_protocols = vec![protocol.name().to_vec()];
            Ok::<_, String>(Arc::new(config))
        };
        Ok(Self {
            http1: config(Protocol::Http1)?,
            http2: config(Protocol::Http2)?,
        })
    }

    /// Shakes hands over a connection that blocks.
    fn connect(
        &self,
        socket: &mut BlockingStream,
        protocol: Protocol,
    ) -> io::Result<ClientConnection> {
        let config = match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        };
        let name = ServerName::from(IpAddr::from([127, 0, 0, 1]));
        let mut session =
            ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(socket)?;
        }
        let chosen = session.alpn_protocol();
        if chosen != Some(protocol.name()) && protocol == Protocol::Http2 {
            return Err(io::Error::other("the server does not speak HTTP/2"));
        }
        Ok(session)
    }
}

/// Takes any certificate: the load client asks only servers that it has started.
#[derive(Debug)]
struct Anything(Arc<CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A connection that does not block.
pub(crate) struct Socket {
    pub(crate) tcp: TcpStream,
    session: Option<Box<ClientConnection>>,
}

impl Socket {
    /// Takes over a connection that blocks; shakes hands on it if it is to be under TLS, and sends the first request.
    pub(crate) fn begin(
        mut tcp: BlockingStream,
        tls: Option<(&Tls, Protocol)>,
        request: &[u8],
    ) -> io::Result<Self> {
        let session = match tls {
            None => {
                tcp.write_all(request)?;
                None
            }
            Some((tls, protocol)) => {
                let mut session = tls.connect(&mut tcp, protocol)?;
                session.writer().write_all(request)?;
                while session.wants_write() {
                    session.write_tls(&mut tcp)?;
                }
                Some(Box::new(session))
            }
        };
        tcp.set_nonblocking(true)?;
        Ok(Self {
            tcp: TcpStream::from_std(tcp),
            session,
        })
    }

    /// Whether a read of less than was asked for means that there is no more.
    pub(crate) fn says_when_it_is_empty(&self) -> bool {
        self.session.is_none()
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else {
            return self.tcp.read(buffer);
        };
        let mut filled = 0;
        loop {
            match session.reader().read(&mut buffer[filled..]) {
                Ok(0) => return Ok(filled),
                Ok(length) => filled += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    match session.read_tls(&mut self.tcp) {
                        Ok(0) => return Ok(filled),
                        Ok(_) => {
                            session.process_new_packets().map_err(io::Error::other)?;
                        }
                        // What has been decrypted comes first; the next read finds the socket empty again.
                        Err(error) if error.kind() == ErrorKind::WouldBlock && filled > 0 => {
                            return Ok(filled);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
            if filled == buffer.len() {
                return Ok(filled);
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else {
            return self.tcp.write(bytes);
        };
        let taken = session.writer().write(bytes)?;
        self.flush()?;
        match taken {
            0 if !bytes.is_empty() => Err(ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    /// Gives the system what is encrypted, as far as it takes it.
    fn flush(&mut self) -> io::Result<()> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        while session.wants_write() {
            match session.write_tls(&mut self.tcp) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
