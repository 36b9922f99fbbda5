#!/bin/sh
# Mutation testing of the core crate: every mutant is met by the tests that are fast for its file, and what survives by those that
# are slow. Wants cargo-mutants (27.1) and a clean tree, because it edits the files in place and restores them; takes an hour or
# so of two cores. The results are below target/mutants; docs/PROOF.md says what is left and why.
set -eu
cd "$(dirname "$0")/.."
git diff --quiet HEAD || { echo "commit first: files are edited in place" >&2; exit 1; }

# cargo-mutants ends with 2 where a mutant survives, and with 3 where one hangs: both are results.
mutants() {
    cargo mutants --in-place --no-shuffle --baseline skip --timeout 60 --build-timeout 300 --package leaderelection "$@" || [ $? -le 3 ]
}

# --cargo-arg, because cargo-mutants gives what follows -- to `cargo test` alone, and would build every test.
fast="--cargo-arg=--config=profile.dev.package.leaderelection.opt-level=0"
# The broken variants are mutated with the rest, so they have to be compiled. The tests' own package always does.
variants="--features unsound-variants"
core=crates/leaderelection/src
mutants --output target/mutants/machine --file "$core/*.rs" --file "$core/election/*" --exclude "$core/election/normalise.rs" $variants $fast \
    --cargo-arg=--test=election --cargo-arg=--test=values --cargo-arg=--test=timing --cargo-arg=--test=record --cargo-arg=--test=clock
mutants --output target/mutants/normalise --file "$core/election/normalise.rs" $variants --cargo-arg=--test=normalise
mutants --output target/mutants/elector --file "$core/elector/*" --test-package leaderelection-tests \
    --cargo-arg=--test=elector

# What is only a check's: its own tests, of the survivors alone.
mutants --output target/mutants/machine --iterate --file "$core/*.rs" --file "$core/election/*" \
    --exclude "$core/election/normalise.rs" --test-package leaderelection-tests --cargo-arg=--test=variants

for pass in machine normalise elector; do
    echo "$pass: still missed"
    cat "target/mutants/$pass/mutants.out/missed.txt"
done
