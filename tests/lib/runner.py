#!/usr/bin/env python3
"""runner.py - builds everything, tests everything, and says so in one line

Started by tests/run, which has seen to the packages.  Flavours are built one
after the other; the jobs of one that is built begin while the next is built.
Jobs run four at a time on two processors, because many wait more than they
compute.  Each prints the Test Anything Protocol, and one that dies or prints
no plan has failed.  Where nothing but time limits ran out, a job runs again
when it has the machine to itself; that it did is told.  Logs stay in
build/logs.
"""
import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import build, lab  # noqa: E402 (the path has to be set first)
from lib.lab import TOP  # noqa: E402

LOGS = TOP / "build" / "logs"
AT_A_TIME = 4
IN_VAIN = " s in vain: "     # what tap.wait_for() says when a limit is over
FOLDERS = ("postfix", "sendmail", "audit", "fault", "command", "miltertest")   # the long ones first

# Scripts that the sanitizers' builds run too.  Memory errors: all that the filter does, once, behind Postfix.  Races:
# all callbacks, many threads, stops.  With --long those are added that bring little other code to run, but more of it.
SANITIZED_SCRIPTS = {
    "asan": ("miltertest/", "postfix/faults", "postfix/sessions", "fault/damaged", "fault/hostile",
             "fault/large-record", "fault/start", "fault/stop"),
    "tsan": ("postfix/sessions", "postfix/life"),
}
LONG_SCRIPTS = {"asan": ("postfix/answers", "postfix/crashes", "postfix/delivery", "postfix/life", "fault/pressure",
                         "sendmail/sessions")}

# What `make check` is given there: what runs the threads of the filter, and the one of the auditor.
THREADED = [f"tests/unit/test-{name}" for name in (
    "commit", "spare", "segment", "journal", "recover", "group", "writer", "writer-overlap", "writer-stop", "stage",
    "transaction", "answer", "filter", "callbacks", "listen", "nudge", "pressure", "gauge", "reservation", "usage", "scrub")]
THREADED += ["tests/fault/test-stories", "tests/fuzz/replay-callbacks"]
UNITS = {"tsan": THREADED}
LONG_UNITS = {"tsan": ["tests/fault/test-sweep"]}     # a fault at every call: the same threads, very often

# The fuzz flavour makes only its targets, which tests/fuzz/brief.py runs.
FUZZ_TARGETS = [f"tests/fuzz/fuzz-{name}" for name in ("callbacks", "config", "log", "record")]

# What a flavour's scripts and controls need; make check builds its own.  The others build all.
TARGETS = {
    "fuzz": FUZZ_TARGETS,
    "tsan": ["milter/holdfast", "milter/holdfast-milter", "tests/unit/control-race"],
}

# A deliberate defect for each sanitizer, and what it must say of it.
CONTROLS = {
    "asan": ("tests/unit/control-leak", "ERROR: LeakSanitizer"),
    "tsan": ("tests/unit/control-race", "WARNING: ThreadSanitizer: data race"),
}


@dataclasses.dataclass
class Result:
    passed: int = 0
    skipped: int = 0
    failures: list = dataclasses.field(default_factory=list)   # texts

    def add(self, other):
        self.passed += other.passed
        self.skipped += other.skipped
        self.failures += other.failures


@dataclasses.dataclass
class Job:
    name: str
    flavour: str
    work: object            # called with the path of the log: Result
    may_repeat: bool = False


def parse_tap(text, name):
    """The result of one program that printed TAP."""
    result = Result()
    plan, count, failure = None, 0, None
    for line in text.splitlines():
        found = re.match(r"1\.\.(\d+)(?:\s+# SKIP (.*))?$", line)
        if found:
            plan = int(found.group(1))
            if found.group(2):
                result.skipped += 1
            continue
        found = re.match(r"(not )?ok\b(.*)$", line)
        if found:
            count += 1
            failure = None
            if found.group(1):
                failure = [f"{name}: {found.group(2).strip(' -')}"]
                result.failures.append(failure)
            elif re.search(r"# SKIP\b", line, re.IGNORECASE):
                result.skipped += 1
            else:
                result.passed += 1
        elif failure is not None:
            failure.append(f"    {line}")
    result.failures = ["\n".join(lines) for lines in result.failures]
    if plan is None:
        result.failures.append(f"{name}: printed no plan")
    elif plan != count:
        result.failures.append(f"{name}: planned {plan} and ran {count}")
    return result


def tail(text, count=40):
    return "\n".join(f"    {line}" for line in text.splitlines()[-count:])


