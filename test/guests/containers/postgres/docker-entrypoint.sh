#!/bin/bash
# Gives the database cluster to the server's user and becomes the server, in the manner of the official postgres image.
set -Eeo pipefail

export PATH="$PATH:/usr/lib/postgresql/15/bin" PGDATA=/var/lib/postgresql/data

if [ "$(id -u)" = 0 ]; then
    mkdir -p /var/run/postgresql
    chmod 775 /var/run/postgresql
    chmod 700 "$PGDATA"
    find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$BASH_SOURCE" "$@"
fi

exec "$@"
