# shellcheck shell=bash
# Prepares the servers of the comparison and lists them in bench/results/peers.tsv: a line for each, of its name, `ready`
# or `skipped`, its version or the reason, and what to run. Sourced by run.sh, after scripts/setup.sh.
#
#   prepare_peers   all of them; one that cannot be had is skipped by name and does not keep the rest from running

# Debian's own module for nginx.
DEBIAN_NCHAN_PACKAGES=(nginx-light libnginx-mod-nchan)

NATS_SERVER=2.15.2

prepare_peers() {
  mkdir -p bench/results
  PEERS=$PWD/bench/results/peers.tsv
  : >"$PEERS"
  prepare_rust
  prepare_fairwind
  prepare_antage
  prepare_nchan
  prepare_better_sse
  prepare_bun
  prepare_nats
  prepare_mercure
}

ready() { # NAME VERSION PROGRAM [ARGUMENT]...
  local name=$1 version=$2
  shift 2
  {
    printf '%s\tready\t%s' "$name" "$version"
    printf '\t%s' "$@"
    printf '\n'
  } >>"$PEERS"
}

skipped() { # NAME WHY
  say "$1 is left out: $2."
  printf '%s\tskipped\t%s\n' "$1" "$2" >>"$PEERS"
}

# The load client, and the peers that are written in Rust.
prepare_rust() {
  say "Building the load client and the peers in Rust (half a minute from nothing) ..."
  cargo build --release --locked --manifest-path bench/Cargo.toml
  local built=$PWD/bench/target/release axum
  axum="axum $(locked_version axum), tokio $(locked_version tokio)"
  ready floor "mio $(locked_version mio)" "$built/floor"
  ready floor-batch "mio $(locked_version mio)" "$built/floor"
  ready axum-broadcast "$axum" "$built/axum-broadcast"
  ready axum-body "$axum" "$built/axum-body"
}

locked_version() { # CRATE
  sed -n "/^name = \"$1\"\$/{n;s/^version = \"\(.*\)\"/\1/p;q;}" bench/Cargo.lock
}