class Processes:
    """The scripts that run now, so that an interrupt can end them."""

    def __init__(self):
        self._lock = threading.Lock()
        self._running = set()
        self.stopping = False

    def run(self, argv, log, environment, limit):
        """Runs a script in a session of its own.  Returns its status, or None where it ran too long."""
        with open(log, "wb") as out:
            with self._lock:
                if self.stopping:
                    return None
                process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, cwd=TOP,
                                           stderr=subprocess.STDOUT, env=environment, start_new_session=True)
                self._running.add(process)
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            end(process)
            return None
        finally:
            with self._lock:
                self._running.discard(process)

    def stop(self):
        with self._lock:
            self.stopping = True
            for process in self._running:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)    # make's children too, which it would leave behind


def end(process):
    """SIGTERM, so that a script cleans up after itself; what is left of its session then goes hard."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


processes = Processes()


def script_name(path):
    return f"{path.parent.name}/{path.stem}"


def script_job(path, flavour, limit):
    name = script_name(path)

    def work(log):
        # Without address randomization, which older sanitizers can't do with.
        prefix = [] if flavour == "plain" else ["setarch", "-R"]
        status = processes.run([*prefix, str(path)], log, build.environment(flavour), limit)
        text = log.read_text(errors="replace")
        result = parse_tap(text, f"{flavour}/{name}")
        if status is None:
            result.failures.append(f"{flavour}/{name}: ran longer than {limit} s, or was interrupted\n{tail(text)}")
        elif status != 0 and not result.failures:
            result.failures.append(f"{flavour}/{name}: ended with status {status}\n{tail(text)}")
        return result

    return Job(f"{flavour}/{name}", flavour, work, may_repeat=True)


def units(flavour, is_long):
    """What make check is to run; nothing for all that there is."""
    chosen = UNITS.get(flavour, []) + (LONG_UNITS.get(flavour, []) if is_long else [])
    return [f"{name}={' '.join(chosen)}" for name in ("TESTS", "check_PROGRAMS")] if chosen else []


def unit_job(flavour, limit, is_long):
    """make check: each program is TAP, or else one test by its status."""
    def work(log):
        place = build.directory(flavour)
        for old in place.glob("**/*.trs"):
            old.unlink()
        prefix = [] if flavour == "plain" else ["setarch", "-R"]
        status = processes.run([*prefix, "make", "-C", str(place), "-k", "check", *units(flavour, is_long)], log,
                               build.environment(flavour), limit)
        result = Result()
        for record in sorted(place.glob("**/*.trs")):
            result.add(unit_result(record, f"{flavour}/{record.relative_to(place).with_suffix('')}"))
        text = log.read_text(errors="replace")
        if status != 0 and not result.failures:
            result.failures.append(f"{flavour}/unit: make check: status {status}\n{tail(text)}")
        return result

    return Job(f"{flavour}/unit", flavour, work)


def unit_result(record, name):
    verdict = re.search(r":global-test-result: (\w+)", record.read_text()).group(1)
    text = record.with_suffix(".log").read_text(errors="replace")
    if re.search(r"^1\.\.\d+", text, re.MULTILINE):
        result = parse_tap(text, name)
        if verdict == "PASS" or result.failures:
            return result
        result.failures.append(f"{name}: {verdict}\n{tail(text)}")
        return result
    if verdict == "PASS":
        return Result(passed=1)
    if verdict == "SKIP":
        return Result(skipped=1)
    return Result(failures=[f"{name}: {verdict}\n{tail(text)}"])


def control_job(flavour):
    """A program with a deliberate defect: the flavour's sanitizer has to report it."""
    program, report = CONTROLS[flavour]

    def work(log):
        path = build.directory(flavour) / program
        processes.run(["setarch", "-R", str(path)], log, build.environment(flavour), 60)
        text = log.read_text(errors="replace")
        if report in text:
            return Result(passed=1)
        return Result(failures=[f"{flavour}/{program}: the sanitizer did not report '{report}'\n{tail(text)}"])

    return Job(f"{flavour}/control", flavour, work)


def sanitized_scripts(flavour, is_long):
    return SANITIZED_SCRIPTS[flavour] + (LONG_SCRIPTS.get(flavour, ()) if is_long else ())


def all_jobs(limit, is_long):
    """Every job, the long ones early, so that those at a time end together."""
    scripts = [path for folder in FOLDERS for path in sorted((TOP / "tests" / folder).glob("*.py"))
               if path.is_file() and os.access(path, os.X_OK)]
    jobs = [unit_job(flavour, limit, is_long) for flavour in (*SANITIZED_SCRIPTS, "plain")]
    for flavour in SANITIZED_SCRIPTS:
        chosen = sanitized_scripts(flavour, is_long)
        jobs += [script_job(path, flavour, limit) for path in scripts if script_name(path).startswith(chosen)]
        jobs += [control_job(flavour)]
    jobs += [script_job(path, "plain", limit) for path in scripts]
    return jobs + [script_job(TOP / "tests" / "fuzz" / "brief.py", "fuzz", limit)]


