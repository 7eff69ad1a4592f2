#!/bin/sh
# Promise: make install puts what a machine needs where the GNU directories
# say, below DESTDIR only, hardened unless it was configured otherwise; make
# uninstall takes all of it away.
#
# Run by make check, from the top of the build tree.
set -u

# What a sanitizer's build makes is installed by nobody.
grep -q '^SANITIZE_FLAGS = *$' Makefile || exit 0

unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR
place=$(mktemp -d) || exit 99
trap 'rm -rf "$place"' EXIT
failed=0

fail ()
{
  echo "FAIL: $*"
  failed=1
}

# Beside them are the documents, as many as there are.
expected='/etc/holdfast/milter.conf.sample
/usr/bin/holdfast
/usr/sbin/holdfast-auditor
/usr/sbin/holdfast-milter
/usr/share/man/man1/holdfast.1
/usr/share/man/man5/milter.conf.5
/usr/share/man/man8/holdfast-auditor.8
/usr/share/man/man8/holdfast-milter.8'

make_with ()
{
  make -s "$1" DESTDIR="$place" prefix=/usr exec_prefix=/usr sysconfdir=/etc localstatedir=/var >"$place.log" 2>&1 || {
    cat "$place.log"
    fail "make $1: status $?"
  }
  rm -f "$place.log"
}

installed ()
{
  (cd "$place" && find . -type f | sed 's/^\.//' | LC_ALL=C sort)
}

# has PROGRAM PATTERN WHAT, in what readelf says of it
has ()
{
  readelf -hldW --dyn-syms "$place/usr/$1" 2>/dev/null | grep -q "$2" || fail "$1 is built without $3"
}

make_with install
found=$(installed | grep -v '^/usr/share/doc/')
test "$found" = "$expected" || fail "installed is
$found"
for document in README NEWS COPYING DESIGN EVENTS FACTS FORMAT FORMAT-BOOKS
do
  test -s "$place/usr/share/doc/holdfast/$document" || fail "$document is not installed"
done

if grep -q '^HARDEN_CFLAGS = .*-fstack-protector' Makefile && command -v readelf >/dev/null 2>&1
then
  for program in bin/holdfast sbin/holdfast-auditor sbin/holdfast-milter
  do
    has $program 'Type: *DYN' 'PIE'
    has $program 'GNU_RELRO' 'RELRO'
    has $program 'BIND_NOW\|Flags:.* NOW' 'immediate binding'
    has $program '__stack_chk_fail' 'the stack protector'
    has $program '__[a-z]*printf_chk' 'FORTIFY'
  done
fi

make_with uninstall
test -z "$(installed)" || fail "make uninstall leaves
$(installed)"
exit $failed
