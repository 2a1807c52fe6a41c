#!/bin/sh
# run.sh PACKAGE LIMIT: runs its tests where they expect to be run, in the package's folder.
cd "/srv/src/$1" && exec "/srv/tests/$1.test" -test.v -test.short -test.timeout "$2"
