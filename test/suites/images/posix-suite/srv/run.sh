#!/bin/sh
# run.sh MODULE: runs its tests one after the other. Lines: "@STATUS TEST", "@end" at the end.
for test in "/srv/tests/$1"/*; do
  # Some signal their whole process group, which timeout makes.
  (cd /tmp && exec timeout --kill-after=5 120 "$test" </dev/null)
  echo "
@$? ${test##*/}"
done
echo @end
