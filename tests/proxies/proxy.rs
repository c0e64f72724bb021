//! Real proxies, started with the blocks that `docs/deploy.md` shows: as ordinary processes, on ports that the system
//! chooses, with everything they write in a folder of their own.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::document;
use crate::tls::Certificate;

const DOCUMENT: &str = "docs/deploy.md";

/// How often another port is tried, if the one that was free is taken before the proxy has it.
const ATTEMPTS: usize = 5;

/// A program that the documentation has a block for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Nginx,
    Caddy,
}

/// How the proxy is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Configuration {
    /// As the documentation says, with HTTPS.
    Documented,
    /// The least that passes requests on, over plain HTTP.
    Careless,
}

/// A running proxy. It is killed when this is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    pub certificate: Certificate,
    _child: Child,
    _folder: Folder,
}

/// A folder that goes when this is dropped.
struct Folder(PathBuf);

impl Program {
    /// Where the program is installed. If it is not, says which test is skipped, and why.
    pub fn find(self, test: &str) -> Option<PathBuf> {
        let name = match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .chain(["/usr/sbin".into()])
            .map(|folder| folder.join(name))
            .find(|file| file.is_file());
        if found.is_none() {
            // The test harness captures what is printed by macros, but not this.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: {name}::{test}: {name} is not installed (Debian: apt-get install {name})"
            );
        }
        found
    }

    /// The main configuration file of a proxy that listens here, and passes requests on to the server.
    fn configuration(
        self,
        configuration: Configuration,
        folder: &Path,
        own: SocketAddr,
        server: SocketAddr,
    ) -> String {
        let folder = folder.display();
        let block = match (self, configuration) {
            (Self::Nginx, Configuration::Documented) => {
                document::block(DOCUMENT, "nginx", "nginx")
                    .replace("listen 443", &format!("listen {own}"))
                    .replace("example.org;", "localhost;")
                    .replace("/etc/ssl/example.org", &format!("{folder}/tls"))
            }
            (Self::Nginx, Configuration::Careless) => format!(
                "server {{ listen {own}; location / {{ proxy_pass http://127.0.0.1:8080; }} }}"
            ),
            (Self::Caddy, Configuration::Documented) => document::block(DOCUMENT, "Caddy", "caddy")
                .replace(
                    "example.org {",
                    &format!(
                        "https://localhost:{} {{\n bind 127.0.0.1\n tls {folder}/tls.pem {folder}/tls.key",
                        own.port()
                    ),
                ),
            (Self::Caddy, Configuration::Careless) => format!(
                "http://:{} {{\n bind 127.0.0.1\n reverse_proxy 127.0.0.1:8080 {{\n header_up Host {{upstream_hostport}}\n header_up -X-Forwarded-*\n }}\n}}",
                own.port()
            ),
        };
        assert!(block.contains("127.0.0.1:8080"), "{block}");
        let block = block.replace("127.0.0.1:8080", &server.to_string());
        match self {
            Self::Nginx => format!(
                "daemon off; master_process off; pid {folder}/pid; error_log stderr;\n\
                 events {{ worker_connections 256; }}\n\
                 http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n\
                 fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n{block}}}\n"
            ),
            Self::Caddy => format!(
                "{{\n admin off\n auto_https disable_redirects\n skip_install_trust\n}}\n{block}"
            ),
        }
    }

    fn command(self, program: &Path, folder: &Path, file: &Path) -> Command {
        let mut command = Command::new(program);
        match self {
            Self::Nginx => command
                .arg("-p")
                .arg(folder)
                .args(["-e", "stderr", "-c"])
                .arg(file),
            Self::Caddy => command
                .args(["run", "--adapter", "caddyfile", "--config"])
                .arg(file)
                .env("HOME", folder)
                .env("XDG_CONFIG_HOME", folder)
                .env("XDG_DATA_HOME", folder),
        };
        command
    }
}

impl Proxy {
    /// Starts the program in front of the server, and waits until it accepts connections.
    pub async fn start(
        program: Program,
        path: &Path,
        configuration: Configuration,
        server: SocketAddr,
    ) -> Self {
        let folder = Folder::new();
        let certificate = Certificate::write(&folder.0.join("tls.pem"), &folder.0.join("tls.key"));
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            let address = free_address().await;
            let text = program.configuration(configuration, &folder.0, address, server);
            let file = folder.0.join("configuration");
            std::fs::write(&file, text).expect("a file");
            let log = folder.0.join("log");
            let mut child = program
                .command(path, &folder.0, &file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(&log).expect("a file for the log"))
                .kill_on_drop(true)
                .spawn()
                .expect("the proxy starts");
            if accepts(&mut child, address).await {
                return Self {
                    address,
                    certificate,
                    _child: child,
                    _folder: folder,
                };
            }
            said = std::fs::read_to_string(log).unwrap_or_default();
        }
        panic!("{program:?} does not start: {said}");
    }
}

/// The variables that the documentation sets for a server behind a proxy.
pub fn variables() -> Vec<(String, String)> {
    let block = document::block(DOCUMENT, "Behind a reverse proxy", "sh");
    let variables = block.lines().map(|line| {
        let (name, value) = line.split_once('=').expect("NAME=value");
        (name.to_owned(), value.to_owned())
    });
    variables.collect()
}

async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("its address")
}

/// Waits until the process accepts connections, or ends.
async fn accepts(child: &mut Child, address: SocketAddr) -> bool {
    loop {
        if child.try_wait().expect("its status").is_some() {
            return false;
        }
        if TcpStream::connect(address).await.is_ok() {
            return true;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

impl Folder {
    fn new() -> Self {
        let name = format!("fairwind-proxy-{:x}", fastrand::u64(..));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).expect("a folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
