#!/usr/bin/env bash
# Sets up what is missing, cargo-leptos among it, and starts `cargo leptos watch`: it builds both halves for debugging,
# serves them, and reloads the page on a change. Arguments go to cargo-leptos.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/setup.sh

set_up_watch
exec cargo leptos watch "$@"
