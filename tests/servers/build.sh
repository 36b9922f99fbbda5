#!/bin/sh
# Builds the servers that the tests run (every ./cmd/* of this Go module) once, into a cache folder outside the
# repository. The last line of standard output is that folder; all else goes to standard error.
#
#   build.sh           builds unless the folder is there
#   build.sh --print   only says which folder it is, built or not
#
# The folder is named after a hash of go.mod, go.sum, the Go sources and the build flags: what is there is never
# stale, and a checkout that goes back in time finds its old servers again.
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
build_server_flags='-trimpath -buildvcs=false'
linker_flags='-s -w'
export CGO_ENABLED=0 GOWORK=off

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}

key=$({
    echo "$build_server_flags $linker_flags $(uname -sm)"
    find . -type f \( -name go.mod -o -name go.sum -o -name '*.go' ! -name '*_test.go' \) |
        LC_ALL=C sort |
        while IFS= read -r file; do sha256 "$file"; done
} | sha256 | cut -c 1-20)

cache=${LEADERELECTION_SERVERS_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set; set LEADERELECTION_SERVERS_CACHE}/.cache}/leaderelection/servers}
mkdir -p -- "$cache"
cache=$(CDPATH='' cd -- "$cache" && pwd)
folder=$cache/$key

if [ "${1-}" != --print ] && [ ! -d "$folder" ]; then
    if ! command -v go >/dev/null; then
        echo "build.sh: no \`go\` on PATH; building the test servers takes the Go version that tests/servers/go.mod names" >&2
        exit 1
    fi
    # Leftovers of builds that were killed.
    find "$cache" -maxdepth 1 -name '.building.*' -mtime +0 -exec rm -rf {} +
    half=$(mktemp -d "$cache/.building.XXXXXX")
    trap 'rm -rf -- "$half"' EXIT
    trap 'exit 1' HUP INT TERM

    echo "build.sh: building the test servers into $folder (minutes the first time)" >&2
    # shellcheck disable=SC2086 # the flags are several words
    go build $build_server_flags -ldflags "$linker_flags" -o "$half/" ./cmd/... >&2
    chmod 755 "$half"

    # One rename: the folder is there complete or not at all. If another build was faster, its result is the same.
    if ! mv -T -- "$half" "$folder" 2>/dev/null && [ ! -d "$folder" ]; then
        echo "build.sh: cannot move the servers to $folder" >&2
        exit 1
    fi
fi

echo "$folder"
