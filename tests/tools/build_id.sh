#!/bin/sh
# A hash of what the filter module is built from, sources, tools and flags: the same in every checkout that builds the
# same bytes.
set -eu
cd "$(dirname "$0")/../.."
{
    find filter/src filter/vendor filter/Cargo.toml Cargo.toml Cargo.lock rust-toolchain.toml \
        tests/tools/binaryen.pin tests/tools/wasm-opt.sh -type f | LC_ALL=C sort | xargs sha256sum
    sed -n '/^WASM_RUSTFLAGS/,/^$/p' Makefile
} | sha256sum | cut -c1-16
