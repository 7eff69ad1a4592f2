#!/bin/sh
# Promise: the sample file, the manual and the list of events say what the
# tables say, and the manuals are well formed.
#
# Run by make check, from the top of the build tree.
set -u

srcdir=${srcdir:-.}
made=$(mktemp) || exit 99
trap 'rm -f "$made"' EXIT
failed=0

compare ()
{
  ./milter/base/parameters-doc "$1" >"$made" || exit 99
  if ! diff -u "$srcdir/$2" "$made"
  then
    echo "FAIL: $2 is not what the tables say: run 'make refresh-docs' and look at the change"
    failed=1
  fi
}

# Which other manuals the machine has is of no interest here.
lint ()
{
  mandoc -Tlint "$1" 2>/dev/null | grep -v 'referenced manual not found' >"$made"
  if test -s "$made"
  then
    cat "$made"
    echo "FAIL: $1 is not well formed"
    failed=1
  fi
}

compare --sample doc/milter.conf.sample
compare --man doc/milter.conf.5
compare --events doc/EVENTS

if command -v mandoc >/dev/null 2>&1
then
  for page in "$srcdir"/doc/*.[0-9]
  do
    lint "$page"
  done
else
  echo "mandoc is not here: the manuals were not looked at"
fi
exit $failed
