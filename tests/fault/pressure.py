#!/usr/bin/env python3
"""Mail is turned away at MAIL while there is still room for what is already on its way, and taken again in time (P2)."""
import contextlib
import json
import pathlib
import resource
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import build, lab, tap  # noqa: E402
from lib.holdfast import USER, Filter, build_dir, is_void  # noqa: E402
from lib.lab import Lab, run  # noqa: E402
from lib.milter import Connection  # noqa: E402
from lib.storage import FileSystem  # noqa: E402
from lib.tap import equal, expect, wait_for  # noqa: E402

STOP, OVER, WARN = "HF-401", "HF-402", "HF-403"
NO_DESCRIPTORS, DESCRIPTORS_AGAIN = "HF-404", "HF-405"
SLOW, IN_TIME, SLOWER = "HF-309", "HF-315", "HF-314"
TURNED_AWAY, RELOADED, RELOAD_REFUSED = "HF-205", "HF-106", "HF-107"
KIB, MIB = 1 << 10, 1 << 20

# kind and size of a small file system of each kind, and what a file system may take beside the octets of files:
# xfs allocates ahead of a file that grows, and gives it back at its close
FILE_SYSTEMS = {"tmpfs": ("64M", 0), "ext4": ("96M", 256 * KIB), "xfs": ("320M", MIB), "btrfs": ("256M", MIB)}


