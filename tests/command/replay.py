#!/usr/bin/env python3
"""contrib/replay reads as doc/FORMAT says and keeps to SMTP, whatever the journal and the server are like."""
import json
import pathlib
import random
import os
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import lab, tap  # noqa: E402
from lib.lab import TOP, Lab, free_port, run  # noqa: E402
from lib.messages import head, imitation, lines  # noqa: E402
from lib.segment import Segment, alone  # noqa: E402
from lib.sink import Sink  # noqa: E402
from lib.spool import Spool  # noqa: E402
from lib.tap import equal, expect  # noqa: E402

TEXT = head("text") + lines("Text.")
MANY = [f"<many{n}@example.net>" for n in range(250)]
ROUNDS = 60


REPLAY = TOP / "contrib" / "replay"


def replay(*words, status=0, why="", before=()):
    result = run([*before, REPLAY, *words], check=False, timeout=120)
    said = result.stderr.decode("utf-8", "replace")
    equal(result.returncode, status, f"exit status {why}; it said {said}")
    return result.stdout.decode(), said


def broken_pipe():
    """A pipe that nobody reads from."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


class Limit:
    """Answers RCPT as a server does that takes only so many in a transaction."""

    def __init__(self, sink, limit, reply):
        self.taken, self.limit, self.reply = 0, limit, reply
        sink.refuse("MAIL", self.mail)
        sink.refuse("RCPT", self.rcpt)

    def mail(self, _):
        self.taken = 0

    def rcpt(self, _):
        if self.taken == self.limit:
            return self.reply
        self.taken += 1
        return None


class Cases:
    def __init__(self, place):
        self.lab = place
        self.count = 0
        self.sink = Sink().start()
        place.defer(self.sink.stop)

    def place(self):
        self.count += 1
        return self.lab.subdir(f"journal-{self.count}")

    def send(self, *paths, status=0):
        return replay("--server", f"127.0.0.1:{self.sink.port}", *paths, status=status)

    def one(self, octets=TEXT, **envelope):
        """A segment with one message: its path, and the message's id."""
        segment = Segment(1)
        identity = segment.message(octets, **envelope)
        segment.end()
        return segment.save(self.place()), identity

    def addresses(self):
        return sorted(address for delivery in self.sink.deliveries() for address in delivery.addresses)

    # servers

    def limits(self):
        for limit, reply in ((100, "452 4.5.3 too many recipients"), (100, "552 too many recipients"),
                             (100, "421 4.5.3 too many recipients"), (1, "452 4.5.3 too many recipients")):
            self.sink.forget()
            Limit(self.sink, limit, reply)
            taken, _ = self.send(self.one(recipients=MANY)[0])
            equal(len(taken.splitlines()), len(MANY), f"recipients taken after {reply}")
            equal(self.addresses(), sorted(path.strip("<>") for path in MANY), "recipients at the sink")
            equal(max(len(delivery.recipients) for delivery in self.sink.deliveries()), limit, "largest transaction")

    def some_refused(self):
        """Also with the codes that elsewhere mean too many."""
        for code in (450, 452, 550, 552):
            self.sink.forget()
            self.sink.refuse("RCPT", lambda text, code=code: f"{code} no" if "many7" in text else None)
            path, identity = self.one(recipients=MANY[:20])
            taken, said = self.send(path, status=1)
            equal(len(taken.splitlines()), 19, f"recipients taken beside {code}")
            expect(f"{identity}: <many7@example.net>: not taken: {code} no" in said, said)
            equal(len(self.addresses()), 19, "recipients at the sink")

    def all_refused(self):
        """DATA is sent only behind a recipient that was taken."""
        self.sink.forget()
        asked = []
        self.sink.refuse("RCPT", "550 no")
        self.sink.refuse("DATA", lambda text: asked.append(text) or "503 no")
        path, identity = self.one(recipients=MANY[:3])
        taken, said = self.send(path, status=1)
        equal((taken, asked), ("", []), "recipients taken, and DATA")
        equal(len(re.findall(rf"{identity}: <many\d@example.net>: not taken: 550 no", said)), 3, f"complaints in {said}")

    def refused_later(self):
        for verb, reply in (("MAIL", "451 later"), ("DATA", "554 no"), ("END", "552 too large")):
            self.sink.forget()
            self.sink.refuse(verb, reply)
            path, identity = self.one(recipients=MANY[:3])
            taken, said = self.send(path, status=1)
            equal(taken, "", f"recipients taken though {verb} was refused")
            equal(len(re.findall(rf"{identity}: <many\d@example.net>: not taken: {reply}", said)), 3, f"complaints in {said}")
            equal(self.sink.deliveries(), [], "deliveries")

    def goes_away(self):
        """At the end of the message nobody knows whether it was taken, and that is said; the next message goes on."""
        self.sink.forget()

        def drop(_):
            self.sink.refuse("END", None)
            raise ConnectionError

        self.sink.refuse("END", drop)
        segment = Segment(1)
        first, second = segment.message(TEXT), segment.message(TEXT)
        segment.end()
        taken, said = self.send(segment.save(self.place()), status=1)
        equal([line.split()[0] for line in taken.splitlines()], [second], "taken")
        expect(f"{first}: <recipient@example.net>: not taken: not known whether taken" in said, said)

    def ends_connections(self):
        """421 at MAIL: on a new connection it is taken."""
        self.sink.forget()
        count = [0]

        def every_third(_):
            count[0] += 1
            return "421 enough" if count[0] % 3 == 0 else None

        self.sink.refuse("MAIL", every_third)
        segment = Segment(1)
        ids = [segment.message(TEXT) for _ in range(7)]
        segment.end()
        taken, _ = self.send(segment.save(self.place()))
        equal([line.split()[0] for line in taken.splitlines()], ids, "taken")

    def nobody_there(self):
        path, identity = self.one()
        taken, said = replay("--server", f"127.0.0.1:{free_port()}", path, status=1)
        equal(taken, "", "taken")
        expect(f"{identity}: <recipient@example.net>: not taken: cannot connect" in said, said)

    def without_extensions(self):
        self.sink.forget()
        self.sink.refuse("EHLO", "502 not known here")
        segment = Segment(1)
        plain = segment.message(TEXT, sender="<sender@example.org> BODY=8BITMIME RET=FULL ENVID=x",
                                recipients=["<one@example.net> NOTIFY=NEVER"])
        eight = segment.message(head("eight") + lines("Grüße"), sender="<sender@example.org> BODY=8BITMIME")
        utf8 = segment.message(TEXT, sender="<sender@example.org> SMTPUTF8")
        segment.end()
        taken, said = self.send(segment.save(self.place()), status=1)
        equal([line.split()[0] for line in taken.splitlines()], [plain], "taken")
        equal([(delivery.sender, delivery.recipients) for delivery in self.sink.deliveries()],
              [("<sender@example.org>", ("<one@example.net>",))], "envelopes")
        expect(f"{eight}: <recipient@example.net>: not taken: has 8-bit octets" in said, said)
        expect(f"{utf8}: <recipient@example.net>: not taken: needs SMTPUTF8" in said, said)

    def exact_octets(self):
        self.sink.forget()
        bodies = [b"", b"\r\n", b".\r\n", b"..\r\n.\r\n", head("x") + b"no end", head("x") + bytes(range(128, 256)) + b"\r\n"]
        segment = Segment(1)
        for body in bodies:
            segment.message(body, sender="<\"odd > sender\"@example.org>", recipients=["<\"a b\"@example.net> ORCPT=rfc822;a+20b"])
        segment.end()
        self.send(segment.save(self.place()))
        equal([delivery.octets for delivery in self.sink.deliveries()],
              [body if body.endswith(b"\r\n") else body + b"\r\n" for body in bodies], "octets at the sink")
        delivery = self.sink.deliveries()[0]
        expect(delivery.sender.startswith("<\"odd > sender\"@example.org>"), delivery.sender)
        equal(delivery.recipients, ("<\"a b\"@example.net> ORCPT=rfc822;a+20b",), "recipients")

    def bare_line_ends(self):
        """What some servers take for the end of a message ends none here."""
        self.sink.forget()
        body = head("bare") + b"Text.\n.\r\nMAIL FROM:<forged@example.org>\r\nx\n.\nRSET\n\r.\rQUIT\r\n"
        self.send(self.one(body)[0])
        equal([delivery.octets for delivery in self.sink.deliveries()], [body], "what a sink got that reads lines up to LF")

    # what an earlier run has sent

    def skips(self):
        """Also addresses with octets in them that some take for the end of a line, and several files."""
        self.sink.forget()
        segment = Segment(1)
        for address in ("<\u0445\u0445@example.net>", "<plain@example.net>", "<\u00c5\u011c@example.net>"):
            segment.message(TEXT, sender="<sender@example.org> SMTPUTF8", recipients=[address, "<other@example.net>"])
        segment.end()
        path = segment.save(self.place())
        lines_taken = self.send(path)[0].splitlines(keepends=True)
        equal(len(lines_taken), 6, f"recipients taken: {lines_taken}")
        first, second = path.parent / "first", path.parent / "second"
        first.write_bytes("".join(lines_taken[:3]).replace("\n", "\r\n").encode())
        second.write_bytes("".join(lines_taken[3:]).rstrip("\n").encode())
        for words, want in (((), 6), (("--skip", first), 3), (("--skip", first, "--skip", second), 0)):
            self.sink.forget()
            taken, _ = self.send(*words, path)
            equal((len(taken.splitlines()), len(self.addresses())), (want, want), f"sent with {words}")

    def cannot_note(self):
        """Where it can't be written who was taken nothing more is sent, and the rest is named."""
        for where in ("/dev/full", "pipe"):
            self.sink.forget()
            Limit(self.sink, 2, "452 too many")
            segment = Segment(1)
            first, second = segment.message(TEXT, recipients=MANY[:4]), segment.message(TEXT)
            segment.end()
            path = segment.save(self.place())
            out = os.open("/dev/full", os.O_WRONLY) if where == "/dev/full" else broken_pipe()
            result = subprocess.run([REPLAY, "--server", f"127.0.0.1:{self.sink.port}", path], stdout=out,
                                    stderr=subprocess.PIPE, timeout=120, check=False)
            os.close(out)
            said = result.stderr.decode()
            equal(result.returncode, 1, f"status with {where}: {said}")
            equal(self.addresses(), ["many0@example.net", "many1@example.net"], "sent")
            equal([line.split(": ")[:3] for line in said.splitlines()[:-1]],
                  [[first, path_, what] for path_, what in zip(MANY[:4], ["taken, but this is written nowhere"] * 2 + ["not taken"] * 2)]
                  + [[second, "<recipient@example.net>", "not taken"]], f"what is said with {where}")

    def closed_output(self):
        self.sink.forget()
        path, _ = self.one()
        result = run(["sh", "-c", f"exec {REPLAY} --server 127.0.0.1:{self.sink.port} {path} >&-"], check=False)
        equal((result.returncode, self.addresses()), (2, []), f"status, and what was sent: {result.stderr}")

    # what is asked for

    def asked_wrongly(self):
        """One line says what is wrong, before anything is sent."""
        path, _ = self.one()
        empty, spool = self.place(), self.place()
        (spool / "journal").mkdir()
        for words, want in ((("nowhere",), "cannot read 'nowhere': No such file or directory"),
                            (("--skip", "nowhere", path), "cannot read 'nowhere': No such file or directory"),
                            (("--server", "localhost:smtp", path), "'localhost:smtp' is no HOST"),
                            (("--server", "localhost:65536", path), "'localhost:65536' is no HOST"),
                            ((empty,), f"no segment in '{empty}'"),
                            ((path, spool), f"no segment in '{spool}'; the journal is in '{spool}/journal'")):
            taken, said = replay(*words, status=2, why=f"of {words}")
            equal(taken, "", "taken")
            expect(want in said.splitlines()[-1] and "Traceback" not in said, said)

    def nothing_carried(self):
        self.sink.forget()
        path, _ = self.one()
        carried = self.place() / "carried"
        carried.mkdir()
        self.send(path.parent, carried)
        equal(len(self.addresses()), 1, "sent")

    def address_in_brackets(self):
        self.sink.forget()
        path, identity = self.one()
        replay("--server", f"[127.0.0.1]:{self.sink.port}", path)
        equal(len(self.addresses()), 1, "sent")
        _, said = replay("--server", f"[::1]:{free_port()}", path, status=1)
        expect(f"{identity}: <recipient@example.net>: not taken: cannot connect" in said, said)

    # journals

    def ids(self, paths, status=0, why=""):
        """What it would send, and what it says."""
        _, said = replay("--dry-run", *paths, status=status, why=why)
        return re.findall(r"^(\w{26}): .* to \d+ recipients", said, re.M), said

    def marks_anywhere(self):
        place = self.place()
        first = Segment(1)
        kept, void = first.message(TEXT), first.message(TEXT)
        first.end()
        second = Segment(2, first)
        second.void(void, 1)
        second.end()
        first.save(place)
        second.save(place)
        equal(self.ids([place])[0], [kept], "a directory")
        equal(self.ids([place / second.name, place / first.name])[0], [kept], "files in another order")
        equal(self.ids([place / first.name])[0], [kept, void], "without the segment that has the mark")

    def broken_header(self):
        place = self.place()
        first = Segment(1)
        identity = first.message(TEXT + imitation())
        first.end()
        first.octets[30] ^= 1
        second = Segment(2, first)
        second.end()
        paths = [first.save(place), second.save(place)]
        ids, said = self.ids(paths, status=1)
        equal(ids, [identity], "the next segment tells the nonce")
        expect("damaged: header" in said, said)
        equal(self.ids(paths[:1], status=1)[0], [], "nobody tells the nonce")

    def cut_short(self):
        place = self.place()
        first = Segment(1)
        kept = first.message(TEXT)
        whole = len(first.octets)
        first.message(TEXT)
        first.end()
        second = Segment(2, first)
        second.end()
        path = first.save(place)
        second.save(place)
        for octets in (path.read_bytes()[:whole], path.read_bytes()[:whole].ljust(whole + 9000, b"\0")):
            path.write_bytes(octets)
            ids, said = self.ids([place], status=1)
            equal(ids, [kept], "what is left")
            expect("what was written from here on is gone" in said, said)

    def other_statements(self):
        segment = Segment(1)
        segment.octets += alone("later", nonce=segment.nonce, what="nobody knows")
        segment._pad()
        identity = segment.message(TEXT)
        segment.end()
        equal(self.ids([segment.save(self.place())])[0], [identity], "behind a kind of a later version")
        newer = Segment(1)
        newer.message(TEXT)
        newer.octets[:0] = alone("segment", v=2, seq=1, nonce=newer.nonce)
        ids, said = self.ids([newer.save(self.place())], status=1)
        equal(ids, [], "a newer format")
        expect("newer" in said, said)

    def twice_the_same(self):
        place = self.place()
        segment = Segment(1)
        identity = segment.message(TEXT)
        segment.end()
        path = segment.save(place)
        (place / "0000000002.bsmtp").write_bytes(path.read_bytes())
        equal(self.ids([place])[0], [identity], "two copies of one id")

    def unreadable_block(self):
        """A block of the disk that can't be read costs its own message, and is named."""
        segment = Segment(1)
        ids = [segment.message(TEXT) for _ in range(3)]
        segment.end()
        path = segment.save(self.place())
        blocks = len(segment.octets) // 4096
        _, said = replay("--dry-run", path.parent, status=1, before=[
            "strace", "-qq", "-o", path.parent / "strace.log", "-P", path, "-e", "trace=pread64,read,mmap",
            "-e", f"inject=pread64:error=EIO:when=3+{blocks}"])
        equal(re.findall(r"^(\w{26}): .* to \d+ recipients", said, re.M), [ids[0], ids[2]], "what would be sent")
        expect("4096 octets at offset 8192 cannot be read: Input/output error" in said, said)

    def unreadable_segments(self):
        """What only has the name of a segment is named, and the others are sent."""
        place = self.place()
        first = Segment(1)
        first.end()
        third = Segment(3, first)
        identity = third.message(TEXT)
        third.end()
        first.save(place)
        third.save(place)
        (place / "0000000002.bsmtp").mkdir()
        os.mkfifo(place / "0000000004.bsmtp")
        ids, said = self.ids([place], status=1)
        equal(ids, [identity], "what would be sent")
        for seq in (2, 4):
            expect(f"{seq:010}.bsmtp: damaged: header: is no regular file" in said, said)

    def empty(self):
        path = self.place() / "0000000001.bsmtp"
        path.write_bytes(b"")
        equal(self.ids([path], status=1)[0], [], "an empty file")

    def same_as_holdfast(self):
        """Whatever octets are damaged, it finds the messages that holdfast finds."""
        place = random.Random(157684)
        made = Spool(self.lab, "random")
        for number in range(ROUNDS):
            segments = [Segment(1)]
            ids = [segments[0].message(place.choice((TEXT, imitation(), b"", b".\r\n"))) for _ in range(4)]
            segments[0].end()
            segments.append(Segment(2, segments[0]))
            segments[1].void(place.choice(ids), 1)
            segments[1].message(TEXT)
            segments[1].end()
            for _ in range(place.choice((0, 1, 1, 2, 5))):
                octets = place.choice(segments).octets
                at = place.randrange(len(octets))
                end = min(len(octets), at + place.choice((1, 1, 1, 20, 3000)))
                octets[at:end] = place.choice((bytes(end - at), place.randbytes(end - at), b""))
            made.save(*segments)
            want = [record["id"] for record in made.records("--copy", "whole")
                    if any(one["state"] != "void" for one in record["recipients"])]
            said = made.command("verify", "--json", check=False).stdout.decode()
            summary = json.loads(said.splitlines()[-1])["summary"]
            # Of what went without a trace only the chain tells, which is evidence and no rule.
            status = 1 if summary["damaged"] + summary["torn"] > 0 else 0
            got = self.ids([made.journal], status, f"in round {number}, where verify said {said}")[0]
            equal(got, want, f"round {number}: {said}")


def main():
    lab.raise_on_signals()
    with Lab("replay") as place:
        cases = Cases(place)
        names = ("limits", "some_refused", "all_refused", "refused_later", "goes_away", "ends_connections", "nobody_there",
                 "without_extensions", "exact_octets", "bare_line_ends", "skips", "cannot_note", "closed_output", "asked_wrongly",
                 "nothing_carried", "address_in_brackets", "marks_anywhere", "broken_header", "cut_short", "other_statements",
                 "twice_the_same", "unreadable_block", "unreadable_segments", "empty", "same_as_holdfast")
        return tap.main([(name.replace("_", " "), getattr(cases, name)) for name in names])


if __name__ == "__main__":
    sys.exit(main())
