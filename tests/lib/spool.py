"""spool.py - a spool whose journal is written by hand, and the command on it

For tests of the command that need no filter and no mail server.  Neighbours:
segment.py writes the segments, holdfast.py knows the command.
"""
import os
import pty
import subprocess

from .holdfast import Filter, program
from .tap import expect, wait_end, wait_for


class Spool(Filter):
    """Segments and a configuration; the filter is never started."""

    def __init__(self, place, name, settings=None):
        super().__init__(place, place.dir / "no.sock", name=name, user=None, settings=settings)
        self.journal = self.spool / "journal"

    def save(self, *segments, **options):
        return [segment.save(self.journal, **options) for segment in segments]

    def acts(self):
        return sorted((self.spool / "acts").glob("*.act"))

    def states(self):
        """{id: {address: state}} of what list says."""
        return {record["id"]: {one["address"]: one["state"] for one in record["recipients"]} for record in self.records()}

    def ask(self, answer, *words, meanwhile=None):
        """Runs the command on a terminal and answers its question, after something else was done meanwhile.  Returns
        the status and what stood on it."""
        controller, terminal = pty.openpty()
        try:
            argv = [program("holdfast"), "-c", self.config, *words]
            process = subprocess.Popen([str(word) for word in argv], stdin=terminal, stdout=terminal,
                                       stderr=terminal, close_fds=True)
            os.close(terminal)
            said = bytearray()
            wait_for(lambda: b"[yes/no]" in read_more(controller, said), 20, "the command to ask")
            if meanwhile is not None:
                meanwhile()
            os.write(controller, answer.encode() + b"\n")
            status = wait_end(process, 20, "the command to end")
            read_more(controller, said)
        finally:
            os.close(controller)
        return status, said.decode("utf-8", "replace")


def read_more(controller, said):
    """Adds what a terminal has to what it had; an error is its end."""
    os.set_blocking(controller, False)
    try:
        said += os.read(controller, 65536)
    except (BlockingIOError, OSError):
        return said
    return said


def whole(result, status, what):
    """Expects a status of a command, and returns what it printed and what it complained of."""
    said = result.stderr.decode("utf-8", "replace")
    expect(result.returncode == status, f"{what}: status {result.returncode}, want {status}: {said}")
    return result.stdout.decode("utf-8", "replace"), said
