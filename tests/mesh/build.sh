#!/usr/bin/env bash
# Builds what a mesh runs from the pinned modules in tests/mesh/go: Kubernetes' API server and kubectl, one version of
# Istio (istiod, the agent, and the files of its charts and images that they read), and the Gateway API's definitions.
#
#   build.sh CACHE [1.31|1.30]
#   build.sh --lacks CACHE [1.31|1.30]            builds nothing; says what is missing for it, exit status 2
#   build.sh --name MODULE                        prints the name of the module's folder in CACHE/mesh
#
#   CACHE/mesh/kubernetes -> kubernetes-<key>     a folder for each content of go.mod and go.sum and way of building it
#   CACHE/mesh/istio-1.31 -> istio-1.31-<key>
#
# Folders are made elsewhere and renamed when complete. Go's own cache (8 GB after a build) lies beside them and is
# removed at the end, unless GOCACHE names one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
only_ask=
only_name=
if [ "${1:-}" = --lacks ]; then only_ask=yes; shift; fi
if [ "${1:-}" = --name ]; then only_name=yes; shift; fi
[ $# -ge 1 ] && [ $# -le 2 ] || { echo "usage: build.sh [--lacks] CACHE [1.31|1.30]" >&2; exit 2; }
istio=${2:-1.31}
modules=(kubernetes "istio-$istio" gateway-api)
# Go's own cache at the end of a build, and what is built.
room_gb=9

say() { printf 'make mesh-tools: %s\n' "$*" >&2; }
fail() { if [ -n "$only_ask" ]; then printf '%s\n' "$*"; else say "$*"; fi; exit 2; }

# Programs of the module $1 into the folder $2: packages follow.
build() {
  local module=$1 folder=$2 flags=$3
  shift 3
  (cd "$here/go/$module" && nice go build -p 2 -trimpath -ldflags "-s -w $flags" -o "$folder/" "$@")
}

kubernetes() { # into folder $1
  local version
  version=$(cd "$here/go/kubernetes" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
  local minor=${version#v1.}
  local at=k8s.io/component-base/version
  build kubernetes "$1" "-X $at.gitVersion=$version -X $at.gitMajor=1 -X $at.gitMinor=${minor%%.*}" \
    k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl
}

istio_files() { # into folder $1
  local source
  source=$(cd "$here/go/istio-$istio" && go list -m -f '{{.Dir}}' istio.io/istio)
  local chart=$source/manifests/charts/istio-control/istio-discovery
  install -m 0644 "$source/manifests/charts/base/files/crd-all.gen.yaml" "$chart/values.yaml" \
    "$chart/files/injection-template.yaml" "$chart/files/gateway-injection-template.yaml" \
    "$source/tools/packaging/common/envoy_bootstrap.json" "$1/"
}

istio() { # into folder $1
  local version
  version=$(cd "$here/go/istio-$istio" && go list -m -f '{{.Replace.Version}}' istio.io/api)
  build "istio-$istio" "$1" "-X istio.io/istio/pkg/version.buildVersion=${version#v}" \
    istio.io/istio/pilot/cmd/pilot-discovery istio.io/istio/pilot/cmd/pilot-agent
  istio_files "$1"
}

gateway() { # into folder $1
  local source
  source=$(cd "$here/go/gateway-api" && go mod download -json sigs.k8s.io/gateway-api | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  local definition
  for definition in "$source"/config/crd/standard/gateway.networking.k8s.io_*s.yaml; do
    case "$definition" in *_vap_*) continue ;; esac
    echo ---
    cat "$definition"
  done >"$1/crds.yaml"
  grep -q '^kind: CustomResourceDefinition' "$1/crds.yaml"
}

# Another way of building is another folder; what else changes in this file is not.
key() {
  { cat "$here/go/$1/go.mod" "$here/go/$1/go.sum"; declare -f build kubernetes istio istio_files; } \
    | sha256sum | cut -c1-12
}

# Go, where something is still to be built: said before anything is.
need_go() { # for the cache $1
  local module wanted found
  for module in "${modules[@]}"; do
    [ ! -d "$1/mesh/$module-$(key "$module")" ] || continue
    wanted=$(sed -n 's/^go //p' "$here/go/$module/go.mod")
    command -v go >/dev/null || fail "go is missing: install Go $wanted or newer from https://go.dev/dl"
    found=$(go env GOVERSION)
    [ "$(printf '%s\n' "$wanted" "${found#go}" | sort -V | head -1)" = "$wanted" ] \
      || fail "$found is too old for $module: install Go $wanted or newer from https://go.dev/dl"
  done
}

# Room for Go's own cache, where something is still to be built: without it a build ends after many minutes.
need_room() { # for the cache $1
  local place=$1 free
  [ -z "${GOCACHE:-}" ] || return 0
  [ ! -d "$1/mesh/kubernetes-$(key kubernetes)" ] || [ ! -d "$1/mesh/istio-$istio-$(key "istio-$istio")" ] || return 0
  while [ ! -d "$place" ]; do place=$(dirname "$place"); done
  free=$(($(df --output=avail -k "$place" | tail -1) / 1000000))
  [ "$free" -ge "$room_gb" ] \
    || fail "$free GB are free in $place, and the build takes $room_gb GB for a while: make room, or name another folder by MESHTAP_CACHE"
}

# Points the name $1 at the folder $2 in one step: a mesh that starts meanwhile finds the one or the other.
link() {
  [ "$(readlink "$cache/$1" 2>/dev/null)" != "$2" ] || return 0
  ln -s "$2" "$cache/.making.$1.$$"
  mv -T "$cache/.making.$1.$$" "$cache/$1"
}

# Makes the folder of module $1 with the function $2, unless it is there, and points the module's name at it.
provide() {
  local name started
  name=$1-$(key "$1")
  if [ ! -d "$cache/$name" ]; then
    say "building $1; this takes minutes, once"
    started=$SECONDS
    scratch=$(mktemp -d "$cache/.making.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    mkdir "$scratch/result"
    "$2" "$scratch/result"
    chmod 0755 "$scratch/result"
    mv -T "$scratch/result" "$cache/$name"
    rm -rf "$scratch"
    say "built $1 in $((SECONDS - started)) s"
  fi
  link "$1" "$name"
}

if [ -n "$only_name" ]; then echo "$1-$(key "$1")"; exit; fi

[ -d "$here/go/istio-$istio" ] \
  || fail "there is no Istio $istio here; ISTIO is one of $(cd "$here/go" && echo istio-* | sed 's/istio-//g')"
need_go "$1"
need_room "$1"
[ -z "$only_ask" ] || exit 0

mkdir -p "$1/mesh"
cache=$(cd "$1/mesh" && pwd)
own_cache=
if [ -z "${GOCACHE:-}" ]; then
  export GOCACHE=$cache/go-build
  own_cache=$GOCACHE
fi
export CGO_ENABLED=0 GOFLAGS=-buildvcs=false

# One build at a time: whoever comes second waits, and finds the work done.
exec 9>"$cache/.lock"
flock --nonblock 9 || { say "waiting for another build in $cache"; flock 9; }
rm -rf "$cache"/.making.*
for module in "${modules[@]}"; do provide "$module" "${module%%-*}"; done
[ -z "$own_cache" ] || { chmod -R u+w "$own_cache" 2>/dev/null || true; rm -rf "$own_cache"; }
say "ready in $cache"
