#!/usr/bin/env python3
"""contrib/try shows what it says, leaves a host to play with when asked to, and in the end nothing at all."""
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import lab, tap  # noqa: E402
from lib.lab import TOP, run  # noqa: E402
from lib.tap import equal, expect, wait_for  # noqa: E402

LIMIT_S = 90   # on a machine that does nothing else
SHOWN = ("1,000 recipients", "20 MB", "null sender", "addresses and headers in UTF-8", "parts and an attachment")
SAID = ("452 4.3.1 try again later: no room on spool HF-205 ", "status=deferred", "messages arrived by the sender's own retry",
        " 0 torn, 0 damaged", "HF-601 error: mail lost", "It keeps running")


def traces(place):
    """What is left of a tour's directory on this machine."""
    found = [line for line in pathlib.Path("/proc/mounts").read_text().splitlines() if place in line]
    found += [line for line in run(["losetup", "-a"]).stdout.decode().splitlines() if place in line]
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue  # it has ended meanwhile
        if place in words:
            found.append(words)
    return found + ([place] if pathlib.Path(place).exists() else [])


def tour():
    begun = time.monotonic()
    said = run([TOP / "contrib" / "try", "--keep"], timeout=600).stdout.decode()
    took = time.monotonic() - begun
    place, stop = re.search(r"((/tmp/holdfast-try-\w+)/stop)    # ends it all", said).group(2, 1)
    try:
        for name in SHOWN:
            expect(re.search(rf"^ +{re.escape(name)} .* arrived +the same octets$", said, re.M), f"'{name}' is not shown: {said}")
        for text in SAID:
            expect(text in said, f"no '{text}' in: {said}")
        play(said)
        # a busy machine takes longer, and an idle one shows how long it is
        print(f"# the tour took {took:.0f} s", flush=True)
        expect(took < LIMIT_S or lab.is_busy(), f"the tour took {took:.0f} s")
    finally:
        run([stop], timeout=60)
    wait_for(lambda: not traces(place), 20, f"everything to be gone: {traces(place)}")


def play(said):
    """The commands that it prints do what they say."""
    send = re.search(r"^ +(echo .*sendmail .*)$", said, re.M).group(1)
    listing = re.search(r"^ +(\S+/holdfast -c \S+ list)$", said, re.M).group(1)
    before = run(["sh", "-c", listing]).stdout.count(b"\n")
    run(["sh", "-c", send])
    wait_for(lambda: run(["sh", "-c", listing]).stdout.count(b"\n") == before + 1, 20, "the message that is sent in play")
    equal(run(["sh", "-c", listing.replace(" list", " verify")], check=False).returncode, 0, "status of verify")


def main():
    if not lab.is_root():
        tap.skip_all("a private Postfix needs root")
        return 0
    lab.raise_on_signals()
    return tap.main([("the tour", tour)])


if __name__ == "__main__":
    sys.exit(main())
