#!/usr/bin/env bash
# Writes the digest of a filter module into every manifest that names one:
#
#   pin.sh filter.wasm            rewrites the manifests below istio/
#   pin.sh --check filter.wasm    fails where they name another module
set -euo pipefail

check=
if [ "${1:-}" = --check ]; then check=1; shift; fi
[ $# -eq 1 ] || { echo "usage: pin.sh [--check] filter.wasm" >&2; exit 2; }
digest=$(sha256sum "$1" | cut -c1-64)
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

named='(/wasm/sha256/|[[:space:]]sha256: )[0-9a-f]{64}'
mapfile -t files < <(grep -rlE "$named" istio --include='*.yaml')
if [ -z "$check" ]; then
  sed -i -E "s#$named#\\1$digest#g" "${files[@]}"
elif grep -rnE "$named" "${files[@]}" | grep -v "$digest"; then
  echo "make pin: these manifests name another module than $digest: run make pin" >&2
  exit 1
fi
