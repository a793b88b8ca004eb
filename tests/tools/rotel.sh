#!/usr/bin/env bash
# Installs the agent of rotel.txt into FOLDER, unless it is there:
#
#   rotel.sh FOLDER
#
#   FOLDER/rotel -> rotel-<key>   with rotel-agent in it
#
# Says why when there is none for this machine, and succeeds all the same: a benchmark without it has less to compare.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -eq 1 ] || { echo "usage: rotel.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
cache=$(cd "$1" && pwd)

without() { printf 'make bench-collector: without rotel: %s\n' "$*" >&2; exit 0; }

command -v python3 >/dev/null || without "python3 is missing"
folder=rotel-$(sha256sum <"$here/rotel.txt" | cut -c1-12)
if [ ! -x "$cache/$folder/rotel-agent" ]; then
  scratch=$(mktemp -d "$cache/.making.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --target "$scratch/wheel" \
    --requirement "$here/rotel.txt" || without "pip could not install $(tail -1 "$here/rotel.txt") (see above)"
  mkdir "$scratch/result"
  mv "$scratch/wheel/rotel/rotel-agent" "$scratch/result"
  chmod +x "$scratch/result/rotel-agent"
  rm -rf "${cache:?}/$folder"
  mv -T "$scratch/result" "$cache/$folder"
fi
ln -sfn "$folder" "$cache/rotel"