class Pressure:
    def __init__(self, place):
        self.lab = place
        self.number = 0

    @contextlib.contextmanager
    def running(self, kind="tmpfs", size=None, inodes=None, user=USER, journal=None, **settings):
        """A filter on a small file system of its own; settings are section__key=value.

        journal: a kind of file system for the journal alone, which then is what is handed out."""
        self.number += 1
        room = FileSystem(self.lab, f"room-{self.number}", kind, size or FILE_SYSTEMS[kind][0], inodes=inodes)
        rooms = [room]
        keys = {"journal.segment_size": "1M"} | {key.replace("__", "."): value for key, value in settings.items()}
        made = Filter(self.lab, self.lab.dir / f"socket-{self.number}", name=f"holdfast-{self.number}",
                      spool=room.path, user=user, settings=keys | {"milter.socket_group": ""})
        if journal:
            place = room.path / "journal"
            place.mkdir()
            rooms.append(FileSystem(self.lab, f"journal-{self.number}", journal, at=place))
            shutil.chown(place, user)
        made.start()
        try:
            yield made, rooms[-1]
            expect(not made.sanitizer_report(), made.sanitizer_report())
        finally:
            made.kill()
            for one in reversed(rooms):
                one.unmount()

    # marks

    def space(self, kind):
        """Below the first mark an event and mail is taken; below the second 452; taken again only above the first."""
        with self.running(kind, pressure__space_warn="24M", pressure__space_stop="12M") as (made, room):
            taken(made)
            room.fill(leave=20 * MIB)
            event = made.wait_event(WARN, limit=45)
            equal(event.fields["resource"], "space", "resource")
            figures(event, warn=24 * MIB, stop=12 * MIB)
            expect(12 * MIB < int(event.fields["free"]) < 24 * MIB, event.line)
            taken(made)
            expect(not made.events(STOP), "mail is turned away already between the marks")

            room.fill(leave=8 * MIB)
            event = made.wait_event(STOP, limit=45)
            figures(event, warn=24 * MIB, stop=12 * MIB)
            expect(int(event.fields["free"]) < 12 * MIB, event.line)
            turned_away(made, 452, "4.3.1", "no room on spool")

            room.give_back(12 * MIB)
            wait_free(room, 18 * MIB)
            turned_away(made, 452, "4.3.1", "no room on spool")
            expect(not made.events(OVER), "all is well already between the marks")

            room.release()
            made.wait_event(OVER, limit=45)
            taken(made)
            for code in (WARN, STOP, OVER):
                equal(len(made.events(code)), 1, f"events {code}")
            all_there(made, 3)

    def space_of_the_journal(self):
        """The journal has a file system of its own: the marks look at that, too."""
        with self.running(journal="ext4", pressure__space_warn="12M", pressure__space_stop="6M") as (made, room):
            taken(made)
            room.fill(leave=4 * MIB)
            equal(made.wait_event(STOP, limit=45).fields["resource"], "space", "resource")
            turned_away(made, 452, "4.3.1", "no room on spool")
            room.release()
            made.wait_event(OVER, limit=45)
            taken(made)

    def hovering(self):
        """A figure that hovers at the first mark warns once."""
        with self.running(pressure__space_warn="24M", pressure__space_stop="12M") as (made, room):
            for _ in range(4):
                room.fill(leave=23 * MIB)
                made.wait_event(WARN)
                room.release()
                taken(made)
            equal(len(made.events(WARN)), 1, "warnings")
            made.wait_event(OVER)

    def inodes(self, kind, inodes):
        settings = {"pressure__inodes_warn": "100", "pressure__inodes_stop": "50"}
        with self.running(kind, inodes=inodes, **settings) as (made, room):
            taken(made)
            room.take_inodes(leave=80)
            event = made.wait_event(WARN)
            equal(event.fields["resource"], "inodes", "resource")
            figures(event, warn=100, stop=50)
            taken(made)
            room.take_inodes(leave=30)
            made.wait_event(STOP)
            turned_away(made, 452, "4.3.1", "no inodes left on spool")
            room.release()
            made.wait_event(OVER)
            taken(made)
            all_there(made, 3)

    def descriptors(self):
        """The limit falls under a filter that runs: MAIL is turned away, and the filter lives."""
        with self.running(user=None) as (made, _room):
            taken(made)
            pid = made.process.pid
            limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            used = len(made.open_files())
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 12, limit[1]))
            event = made.wait_event(NO_DESCRIPTORS)
            equal(event.fields["resource"], "descriptors", "resource")
            turned_away(made, 452, "4.3.1", "filter is short of descriptors")
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
            made.wait_event(DESCRIPTORS_AGAIN)
            taken(made)
            all_there(made, 2)

    def descriptors_reserved(self):
        """Open transactions count for what they will need: the last descriptors are not promised twice."""
        with self.running(user=None) as (made, _room), contextlib.ExitStack() as stack:
            pid = made.process.pid
            limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            open_ones = [stack.enter_context(Connection(made.socket_path)) for _ in range(40)]
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(made.open_files()) + 40, limit[1]))
            wait_for(lambda: refused_soon(open_ones), 10, "a transaction to be turned away")
            good = [one for one in open_ones if one.accepted]
            expect(good, "none was taken")
            for one in good:
                one.begin()
                one.body(b"x\r\n" * 10000)
            for one in good:
                equal(one.end().code, 250, "reply to the end of a message that was let in")
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
            all_there(made, len(good))

    def latency(self):
        """A sync that does not return: 451 at MAIL, and all goes on when it does."""
        with self.running(journal="ext4", milter__commit_limit="2s") as (made, room):
            taken(made)
            with Connection(made.socket_path) as early:
                begun(early)
                with room.hanging():
                    early.send(b"E")
                    made.wait_event(SLOWER)
                    event = made.wait_event(SLOW)
                    equal(event.fields["resource"], "latency", "resource")
                    figures(event, warn=250, stop=1000)
                    turned_away(made, 451, "4.3.0", "journal did not answer in time")
            made.wait_event(IN_TIME)
            taken(made)
            equal(made.verify()[0], 0, "verify")

    # reservations

    def declared(self):
        """SIZE= counts twice, over all that is open; what never fits is told apart from what does not fit now."""
        with self.running(pressure__space_stop="8M") as (made, _room):
            reply = turned_away(made, 452, "4.3.1", "message is larger than the spool can hold", "SIZE=60000000")
            turned_away(made, 452, "4.3.1", "message is larger than the spool can hold", "SIZE=18446744073709551615")
            turned_away(made, 452, "4.3.1", "message is larger than the spool can hold", "SIZE=" + "9" * 60)
            expect(TURNED_AWAY in reply.text, f"the reply names no event: {reply}")
            with Connection(made.socket_path) as first:
                equal(first.mail("a@example.org", "SIZE=16000000").code, 250, "MAIL of the first")
                turned_away(made, 452, "4.3.1", "no room on spool", "SIZE=16000000")
                taken(made)
                first.abort()
                equal(first.mail("a@example.org", "size=16000000").code, 250, "MAIL of the first, again")
            taken(made)

    def given_back(self):
        """Whatever ends a transaction gives its reservation back: 60 times as much is asked for as there is."""
        with self.running(pressure__space_stop="8M") as (made, room):
            size = "SIZE=12000000"
            with Connection(made.socket_path) as one:
                for way in range(100):
                    reply = one.mail("a@example.org", size)
                    equal(reply.code, 250, f"MAIL of round {way}: {reply}")
                    leave(one, way)
            for way in range(100):
                with Connection(made.socket_path) as one:
                    reply = wait_for(lambda: taken_at_mail(one, size), 10, "the reservation of a lost connection")
                    equal(reply.code, 250, f"MAIL of connection {way}: {reply}")
                    if way % 2:
                        begun(one, mail=False)
            wait_for(lambda: not made.stages_left(), 10, "the stages to go")
            wait_free(room, 40 * MIB)
            taken(made, b"y" * 76 + b"\r\n", size)

    def reserve(self, kind):
        """Segments are made ready while no mail comes, and given back when others take the room; no mail is turned away."""
        with self.running(kind, journal__segment_size="256K", journal__spares="4", pressure__space_warn="3M",
                          pressure__space_stop="2M") as (made, room):
            spares = [made.spool / "journal" / name for name in ("spare", "spare-2", "spare-3", "spare-4")]
            taken(made)
            wait_for(spares[-1].exists, 60, "all spares")
            inode = spares[-1].stat().st_ino
            for _ in range(30):
                taken(made, (b"y" * 76 + b"\r\n") * 256)
            used = {path.stat().st_ino for path in (made.spool / "journal").glob("*.bsmtp")}
            expect(inode in used, "mail came, and the last of the reserve was not used")
            wait_for(spares[-1].exists, 60, "all spares again")

            room.fill(leave=5 * MIB)
            wait_for(lambda: not any(path.exists() for path in spares[1:]), 60, "the reserve to be given back")
            expect(spares[0].exists(), "the spare itself was given back, too")
            taken(made)
            expect(not made.events(STOP), "mail was turned away")
            room.release()
            taken(made)
            all_there(made, 33)

    def outgrown(self):
        """A body larger than was said and than there is room for: 452 at its end, its stage gone before that."""
        with self.running(pressure__space_stop="8M") as (made, room):
            before = room.free_bytes()
            with Connection(made.socket_path) as one:
                begun(one, "SIZE=10")
                one.body(b"z" * 76 + b"\r\n")
                for _ in range(40):
                    one.body(b"z" * MIB)
                wait_for(lambda: room.free_bytes() >= before - MIB, 10, "the room of the stage to be free again")
                reply = one.end()
                equal((reply.code, reply.enhanced), (452, "4.3.1"), f"reply to the end of the message: {reply}")
                expect("no room on spool for so large a message" in reply.text, f"{reply}")
                reply, _stage = one.message(b"small\r\n")
                equal(reply.code, 250, "the next message on the connection")
            expect(not made.events(STOP), "it was no look that stopped it")
            all_there(made, 1)

    def crowd(self, kind, connections, messages, octets):
        """A thousand that declare little and send much: the spool keeps what lies below its mark."""
        mark = 16 * MIB
        with self.running(kind, pressure__space_stop=str(mark)) as (made, room), lowest(room) as watch:
            result = subprocess.run([build_dir() / "tests" / "bench" / "drive", "-s", f"unix:{made.socket_path}",
                                     "-c", str(connections), "-n", str(messages), "-b", str(octets), "-d", "1",
                                     "--json"], capture_output=True, check=False, timeout=300)
            found = json.loads(result.stdout)
            print(f"# {kind}, {connections} connections: {found['accepted']} taken, {found['tempfailed']} tempfailed, "
                  f"lowest {watch.lowest // KIB} KiB, mark {mark // KIB} KiB", flush=True)
            equal(found["other"], 0, f"messages neither taken nor tempfailed: {found['first_other']}")
            expect(found["tempfailed"] > 0 and found["accepted"] > 0, f"there was no crowd: {found}")
            expect(found["first_tempfail"].startswith("452 4.3.1 "), found["first_tempfail"])
            expect(watch.lowest >= mark - FILE_SYSTEMS[kind][1],
                   f"{watch.lowest} octets were free, the mark is at {mark}")
            wait_for(lambda: not made.stages_left(), 10, "the stages to go")
            all_there(made, found["accepted"], found["tempfailed"])

    # configuration

    def smallest(self):
        """The defaults let a 16 MiB tmpfs take mail, and stop before it is full."""
        with self.running("tmpfs", "16M", journal__segment_size="64M") as (made, room):
            for _ in range(50):
                taken(made, b"w" * 20000 + b"\r\n")
            taken(made, (b"w" * 76 + b"\r\n") * 30000)
            room.fill(leave=400 * KIB)
            made.wait_event(STOP)
            turned_away(made, 452, "4.3.1", "no room on spool")
            room.release()
            made.wait_event(OVER)
            taken(made)
            all_there(made, 52)

    def contradiction(self):
        """A size that is above a share on one file system is not on another: found at the start, with file and line."""
        with self.running(pressure__space_warn="50%", pressure__space_stop="8M") as (made, _room):
            made.write_config(pressure__space_stop="40M")
            made.reload()
            event = made.wait_event(RELOAD_REFUSED)
            line = 1 + made.config.read_text().splitlines().index("space_warn = 50%")
            expect(f"{made.config}:{line}: [pressure] space_warn: must be more than space_stop" in event.line, event.line)
            taken(made)
            made.stop()
            made.launch()
            equal(made.wait(), 2, "exit status of a start with marks that contradict")
            expect(f"{made.config}:{line}: " in made.log_tail(), made.log_tail())
            checked = run([build_dir() / "milter" / "holdfast-milter", "-c", made.config, "-t"], check=False)
            equal(checked.returncode, 2, "exit status of -t")
            expect(f"{made.config}:{line}: " in checked.stderr.decode(), checked.stderr.decode())

    def reload(self):
        """Marks are taken by a reload, both ways, and 0 turns them off."""
        with self.running(pressure__space_stop="8M") as (made, _room):
            made.write_config(pressure__space_stop="63M")
            made.reload()
            made.wait_event(STOP)
            turned_away(made, 452, "4.3.1", "no room on spool")
            made.write_config(pressure__space_stop="0")
            made.reload()
            made.wait_event(OVER)
            taken(made)


