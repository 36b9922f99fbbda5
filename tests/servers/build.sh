#!/bin/sh
# Builds the servers and the other Go programs that the tests run, once, into a cache folder outside the repository. The
# last line of standard output is that folder; all else goes to standard error.
#
#   build.sh           builds unless the folder is there
#   build.sh --print   only says which folder it is, built or not
#
# The folder is named after a hash of every go.mod, go.sum and Go source here and of the build flags: what is there is
# never stale, and a checkout that goes back in time finds its old programs again. The servers, which take minutes, have
# folders of their own, named after what they alone are made of, so that a change to another program does not build them
# again.
#
# LEADERELECTION_SERVERS_CACHE   where the folders live; default ${XDG_CACHE_HOME:-$HOME/.cache}/leaderelection/servers
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd -- "$here"

case ${1-} in
'' | --print) ;;
*)
    echo "usage: build.sh [--print]" >&2
    exit 2
    ;;
esac

# Static, stripped and free of paths and revisions: the same sources give the same bytes in any checkout.
build_flags='-trimpath -buildvcs=false'
linker_flags='-s -w'
export CGO_ENABLED=0 GOWORK=off

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}

# The hash over the files that programs are made of, in the folders named.
key() {
    {
        echo "$build_flags $linker_flags $(uname -sm)"
        find "$@" -type f \( -name go.mod -o -name go.sum -o -name '*.go' ! -name '*_test.go' \) |
            LC_ALL=C sort |
            while IFS= read -r file; do sha256 "$file"; done
    } | sha256 | cut -c 1-20
}

cache=${LEADERELECTION_SERVERS_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set; set LEADERELECTION_SERVERS_CACHE}/.cache}/leaderelection/servers}
mkdir -p -- "$cache"
cache=$(CDPATH='' cd -- "$cache" && pwd)
folder=$cache/$(key .)
servers=$cache/servers-$(key go.mod go.sum cmd/etcd cmd/kube-apiserver common/lifeline)
old_etcd=$cache/etcd-3.5-$(key etcd-3.5 common/lifeline)

# Says what it does and how long that took, and runs the command with its output on standard error.
step() {
    headline=$1
    shift
    began=$(date +%s)
    echo "build.sh: $headline" >&2
    "$@" >&2
    echo "build.sh: $headline: done in $(($(date +%s) - began)) s" >&2
}

compile() {
    # shellcheck disable=SC2086 # the flags are several words
    go build $build_flags -ldflags "$linker_flags" -o "$half/" "$@"
}

# Makes `half` the folder $1 by one rename: that is there complete or not at all. If another build was faster, its
# result is the same.
publish() {
    chmod 755 "$half"
    if ! mv -T -- "$half" "$1" 2>/dev/null; then
        if [ ! -d "$1" ]; then
            echo "build.sh: cannot move the programs to $1" >&2
            exit 1
        fi
        rm -rf -- "$half"
    fi
    half=''
}

half=''
begin() { half=$(mktemp -d "$cache/.building.XXXXXX"); }

if [ "${1-}" != --print ] && [ ! -d "$folder" ]; then
    if ! command -v go >/dev/null; then
        echo "build.sh: no \`go\` on PATH; building the test servers takes the Go version that tests/servers/go.mod names" >&2
        exit 1
    fi
    # Leftovers of builds that were killed.
    find "$cache" -maxdepth 1 -name '.building.*' -mtime +0 -exec rm -rf {} +
    trap '[ -z "$half" ] || rm -rf -- "$half"' EXIT
    trap 'exit 1' HUP INT TERM

    if [ ! -d "$servers" ]; then
        begin
        step 'etcd and kube-apiserver (the first time 137 MB of modules, then 5 to 10 minutes on two cores)' \
            compile ./cmd/etcd ./cmd/kube-apiserver
        publish "$servers"
    fi
    if [ ! -d "$old_etcd" ]; then
        begin
        cd etcd-3.5
        step 'etcd 3.5 (the first time a minute or two)' compile .
        cd -- "$here"
        publish "$old_etcd"
    fi

    begin
    step "what runs today's client-go, and etcd's Go client, and the judge of histories" \
        compile ./cmd/contender-lease ./cmd/client-go-faults ./cmd/contender-etcd ./cmd/histories
    cd contender-0.23
    step 'the contender on client-go v0.23.17, the last with the locks on Endpoints and ConfigMaps' compile .
    cd -- "$here/etcdutl"
    step 'etcdutl, which restores snapshots' compile go.etcd.io/etcd/etcdutl/v3
    cd -- "$here/promtool"
    step 'promtool, and what reads dashboards by the schema of Grafana (the first time two or three minutes)' \
        compile -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool ./dashboard
    cd -- "$here"
    # The same files by another name, not copies: all folders are in the cache.
    ln -- "$servers"/* "$old_etcd"/* "$half/"
    publish "$folder"
fi

echo "$folder"
