#!/bin/sh
# Takes options alone as the server's, as the entrypoint of the official memcached image does.
set -eu

case "$1" in
-*) set -- memcached "$@" ;;
esac
exec "$@"
