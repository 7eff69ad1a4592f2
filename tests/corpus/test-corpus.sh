#!/bin/sh
# Promise: see check and check-verb.  Run by make check, from the top of the
# build tree.
command -v python3 >/dev/null 2>&1 || exit 77
here=${srcdir:-.}/tests/corpus
failed=0
python3 "$here/check" ./milter/holdfast "$here" || failed=1
python3 "$here/check-verb" ./milter/holdfast "$here" || failed=1
exit $failed
