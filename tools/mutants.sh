#!/bin/sh
# Mutation testing of the core crate: every mutant is met by the tests that are fast for its file, and what survives by those that
# are slow. Wants cargo-mutants (27.1) and a clean tree, because it edits the files in place and restores them; takes more than an
# hour of two cores. The results are below target/mutants; docs/PROOF.md says what is left and why.
#
# Arguments are given to cargo-mutants, such as `--in-diff FILE` for what has changed alone.
set -eu
cd "$(dirname "$0")/.."
git diff --quiet HEAD || { echo "commit first: files are edited in place" >&2; exit 1; }
# A property that fails is not searched for its smallest case, nor kept.
export PROPTEST_MAX_SHRINK_ITERS=0
trap 'rm -f crates/leaderelection/tests/*.proptest-regressions' EXIT

given=$*

# A name for the results, the seconds after which a test hangs, and what to mutate and to test. cargo-mutants ends with 2 where a
# mutant survives and with 3 where one hangs: both are results.
mutants() {
    name=$1 seconds=$2
    shift 2
    mkdir -p "target/mutants/$name"
    # shellcheck disable=SC2086 # several words
    cargo mutants $given --in-place --no-shuffle --baseline skip --build-timeout 300 --timeout "$seconds" \
        --package leaderelection --output "target/mutants/$name" "$@" || case $? in 2 | 3) ;; *) return 1 ;; esac
}

# --cargo-arg, because cargo-mutants gives what follows -- to `cargo test` alone, and would build every test.
fast="--cargo-arg=--config=profile.dev.package.leaderelection.opt-level=0"
# The broken variants are mutated with the rest, so they have to be compiled. The tests' own package always does.
variants="--features unsound-variants"
core=crates/leaderelection/src
machine() {
    seconds=$1
    shift
    mutants machine "$seconds" --file "$core/*.rs" --file "$core/election/*" --exclude "$core/election/normalise.rs" \
        --exclude "$core/closed.rs" "$@"
}

machine 20 $variants $fast --cargo-arg=--lib --cargo-arg=--test=election --cargo-arg=--test=values --cargo-arg=--test=timing \
    --cargo-arg=--test=record --cargo-arg=--test=clock --cargo-arg=--test=shared_watch
mutants normalise 300 --file "$core/election/normalise.rs" $variants --cargo-arg=--test=shift \
    --cargo-arg=--test=normalise
mutants elector 120 --file "$core/elector/*" --test-package leaderelection --test-package leaderelection-tests \
    --cargo-arg=--lib --cargo-arg=--test=elector --cargo-arg=--test=interleavings --cargo-arg=--test=leadership_threads
mutants config 30 --file "$core/config/*" --features clap,metrics $fast --cargo-arg=--lib --cargo-arg=--test=config
mutants timing 30 --file "$core/timing/*" --features clap,metrics,unsound-variants $fast --cargo-arg=--lib \
    --cargo-arg=--test=timing --cargo-arg=--test=config --cargo-arg=--test=election
mutants moving 120 --file "$core/moving/*" --file "$core/closed.rs" --test-package leaderelection \
    --test-package leaderelection-tests --cargo-arg=--lib --cargo-arg=--test=elector

# What is only a check's, by the checks' own tests. Where a world no longer ends, it hangs.
# shellcheck disable=SC2086 # several words
forgetting() {
    mutants forgetting 120 --no-config --file "$core/election/attempts.rs" --file "$core/election/normalise.rs" \
        --re 'Attempts::(coarsen|forget_dead|sort)' --re 'Election::forget' --test-package leaderelection-tests \
        --cargo-arg=--test=model -- -- sound_with_answers sound_with_old_states sound_with_rewritten
}
forgetting
machine 300 --iterate $variants --cargo-arg=--test=normalise
machine 300 --iterate --test-package leaderelection-tests --cargo-arg=--test=variants

for name in machine normalise elector config timing moving forgetting; do
    echo "$name: still missed"
    cat "target/mutants/$name/mutants.out/missed.txt"
done
