#!/usr/bin/env bash
# Compares Fairwind with other servers of events on this machine: sets up what is missing, builds, measures, and writes
# the tables and the plot of docs/benchmarks.md. Arguments go to the comparison: try --help.
#
# FAIRWIND_BINARY names a binary to measure in place of the one that is built here.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/setup.sh
. bench/prepare.sh

case " $* " in
*" --help "* | *" -h "*)
  cargo build --release --locked --quiet --manifest-path bench/Cargo.toml
  exec bench/target/release/fairwind-bench "$@"
  ;;
esac

[ "$(uname -s)" = Linux ] || die "The comparison needs Linux: it reads /proc and pins to cores."
have setpriv || die "setpriv was not found; it ends the servers when the comparison is killed." "It is part of util-linux."

# The server reads its settings from variables of these names; it shall have the ones that the comparison gives it.
given_binary=${FAIRWIND_BINARY:-}
unset "${!FAIRWIND_@}" "${!LEPTOS_@}"

need_rust
prepare_peers
exec bench/target/release/fairwind-bench "$@"
