//! A client of NATS, by its protocol alone.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connection::PATIENCE;
use crate::engine::Engine;

pub struct Wire {
    socket: BufReader<TcpStream>,
    last_inbox: usize,
}

/// A message.
#[derive(Debug)]
pub struct Delivery {
    pub subject: String,
    pub headers: BTreeMap<String, String>,
    pub payload: Vec<u8>,
}

impl Wire {
    pub async fn connect(engine: &Engine) -> Self {
        let socket = TcpStream::connect(engine.address()).await;
        let mut wire = Self {
            socket: BufReader::new(socket.expect("a connection")),
            last_inbox: 0,
        };
        assert!(wire.line().await.starts_with("INFO "));
        let options =
            json!({"verbose": false, "pedantic": false, "headers": true, "no_responders": true});
        wire.write(format!("CONNECT {options}\r\n").as_bytes())
            .await;
        wire.flush().await;
        wire
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.socket
            .get_mut()
            .write_all(bytes)
            .await
            .expect("a server");
    }

    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        let read = timeout(PATIENCE, self.socket.read_until(b'\n', &mut line)).await;
        read.expect("an answer in time").expect("a server");
        String::from_utf8(line)
            .expect("UTF-8")
            .trim_end()
            .to_owned()
    }

    /// Waits until the server has taken what was sent.
    pub async fn flush(&mut self) {
        self.write(b"PING\r\n").await;
        while self.line().await != "PONG" {}
    }

    pub async fn subscribe(&mut self, subject: &str) {
        self.write(format!("SUB {subject} 1\r\n").as_bytes()).await;
        self.flush().await;
    }

    /// Publishes without waiting for anything.
    pub async fn publish(
        &mut self,
        subject: &str,
        reply: &str,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) {
        let mut head = String::from("NATS/1.0\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        let (head_length, length) = (head.len(), head.len() + payload.len());
        let command = format!("HPUB {subject} {reply} {head_length} {length}\r\n{head}");
        let message = [command.as_bytes(), payload, b"\r\n"].concat();
        self.write(&message).await;
    }

    /// The next message of what was subscribed to.
    pub async fn next(&mut self) -> Delivery {
        loop {
            let line = self.line().await;
            let words: Vec<&str> = line.split_whitespace().collect();
            let (head, length) = match words.as_slice() {
                ["PING"] => {
                    self.write(b"PONG\r\n").await;
                    continue;
                }
                ["MSG", .., length] => ("0", *length),
                ["HMSG", .., head, length] => (*head, *length),
                other => panic!("{other:?}"),
            };
            let [head, length] = [head, length].map(|text| text.parse().expect("a number"));
            let mut bytes = vec![0; length + 2];
            self.socket.read_exact(&mut bytes).await.expect("a message");
            bytes.truncate(length);
            let payload = bytes.split_off(head);
            let lines = String::from_utf8(bytes).expect("headers in UTF-8");
            let headers = lines.lines().filter_map(|line| line.split_once(':'));
            return Delivery {
                subject: words[1].to_owned(),
                headers: headers
                    .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                    .collect(),
                payload,
            };
        }
    }

    /// Sends a request, and reads the answer to it.
    pub async fn request(
        &mut self,
        subject: &str,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) -> Value {
        self.last_inbox += 1;
        let (inbox, id) = (
            format!("_INBOX.wire.{}", self.last_inbox),
            100 + self.last_inbox,
        );
        self.write(format!("SUB {inbox} {id}\r\nUNSUB {id} 1\r\n").as_bytes())
            .await;
        self.publish(subject, &inbox, headers, payload).await;
        let answer = self.next().await;
        assert_eq!(answer.subject, inbox, "nothing else is subscribed to");
        serde_json::from_slice(&answer.payload)
            .unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    /// Publishes a message that the stream has to take. Returns its sequence.
    pub async fn store(&mut self, subject: &str, headers: &[(&str, &str)], payload: &[u8]) -> u64 {
        let answer = self.request(subject, headers, payload).await;
        answer["seq"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    }
}
