# Takes up a new certificate, as a container beside certbot does, and whatever else is asked for by a file.
while sleep 0.5; do
    for signal in reload quit; do
        if [ -e "/srv/www/upload/$signal" ]; then
            rm "/srv/www/upload/$signal"
            nginx -s "$signal"
        fi
    done
done &
