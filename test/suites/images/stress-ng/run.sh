#!/bin/sh
# run.sh BEGINNING: runs the stressors whose names begin so, a second each. Lines: "@STATUS STRESSOR", "@end" at the end.
for stressor in $(stress-ng --stressors); do
  case $stressor in
  "$1"*)
    timeout --kill-after=5 60 stress-ng "--$stressor" 1 --timeout 1s --temp-path /tmp
    echo "@$? $stressor"
    ;;
  esac
done
echo @end
