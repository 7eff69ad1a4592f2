#!/bin/sh
# Promise: see check.  Run by make check, from the top of the build tree.
command -v python3 >/dev/null 2>&1 || exit 77
exec python3 "${srcdir:-.}/tests/corpus/check" ./milter/holdfast "${srcdir:-.}/tests/corpus"
