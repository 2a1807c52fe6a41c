#!/bin/bash
# Gives the data folder to the server's user and becomes it, as the entrypoint of the official redis image does.
set -e

if [[ $1 == redis-server && $(id -u) == 0 ]]; then
    find /var/lib/redis \! -user redis -exec chown redis '{}' +
    exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
fi

mask="$(umask)"
if [[ $mask == 0022 ]]; then
    umask 0077
fi
echo "starting redis as $(id -un), with ${#@} arguments"
exec "$@"
