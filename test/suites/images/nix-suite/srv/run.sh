#!/bin/sh
# run.sh PROGRAM LIMIT: runs its tests one after the other. Some signal their whole process group, which timeout makes.
timeout --kill-after=5 "$2" "/srv/$1" --test-threads=1
