//! Where values come from: flags, the environment, and the settings file. A layer holds the values of one source; each becomes
//! the default of its flag, so that the command line's parser reads and checks every value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, FromArgMatches};

/// Why there are no settings, or that the help was asked for. The message names the setting, where it stands, and what
/// would be right.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The command line, or a value, is wrong; or it asks for the help or the version.
    #[error("{error}{}", origin_of(.source_name))]
    Value {
        /// What the parser says.
        error: clap::Error,
        /// Where the value stands if it is not on the command line.
        source_name: Option<String>,
    },
    /// A source names a setting that does not exist.
    #[error(
        "error: {source_name} names the setting '{name}', which does not exist\n\n'fairwind --help' lists them all"
    )]
    Unknown {
        /// The setting as it is written there.
        name: String,
        /// The file or `the environment`.
        source_name: String,
    },
    /// The settings file cannot be used.
    #[error("error: cannot use {path} for settings: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

const ENVIRONMENT_PREFIX: &str = "FAIRWIND_";

/// The variable that cargo-leptos sets for the server it runs. It counts more than the file and less than
/// `FAIRWIND_ADDR`.
const LEPTOS_ADDRESS: &str = "LEPTOS_SITE_ADDR";

const DEFAULT_FILE: &str = "Leptos.toml";

/// Separates the values of one variable for a setting that can be given several times: a character that neither a header
/// nor an origin has a use for.
const SEPARATOR: char = '|';

/// The values that a source gives to a setting.
struct Given {
    source_name: String,
    values: Vec<String>,
}

/// By the setting's id in the command.
type Layer = BTreeMap<String, Given>;

/// Reads a command line, whose first item is the program's name, and an environment.
///
/// # Errors
///
/// [`SettingsError`] if a setting is unknown or invalid, or if the help or the version was asked for.
pub(super) fn parse<T: FromArgMatches>(
    command: Command,
    arguments: &[OsString],
    environment: Vec<(String, String)>,
) -> Result<T, SettingsError> {
    let command = command.mut_args(take_values_with_hyphens);
    let environment = environment_layer(&command, environment)?;
    let mut layer = match config_file(&command, arguments, &environment)? {
        Some((path, text)) => file_layer(&command, &path, &text)?,
        None => Layer::new(),
    };
    layer.extend(environment);
    let parsed = with_defaults(command, &layer)
        .try_get_matches_from(arguments)
        .and_then(|matches| T::from_arg_matches(&matches));
    parsed.map_err(|error| {
        let source_name = source_of(&error, &layer, arguments);
        SettingsError::Value { error, source_name }
    })
}

impl SettingsError {
    /// Says what is wrong, or what was asked for, and ends the process.
    pub fn exit(self) -> ! {
        match self {
            Self::Value {
                error,
                source_name: None,
            } => error.exit(),
            other => {
                // It may be closed; the exit code says that something is wrong all the same.
                let _ = writeln!(io::stderr(), "{other}");
                std::process::exit(2)
            }
        }
    }
}

fn origin_of(source_name: &Option<String>) -> String {
    source_name
        .as_ref()
        .map(|name| format!("\nThe value stands in {name}."))
        .unwrap_or_default()
}

fn environment_layer(
    command: &Command,
    environment: Vec<(String, String)>,
) -> Result<Layer, SettingsError> {
    let mut layer = Layer::new();
    for (variable, value) in environment {
        let source_name = format!("the environment variable {variable}");
        if variable == LEPTOS_ADDRESS {
            layer.entry("addr".to_owned()).or_insert(Given {
                source_name,
                values: vec![value],
            });
        } else if let Some(name) = variable.strip_prefix(ENVIRONMENT_PREFIX) {
            let id = name.to_ascii_lowercase();
            let argument = argument(command, &id).ok_or_else(|| SettingsError::Unknown {
                name: variable.clone(),
                source_name: "the environment".into(),
            })?;
            let values = match argument.get_action() {
                ArgAction::Append => value
                    .split(SEPARATOR)
                    .map(|value| value.trim().to_owned())
                    .collect(),
                _ => vec![value],
            };
            layer.insert(
                id,
                Given {
                    source_name,
                    values,
                },
            );
        }
    }
    Ok(layer)
}

fn file_layer(command: &Command, path: &Path, text: &str) -> Result<Layer, SettingsError> {
    let broken = |reason: String| SettingsError::File {
        path: path.to_owned(),
        reason,
    };
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| broken(error.to_string()))?;
    let mut layer = Layer::new();
    for (key, value) in table {
        let source_name = format!("the file {}", path.display());
        let id = key.replace('-', "_");
        if argument(command, &id).is_none() || key.contains('_') || id == "config" {
            return Err(SettingsError::Unknown {
                name: key,
                source_name,
            });
        }
        let values = match value {
            toml::Value::Array(values) => values
                .into_iter()
                .map(plain_text)
                .collect::<Option<Vec<_>>>(),
            value => plain_text(value).map(|value| vec![value]),
        };
        let values = values.ok_or_else(|| {
            broken(format!(
                "'{key}' must be a text, a number, or a list of texts"
            ))
        })?;
        layer.insert(
            id,
            Given {
                source_name,
                values,
            },
        );
    }
    Ok(layer)
}

fn plain_text(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The settings file's path and text. The default file may be missing, one that was named may not.
fn config_file(
    command: &Command,
    arguments: &[OsString],
    environment: &Layer,
) -> Result<Option<(PathBuf, String)>, SettingsError> {
    let matches = command
        .clone()
        .ignore_errors(true)
        .try_get_matches_from(arguments)
        .ok();
    let by_flag = matches.and_then(|matches| matches.get_one::<PathBuf>("config").cloned());
    let by_variable = environment
        .get("config")
        .and_then(|given| given.values.first())
        .map(PathBuf::from);
    let named = by_flag.or(by_variable);
    let path = named.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SettingsError::File {
            path,
            reason: error.to_string(),
        }),
    }
}

fn with_defaults(command: Command, layer: &Layer) -> Command {
    layer.iter().fold(command, |command, (id, given)| {
        let values = given.values.clone();
        command.mut_arg(id, |argument| argument.default_values(values))
    })
}

/// What follows a setting is its value, even if it begins with a hyphen: then the error about it names the setting.
fn take_values_with_hyphens(argument: Arg) -> Arg {
    let needs_value = argument.get_action().takes_values() && argument.get_num_args().is_none();
    argument.allow_hyphen_values(needs_value)
}

fn argument<'a>(command: &'a Command, id: &str) -> Option<&'a Arg> {
    command
        .get_arguments()
        .find(|argument| argument.get_id() == id)
}

/// Where the value stands that an error is about, if it is not on the command line.
fn source_of(error: &clap::Error, layer: &Layer, arguments: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = flag.split_whitespace().next()?;
    let is_on_command_line = arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .any(|argument| argument.split('=').next() == Some(flag));
    let given = layer.get(&flag.trim_start_matches('-').replace('-', "_"))?;
    (!is_on_command_line).then(|| given.source_name.clone())
}
