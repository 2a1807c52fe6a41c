#!/bin/sh
# Starts PHP-FPM beside nginx and becomes nginx, as images that have both do.
set -e

if [ "$1" = nginx ]; then
    ln -sf /dev/stdout /var/log/nginx/access.log
    ln -sf /dev/stderr /var/log/nginx/error.log
    ln -sf /dev/stderr /var/log/php8.2-fpm.log
    mkdir -p /run/php
    php-fpm8.2 --daemonize
fi
exec "$@"
