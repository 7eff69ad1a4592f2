"""holdfast.py - the filter and the command under test

A Filter is one configuration and one spool, and the process that runs on
them; it may be stopped, killed and started again.  What it says is read from
its standard error as events, what it holds through the command `holdfast`.
The binaries are those of the directory in HOLDFAST_BUILD.
"""
import dataclasses
import json
import os
import pathlib
import pwd
import re
import shutil
import signal

from . import build
from .lab import halted, run
from .tap import Failure, expect, wait_end, wait_for

STARTED, STOPPING, STOPPED = "HF-101", "HF-102", "HF-103"
USER = "nobody"          # whom the filter becomes when the tests run as root
MTA_GROUP = "postfix"    # who may write to its socket


def build_dir():
    return build.current()


def program(name):
    return build_dir() / "milter" / name


@dataclasses.dataclass(frozen=True)
class Event:
    code: str
    level: str
    text: str
    fields: dict
    line: str


def parse_event(line):
    """An event from its line, or None where the line is none."""
    found = re.fullmatch(r"(HF-\d{3}) (\w+): (.*?)(?:; (\w+=.*))?", line)
    if not found:
        return None
    code, level, text, pairs = found.groups()
    fields = {}
    for name, quoted, bare in re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', pairs or ""):
        fields[name] = quoted or bare
    return Event(code, level, text, fields, line)


