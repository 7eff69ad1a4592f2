"""preload.py - small libraries that are loaded into a program before its own

Each is built from its source beside this file, once, into the build
directory: sysfile.c for the private Sendmail, ignore-errors.c for a filter
with a seeded defect, which the tests of real faults have to report.
"""
import os
import pathlib

from .lab import TOP, run
from .tap import expect

CACHE = TOP / "build" / "cache"
HERE = pathlib.Path(__file__).resolve().parent


def library(name):
    """The library of a source, built where it is not or is older."""
    source, made = HERE / f"{name}.c", CACHE / f"{name}.so"
    CACHE.mkdir(parents=True, exist_ok=True)
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        fresh = made.with_suffix(f".{os.getpid()}")
        run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", fresh, source])
        fresh.rename(made)  # others may run with the earlier one
    return made


def ignoring_errors():
    """The environment of a filter that answers 250 whatever failed."""
    return os.environ | {"LD_PRELOAD": str(library("ignore-errors"))}


def faking_time(file):
    """The environment of a program whose clock is as far off as the file says: +0, -2d, +3600."""
    found = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    expect(found, "libfaketime is not installed")
    return os.environ | {"LD_PRELOAD": str(found[0]), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1",
                         "DONT_FAKE_MONOTONIC": "1"}
