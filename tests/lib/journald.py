"""journald.py - a systemd journal with the MTA's log in it, in real journal files

systemd-journal-remote makes them from the export format, as entries come.
The trusted fields, which journald itself would have set, are set here.
"""
import re
import subprocess
import threading
import time


MAKER = "/lib/systemd/systemd-journal-remote"
BOOT = "5f5d0a1b7c3e4f60812233445566778f"
LINE = re.compile(r"\w{3} [ \d]\d [\d:]{8} (?P<host>\S+) (?P<name>[^\[: ]+)\[(?P<pid>\d+)\]: (?P<text>.*)")


def program_of(name):
    """The MTA's program that logs under this name."""
    if name.startswith("postfix"):
        return f"/usr/lib/postfix/sbin/{name.rpartition('/')[2]}"
    return "/usr/libexec/sendmail/sendmail"


class SystemJournal:
    def __init__(self, lab, name):
        self.dir = lab.subdir(name)
        self._files = 0
        self._maker = None
        self._ended = threading.Event()
        self._thread = None
        self._lock = threading.Lock()      # the test adds lines, too
        self.rotate()
        lab.defer(self.stop)

    def rotate(self):
        """Entries go to a new file from here on."""
        with self._lock:
            self._end_file()
            self._files += 1
            self._maker = subprocess.Popen([MAKER, f"--output={self.dir}/{self._files:04}.journal", "-"],
                                           stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _end_file(self):
        if self._maker is not None:
            self._maker.stdin.close()
            self._maker.wait(20)
            self._maker = None

    def add(self, line, uid="0", program=None):
        """One entry, of a line as a log file has it; by the MTA, or by whom it is said."""
        found = LINE.fullmatch(line)
        if not found:
            return
        with self._lock:
            fields = {"__REALTIME_TIMESTAMP": time.time_ns() // 1000, "__MONOTONIC_TIMESTAMP": time.monotonic_ns() // 1000,
                      "_BOOT_ID": BOOT, "_HOSTNAME": found["host"], "_PID": found["pid"], "_UID": uid,
                      "_EXE": program or program_of(found["name"]), "SYSLOG_IDENTIFIER": found["name"],
                      "SYSLOG_PID": found["pid"], "MESSAGE": found["text"]}
            self._maker.stdin.write("".join(f"{name}={value}\n" for name, value in fields.items()).encode() + b"\n")
            self._maker.stdin.flush()

    def feed(self, log, begin):
        """Adds what the log file gets from offset begin on, until stop()."""
        self._thread = threading.Thread(target=self._feed, args=(log, begin))
        self._thread.start()

    def _feed(self, log, begin):
        with open(log, "rb") as lines:
            lines.seek(begin)
            rest = b""
            while True:
                ended = self._ended.is_set()
                rest += lines.read()
                *whole, rest = rest.split(b"\n")
                for line in whole:
                    self.add(line.decode("utf-8", "replace"))
                if ended:
                    return
                self._ended.wait(0.05)

    def stop(self):
        """Once all is in that the log has now."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._end_file()
