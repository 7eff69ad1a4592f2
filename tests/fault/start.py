#!/usr/bin/env python3
"""A configuration with an error stops the start, with file, line and reason, and touches nothing (P2)."""
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import lab, tap  # noqa: E402
from lib.holdfast import USER, Filter, program  # noqa: E402
from lib.lab import Lab, run  # noqa: E402
from lib.storage import tree  # noqa: E402
from lib.tap import equal, expect  # noqa: E402

USAGE_OR_CONFIGURATION = 2
NOT_YET = r"/nonexistent/milter\.sock"  # a service manager makes the directory at the start: -t does not ask for it

# name; text put in place of the key's line, or after it; the key whose line it is; what the error has to say
FILES = [
    ("an unknown key", "sockett = unix:/nowhere\n", "+socket", r"unknown key.*sockett|sockett.*unknown"),
    ("an unknown section", "[mitler]\n", "+directory", r"unknown section.*mitler|mitler.*unknown"),
    ("a doubled key", "commit_limit = 10s\ncommit_limit = 20s\n", "+socket", r"commit_limit.*(twice|doubled|again|already)"),
    ("a line that is neither key nor section", "no equals sign here\n", "+socket", r"no equals sign|neither|not a"),
    ("a wrong unit of time", "commit_limit = 10 parsecs\n", "+socket", r"commit_limit"),
    ("no number at all", "commit_limit = soon\n", "+socket", r"commit_limit"),
    ("a time out of bounds", "commit_limit = 1h\n", "+socket", r"commit_limit.*(240|4 ?min)"),
    ("a negative time", "commit_limit = -1s\n", "+socket", r"commit_limit"),
    ("a wrong unit of size", "segment_size = 4 bushels\n", "=segment_size", r"segment_size"),
    ("a size out of bounds", "segment_size = 1K\n", "=segment_size", r"segment_size.*64"),
    ("a number that is too large for any machine", "segment_size = 99999999999999999999G\n", "=segment_size",
     r"segment_size"),
    ("neither yes nor no", "write_ahead = perhaps\n", "+segment_size", r"write_ahead"),
    ("a mode that is none", "socket_mode = 0999\n", "=socket_mode", r"socket_mode"),
    ("a share above the whole", "[pressure]\nspace_stop = 101%\n", "+directory", r"space_stop"),
    ("a socket of no known kind", "socket = carrier-pigeon:coop\n", "=socket", r"socket"),
    ("a socket path that is too long", f"socket = unix:/{'x' * 200}\n", "=socket", r"socket"),
    ("a relative socket path", "socket = unix:milter.sock\n", "=socket", r"socket"),
    ("a socket in a directory that is not there", "socket = unix:/nonexistent/milter.sock\n", "=socket",
     NOT_YET),
    ("a TCP socket that is not on loopback", "socket = inet:10025@192.0.2.1\n", "=socket", r"loopback|allow_remote"),
    ("a TCP port that is none", "socket = inet:70000@127.0.0.1\n", "=socket", r"socket"),
    ("a user that is not there", "user = nobody-by-that-name\n", "=user", r"nobody-by-that-name"),
    ("a group that is not there", "socket_group = nobody-by-that-name\n", "=socket_group", r"nobody-by-that-name"),
    ("a spool that is not there", "directory = /nonexistent/spool\n", "=directory", r"/nonexistent/spool"),
    ("a spool that is a file", "directory = @FILE@\n", "=directory", r"not a directory|Not a directory"),
    ("a relative spool", "directory = spool\n", "=directory", r"directory"),
    ("an unknown target of events", "log_to = smoke\n", "=log_to", r"smoke"),
    ("a log that is no place", "[mta]\nlog = mail.log\n", "+directory", r"mail\.log.*file:"),
    ("a log with a relative path", "[mta]\nlog = file:mail.log\n", "+directory", r"mail\.log.*file:"),
]


def edited(made, text, where):
    """The file with the text in place of (=) or after (+) a key's line, and the text's line number.

    Where the text holds several lines the error is in the last."""
    rows = made.config.read_text().splitlines(keepends=True)
    at = next(n for n, row in enumerate(rows) if row.startswith(where[1:] + " "))
    if where[0] == "=":
        rows[at] = text
    else:
        rows.insert(at + 1, text)
    whole = "".join(rows)
    return whole, whole[:whole.index(text) + len(text)].count("\n")


