#!/usr/bin/env python3
"""A second opinion on the protocol: miltertest's scripts drive libmilter's do-nothing filters and Holdfast."""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import lab, tap  # noqa: E402
from lib.holdfast import Filter, build_dir, exists  # noqa: E402
from lib.tap import Skip, equal, expect  # noqa: E402

CONTROL = "control"
SCRIPTS = sorted(path.stem for path in HERE.glob("*.lua") if path.stem not in ("common", CONTROL))
# Records a script leaves in an empty journal.
RECORDS = {"aborts": 1, "large": 1, "lost-connections": 1, "messages": 3, "old-protocol": 1}


def miltertest(script, socket):
    """Runs a script.  Returns its exit status and its words."""
    argv = ["miltertest", "-D", f"socket=unix:{socket}", "-D", f"dir={HERE}", "-s", str(HERE / f"{script}.lua")]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=120, check=False)
    except FileNotFoundError:
        raise Skip("miltertest is not installed") from None
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace").strip()


def expect_held(script, socket):
    equal(miltertest(script, socket), (0, "held"), script)


def nothing_case(script, options):
    def case():
        with lab.Lab("miltertest") as place:
            socket = place.dir / "nothing.sock"
            argv = [str(build_dir() / "tests" / "bench" / "filter-nothing"), "-s", f"unix:{socket}", *options]
            place.defer(place.spawn(argv, place.dir / "log").kill)  # libmilter takes seconds over SIGTERM
            tap.wait_for(socket.exists, 10, "the filter to listen")
            expect_held(script, socket)
    return case


def holdfast_case(script):
    def case():
        if not exists():
            raise Skip("holdfast-milter is not built")
        with lab.Lab("miltertest") as place:
            place.dir.chmod(0o777)
            user = {} if lab.is_root() else {"user": None}
            under_test = Filter(place, place.dir / "holdfast.sock", **user).start()
            place.defer(under_test.kill)
            expect_held(script, under_test.socket_path)
            under_test.stop()
            expect(not under_test.sanitizer_report(), under_test.sanitizer_report())
            if exists("holdfast"):
                equal(len(under_test.records()), RECORDS[script], "records in the journal")
                equal(under_test.verify()[0], 0, "status of verify")
    return case


def control_case():
    """The control has to fail, and to say why."""
    with lab.Lab("miltertest") as place:
        socket = place.dir / "nothing.sock"
        argv = [str(build_dir() / "tests" / "bench" / "filter-nothing"), "-s", f"unix:{socket}"]
        place.defer(place.spawn(argv, place.dir / "log").kill)
        tap.wait_for(socket.exists, 10, "the filter to listen")
        status, words = miltertest(CONTROL, socket)
        expect(status != 0, "a script that must fail ended with 0")
        expect("answered continue, not discard" in words, f"it does not say why: {words}")


def main():
    lab.raise_on_signals()
    cases = [("control: a failure is seen", control_case)]
    for script in SCRIPTS:
        cases += [(f"{script}: libmilter, replies", nothing_case(script, [])),
                  (f"{script}: libmilter, no replies", nothing_case(script, ["-n"])),
                  (f"{script}: Holdfast", holdfast_case(script))]
    return tap.main(cases)


if __name__ == "__main__":
    sys.exit(main())
