#!/usr/bin/env python3
"""A week of mail at 50 messages/s on a small disk: the spool stays bounded, and no mail is turned away (P3).

What is real: filter, journal, auditor, ledger, file system, clock, and the
rate.  What is scaled: a day lasts three seconds (a minute with --long), and
messages are so large that the week brings more than the disk holds.  The MTA
is not there: its side of the milter protocol and its log are written here,
for no MTA passes a week's mail in half a minute.
"""
import datetime
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import lab, tap  # noqa: E402
from lib.auditor import Auditor  # noqa: E402
from lib.holdfast import Filter  # noqa: E402
from lib.lab import Lab  # noqa: E402
from lib.milter import Connection  # noqa: E402
from lib.postfixlog import DEFERRED, SENT, story  # noqa: E402
from lib.storage import FileSystem  # noqa: E402
from lib.suite import is_long  # noqa: E402
from lib.tap import equal, expect, wait_for  # noqa: E402

DAY = 60 if is_long() else 3          # seconds
RATE = 50                             # messages a second
WEEK = 7 * DAY * RATE                 # messages
DISK = 64 << 20
OCTETS = 2 * DISK // WEEK             # of a message: the week brings twice what the disk holds
STOP, WARN = 3 << 20, 5 << 20
LATER = "1A7E1A7E1A"
RELEASED, CARRIED, NO_ROOM = "HF-514", "HF-515", "HF-517"


