//! Tells cargo what the server embeds beside its sources: a file that is added to `public` would otherwise go unnoticed.

fn main() {
    println!("cargo:rerun-if-changed=public");
}
