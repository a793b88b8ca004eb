#!/bin/sh
# A hash of the sources of the filter module: the same in every checkout with the same sources.
set -eu
cd "$(dirname "$0")/../.."
find filter/src filter/vendor filter/Cargo.toml Cargo.toml Cargo.lock rust-toolchain.toml -type f | LC_ALL=C sort |
    xargs sha256sum | sha256sum | cut -c1-16
