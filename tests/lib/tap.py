"""tap.py - expectations, and their report in the Test Anything Protocol

A case is a function that returns when it holds and raises when it does not.
Neighbours: suite.py runs the cases of the integration tests.
"""
import sys
import time
import traceback


# Where builds and other tests compute meanwhile and the disk is another's too, what takes a second may take many.
# A wait that ends well costs nothing more.
PATIENCE = 3


class Failure(AssertionError):
    """A test saw something else than it must see."""


class Skip(Exception):
    """A case that this machine can't run; its text says why."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def equal(got, want, what):
    if got != want:
        raise Failure(f"{what}: got {shorten(got)}, want {shorten(want)}")


def shorten(value, limit=400):
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def wait_for(condition, limit, what, pause=0.02):
    """Calls condition() until it gives something true, and returns that.

    limit is in seconds on a machine that has nothing else to do; after PATIENCE times as long, Failure."""
    limit *= PATIENCE
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failure(f"waited {limit:g} s in vain: {what}")
        time.sleep(pause)


def wait_end(process, limit, what):
    """Until a process ends, as wait_for(); what: that it ends.  Returns its status."""
    wait_for(lambda: process.poll() is not None, limit, what)
    return process.returncode


class Report:
    """Prints a plan and a line for each case, each the moment it is known."""

    def __init__(self, count, out=sys.stdout):
        self.out = out
        self.number = 0
        self.failed = 0
        self._print(f"1..{count}")

    def _print(self, line):
        print(line, file=self.out, flush=True)

    def comment(self, text):
        for line in text.splitlines():
            self._print("# " + line.encode("utf-8", "backslashreplace").decode())

    def passed(self, name, seconds):
        self.number += 1
        self._print(f"ok {self.number} - {name} ({seconds:.1f} s)")

    def skipped(self, name, reason):
        self.number += 1
        self._print(f"ok {self.number} - {name} # SKIP {reason}")

    def broken(self, name, text):
        self.number += 1
        self.failed += 1
        self._print(f"not ok {self.number} - {name}")
        self.comment(text)

    def run(self, name, case, on_failure=None):
        """Runs one case; on_failure() gives more lines for the report."""
        begun = time.monotonic()
        try:
            case()
        except Skip as reason:
            self.skipped(name, str(reason))
        except Exception as error:  # whatever a case raises is its failure, and the next case still runs
            lines = [explain(error)]
            if on_failure is not None:
                lines.append(on_failure())
            self.broken(name, "\n".join(lines))
        else:
            self.passed(name, time.monotonic() - begun)


def explain(error):
    frames = traceback.extract_tb(error.__traceback__)
    where = "\n".join(f"  {frame.filename}:{frame.lineno} {frame.line}" for frame in frames[1:])
    return f"{type(error).__name__}: {error}\n{where}"


def skip_all(reason):
    print(f"1..0 # SKIP {reason}", flush=True)


def main(cases):
    """For scripts without an MTA: cases are (name, function).  Returns the exit status."""
    report = Report(len(cases))
    for name, case in cases:
        report.run(name, case)
    return 1 if report.failed else 0