def refuses(made, reason, line=None, argv=(), test=False):
    """Status 2, the file, the line where there is one, and the reason; the spool as it was."""
    before = tree(made.spool)
    result = run([*argv, program("holdfast-milter"), "-c", made.config, *(["-t"] if test else [])], check=False, timeout=20)
    said = (result.stdout + result.stderr).decode("utf-8", "replace")
    equal(result.returncode, USAGE_OR_CONFIGURATION, f"exit status; it said: {said}")
    expect(str(made.config) in said, f"the file is not named: {said}")
    if line is not None:
        expect(re.search(rf"{re.escape(str(made.config))}:{line}\b", said), f"line {line} is not named: {said}")
    expect(re.search(reason, said), f"no {reason!r} in: {said}")
    equal(tree(made.spool), before, "spool after a start that failed")
    expect(not made.socket_path.exists(), "a start that failed left its socket")


class Starts:
    def __init__(self, place):
        self.lab = place
        self.count = 0

    def filter(self):
        self.count += 1
        socket_path = self.lab.subdir(f"socket-{self.count}", 0o777) / "milter.sock"
        return Filter(self.lab, socket_path, name=f"holdfast-{self.count}")

    def file_case(self, text, where, reason):
        made = self.filter()
        ordinary = made.dir / "file"
        ordinary.write_text("")
        whole, line = edited(made, text.replace("@FILE@", str(ordinary)), where)
        made.config.write_text(whole)
        refuses(made, reason, line)
        if reason != NOT_YET:
            refuses(made, reason, line, test=True)

    def missing_file(self):
        made = self.filter()
        made.config.unlink()
        refuses(made, "No such file")

    def unreadable_file(self):
        made = self.filter()
        made.config.chmod(0o600)
        refuses(made, "[Pp]ermission", argv=["setpriv", f"--reuid={USER}", "--clear-groups"])

    def directory_as_file(self):
        made = self.filter()
        made.config.unlink()
        made.config.mkdir()
        refuses(made, "directory")

    def octets_that_are_no_text(self):
        made = self.filter()
        made.config.write_bytes(made.config.read_bytes() + b"[pressure]\nspace_stop = \xff\xfe\0\n")
        refuses(made, r"UTF-8|NUL|text|space_stop")

    def spool_of_another(self):
        made = self.filter()
        os.chown(made.spool, 0, 0)
        refuses(made, r"belong|owner", line=self.line_of(made, "directory"))

    def spool_that_can_not_be_entered(self):
        made = self.filter()
        made.spool.chmod(0)
        refuses(made, r"[Pp]ermission|mode", line=self.line_of(made, "directory"))

    @staticmethod
    def line_of(made, key):
        rows = made.config.read_text().splitlines()
        return next(n for n, row in enumerate(rows, 1) if row.startswith(f"{key} "))

    def test_option(self):
        """-t says the same of the same file, and starts nothing where there is no error."""
        made = self.filter()
        good = run([program("holdfast-milter"), "-c", made.config, "-t"], check=False)
        equal(good.returncode, 0, f"status of -t; it said {good.stderr}")
        expect(not made.socket_path.exists() and not list(made.spool.iterdir()), "-t made something")
        made.write_config(milter__commit_limit="never")
        bad = run([program("holdfast-milter"), "-c", made.config, "-t"], check=False)
        equal(bad.returncode, USAGE_OR_CONFIGURATION, "status of -t with an error")
        expect(f"{made.config}:" in bad.stderr.decode(), f"file and line are not named: {bad.stderr}")

    @staticmethod
    def unknown_option():
        result = run([program("holdfast-milter"), "--no-such-option"], check=False)
        equal(result.returncode, USAGE_OR_CONFIGURATION, "status")
        expect(b"no-such-option" in result.stderr, f"the option is not named: {result.stderr}")


def main():
    if not lab.is_root():
        tap.skip_all("the filter changes its user, which needs root")
        return 0
    lab.raise_on_signals()
    with Lab("start") as place:
        starts = Starts(place)
        cases = [(name, lambda row=row: starts.file_case(*row)) for name, *row in FILES]
        cases += [("the file is missing", starts.missing_file),
                  ("the file can't be read", starts.unreadable_file),
                  ("the file is a directory", starts.directory_as_file),
                  ("octets that are no text", starts.octets_that_are_no_text),
                  ("a spool that belongs to another", starts.spool_of_another),
                  ("a spool that can't be entered", starts.spool_that_can_not_be_entered),
                  ("-t only looks", starts.test_option),
                  ("an unknown option", starts.unknown_option)]
        return tap.main(cases)


if __name__ == "__main__":
    sys.exit(main())
