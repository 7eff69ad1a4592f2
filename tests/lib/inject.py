"""inject.py - system calls of a running filter that fail, hang or lie, as strace makes them

The kernel's own answer never comes: the process sees the one that was asked
for, whatever hf_sys would have made of it, in every thread.  Needs a plain
build: the leak checker of a sanitized one can't work where it is traced.
"""
from .lab import of_threads
from .tap import Failure, wait_end, wait_for


class Injection:
    """For a with block: everything is as it was after it."""

    def __init__(self, lab, made, call, what, path=None):
        """call: system calls by name, as `-e inject=` takes them.  what: as error=EIO or delay_enter=3s.
        path: only calls that concern this file."""
        self.lab = lab
        self.made = made
        self.log = made.dir / "strace.log"
        self.log.unlink(missing_ok=True)
        only = ["-P", str(path)] if path else []
        self.argv = ["strace", "-f", "-qq", "-o", str(self.log), "-p", str(made.process.pid), *only,
                     "-e", f"trace={call}", "-e", "signal=none", "-e", f"inject={call}:{what}"]
        self.process = None

    def __enter__(self):
        self.process = self.lab.spawn(self.argv, self.made.dir / "strace.out")
        wait_for(self._is_attached, 20, "strace to hold every thread of the filter")
        return self

    def __exit__(self, *_):
        self.end()

    def _is_attached(self):
        if self.process.poll() is not None:
            raise Failure(f"strace ended: {(self.made.dir / 'strace.out').read_text()}")
        return set(of_threads(self.made.process.pid, "TracerPid")) == {str(self.process.pid)}

    def end(self):
        """Lets go of the filter, which goes on."""
        if self.process.poll() is None:
            self.process.terminate()
        wait_end(self.process, 20, "strace to let go of the filter")

    def count(self):
        """How many calls were answered for the kernel so far."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return text.count("(INJECTED)") + text.count("(DELAYED)")

    def begun(self, name):
        """How many calls of a name were entered so far."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return text.count(f"{name}(")
