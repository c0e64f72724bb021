//! Tells cargo what the server embeds beside its sources: a file that is added to `public` would otherwise go unnoticed.
//! Has the browser's half linked with its relocations when `scripts/shrink.mjs` is to read them; nothing else needs them.

use std::env;

const RELOCATIONS: &str = "FAIRWIND_RELOCATIONS";

fn main() {
    println!("cargo:rerun-if-changed=public");
    println!("cargo:rerun-if-env-changed={RELOCATIONS}");
    let is_for_browser = env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm");
    if is_for_browser && env::var_os(RELOCATIONS).is_some() {
        println!("cargo:rustc-link-arg-cdylib=--emit-relocs");
    }
}
