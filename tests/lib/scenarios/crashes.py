"""The filter and the MTA killed under load: every 250 in a sender's log is in the journal, whole (P1, P6, P7)."""
import random
import threading
import time

from ..client import Refused
from ..messages import Message, head, lines
from ..suite import rounds, scenario
from ..tally import Tally
from ..tap import Failure, expect
from .common import all_whole, on_file_system

SENDERS = 4
JOURNAL_AWAY, JOURNAL_BACK = "HF-306", "HF-307"


class Load:
    """Senders that send one message after the other, each of another content, and tally what they are answered."""

    def __init__(self, site):
        self.port = site.mta.port
        self.tally = site.tally
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(SENDERS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(90)

    def _run(self, number):
        numbers = random.Random(number)
        count = 0
        while not self._stop.is_set():
            count += 1
            self._send(f"token-{number}-{count}", numbers.choice((1, 10, 200, 3000)))

    def _send(self, token, size):
        message = Message(token, head(token) + lines(f"{token} " + "x" * 60) * size, sender=f"{token}@example.org")
        try:
            self.tally.send(self.port, message, timeout=90)
        except Refused:
            time.sleep(0.01)  # not to spin against a closed door
        except (Failure, OSError):
            time.sleep(0.05)

    def wait_more(self, count=1, limit=60):
        """Until so many more messages were answered 250."""
        wanted = len(self.tally.taken) + count
        deadline = time.monotonic() + limit
        while len(self.tally.taken) < wanted:
            if time.monotonic() > deadline:
                raise Failure(f"no message was taken within {limit} s; last refusals: {self.tally.refusals[-3:]}")
            time.sleep(0.005)


def check(site, made, kills):
    """The senders' log against the journal; the more so as the run has to prove something."""
    site.account(made, kills)
    expect(len(site.tally.taken) >= kills, "hardly any mail passed: the run proves nothing")
    all_whole(made)


@scenario("P1 P6: the filter is killed again and again under load: no 250 is lost, nothing half is shown as whole")
def filter_killed(site):
    kills = rounds(120, 1200)
    made = site.filter(settings={"journal.segment_size": "1M"})
    moments = random.Random(1997)
    with Load(site) as load:
        for _ in range(kills):
            load.wait_more()
            time.sleep(moments.uniform(0, 0.05))  # messages of every size are anywhere on their way
            made.kill()
            made.start()
    made.restart()
    check(site, made, kills)


@scenario("P1 P7: the MTA is killed under load: what its clients heard a 250 for is in the journal")
def mta_killed(site):
    kills = rounds(10, 100)
    made = site.filter(settings={"journal.segment_size": "1M"})
    moments = random.Random(157693)
    with Load(site) as load:
        for _ in range(kills):
            load.wait_more(SENDERS)
            time.sleep(moments.uniform(0, 0.1))
            site.mta.abort()
            site.mta.start()
    check(site, made, kills)


@scenario("P1: the disk fails under load, and what it had not synced is gone: every 250 is there once it is mounted again")
def disk_shut_down(site):
    """The one power loss that a running kernel can be made to play: ext4 lets go of all it has not written."""
    failures = rounds(3, 30)
    room, made = on_file_system(site, "ext4", "512M")
    moments = random.Random(146950)
    with Load(site) as load:
        for number in range(1, failures + 1):
            load.wait_more(SENDERS)
            time.sleep(moments.uniform(0, 0.1))
            room.shut_down()
            made.wait_event(JOURNAL_AWAY, count=number)
            room.remount()
            made.wait_event(JOURNAL_BACK, count=number)
        load.wait_more()
    site.tally.fault(failures)
    check(site, made, 0)


@scenario("P1: a stop in order under load loses nothing, and every answer stands")
def stopped_under_load(site):
    restarts = rounds(3, 20)
    made = site.filter(settings={"journal.segment_size": "1M"})
    with Load(site) as load:
        for _ in range(restarts):
            load.wait_more()
            made.restart()
    check(site, made, restarts)


@scenario("control: with an MTA that lets mail pass while the filter is down, the same run finds mail lost")
def fail_open_is_found(site):
    site.mta.fail_open()
    made = site.filter(settings={"journal.segment_size": "1M"})
    with Load(site) as load:
        load.wait_more()
        made.kill()
        load.wait_more(2 * SENDERS)  # more than could have been on their way
        made.start()
        load.wait_more()
    figures = site.tally.compare(made)
    site.note(f"reported, as it must be: {figures.lost} of {figures.taken} answered 250 are not in the journal")
    expect(figures.lost > 0, "mail went past the filter, and was not found lost")


@scenario("control: a message whose octets are other than what was sent is found half")
def other_octets_are_found(site):
    made = site.filter()
    with Load(site) as load:
        load.wait_more()
    site.tally.sent[0] += b"cut here\r\n"
    figures = site.tally.compare(made)
    site.note(f"reported, as it must be: {figures.half} of {figures.found} in the journal are half")
    expect(figures.half > 0, "a message is not what was sent, and was not found half")
