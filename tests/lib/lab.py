"""lab.py - a scratch directory, ports and processes, all of which end with it

A Lab promises that whatever it started is gone when it closes: processes by
their pids, mounts by their paths, in the reverse order of their making, also
after a failure, SIGINT or SIGTERM.  Nothing is ever ended by its name.
"""
import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from .tap import wait_for

TOP = pathlib.Path(__file__).resolve().parents[2]

# Below the ports that the kernel gives to outgoing connections.
FIRST_PORT, LAST_PORT = 10240, 32767


class Lab:
    def __init__(self, name, keep=False):
        self.keep = keep
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"holdfast-{name}-", dir="/tmp"))
        self.dir.chmod(0o755)  # the MTA and the filter run as other users
        self._endings = []
        if not keep:
            self.defer(shutil.rmtree, self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def defer(self, function, *args, **kwargs):
        """Has function called when the lab closes, the last first."""
        self._endings.append((function, args, kwargs))

    def close(self):
        while self._endings:
            function, args, kwargs = self._endings.pop()
            try:
                function(*args, **kwargs)
            except Exception as error:  # one ending that fails must not keep the others from happening
                print(f"# while closing {self.dir}: {error}", file=sys.stderr)

    def subdir(self, name, mode=0o755):
        path = self.dir / name
        path.mkdir(parents=True)
        path.chmod(mode)
        return path

    def spawn(self, argv, log, **options):
        """Starts a process whose output goes to the file log; ended at close at the latest."""
        with open(log, "ab") as out:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, **options)
        self.defer(end_process, process)
        return process


def end_process(process, limit=20):
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(limit)


def run(argv, *, data=b"", timeout=120, check=True, **options):
    """Runs a command to its end, with data on its standard input.

    Its output is kept as octets; with check, a status other than 0 raises."""
    words = [str(word) for word in argv]
    result = subprocess.run(words, input=data, capture_output=True, timeout=timeout,
                            check=False, **options)
    if check and result.returncode != 0:
        said = (result.stdout + result.stderr).decode("utf-8", "replace").strip()
        raise RuntimeError(f"{' '.join(words)}: status {result.returncode}: {said}")
    return result


def is_alive(pid):
    """The process runs; one that ended and waits for its parent does not."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def of_threads(pid, key):
    """The first word that /proc has under a key of its status, for each thread of a process."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (task / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # a thread that has ended
        found.append(text.partition(f"\n{key}:")[2].split()[0])
    return found


@contextlib.contextmanager
def halted(process):
    """It does nothing at all within the block: the kernel stops its threads some time after kill(2) has returned,
    milliseconds where the processors are busy, and it answers until then."""
    process.send_signal(signal.SIGSTOP)
    try:
        wait_for(lambda: set(of_threads(process.pid, "State")) == {"T"}, 10, f"process {process.pid} to stop")
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def wait_gone(pid, limit=10):
    wait_for(lambda: not is_alive(pid), limit, f"process {pid} to end")


def free_port():
    while True:
        port = random.randint(FIRST_PORT, LAST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def port_answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_busy():
    """More is to be done on this machine than its processors can: what takes long need not be slow."""
    return os.getloadavg()[0] > 2 * (os.cpu_count() or 1)


def is_root():
    return os.geteuid() == 0


def raise_on_signals():
    """SIGTERM and SIGHUP end a script as SIGINT does: through its finally blocks."""
    def raise_exit(number, _frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, raise_exit)
    signal.signal(signal.SIGHUP, raise_exit)