def taken(made, octets=b"well\r\n", *parameters):
    with Connection(made.socket_path) as one:
        reply, stage = one.message(octets, *parameters)
        equal(reply.code, 250, f"reply to {stage}: {reply}")
        one.quit()


def turned_away(made, code, enhanced, reason, *parameters):
    """MAIL is refused with the reason: no body is ever sent."""
    with Connection(made.socket_path) as one:
        reply = one.mail("sender@example.org", *parameters)
        equal((reply.code, reply.enhanced), (code, enhanced), f"reply to MAIL: {reply}")
        expect(f"try again later: {reason} {TURNED_AWAY} " in reply.text, f"the reason is not '{reason}': {reply}")
        return reply


def begun(one, *parameters, mail=True):
    """A transaction up to the middle of its body, more than the filter buffers."""
    if mail:
        reply = one.mail("sender@example.org", *parameters)
        equal(reply.code, 250, f"MAIL: {reply}")
    one.begin()
    one.body(b"v" * 100_000)


def leave(one, way):
    """One of the ways in which a transaction ends."""
    if way % 4 == 0:
        one.abort()
    elif way % 4 == 1:
        begun(one, mail=False)
        one.abort()
    elif way % 4 == 2:
        one.begin()
        equal(one.end().code, 250, "end of an empty message")
    # else MAIL follows MAIL


