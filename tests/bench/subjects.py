"""subjects.py - what is measured: filters, each started and ended the same way

A subject has a name, and start(place, socket) that gives its process, listening.
Used by measure.py.
"""
import itertools
import os
import pathlib
import re

from lib import holdfast, milter, tap
from lib.lab import end_process

NUMBERS = itertools.count(1)    # of directories
OPENDKIM = "/usr/sbin/opendkim"


class Subject:
    name = None

    def start(self, place, socket):
        """Starts on a unix socket; the process once it takes connections."""
        raise NotImplementedError

    def rest(self):
        """Waits until it has nothing to do; not needed by one that only answers."""

    def end(self, process):
        process.kill()  # nothing here has mail to finish, and libmilter takes seconds over SIGTERM
        process.wait(20)


class Nothing(Subject):
    """libmilter with callbacks that do nothing."""

    def __init__(self, name, *options):
        self.name = name
        self.options = options

    def start(self, place, socket):
        program = holdfast.build_dir() / "tests" / "bench" / "filter-nothing"
        process = place.spawn([str(program), "-s", f"unix:{socket}", *self.options],
                              place.dir / f"{self.name.replace(' ', '-')}.log", umask=0)
        tap.wait_for(lambda: milter.is_listening(socket), 10, f"{self.name} to listen")
        return process


class OpenDkim(Subject):
    """A filter of the kind that sites run: reads all, verifies, here without a signature to verify."""

    name = "opendkim"

    def start(self, place, socket):
        config = place.dir / "opendkim.conf"
        config.write_text("Mode v\nSyslog no\nAutoRestart no\nInternalHosts 192.0.2.9\n"
                          f"Socket local:{socket}\nUMask 0\n")
        process = place.spawn([OPENDKIM, "-f", "-x", str(config)], place.dir / "opendkim.log", umask=0)
        tap.wait_for(lambda: milter.is_listening(socket), 10, "opendkim to listen")
        return process


SEGMENT = 64 * 1024 * 1024
SPARES = 4


class Holdfast(Subject):
    """The filter, on an empty spool each time unless it is given one.

    It is at rest when it is measured, with all of its spares, as after a time
    without mail; with one spare it has to make the next while mail comes, as
    after a burst of more mail than the others hold.
    """

    def __init__(self, name="Holdfast", parent=None, spool=None, spares=SPARES, settings=None):
        self.name = name
        self.parent = parent    # where spools are made; None: in the scratch directory
        self.spool = spool
        self.spares = spares
        self.settings = {"journal.segment_size": SEGMENT, "journal.spares": spares} | (settings or {})
        self.filter = None

    def make(self, place, socket):
        name = f"{self.name.lower().replace(' ', '-')}-{os.getpid()}-{next(NUMBERS)}"
        spool = self.spool or (pathlib.Path(self.parent or place.dir) / f"spool-{name}")
        user = holdfast.USER if os.geteuid() == 0 else None
        return holdfast.Filter(place, socket, name=name, spool=spool, user=user, settings=self.settings)

    def start(self, place, socket):
        self.filter = self.make(place, socket).start(limit=120)
        return self.filter.process

    def rest(self):
        """Waits until nothing is left to do before the first message."""
        last = self.filter.spool / "journal" / f"spare-{self.spares}"
        tap.wait_for(lambda: self.spares == 1 or (last.exists() and last.stat().st_size == SEGMENT), 60, f"{last} to be there")
        os.sync()

    def end(self, process):
        end_process(process, 60)
        if self.spool is None:
            place_free(self.filter.spool)


def place_free(spool):
    """Removes a spool that a run has filled."""
    for path in sorted(spool.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    spool.rmdir()


def cpu_seconds(pid):
    """Processor time that a process and its threads have used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory(pid):
    """The most resident memory a process has had, in octets."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024
