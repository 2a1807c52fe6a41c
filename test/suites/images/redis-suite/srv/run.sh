#!/bin/sh
# run.sh MODULE: runs it where the suite finds the programs that it tests, and where it may write.
set -e
mkdir -p /tmp/redis/src
cp -r /srv/tests /srv/redis.conf /tmp/redis
for program in server cli benchmark check-aof check-rdb sentinel; do
  ln -s "/usr/bin/redis-$program" "/tmp/redis/src/redis-$program"
done
cd /tmp/redis
exec tclsh tests/test_helper.tcl --single "$1" --clients 1 --tags "-slow -large-memory"
