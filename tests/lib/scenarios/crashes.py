"""The filter and the MTA killed under load: every 250 in a sender's log is in the journal, whole (P1, P6, P7)."""
import random
import threading
import time

from .. import client as smtp
from ..client import Refused
from ..holdfast import is_void
from ..messages import Message, head, lines
from ..suite import rounds, scenario
from ..tap import Failure, expect
from .common import all_whole

SENDERS = 4


class Load:
    """Senders that send one message after the other, and write down what each was answered."""

    def __init__(self, port):
        self.port = port
        self.sent = {}          # token: octets, before a message is sent
        self.taken = {}         # queue id: token, after a 250
        self.refusals = []      # texts of replies that were 4xx
        self.broken = 0         # sessions that ended without a reply
        self.wrong = []         # replies that are neither 250 nor 4xx
        self._lock = threading.Lock()
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
            self._send(f"token-{number}-{count}", numbers)

    def _send(self, token, numbers):
        size = numbers.choice((1, 10, 200, 3000))
        message = Message(token, head(token, f"X-Token: {token}") + lines(f"{token} " + "x" * 60) * size,
                          sender=f"{token}@example.org")
        with self._lock:
            self.sent[token] = message.octets
        try:
            reply = smtp.send(self.port, message, timeout=90)
        except Refused as found:
            with self._lock:
                (self.refusals if found.reply.code // 100 == 4 else self.wrong).append(str(found.reply))
            time.sleep(0.01)  # not to spin against a closed door
        except (Failure, OSError):
            with self._lock:
                self.broken += 1
            time.sleep(0.05)
        else:
            with self._lock:
                self.taken[reply.queue_id] = token


def check(site, made, load, kills):
    """Compares the senders' log with the journal, prints the figures, and fails where they part."""
    by_queue = {}
    half = []
    for record in made.records():
        if record["copy"] != "whole":
            continue
        by_queue.setdefault(record["queue_id"], []).append(record)
        token = record["sender"].partition("@")[0]
        if made.octets(record["id"]) != load.sent.get(token):
            half.append(record["id"])
    lost = [queue_id for queue_id, token in load.taken.items()
            if not any(record["sender"] == f"{token}@example.org" and not is_void(record)
                       for record in by_queue.get(queue_id, []))]
    site.note(f"{kills} kills, {len(load.sent)} messages sent, {len(load.taken)} answered 250, "
              f"{len(load.refusals)} answered 4xx, {load.broken} sessions broken; "
              f"{sum(map(len, by_queue.values()))} in the journal, {len(lost)} lost, {len(half)} half")
    expect(len(load.taken) >= kills, "hardly any mail passed: the run proves nothing")
    expect(not load.wrong, f"replies that are neither 250 nor 4xx: {load.wrong[:3]}")
    expect(not lost, f"answered 250 and not in the journal: {lost[:5]}")
    expect(not half, f"shown as whole, and not what was sent: {half[:5]}")
    all_whole(made)


@scenario("P1 P6: the filter is killed again and again under load: no 250 is lost, nothing half is shown as whole")
def filter_killed(site):
    kills = rounds(30, 300)
    made = site.filter(settings={"journal.segment_size": "1M"})
    moments = random.Random(1997)
    with Load(site.mta.port) as load:
        for _ in range(kills):
            answered = len(load.taken)
            wait_until_some_pass(load, answered)
            time.sleep(moments.uniform(0, 0.05))
            made.kill()
            made.start()
    made.restart()
    check(site, made, load, kills)


def wait_until_some_pass(load, answered, limit=60):
    deadline = time.monotonic() + limit
    while len(load.taken) <= answered:
        if time.monotonic() > deadline:
            raise Failure(f"no message was taken within {limit} s; last refusals: {load.refusals[-3:]}")
        time.sleep(0.005)


@scenario("P1 P7: the MTA is killed under load: what its clients heard a 250 for is in the journal")
def mta_killed(site):
    kills = rounds(3, 20)
    made = site.filter(settings={"journal.segment_size": "1M"})
    with Load(site.mta.port) as load:
        for _ in range(kills):
            answered = len(load.taken)
            wait_until_some_pass(load, answered)
            site.mta.abort()
            site.mta.start()
    check(site, made, load, kills)


@scenario("P1: a stop in order under load loses nothing, and every answer stands")
def stopped_under_load(site):
    restarts = rounds(3, 20)
    made = site.filter(settings={"journal.segment_size": "1M"})
    with Load(site.mta.port) as load:
        for _ in range(restarts):
            answered = len(load.taken)
            wait_until_some_pass(load, answered)
            made.restart()
    check(site, made, load, restarts)
