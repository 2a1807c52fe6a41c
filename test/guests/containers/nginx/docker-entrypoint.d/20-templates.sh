for template in /etc/nginx/templates/*.template; do
    output=/etc/nginx/conf.d/$(basename "$template" .template)
    envsubst '${GREETING} ${PORT}' < "$template" > "$output"
    echo "$template has become $output"
done
sed -i 's/^\(\s*\)# server_tokens off;/\1server_tokens off;/' /etc/nginx/nginx.conf
