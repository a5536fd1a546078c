#!/usr/bin/env bash
# A Postgres of one's own for tests and benches: in a folder, on a Unix socket, reached by no network.
#
#   eval "$(adapters-sql/postgres.sh start)"     # sets AUTH_TEST_POSTGRES and AUTH_TEST_POSTGRES_FOLDER
#   cargo test -p adapters-sql --all-features
#   adapters-sql/postgres.sh stop "$AUTH_TEST_POSTGRES_FOLDER"
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

start() {
    local bin folder
    bin=$(programs)
    folder=${1:-$(mktemp -d)}
    mkdir -p "$folder"
    [ "$(id -u)" != 0 ] || chown postgres "$folder"
    cd "$folder"
    as_its_user "$bin/initdb" --pgdata="$folder/data" --username=auth --auth=trust \
        --encoding=UTF8 --no-locale >"$folder/initdb.log"
    as_its_user "$bin/pg_ctl" --pgdata="$folder/data" --log="$folder/postgres.log" --wait start \
        --options="-c listen_addresses= -c unix_socket_directories=$folder -c max_connections=200" >/dev/null
    echo "export AUTH_TEST_POSTGRES='postgres://auth@localhost/postgres?host=$folder'"
    echo "export AUTH_TEST_POSTGRES_FOLDER='$folder'"
}

stop() {
    local bin
    bin=$(programs)
    cd "$1"
    as_its_user "$bin/pg_ctl" --pgdata="$1/data" --mode=immediate --wait stop >/dev/null || true
    rm -rf "$1"
}

case "${1:-}" in
start) start "${2:-}" ;;
stop) stop "${2:?which folder}" ;;
*)
    echo 'usage: postgres.sh start [FOLDER] | stop FOLDER' >&2
    exit 2
    ;;
esac
