//! How the nats-servers are reached, and what is said of a set-up that cannot work.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Output;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::connection::PATIENCE;
use crate::engine::{Engine, own_host};
use crate::node::Node;
use crate::wire::Wire;

/// The user of an example in the documentation of NATS.
const NKEY: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
const NKEY_SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

/// Starts a server that is to refuse, and returns what it says.
async fn refusal(flags: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_fairwind"))
        .arg("--addr=127.0.0.1:0")
        .args(flags)
        .current_dir(std::env::temp_dir())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, output).await;
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("it ends").expect("the binary starts");
    let said = String::from_utf8(stderr).expect("UTF-8");
    assert!(
        !status.success() && stdout.is_empty(),
        "it does not listen: {said}"
    );
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// It works: what is published can be read.
async fn check(node: &Node) {
    node.publish("kitchen", "works").await;
    let mut tail = node.read("/topics/kitchen", Some("earliest")).await;
    assert_eq!(tail.next().await.data, "works");
}

#[tokio::test]
async fn a_folder_and_nats_servers_exclude_each_other() {
    let said = refusal(&["--data=/nowhere", "--nats=nats://127.0.0.1:9"]).await;
    assert!(
        said.contains("--data and --nats exclude each other"),
        "{said}"
    );
    let said = refusal(&["--nats=https://127.0.0.1:9"]).await;
    assert!(said.contains("write it like nats://host:4222"), "{said}");
    let said = refusal(&["--nats=nats://127.0.0.1:9", "--nats-stream=a.b"]).await;
    assert!(
        said.contains("it must have 1 to 32 ASCII letters"),
        "{said}"
    );
    let said = refusal(&["--nats=nats://127.0.0.1:9", "--nats-ca=/nowhere"]).await;
    assert!(said.contains("/nowhere"), "{said}");
}

#[tokio::test]
async fn a_stream_in_which_events_could_be_missed_is_refused_with_what_is_wrong() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let fit = |name: &str| {
        let prefix = name.to_ascii_lowercase();
        json!({
            "name": name,
            "subjects": [format!("{prefix}.>"), format!("{prefix}-live.>"), format!("{prefix}-epoch")],
            "retention": "limits", "discard": "old", "storage": "file", "num_replicas": 1,
            "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0,
            "duplicate_window": 120_000_000_000_u64,
            "allow_direct": true, "allow_atomic": true, "allow_msg_ttl": true,
        })
    };
    let mut wire = Wire::connect(&engine).await;
    let url = format!("--nats={}", engine.url());
    let cases: [(&str, Value, &str); 8] = [
        (
            "max_msgs_per_subject",
            json!(100),
            "there is no maximum number of messages",
        ),
        (
            "max_msgs",
            json!(100),
            "there is no maximum number of messages",
        ),
        ("allow_atomic", json!(false), "atomic batches are allowed"),
        ("allow_msg_ttl", json!(false), "messages may have a TTL"),
        ("allow_direct", json!(false), "direct get is allowed"),
        ("allow_rollup_hdrs", json!(true), "rollups are not allowed"),
        ("discard", json!("new"), "discard is 'old'"),
        ("duplicate_window", json!(1_000_000_000), "duplicate window"),
    ];
    for (number, (setting, value, rule)) in cases.into_iter().enumerate() {
        let name = format!("CASE{number}");
        let mut config = fit(&name);
        config[setting] = value;
        if setting == "discard" {
            config["max_bytes"] = json!(1_000_000);
        }
        let subject = format!("$JS.API.STREAM.CREATE.{name}");
        let made = wire
            .request(&subject, &[], config.to_string().as_bytes())
            .await;
        assert!(made["error"].is_null(), "{setting}: {made}");
        let said = refusal(&[&url, &format!("--nats-stream={name}")]).await;
        assert!(
            said.contains(rule) && said.contains(&name),
            "{setting}: {said}"
        );
        assert!(said.contains("--nats-stream"), "{said}");
    }
    let config = fit("FIT").to_string();
    wire.request("$JS.API.STREAM.CREATE.FIT", &[], config.as_bytes())
        .await;
    check(&Node::start(&[&engine], &["--nats-stream=FIT"]).await).await;
}

#[tokio::test]
async fn nodes_with_different_streams_share_nothing() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let one = Node::start(&[&engine], &["--nats-stream=ONE"]).await;
    let other = Node::start(&[&engine], &["--nats-stream=OTHER"]).await;
    check(&one).await;
    check(&other).await;
}

#[tokio::test]
async fn a_nats_server_without_jetstream_is_refused_with_what_it_lacks() {
    let Some(engine) = Engine::start_with(
        "no_auth_user: nobody\naccounts { A { users: [{user: nobody, password: x}] } }\n",
    )
    .await
    else {
        return;
    };
    let said = refusal(&[&format!("--nats={}", engine.url())]).await;
    assert!(said.contains("JetStream has to be enabled"), "{said}");
}

