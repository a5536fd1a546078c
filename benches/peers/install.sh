#!/usr/bin/env bash
# Installs the peers that `peers` and `sql_sessions` measure, at the versions of their lock files: npm's and PyPI's
# beside their programs, those of crates.io in target/peers. Needs node, npm and python3 with venv; what cannot be
# installed is said, and left out of the measurement. Alone: `install.sh better-auth`.
set -uo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
target="$(realpath -m "${CARGO_TARGET_DIR:-$here/../../target}")/peers"
cd "$here"

npm_peer() {
    # npm writes this file last.
    [ "$1/node_modules/.package-lock.json" -nt "$1/package-lock.json" ] ||
        npm ci --silent --no-fund --no-audit --prefix "$1"
}

python_peer() {
    [ -x "$1/venv/bin/pip" ] || python3 -m venv "$1/venv" || return 1
    "$1/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$1/requirements.txt"
}

rust_peer() {
    CARGO_TARGET_DIR="$target" cargo build --quiet --release --locked --manifest-path "$1/Cargo.toml"
}

install() {
    case "$1" in
        better-auth) npm_peer "$1" ;;
        fastapi-users | django-allauth) python_peer "$1" ;;
        axum-login | rustauth | torii) rust_peer "$1" ;;
        *) false ;;
    esac || printf 'not installed: %s\n' "$1" >&2
}

[ $# -gt 0 ] || set -- better-auth fastapi-users django-allauth axum-login rustauth torii
for peer; do
    install "$peer"
done