prepare_fairwind() {
  local binary version
  if [ -n "$given_binary" ]; then
    { binary=$(realpath "$given_binary") && [ -x "$binary" ]; } ||
      die "FAIRWIND_BINARY is '$given_binary', which cannot be run."
  else
    set_up_build
    build_release
    binary=$PWD/target/release/fairwind
  fi
  # Outside of the repository, whose Leptos.toml an older binary may not understand.
  version=$(cd / && "$binary" --version) || die "$binary cannot be run."
  (cd / && "$binary" --help | grep -q -e --max-topics) || {
    skipped fairwind "the binary that FAIRWIND_BINARY names is too old to know topics"
    return
  }
  version=${version#fairwind }
  if [ -n "$given_binary" ]; then
    version="$version, a binary given by hand"
  elif have git && git rev-parse --short HEAD >/dev/null 2>&1; then
    version="$version, commit $(git rev-parse --short HEAD)"
    git diff --quiet HEAD -- src style public build.rs Cargo.toml Cargo.lock || version="$version and changes"
  fi
  ready fairwind "$version" "$binary"
}

# Built in a copy: the sums of what is fetched are not kept in the repository.
prepare_antage() {
  have go || { skipped antage "there is no Go"; return; }
  local folder=bench/target/antage version log=bench/results/antage-build.log
  if ! [ -x "$folder/antage" ] || [ bench/peers/antage/main.go -nt "$folder/antage" ]; then
    say "Building antage with Go (some seconds) ..."
    mkdir -p "$folder"
    cp bench/peers/antage/main.go bench/peers/antage/go.mod "$folder/"
    (cd "$folder" && go mod tidy && go build -buildvcs=false -o antage .) >"$log" 2>&1 || {
      skipped antage "gopkg.in/antage/eventsource.v1 could not be fetched and built; see $log"
      return
    }
  fi
  version=$(awk '$1 == "gopkg.in/antage/eventsource.v1" || $2 == "gopkg.in/antage/eventsource.v1" { print $NF }' \
    "$folder/go.mod")
  ready antage "eventsource.v1 $version, $(go env GOVERSION)" "$PWD/$folder/antage"
}

prepare_nchan() {
  local nginx module=/usr/lib/nginx/modules/ngx_nchan_module.so version
  if ! [ -f "$module" ] || ! nginx=$(find_nginx); then
    have apt-get || { skipped nchan "there is neither nginx with nchan nor apt-get to install it"; return; }
    [ "$(id -u)" -eq 0 ] || {
      skipped nchan "nginx with nchan is not installed: sudo apt-get install --yes ${DEBIAN_NCHAN_PACKAGES[*]}"
      return
    }
    # Installed on a machine with systemd, nginx is started as a service, which this comparison does not use.
    debian_packages "" "${DEBIAN_NCHAN_PACKAGES[@]}" || { skipped nchan "its Debian packages could not be installed"; return; }
    { nginx=$(find_nginx) && [ -f "$module" ]; } || { skipped nchan "its Debian packages have no module where it was expected"; return; }
  fi
  version="nchan $(dpkg-query --show --showformat '${Version}' libnginx-mod-nchan 2>/dev/null || echo 'of unknown version')"
  version="$version, nginx $("$nginx" -v 2>&1 | sed 's,.*/,,')"
  ready nchan "$version" "$nginx" "$module" "$PWD/bench/peers/nchan/nginx.conf.template"
}

find_nginx() {
  command -v nginx || { [ -x /usr/sbin/nginx ] && echo /usr/sbin/nginx; }
}

prepare_better_sse() {
  { have node && have npm; } || { skipped better-sse "there is no Node.js with npm"; return; }
  node_packages better-sse || { skipped better-sse "its npm package could not be installed"; return; }
  ready better-sse "better-sse $(installed_version better-sse better-sse), Node $(node --version)" \
    "$(command -v node)" "$PWD/bench/peers/better-sse/server.mjs"
}

prepare_bun() {
  have npm || { skipped bun "there is no npm"; return; }
  local bun=bench/peers/bun/node_modules/.bin/bun
  { node_packages bun && "$bun" --version >/dev/null 2>&1; } || { skipped bun "its npm package could not be installed"; return; }
  ready bun "Bun $("$bun" --version)" "$(realpath "$bun")" "$PWD/bench/peers/bun/server.mjs"
}

# A message queue: only the part `durable` measures it.
prepare_nats() {
  have go || { skipped nats-server "there is no Go"; return; }
  local folder=$PWD/bench/target/nats log=bench/results/nats-build.log
  if ! [ -x "$folder/nats-server" ]; then
    say "Building nats-server with Go (a minute) ..."
    GOBIN=$folder go install "github.com/nats-io/nats-server/v2@v$NATS_SERVER" >"$log" 2>&1 || {
      skipped nats-server "github.com/nats-io/nats-server/v2 could not be fetched and built; see $log"
      return
    }
  fi
  ready nats-server "$("$folder/nats-server" --version | sed 's/^nats-server: //'), $(go env GOVERSION)" \
    "$folder/nats-server"
}

# Its hub with the Bolt transport is a module of Caddy's, in a Go module of its own.
prepare_mercure() {
  have go || { skipped mercure "there is no Go"; return; }
  local log=bench/results/mercure-build.log
  if GOBIN=$PWD/bench/target/mercure go install github.com/dunglas/mercure/caddy/mercure@latest >"$log" 2>&1; then
    skipped mercure "it can be built, but the comparison has no client for it yet"
  else
    skipped mercure "Go cannot install it; see $log"
  fi
}

node_packages() { # PEER
  local folder=bench/peers/$1
  local installed=$folder/node_modules/.installed-package-lock.json
  cmp -s "$folder/package-lock.json" "$installed" && return
  installing "Installing the npm package of $1 (some seconds) ..."
  (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error) && cp "$folder/package-lock.json" "$installed"
}

installed_version() { # PEER PACKAGE
  sed -n 's/^ *"version": "\(.*\)",*$/\1/p' "bench/peers/$1/node_modules/$2/package.json" | head -n 1
}
