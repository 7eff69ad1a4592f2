"""System calls failed, lied to and held up in the filter that runs, as strace does it: each is a 4xx with its cause,
and over when the call works again, without a restart (P1, P2, P7)."""
import threading
import time

from ..client import Refused
from ..inject import Injection
from ..messages import plain
from ..suite import scenario
from ..tap import Failure, equal, expect, wait_for
from .common import LARGE, SMALL, all_whole, cured, nothing_left, refusal_is, refusal_of, taken, taken_soon

FULL, BROKEN = (452, "4.3.1"), (451, "4.3.0")

# name; the call and what comes of it, every time; the message, of which the large one takes a segment of its own;
# reply; errno that the event names
FAILING = [
    ("the table of files is full when the temp stream is opened (ENFILE)", "openat", "error=ENFILE", SMALL, BROKEN, "ENFILE"),
    ("no memory for the temp stream (ENOMEM)", "openat", "error=ENOMEM", SMALL, BROKEN, "ENOMEM"),
    ("the temp stream can't be looked at (EIO)", "statx", "error=EIO", SMALL, BROKEN, "EIO"),
    ("the temp stream can't be read again (EIO)", "pread64", "error=EIO", SMALL, BROKEN, "EIO"),
    ("the temp stream ends before its end", "pread64", "retval=0", SMALL, BROKEN, None),
    ("the segment can't be written (EIO)", "pwrite64", "error=EIO", SMALL, BROKEN, "EIO"),
    ("the segment can't be written (ENOSPC)", "pwrite64", "error=ENOSPC", SMALL, FULL, "ENOSPC"),
    ("the segment can't be written (EDQUOT)", "pwrite64", "error=EDQUOT", SMALL, FULL, "EDQUOT"),
    ("a write that says it was done and was not", "pwrite64", "retval=4096", SMALL, BROKEN, None),
    ("the segment can't be synced (EIO)", "fdatasync", "error=EIO", SMALL, BROKEN, "EIO"),
    ("the segment can't be synced, no room after all (ENOSPC)", "fdatasync", "error=ENOSPC", SMALL, FULL, "ENOSPC"),
    ("the segment can't be synced, read-only by now (EROFS)", "fdatasync", "error=EROFS", SMALL, BROKEN, "EROFS"),
    ("a new segment can't be named (EIO)", "renameat2", "error=EIO", LARGE, BROKEN, "EIO"),
    ("a new segment's directory can't be synced (EIO)", "fsync", "error=EIO", LARGE, BROKEN, "EIO"),
]


def failing(_mta_class):
    return [(name, row) for name, *row in FAILING]


def ready(site, **settings):
    """A filter that has taken a message and is done with all that follows from it."""
    made = site.filter(settings={"journal.segment_size": "1M"} | settings)
    taken(site, made, plain("before"))
    nothing_left(made)
    wait_for((made.spool / "journal" / "spare").exists, 20, "the spare")
    return made


@scenario("P1 P2: a call fails in the filter that runs", rows=failing, measures=True)
def call_fails(site, row):
    call, what, message, reply, cause = row
    made = ready(site)
    with Injection(site.lab, made, call, f"{what}:when=1+") as injection:
        found = refusal_of(site, message)
        event = refusal_is(made, found, *reply, "end of message", cause)
        if cause is None:
            expect("errno" not in event.fields, f"an errno that no call gave: {event.line}")
        refusal_of(site, SMALL)  # while it lasts, no other is taken either
    expect(injection.count() > 0, "no call was failed")
    cured(site, made, message, [found])


def passing(_mta_class):
    return [("a write is interrupted (EINTR)", ("pwrite64", "error=EINTR:when=1")),
            ("a read is interrupted (EINTR)", ("pread64", "error=EINTR:when=1..2")),
            ("a sync is interrupted (EINTR)", ("fdatasync", "error=EINTR:when=1"))]


@scenario("P1: a call is interrupted: nobody notices, or the sender comes again, and nothing is lost", rows=passing,
          measures=True)
def call_interrupted(site, row):
    made = ready(site)
    with Injection(site.lab, made, *row) as injection:
        taken_soon(site, made, SMALL)
    expect(injection.count() > 0, "no call was interrupted")
    cured(site, made, SMALL, [])


def moments(_mta_class):
    # strace lets no thread go before its time, not even one that is killed
    return [("before the sync", "delay_enter=4s"), ("after the sync", "delay_exit=4s")]


@scenario("P7: the filter dies at the end of a message, its record written: 4xx, it is kept, and comes twice rather than never",
          rows=moments, measures=True)
def dies_at_end_of_message(site, moment):
    made = ready(site)
    replies = []
    with Injection(site.lab, made, "fdatasync", moment) as injection:
        sender = threading.Thread(target=send_into, args=(site, replies))
        sender.start()
        wait_for(lambda: injection.begun("fdatasync"), 20, "the sync to begin")
        time.sleep(0.1)  # past the call itself, where that is not held up
        made.kill()
        sender.join(60)
    equal([(reply.code, reply.enhanced) for reply in replies], [site.mta.dies_reply], "replies")
    made.start()
    records = made.records()
    equal([record["copy"] for record in records], ["whole"] * 2, "copies")
    equal([recipient["state"] for record in records for recipient in record["recipients"]], ["provisional"] * 2, "states")
    taken_soon(site, made, SMALL)
    equal(len(made.records()), 3, "records once it was sent again")
    site.tally.fault()
    site.account(made, kills=1)
    all_whole(made)


def send_into(site, replies):
    try:
        replies.append(site.send(SMALL))
    except Refused as found:
        replies.append(found.reply)
    except (Failure, OSError):
        return  # no reply, which the test then misses


def seen_faults(_mta_class):
    return [(name, row) for name, *row in FAILING if row[1] == "error=EIO"][2:4]


@scenario("control: a filter that ignores the error is found out", rows=seen_faults, measures=True)
def ignored_error(site, row):
    site.must_report(call_fails, row)
