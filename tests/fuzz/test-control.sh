#!/bin/sh
# A target that compares nothing would hold for every input: this one must see one wrong octet.
seed=${srcdir:-.}/tests/fuzz/seeds/callbacks/plain
replay=tests/fuzz/replay-callbacks
HOLDFAST_FUZZ_DIR=$(mktemp -d) || exit 1
export HOLDFAST_FUZZ_DIR
trap 'rm -rf "$HOLDFAST_FUZZ_DIR"' EXIT

$replay "$seed" >/dev/null || { echo "$replay does not hold for $seed"; exit 1; }
said=$(HOLDFAST_FUZZ_CONTROL=1 $replay "$seed" 2>&1) && { echo "$replay did not see a wrong octet"; exit 1; }
case $said in
  *"the message has"*"and differs at"*) ;;
  *) echo "$replay ended without naming the difference: $said"; exit 1 ;;
esac