def taken_at_mail(one, *parameters):
    """The reply to MAIL once it is 250: libmilter tells of a lost connection a moment later."""
    reply = one.mail("a@example.org", *parameters)
    return reply if reply.code == 250 else None


def refused_soon(connections):
    """MAIL over all connections; TRUE when some were turned away for descriptors."""
    for one in connections:
        one.abort()
    replies = [one.mail("a@example.org") for one in connections]
    for one, reply in zip(connections, replies):
        one.accepted = reply.code == 250
    return any("short of descriptors" in reply.text for reply in replies)


def figures(event, **wanted):
    for name, value in wanted.items():
        equal(int(event.fields[name]), value, f"{name}= of '{event.line}'")


def wait_free(room, octets):
    wait_for(lambda: room.free_bytes() >= octets, 45, f"{octets} octets to be free")


def all_there(made, count, refused=0):
    """P1: as many records as messages were answered 250, all whole; of what was refused some may be void."""
    records = made.records()
    void = sum(map(is_void, records))
    equal(len(records) - void, count, f"records that are not void; the filter said: {made.log_tail()}")
    expect(void <= refused, f"{void} records are void, and {refused} messages were refused")
    equal(made.verify()[0], 0, "exit status of verify")


class Watch(threading.Thread):
    """The least that was free while it ran, but for what the file system took for itself."""

    def __init__(self, room):
        super().__init__()
        self.room = room
        self.own = room.own_bytes()
        self.lowest = room.free_bytes()
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.002):
            free = self.room.free_bytes()      # first: what is taken between the two is never held against the filter
            self.lowest = min(self.lowest, free + self.room.own_bytes() - self.own)


