#!/usr/bin/env python3
"""Whatever happened to the journal's files: a start takes mail, what was not touched is shown, nothing else as whole.

The files of a journal get random damage, by fixed seeds: bits turned over,
ranges made NULs, taken out or doubled, ends cut off, files swapped, doubled or
emptied, and the small files beside them written over (P1, P5)."""
import pathlib
import random
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import lab, tap  # noqa: E402
from lib.holdfast import USER, Filter  # noqa: E402
from lib.lab import Lab  # noqa: E402
from lib.milter import Connection  # noqa: E402
from lib.segment import records  # noqa: E402
from lib.suite import rounds  # noqa: E402
from lib.tap import Failure, equal, expect  # noqa: E402

BLOCK = 4096
MESSAGES = 40
DAMAGED = "HF-305"
HEAD = b"Subject: pressure\r\n\r\n"      # what Connection.begin() says


class Journals:
    def __init__(self, place):
        self.lab = place
        self.first = self.filter("first")
        self.first.start()
        sizes = random.Random(1)
        with Connection(self.first.socket_path) as one:
            for number in range(MESSAGES):
                body = b"".join(b"message %d, line %d\r\n" % (number, line) for line in range(sizes.choice((1, 20, 300))))
                equal(one.message(body)[0].code, 250, "reply")
            one.quit()
        self.first.stop()
        found = list(records(self.first.spool / "journal"))
        equal(len(found), MESSAGES, "messages in the journal")
        self.messages = {identity: octets for identity, octets, _ in found}
        self.records = {identity: record for identity, _, record in found}

    def filter(self, name):
        return Filter(self.lab, self.lab.subdir(f"socket-{name}", 0o777) / "milter.sock", name=name,
                      user=USER if lab.is_root() else None,
                      settings={"journal.segment_size": "64K", "milter.socket_group": ""})

    def copy(self, name):
        made = self.filter(name)
        for path in (self.first.spool / "journal", self.first.spool / "stage"):
            copied = made.spool / path.name
            shutil.copytree(path, copied)
            copied.chmod(path.stat().st_mode & 0o7777)
            for file in (copied, *copied.iterdir()):
                if made.user:
                    shutil.chown(file, made.user)
        return made

    def check(self, made, untouched):
        """What list and export give, against what was sent.  Returns how many are shown as whole."""
        whole = {record["id"] for record in made.records() if record["copy"] == "whole"} & set(self.messages)
        missing = untouched - whole
        expect(not missing, f"not touched, and not shown as whole: {sorted(missing)[:3]}")
        exported = made.dir / "exported"
        made.command("export", "--format", "eml", "-o", exported, *sorted(whole), check=False)
        for identity in whole:
            got = (exported / f"{identity}.eml").read_bytes()
            expect(got == self.messages[identity], f"shown as whole, and not what was sent: {identity}")
        return len(whole)

    def untouched(self, made):
        """Ids of records whose octets still stand somewhere in one piece, but perhaps for their chain."""
        texts = [path.read_bytes() for path in (made.spool / "journal").glob("*.bsmtp")]
        return {identity for identity, record in self.records.items() if any(record in text for text in texts)}

    def damaged(self):
        count, deeds, shown, hurt, told = rounds(16, 400), 0, 0, 0, 0
        for seed in range(count):
            chance = random.Random(seed)
            made = self.copy(f"damaged-{seed}")
            done = [chance.choice(DEEDS)(made.spool / "journal", chance) for _ in range(chance.randint(1, 4))]
            deeds += len(done)
            untouched = self.untouched(made)
            try:
                self.survives(made, untouched)
                shown += self.check(made, untouched)
            except (Failure, RuntimeError) as failure:
                raise Failure(f"seed {seed}, {done}: {failure}") from failure
            hurt += len(self.messages) - len(untouched)
            told += bool(made.events(DAMAGED))
            made.kill()
            shutil.rmtree(made.dir)
        expect(hurt > count and told > 0, f"{hurt} records hurt: the run proves little")
        print(f"# {count} journals, {deeds} deeds, {count * MESSAGES} records, {hurt} of them touched; {shown} shown as whole, "
              f"0 wrongly, 0 missing", flush=True)

    def survives(self, made, untouched):
        """A start, a message, a stop; and verify tells what is wrong without being harmed by it."""
        made.start()
        with Connection(made.socket_path) as one:
            reply, stage = one.message(b"after the damage\r\n")
            equal(reply.code, 250, f"reply to {stage}: {reply}")
            one.quit()
        made.stop()
        expect(not made.sanitizer_report(), made.sanitizer_report())
        status, said = made.verify()
        expect(status in (0, 1), f"status {status} of verify, which said {said}")
        expect(status == 1 or len(untouched) == MESSAGES, f"verify finds nothing wrong, and {MESSAGES - len(untouched)} were touched")
        new = [record for record in made.records() if record["id"] not in self.messages and record["copy"] == "whole"]
        equal([made.octets(record["id"]) for record in new], [HEAD + b"after the damage\r\n"], "the message after the damage")

    def control(self):
        """An octet that changed and is shown as whole, and a record that is not shown, are both reported."""
        made = self.copy("control")
        identity = next(iter(self.messages))
        kept = self.messages[identity]
        self.messages[identity] = kept.replace(b"line 0", b"line O")
        reported(lambda: self.check(made, set()), "shown as whole, and not what was sent")
        self.messages[identity] = kept
        (made.spool / "journal" / "0000000001.bsmtp").unlink()
        reported(lambda: self.check(made, set(self.messages)), "not touched, and not shown")


