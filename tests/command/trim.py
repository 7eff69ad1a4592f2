#!/usr/bin/env python3
"""settle and trim ask first, record who and why, and nothing goes but what is void or settled (P3)."""
import fcntl
import json
import os
import pathlib
import pwd
import shlex
import shutil
import struct
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import lab, tap  # noqa: E402
from lib.holdfast import USER, program  # noqa: E402
from lib.lab import Lab, run  # noqa: E402
from lib.messages import head, lines  # noqa: E402
from lib.segment import Segment, time_text  # noqa: E402
from lib.spool import Spool, whole  # noqa: E402
from lib.tap import equal, expect, wait_for  # noqa: E402

F_OFD_SETLK = 37  # linux/fcntl.h
TEXT = head("settled") + lines("Text.")
PAIR = ["<one@example.net>", "<two@example.net>"]


def has_open(pid, path):
    return any(os.path.realpath(link) == os.path.realpath(path) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir())


class Cases:
    def __init__(self, place):
        self.lab = place
        self.count = 0

    def spool(self, retention="0"):
        self.count += 1
        return Spool(self.lab, f"spool-{self.count}", {"retention.settled": retention})

    def journal(self, made, count=4):
        """Segments of two messages each, one of them void in the first.  Returns the ids, segment by segment."""
        segments, ids = [], []
        for seq in range(1, count + 1):
            segment = Segment(seq, segments[-1] if segments else None)
            ids.append([segment.message(TEXT, recipients=PAIR, at=10 * seq + n) for n in range(2)])
            if seq == 1:
                segment.void(ids[0][0])
            segment.end()
            segments.append(segment)
        made.save(*segments)
        return ids

    # settle

    def needs_reason(self):
        made = self.spool()
        ids = self.journal(made)
        for words, missing in (([ids[0][1]], "--reason"), (["--reason", "why"], "which messages"),
                               (["--reason", "", ids[0][1]], "--reason")):
            _, said = whole(made.command("settle", "--yes", *words, check=False), 2, f"settle {words}")
            expect(missing in said, said)
        equal(made.acts(), [], "acts")

    def asks(self):
        made = self.spool()
        ids = self.journal(made)
        _, said = whole(made.command("settle", "--reason", "why", ids[1][0], check=False), 2, "settle without a terminal")
        expect("terminal" in said, said)
        for answer in ("no", "", "y", "yes please"):
            status, said = made.ask(answer, "settle", "--reason", "why", ids[1][0])
            equal(status, 0, f"status after '{answer}'")
            expect("nothing was settled" in said, said)
            equal(made.acts(), [], f"acts after '{answer}'")
        status, said = made.ask("yes", "settle", "--reason", "why", ids[1][0])
        equal(status, 0, "status after yes")
        expect("2 recipients of 1 message" in said and ids[1][0] in said, said)
        equal(len(made.acts()), 1, "acts after yes")
        equal(made.states()[ids[1][0]], {"one@example.net": "settled", "two@example.net": "settled"}, "states")
        equal(made.states()[ids[1][1]], {"one@example.net": "provisional", "two@example.net": "provisional"}, "states")

    def tried_once(self):
        """What can't be declared is told once, whatever else is wrong."""
        made = self.spool()
        ids = self.journal(made)
        _, said = whole(made.command("settle", "--reason", "why", ids[1][0], "01ARZ3NDEKTSV4RRFFQ69G5FAV", check=False), 2,
                        "settle without a terminal")
        equal(said.count("no terminal"), 1, f"times it says that it can't ask: {said}")
        (made.spool / "acts").symlink_to(self.lab.subdir("acts-elsewhere"))
        _, said = whole(made.command("settle", "--yes", "--reason", "why", ids[1][0], check=False), 3, "settle without room")
        equal(said.count("nothing was settled"), 1, f"times it tried: {said}")

    def only_looks(self):
        made = self.spool()
        ids = self.journal(made)
        said, _ = whole(made.command("settle", "--dry-run", "--json", "--reason", "why", "--until", "2030-01-01"), 0, "dry run")
        equal([json.loads(line)["id"] for line in said.splitlines()], [ids[0][1], *ids[1], *ids[2], *ids[3]],
              "ids shown: all but the void one")
        equal(made.acts(), [], "acts")

    def filters(self):
        made = self.spool()
        ids = self.journal(made)
        whole(made.command("settle", "--yes", "--reason", "why", "--until", time_text(25)), 0, "settle by time")
        settled = {identity for identity, states in made.states().items() if "settled" in states.values()}
        equal(settled, {ids[0][1], *ids[1]}, "messages settled")
        whole(made.command("settle", "--yes", "--reason", "why", "--recipient", "two@example.net", ids[2][0]), 0, "one recipient")
        equal(made.states()[ids[2][0]], {"one@example.net": "provisional", "two@example.net": "settled"}, "states")
        expect("partly" in made.command("list").stdout.decode(), "the table does not say that it is settled in part")
        whole(made.command("settle", "--yes", "--reason", "why", ids[2][0]), 0, "the rest")
        equal(made.states()[ids[2][0]], {"one@example.net": "settled", "two@example.net": "settled"}, "states")

    def nothing_new(self):
        made = self.spool()
        ids = self.journal(made)
        whole(made.command("settle", "--yes", "--reason", "why", ids[1][0]), 0, "first")
        _, said = whole(made.command("settle", "--yes", "--reason", "why", ids[1][0], ids[0][0]), 0, "settled and void")
        expect("nothing is to be settled" in said, said)
        _, said = whole(made.command("settle", "--yes", "--reason", "why", "01ARZ3NDEKTSV4RRFFQ69G5FAV", check=False), 1, "unknown")
        expect("no such message: 01ARZ3NDEKTSV4RRFFQ69G5FAV" in said, said)
        equal(len(made.acts()), 1, "acts")

    def who_and_why(self):
        made = self.spool()
        ids = self.journal(made)
        whole(made.command("settle", "--yes", "--reason", "told by\ntelephone", ids[1][0],
                           env=os.environ | {"SUDO_USER": "alice"}), 0, "settle")
        text = made.acts()[0].read_text()
        for part in (f"uid={os.getuid()} user={pwd.getpwuid(os.getuid()).pw_name}", "sudo=alice",
                     "reason=told+20by+0Atelephone", "outcome=declared", f"message={ids[1][0]} segment=2 recipients=all"):
            expect(part in text, f"no '{part}' in {text}")
        record = next(record for record in made.records() if record["id"] == ids[1][0])
        equal([(one["outcome"], one["detail"]) for one in record["recipients"]], [("declared", "told by\ntelephone")] * 2,
              "outcome and detail")

    def belongs_to_the_spool(self):
        if not lab.is_root():
            raise tap.Skip("needs root")
        made = self.spool()
        ids = self.journal(made)
        shutil.chown(made.spool, USER)
        shutil.chown(made.journal, USER)
        for path in made.journal.iterdir():
            shutil.chown(path, USER)
        whole(made.command("settle", "--yes", "--reason", "why", *ids[1], ids[0][1]), 0, "settle")
        whole(made.command("trim", "--yes"), 0, "trim")
        owner = pwd.getpwnam(USER).pw_uid
        for path in (*made.spool.rglob("*"), made.spool):
            equal(path.stat().st_uid, owner, f"owner of {path}")
        for path in (made.journal / "readers", made.journal / "trimmed", *made.acts()):
            equal(path.stat().st_mode & 0o777, 0o600, f"mode of {path}")

    def damaged_act(self):
        made = self.spool()
        ids = self.journal(made)
        whole(made.command("settle", "--yes", "--reason", "why", ids[1][0]), 0, "settle")
        path = made.acts()[0]
        path.write_bytes(path.read_bytes().replace(ids[1][0].encode(), ids[1][1].encode()))
        result = made.command("list", "--json")
        expect(path.name in result.stderr.decode() and "settles nothing" in result.stderr.decode(), result.stderr)
        expect(b'"settled"' not in result.stdout, "a damaged act settled something")

    # copies that are gone

    def audit(self, made, *words):
        run([program("holdfast-auditor"), "-c", made.config, "--once", *words])

    def without_copies(self):
        """A spool whose second segment went without a note; the books know what was in it.  Returns its records, too."""
        made = self.spool()
        log = made.dir / "mail.log"
        log.touch()
        made.write_config(mta__type="postfix", mta__log=f"file:{log}", mta__queue=made.dir / "no-queue")
        self.journal(made)
        self.audit(made)
        (made.journal / "0000000002.bsmtp").unlink()
        self.audit(made)
        gone = [record for record in made.records() if record["copy"] == "damaged"]
        equal([record["segment"] for record in gone], ["0000000002.bsmtp"] * 2, "where the copies were")
        return made, gone

    def wrong(self, made):
        """Which of balance, verify and status say that copies are gone."""
        needs = json.loads(made.command("status", "--json", check=False).stdout)["needs"]
        said = {"balance": made.command("balance", check=False).returncode, "verify": made.verify()[0],
                "status": int("holdfast list --copy damaged" in [need["next"] for need in needs])}
        return {name for name, code in said.items() if code != 0}

    def gone_copies_are_settled(self):
        """By id or by place, or they would be missing for good."""
        made, (first, second) = self.without_copies()
        equal(self.wrong(made), {"balance", "verify", "status"}, "who tells of it")
        settle = ("settle", "--yes", "--reason", "told them")
        whole(made.command(*settle, first["id"]), 0, "settle by id")
        self.audit(made)
        equal(self.wrong(made), {"balance", "verify", "status"}, "who tells of the other one")
        _, said = whole(made.command(*settle, f"{second['segment']}:{second['offset']}"), 0, "settle by place")
        expect("1 torn, damaged or missing copy" in said, said)
        equal(made.verify()[0], 0, "status of verify, before the books have it")
        for words in ((), ("--rebuild",)):
            self.audit(made, *words)
            equal(self.wrong(made), set(), f"who is not content, after the auditor ran with {words}")
            for record in (first, second):
                equal(set(made.states()[record["id"]].values()), {"settled"}, "states")
        equal(json.loads(made.command("balance", "--json").stdout.splitlines()[-1])["summary"]["copy_gone_settled"], 4, "balance")
        _, said = whole(made.command(*settle, first["id"], second["id"]), 0, "settle again")
        expect("nothing is to be settled" in said, said)

    def gone_copies_are_settled_by_filter(self):
        made, gone = self.without_copies()
        one = ["--recipient", "one@example.net", "--since", gone[0]["at"], "--until", time_text(25)]
        whole(made.command("settle", "--yes", "--reason", "why", *one), 0, "one recipient")
        for record in gone:
            equal(made.states()[record["id"]], {"one@example.net": "settled", "two@example.net": "provisional"}, "states")
        self.audit(made)
        equal(self.wrong(made), {"balance", "verify", "status"}, "who tells of it")
        whole(made.command("settle", "--yes", "--reason", "why", *one[2:]), 0, "all")
        self.audit(made)
        equal(self.wrong(made), set(), "who is not content")

    def explains_gone_copy(self):
        """What it says to type next works."""
        made, gone = self.without_copies()
        for command, want in (("explain", "Its copy is gone"), ("explain", "An operator declared it settled")):
            said, _ = whole(made.command(command, gone[0]["id"]), 0, command)
            expect(want in " ".join(said.split()) and "holdfast show" not in said, said)
            for line in {line.partition("Next: holdfast ")[2] for line in said.splitlines() if "Next: " in line}:
                whole(made.command(*shlex.split(line), "--yes"), 0, line)
            self.audit(made)

    def unreadable_is_not_gone(self):
        """What can't be read may well be whole: nothing in it is settled, and the status tells so."""
        made, gone = self.without_copies()
        path = made.journal / "0000000002.bsmtp"
        os.mkfifo(path)
        for words in (["--until", "2030-01-01"], [gone[0]["id"]]):
            said, complaints = whole(made.command("settle", "--dry-run", "--json", "--reason", "why", *words, check=False), 3,
                                     f"settle {words}")
            expect("could not be read" in complaints, complaints)
            expect(gone[0]["id"] not in said, said)

    def newer_is_not_gone(self):
        """What comes, and is in the books, between a look at the journal and one at them is not taken for missing.  An
        act that is a pipe holds the command up between the two."""
        for words in (("list", "--json"), ("settle", "--dry-run", "--json", "--reason", "why", "--until", "2030-01-01")):
            made, gone = self.without_copies()
            fifo, other = made.spool / "acts" / "later.act", made.dir / "fifo"
            fifo.parent.mkdir(exist_ok=True)
            os.mkfifo(fifo)
            os.link(fifo, other)
            process = subprocess.Popen([program("holdfast"), "-c", made.config, *words], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            wait_for(lambda: has_open(process.pid, fifo.parent), 20, "the command to read the acts")
            fifo.unlink()
            segment = Segment(5)
            newer = segment.message(TEXT)
            segment.end()
            made.save(segment)
            self.audit(made)
            os.close(os.open(other, os.O_RDWR))
            said, complaints = process.communicate(timeout=60)
            equal(process.returncode, 0, f"status of {words}: {complaints}")
            expect(gone[0]["id"].encode() in said and newer.encode() not in said, f"{words} tells of what came later: {said}")

    # trim

    def provisional_stays(self):
        made = self.spool()
        self.journal(made)
        _, said = whole(made.command("trim", "--yes"), 0, "trim")
        expect("nothing goes" in said, said)
        equal(made.segments(), [1, 2, 3, 4], "segments")
        expect(not (made.journal / "trimmed").exists(), "a note was written")

    def trims(self):
        made = self.spool()
        ids = self.journal(made)
        whole(made.command("settle", "--yes", "--reason", "why", ids[0][1], *ids[1], ids[2][0], *ids[3]), 0, "settle")
        said, _ = whole(made.command("trim", "--dry-run", "--json"), 0, "dry run")
        equal([json.loads(line)["verdict"] for line in said.splitlines()], ["goes", "goes", "unsettled", "newest"], "verdicts")
        equal(json.loads(said.splitlines()[2])["kept_for"], ids[2][1], "what keeps the third")
        equal(made.segments(), [1, 2, 3, 4], "segments after the dry run")
        status, answered = made.ask("no", "trim")
        equal((status, made.segments()), (0, [1, 2, 3, 4]), f"after no: {answered}")
        _, said = whole(made.command("trim", check=False), 2, "trim without a terminal")
        expect("terminal" in said, said)
        status, answered = made.ask("yes", "trim", "--reason", "disk is full")
        equal((status, made.segments()), (0, [3, 4]), f"after yes: {answered}")
        notes = (made.journal / "trimmed").read_text()
        for part in ("seq=1 ", "seq=2 ", "reason=disk+20is+20full", f"uid={os.getuid()}", "records=2", "void=2 settled=2"):
            expect(part in notes, f"no '{part}' in {notes}")
        self.explained(made, 2)

    def explained(self, made, trimmed):
        status, said = made.verify()
        equal(status, 0, f"status of verify: {said}")
        expect(f" 0 breaks of the chain, 0 segments not read, 0 missing, {trimmed} trimmed" in said, said)

    def in_several_runs(self):
        """Newest first, oldest last: the chain goes over every gap."""
        made = self.spool()
        ids = self.journal(made, 6)
        for number, seq in enumerate((4, 2, 5, 1, 3), 1):
            whole(made.command("settle", "--yes", "--reason", "why", *ids[seq - 1]), 0, f"settle {seq}")
            whole(made.command("trim", "--yes"), 0, f"trim {seq}")
            expect(seq not in made.segments(), f"segment {seq} is there: {made.segments()}")
            self.explained(made, number)
        equal(made.segments(), [6], "segments")

    def missing(self):
        made = self.spool()
        self.journal(made)
        (made.journal / "0000000002.bsmtp").unlink()
        status, said = made.verify()
        equal(status, 1, f"status of verify: {said}")
        expect("missing: segment 0000000002.bsmtp" in said and " 1 missing" in said, said)
        result = made.command("verify", "--json", check=False)
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        expect(any(row.get("segment") == "0000000002.bsmtp" and row["copy"] is None for row in rows), f"not told: {rows}")
        equal(rows[-1]["summary"]["missing_segments"], 1, "missing segments")

    def retention(self):
        made = self.spool(retention="1h")
        ids = self.journal(made)
        whole(made.command("settle", "--yes", "--reason", "why", *ids[1]), 0, "settle")
        said, _ = whole(made.command("trim", "--yes"), 0, "trim")
        expect("kept until" in said, said)
        equal(made.segments(), [1, 2, 3, 4], "segments")
        made.write_config(retention__settled="0")
        whole(made.command("trim", "--yes"), 0, "trim once it is over")
        equal(made.segments(), [1, 3, 4], "segments")

    def damage_is_settled_by_its_place(self):
        made = self.spool()
        segments = [Segment(1)]
        damaged, sound = (segments[0].message(TEXT) for _ in range(2))
        segments[0].end()
        segments[0].damage(damaged)
        for seq in (2, 3):
            segments.append(Segment(seq, segments[-1]))
            segments[-1].end()
        made.save(*segments)
        whole(made.command("settle", "--yes", "--reason", "why", sound), 0, "settle the sound one")
        said, _ = whole(made.command("trim", "--yes"), 0, "trim")
        expect("torn or damaged" in said and damaged in said, said)
        equal(made.segments(), [1, 2, 3], "segments")
        offset = next(record["offset"] for record in made.records() if record["copy"] == "damaged")
        for place in (f"0000000001.bsmtp:{offset + 1}", "0000000009.bsmtp:4096"):
            _, said = whole(made.command("settle", "--yes", "--reason", "why", place, check=False), 1, "settle nothing")
            expect(f"nothing begins at {place}" in said, said)
        whole(made.command("settle", "--yes", "--reason", "looked at it", f"0000000001.bsmtp:{offset}"), 0, "settle the place")
        whole(made.command("trim", "--yes"), 0, "trim")
        equal(made.segments(), [3], "segments")

    def unsettled_copy_of_two(self):
        """Two recipients, one settled: the segment stays for the other."""
        made = self.spool()
        ids = self.journal(made)
        whole(made.command("settle", "--yes", "--reason", "why", "--recipient", "one@example.net", *ids[1]), 0, "settle")
        whole(made.command("trim", "--yes"), 0, "trim")
        equal(made.segments(), [1, 2, 3, 4], "segments")

    def changed_while_asked(self):
        """What opens again while the question stands is not removed by the answer."""
        made = self.spool()
        ids = self.journal(made)
        for number, pair in enumerate(ids[:3]):
            whole(made.command("settle", "--yes", "--reason", f"why {number}", *pair), 0, "settle")
        last = [path for path in made.acts() if "why+202" in path.read_text()]
        equal(len(last), 1, "acts of the third segment")
        status, said = made.ask("yes", "trim", meanwhile=last[0].unlink)
        equal(status, 0, f"status of trim: {said}")
        expect("3 of 4 segments" in said and "1 of them stay" in said, said)
        equal(made.segments(), [3, 4], "segments")

    def changed_while_waiting(self):
        """The same without a question, while a reader is waited for."""
        made = self.spool()
        ids = self.journal(made)
        whole(made.command("settle", "--yes", "--reason", "why", *ids[1]), 0, "settle")
        act = made.acts()[0]
        with open(made.spool / "journal" / "readers", "w+b") as readers:
            fcntl.fcntl(readers, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))

            def change():
                act.unlink()
                readers.close()

            later = threading.Timer(2, change)
            later.start()
            _, said = whole(made.command("trim", "--yes"), 0, "trim")
            later.join()
        expect("removed 0 of 1 segments" in said and "1 of them stay" in said, said)
        equal(made.segments(), [1, 2, 3, 4], "segments")

    def not_allowed(self):
        made = self.spool()
        ids = self.journal(made)
        if not lab.is_root():
            raise tap.Skip("needs root, to become somebody else")
        for words in (("settle", "--yes", "--reason", "why", ids[1][0]), ("trim", "--yes")):
            _, said = whole(made.command(*words, check=False, user=USER, group=pwd.getpwnam(USER).pw_gid), 3, words[0])
            expect("ermission denied" in said, said)
        equal((made.segments(), made.acts()), ([1, 2, 3, 4], []), "segments and acts")


def main():
    lab.raise_on_signals()
    with Lab("trim") as place:
        cases = Cases(place)
        names = ("needs_reason", "asks", "tried_once", "only_looks", "filters", "nothing_new", "who_and_why", "belongs_to_the_spool",
                 "damaged_act", "gone_copies_are_settled", "gone_copies_are_settled_by_filter", "explains_gone_copy",
                 "unreadable_is_not_gone", "newer_is_not_gone", "provisional_stays", "trims", "in_several_runs", "missing", "retention",
                 "damage_is_settled_by_its_place", "unsettled_copy_of_two", "changed_while_asked",
                 "changed_while_waiting", "not_allowed")
        return tap.main([(name.replace("_", " "), getattr(cases, name)) for name in names])


if __name__ == "__main__":
    sys.exit(main())
