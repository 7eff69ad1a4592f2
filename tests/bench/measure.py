"""measure.py - the measurements of the bench, each side by side in one run

A measurement takes its subjects in turn, round by round, beginning each round
with another, so that what else the machine does meets them alike.  It gives
samples; report.py makes medians and ratios of them.
"""
import collections
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import time

from lib import holdfast, lab
from lib.mta import make_socket_dir
from lib.postfix import Postfix

from .subjects import SPARES, Holdfast, Nothing, OpenDkim, cpu_seconds, peak_memory

CONNECTIONS = 20
MANY = 100
MESSAGE = 10 * 1024

PLAIN = "do nothing"
NO_REPLY = "do nothing, no replies"
NO_FILTER = "no filter"
HOLDFAST = "Holdfast"
ONE_SPARE = "Holdfast, one spare"
JOURNAL = "journal"
JOURNAL_ONE_SPARE = "journal, one spare"
WITH_NEXT = "limit, NULs beside it"


def program(name):
    return str(holdfast.build_dir() / "tests" / "bench" / name)


def tell(text):
    print(f"  {text}", flush=True)


def run_json(argv):
    """Runs a program of the bench and reads what it prints."""
    done = subprocess.run([str(word) for word in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]}: status {done.returncode}: "
                           f"{(done.stderr + done.stdout).decode(errors='replace').strip()}")
    return json.loads(done.stdout)


def drive(socket, messages, *options):
    return run_json([program("drive"), "-s", f"unix:{socket}", "-n", messages, "--json", *options])


def in_turn(subjects, rounds):
    """(round, subject), each round beginning with the next subject."""
    for number in range(rounds):
        shift = number % len(subjects)
        for subject in subjects[shift:] + subjects[:shift]:
            yield number + 1, subject


def socket_in(place, name):
    """A path that a filter of another user can listen on, and every MTA reach."""
    path = place.dir / f"{name}-socket" / "milter.sock"
    owner = pwd.getpwnam(holdfast.USER)
    make_socket_dir(path, owner.pw_uid if lab.is_root() else os.geteuid(), owner.pw_gid)
    path.parent.chmod(0o755)
    return path


def with_subject(place, subject, socket, work):
    """Starts a subject, calls work(process), ends it."""
    process = subject.start(place, socket)
    try:
        return work(process)
    finally:
        subject.end(process)
        socket.unlink(missing_ok=True)


def drive_sample(place, subject, socket, messages, *options):
    """Drives a subject; one sample, the filter's processor time and memory with it."""
    def work(process):
        subject.rest()
        drive(socket, CONNECTIONS * 10, *options)  # libmilter starts its threads
        before = cpu_seconds(process.pid)
        told = drive(socket, messages, *options)
        told["filter_cpu_us"] = (cpu_seconds(process.pid) - before) / messages * 1e6
        told["filter_peak_memory"] = peak_memory(process.pid)
        return told
    return with_subject(place, subject, socket, work)


def direct(place, plan):
    """The filter alone: messages over connections that stay, and one over each."""
    result = {}
    for mode, options in (("staying connections", ["-m", 0]), ("a connection each", ["-m", 1])):
        subjects = [Nothing(PLAIN), Nothing(NO_REPLY, "-n"), Holdfast(HOLDFAST, plan.spool),
                    Holdfast(ONE_SPARE, plan.spool, spares=1)]
        samples = collections.defaultdict(list)
        socket = socket_in(place, mode.replace(" ", "-"))
        for number, subject in in_turn(subjects, plan.rounds):
            told = drive_sample(place, subject, socket, plan.messages, "-c", CONNECTIONS, "-b", MESSAGE, *options)
            samples[subject.name].append(told)
            tell(f"{mode}, round {number}, {subject.name}: {told['messages_per_second']:.0f} messages/s, "
                 f"filter {told['filter_cpu_us']:.0f} µs of processor a message")
        result[mode] = {"samples": samples, "baselines": [PLAIN, NO_REPLY]}
    return result


class PortedPostfix(Postfix):
    """A Postfix with a port for each filter, so that none needs a reload, and one for none."""

    def __init__(self, place, names):
        super().__init__(place, lab.free_port(), settings={
            "default_transport": "discard:silently", "relayhost": "", "smtpd_milters": "", "non_smtpd_milters": ""})
        self.ports = {name: lab.free_port() for name in names}
        self.sockets = {name: socket_in(place, f"postfix-{number}") for number, name in enumerate(names)}
        with open(self.etc / "master.cf", "a", encoding="ascii") as services:
            for name, port in self.ports.items():
                services.write(f"127.0.0.1:{port} inet n - n - - smtpd -o smtpd_milters=unix:{self.sockets[name]}\n")


def load_postfix(port, messages):
    """Seconds that smtp-source needs to bring the messages in."""
    begun = time.monotonic()
    lab.run(["smtp-source", "-s", CONNECTIONS, "-l", MESSAGE, "-m", messages, "-f", "sender@example.net",
             "-t", "recipient@example.org", f"127.0.0.1:{port}"], timeout=600)
    return time.monotonic() - begun


def postfix_sample(port, messages, process=None, subject=None):
    if subject is not None:
        subject.rest()
    load_postfix(port, CONNECTIONS * 5)  # Postfix starts its processes
    before = cpu_seconds(process.pid) if process else 0
    seconds = load_postfix(port, messages)
    used = cpu_seconds(process.pid) - before if process else 0
    return {"messages_per_second": messages / seconds, "filter_cpu_us": used / messages * 1e6}


