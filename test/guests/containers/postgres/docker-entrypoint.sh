#!/bin/bash
# Makes a database cluster when there is none and becomes the server, in the manner of the official postgres image.
set -Eeo pipefail

export PATH="$PATH:/usr/lib/postgresql/15/bin" PGDATA=/var/lib/postgresql/data

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 700 "$PGDATA"
    chown -R postgres "$PGDATA" /var/run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$BASH_SOURCE" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username=postgres --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --auth-host=scram-sha-256 --encoding=UTF8 --no-locale --no-sync
    printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
    sed -i "s/^#listen_addresses = .*/listen_addresses = '*'/" "$PGDATA/postgresql.conf"
fi
exec "$@"
