//! nats-servers as processes of their own: each has an address of its own and a store in a temporary folder, and is killed
//! when its test ends, however it ends.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::binary::pause;
use crate::connection::PATIENCE;
use crate::folder::Folder;

/// The oldest version that has what Fairwind needs.
const OLDEST: [u64; 3] = [2, 12, 1];

/// Where `scripts/setup.sh` puts a nats-server, from the folder of the project.
const INSTALLED: &str = "target/nats/bin/nats-server";

/// How often a condition is looked at.
pub const LOOK: Duration = Duration::from_millis(10);

/// A nats-server.
pub struct Engine {
    program: PathBuf,
    pub folder: Folder,
    host: Ipv4Addr,
    /// Chosen by the system at the first start, and kept.
    port: u16,
    settings: String,
    child: Option<Child>,
}

/// Says which test is skipped, and why. The test harness captures what is printed by macros, but not this.
fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{test}: {why}");
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

/// The test that runs: its thread has its name.
fn test_name() -> String {
    let thread = std::thread::current();
    thread.name().unwrap_or("a test").to_owned()
}

fn version_of(program: &Path) -> Option<[u64; 3]> {
    let output = std::process::Command::new(program)
        .arg("--version")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let numbers = text.trim().rsplit_once('v')?.1;
    let mut numbers = numbers.split(['.', '-']).map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some([next()?, next()?, next()?])
}

/// The nats-server that tests use, or why there is none.
fn find() -> &'static Result<PathBuf, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let named = std::env::var_os("FAIRWIND_NATS_SERVER").map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
        let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join(INSTALLED);
        let places = named.into_iter().chain(on_path).chain([installed]);
        let mut too_old = None;
        for program in places.filter(|place| place.is_file()) {
            match version_of(&program) {
                Some(version) if version >= OLDEST => return Ok(program),
                version => {
                    let program = program.display();
                    too_old = Some(format!(
                        "there is no nats-server of version 2.12.1 or later ({program} is of version {version:?})"
                    ));
                }
            }
        }
        Err(too_old.unwrap_or_else(|| "there is no nats-server".to_owned()))
    })
}

/// An address of this machine that no other test has: a port that a killed process has left stays free.
pub fn own_host() -> Ipv4Addr {
    let [a, b, c] = [
        fastrand::u8(64..=250),
        fastrand::u8(..),
        fastrand::u8(1..=250),
    ];
    Ipv4Addr::new(127, a, b, c)
}

impl Engine {
    /// A nats-server with JetStream. Nothing, and the test says that it is skipped, if there is none on this machine.
    pub async fn start() -> Option<Self> {
        Self::start_with("").await
    }

    /// The same with more in its settings' file.
    pub async fn start_with(settings: &str) -> Option<Self> {
        let mut engine = Self::new(own_host(), settings)?;
        engine.run().await;
        Some(engine)
    }

    /// One that does not run yet, at an address of the test's choice.
    pub fn stopped_at(host: Ipv4Addr) -> Option<Self> {
        Self::new(host, "")
    }

    /// What its settings' file has from the next start on.
    pub fn set(&mut self, settings: &str) {
        self.settings = settings.to_owned();
    }

    fn new(host: Ipv4Addr, settings: &str) -> Option<Self> {
        let program = match find() {
            Ok(program) => program.clone(),
            Err(why) => {
                skip(&test_name(), why);
                return None;
            }
        };
        let folder = Folder::new("nats");
        std::fs::create_dir_all(folder.path()).expect("a folder");
        Some(Self {
            program,
            folder,
            host,
            port: 0,
            settings: settings.to_owned(),
            child: None,
        })
    }

