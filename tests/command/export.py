#!/usr/bin/env python3
"""export gives every message back octet for octet, names what it can't, and leaves nothing that looks whole and is not."""
import mailbox
import pathlib
import re
import shlex
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import lab, tap  # noqa: E402
from lib.compare import same_octets  # noqa: E402
from lib.holdfast import program  # noqa: E402
from lib.lab import Lab, run  # noqa: E402
from lib.messages import corpus, head, lines  # noqa: E402
from lib.postfixlog import DEFERRED, story  # noqa: E402
from lib.segment import BIRTH, Segment, stuffed  # noqa: E402
from lib.spool import Spool, whole  # noqa: E402
from lib.tap import equal, expect  # noqa: E402

FROM_LINE = re.compile(rb"From \S+ (Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\n")
TEXT = head("text") + lines("Text.")
CORRUPT = ("qmgr", 'warning: saving corrupt file "AAAA05" from queue "active" to queue "corrupt"')
FROM_LINES = head("from") + lines("From here on", ">From there", " From", "Text.", "", "From the end")


class Cases:
    def __init__(self, place):
        self.lab = place
        self.made = Spool(place, "corpus")
        self.messages = {}   # octets by id
        segment = Segment(1)
        for message in corpus():
            if len(message.octets) < 2_000_000:
                paths = [f"<{address}>" for address in message.recipients]
                self.messages[segment.message(message.octets, f"<{message.sender}>", paths)] = message.octets
        self.messages[segment.message(FROM_LINES, "<>")] = FROM_LINES
        segment.end()
        self.made.save(segment)

        self.hurt = Spool(place, "hurt")
        segment = Segment(1)
        self.void, self.damaged, self.sound, self.cut = (
            segment.message(head(name) + lines("Text.")) for name in ("void", "damaged", "sound", "cut"))
        segment.void(self.void)
        segment.damage(self.damaged)
        at = segment.octets.index(b" id=" + self.cut.encode())
        del segment.octets[segment.octets.index(b"Text.", at):segment.octets.index(b"NOOP holdfast-void", at)]
        segment.octets += bytes(-len(segment.octets) % 4096)
        self.hurt.save(segment)

    def place(self, name):
        return self.lab.dir / name

    # eml

    def eml(self):
        target = self.place("eml")
        whole(self.made.command("export", "--format", "eml", "-o", target), 0, "export")
        equal(sorted(path.name for path in target.iterdir()), sorted(f"{identity}.eml" for identity in self.messages), "files")
        for identity, octets in self.messages.items():
            same_octets((target / f"{identity}.eml").read_bytes(), octets, identity)
            equal((target / f"{identity}.eml").stat().st_mode & 0o777, 0o600, "mode")

    def eml_overwrites_nothing(self):
        target = self.place("taken")
        target.mkdir()
        first, second = list(self.messages)[:2]
        (target / f"{first}.eml").write_bytes(b"mine")
        _, said = whole(self.made.command("export", "--format", "eml", "-o", target, first, second, check=False), 1, "export")
        expect(first in said and "exists already" in said, said)
        equal((target / f"{first}.eml").read_bytes(), b"mine", "what was there")
        same_octets((target / f"{second}.eml").read_bytes(), self.messages[second], "the other one")
        equal(len(list(target.iterdir())), 2, "files")

    def eml_filters(self):
        target = self.place("filtered")
        _, said = whole(self.made.command("export", "--format", "eml", "-o", target, "--sender", "", "--recipient", "recipient@example.net"),
                        0, "export")
        expect("exported" in said, said)
        for path in target.iterdir():
            expect(path.stem in self.messages, f"a file of no message: {path}")
        records = {record["id"] for record in self.made.records("--sender", "", "--recipient", "recipient@example.net")}
        equal({path.stem for path in target.iterdir()}, records, "what list names")

    def no_such_id(self):
        target = self.place("none")
        _, said = whole(self.made.command("export", "--format", "eml", "-o", target, "01ARZ3NDEKTSV4RRFFQ69G5FAV", check=False), 1, "export")
        expect("no such message: 01ARZ3NDEKTSV4RRFFQ69G5FAV" in said, said)

    # mbox

    def mbox(self):
        target = self.place("all.mbox")
        whole(self.made.command("export", "--format", "mbox", "-o", target), 0, "export")
        octets = target.read_bytes()
        box = mailbox.mbox(target)
        equal(len(box), len(self.messages), "messages that Python's mailbox finds")
        at = 0
        for identity, message in self.messages.items():
            line = FROM_LINE.match(octets, at)
            expect(line, f"{identity}: no From_ line at octet {at}: {octets[at:at + 60]}")
            want = re.sub(rb"^(>*From )", rb">\1", message.replace(b"\r\n", b"\n"), flags=re.M)
            want += b"\n" if want.endswith(b"\n") else b"\n\n"
            same_octets(octets[line.end():line.end() + len(want)], want, identity)
            at = line.end() + len(want)
        equal(octets[at:], b"", "what stands behind the last entry")
        expect(b"\nFrom MAILER-DAEMON " in octets, "no entry of the null sender")

    def mbox_to_standard_output(self):
        octets = self.made.command("export", "--format", "mbox").stdout
        whole(self.made.command("export", "--format", "mbox", "-o", self.place("same.mbox")), 0, "export")
        same_octets(octets, self.place("same.mbox").read_bytes(), "standard output against file")

    def one_file_is_not_overwritten(self):
        target = self.place("mine.mbox")
        target.write_bytes(b"mine")
        _, said = whole(self.made.command("export", "--format", "mbox", "-o", target, check=False), 2, "export")
        expect("exists already" in said, said)
        equal(target.read_bytes(), b"mine", "what was there")
        equal([path.name for path in self.lab.dir.glob(".*")], [], "hidden files left")

    def directory_is_no_file(self):
        there = self.lab.subdir("there")
        for target in (f"{there}/", there, f"{self.lab.dir}/new/"):
            _, said = whole(self.made.command("export", "--format", "mbox", "-o", target, check=False), 2, f"export to {target}")
            expect(f"'{target}' is a directory" in said, said)
        equal(list(there.iterdir()), [], "files")

    def full_disk(self):
        with open("/dev/full", "wb") as full:
            for form in ("mbox", "bsmtp"):
                process = subprocess.run([program("holdfast"), "-c", self.made.config, "export", "--format", form], stdout=full,
                                         stderr=subprocess.PIPE, timeout=60, check=False)
                equal(process.returncode, 3, f"status with {form}: {process.stderr}")
                expect(b"No space left" in process.stderr, process.stderr)

    # bsmtp

    def bsmtp(self):
        octets = self.made.command("export", "--format", "bsmtp").stdout
        expect(octets.startswith(b"EHLO ") and octets.endswith(b"\r\n.\r\nQUIT\r\n"), "begins or ends otherwise")
        at = octets.index(b"\r\n") + 2
        for identity, message in self.messages.items():
            record = next(record for record in self.made.records(identity))
            want = f"MAIL FROM:<{record['sender']}>\r\n".encode()
            want += b"".join(f"RCPT TO:<{one['address']}>\r\n".encode() for one in record["recipients"])
            want += b"DATA\r\n" + stuffed(message) + b".\r\n"
            same_octets(octets[at:at + len(want)], want, identity)
            at += len(want)
        equal(octets[at:], b"QUIT\r\n", "the end")

    # with books

    def with_log(self, name, segment, story_lines):
        """A spool with a segment, and what the MTA logged."""
        made = Spool(self.lab, name)
        log = made.dir / "mail.log"
        made.write_config(mta__type="postfix", mta__log=f"file:{log}", mta__queue=made.dir / "no-queue")
        segment.end()
        made.save(segment)
        log.write_text("".join(f"{BIRTH.isoformat(timespec='microseconds')} mx postfix/{daemon}[7]: {text}\n"
                               for daemon, text in story_lines))
        return made

    def audit(self, made):
        run([program("holdfast-auditor"), "-c", made.config, "--once"])

    def as_explain_says(self):
        """The command that explain tells to type next for lost mail gives the message back."""
        segment = Segment(1)
        lost = segment.message(TEXT, queue="AAAA05")
        made = self.with_log("lost", segment, [*story("AAAA05", DEFERRED), CORRUPT])
        self.audit(made)
        said, _ = whole(made.command("explain", lost), 0, "explain")
        command = next(line.partition("Next: holdfast ")[2] for line in said.splitlines() if "Next: " in line)
        expect("Its copy is in the journal" in " ".join(said.split()), said)
        target = self.lab.subdir("here")
        whole(made.command(*shlex.split(command), cwd=target), 0, command)
        same_octets((target / f"{lost}.eml").read_bytes(), TEXT, "the lost message")

    # what is not whole

    def leaves_out(self):
        for form in ("mbox", "bsmtp"):
            result = self.hurt.command("export", "--format", form, check=False)
            output, said = whole(result, 1, form)
            expect("Subject: sound" in output, output)
            for name in ("void", "damaged", "cut"):
                expect(f"Subject: {name}" not in output, f"'{name}' is there: {output}")
            for identity in (self.damaged, self.cut):
                expect(identity in said, f"{identity} is not named: {said}")
            expect("1 void" in said, said)

    def void_by_the_books(self):
        """The MTA took a message that bears a mark, as the filter's answer came too late: its sender has it no more."""
        segment = Segment(1)
        taken, void = (segment.message(head(name) + lines("Text."), queue=name) for name in ("AAAA03", "AAAA04"))
        for identity in (taken, void):
            segment.void(identity)
        made = self.with_log("books", segment, story("AAAA03", DEFERRED))
        output, _ = whole(made.command("export", "--format", "mbox", check=False), 0, "export without books")
        equal(output, "", "exported by the marks alone")
        self.audit(made)
        equal([set(states.values()) for states in made.states().values()], [{"open"}, {"void"}], "states")
        output, said = whole(made.command("export", "--format", "mbox"), 0, "export with books")
        expect("Subject: AAAA03" in output and "Subject: AAAA04" not in output and "1 void" in said, output + said)
        output, said = whole(made.command("export", "--format", "mbox", taken, void, check=False), 1, "export by id")
        expect("Subject: AAAA03" in output and f"{void} is void and was left out" in said and taken not in said, output + said)
        output, _ = whole(made.command("export", "--format", "mbox", "--include-void", void), 0, "export of void ones")
        expect("Subject: AAAA04" in output, output)

    def leaves_out_of_files(self):
        target = self.place("hurt-eml")
        whole(self.hurt.command("export", "--format", "eml", "-o", target, check=False), 1, "export")
        equal([path.name for path in target.iterdir()], [f"{self.sound}.eml"], "files")

    def includes_when_asked(self):
        target = self.place("hurt-all")
        _, said = whole(self.hurt.command("export", "--format", "eml", "-o", target, "--include-void", "--include-damaged",
                                          check=False), 1, "export")
        torn_or_damaged = {path.name for path in target.glob(f"{self.cut}.*.eml")}
        equal(len(torn_or_damaged), 1, f"files of the cut one: {said}")
        equal({path.name for path in target.iterdir()},
              {f"{self.sound}.eml", f"{self.void}.eml", f"{self.damaged}.damaged.eml"} | torn_or_damaged, "files")
        text = (target / torn_or_damaged.pop()).read_bytes()
        expect(b"Subject: cut" in text and b"holdfast" not in text, f"it holds what is not its own: {text}")

    def damaged_by_id(self):
        _, said = whole(self.hurt.command("export", "--format", "mbox", self.damaged, check=False), 1, "export")
        expect(self.damaged in said and self.cut not in said, said)

    def usage(self):
        for words in ((), ("--format", "maildir"), ("--format", "eml"), ("--format", "mbox", "not-an-id")):
            whole(self.made.command("export", *words, check=False), 2, f"export {words}")


def main():
    lab.raise_on_signals()
    with Lab("export") as place:
        cases = Cases(place)
        names = ("eml", "eml_overwrites_nothing", "eml_filters", "no_such_id", "mbox", "mbox_to_standard_output",
                 "one_file_is_not_overwritten", "directory_is_no_file", "full_disk", "bsmtp", "as_explain_says", "leaves_out",
                 "void_by_the_books", "leaves_out_of_files", "includes_when_asked", "damaged_by_id", "usage")
        return tap.main([(name.replace("_", " "), getattr(cases, name)) for name in names])


if __name__ == "__main__":
    sys.exit(main())