def choose(jobs, names):
    return [job for job in jobs if not names or any(name in job.name for name in names)]


def make_build(flavour):
    """Builds what a flavour's jobs need.  Returns what went wrong, or None."""
    begun = time.monotonic()
    log = LOGS / f"build-{flavour}.log"
    log.unlink(missing_ok=True)
    failure = None
    try:
        targets = TARGETS.get(flavour) or ["all", *CONTROLS.get(flavour, ())[:1]]
        build.build(flavour, log, targets)
    except build.BuildError as error:
        failure = f"{flavour}/build: {error}\n{tail(log.read_text(errors='replace'))}"
    print(f"{'not built' if failure else 'built':9} {flavour:40} {time.monotonic() - begun:6.1f} s", flush=True)
    return failure


def run_job(job, built, turn=""):
    if built.result() is not None:
        return Result()     # told once, where it was built
    begun = time.monotonic()
    log = LOGS / (job.name.replace("/", "-") + turn + ".log")
    try:
        result = job.work(log)
    except Exception as error:  # a job that can't be run is a failure like any other
        result = Result(failures=[f"{job.name}: {type(error).__name__}: {error}"])
    word = "FAILED" if result.failures else "ok"
    counts = f"{result.passed} passed" + (f", {len(result.failures)} failed" if result.failures else "")
    counts += f", {result.skipped} skipped" if result.skipped else ""
    print(f"{word:9} {job.name:40} {time.monotonic() - begun:6.1f} s  {counts}", flush=True)
    return result


def is_late(job, result):
    """A job of which nothing failed but waits that ran out: it may be the machine that was late, not Holdfast."""
    return job.may_repeat and bool(result.failures) and all(
        IN_VAIN in text and not any(report in text for report in build.REPORTS) for text in result.failures)


def repeated(job, result, built):
    print("\n".join([f"again     {job.name}: waits ran out beside others:", *result.failures]), flush=True)
    return run_job(job, built, "-again")


def run_all(jobs):
    """Builds what the jobs need, and runs each as soon as it can be."""
    total = Result()
    with (concurrent.futures.ThreadPoolExecutor(max_workers=1) as builder,
          concurrent.futures.ThreadPoolExecutor(max_workers=AT_A_TIME) as pool):
        try:
            builds = {flavour: builder.submit(make_build, flavour)
                      for flavour in dict.fromkeys(job.flavour for job in jobs)}
            results = list(pool.map(lambda job: run_job(job, builds[job.flavour]), jobs))
            for job, result in zip(jobs, results):
                total.add(repeated(job, result, builds[job.flavour]) if is_late(job, result) else result)
            total.failures += [built.result() for built in builds.values() if built.result() is not None]
        except BaseException:
            processes.stop()
            builder.shutdown(wait=False, cancel_futures=True)
            pool.shutdown(cancel_futures=True)
            raise
    return total


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tests/run", description="Builds and runs the tests of Holdfast.")
    parser.add_argument("names", metavar="NAME", nargs="*",
                        help="run only jobs whose name contains one of these, e.g. plain/unit or postfix/delivery")
    parser.add_argument("--long", action="store_true", help="more rounds of kills and faults")
    parser.add_argument("--keep", action="store_true", help="leave scratch directories in /tmp")
    parser.add_argument("--list", action="store_true", help="print the names of the jobs and stop")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    lab.raise_on_signals()
    os.environ["HOLDFAST_LONG"] = "1" if arguments.long else "0"
    os.environ["HOLDFAST_KEEP"] = "1" if arguments.keep else "0"
    jobs = choose(all_jobs(4 * 3600 if arguments.long else 1800, arguments.long), arguments.names)
    if arguments.list:
        print("\n".join(job.name for job in jobs))
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    total = run_all(jobs)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{'all':50} {time.monotonic() - begun:6.1f} s  {used.ru_utime + used.ru_stime:.0f} s of processor time")
    return conclude(total)


def outline(text):
    """What failed, and the first line of why."""
    lines = [line.strip(" #") for line in text.splitlines()[:2]]
    return "  " + "\n      ".join(textwrap.shorten(line, 200) for line in lines)


def conclude(total):
    for text in total.failures:
        print(f"\n{text}")
    if not total.passed and not total.failures and not total.skipped:
        total.failures.append("no test ran")
    if total.failures:      # once more without their details, which may be long
        print("\nfailed:\n" + "\n".join(map(outline, total.failures)))
    print(f"\n{total.passed} passed, {len(total.failures)} failed, {total.skipped} skipped")
    under_ci = os.environ.get("CI") == "true"
    return 1 if total.failures or (under_ci and total.skipped) else 0


if __name__ == "__main__":
    sys.exit(main())
