#!/usr/bin/env python3
"""A record larger than a segment has a segment of its own, and mail goes on in normal ones (P1)."""
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import lab, tap  # noqa: E402
from lib.holdfast import Filter  # noqa: E402
from lib.lab import Lab  # noqa: E402
from lib.milter import Connection  # noqa: E402
from lib.storage import FileSystem  # noqa: E402
from lib.tap import equal, expect, wait_for  # noqa: E402

MIB = 1 << 20
SEGMENT_SIZE = MIB
SMALL = (b"s" * 76 + b"\r\n") * 100
LARGE = (b"l" * 76 + b"\r\n") * (3 * SEGMENT_SIZE // 78)
DOTS = b".\r\n" * (SEGMENT_SIZE // 2)    # 1.5 times a segment as it came, twice with its dots doubled


class Records:
    def __init__(self, place):
        self.lab = place
        self.number = 0

    def filter(self, kind, size):
        self.number += 1
        room = FileSystem(self.lab, f"room-{self.number}", kind, size)
        return Filter(self.lab, self.lab.dir / f"socket-{self.number}", name=f"holdfast-{self.number}", spool=room.path,
                      settings={"journal.segment_size": str(SEGMENT_SIZE), "milter.socket_group": ""}).start()

    def one_of_its_own(self, kind, size):
        made = self.filter(kind, size)
        for body in (SMALL, LARGE, SMALL, LARGE, LARGE, DOTS, SMALL, SMALL):
            send(made, body)
        found = [(record["segment"], record["bytes"]) for record in made.records()]
        places = [name for name, _bytes in found]
        equal([octets > SEGMENT_SIZE for _name, octets in found],
              [False, True, False, True, True, True, False, False], "which records are large")
        # three stand alone behind one another; the small ones between and behind them have normal segments
        equal([number(name) for name in places], [1, 2, 3, 4, 5, 6, 7, 7], "segments of the records")
        for name, octets in found:
            path = made.spool / "journal" / name
            if octets > SEGMENT_SIZE:
                expect(octets < path.stat().st_size < 2 * octets + MIB, f"{name}: {path.stat().st_size} octets")
        equal((made.spool / "journal" / places[-1]).stat().st_size, SEGMENT_SIZE, "size of the segment that mail goes on in")
        self.survives(made, 8)

    def among_others(self):
        """Large and small ones at once, from many connections."""
        made = self.filter("ext4", "256M")
        failures = []

        def work(body):
            try:
                for _ in range(4):
                    send(made, body)
            except Exception as error:  # told by the main thread
                failures.append(error)

        threads = [threading.Thread(target=work, args=(body,)) for body in [SMALL] * 6 + [LARGE] * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        expect(not failures, f"{failures}")
        sizes = [record["bytes"] for record in made.records()]
        equal((len(sizes), sum(size > SEGMENT_SIZE for size in sizes)), (36, 12), "records, and large ones")
        self.survives(made, 36)

    def killed(self):
        """A kill while one is written: what was answered is there, and the next start goes on."""
        made = self.filter("ext4", "128M")
        send(made, SMALL)
        send(made, LARGE)
        with Connection(made.socket_path) as one:
            one.mail()
            one.begin()
            one.body(LARGE)
            one.send(b"E")
            wait_for(lambda: len(list((made.spool / "journal").glob("*.bsmtp"))) >= 3
                     or (made.spool / "journal" / "large").exists(), 20, "the segment of its own")
            made.kill()
        made.start()
        expect(not (made.spool / "journal" / "large").exists(), "a part of a segment was left")
        whole = [record for record in made.records() if record["copy"] == "whole"]
        expect(len(whole) in (2, 3), f"{len(whole)} whole records, want those that were answered")
        send(made, LARGE)
        send(made, SMALL)
        equal(len([record for record in made.records() if record["copy"] == "whole"]), len(whole) + 2, "records")
        self.survives(made, None)

    @staticmethod
    def survives(made, count):
        """All is whole, before and after a restart, and mail goes on."""
        for _ in range(2):
            status, said = made.verify()
            equal(status, 0, f"exit status of verify, which said {said}")
            if count is not None:
                equal(len(made.records()), count, "records")
            made.restart()
        send(made, SMALL)
        equal(made.verify()[0], 0, "exit status of verify")
        expect(not made.sanitizer_report(), made.sanitizer_report())
        made.stop()


def number(name):
    return int(name.partition(".")[0])


def send(made, body):
    with Connection(made.socket_path) as one:
        reply, stage = one.message(body)
        equal(reply.code, 250, f"reply to {stage}: {reply}")
        one.quit()


def cases(records):
    return [("a segment of its own: ext4", lambda: records.one_of_its_own("ext4", "128M")),
            ("a segment of its own: xfs", lambda: records.one_of_its_own("xfs", "320M")),
            ("a segment of its own: btrfs", lambda: records.one_of_its_own("btrfs", "256M")),
            ("large and small at once", records.among_others),
            ("killed while one is written", records.killed)]


def main():
    if not lab.is_root():
        tap.skip_all("file systems on loop devices need root")
        return 0
    lab.raise_on_signals()
    with Lab("large-record") as place:
        return tap.main(cases(Records(place)))


if __name__ == "__main__":
    sys.exit(main())
