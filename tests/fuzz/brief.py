#!/usr/bin/env python3
"""Each fuzz target runs from its seeds for some seconds and reports nothing; with a defect on purpose, it does.

With tests/run --long for ten minutes each, and from another beginning each time.  README tells of longer runs."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import lab, tap  # noqa: E402
from lib.holdfast import build_dir  # noqa: E402
from lib.tap import equal, expect  # noqa: E402

IS_LONG = os.environ.get("HOLDFAST_LONG") == "1"
SECONDS = 600 if IS_LONG else 6
LIMIT = SECONDS + 300          # the seeds come first, however long they take
TARGETS = ("callbacks", "config", "log", "record")
OPTIONS = ("-max_len=4096", "-detect_leaks=0", "-entropic=0", "-print_final_stats=1", "-timeout=60")


def fuzz(place, target, *options, control=False):
    """Runs a target on a copy of its seeds, which it adds to.  Returns its exit status and its words."""
    own = place.subdir(f"{target}-{'control' if control else 'run'}")
    corpus = own / "corpus"
    shutil.copytree(HERE / "seeds" / target, corpus)
    dictionary = HERE / f"{target}.dict"
    words = [f"-dict={dictionary}"] if dictionary.exists() else []
    done = subprocess.run([str(build_dir() / "tests" / "fuzz" / f"fuzz-{target}"), *OPTIONS, *words, *options,
                           f"-artifact_prefix={own}/", str(corpus)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT, check=False,
                          env=os.environ | {"HOLDFAST_FUZZ_CONTROL": "1"} if control else None)
    found = [f"{path.name}: {path.read_bytes()!r}" for path in own.glob("*-*") if path.is_file()]
    return done.returncode, done.stdout.decode("utf-8", "replace"), found


def tail(said):
    return "\n".join(said.splitlines()[-60:])


def run_case(place, target):
    def case():
        start = [] if IS_LONG else ["-seed=1"]
        status, said, found = fuzz(place, target, f"-max_total_time={SECONDS}", *start)
        equal(status, 0, f"status; it was given {found}\n{tail(said)}\n")
        tried = int(re.search(r"number_of_executed_units: (\d+)", said).group(1))
        seeds = len(list((HERE / "seeds" / target).iterdir()))
        covered = re.findall(r"cov: (\d+)", said)[-1]
        print(f"# {target}: {tried} inputs, {seeds} of them seeds, {covered} edges covered, 0 crashes", flush=True)
        expect(tried > 2 * seeds, f"only {tried} inputs were tried")
    return case


def control_case(place, target):
    def case():
        status, said, found = fuzz(place, target, "-runs=1000", control=True)
        expect(status != 0 and found, f"a defect on purpose was not reported\n{tail(said)}")
    return case


def main():
    lab.raise_on_signals()
    with lab.Lab("fuzz") as place:
        os.environ["HOLDFAST_FUZZ_DIR"] = str(place.subdir("spool"))
        cases = [(f"{target}: {SECONDS} s", run_case(place, target)) for target in TARGETS]
        cases += [(f"{target}: a defect on purpose is reported", control_case(place, target)) for target in TARGETS]
        return tap.main(cases)


if __name__ == "__main__":
    sys.exit(main())