def behind_postfix(place, plan):
    """smtp-source into a private Postfix that discards what it takes."""
    subjects = [Nothing(PLAIN), Nothing(NO_REPLY, "-n"), OpenDkim(), Holdfast(HOLDFAST, plan.spool)]
    mta = PortedPostfix(place, [subject.name for subject in subjects]).start()
    samples = collections.defaultdict(list)
    for number, subject in in_turn([None, *subjects], plan.rounds):
        if subject is None:
            name, told = NO_FILTER, postfix_sample(mta.port, plan.postfix_messages)
        else:
            name = subject.name
            told = with_subject(place, subject, mta.sockets[name], lambda process, subject=subject: postfix_sample(
                mta.ports[subject.name], plan.postfix_messages, process, subject))
        samples[name].append(told)
        tell(f"Postfix, round {number}, {name}: {told['messages_per_second']:.0f} messages/s")
        mta.empty_queue()
    mta.stop()
    return {"Postfix": {"samples": samples, "baselines": [NO_FILTER, NO_REPLY]}}


def journal_alone(place, plan):
    """The writer without a filter, and the loop that writes the same octets, with few and with many waiting.

    The loop's file is made ready before its clock starts.  So are the journal's
    first segments, if it has all of its spares; with one it has to make the
    next while it writes this one, as in a burst that has used up the others.
    """
    return {f"Journal, {waiting} waiting": journal_with(place, plan, waiting) for waiting in (CONNECTIONS, MANY)}


def journal_with(place, plan, waiting):
    samples = collections.defaultdict(list)
    parent = pathlib.Path(plan.spool or place.dir)
    batches = place.dir / "batches"
    for number in range(plan.rounds):
        for name, spares in ((JOURNAL_ONE_SPARE, 1), (JOURNAL, SPARES)):
            spool = parent / f"journal-{os.getpid()}-{waiting}-{number}-{spares}"
            spool.mkdir()
            place.defer(shutil.rmtree, spool, ignore_errors=True)
            samples[name].append(run_json([program("journal"), "-d", spool, "-n", plan.messages, "-b", MESSAGE,
                                           "-q", waiting, "-r", spares, "-l", batches, "-j"]))
            shutil.rmtree(spool)
        loop = [program("limit"), "-f", parent / f"limit-{os.getpid()}", "-l", batches, "-j"]
        samples["limit"].append(run_json(loop))
        samples[WITH_NEXT].append(run_json(loop + ["-z"]))
        tell(f"{waiting} waiting, round {number + 1}, messages/s: "
             + ", ".join(f"{name} {own[-1]['messages_per_second']:.0f}" for name, own in samples.items()))
    return {"samples": samples, "baselines": ["limit", WITH_NEXT]}


def memory(place, plan):
    """Many large messages at once: the most memory that the filter had resident."""
    subject = Holdfast(HOLDFAST, plan.spool, settings={"milter.commit_limit": "240s"})
    socket = socket_in(place, "memory")

    def work(process):
        told = drive(socket, plan.large_connections, "-c", plan.large_connections, "-b", plan.large_message,
                     "-t", 900)
        told["filter_peak_memory"] = peak_memory(process.pid)
        tell(f"{plan.large_connections} connections, each {plan.large_message} octets: "
             f"{told['filter_peak_memory'] / 1e6:.1f} MB resident at most, {told['accepted']} accepted "
             f"in {told['elapsed_s']:.0f} s")
        return told

    told = with_subject(place, subject, socket, work)
    return {"Memory": {"samples": {HOLDFAST: [told]}, "connections": plan.large_connections,
                       "octets_each": plan.large_message}}


def fill_journal(spool, records):
    """A journal of so many records, small ones so that it takes less time and room."""
    spool.mkdir()
    spool.chmod(0o750)
    run_json([program("journal"), "-d", spool, "-n", records, "-b", 512, "-q", 500, "-j"])
    if lab.is_root():
        for path in [spool, *spool.rglob("*")]:
            shutil.chown(path, holdfast.USER)


def grown_journal(place, plan):
    """Cost of a message, and of a start, on an empty journal and on one of many records."""
    spool = pathlib.Path(plan.spool or place.dir) / f"grown-{os.getpid()}"
    place.defer(shutil.rmtree, spool, ignore_errors=True)
    begun = time.monotonic()
    fill_journal(spool, plan.records)
    tell(f"{plan.records} records written in {time.monotonic() - begun:.0f} s")
    subjects = [Holdfast("empty journal", plan.spool), Holdfast("grown journal", spool=spool)]
    samples = collections.defaultdict(list)
    socket = socket_in(place, "grown")
    for number, subject in in_turn(subjects, plan.rounds):
        begun = time.monotonic()
        process = subject.start(place, socket)
        start_s = time.monotonic() - begun
        subject.end(process)
        told = drive_sample(place, subject, socket, plan.messages // 2, "-c", CONNECTIONS, "-b", MESSAGE)
        told["start_s"] = start_s
        samples[subject.name].append(told)
        tell(f"round {number}, {subject.name}: start {start_s:.2f} s, {told['messages_per_second']:.0f} messages/s, "
             f"filter {told['filter_cpu_us']:.0f} µs of processor a message")
    return {"Grown journal": {"samples": samples, "baselines": ["empty journal"], "records": plan.records}}


PARTS = {"direct": direct, "postfix": behind_postfix, "journal": journal_alone, "memory": memory,
         "grown": grown_journal}
