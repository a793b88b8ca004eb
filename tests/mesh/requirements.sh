#!/usr/bin/env bash
# What this machine lacks for a mesh: one line each, with the remedy. Exit status 2 when there is anything.
#
#   requirements.sh mesh CACHE [1.31|1.30]         for `make mesh`
#   requirements.sh scenarios CACHE [1.31|1.30]    for `make test-mesh`, which has a registry too
#   requirements.sh packages                       the Debian packages of the scenarios' programs that are missing
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
usage() { echo "usage: requirements.sh mesh|scenarios CACHE [ISTIO] | packages" >&2; exit 2; }
# Programs of the system are there for users who do not have them in their path, too.
PATH=$PATH:/usr/sbin:/sbin

# Each program, and the Debian package that brings it.
mesh=(etcd:etcd-server iptables:iptables ip:iproute2 sysctl:procps unshare:util-linux nsenter:util-linux setpriv:util-linux)
scenarios=("${mesh[@]}" docker-registry:docker-registry skopeo:skopeo)
[ "$(id -u)" = 0 ] || mesh+=(newuidmap:uidmap) scenarios+=(newuidmap:uidmap)

# What builds the filter, the collector and the tests, and fetches Envoy, each with its remedy: Debian's package, where it
# is one.
building=(cc:gcc make:make python3:python3 node:nodejs npm:npm)

lacking() { # of the programs given
  local pair
  for pair in "$@"; do command -v "${pair%%:*}" >/dev/null || echo "$pair"; done
}

found=0
says() { printf '%s\n' "$*"; found=2; }

machine() {
  [ "$(uname -sm)" = "Linux x86_64" ] || says "this is $(uname -sm): a mesh needs Linux on x86-64, as the pinned Envoy does"
}

# The mesh's own authority is added to them where Debian, and Istio's images, have them.
roots() {
  local file=/etc/ssl/certs/ca-certificates.crt
  [ -f "$file" ] || says "$file is missing; on Debian or Ubuntu: apt-get install ca-certificates; elsewhere make it a link" \
    "to the system's own bundle"
}

programs() {
  local pair
  for pair in $(lacking "$@"); do
    says "${pair%%:*} is missing; on Debian or Ubuntu: apt-get install ${pair#*:}"
  done
}

builders() {
  programs "${building[@]}"
  command -v cargo >/dev/null || command -v rustup >/dev/null \
    || says "cargo is missing: install rustup, from the Rust project's site"
  ! command -v python3 >/dev/null || python3 -c 'import ensurepip, venv' 2>/dev/null \
    || says "this python3 cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv"
}

# What the capture rules of Istio and the node's own need of the kernel: each table, match and target once.
rules='ip link set lo up &&
  ip link add rights0 type veth peer name rights1 &&
  iptables -t nat -A OUTPUT -p tcp -m owner --uid-owner 1337 -j RETURN &&
  iptables -t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 15001 &&
  iptables -t nat -A OUTPUT -p tcp -d 192.0.2.1 --dport 80 -j DNAT --to-destination 192.0.2.2:80 &&
  iptables -t mangle -S && iptables -t raw -A PREROUTING -d 192.0.2.3 -j DROP'

# Root, or a user who may have namespaces with a range of ids in them: a sidecar has an id of its own.
rights() {
  local options=(--net --mount --pid --fork --kill-child=KILL --mount-proc) said
  [ "$(id -u)" = 0 ] || options+=(--user --map-root-user --map-auto)
  [ -z "$(lacking unshare:- ip:- iptables:-)" ] || return 0
  said=$(unshare "${options[@]}" -- sh -c "$rules" 2>&1 >/dev/null) && return 0
  says "no rights to make network namespaces and capture rules in them ($(echo "$said" | head -1)): run it as root (in a container: with" \
    "--privileged), or let $(id -un) have user namespaces: apt-get install uidmap, usermod --add-subuids 100000-165535" \
    "--add-subgids 100000-165535 $(id -un), and where the kernel forbids them sysctl kernel.unprivileged_userns_clone=1" \
    "kernel.apparmor_restrict_unprivileged_userns=0"
}

case "${1:-}" in
  packages)
    for pair in $(lacking "${scenarios[@]}"); do echo "${pair#*:}"; done | sort -u
    exit 0
    ;;
  mesh) programs_needed=("${mesh[@]}") ;;
  scenarios) programs_needed=("${scenarios[@]}") ;;
  *) usage ;;
esac
[ $# -ge 2 ] && [ $# -le 3 ] || usage

machine
programs "${programs_needed[@]}"
roots
builders
rights
if ! lacks=$("$here/build.sh" --lacks "$2" "${3:-1.31}"); then says "$lacks"; fi
exit "$found"
