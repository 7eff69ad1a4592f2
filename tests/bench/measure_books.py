"""measure_books.py - the measurements of the auditor: from the MTA's log to the ledger

Logs are made by mail-log, together with the journal that the filter would
have written for the same mail.  See measure.py for what a measurement gives.
"""
import collections
import os
import pathlib
import random
import shutil
import sqlite3
import statistics
import subprocess
import time

from lib import holdfast

from .measure import in_turn, program, run_json, tell

RATE = "lines_per_second"
EXPLAINED = 20      # messages that are asked for, of each ledger


class Books:
    """A log with its journal, a configuration that names both, and the auditor's work on them."""

    def __init__(self, place, plan, name, messages, mta="postfix", still_open=0):
        self.name = name
        self.dir = pathlib.Path(plan.spool or place.dir) / f"books-{os.getpid()}-{name.replace(' ', '-')}"
        self.spool, self.log, self.config = self.dir / "spool", self.dir / "mail.log", self.dir / "milter.conf"
        self.queue = self.dir / "queue.json"
        self.spool.mkdir(parents=True)
        place.defer(shutil.rmtree, self.dir, ignore_errors=True)
        self.told = run_json([program("mail-log"), "-f", self.log, "-t", mta, "-n", messages, "-o", still_open,
                              "-d", self.spool, "-q", self.queue])
        self.config.write_text(
            f"[milter]\nsocket = unix:{self.dir}/milter.sock\nlog_to = stderr\n[spool]\ndirectory = {self.spool}\n"
            f"[mta]\ntype = {mta}\nlog = file:{self.log}\nqueue = {self.make_queue(mta)}\n")

    def make_queue(self, mta):
        """Postfix's is what a postqueue of our own prints; Sendmail's is empty."""
        if mta == "sendmail":
            (self.dir / "mqueue").mkdir()
            return self.dir / "mqueue"
        (self.dir / "bin").mkdir()
        for name, text in (("postqueue", f"cat {self.queue}"), ("postconf", f"echo {self.dir}")):
            command = self.dir / "bin" / name
            command.write_text(f"#!/bin/sh\n{text}\n")
            command.chmod(0o755)
        return self.dir

    def forget(self):
        """As before the first run."""
        shutil.rmtree(self.spool / "books", ignore_errors=True)
        for path in self.spool.glob("ledger.db*"):
            path.unlink()

    def remove(self):
        shutil.rmtree(self.dir)

    def run(self, *argv):
        """Runs a program to its end; seconds, processor time and memory of it, and lines/s of the log."""
        environment = os.environ | {"PATH": f"{self.dir}/bin:{os.environ['PATH']}"}
        begun = time.monotonic()
        with subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, env=environment) as process:
            said = process.stderr.read().decode(errors="replace")
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        if process.returncode != 0:
            raise RuntimeError(f"{argv[0]}: status {process.returncode}: {said}")
        used = usage.ru_utime + usage.ru_stime
        return {"elapsed_s": seconds, RATE: self.told["lines"] / seconds, "lines": self.told["lines"],
                "messages": self.told["messages"], "cpu_us": used / self.told["lines"] * 1e6,
                "peak_memory": usage.ru_maxrss * 1024}

    def audit(self):
        """The auditor, from the first line and the first record on."""
        self.forget()
        return self.run(holdfast.program("holdfast-auditor"), "-c", self.config, "--once")

    def audit_again(self):
        """The auditor once more: it takes up what is open, and finds nothing new."""
        return self.run(holdfast.program("holdfast-auditor"), "-c", self.config, "--once")

    def audit_log_alone(self):
        return self.run(holdfast.program("holdfast"), "audit", "--json", self.log)

    def ledger_size(self):
        return sum(path.stat().st_size for path in self.spool.glob("ledger.db*"))

    def explain_ms(self):
        """Of `holdfast explain`, by each of a message's names: the median and the slowest."""
        ledger = sqlite3.connect(self.spool / "ledger.db")
        last, = ledger.execute("SELECT max(n) FROM envelope").fetchone()
        chance = random.Random(last)
        times = []
        for number in (chance.randint(1, last) for _ in range(EXPLAINED)):
            names = ledger.execute(
                "SELECT e.id, e.queue, m.message_id, r.address FROM envelope e JOIN recipient r ON r.envelope = e.n"
                " JOIN mail m ON m.n = e.mail WHERE e.n = ? AND r.position = 0", (number,)).fetchone()
            for name in names:
                begun = time.monotonic()
                self.run(holdfast.program("holdfast"), "-c", self.config, "explain", name)
                times.append((time.monotonic() - begun) * 1e3)
        ledger.close()
        return {"explain_ms": statistics.median(times), "explain_max_ms": max(times)}


def books(place, plan):
    """Lines a second, with the journal and without, of both MTAs."""
    samples = collections.defaultdict(list)
    both = [Books(place, plan, mta, plan.audited_messages, mta.lower()) for mta in ("Postfix", "Sendmail")]
    ways = [(f"{verb}, {one.name}", work) for one in both
            for verb, work in (("auditor", one.audit), ("holdfast audit", one.audit_log_alone))]
    for number, (name, work) in in_turn(ways, plan.rounds):
        told = work()
        samples[name].append(told)
        tell(f"round {number}, {name}: {told[RATE]:.0f} lines/s, {told['cpu_us']:.1f} µs of processor a line, "
             f"{told['peak_memory'] / 1e6:.0f} MB at most")
    for one in both:
        one.remove()
    return {"Books": {"samples": samples, "rate": RATE}}


def sizes(most):
    """Ten times as many each, up to the most."""
    return [size for size in (most // 100, most // 10, most) if size > 0]


def grown_ledger(place, plan):
    """Lines a second while a ledger grows to so many messages, and explaining one of them then."""
    samples = {}
    for messages in sizes(plan.records):
        one = Books(place, plan, f"{messages} messages", messages, still_open=messages // 100)
        told = one.audit() | {"ledger_size": one.ledger_size()} | one.explain_ms()
        samples[one.name] = [told]
        tell(f"{one.name}: {told[RATE]:.0f} lines/s, ledger of {told['ledger_size'] / 1e6:.0f} MB, explained in "
             f"{told['explain_ms']:.1f} ms, {told['explain_max_ms']:.1f} ms at most")
        one.remove()
    return {"Ledger by size": {"samples": samples, "rate": RATE}}


def open_messages(place, plan):
    """The most memory that the auditor had with so many messages open, and when it took them up again."""
    samples = {}
    for messages in sizes(plan.records):
        one = Books(place, plan, f"{messages} open", messages, still_open=messages)
        told = one.audit()
        again = one.audit_again()
        told |= {"again_s": again["elapsed_s"], "again_peak_memory": again["peak_memory"]}
        samples[one.name] = [told]
        tell(f"{one.name}: {told['peak_memory'] / 1e6:.0f} MB at most, {told['again_peak_memory'] / 1e6:.0f} MB in "
             f"{told['again_s']:.0f} s when started again")
        one.remove()
    return {"Open messages": {"samples": samples, "rate": RATE}}


PARTS = {"books": books, "ledger": grown_ledger, "open": open_messages}
