"""tally.py - a sender's log: what was sent, what it was answered, and whether the journal agrees

P1 and P2 in one sentence: every message that was answered 250 is in the
journal, whole, under its queue id, and nothing is shown as whole there that
was not sent.  Threads: any may send.  Neighbours: client.py speaks, suite.py
keeps one for each scenario, crashes.py one for each load.
"""
import dataclasses
import threading

from . import client
from .holdfast import is_void
from .tap import Failure, expect


@dataclasses.dataclass
class Figures:
    faults: int = 0
    kills: int = 0
    sent: int = 0
    taken: int = 0      # answered 250
    refused: int = 0    # answered 4xx
    broken: int = 0     # sessions that ended without an answer
    found: int = 0      # of those taken, in the journal, whole
    lost: int = 0       # of those taken, not there
    half: int = 0       # shown as whole, and not what was sent

    def add(self, other):
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def __str__(self):
        return (f"{self.faults} faults injected, {self.kills} kills, {self.sent} messages sent, "
                f"{self.taken} answered 250, {self.refused} answered 4xx, {self.broken} sessions broken; "
                f"{self.found} found in the journal, {self.lost} lost, {self.half} half")


class Tally:
    def __init__(self):
        self.sent = []       # octets as an MTA carries them, before they go out
        self.taken = {}      # queue id: octets, after a 250
        self.refusals = []   # texts of replies that were 4xx
        self.wrong = []      # replies that were neither 250 nor 4xx
        self.broken = 0
        self.faults = 0
        self._lock = threading.Lock()

    def fault(self, count=1):
        """So many faults were injected."""
        with self._lock:
            self.faults += count

    def send(self, port, message, **options):
        """One message over a connection of its own, put down whatever comes of it.  As client.send()."""
        self._begin(message)
        try:
            reply = client.send(port, message, **options)
        except client.Refused as found:
            self._answered(message, found.reply)
            raise
        except (Failure, OSError):
            with self._lock:
                self.broken += 1
            raise
        self._answered(message, reply)
        return reply

    def finish(self, connection, message):
        """The message's octets, in a transaction that is open on a connection.  Returns the reply, whatever it is."""
        self._begin(message)
        reply = connection.data(message.octets)
        self._answered(message, reply)
        return reply

    def _begin(self, message):
        with self._lock:
            self.sent.append(message.carried)

    def _answered(self, message, reply):
        with self._lock:
            if reply.code == 250:
                self.taken[reply.queue_id] = message.carried
            elif reply.code // 100 == 4:
                self.refusals.append(str(reply))
            else:
                self.wrong.append(str(reply))

    def compare(self, made, kills=0):
        """The figures, with what is in the journal of a filter; fails on a reply that is neither 250 nor 4xx."""
        expect(not self.wrong, f"replies that are neither 250 nor 4xx: {self.wrong[:3]}")
        octets = made.all_octets()
        sent = set(self.sent)
        by_queue, half = {}, []
        for record in made.records():
            if record["copy"] != "whole":
                continue
            copy = octets.get(record["id"])
            if copy not in sent:
                half.append(record["id"])
            if not is_void(record):
                by_queue.setdefault(record["queue_id"], []).append(copy)
        lost = [queue_id for queue_id, copy in self.taken.items() if copy not in by_queue.get(queue_id, ())]
        return Figures(faults=self.faults, kills=kills, sent=len(self.sent), taken=len(self.taken),
                       refused=len(self.refusals), broken=self.broken, found=len(self.taken) - len(lost),
                       lost=len(lost), half=len(half))
