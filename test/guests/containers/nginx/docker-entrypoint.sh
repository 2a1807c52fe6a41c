#!/bin/sh
# Sets things up and becomes the server, as the entrypoint of the official nginx image does.
set -eu

if [ "$1" = nginx ]; then
    find /docker-entrypoint.d -follow -type f -name '*.sh' | sort | while read -r script; do
        echo "$0: running $script"
        . "$script"
    done
fi
exec "$@"
