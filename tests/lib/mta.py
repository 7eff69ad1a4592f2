"""mta.py - what a scenario may ask of an MTA, whichever it is

Postfix and Sendmail are Mta.  An instance is private: its own directory,
port, queue and log, below the scratch directory of a Lab.
"""
import os
import pathlib
import signal

from .client import Client
from .lab import is_alive, wait_gone
from .tap import wait_for


class Mta:
    name = None            # as in paths of tests: postfix, sendmail
    type = None            # as in [mta] type
    offers = frozenset()   # what messages and scenarios may need: EHLO keywords, and LARGE HEADERS, of above 64 KiB
    down_reply = None      # code and enhanced code at MAIL while the filter is down
    dies_reply = None      # the same where the filter dies at end-of-message

    def __init__(self, lab, sink_port):
        self.lab = lab
        self.sink_port = sink_port
        self.dir = lab.subdir(self.name)
        self.log = self.dir / "mail.log"
        self.socket = self.dir / "socket" / "milter.sock"

    def client(self, **options):
        return Client(self.port, **options)

    # what a scenario may change, until restore()

    def attach(self, where):
        """The filter is asked at another place, as inet:PORT@HOST."""
        raise NotImplementedError

    def fail_open(self):
        """Mail passes unfiltered while the filter is down: what no site should have."""
        raise NotImplementedError

    def be_impatient(self):
        """Gives a filter that hangs up within ten seconds or so."""
        raise NotImplementedError

    def offer_less(self):
        """Offers no DSN and no SMTPUTF8."""
        raise NotImplementedError

    def restore(self):
        """Takes back what a scenario changed in the configuration."""
        raise NotImplementedError

    def pid_file(self):
        raise NotImplementedError

    def pid(self):
        """The daemon's pid, or None where it does not run."""
        try:
            pid = int(self.pid_file().read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return None
        return pid if is_alive(pid) else None

    def end(self, number=signal.SIGTERM, limit=15):
        """Ends the daemon, and its children with SIGKILL where it does not end in time."""
        pid = self.pid()
        if pid is None:
            return
        os.kill(pid, number)
        try:
            wait_gone(pid, limit)
        except AssertionError:
            os.kill(pid, signal.SIGKILL)
            wait_gone(pid, limit)

    def wait_queue_empty(self, limit=60):
        def empty():
            self.flush()
            return not self.queue()
        wait_for(empty, limit, f"the queue of {self.name} to empty: {self.queue()}", pause=0.2)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_tail(self, count=25):
        return "\n".join(self.log_text().splitlines()[-count:])


def make_socket_dir(path, user, group_id):
    """The directory of the milter's socket: the filter makes the socket, the MTA goes through."""
    path.parent.mkdir()
    os.chown(path.parent, user, group_id)
    path.parent.chmod(0o750)


def write_lines(path, *lines):
    pathlib.Path(path).write_text("".join(f"{line}\n" for line in lines))
