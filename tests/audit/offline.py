#!/usr/bin/env python3
"""The auditor on a journal, a log and books written by hand: what is missing is told, and made good from what is there."""
import contextlib
import datetime
import gzip
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import lab, tap  # noqa: E402
from lib.auditor import spoil_books  # noqa: E402
from lib.holdfast import program  # noqa: E402
from lib.lab import Lab  # noqa: E402
from lib.messages import head, lines  # noqa: E402
from lib.postfixlog import story  # noqa: E402
from lib.segment import BIRTH, CARRIED_FIRST, Segment, moment  # noqa: E402
from lib.spool import Spool  # noqa: E402
from lib.tap import Skip, equal, expect, wait_end, wait_for  # noqa: E402

GAP, BOOKS_DAMAGED, MADE_ANEW, STARTED, JOURNAL_AWAY = "HF-504", "HF-507", "HF-510", "HF-501", "HF-306"
NO_LOG, LOG_BACK, STRANGE = "HF-505", "HF-518", "HF-519"
RELAYED = {"recipient@example.net": ("settled", "relayed")}
UNCONFIRMED = {"recipient@example.net": ("provisional", None)}
LOST = {"recipient@example.net": ("lost", None)}
JOURNAL_MAKER = "/lib/systemd/systemd-journal-remote"
MESSAGE = head("offline") + lines("Text.")
AFTER = int(moment(3600).timestamp())   # seconds since 1970, behind all times that are written here


def log_lines(queue_id, second, *, parts=(0, 1, 2, 3, 4)):
    """A message taken and relayed, as (second, daemon, text)."""
    texts = story(queue_id)
    return [(second, *texts[part]) for part in parts]


def log_text(rows):
    return "".join(f"{moment(second).isoformat(timespec='microseconds')} mx postfix/{daemon}[7]: {text}\n"
                   for second, daemon, text in rows)


def bsd_stamp(time):
    return f"{time:%b} {time.day:2} {time:%H:%M:%S}"


def clocks_back():
    """The last Sunday of the last October that is over, when the clocks of Berlin are put back."""
    day = datetime.date(BIRTH.year if BIRTH.month > 10 else BIRTH.year - 1, 10, 31)
    return day - datetime.timedelta(days=(day.weekday() + 1) % 7)


def bsd_text(stamp, parts):
    """(daemon, text), all at once, with stamps that have neither year nor zone."""
    return "".join(f"{stamp} mx postfix/{daemon}[7]: {text}\n" for daemon, text in parts)


def seconds_after_birth(time_text):
    return (datetime.datetime.fromisoformat(f"{time_text}+00:00") - BIRTH).total_seconds()


def carried_segment(number=0, *, identity=None, recipients=("<a@example.net>", ("<b@example.net>", "settled", "relayed"))):
    """One message of queue id AAAA01, carried forward; and its id."""
    segment = Segment(CARRIED_FIRST + number)
    identity = segment.message(MESSAGE, recipients=recipients, queue="AAAA01", identity=identity)
    return segment, identity


