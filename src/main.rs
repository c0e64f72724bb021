//! The binary: runs the server and turns an error into an exit code.

#[cfg(feature = "ssr")]
fn main() -> std::process::ExitCode {
    fairwind::server::main()
}

/// The browser's half has no program of its own: see `hydrate` in `lib.rs`.
#[cfg(not(feature = "ssr"))]
fn main() {}