#[tokio::test]
async fn a_user_and_a_password_stand_in_the_url_and_wrong_ones_are_refused() {
    let settings = "authorization { user: wind, password: \"s3cret\" }\n";
    let Some(engine) = Engine::start_with(settings).await else {
        return;
    };
    let at = engine.address();
    check(&Node::start_at(&[format!("nats://wind:s3cret@{at}")], &[]).await).await;
    for url in [format!("nats://{at}"), format!("nats://wind:wr0ng@{at}")] {
        let said = refusal(&[&format!("--nats={url}")]).await;
        assert!(said.contains("refuses the connection"), "{said}");
        assert!(said.contains("check --nats"), "{said}");
        assert!(
            !said.contains("wr0ng"),
            "a password is nothing for a log: {said}"
        );
    }
}

#[tokio::test]
async fn an_nkey_seed_in_a_file_is_a_user() {
    let settings = format!("authorization {{ users: [{{ nkey: {NKEY} }}] }}\n");
    let Some(engine) = Engine::start_with(&settings).await else {
        return;
    };
    let seed = engine.folder.path().join("seed");
    std::fs::write(&seed, format!("{NKEY_SEED}\n")).expect("a file");
    let flag = format!("--nats-nkey={}", seed.display());
    check(&Node::start(&[&engine], &[&flag]).await).await;
    let said = refusal(&[&format!("--nats={}", engine.url())]).await;
    assert!(said.contains("refuses the connection"), "{said}");
    std::fs::write(&seed, "no seed\n").expect("a file");
    let said = refusal(&[&format!("--nats={}", engine.url()), &flag]).await;
    assert!(said.contains("--nats-nkey"), "{said}");
}

/// An authority, and what it has signed.
struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let own = params.self_signed(&key).expect("a certificate");
        std::fs::write(folder.join("ca.pem"), own.pem()).expect("a file");
        Self {
            folder: folder.to_owned(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes a certificate for an address, and its key.
    fn sign(&self, name: &str, host: Ipv4Addr) {
        let params = CertificateParams::new(vec![host.to_string()]).expect("parameters");
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(self.path(&format!("{name}.pem")), signed.pem()).expect("a file");
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).expect("a file");
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn flag(&self, name: &str, file: &str) -> String {
        format!("--{name}={}", self.path(file).display())
    }
}

#[tokio::test]
async fn the_connection_is_encrypted_with_an_authority_and_a_client_certificate() {
    let host = own_host();
    let Some(mut engine) = Engine::stopped_at(host) else {
        return;
    };
    let authority = Authority::new(&engine.folder.path().join("authority"));
    authority.sign("server", host);
    authority.sign("client", Ipv4Addr::LOCALHOST);
    let path = |file: &str| authority.path(file);
    engine.set(&format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}\n",
        path("server.pem"),
        path("server.key"),
        path("ca.pem")
    ));
    engine.run().await;
    let ca = authority.flag("nats-ca", "ca.pem");
    let certificate = authority.flag("nats-cert", "client.pem");
    let key = authority.flag("nats-key", "client.key");
    let url = format!("tls://{}", engine.address());
    let node = Node::start_at(std::slice::from_ref(&url), &[&ca, &certificate, &key]).await;
    check(&node).await;
    // Across a restart of the nats-server as well.
    engine.kill().await;
    engine.run().await;
    node.publish_again("kitchen", "again").await;
    // A server that is signed by nobody whom the node knows.
    let other = Authority::new(&engine.folder.path().join("other"));
    let url = format!("--nats={url}");
    let said = refusal(&[&url, &other.flag("nats-ca", "ca.pem"), &certificate, &key]).await;
    assert!(said.contains("--nats-ca"), "{said}");
    let said = refusal(&[&url, &certificate]).await;
    assert!(said.contains("--nats-key"), "{said}");
}

#[tokio::test]
async fn a_node_without_the_client_certificate_that_is_asked_for_says_so() {
    let host = own_host();
    let Some(mut engine) = Engine::stopped_at(host) else {
        return;
    };
    let authority = Authority::new(&engine.folder.path().join("authority"));
    authority.sign("server", host);
    let path = |file: &str| authority.path(file);
    engine.set(&format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}\n",
        path("server.pem"),
        path("server.key"),
        path("ca.pem")
    ));
    engine.run().await;
    let url = format!("--nats=tls://{}", engine.address());
    let said = refusal(&[&url, &authority.flag("nats-ca", "ca.pem")]).await;
    assert!(said.contains("--nats-cert"), "{said}");
}
