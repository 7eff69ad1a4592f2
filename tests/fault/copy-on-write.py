#!/usr/bin/env python3
"""A disk that is full after all costs no mail: where a file system copies on write, and where it does not (P1, P2)."""
import contextlib
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import lab, tap  # noqa: E402
from lib.holdfast import USER, Filter  # noqa: E402
from lib.lab import Lab, run  # noqa: E402
from lib.milter import Connection  # noqa: E402
from lib.storage import FileSystem  # noqa: E402
from lib.tap import equal, expect, wait_for  # noqa: E402

NOCOW, COPIES, SEGMENT, STORED_NOT = "HF-312", "HF-313", "HF-301", "HF-201"
SIZES = {"tmpfs": "64M", "ext4": "96M", "xfs": "320M", "btrfs": "256M"}
MIB = 1 << 20
SEGMENT_SIZE = MIB
MESSAGE = (b"k" * 76 + b"\r\n") * 500   # 39 KB: some thirty to a segment
OFF = {"pressure.space_stop": "0", "pressure.inodes_stop": "0"}


class Grounds:
    def __init__(self, place):
        self.lab = place
        self.number = 0

    @contextlib.contextmanager
    def running(self, room, settings=None, stage=None):
        """A filter whose spool is room, a directory; stage: the file system that its stages are on."""
        self.number += 1
        made = Filter(self.lab, self.lab.dir / f"socket-{self.number}", name=f"holdfast-{self.number}", spool=room,
                      settings={"journal.segment_size": str(SEGMENT_SIZE), "milter.socket_group": ""} | (settings or {}))
        rooms = []
        if stage:
            place = pathlib.Path(room) / "stage"
            place.mkdir()
            rooms.append(FileSystem(self.lab, f"stage-{self.number}", stage, at=place))
            shutil.chown(place, USER)
        made.start()
        try:
            yield made
            expect(not made.sanitizer_report(), made.sanitizer_report())
        finally:
            made.kill()
            for one in rooms:
                one.unmount()

    def file_system(self, kind, name="room"):
        return FileSystem(self.lab, f"{name}-{kind}-{self.number}", kind, SIZES[kind])

    # which way is chosen

    def btrfs(self):
        """Segments are told not to be copied, before they are written ahead, and an event says so."""
        room = self.file_system("btrfs")
        with self.running(room.path) as made:
            equal(made.wait_event(NOCOW).fields["filesystem"], "btrfs", "file system")
            send_until(made, lambda: len(made.events(SEGMENT)) >= 4)
            spare = ready_spare(made)
            for path in [spare, *segments(made)]:
                expect(b"C" in run(["lsattr", path]).stdout.split()[0], f"{path} is copied on write")
            equal(spare.stat().st_size, SEGMENT_SIZE, "size of the spare")
            expect(not made.events(COPIES), "it copies nevertheless")
            equal(made.verify()[0], 0, "verify")
        room.unmount()

    def in_place(self, kind):
        room = self.file_system(kind)
        with self.running(room.path) as made:
            send_until(made, lambda: len(made.events(SEGMENT)) >= 3)
            spare = ready_spare(made)
            equal(spare.stat().st_size, SEGMENT_SIZE, "size of the spare")
            expect(spare.stat().st_blocks * 512 >= SEGMENT_SIZE, "the spare has holes")
            expect(not made.events(NOCOW) + made.events(COPIES), "something was chosen")
            equal(made.verify()[0], 0, "verify")
        room.unmount()

    def overlay(self):
        """What lies below can't be known: segments grow as they are written, one after the other."""
        base = self.file_system("tmpfs", "base")
        for name in ("upper", "work", "lower"):
            (base.path / name).mkdir()
        room = self.lab.subdir(f"overlay-{self.number}")
        run(["mount", "-t", "overlay", "-o", f"lowerdir={base.path}/lower,upperdir={base.path}/upper,"
             f"workdir={base.path}/work", "overlay", room])
        self.lab.defer(subprocess.run, ["umount", room], check=False, capture_output=True)
        with self.running(room) as made:
            equal(made.wait_event(COPIES).fields["filesystem"], "overlay", "file system")
            sent = send_until(made, lambda: len(made.events(SEGMENT)) >= 4)
            wait_for(lambda: (made.spool / "journal" / "spare").exists(), 10, "the spare")
            equal((made.spool / "journal" / "spare").stat().st_size, 0, "size of the spare")
            for path in segments(made)[:-1]:
                expect(SEGMENT_SIZE // 2 < path.stat().st_size <= SEGMENT_SIZE, f"{path}: {path.stat().st_size}")
            records_are(made, sent)
        run(["umount", room])
        base.unmount()

    def reflinked(self):
        """cp makes a reflink of the spare unasked: it is noticed when the spare is used, and mail goes on."""
        room = self.file_system("xfs")
        with self.running(room.path) as made:
            sent = send_until(made, lambda: len(made.events(SEGMENT)) >= 2)
            spare = ready_spare(made)
            run(["cp", "--reflink=always", spare, room.path / "copy"])
            sent += send_until(made, lambda: made.events(COPIES))
            equal(made.events(COPIES)[0].fields["filesystem"], "reflinked spare", "reason")
            sent += send_until(made, lambda: len(made.events(SEGMENT)) >= 5)
            wait_for(lambda: (made.spool / "journal" / "spare").exists(), 10, "the spare")
            equal((made.spool / "journal" / "spare").stat().st_size, 0, "size of the spare")
            equal(len(made.events(COPIES)), 1, "events")
            records_are(made, sent)
            made.restart()
            expect(not made.events(COPIES), "a new start on a sound file system still copies")
            records_are(made, sent)
        room.unmount()

    # full after all

    def reserved(self, kind):
        """Room written ahead is there: mail is taken to the segment's end although not one block is free."""
        room = self.file_system(kind)
        with self.running(room.path, OFF, stage="tmpfs") as made:
            send(made)
            ready_spare(made)
            room.fill()
            for number in range(20):
                reply, stage = send(made)
                equal(reply.code, 250, f"message {number} on a full disk, {stage}: {reply}")
            room.release()
            # btrfs could not even publish how far the segment goes, and does so with the next message
            wait_for(lambda: send(made)[0].code == 250, 45, "mail to be taken", pause=0.2)
            records_are(made, 22)
        room.unmount()

    def late(self, kind, share):
        """Its octets are shared by then: 452 when they are written, nothing lost, and on again when there is room."""
        room = self.file_system(kind)
        with self.running(room.path, OFF, stage="tmpfs") as made:
            taken = [send(made)[0] for _ in range(3)]
            ready_spare(made)
            share(made, room)
            room.fill()
            replies = [send(made)[0] for _ in range(40)]
            refused = [reply for reply in replies if reply.code != 250]
            expect(refused, "the disk was not full")
            for reply in refused:
                expect((reply.code, reply.enhanced) in ((452, "4.3.1"), (421, "4.3.2")), f"reply {reply}")
            first = made.wait_event(STORED_NOT)
            equal(first.fields["errno"], "ENOSPC", f"errno of '{first.line}'")
            expect(first.fields["step"].startswith("segment-"), first.line)
            room.release()
            wait_for(lambda: send(made)[0].code == 250, 45, "mail to be taken again", pause=0.2)
            taken += [reply for reply in replies if reply.code == 250]
            records_are(made, len(taken) + 1)
            made.restart()
            records_are(made, len(taken) + 1)
        room.unmount()


def snapshot(made, room):
    run(["btrfs", "subvolume", "snapshot", "-r", room.path, room.path / "snapshot"])


def reflink(made, room):
    journal = made.spool / "journal"
    for path in [journal / "spare", *segments(made)]:
        run(["cp", "--reflink=always", path, room.path / f"{path.name}.copy"])


def segments(made):
    return sorted((made.spool / "journal").glob("*.bsmtp"))


def ready_spare(made):
    """The spare, once its helper has let go of it."""
    spare = made.spool / "journal" / "spare"

    def is_ready():
        return spare.exists() and spare.stat().st_size == SEGMENT_SIZE and str(spare) not in made.open_files()

    wait_for(is_ready, 20, "a spare that is written ahead")
    return spare


def send(made):
    with Connection(made.socket_path) as one:
        return one.message(MESSAGE)


def send_until(made, holds, most=400):
    """Sends until a condition holds.  Returns how many messages were taken: all."""
    for count in range(most):
        if holds():
            return count
        reply, stage = send(made)
        equal(reply.code, 250, f"reply to {stage}: {reply}")
    raise tap.Failure(f"{most} messages later it still does not hold: {made.log_tail()}")


def records_are(made, count):
    """P1: every message that was answered 250, whole; what was tempfailed is void or not there (P6)."""
    living = made.living()
    equal(len(living), count, "records that are not void")
    expect(all(record["copy"] == "whole" for record in living), "a record is not whole")
    status, said = made.verify()
    equal(status, 0, f"exit status of verify, which said {said}")


def cases(grounds):
    return [("btrfs: no copy on write", grounds.btrfs),
            ("ext4: in place", lambda: grounds.in_place("ext4")),
            ("xfs: in place", lambda: grounds.in_place("xfs")),
            ("overlay: not to be known", grounds.overlay),
            ("xfs: a reflink of the spare", grounds.reflinked),
            ("room written ahead: ext4", lambda: grounds.reserved("ext4")),
            ("room written ahead: xfs", lambda: grounds.reserved("xfs")),
            ("room written ahead: btrfs", lambda: grounds.reserved("btrfs")),
            ("late: btrfs and a snapshot", lambda: grounds.late("btrfs", snapshot)),
            ("late: xfs and reflinks", lambda: grounds.late("xfs", reflink))]


def main():
    if not lab.is_root():
        tap.skip_all("file systems on loop devices need root")
        return 0
    lab.raise_on_signals()
    with Lab("copy-on-write") as place:
        return tap.main(cases(Grounds(place)))


if __name__ == "__main__":
    sys.exit(main())