class World:
    """A filter on a small disk, and an MTA's words to it and to its auditor."""

    type = "postfix"

    def __init__(self, place, name, retention, warn=WARN):
        self.disk = FileSystem(place, f"disk-{name}", "ext4", str(DISK))
        self.log = place.dir / f"mail-{name}.log"
        self.log.touch()
        self.etc = place.dir / "no-queue"
        self.filter = Filter(place, place.dir / f"{name}.sock", name=f"holdfast-{name}", spool=self.disk.path / "spool", settings={
            "milter.socket_group": "", "journal.segment_size": "1M", "pressure.space_stop": str(STOP),
            "pressure.space_warn": str(warn), "retention.settled": f"{retention}s", "retention.carry_after": f"{DAY}s"}).start()
        self.auditor = Auditor(self.filter, self)
        self.least_free = self.disk.free_bytes()
        self.sent = 0

    def log_text(self):
        return self.log.read_text()

    def tell(self, rows):
        """Lines of the MTA's log, as of now."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")
        with open(self.log, "a", encoding="utf-8") as out:
            out.write("".join(f"{now} mx postfix/{daemon}[7]: {text}\n" for daemon, text in rows))

    def pass_message(self, connection, queue_id, octets, fate=SENT):
        """One message through the filter and, where that takes it, the MTA.  Returns the reply that decided."""
        reply = connection.mail()
        if reply.code == 250:
            connection.begin()
            connection.body(octets)
            connection.macros(b"E", i=queue_id)
            reply = connection.end()
        if reply.code == 250:
            self.sent += 1
            self.tell(story(queue_id, fate, len(octets)))
        self.least_free = min(self.least_free, self.disk.free_bytes())
        return reply

    def send_later(self):
        """The one that the next host does not take, all week long."""
        with Connection(self.filter.socket_path) as connection:
            reply = self.pass_message(connection, LATER, b"Later.\r\n", DEFERRED)
        equal(reply.code, 250, f"reply to the deferred message: {reply}")

    def send_mail(self, count, paced=True):
        """So many messages at the rate.  Returns the replies that were no 250."""
        refused = []
        body = (b"x" * 76 + b"\r\n") * (OCTETS // 78)
        begun = time.monotonic()
        with Connection(self.filter.socket_path) as connection:
            for number in range(count):
                time.sleep(max(0, begun + number / RATE - time.monotonic()) if paced else 0)
                reply = self.pass_message(connection, f"{self.sent:06X}BCDEF", body)
                if reply.code != 250:
                    refused.append(reply)
                    if not paced:
                        break
        return refused

    def later_is_safe(self):
        """The deferred message: open, whole, readable, and one."""
        record, = [one for one in self.filter.records() if one["queue_id"] == LATER]
        equal((record["copy"], [one["state"] for one in record["recipients"]]), ("whole", ["open"]), "the deferred message")
        expect(self.filter.octets(record["id"]).endswith(b"\r\nLater.\r\n"), "the deferred message is not what was sent")
        return record

    def sums_come_out(self):
        wait_for(lambda: self.auditor.balance()[1]["settled"] == self.sent - 1, 30,
                 f"all but one to be settled: {self.auditor.balance()}")
        status, sums = self.auditor.balance()
        equal(status, 0, f"exit status of balance: {sums}")
        equal((sums["journaled"], sums["open"], sums["lost"], sums["unaccounted"]), (self.sent, 1, 0, 0), f"the sums: {sums}")


def say(world, what):
    print(f"# {what}: {world.sent} messages of {OCTETS} octets, {world.sent * OCTETS >> 20} MiB over a disk of {DISK >> 20} MiB, "
          f"{world.least_free >> 20} MiB free at the least, {len(world.filter.segments())} segments in the end", flush=True)


def whole_week(place):
    world = World(place, "week", DAY)
    world.send_later()
    world.auditor.start()
    equal(world.send_mail(WEEK), [], "replies other than 250")
    world.sums_come_out()
    say(world, "a week")
    expect(world.sent * OCTETS > DISK, "the week would have fitted on the disk")
    expect(world.least_free > WARN, f"the disk filled: {world.least_free} octets were free, the warning mark is at {WARN}")
    expect(RELEASED not in world.auditor.said() and NO_ROOM not in world.auditor.said(), f"it was near to full: {world.auditor.said()}")
    expect(CARRIED in world.auditor.said(), f"the deferred message was not carried forward: {world.auditor.said()}")
    expect(1 not in world.filter.segments(), f"the deferred message pins its segment: {world.filter.segments()}")
    equal(pathlib.Path(world.later_is_safe()["segment"]).suffix, ".bsmtp", "where the deferred message is")
    equal(world.filter.events("HF-205"), [], "mail turned away")
    world.auditor.stop()
    world.filter.stop()


def released_early(place):
    """Retention is long, and the disk small: the oldest settled copies go before their time, the unsettled one never."""
    world = World(place, "pressure", 24 * 3600, warn=DISK // 2)
    world.send_later()
    world.auditor.start()
    equal(world.send_mail(WEEK), [], f"replies other than 250; {world.auditor.said()}")
    world.sums_come_out()
    say(world, "a week under pressure")
    expect(RELEASED in world.auditor.said(), f"no event tells that copies were released: {world.auditor.said()}")
    left = world.filter.segments()
    equal(left, list(range(left[0], left[-1] + 1)), "segments: the oldest went first")
    expect(left[0] > 1, "nothing was released")
    free = world.disk.free_bytes()
    wait_for(lambda: world.disk.free_bytes() > DISK // 2 - (2 << 20), 30, f"the mark to be reached again; {free} free")
    world.later_is_safe()
    equal(world.filter.command("verify", check=False).returncode, 0, "exit status of verify")
    world.auditor.stop()
    world.filter.stop()


def nobody_trims(place):
    """The control: without the auditor the same week fills the disk, and this would be seen."""
    world = World(place, "control", DAY)
    world.send_later()
    refused = world.send_mail(WEEK, paced=False)
    say(world, "without an auditor")
    equal([reply.code for reply in refused], [452], "what MAIL is answered once the disk is full")
    expect(world.least_free < WARN, "the disk did not fill")
    expect(1 in world.filter.segments() and world.sent < WEEK, "something was trimmed")
    world.filter.stop()


def main():
    lab.raise_on_signals()
    cases = [("a week of mail stays bounded, and one deferred message does not pin the rest", whole_week),
             ("P3: under pressure the oldest settled copies go early, the unsettled one never", released_early),
             ("control: without trimming the week fills the disk", nobody_trims)]
    with Lab("week") as place:
        def bound(case):
            def run():
                if not lab.is_root():
                    raise tap.Skip("needs root, for a disk of its own")
                case(place)
            return run
        return tap.main([(name, bound(case)) for name, case in cases])


if __name__ == "__main__":
    sys.exit(main())