@contextlib.contextmanager
def lowest(room):
    watch = Watch(room)
    watch.start()
    try:
        yield watch
    finally:
        watch.over.set()
        watch.join()


def cases(pressure):
    found = [(f"space: {kind}", lambda kind=kind: pressure.space(kind)) for kind in FILE_SYSTEMS]
    found += [("a figure that hovers at the warning", pressure.hovering),
              ("inodes: tmpfs", lambda: pressure.inodes("tmpfs", 300)),
              ("inodes: ext4", lambda: pressure.inodes("ext4", 400)),
              ("descriptors", pressure.descriptors),
              ("descriptors of open transactions", pressure.descriptors_reserved),
              ("space: the journal's own file system", pressure.space_of_the_journal),
              ("journal latency", pressure.latency),
              ("declared sizes", pressure.declared),
              ("every way to end a transaction", pressure.given_back),
              ("a message that outgrows the room", pressure.outgrown)]
    found += [(f"segments in reserve: {kind}", lambda kind=kind: pressure.reserve(kind)) for kind in ("tmpfs", "ext4")]
    # to a sanitizer one file system is like another, but for what shows late on btrfs
    crowds = ("ext4", "btrfs") if build.is_sanitized() else FILE_SYSTEMS
    found += [(f"a thousand connections: {kind}", lambda kind=kind: pressure.crowd(kind, 1000, 1500, 256 * KIB))
              for kind in crowds]
    found += [(f"up to the mark: {kind}", lambda kind=kind: pressure.crowd(kind, 20, 5000, 64 * KIB))
              for kind in crowds if kind != "btrfs" or not build.is_sanitized()]
    found += [("a tmpfs of 16 MiB", pressure.smallest),
              ("marks that contradict each other", pressure.contradiction),
              ("marks taken by a reload", pressure.reload)]
    return found


def main():
    if not lab.is_root():
        tap.skip_all("small file systems need root")
        return 0
    lab.raise_on_signals()
    with Lab("pressure") as place:
        return tap.main(cases(Pressure(place)))


if __name__ == "__main__":
    sys.exit(main())
