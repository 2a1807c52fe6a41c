mkdir -p /srv/www/upload /srv/www/.parts
chown -R www-data:www-data /srv/www
ln -sf /dev/stdout /var/log/nginx/access.log
ln -sf /dev/stderr /var/log/nginx/error.log
