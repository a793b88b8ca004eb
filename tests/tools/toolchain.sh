#!/usr/bin/env bash
# Makes sure that cargo works here with what rust-toolchain.toml asks for. With rustup, what is missing is added to
# rustup's own folder; without it, what is missing is named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

fail() { printf 'make toolchain: %s\n' "$*" >&2; exit 1; }
say() { printf 'make toolchain: %s\n' "$*" >&2; }

# The value of a key of rust-toolchain.toml, words separated by spaces.
wanted() { sed -n "s/^$1 *= *//p" rust-toolchain.toml | tr -d '[]",'; }

channel=$(wanted channel)

if ! command -v rustup >/dev/null; then
  command -v cargo >/dev/null || fail "neither rustup nor cargo is here; get rustup from the Rust project's site"
  [[ $(rustc --version) == "rustc $channel "* ]] || say "going on without rustup, with $(rustc --version) instead of $channel"
  for target in $(wanted targets); do
    [ -d "$(rustc --print target-libdir --target "$target")" ] || fail "this Rust has no standard library for $target"
  done
  exit 0
fi

if ! rustup run "$channel" rustc --version >/dev/null 2>&1; then
  say "installing Rust $channel"
  rustup toolchain install "$channel" --profile minimal
fi
for component in $(wanted components); do
  rustup component list --toolchain "$channel" --installed | grep -q "^$component" && continue
  say "adding the component $component to Rust $channel"
  rustup component add --toolchain "$channel" "$component"
done
for target in $(wanted targets); do
  rustup target list --toolchain "$channel" --installed | grep -qx "$target" && continue
  say "adding the target $target to Rust $channel"
  rustup target add --toolchain "$channel" "$target"
done
