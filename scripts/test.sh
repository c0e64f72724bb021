#!/usr/bin/env bash
# Sets up what is missing and passes every test: formatting, lints of both halves, rooms, unit and integration tests,
# the size of the page over the wire, and browsers against the release binary: Chromium, and Firefox and
# WebKitGTK where they are. Stops at the first that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/setup.sh

started=$SECONDS
passed=()
running=

step() { # NAME COMMAND...
  running=$1
  shift
  printf '\n=== %s   [%s since the start]\n' "$running" "$(minutes $((SECONDS - started)))"
  local step_started=$SECONDS
  "$@"
  passed+=("$(printf '%-44s %s' "$running" "$(minutes $((SECONDS - step_started)))")")
  running=
}

minutes() { # SECONDS
  printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

summary() {
  local status=$?
  printf '\n=== Summary\n'
  [ ${#passed[@]} -eq 0 ] || printf '  passed  %s\n' "${passed[@]}"
  [ -z "$running" ] || printf '  FAILED  %s\n' "$running"
  printf '%d steps passed, %d failed, in %s\n' "${#passed[@]}" "$([ -z "$running" ] && echo 0 || echo 1)" \
    "$(minutes $((SECONDS - started)))"
  exit "$status"
}
trap summary EXIT

in_end2end() {
  (cd end2end && "$@")
}

# The script for pages; the package for the AI SDK against the types of both versions of it that are supported.
types_of_packages() {
  local project
  for project in tsconfig.script.json ../clients/ai/tsconfig.json ../clients/ai/tsconfig.6.json; do
    npx --no-install tsc --project "$project"
  done
}

# Clippy's driver compiles this package for its tests: it is the same compiler, and lints what it compiles. So what the
# package depends on is compiled once for the lints and the tests, where `cargo clippy` would check all of it again.
with_lints() { # CARGO COMMAND...
  # Clippy's own way to hand the arguments of `cargo clippy -- -D warnings` to its driver.
  RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS="-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__" "$@"
}

step "Set-up" set_up_tests
step "Formatting" cargo fmt --check
step "Rooms" bash scripts/check-rooms.sh
step "Lints: server, compiled for the tests" with_lints cargo test --locked --no-run --all-targets
step "Lints: browser" cargo clippy --locked --lib --target wasm32-unknown-unknown --no-default-features \
  --features hydrate -- -D warnings
# Most tests wait, for a server or for a time: twice as many as there are cores are under way.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}
step "Unit and integration tests" with_lints cargo test --locked
# In this package's folder, where what both depend on has been compiled.
step "Tests of the comparison" cargo test --locked --manifest-path bench/Cargo.toml --target-dir target
step "Tests of the site's scripts" node --test scripts/
step "Release build" build_release
step "Size over the wire" node scripts/sizes.mjs
step "Types of the end-to-end tests" in_end2end npx --no-install tsc
step "Types of the packages for npm" in_end2end types_of_packages
step "Tests of the packages for npm" node --test clients/packages.test.mjs clients/ai/tests/*.test.mjs
step "End-to-end tests in Chromium" in_end2end npx --no-install playwright test --grep-invert @measured
# What is measured in milliseconds has the machine for itself.
step "Long tasks in Chromium" in_end2end npx --no-install playwright test --grep @measured --workers 1
step "End-to-end tests in Firefox and WebKit" in_end2end npx --no-install playwright test --config engines.config.ts
