#!/usr/bin/env bash
# Holds the invariants that src/lib.rs names: which room may know of what.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=

# Lines of code, comments left out, in FILE... that match PATTERN: none may.
never() { # RULE PATTERN FILE...
  local rule=$1 pattern=$2 found
  shift 2
  [ $# -gt 0 ] || return 0
  found=$(grep -nHE "$pattern" "$@" | grep -vE '^[^:]+:[0-9]+:[[:space:]]*//' || true)
  [ -z "$found" ] || {
    printf 'src/lib.rs: %s\n%s\n' "$rule" "$found"
    failed=yes
  }
}

mapfile -t all < <(find src -name '*.rs' | sort)

# The files of ROOM (src/ROOM.rs and src/ROOM/), without those named after it.
files_of() { # ROOM [EXCEPT]...
  local room=$1 file except
  shift
  files=()
  for file in "${all[@]}"; do
    case $file in "src/$room.rs" | "src/$room/"*) ;; *) continue ;; esac
    for except in "$@"; do [ "$file" != "$except" ] || continue 2; done
    files+=("$file")
  done
}

crates() { # NAME...: a pattern for these crates, as paths or in a use
  local IFS='|'
  printf '(^|[^[:alnum:]_:])(%s)(::|;| as )' "$*"
}
module() { # NAME: a pattern for a module of this crate
  printf '(crate|super|self)::(\\{[^}]*)?\\b%s\\b|\\b%s::' "$1" "$1"
}

files_of protocol
never '1. protocol names no tokio, axum, leptos or web-sys' "$(crates tokio axum leptos web_sys)" "${files[@]}"

files_of app
never '2. app never names server' "$(module server)" "${files[@]}"
never '2. app never names hub' "$(module hub)" "${files[@]}"
# The seam to the browser: src/app/live.rs and its parts.
seam=(src/app/live.rs)
for file in "${all[@]}"; do case $file in src/app/live/*) seam+=("$file") ;; esac; done

files_of app "${seam[@]}"
never '2. only app/live.rs and its parts name browser' "$(module browser)" "${files[@]}"

files_of hub
never '3. hub never names axum, http, leptos or clap' "$(crates axum http leptos clap)" "${files[@]}"
never '3. hub never names server' "$(module server)" "${files[@]}"

mapfile -t files < <(printf '%s\n' "${all[@]}" | grep -vxE 'src/(lib|main|app/live)\.rs')
never '4. cfg(feature) stands in lib.rs, main.rs and app/live.rs only' 'cfg(_attr)?!?\(.*\bfeature\b' "${files[@]}"

files_of app "${seam[@]}"
app=("${files[@]}")
files_of protocol
never '5. text that both sides render is never a function of now' \
  '\b(SystemTime|Instant|Utc|Local)::now\b|Date::(now|new_0)\b' "${app[@]}" "${files[@]}"

[ -z "$failed" ] || exit 1
echo "The rooms of src/ know only what they may."
