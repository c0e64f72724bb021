#!/usr/bin/env bash
# Sets up what is missing, builds Fairwind in release mode and runs it. Arguments go to the server: try --help.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/setup.sh

set_up_build
build_release
exec target/release/fairwind "$@"
