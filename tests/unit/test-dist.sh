#!/bin/sh
# Promise: a release holds every file of the tree, and nothing that was built
# from them but what a release is built with.
#
# Run by make check, from the top of the build tree.
set -u

# What a sanitizer's build makes is installed by nobody.
grep -q '^SANITIZE_FLAGS = *$' Makefile || exit 0

unset MAKEFLAGS MFLAGS MAKELEVEL
srcdir=${srcdir:-.}
place=$(mktemp -d) || exit 99
release=release.tmp
trap 'chmod -R u+w "$release" 2>/dev/null; rm -rf "$place" "$release"' EXIT
failed=0

# Not the repository around a release that is unpacked in one, as make distcheck does.
test -e "$srcdir/.git" && git -c safe.directory='*' -C "$srcdir" ls-files >"$place/all" 2>/dev/null || {
  echo "no git here: there is nothing to compare a release with"
  exit 0
}
# What is tracked and was removed is no file of the tree; ignore lists are git's own.
while read -r file
do
  test -e "$srcdir/$file" && echo "$file"
done <"$place/all" | grep -v '\.gitignore$' | LC_ALL=C sort >"$place/tracked"

make -s distdir distdir="$release" top_distdir="$release" >"$place/log" 2>&1 || {
  cat "$place/log"
  echo "FAIL: make distdir"
  exit 1
}
(cd "$release" && find . -type f | sed 's/^\.\///' | LC_ALL=C sort) >"$place/released"

# told FILE WHAT: fails for each line there is
told ()
{
  if test -s "$1"
  then
    sed "s/^/FAIL: $2: /" "$1"
    failed=1
  fi
}

LC_ALL=C comm -23 "$place/tracked" "$place/released" >"$place/lacks"
LC_ALL=C comm -13 "$place/tracked" "$place/released" \
  | grep -v '^build-aux/\|^Makefile\.in$\|^aclocal\.m4$\|^config\.h\.in$\|^configure$' >"$place/more"
told "$place/lacks" 'not in a release'
told "$place/more" 'in a release, and not of the tree'
exit $failed
