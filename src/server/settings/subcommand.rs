//! What the subcommands have in common: [`parse`] reads the command line of one, [`exit_code`] ends it. Each subcommand has a
//! file of its own.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

/// The subcommand's arguments, if the command line, whose first item is the program's name, asks for this subcommand; or
/// the exit code, if they are wrong or ask for the help, which has been printed.
pub(super) fn parse<T: Parser>(
    name: &str,
    arguments: impl IntoIterator<Item = OsString>,
) -> Option<Result<T, ExitCode>> {
    let mut arguments = arguments.into_iter().skip(1).peekable();
    if arguments.peek()? != name {
        return None;
    }
    Some(T::try_parse_from(arguments).map_err(|error| {
        // Nothing can be done if it cannot be printed.
        let _ = error.print();
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    }))
}

/// The exit code of a subcommand that has run. An error is printed on standard error.
pub(super) fn exit_code(result: Result<ExitCode, String>) -> ExitCode {
    result.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "error: {error}");
        ExitCode::FAILURE
    })
}
