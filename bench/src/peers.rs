//! The servers that are compared: how each is started, and under which URLs it serves what.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::machine::Machine;
use crate::transport::Certificate;

/// The topic, or channel, that everything but the cost of publishing is measured on.
pub(crate) const TOPIC: &str = "bench";

/// How many events servers with a history are told to keep.
pub(crate) const HISTORY: usize = 100_000;

/// Flags of Fairwind that every measurement gives it, unless it gives others of the same names.
const FLAGS: [&str; 15] = [
    "--clock-interval=1h",
    "--history-events=100000",
    "--history-bytes=1GiB",
    "--max-streams=20000",
    "--max-topics=200000",
    "--max-connections=20000",
    "--max-connections-per-address=20000",
    "--max-streams-per-address=20000",
    "--max-subscriptions-per-address=100000",
    "--max-held-bytes-per-address=256MiB",
    "--anonymous-publish=on",
    "--metrics=on",
    "--publish-rate=off",
    "--stream-rate=off",
    "--log=warn",
];

/// A server, or why there is none; as bench/prepare.sh found it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Peer {
    /// How its rows are named.
    pub(crate) name: String,
    /// Which server it is.
    server: String,
    /// Why it is left out.
    pub(crate) skipped: Option<String>,
    pub(crate) version: String,
    /// Flags of Fairwind that differ from the usual ones.
    flags: Vec<String>,
    /// What is run; a script's interpreter stands before the script.
    program: Vec<PathBuf>,
}

/// How a server is started.
#[derive(Clone, Copy)]
pub(crate) enum Variant<'a> {
    Plain,
    /// Streams are compressed for clients that accept it.
    Gzip,
    /// Everything is served over TLS, and HTTP/2 with it.
    Tls(&'a Certificate),
}

impl Peer {
    /// Reads the list that bench/prepare.sh has written: a line for each, of a name, `ready` or `skipped`, the version or
    /// the reason, and what to run.
    pub(crate) fn read_all(list: &Path) -> Result<Vec<Self>, String> {
        let text =
            fs::read_to_string(list).map_err(|error| format!("{}: {error}", list.display()))?;
        text.lines()
            .map(|line| {
                let mut fields = line.split('\t');
                let (Some(name), Some(state), Some(what)) =
                    (fields.next(), fields.next(), fields.next())
                else {
                    return Err(format!(
                        "{}: a line that is no peer: {line}",
                        list.display()
                    ));
                };
                let ready = state == "ready";
                Ok(Self {
                    name: name.to_owned(),
                    server: name.to_owned(),
                    skipped: (!ready).then(|| what.to_owned()),
                    version: if ready {
                        what.to_owned()
                    } else {
                        String::new()
                    },
                    flags: Vec::new(),
                    program: fields.map(PathBuf::from).collect(),
                })
            })
            .collect()
    }

