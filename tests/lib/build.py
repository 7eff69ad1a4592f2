"""build.py - configures and builds the tree, plain or with sanitizers

Each flavour has a directory of its own below build/; a second build only
makes what has changed.  Used by runner.py and contrib/try.
"""
import os
import pathlib
import subprocess

from .lab import TOP

# What a report needs to name its lines; half of what a build takes goes into the rest of -g, and into -O2.
LEAN = "CFLAGS=-O1 -g1"

FLAVOURS = {
    "plain": [],
    "asan": ["--disable-hardening", "--enable-sanitizer=address,undefined", LEAN],
    "tsan": ["--disable-hardening", "--enable-sanitizer=thread", LEAN],
    "fuzz": ["CC=clang", "--disable-hardening", "--enable-fuzz", LEAN],
}

# The first report of a sanitizer ends the program; reports go where standard error goes.  GLib's own allocator
# would hide errors from the one and make the other see races where its locks are.
SANITIZERS = {
    "G_SLICE": "always-malloc",
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": f"halt_on_error=1:second_deadlock_stack=1:suppressions={TOP}/tests/lib/tsan.supp",
}

# What a report of a sanitizer begins with.
REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer",
           "LeakSanitizer has encountered a fatal error")


# A file in a flavour's directory: the last build of it went through to its end.
DONE = "done.stamp"


class BuildError(Exception):
    """A step of a build failed; the text names it and its log."""


def directory(flavour):
    return TOP / "build" / flavour


def environment(flavour):
    """What programs of a flavour, and tests of them, are run with."""
    own = {"HOLDFAST_BUILD": str(directory(flavour))}
    return os.environ | own if flavour == "plain" else os.environ | own | SANITIZERS


def is_sanitized():
    """The tests run on a build that finds memory errors or races, and is several times slower."""
    return "ASAN_OPTIONS" in os.environ and current() != directory("plain")


def is_built(flavour):
    """Whole, and not being built at this moment."""
    return (directory(flavour) / DONE).exists()


def current():
    """The directory of the build that is tested."""
    return pathlib.Path(os.environ.get("HOLDFAST_BUILD", directory("plain")))


def step(argv, cwd, log):
    with open(log, "ab") as out:
        out.write(f"$ {' '.join(argv)}\n".encode())
        out.flush()
        status = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out,
                                stderr=subprocess.STDOUT, check=False).returncode
    if status != 0:
        raise BuildError(f"{' '.join(argv)}: status {status}; see {log}")


def needs_autoreconf():
    """The build system is not made yet, or what it is made from has changed."""
    made = TOP / "Makefile.in"  # the last thing that autoreconf makes
    sources = [TOP / "configure.ac", TOP / "Makefile.am", *TOP.glob("*/module.mk"), *TOP.glob("milter/*/module.mk")]
    return not made.exists() or any(path.stat().st_mtime > made.stat().st_mtime for path in sources)


def build(flavour, log, targets=("all",), werror=True):
    """Makes the targets of a flavour; BuildError with the log's name where that fails.

    With werror, warnings are errors in the plain build; what a sanitizer adds
    to the code makes GCC warn of what is not there."""
    place = directory(flavour)
    place.mkdir(parents=True, exist_ok=True)
    done = place / DONE
    done.unlink(missing_ok=True)
    if (TOP / "config.status").exists():
        raise BuildError("the source directory is configured itself: run make distclean first")
    if needs_autoreconf():
        step(["autoreconf", "-i"], TOP, log)
    if not (place / "config.status").exists():
        strict = ["--enable-werror"] if werror and flavour == "plain" else []
        step([str(TOP / "configure"), *strict, *FLAVOURS[flavour]], place, log)
    step(["make", f"-j{os.cpu_count() or 1}", *targets], place, log)
    done.touch()
    return place
