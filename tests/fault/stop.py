#!/usr/bin/env python3
"""A stop is the operator's, however it comes: open transactions finish, and the exit status says whether they did (P1, P2)."""
import pathlib
import signal
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import build, lab, tap  # noqa: E402
from lib.holdfast import USER, Filter  # noqa: E402
from lib.inject import Injection  # noqa: E402
from lib.lab import Lab  # noqa: E402
from lib.milter import Connection  # noqa: E402
from lib.suite import rounds  # noqa: E402
from lib.tap import Failure, equal, expect, wait_for  # noqa: E402

STOPPING, STOPPED, INCOMPLETE, LISTENER_ENDED = "HF-102", "HF-103", "HF-104", "HF-112"
SENDERS = 8
UNFINISHED = 1
ANSWER_TAKES = "60ms"


class Stops:
    def __init__(self, place):
        self.lab = place
        self.count = 0

    def filter(self, **settings):
        self.count += 1
        keys = {key.replace("__", "."): value for key, value in settings.items()}
        made = Filter(self.lab, self.lab.subdir(f"socket-{self.count}", 0o777) / "milter.sock",
                      name=f"holdfast-{self.count}", user=USER if lab.is_root() else None,
                      settings=keys | {"milter.socket_group": ""})
        return made.start()

    def signals_together(self):
        """Of several signals that wait for a process the kernel may hand any to any thread that waits for it,
        libmilter's own included; that one would cut open transactions."""
        for _ in range(rounds(6, 40)):
            made = self.filter()
            with Connection(made.socket_path) as one:
                one.mail()
                one.begin()
                made.process.send_signal(signal.SIGSTOP)
                for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM):
                    made.process.send_signal(number)
                made.process.send_signal(signal.SIGCONT)
                made.wait_event(STOPPING)
                one.body(b"Text.\r\n")
                equal(one.end().code, 250, "end of the open transaction")
                one.quit()
            equal(made.wait(), 0, f"exit status; it said {made.log_tail()}")
            expect(made.events(STOPPED) and not made.events(LISTENER_ENDED), made.log_tail())
            equal(len(made.records()), 1, "records")

    def answer_on_its_way(self):
        """libmilter sends an answer after the callback has returned: the process must still be there."""
        if not lab.is_root():
            raise tap.Skip("following a process of another user needs root")
        if build.is_sanitized():
            return  # its leak checker can't work where it is traced
        made = self.filter()
        with Connection(made.socket_path) as one:
            one.mail()
            one.begin()
            one.body(b"Text.\r\n")
            with Injection(self.lab, made, "writev", f"delay_enter={ANSWER_TAKES}"):
                made.term()
                made.wait_event(STOPPING)
                equal(one.end().code, 250, "end of the open transaction")
                equal(made.wait(), 0, f"exit status; it said {made.log_tail()}")
        equal(len(made.records()), 1, "records")

    def bodies_still_come(self):
        """Threads that are in the middle of a message when the limit is over must not bring the process down."""
        for _ in range(rounds(1, 40)):
            made = self.filter(milter__drain_limit="1s")
            over = threading.Event()
            senders = [threading.Thread(target=send_without_end, args=(made.socket_path, over)) for _ in range(SENDERS)]
            for sender in senders:
                sender.start()
            wait_for(lambda: len(made.open_stages()) == SENDERS, 20, "all to be in the middle of a body")
            made.term()
            status = made.wait()
            over.set()
            for sender in senders:
                sender.join(30)
            equal(status, UNFINISHED, f"exit status; it said {made.log_tail()}")
            expect(made.events(INCOMPLETE), made.log_tail())
            expect(not made.sanitizer_report(), made.sanitizer_report())
            equal(made.records(), [], "records")


def send_without_end(path, over):
    """A message of which the body never ends, until the filter goes away."""
    octets = b"x" * 4000
    try:
        with Connection(path) as one:
            one.mail()
            one.begin()
            while not over.is_set():
                one.body(octets)
    except (Failure, OSError):
        return


def main():
    lab.raise_on_signals()
    with Lab("stop") as place:
        stops = Stops(place)
        return tap.main([("several signals at once", stops.signals_together),
                         ("an answer that is on its way", stops.answer_on_its_way),
                         ("bodies that still come at the limit", stops.bodies_still_come)])


if __name__ == "__main__":
    sys.exit(main())