class Filter:
    def __init__(self, lab, socket_path, *, name="holdfast", spool=None, user=USER, settings=None):
        """settings: {"section.key": value} over those that every test has."""
        self.lab = lab
        self.dir = lab.subdir(name)
        self.socket_path = pathlib.Path(socket_path)
        self.user = user
        self.spool = pathlib.Path(spool) if spool else self.dir / "spool"
        self.settings = {"milter.socket": f"unix:{self.socket_path}", "milter.socket_mode": "0660",
                         "milter.log_to": "stderr", "spool.directory": str(self.spool),
                         "journal.segment_size": "4M"}
        if user:
            self.settings |= {"milter.user": user, "milter.socket_group": MTA_GROUP}
        self.settings |= settings or {}
        self.config = self.dir / "milter.conf"
        self.log = self.dir / "filter.log"
        self.environment = None  # of the process; None: that of the test
        self.prefix = []  # a program that runs it
        self.process = None
        self._seen = 0  # octets of the log that earlier runs wrote
        self.make_spool()
        self.write_config()

    def make_spool(self):
        self.spool.mkdir(exist_ok=True)
        self.spool.chmod(0o750)
        if self.user:
            shutil.chown(self.spool, self.user)

    def write_config(self, **changes):
        """Writes the file anew; changes are section__key=value, None takes a key out."""
        for name, value in changes.items():
            key = name.replace("__", ".")
            if value is None:
                self.settings.pop(key, None)
            else:
                self.settings[key] = value
        sections = {}
        for key, value in self.settings.items():
            section, _, name = key.partition(".")
            sections.setdefault(section, []).append(f"{name} = {value}\n")
        self.config.write_text("".join(f"[{section}]\n{''.join(rows)}" for section, rows in sections.items()))

    # life

    def launch(self, **options):
        """Starts the process and returns at once."""
        options.setdefault("env", self.environment)
        self._seen = self.log.stat().st_size if self.log.exists() else 0
        argv = [*self.prefix, program("holdfast-milter"), "-c", self.config]
        self.process = self.lab.spawn([str(word) for word in argv], self.log, cwd="/", **options)
        return self

    def start(self, limit=20, **options):
        """Starts the process and waits until it takes mail."""
        self.launch(**options)
        self.wait_event(STARTED, limit)
        return self

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def term(self):
        self.process.send_signal(signal.SIGTERM)

    def reload(self):
        self.process.send_signal(signal.SIGUSR1)

    def wait(self, limit=40):
        """The exit status, once the process has ended."""
        return wait_end(self.process, limit, "the filter to end")

    def stop(self, limit=40):
        """Stops in order, and expects it to be in order."""
        if not self.is_running():
            return
        self.term()
        status = self.wait(limit)
        expect(status == 0, f"the filter ended with status {status}: {self.log_tail()}")

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stopped(self):
        """It does nothing at all within the block, as if it hung."""
        return halted(self.process)

    def set_limit(self, what, soft):
        """Lowers or lifts a soft limit, by its name for prlimit(1), of the process that runs."""
        who = {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []} if self.user else {}
        run(["prlimit", "--pid", self.process.pid, f"--{what}={soft}:"], **who)

    def restart(self):
        self.stop()
        self.start()

    # what it says

    def events(self, code=None):
        """Events of the present run, all or of one kind."""
        if not self.log.exists():
            return []
        with open(self.log, "rb") as log:
            log.seek(self._seen)
            lines = log.read().decode("utf-8", "replace").splitlines()
        events = [event for event in map(parse_event, lines) if event]
        return [event for event in events if code in (None, event.code)]

    def wait_event(self, code, limit=20, count=1):
        """The count-th event of a kind, as soon as it is there."""
        def found():
            events = self.events(code)
            if len(events) >= count:
                return events[count - 1]
            if self.process.poll() is not None and code != STOPPED:
                raise Failure(f"the filter ended with status {self.process.returncode} before {code}: "
                              + self.log_tail())
            return None
        return wait_for(found, limit, f"event {code}; the filter said: {self.log_tail()}")

    def sanitizer_report(self, count=60):
        """The first lines of what a sanitizer reported, in any run; empty where none did."""
        if not self.log.exists():
            return ""
        lines = self.log.read_text(errors="replace").splitlines()
        first = next((n for n, line in enumerate(lines) if any(report in line for report in build.REPORTS)), None)
        return "" if first is None else "\n".join(lines[first:first + count])

    def log_tail(self, count=15):
        if not self.log.exists():
            return "(nothing)"
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-count:])

    # what it holds

    def command(self, *words, check=True, reader=None, **options):
        """Runs `holdfast`, of the build under test or of the one given."""
        return run([reader or program("holdfast"), "-c", self.config, *words], check=check, **options)

    def records(self, *words):
        output = self.command("list", "--json", *words, reader=quick_reader()).stdout
        return [json.loads(line) for line in output.splitlines()]

    def living(self):
        """The records of what was not refused after all."""
        return [record for record in self.records() if not is_void(record)]

    def octets(self, identity):
        return self.command("show", identity, reader=quick_reader()).stdout

    def all_octets(self):
        """{id: octets} of every copy that is whole, void ones too."""
        target = self.dir / "exported"
        try:
            self.command("export", "--format", "eml", "--output", target, "--include-void", reader=quick_reader(),
                         check=False)  # 1 where a copy is not whole
            return {path.stem: path.read_bytes() for path in target.glob("*.eml")}
        finally:
            shutil.rmtree(target, ignore_errors=True)

    def verify(self):
        """The exit status and the words of `holdfast verify`."""
        result = self.command("verify", check=False)
        return result.returncode, (result.stdout + result.stderr).decode("utf-8", "replace")

    def record_of(self, queue_id):
        """The one record of a queue id that is not void."""
        found = [record for record in self.records()
                 if record["queue_id"] == queue_id and not is_void(record)]
        expect(len(found) == 1, f"{len(found)} records of queue id {queue_id}, want 1")
        return found[0]

    def staged(self):
        """Names left in stage/."""
        stage = self.spool / "stage"
        return sorted(path.name for path in stage.iterdir()) if stage.exists() else []

    def segments(self, where="journal"):
        """The numbers of the segments in journal/, or in carried/."""
        return sorted(int(path.stem) for path in (self.spool / where).glob("[0-9]*.bsmtp"))

    def _descriptors(self):
        """Number and target of each descriptor that the process holds."""
        for link in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                yield link.name, os.readlink(link)
            except FileNotFoundError:
                continue  # closed meanwhile

    def _is_stage(self, target):
        return target.startswith(f"{self.spool}/stage/") or f"{self.spool}/#" in target

    def open_files(self):
        """What the process holds open, by target: stages without a name show as deleted."""
        return [target for _, target in self._descriptors()]

    def resident_kib(self):
        """The most memory that the process ever had."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", text).group(1))

    def open_stages(self):
        return [target for target in self.open_files() if self._is_stage(target)]

    def stages_left(self):
        """Stages that are left when nothing is under way.  For later messages the filter keeps writing sides of
        unnamed files, no more than messages it took, and 32 at most; anything else is a leak."""
        left, kept = self.staged(), []
        for number, target in self._descriptors():
            if not self._is_stage(target):
                continue
            try:
                info = pathlib.Path(f"/proc/{self.process.pid}/fdinfo/{number}").read_text()
            except FileNotFoundError:
                continue  # closed meanwhile
            flags = int(re.search(r"flags:\s+([0-7]+)", info).group(1), 8)
            (kept if flags & os.O_ACCMODE == os.O_WRONLY and target.endswith("(deleted)") else left).append(target)
        taken = len(self.living()) if kept else 0
        return left + kept[min(STAGES_KEPT, taken):]


STAGES_KEPT = 32


def quick_reader():
    """The plain build's command, for what is asked hundreds of times; verify() reads with the sanitized one."""
    plain = build.directory("plain") / "milter" / "holdfast"
    return plain if build.is_sanitized() and build.is_built("plain") and plain.exists() else None


def is_void(record):
    return all(recipient["state"] == "void" for recipient in record["recipients"])


def exists(name="holdfast-milter"):
    return os.access(program(name), os.X_OK)
