#!/usr/bin/env bash
# The second command of the README, and all that CI runs: sets up what the tests need, builds the real servers, checks
# format, lints and documentation with warnings denied, and runs every test.
#
# Debian packages that are missing are installed when this runs as root; otherwise it says which, and fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Everything is built once: what would make building it again faster is several gigabytes.
export CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0}

headline='' since=0
finished() {
    if [[ -n $headline ]]; then
        printf -- '--- %s: %d s\n' "$headline" $((SECONDS - since))
    fi
}
step() {
    finished
    headline=$1 since=$SECONDS
    printf '\n=== %s\n' "$headline"
}
at_exit() {
    local status=$?
    if ((status != 0)); then
        printf -- '\n--- FAILED (%d) after %d s in: %s\n' "$status" $((SECONDS - since)) "$headline" >&2
    fi
}
trap at_exit EXIT
fail() {
    printf 'tests/run.sh: %s\n' "$@" >&2
    exit 1
}

step 'What the tests need'
missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)
# OpenSSL: for the feature openssl-tls of leaderelection-kube, which all features together include.
pkg-config --exists openssl 2>/dev/null || missing+=(pkg-config libssl-dev)
# For counting the instructions of the machine's steps.
command -v valgrind >/dev/null || missing+=(valgrind)
# git and certificates: for modules that Go fetches from their own repositories when no proxy has them.
command -v git >/dev/null || missing+=(git)
[[ -e /etc/ssl/certs/ca-certificates.crt || ! -e /etc/debian_version ]] || missing+=(ca-certificates)

# Go is judged by whether it accepts the module: old ones refuse its `go` line, newer ones fetch the toolchain it names.
go_wanted=$(sed -n 's/^go //p' tests/servers/go.mod)
go_serves() { (cd tests/servers && GOWORK=off go list -m) >/dev/null 2>&1; }
can_install() { ((EUID == 0)) && command -v apt-get >/dev/null; }
if ! command -v go >/dev/null; then
    if can_install; then apt-get update -qq; fi
    offered=$(apt-cache policy golang-go 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9]*:\)\{0,1\}//p') || offered=''
    if [[ -n $offered && $offered != '(none)' ]] && dpkg --compare-versions "$offered" ge "${go_wanted%.0}"; then
        missing+=(golang-go)
    else
        fail "Go $go_wanted or newer is required to build the test servers (tests/servers/go.mod), and there is none on PATH." \
            "This system's packages offer ${offered:-none}. Install Go from https://go.dev/dl/ and run this again."
    fi
fi
if ((${#missing[@]})); then
    if ! can_install; then
        fail "missing packages: ${missing[*]}" 'Install them (this script does it when run as root on Debian) and run this again.'
    fi
    echo "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
go_serves || fail "Go $go_wanted or newer is required to build the test servers; $(go version 2>&1) does not accept tests/servers/go.mod:" \
    "$( (cd tests/servers && GOWORK=off go list -m) 2>&1 || true)"

command -v cargo >/dev/null || fail 'cargo is not on PATH. Install Rust from https://rustup.rs and run this again.'
for component in rustfmt clippy; do
    if ! cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1; then
        command -v rustup >/dev/null || fail "cargo has no $component: install that component of your Rust toolchain and run this again."
        rustup component add "$component"
    fi
done
cargo --version
go version
# It takes some 8 GB.
df -h .

step 'Real servers'
LEADERELECTION_SERVERS=$(tests/servers/build.sh | tail -n 1)
export LEADERELECTION_SERVERS
ls -l "$LEADERELECTION_SERVERS"

step 'Format'
cargo fmt --all -- --check

step 'Lints'
cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

step 'Documentation'
RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --all-features

step 'Tests, and the examples in the documentation'
cargo test --locked --workspace --all-features

step 'Tests of the core as it ships: no unsound variants'
cargo test --locked --package leaderelection

step 'Tests of the Kubernetes lock with its default features: ring alone'
cargo test --locked --package leaderelection-kube

step 'Tests of the command without its features (what `cargo demo` builds)'
cargo test --locked --package leaderelection-cli --no-default-features

for feature in etcd kube; do
    step "Tests of the command with $feature alone"
    cargo test --locked --package leaderelection-cli --no-default-features --features "$feature"
done

finished
du -sh "${CARGO_TARGET_DIR:-target}"
printf '\n=== All passed in %d s\n' "$SECONDS"
