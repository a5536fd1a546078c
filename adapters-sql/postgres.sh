#!/usr/bin/env bash
# A Postgres of one's own for tests and benches: in a folder, on a Unix socket, reached by no network.
#
#   eval "$(adapters-sql/postgres.sh start)"     # sets AUTH_TEST_POSTGRES and AUTH_TEST_POSTGRES_FOLDER
#   cargo test -p adapters-sql --all-features
#   adapters-sql/postgres.sh stop "$AUTH_TEST_POSTGRES_FOLDER"
#
# For tests of what a crash leaves, `crash FOLDER` ends its processes without a word, and `resume FOLDER`
# starts it again, which recovers what was committed.
#
# Needs the server's programs (Debian: apt-get install postgresql), in the PATH or where Debian has them.
set -euo pipefail

programs() {
    local folder
    for folder in "$(dirname "$(command -v initdb || echo /nowhere/initdb)")" /usr/lib/postgresql/*/bin; do
        if [ -x "$folder/initdb" ] && [ -x "$folder/pg_ctl" ]; then
            echo "$folder"
            return
        fi
    done
    echo 'no initdb: install Postgres (Debian: apt-get install postgresql)' >&2
    return 1
}

# Postgres refuses to run as root.
as_its_user() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
    else
        "$@"
    fi
}

serve() { # programs, folder
    as_its_user "$1/pg_ctl" --pgdata="$2/data" --log="$2/postgres.log" --wait start \
        --options="-c listen_addresses= -c unix_socket_directories=$2 -c max_connections=200" >/dev/null
}

start() {
    local bin folder
    bin=$(programs)
    folder=${1:-$(mktemp -d)}
    mkdir -p "$folder"
    [ "$(id -u)" != 0 ] || chown postgres "$folder"
    cd "$folder"
    as_its_user "$bin/initdb" --pgdata="$folder/data" --username=auth --auth=trust \
        --encoding=UTF8 --no-locale >"$folder/initdb.log"
    serve "$bin" "$folder"
    echo "export AUTH_TEST_POSTGRES='postgres://auth@localhost/postgres?host=$folder'"
    echo "export AUTH_TEST_POSTGRES_FOLDER='$folder'"
}

stop() {
    local bin
    bin=$(programs)
    [ -f "$1/data/PG_VERSION" ] || { echo "no database in $1" >&2; return 1; }
    cd "$1"
    as_its_user "$bin/pg_ctl" --pgdata="$1/data" --mode=immediate --wait stop >/dev/null || true
    rm -rf "$1"
}

crash() {
    # The others end by themselves when the first is gone.
    kill -KILL "$(head -n 1 "$1/data/postmaster.pid")"
}

resume() {
    local bin tries
    bin=$(programs)
    cd "$1"
    # It does not start while a process of the one before is left.
    for tries in {1..100}; do
        if serve "$bin" "$1" 2>/dev/null; then
            return
        fi
    done
    echo "does not start again after $tries tries: $1/postgres.log" >&2
    return 1
}

case "${1:-}" in
start) start "${2:-}" ;;
stop) stop "${2:?which folder}" ;;
crash) crash "${2:?which folder}" ;;
resume) resume "${2:?which folder}" ;;
*)
    echo 'usage: postgres.sh start [FOLDER] | stop FOLDER | crash FOLDER | resume FOLDER' >&2
    exit 2
    ;;
esac
