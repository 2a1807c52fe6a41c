#!/bin/sh
# run.sh PACKAGE LIMIT: runs its tests where they expect to be run, in the package's folder. They are not the first process, which
# leads a session: a terminal that a test opens would become its own.
cd "/srv/src/$1" && "/srv/tests/$1.test" -test.v -test.short -test.timeout "$2"
