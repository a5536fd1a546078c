#!/usr/bin/env bash
# Builds the Lambda program by several profiles, one after the other, and measures all of them in one
# interleaved run of the bench cold_start. Takes an hour on two cores.
#
#   lambda-entry/benches/profiles.sh [NAME ...]      these of the profiles below, else all
#   AUTH_BENCH_ROUNDS=40 ...                         rounds of the bench (20)
#
# Programs are kept in target/profiles/NAME, and not built again while they are there; what they were built from
# is removed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p "${CARGO_TARGET_DIR:-target}/profiles"
profiles="$(cd "${CARGO_TARGET_DIR:-target}/profiles" && pwd)"
export CARGO_INCREMENTAL=0
# As deploy.sh builds it.
export AWS_LC_SYS_NO_JITTER_ENTROPY=1

# opt-level of our own crates, opt-level of all others but those that Cargo.toml names, lto.
declare -A settings=(
    [3-thin]='3 3 "thin"'
    [3-fat]='3 3 "fat"'
    [deps-s-fat]='3 "s" "fat"'
    [deps-s-thin]='3 "s" "thin"'
    [deps-z-fat]='3 "z" "fat"'
    [s-fat]='"s" "s" "fat"'
)
names=("$@")
((${#names[@]})) || names=(3-thin 3-fat deps-s-fat deps-s-thin deps-z-fat s-fat)

candidates=''
for name in "${names[@]}"; do
    program="$profiles/$name/bootstrap"
    if ! [[ -x "$program" ]]; then
        [[ -n "${settings[$name]:-}" ]] || { echo "there is no profile $name: ${!settings[*]}" >&2; exit 1; }
        read -r ours others lto <<<"${settings[$name]}"
        echo "building $name: opt-level $ours, that of others $others, lto $lto"
        nice -n 10 cargo build --quiet --locked --target-dir "$profiles/build" --profile lambda \
            --config "profile.lambda.opt-level=$ours" --config "profile.lambda.package.\"*\".opt-level=$others" \
            --config "profile.lambda.lto=$lto" -p lambda-entry --bin bootstrap
        mkdir -p "$profiles/$name"
        cp "$profiles/build/lambda/bootstrap" "$program"
    fi
    candidates+=",$name=$program"
done
rm -rf "$profiles/build"

AUTH_BENCH_BOOTSTRAPS="${candidates#,}" cargo bench --locked --profile lambda -p lambda-entry --bench cold_start -- \
    "${AUTH_BENCH_ROUNDS:-20}"
