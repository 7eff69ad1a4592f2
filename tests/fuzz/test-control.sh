#!/bin/sh
# A target that compares nothing would hold for every input: each must see what is spoilt for it.
seeds=${srcdir:-.}/tests/fuzz/seeds
HOLDFAST_FUZZ_DIR=$(mktemp -d) || exit 1
export HOLDFAST_FUZZ_DIR
trap 'rm -rf "$HOLDFAST_FUZZ_DIR"' EXIT

# TARGET SEED WHAT-IT-MUST-SAY
control ()
{
  replay=tests/fuzz/replay-$1
  $replay "$seeds/$1/$2" >/dev/null || { echo "$replay does not hold for $2"; exit 1; }
  said=$(HOLDFAST_FUZZ_CONTROL=1 $replay "$seeds/$1/$2" 2>&1) && { echo "$replay did not see what is wrong"; exit 1; }
  case $said in
    *$3*) ;;
    *) echo "$replay ended without naming the difference: $said"; exit 1 ;;
  esac
}

control callbacks plain "and differs at"
control record whole "or they differ"
control config small "has another value"
control log postfix "assertion failed (sum == rows)"