def reported(function, text):
    try:
        function()
    except Failure as failure:
        expect(text in str(failure), f"another failure: {failure}")
        return
    raise Failure(f"not reported: {text}")


# Each takes the journal's directory and what chooses, and tells what it did.

def one_of(journal, chance):
    return chance.choice(sorted(journal.glob("*.bsmtp")))


def piece(octets, chance):
    at = chance.randrange(max(1, len(octets.rstrip(b"\0"))))
    return at, at + chance.choice((1, 100, BLOCK, 10_000))


def change(journal, chance, what, function):
    path = one_of(journal, chance)
    octets = path.read_bytes()
    at, end = piece(octets, chance)
    path.write_bytes(function(octets, at, end))
    return f"{path.name}: {what} {at}-{end}"


def flip(journal, chance):
    bit = 1 << chance.randrange(8)
    return change(journal, chance, "bit", lambda octets, at, _: octets[:at] + bytes([octets[at] ^ bit]) + octets[at + 1:])


def zero(journal, chance):
    return change(journal, chance, "NULs", lambda octets, at, end: octets[:at] + bytes(end - at) + octets[end:])


def noise(journal, chance):
    return change(journal, chance, "noise", lambda octets, at, end: octets[:at] + chance.randbytes(end - at) + octets[end:])


def cut(journal, chance):
    return change(journal, chance, "cut", lambda octets, at, _: octets[:at])


def drop(journal, chance):
    return change(journal, chance, "dropped", lambda octets, at, end: octets[:at] + octets[end:])


def double(journal, chance):
    return change(journal, chance, "doubled", lambda octets, at, end: octets[:end] + octets[at:])


def swap(journal, chance):
    one, other = one_of(journal, chance), one_of(journal, chance)
    ours, theirs = one.read_bytes(), other.read_bytes()
    one.write_bytes(theirs)
    other.write_bytes(ours)
    return f"{one.name} and {other.name} swapped"


def double_file(journal, chance):
    path = one_of(journal, chance)
    newest = max(int(path.stem) for path in journal.glob("*.bsmtp"))
    copied = shutil.copy2(path, journal / f"{newest + chance.randint(1, 3):010}.bsmtp")
    shutil.chown(copied, path.owner(), path.group())
    return f"{path.name} doubled as {pathlib.Path(copied).name}"


def empty(journal, chance):
    path = one_of(journal, chance)
    path.write_bytes(b"")
    return f"{path.name} emptied"


def beside(journal, chance):
    """The published offset, and the spare."""
    path = chance.choice([path for path in sorted(journal.iterdir()) if path.suffix != ".bsmtp" and path.name != "lock"])
    path.write_bytes(chance.choice((b"", b"\0" * 100, b"18446744073709551615 9", chance.randbytes(5000))))
    return f"{path.name} written over"


DEEDS = (flip, flip, zero, noise, cut, drop, double, swap, double_file, empty, beside)


def main():
    lab.raise_on_signals()
    with Lab("damaged") as place:
        journals = Journals(place)
        return tap.main([("control: wrong and missing records are reported", journals.control),
                         ("journals damaged at random", journals.damaged)])


if __name__ == "__main__":
    sys.exit(main())