class Cases:
    def __init__(self, place):
        self.lab = place
        self.number = 0

    def site(self, messages, *, log=None, carried=(), also=lambda segment: None, **settings):
        """A spool with messages, (second, queue id), a log beside it, and segments of carried/; also: adds to the journal's."""
        self.number += 1
        log_path = self.lab.dir / f"mail-{self.number}.log"
        made = Spool(self.lab, f"spool-{self.number}")
        made.write_config(**{"mta__type": "postfix", "mta__log": f"file:{log_path}", "mta__queue": self.lab.dir / "no-queue",
                             "audit__gap_after": "10s", **settings})
        segment = Segment(1)
        made.ids = [segment.message(MESSAGE, at=second, queue=queue_id) for second, queue_id in messages]
        also(segment)
        segment.end()
        made.save(segment)
        for each in carried:
            each.save(made.spool / "carried")
        made.log_path = log_path
        if log is not None:
            self.write(log_path, log_text(log))
        return made

    def write(self, path, text, *, packed=False):
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
        os.utime(path, (AFTER, AFTER))

    def once(self, made, *words, status=0, path=None, zone="UTC"):
        found = os.environ["PATH"] if path is None else f"{path}:{os.environ['PATH']}"
        result = subprocess.run([str(program("holdfast-auditor")), "-c", str(made.config), "--once", *words],
                                capture_output=True, text=True, timeout=60, env=os.environ | {"PATH": found, "TZ": zone})
        equal(result.returncode, status, f"status of the auditor, which said: {result.stderr}")
        return result.stderr

    def fates(self, made):
        return [{one["address"]: (one["state"], one["outcome"]) for one in record["recipients"]} for record in made.records()]

    def silent_from_the_start(self):
        made = self.site([(0, "AAAA01"), (60, "AAAA02")])
        equal(self.once(made, status=3).count(GAP), 1, "gaps told where the log never was")
        equal(self.once(made, status=3).count(GAP), 1, "and again after a restart")
        equal(self.fates(made), [UNCONFIRMED, UNCONFIRMED], "fates")
        made = self.site([(0, "AAAA01"), (60, "AAAA02")], log=log_lines("AAAA01", 1) + log_lines("AAAA02", 61))
        expect(GAP not in self.once(made), "a gap was told in a log that has all")
        equal(self.fates(made), [RELAYED, RELAYED], "fates")

    def log_misnamed(self):
        made = self.site([(0, "AAAA01")], audit__gap_after="7d")
        for what in ("no file", "a directory"):
            said = self.once(made, status=3)
            expect(NO_LOG in said and str(made.log_path) in said, f"a log that is {what} is not told: {said}")
            made.log_path.mkdir(exist_ok=True)
        made.log_path.rmdir()
        with self.auditor(made) as said:
            wait_for(lambda: NO_LOG in said(), 30, "that there is no log to be told")
            expect("[mta] log" in self.needs(made), f"the status of an auditor without a log: {self.needs(made)}")
            self.write(made.log_path, log_text(log_lines("AAAA01", 1)))
            wait_for(lambda: self.fates(made) == [RELAYED], 20, "the log to be read")
            equal((said().count(NO_LOG), said().count(LOG_BACK)), (1, 1), "how often it was told that the log is not there, and that it is")
            equal(self.needs(made), "", "needs once it is read")

    def log_gone(self):
        made = self.site([(0, "AAAA01")], log=log_lines("AAAA01", 1), audit__gap_after="7d")
        with self.auditor(made):
            wait_for(lambda: self.fates(made) == [RELAYED], 20, "the log to be read")
            made.log_path.rename(self.lab.dir / "elsewhere.log")
            equal(self.needs(made), "", "needs while no mail came since")
            with sqlite3.connect(made.spool / "ledger.db") as ledger:     # as if an hour had passed
                ledger.execute("UPDATE position SET value = substr (value, 1, instr (value, ' read=')) || 'read=' || ?"
                               " WHERE source = 'file'", ((time.time_ns() // 1000000) - 3600000,))
                ledger.execute("UPDATE envelope SET at = ?", ((time.time_ns() // 1000000) - 1800000,))
            expect("can't read the MTA's log" in self.needs(made), f"the status of an auditor whose log is gone: {self.needs(made)}")

    def queue_unseen(self):
        made = self.site([(0, "AAAA01")], log=log_lines("AAAA01", 1))
        with self.auditor(made):
            wait_for(lambda: self.fates(made) == [RELAYED], 20, "the log to be read")
            equal(self.needs(made), "", "needs of an auditor that has just begun")
            an_hour_ago = time.time() - 3600
            os.utime(made.spool / "books" / "lock", (an_hour_ago, an_hour_ago))    # which tells since when it runs
            expect("queue" in self.needs(made), f"the status of an auditor that can't see the queue: {self.needs(made)}")

    @contextlib.contextmanager
    def auditor(self, made):
        """Runs as a daemon; gives what it said."""
        path = self.lab.dir / f"auditor-{self.number}.log"
        process = self.lab.spawn([str(program("holdfast-auditor")), "-c", str(made.config)], path, cwd="/")
        try:
            wait_for(lambda: path.exists() and STARTED in path.read_text(), 20, "the auditor to start")
            yield path.read_text
        finally:
            process.terminate()
            equal(wait_end(process, 20, "the auditor to end"), 0, "status of the auditor")

    def needs(self, made):
        """What status says of the auditor; no filter runs here."""
        found = json.loads(made.command("status", "--json", check=False).stdout)
        return " ".join(need["what"] for need in found["needs"] if "filter" not in need["what"])

    def silent_later(self):
        made = self.site([(0, "AAAA01"), (60, "AAAA02")], log=log_lines("AAAA01", 1))
        equal(self.once(made).count(GAP), 1, "gaps told where the log ended")
        equal(self.fates(made), [RELAYED, UNCONFIRMED], "fates")

    def slow_logger(self):
        """rsyslog is told seconds after the log was renamed and a new one made."""
        made = self.site([(0, "AAAA01")], log=log_lines("AAAA01", 1, parts=(0, 1, 2)), mta__filter_after="none")
        with self.auditor(made) as said, open(made.log_path, "a", encoding="ascii") as logger:
            wait_for(lambda: self.fates(made) == [{"recipient@example.net": ("open", None)}], 20, "the log to be read")
            made.log_path.rename(made.log_path.with_name(made.log_path.name + ".1"))
            made.log_path.touch()
            time.sleep(3.5)     # there is nothing to wait for: the auditor must not go on
            print(log_text(log_lines("AAAA01", 2, parts=(3,))), file=logger, end="", flush=True)
            wait_for(lambda: self.fates(made) == [RELAYED], 20, "the late line to be read")
            self.write(made.log_path, log_text(log_lines("AAAA01", 3, parts=(4,))))
            wait_for(lambda: self.ledger_ask(made, "SELECT lines LIKE '%: removed%' FROM evidence ORDER BY seq DESC LIMIT 1") == 1, 20,
                     "the new log to be read")
            expect("HF-6" not in said() and GAP not in said(), f"an alarm was raised: {said()}")

    def forms_of_a_line(self):
        made = self.site([(0, "AAAA01")], audit__gap_after="7d")
        self.write(made.log_path, "".join(f"<22>1 {BIRTH:%Y-%m-%dT%H:%M:%S}.1Z mx postfix/{daemon} 7 - - {text}\n" for daemon, text in story("AAAA01")))
        expect(STRANGE not in self.once(made), "a log of RFC 5424 is called strange")
        equal(self.fates(made), [RELAYED], "fates")
        made = self.site([(0, "AAAA01")], audit__gap_after="7d")
        self.write(made.log_path, "".join(f'{{"app": "postfix/{daemon}", "text": "{text}"}}\n' for daemon, text in story("AAAA01")))
        equal(self.once(made).count(STRANGE), 1, "how often a log of another form was told")
        equal(self.fates(made), [UNCONFIRMED], "fates")

    def line_of_the_future(self):
        ahead = "2036-02-07T06:28:16.000000+00:00 mx postfix/master[1]: daemon started -- version 3.7.11, configuration /etc/postfix\n"
        made = self.site([(0, "AAAA01"), (60, "AAAA02")])
        self.write(made.log_path, log_text(log_lines("AAAA01", 1)) + ahead)
        equal(self.once(made).count(GAP), 1, "gaps told where the log ended with a line of the future")
        made = self.site([(0, "AAAA01")], mta__filter_after="none")
        deferred = (2, "smtp", "AAAA01: to=<recipient@example.net>, relay=none, delay=1, delays=1/0/0/0, dsn=4.3.0, status=deferred (later)")
        self.write(made.log_path, ahead + log_text([*log_lines("AAAA01", 1, parts=(0, 1, 2)), deferred]))
        self.once(made)
        equal(self.fates(made), [{"recipient@example.net": ("open", None)}], "the fate of mail that is deferred")

    def forty_days_off(self):
        """A machine whose clock is lost begins forty days off, as in January of a November; what follows is in time again."""
        lost = (BIRTH + datetime.timedelta(days=40)).replace(hour=0, minute=0, second=7)
        made = self.site([(0, "AAAA01"), (715, "AAAA02")], mta__filter_after="none")
        self.write(made.log_path, bsd_text(bsd_stamp(moment(1)), story("AAAA01"))
                   + bsd_text(bsd_stamp(lost), [("master", "daemon started -- version 3.7.11, configuration /etc/postfix")])
                   + bsd_text(bsd_stamp(moment(716)), [part for part in story("AAAA02") if part[0] != "smtp"]))
        expect(GAP not in self.once(made), "a gap was told where none is")
        equal(self.fates(made), [RELAYED, LOST], "fates")

    def hour_that_comes_twice(self):
        """Half past two in the second hour that the clocks of Berlin call so."""
        made = self.site([(seconds_after_birth(f"{clocks_back()}T01:30:00"), "AAAA01")], mta__filter_after="none")
        self.write(made.log_path, bsd_text(f"Oct {clocks_back().day} 02:30:01", [part for part in story("AAAA01") if part[0] != "smtp"]))
        self.once(made, zone="Europe/Berlin")
        equal(self.fates(made), [LOST], "fates")

    def rotated_while_away(self):
        made = self.site([(0, "AAAA01"), (5, "AAAA02")], log=log_lines("AAAA01", 1, parts=(0, 1, 2)))
        self.once(made)
        text = made.log_path.read_text()
        self.write(made.log_path.with_name(made.log_path.name + ".2.gz"), text + log_text(log_lines("AAAA01", 2, parts=(3, 4))), packed=True)
        self.write(made.log_path.with_name(made.log_path.name + ".1"), log_text(log_lines("AAAA02", 6, parts=(0, 1))))
        self.write(made.log_path, log_text(log_lines("AAAA02", 7, parts=(2, 3, 4))))
        expect(GAP not in self.once(made), "a gap was told where none is")
        equal(self.fates(made), [RELAYED, RELAYED], "fates")

    def unread_lines_keep_void_mail(self):
        """A mark claims, and what the books have not read may say otherwise: trim by hand leaves it till then."""
        def voids(segment):
            segment.void(segment.ids[0])

        made = self.site([(0, "AAAA01")], log=log_lines("AAAA02", 1), also=voids)
        newest = Segment(2)
        newest.end()
        newest.save(made.spool / "journal")
        self.once(made)
        equal(self.fates(made), [{"recipient@example.net": ("void", None)}], "fates")
        with open(made.log_path, "a", encoding="utf-8") as log:
            log.write(log_text(log_lines("AAAA01", 2, parts=(0, 1, 2))))
        said = made.command("trim", "--yes").stderr.decode()
        expect("the books have not read the log to its end" in said and "nothing goes" in said, said)
        equal(made.segments(), [1, 2], "segments while lines are unread")
        self.once(made)
        equal(self.fates(made), [{"recipient@example.net": ("open", None)}], "fates")
        made = self.site([(0, "AAAA01")], log=log_lines("AAAA02", 1), also=voids)
        newest.save(made.spool / "journal")
        self.once(made)
        expect("removed 1 of 1 segments" in made.command("trim", "--yes").stderr.decode(), "void mail has no retention")

    def unjournaled_and_named_later(self):
        """Mail past the filter is in the books before a line names its recipient; then under that name alone."""
        made = self.site([(0, "AAAA01")], log=log_lines("AAAA01", 1) + log_lines("BBBB01", 2, parts=(0, 1, 2)))
        self.once(made)
        equal(self.past_the_filter(made), [[("", "open")]], "before it is named")
        with open(made.log_path, "a", encoding="utf-8") as log:
            log.write(log_text(log_lines("BBBB01", 3, parts=(3, 4))))
        self.once(made)
        equal(self.past_the_filter(made), [[("recipient@example.net", "settled")]], "since it is named")

    def past_the_filter(self, made):
        lines_of = made.command("list", "--json", "--unjournaled").stdout.splitlines()
        return [[(one["address"], one["state"]) for one in json.loads(line)["recipients"]] for line in lines_of]

    def books_gone(self):
        made = self.site([(0, "AAAA01"), (60, "AAAA02")], log=log_lines("AAAA01", 1) + log_lines("AAAA02", 61))
        self.once(made)
        shutil.rmtree(made.spool / "books")
        (made.spool / "ledger.db").unlink()
        self.once(made)
        equal(self.fates(made), [RELAYED, RELAYED], "fates from journal and log alone")
        shutil.rmtree(made.spool / "books")
        expect(BOOKS_DAMAGED in self.once(made), "that the books are gone is not told")
        equal(self.fates(made), [RELAYED, RELAYED], "fates from the ledger")

    def damaged_and_killed(self):
        first, second = log_lines("AAAA01", 1), log_lines("AAAA02", 61)
        made = self.site([(0, "AAAA01"), (60, "AAAA02")], log=first)
        self.once(made)
        self.write(made.log_path, log_text(first + second))
        self.once(made)     # a group of its own, whose position of the journal is behind both messages
        spoil_books(made.spool, b"envelope id=")
        killed = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(made.spool / "journal"),
                                 "-e", "trace=openat", "-e", "inject=openat:signal=KILL",
                                 str(program("holdfast-auditor")), "-c", str(made.config), "--once", "--rebuild"],
                                capture_output=True, timeout=60)
        expect(killed.returncode != 0 and (made.spool / "ledger.db").exists(), f"not killed behind the new ledger: {killed}")
        equal(self.ledger_has(made), 0, "messages that the new ledger has")
        self.once(made)
        equal(self.ledger_has(made), 2, "messages, once the journal was read again by the next run")

    def ledger_has(self, made):
        return self.ledger_ask(made, "SELECT count(*) FROM envelope")

    def ledger_ask(self, made, question):
        with sqlite3.connect(f"file:{made.spool}/ledger.db?mode=ro", uri=True) as ledger:
            return ledger.execute(question).fetchone()[0]

    # books that are new, and mail that stands in carried/

    def carried_fates(self, made):
        return {one["address"]: (one["state"], one["outcome"]) for record in made.records() if record["queue_id"] == "AAAA01"
                for one in record["recipients"]}

    def carried_is_entered(self):
        segment, _ = carried_segment()
        made = self.site([(0, "AAAA02")], carried=[segment], log=log_lines("AAAA02", 1))
        self.once(made)
        equal(self.carried_fates(made), {"a@example.net": ("provisional", None), "b@example.net": ("settled", "relayed")}, "fates")

    def carried_is_not_void(self):
        segment, identity = carried_segment()
        made = self.site([(0, "AAAA02")], carried=[segment], also=lambda journal: journal.void(identity, 1),
                         log=log_lines("AAAA02", 1))
        for run in ("first", "second"):
            self.once(made)
            equal(self.carried_fates(made)["a@example.net"], ("provisional", None), f"what an old mark calls void, in the {run} run")

    def carried_again_later(self):
        older, identity = carried_segment()
        newer, _ = carried_segment(1, identity=identity, recipients=("<a@example.net>", "<b@example.net>"))
        made = self.site([(0, "AAAA02")], carried=[older, newer], log=log_lines("AAAA02", 1))
        self.once(made)
        equal(self.carried_fates(made)["b@example.net"], ("provisional", None), "what the newer copy says is open again")

    def log_knows_more_than_carried(self):
        segment, _ = carried_segment()
        deferred = (1, "smtp", "AAAA01: to=<d@example.net>, orig_to=<b@example.net>, relay=none, delay=1, delays=1/0/0/0, dsn=4.3.0, "
                               "status=deferred (later)")
        made = self.site([(0, "AAAA02")], carried=[segment], log=[*log_lines("AAAA01", 1, parts=(0, 1, 2)), deferred])
        self.once(made)
        equal(self.carried_fates(made)["b@example.net"], ("open", None), "what the log says is deferred")

    def carried_and_damaged(self):
        segment, identity = carried_segment()
        segment.octets[segment.octets.index(b"RCPT TO:<a@")] ^= 1
        made = self.site([(0, "AAAA02")], carried=[segment], log=log_lines("AAAA02", 1),
                         also=lambda journal: journal.message(MESSAGE, recipients=("<a@example.net>", "<b@example.net>"),
                                                              queue="AAAA01", identity=identity))
        self.once(made)
        equal(set(self.carried_fates(made)), {"a@example.net", "b@example.net"}, "recipients, of the whole copy in the journal")

    def carried_and_unreadable(self):
        bad, good = carried_segment(1)[0], carried_segment()[0]
        made = self.site([(0, "AAAA02")], carried=[bad, good], log=log_lines("AAAA02", 1))
        path = made.spool / "carried" / bad.name
        path.rename(self.lab.dir / bad.name)
        path.symlink_to(self.lab.dir / bad.name)   # which no program of Holdfast follows
        expect(JOURNAL_AWAY in self.once(made), "that a segment can't be read is not told")
        path.unlink()      # list would end with a status of its own for it
        equal(self.carried_fates(made)["b@example.net"], ("settled", "relayed"), "mail in the next one")
        equal(made.states()[made.ids[0]], {"recipient@example.net": "settled"}, "mail of the journal")

    # mail that was passed on under another id

    def passed_on(self, *, parts):
        """AAAA01 goes through a content filter, which hands it back as BBBB01; parts: which lines of that there are."""
        old, new = story("AAAA01"), story("BBBB01")
        handed = ("smtp", old[3][1].replace("mx[192.0.2.9]:25", "127.0.0.1[127.0.0.1]:10024").replace("2.0.0 Ok", "2.0.0 Ok: queued as BBBB01"))
        back = ("smtpd", "BBBB01: client=localhost[127.0.0.1], orig_queue_id=AAAA01, orig_client=c[192.0.2.1]")
        rows = [*old[:3], back, *new[1:3], handed, old[4], *(new[part] for part in parts)]
        made = self.site([(0, "AAAA01")], log=[(1, *row) for row in rows], mta__filter_after="none")
        return made, [self.once(made), self.once(made)]

    def passed_on_and_delivered(self):
        made, said = self.passed_on(parts=(3, 4))
        equal(self.fates(made), [{"recipient@example.net": ("settled", "passed")}], "fates")
        expect("HF-6" not in "".join(said), f"an alarm: {said}")

    def passed_on_and_waiting(self):
        made, _ = self.passed_on(parts=())
        equal(self.fates(made), [{"recipient@example.net": ("open", None)}], "fates")

    def passed_on_and_lost(self):
        made, said = self.passed_on(parts=(4,))
        equal(self.fates(made), [{"recipient@example.net": ("lost", None)}], "fates")
        equal([each.count("HF-601") for each in said], [1, 0], "alarms of the first run, and of one after it")
        expect("queue=AAAA01" in said[0] and "BBBB01: removed" in said[0], f"both ids are not named: {said[0]}")
        balanced = subprocess.run([str(program("holdfast")), "-c", str(made.config), "balance"], capture_output=True, timeout=60)
        equal(balanced.returncode, 0, f"status of balance, which said {balanced}")

    # mail of which no line tells whether it was accepted

    def unconfirmed(self, log):
        """AAAA01 is not named, or not to its end; AAAA02 comes a minute later, or not at all.  Each run looks at the queue once."""
        made = self.site([(0, "AAAA01"), (5, "AAAA02")], log=log, audit__snapshot_interval="1s")
        said = []
        for _ in range(3):
            said.append(self.once(made, path=self.empty_queue(), status=3 if log is None else 0))
            time.sleep(0.6)     # two looks count when half of the interval lies between them
        return made.states()[made.ids[0]], said

    def empty_queue(self):
        """A directory with a postqueue(1) that has nothing to list."""
        path = self.lab.dir / "empty-queue"
        path.mkdir(exist_ok=True)
        (path / "postqueue").write_text("#!/bin/sh\n")
        (path / "postqueue").chmod(0o755)
        return path

    def unconfirmed_and_gone(self):
        crashed = [(1, "smtpd", "connect from c[192.0.2.1]"), *log_lines("AAAA01", 1, parts=(0, 1))]
        later = (120, "master", "daemon started -- version 3.7.11, configuration /etc/postfix")
        for log in ([*log_lines("AAAA02", 6), later], [*crashed, *log_lines("AAAA02", 6), later]):
            state, said = self.unconfirmed(log)
            equal(state, {"recipient@example.net": "unaccounted"}, "fate")
            equal(sum(each.count("HF-602") for each in said), 1, "alarms")

    def unconfirmed_and_nothing_tells(self):
        for log in (None, log_lines("AAAA02", 6)):
            state, said = self.unconfirmed(log)
            equal(state, {"recipient@example.net": "provisional"}, "fate")
            expect("HF-6" not in "".join(said), f"an alarm: {said}")

    def one_auditor(self):
        made = self.site([(0, "AAAA01")], log=log_lines("AAAA01", 1))
        said = self.lab.dir / "first-auditor.log"
        first = self.lab.spawn([str(program("holdfast-auditor")), "-c", str(made.config)], said, cwd="/")
        wait_for(lambda: STARTED in said.read_text(), 20, "the first auditor to start")
        expect("another auditor" in self.once(made, status=3), "the second auditor does not name the first")
        first.terminate()
        equal(wait_end(first, 20, "the first auditor to end"), 0, "status of the first auditor")
        self.once(made)
        equal(self.fates(made), [RELAYED], "fates")

    def other_version(self):
        made = self.site([(0, "AAAA01")], log=log_lines("AAAA01", 1))
        self.once(made)
        with sqlite3.connect(made.spool / "ledger.db") as ledger:
            ledger.execute("PRAGMA user_version = 1000")
        expect(MADE_ANEW in self.once(made), "that the ledger was made anew is not told")
        equal(self.fates(made), [RELAYED], "fates")

    def systemd_journal(self):
        if not os.access(JOURNAL_MAKER, os.X_OK):
            raise Skip(f"no {JOURNAL_MAKER}")
        journal = self.lab.subdir("systemd-journal")
        made = self.site([(0, "AAAA01"), (5, "AAAA02")], mta__log=f"journald:{journal}")
        rows = log_lines("AAAA01", 1) + log_lines("AAAA02", 6)
        for number, part in enumerate((rows[:4], rows[4:])):
            export = "".join(f"__REALTIME_TIMESTAMP={int(moment(second).timestamp()) * 1000000}\n__MONOTONIC_TIMESTAMP={second * 1000000}\n"
                             f"_BOOT_ID=5f5d0a1b7c3e4f60812233445566778f\n_HOSTNAME=mx\n_UID=104\n_PID=7\n"
                             f"_EXE=/usr/lib/postfix/sbin/{daemon}\nSYSLOG_IDENTIFIER=postfix/{daemon}\nMESSAGE={text}\n\n"
                             for second, daemon, text in part)
            subprocess.run([JOURNAL_MAKER, f"--output={journal}/part-{number}.journal", "-"], input=export, text=True, check=True,
                           capture_output=True, timeout=30)
            expect(GAP not in self.once(made), "a gap was told where none is")
        equal(self.fates(made), [RELAYED, RELAYED], "fates")


def main():
    lab.raise_on_signals()
    with Lab("offline") as place:
        cases = Cases(place)
        names = ("silent_from_the_start", "log_misnamed", "log_gone", "queue_unseen", "silent_later", "slow_logger",
                 "forms_of_a_line", "line_of_the_future", "forty_days_off", "hour_that_comes_twice",
                 "rotated_while_away", "books_gone", "damaged_and_killed", "carried_is_entered",
                 "carried_is_not_void", "carried_again_later", "log_knows_more_than_carried", "carried_and_damaged",
                 "carried_and_unreadable", "passed_on_and_delivered", "passed_on_and_waiting", "passed_on_and_lost",
                 "unconfirmed_and_gone", "unconfirmed_and_nothing_tells", "one_auditor",
                 "other_version", "systemd_journal", "unread_lines_keep_void_mail",
                 "unjournaled_and_named_later")
        return tap.main([(name.replace("_", " "), getattr(cases, name)) for name in names])


if __name__ == "__main__":
    sys.exit(main())
