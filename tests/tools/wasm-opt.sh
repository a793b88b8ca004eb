#!/usr/bin/env bash
# Makes a module smaller with the pinned wasm-opt, which it fetches into FOLDER when it is not there:
#
#   wasm-opt.sh FOLDER IN OUT [OPTION...]
#
# Does nothing when OUT is newer than IN.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 3 ] || { echo "usage: wasm-opt.sh FOLDER IN OUT [OPTION...]" >&2; exit 2; }
mkdir -p "$1"
cache=$(cd "$1" && pwd)
in=$2 out=$3
shift 3

fail() { printf 'make wasm: %s\n' "$*" >&2; exit 1; }
# shellcheck source=tests/tools/npm.sh
. "$here/npm.sh"

[ ! "$out" -nt "$in" ] || exit 0
folder=$cache/binaryen-$(pin_of "$here/binaryen.pin" version)
for tool in node npm python3; do
  command -v "$tool" >/dev/null || fail "$tool is missing; on Debian or Ubuntu: apt-get install npm python3"
done
if [ ! -f "$folder/bin/wasm-opt" ]; then
  printf 'make wasm: fetching wasm-opt %s, about 23 MB\n' "$(pin_of "$here/binaryen.pin" version)" >&2
  scratch=$(mktemp -d "$cache/.making.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  fetch_npm "$here/binaryen.pin" "$scratch/result" package/bin/wasm-opt package/bin/package.json
  rm -rf "$folder"
  mv -T "$scratch/result" "$folder" 2>/dev/null || [ -f "$folder/bin/wasm-opt" ]
fi

# What rustc says that the module uses; there is no section for it in a module without names.
node "$folder/bin/wasm-opt" \
  --enable-simd --enable-bulk-memory --enable-sign-ext --enable-mutable-globals --enable-nontrapping-float-to-int \
  --enable-multivalue --enable-reference-types "$@" -Oz --converge --reorder-functions "$in" -o "$out.$$"
mv "$out.$$" "$out"
