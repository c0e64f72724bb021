//! `fairwind token`: makes a token for a server that has the same secret, or the public half of the key.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{ArgGroup, CommandFactory, Parser};
use serde_json::{Map, Value};

use super::subcommand;
use super::values::duration;
use crate::hub::presence::Name;
use crate::hub::topic::Topic;
use crate::server::auth::SigningKey;
use crate::server::auth::expiry::seconds_since_1970;

/// The name of the subcommand.
const NAME: &str = "token";

/// Makes a token for a server that has the same secret, or the public key
///
/// The token is printed on standard output. Send it as 'Authorization: Bearer TOKEN', or in the cookie fairwind_token.
///
/// A TOPIC is a name, the beginning of names with * behind, such as 'orders/*', or '*' for every topic.
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    bin_name = "fairwind token",
    max_term_width = 110,
    group = ArgGroup::new("key").required(true),
    group = ArgGroup::new("rights").required(true).multiple(true),
    after_help = "Examples:\n  fairwind token --secret-file secret --publish kitchen --for 1h\n  fairwind token --private-key private.pem --publish 'orders/*' news --subscribe '*' --for 30d"
)]
struct TokenCommand {
    /// File with the secret that the server has as --jwt-secret-file: the token is signed with HS256
    #[arg(long, value_name = "FILE", group = "key")]
    secret_file: Option<String>,

    /// File with a private key in PEM, whose public half the server has as --jwt-public-key: Ed25519 signs with EdDSA,
    /// P-256 with ES256, RSA with RS256
    #[arg(long, value_name = "FILE", group = "key")]
    private_key: Option<String>,

    /// Topics that the token may publish to, and end
    #[arg(long, value_name = "TOPIC", num_args = 1.., value_parser = topic_pattern, group = "rights")]
    publish: Vec<String>,

    /// Topics that the token may read, private events included
    #[arg(long, value_name = "TOPIC", num_args = 1.., value_parser = topic_pattern, group = "rights")]
    subscribe: Vec<String>,

    /// Name under which its bearer is present in a topic (the claim sub)
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,

    /// How long the token holds, such as 15m, 1h or 30d
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    lifetime: Duration,
}

/// The subcommand, for the help of the program.
pub(crate) fn command() -> clap::Command {
    TokenCommand::command()
}

/// Runs the subcommand if the command line, whose first item is the program's name, asks for it.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let command: TokenCommand = match subcommand::parse(NAME, arguments)? {
        Ok(command) => command,
        Err(code) => return Some(code),
    };
    let printed = command
        .token()
        .and_then(|token| writeln!(io::stdout(), "{token}").map_err(|error| error.to_string()));
    Some(subcommand::exit_code(printed.map(|()| ExitCode::SUCCESS)))
}

impl TokenCommand {
    fn token(&self) -> Result<String, String> {
        let key = match (&self.secret_file, &self.private_key) {
            (Some(file), _) => {
                SigningKey::from_secret_file(file).map_err(|error| cannot_use(file, &error))
            }
            (None, Some(file)) => {
                SigningKey::from_private_key_file(file).map_err(|error| cannot_use(file, &error))
            }
            (None, None) => Err("give --secret-file or --private-key".to_owned()),
        };
        key?.sign(&self.claims(SystemTime::now()))
    }

    fn claims(&self, now: SystemTime) -> Value {
        let end = seconds_since_1970(now + self.lifetime).ceil();
        let mut claims = Map::from_iter([("exp".to_owned(), Value::from(end as u64))]);
        for (name, topics) in [("publish", &self.publish), ("subscribe", &self.subscribe)] {
            if !topics.is_empty() {
                claims.insert(name.to_owned(), topics.as_slice().into());
            }
        }
        if let Some(name) = &self.name {
            claims.insert("sub".to_owned(), name.as_str().into());
        }
        claims.into()
    }
}

fn cannot_use(file: &str, error: &str) -> String {
    format!("cannot use {file}: {error}")
}

/// A name, as the server takes it.
fn name(text: &str) -> Result<String, String> {
    let name = Name::new(text).map_err(|error| error.to_string())?;
    Ok(name.to_string())
}

/// Some topics, as a token's claims name them.
fn topic_pattern(text: &str) -> Result<String, String> {
    if !text.ends_with('*') {
        Topic::new(text).map_err(|error| error.to_string())?;
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<TokenCommand, clap::Error> {
        TokenCommand::try_parse_from([&[NAME], arguments].concat())
    }

    #[test]
    fn the_claims_are_what_was_asked_for() {
        let command = parse(&[
            "--secret-file=s",
            "--publish",
            "kitchen",
            "orders/*",
            "--publish=news",
            "--name=Ada",
            "--for=1h",
        ])
        .expect("a command");
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(999_500);
        assert_eq!(
            command.claims(now),
            json!({"exp": 4_600, "publish": ["kitchen", "orders/*", "news"], "sub": "Ada"})
        );
    }

    #[test]
    fn a_command_that_cannot_work_is_refused_with_what_is_missing() {
        for (arguments, expected) in [
            (&["--publish=a", "--for=1h"][..], "--secret-file"),
            (&["--secret-file=s", "--for=1h"], "--publish"),
            (&["--secret-file=s", "--publish=a"], "--for"),
            (&["--secret-file=s", "--publish=a", "--for=soon"], "--for"),
            (
                &[
                    "--secret-file=s",
                    "--private-key=k",
                    "--publish=a",
                    "--for=1h",
                ],
                "--private-key",
            ),
            (&["--secret-file=s", "--publish=", "--for=1h"], "--publish"),
            (
                &["--secret-file=s", "--publish=a", "--name=a/b", "--for=1h"],
                "slashes",
            ),
        ] {
            let message = parse(arguments).expect_err("a refusal").to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn without_the_subcommand_nothing_is_done() {
        assert!(run(["fairwind"].map(Into::into)).is_none());
        assert!(run(["fairwind", "--addr=token"].map(Into::into)).is_none());
    }
}