    /// The same server under another name, with other flags.
    pub(crate) fn with_flags(&self, name: &str, flags: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            flags,
            ..self.clone()
        }
    }

    /// Whether it serves event streams. The others are message queues: only the part `durable` measures them.
    pub(crate) fn has_streams(&self) -> bool {
        !self.is_nats()
    }

    pub(crate) fn is_nats(&self) -> bool {
        self.server == "nats-server"
    }

    /// Whether it is a server of Fairwind with its log on a nats-server.
    pub(crate) fn is_over_nats(&self) -> bool {
        self.flags.iter().any(|flag| flag.starts_with("--nats="))
    }

    /// Whether it has a log on disk.
    pub(crate) fn has_disk(&self) -> bool {
        matches!(self.server.as_str(), "fairwind" | "nats-server")
    }

    /// The command that serves on this port, in a folder of its own.
    pub(crate) fn command(
        &self,
        port: u16,
        folder: &Path,
        machine: &Machine,
        variant: Variant<'_>,
    ) -> Result<Command, String> {
        let (program, arguments) = self
            .program
            .split_first()
            .ok_or("there is nothing to run")?;
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(program);
        command.current_dir(folder);
        match self.server.as_str() {
            "floor" => command.args(["each", &address]),
            "floor-batch" => command.args(["batch", &address]),
            "fairwind" => {
                let own = |flag: &&&str| {
                    let name = flag.split('=').next().unwrap_or(flag);
                    let is_same = |other: &String| other.split('=').next() == Some(name);
                    !self.flags.iter().any(is_same)
                };
                command
                    .args(["--addr", &address])
                    .args(FLAGS.iter().filter(own))
                    .args(&self.flags)
            }
            "nats-server" => command
                .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
                .args(&self.flags),
            "nchan" => {
                let module = arguments.first().ok_or("the module is not known")?;
                let template = arguments.get(1).ok_or("the configuration is not known")?;
                let configuration = nginx_configuration(template, module, port, machine, variant)?;
                let path = folder.join("nginx.conf");
                fs::write(&path, configuration)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                command
                    .args(["-e", "error.log", "-p"])
                    .arg(folder)
                    .arg("-c")
                    .arg(path)
            }
            "better-sse" | "bun" => command.args(arguments).arg(port.to_string()),
            _ => command.args(arguments).arg(address),
        };
        match (self.server.as_str(), variant) {
            ("fairwind", Variant::Gzip) => {
                command.args([
                    "--stream-compression=gzip",
                    "--max-compressed-streams=20000",
                ]);
            }
            ("fairwind", Variant::Tls(certificate)) => {
                command.arg("--tls-cert").arg(&certificate.chain);
                command.arg("--tls-key").arg(&certificate.key);
            }
            ("bun" | "axum-body", Variant::Tls(certificate)) => {
                command.args([&certificate.chain, &certificate.key]);
            }
            _ => {}
        }
        Ok(command)
    }

    /// Whether it can compress event streams, as far as this comparison knows how.
    pub(crate) fn has_gzip(&self) -> bool {
        self.server == "fairwind"
    }

    /// Whether it can serve HTTPS by itself, as far as this comparison knows how.
    pub(crate) fn has_tls(&self) -> bool {
        matches!(
            self.server.as_str(),
            "fairwind" | "nchan" | "bun" | "axum-body"
        )
    }

    /// Whether it speaks HTTP/2 there.
    pub(crate) fn has_http2(&self) -> bool {
        self.has_tls() && self.server != "bun"
    }

    /// Where this topic is subscribed to.
    pub(crate) fn stream(&self, topic: &str) -> String {
        match self.server.as_str() {
            "fairwind" => format!("/topics/{topic}"),
            "nchan" => format!("/stream/{topic}"),
            _ => "/stream".to_owned(),
        }
    }

    /// Where this topic is published to.
    pub(crate) fn publish(&self, topic: &str) -> String {
        match self.server.as_str() {
            "fairwind" => format!("/topics/{topic}"),
            "nchan" => format!("/publish/{topic}"),
            _ => "/publish".to_owned(),
        }
    }

    /// Where the topic is subscribed to over WebSocket.
    pub(crate) fn socket(&self) -> Option<String> {
        match self.server.as_str() {
            "fairwind" | "nchan" => Some(self.stream(TOPIC)),
            "bun" => Some("/socket".to_owned()),
            _ => None,
        }
    }

    /// Where a reader gets all that was published.
    pub(crate) fn replay(&self) -> Option<String> {
        match self.server.as_str() {
            "fairwind" => Some(format!("/topics/{TOPIC}?last_event_id=earliest")),
            "nchan" => Some(format!("/stream/{TOPIC}/all")),
            "floor-batch" => Some("/stream?from=earliest".to_owned()),
            _ => None,
        }
    }

    pub(crate) fn has_topics(&self) -> bool {
        matches!(self.server.as_str(), "fairwind" | "nchan")
    }

    /// Whether one request can publish many events.
    pub(crate) fn takes_streams(&self) -> bool {
        self.server == "fairwind"
    }
}

fn nginx_configuration(
    template: &Path,
    module: &Path,
    port: u16,
    machine: &Machine,
    variant: Variant<'_>,
) -> Result<String, String> {
    let text =
        fs::read_to_string(template).map_err(|error| format!("{}: {error}", template.display()))?;
    let user =
        nix::unistd::User::from_uid(nix::unistd::getuid()).map_err(|error| error.to_string())?;
    let user = user.ok_or("this user has no name")?.name;
    let (how, files) = match variant {
        Variant::Tls(Certificate { chain, key }) => (
            " ssl http2",
            format!(
                "ssl_certificate {}; ssl_certificate_key {};",
                chain.display(),
                key.display()
            ),
        ),
        _ => ("", String::new()),
    };
    Ok(text
        .replace("@HOW@", how)
        .replace("@TLS@", &files)
        .replace("@MODULE@", &module.display().to_string())
        .replace("@USER@", &user)
        .replace("@OPEN_FILES@", &machine.open_files.to_string())
        .replace(
            "@CONNECTIONS@",
            &machine
                .open_files
                .saturating_sub(100)
                .min(60_000)
                .to_string(),
        )
        .replace("@PORT@", &port.to_string()))
}