    /// Several nats-servers that know each other, all running.
    pub async fn cluster(size: usize) -> Option<Vec<Self>> {
        let hosts: Vec<Ipv4Addr> = (0..size).map(|_| own_host()).collect();
        let routes: Vec<SocketAddr> = hosts
            .iter()
            .map(|host| {
                let listener = TcpListener::bind((*host, 0)).expect("a port");
                listener.local_addr().expect("an address")
            })
            .collect();
        let urls: Vec<String> = routes.iter().map(|at| format!("nats://{at}")).collect();
        let mut engines = Vec::new();
        for (number, (host, route)) in hosts.into_iter().zip(&routes).enumerate() {
            let settings = format!(
                "server_name: n{number}\ncluster {{ name: fairwind, listen: \"{route}\", routes: [{}] }}\n",
                urls.join(", ")
            );
            engines.push(Self::new(host, &settings)?);
        }
        for engine in &mut engines {
            engine.run().await;
        }
        Some(engines)
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Starts it, at the address that it had before, and waits until it takes connections.
    pub async fn run(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let folder = self.folder.path();
        let (host, store) = (self.host, self.store());
        let settings = format!(
            "host: {host}\njetstream {{ store_dir: {store:?}, max_file_store: 20GB, max_memory_store: 256MB }}\n{}",
            self.settings
        );
        let file = folder.join("nats.conf");
        std::fs::write(&file, settings).expect("a file");
        let port = match self.port {
            0 => -1,
            port => i32::from(port),
        };
        let said = File::options()
            .append(true)
            .create(true)
            .open(folder.join("said"));
        let said = said.expect("a file");
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(&file)
            .arg(format!("--port={port}"))
            .arg("--ports_file_dir")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("a file"))
            .stderr(said)
            .kill_on_drop(true)
            .spawn()
            .expect("nats-server starts");
        let id = child.id().expect("a running process");
        self.child = Some(child);
        let ports = folder.join(format!("nats-server_{id}.ports"));
        let started = timeout(PATIENCE, async {
            loop {
                if self.port == 0 {
                    self.port = port_in(&ports).unwrap_or_default();
                }
                if self.port > 0 && TcpStream::connect(self.address()).await.is_ok() {
                    return;
                }
                let child = self.child.as_mut().expect("a child");
                let ended = child.try_wait().expect("a status");
                assert!(ended.is_none(), "nats-server ended: {}", self.said());
                sleep(LOOK).await;
            }
        });
        started.await.expect("nats-server takes connections");
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((self.host, self.port))
    }

    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    async fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("a running nats-server");
        let id = child.id().expect("a running process").to_string();
        let status = Command::new("kill").args([name, &id]).status().await;
        assert!(status.expect("kill runs").success());
    }

    /// It stops in the middle of what it does, and keeps its connections.
    pub async fn pause(&self) {
        let child = self.child.as_ref().expect("a running nats-server");
        pause(child.id().expect("a running process")).await;
    }

    /// It goes on.
    pub async fn resume(&self) {
        self.signal("-CONT").await;
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("a running nats-server");
        child.kill().await.expect("a running process");
    }

    /// Stops it in an orderly way.
    pub async fn stop(&mut self) {
        self.signal("-TERM").await;
        let mut child = self.child.take().expect("a running nats-server");
        let ended = timeout(PATIENCE, child.wait()).await;
        ended.expect("it ends").expect("a status");
    }

    /// Removes everything that it has stored. It must not run.
    pub fn wipe(&self) {
        assert!(self.child.is_none(), "it runs");
        std::fs::remove_dir_all(self.store()).expect("a store");
    }

    /// Copies what it has stored to a folder of its own, which must not exist. It must not run.
    pub fn save(&self, name: &str) {
        assert!(self.child.is_none(), "it runs");
        copy(&self.store(), &self.folder.path().join(name));
    }

    /// Puts such a copy in place of what it has stored. It must not run.
    pub fn put_back(&self, name: &str) {
        self.wipe();
        copy(&self.folder.path().join(name), &self.store());
    }
}

/// The client's port in a file that nats-server writes, once it is whole.
fn port_in(file: &Path) -> Option<u16> {
    let ports: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let url = ports["nats"][0].as_str()?;
    url.rsplit_once(':')?.1.parse().ok()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file");
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Its folder is removed next: nothing may be written to it any more.
            let _ = child.start_kill();
            let patience = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && patience.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        if std::thread::panicking() {
            let said = self.said();
            let lines: Vec<&str> = said.lines().collect();
            let newest = lines.len().saturating_sub(20);
            eprintln!("nats-server said at last:\n{}", lines[newest..].join("\n"));
        }
    }
}
