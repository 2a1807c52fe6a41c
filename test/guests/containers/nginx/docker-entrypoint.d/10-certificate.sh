openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj "/CN=localhost" \
    -keyout /etc/nginx/server.key -out /etc/nginx/server.crt 2>/dev/null
chmod 600 /etc/nginx/server.key
