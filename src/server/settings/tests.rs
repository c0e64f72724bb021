//! Where settings come from, which source counts, and what the message about a wrong one says.

use clap::Arg;

use super::*;

fn read(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let arguments = std::iter::once("fairwind")
        .chain(arguments.iter().copied())
        .map(OsString::from)
        .collect();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Settings::read(arguments, environment)
}

fn message(result: Result<Settings, SettingsError>) -> String {
    result.expect_err("settings that are refused").to_string()
}

/// A settings file of its own for one test, which goes with it.
struct File(String);

fn file(name: &str, text: &str) -> File {
    let path = std::env::temp_dir().join(format!("fairwind-{}-{name}.toml", std::process::id()));
    std::fs::write(&path, text).expect("a file in the temporary folder");
    File(path.to_str().expect("a path in UTF-8").to_owned())
}

impl std::ops::Deref for File {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn without_any_source_the_defaults_count() {
    let settings = read(&[], &[]).expect("defaults");
    assert_eq!(settings.addr.to_string(), "127.0.0.1:8080");
    assert_eq!(
        settings.clock_interval,
        ClockInterval::Every(Duration::from_secs(2))
    );
    assert_eq!(settings.history_bytes, ByteSize::mib(64));
    assert_eq!(settings.slow_reader, LagPolicy::Disconnect);
    assert!(settings.stream_header.is_empty());
}

#[test]
fn a_flag_counts_more_than_the_environment_and_that_more_than_the_file() {
    let file = file(
        "order",
        "clock-interval = \"3s\"\nretry = \"3s\"\nheartbeat = \"3s\"\n",
    );
    let settings = read(
        &["--config", &file, "--clock-interval", "1s"],
        &[("FAIRWIND_CLOCK_INTERVAL", "2s"), ("FAIRWIND_RETRY", "2s")],
    )
    .expect("settings");
    assert_eq!(
        settings.clock_interval,
        ClockInterval::Every(Duration::from_secs(1))
    );
    assert_eq!(settings.retry, Duration::from_secs(2));
    assert_eq!(settings.heartbeat, Duration::from_secs(3));
}

#[test]
fn the_address_of_cargo_leptos_counts_less_than_our_own_variable() {
    let leptos = ("LEPTOS_SITE_ADDR", "127.0.0.1:3000");
    let own = ("FAIRWIND_ADDR", "127.0.0.1:4000");
    for (environment, port) in [
        (vec![leptos], 3000),
        (vec![leptos, own], 4000),
        (vec![own, leptos], 4000),
    ] {
        assert_eq!(read(&[], &environment).expect("settings").addr.port(), port);
    }
}

#[test]
fn the_environment_can_name_the_file() {
    let file = file(
        "named",
        "max-streams = 7\nstream-header = [\"X-A: 1\", \"X-B: 2\"]\n",
    );
    let settings = read(&[], &[("FAIRWIND_CONFIG", &file)]).expect("settings");
    assert_eq!(settings.max_streams, 7);
    assert_eq!(settings.stream_header.len(), 2);
}

#[test]
fn several_values_of_one_variable_are_separated() {
    let variable = ("FAIRWIND_STREAM_HEADER", "X-A: 1, 2; 3 | X-B: 2");
    let settings = read(&[], &[variable]).expect("settings");
    let values: Vec<_> = settings
        .stream_header
        .iter()
        .map(|(_, value)| value.to_str().expect("text"))
        .collect();
    assert_eq!(values, ["1, 2; 3", "2"]);
}

#[test]
fn an_unknown_setting_is_named_with_its_source() {
    assert!(message(read(&["--clok", "1s"], &[])).contains("--clok"));
    let by_variable = message(read(&[], &[("FAIRWIND_CLOK", "1s")]));
    assert!(
        by_variable.contains("FAIRWIND_CLOK") && by_variable.contains("environment"),
        "{by_variable}"
    );
    let file = file("unknown", "clok = \"1s\"\n");
    let by_file = message(read(&["--config", &file], &[]));
    assert!(
        by_file.contains("'clok'") && by_file.contains(&*file),
        "{by_file}"
    );
}

#[test]
fn an_invalid_value_is_named_with_its_source_and_what_would_be_right() {
    let by_flag = message(read(&["--clock-interval", "5ms"], &[]));
    assert!(
        by_flag.contains("--clock-interval") && by_flag.contains("100ms to 1h"),
        "{by_flag}"
    );
    let by_variable = message(read(&[], &[("FAIRWIND_CLOCK_INTERVAL", "2h")]));
    assert!(
        by_variable.contains("100ms to 1h") && by_variable.contains("FAIRWIND_CLOCK_INTERVAL"),
        "{by_variable}"
    );
    let file = file("invalid", "history-events = 0\n");
    let by_file = message(read(&["--config", &file], &[]));
    assert!(
        by_file.contains("--history-events") && by_file.contains(&*file),
        "{by_file}"
    );
}

#[test]
fn an_address_is_taken_as_people_write_it() {
    let address = |text: &str| {
        let settings = read(&["--addr", text], &[]);
        settings.map(|settings| settings.addr.to_string())
    };
    for (text, expected) in [
        ("0.0.0.0:80", "0.0.0.0:80"),
        ("[::1]:8080", "[::1]:8080"),
        ("localhost:8080", "127.0.0.1:8080"),
        (":8080", "127.0.0.1:8080"),
        ("8080", "127.0.0.1:8080"),
    ] {
        assert_eq!(address(text).expect("an address"), expected, "{text}");
    }
    for text in [
        "",
        ":",
        "localhost",
        "127.0.0.1",
        "::1",
        "http://localhost:8080",
        "a:99999",
    ] {
        let error = address(text).expect_err("a refusal").to_string();
        assert!(
            error.contains("--addr") && error.contains("localhost:8080"),
            "{text}: {error}"
        );
    }
}

#[test]
fn a_value_outside_its_range_is_refused_with_the_range() {
    for (flags, expected) in [
        (&["--history-events", "-1"][..], "from 1 on"),
        (&["--history-bytes", "-1"], "from 1.0 KiB to 1.0 TiB"),
        (&["--history-bytes", "0"], "from 1.0 KiB"),
        (&["--max-body", "0"], "from 1 B to 1.0 GiB"),
        (&["--max-body", "2GiB"], "to 1.0 GiB"),
        (&["--write-timeout", "1ns"], "from 1ms to 366d"),
        (&["--write-timeout", "-1s"], "2s"),
        (&["--retry", "0s"], "from 1ms"),
        (&["--heartbeat", "367d"], "to 366d"),
        (&["--max-streams", "--log"], "from 1 on"),
        (&["--clock-interval", "soon"], "'off'"),
        (&["--anonymous-publish", "sometimes"], "[possible values"),
    ] {
        let error = message(read(flags, &[]));
        assert!(
            error.contains(flags[0]) && error.contains(expected),
            "{flags:?}: {error}"
        );
    }
}

#[test]
fn a_flag_that_needs_no_value_takes_one_with_a_space_or_a_sign_between() {
    for (flags, expected) in [
        (&["--anonymous-publish"][..], AnonymousPublish::On),
        (&["--anonymous-publish", "off"], AnonymousPublish::Off),
        (&["--anonymous-publish=off"], AnonymousPublish::Off),
        (&["--anonymous-publish=auto"], AnonymousPublish::Local),
        (
            &["--anonymous-publish", "--log=debug"],
            AnonymousPublish::On,
        ),
    ] {
        let settings = read(flags, &[]).expect("settings");
        assert_eq!(settings.anonymous_publish, expected, "{flags:?}");
    }
}

#[test]
fn the_clock_can_be_off() {
    let settings = read(&["--clock-interval=off"], &[]).expect("settings");
    assert_eq!(settings.clock_interval, ClockInterval::Off);
}

#[test]
fn a_file_that_is_named_must_be_there_and_readable() {
    assert!(
        message(read(&["--config", "/nowhere/at/all.toml"], &[])).contains("/nowhere/at/all.toml")
    );
    let file = file("broken", "clock-interval = \n");
    assert!(message(read(&["--config", &file], &[])).contains(&*file));
}

#[test]
fn headers_and_origins_that_cannot_work_are_refused() {
    for header in ["X-A", "X A: 1", "Content-Type: text/plain", "X-A: a\nb"] {
        assert!(read(&["--stream-header", header], &[]).is_err(), "{header}");
    }
    for origin in [
        "example.org",
        "https://example.org/",
        "https://example.org/a",
        "ftp://example.org",
        "*",
    ] {
        assert!(read(&["--allow-origin", origin], &[]).is_err(), "{origin}");
    }
    assert!(read(&["--allow-origin", "http://localhost:3000"], &[]).is_ok());
}

#[test]
fn the_repositorys_own_file_says_the_defaults_and_lets_this_machine_publish() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Leptos.toml");
    let with_file = read(&["--config", path], &[]).expect("settings");
    // Its one difference: in development, programs of the same machine publish without a token.
    let mut defaults = read(&["--anonymous-publish=local"], &[]).expect("defaults");
    defaults.config = Some(path.into());
    assert_eq!(format!("{with_file:?}"), format!("{defaults:?}"));
}

#[test]
fn the_documentation_names_every_setting() {
    let documents = [
        ("README.md", include_str!("../../../README.md")),
        ("README.zh-CN.md", include_str!("../../../README.zh-CN.md")),
    ];
    for argument in Settings::command()
        .get_arguments()
        .filter_map(Arg::get_long)
    {
        for (name, document) in documents {
            assert!(
                document.contains(&format!("`--{argument}`")),
                "{name} does not explain --{argument}"
            );
        }
    }
}

#[test]
fn neither_the_help_nor_what_is_logged_of_the_settings_shows_the_key_for_answers() {
    let environment = [("FAIRWIND_ANSWERS_KEY", "sk-secret")];
    let settings = read(&[], &environment).expect("settings");
    let key = settings.answers_key.as_ref().expect("the key");
    assert_eq!(key.reveal(), "sk-secret");
    assert!(!format!("{settings:?}").contains("sk-secret"));
    let help = message(read(&["--help"], &environment));
    assert!(help.contains("--answers-upstream") && !help.contains("sk-secret"));
}
