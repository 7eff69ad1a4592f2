"""The journal goes away, hangs, and comes back: no 250 meanwhile, and all goes on after (P1, P2)."""
import os
import shutil
import threading
import time

from ..client import Refused
from ..messages import plain
from ..storage import FileSystem
from ..suite import is_long, scenario
from ..tap import Failure, equal, expect
from .common import all_whole, nothing_left, refusal_is, taken, taken_soon, void_or_absent

JOURNAL_DAMAGED, COMMIT_LATE = "HF-305", "HF-202"


def ways_to_vanish(_mta_class):
    return [("renamed", "renamed"), ("removed", "removed"), ("deleted with all in it", "deleted"),
            ("replaced by an empty one", "replaced")]


@scenario("P1 Q146950: the journal directory disappears while running: no 250 until it is back", rows=ways_to_vanish)
def journal_vanishes(site, way):
    made = site.filter()
    before = taken(site, made, plain("before"))
    journal = made.spool / "journal"
    aside = made.spool / "aside"
    if way == "deleted":  # what is written then goes into a file without a name
        shutil.copytree(journal, made.dir / "copy")
        shutil.rmtree(journal)
    else:
        journal.rename(aside)
    if way == "removed":
        for path in aside.iterdir():
            path.rename(made.dir / path.name)
        aside.rmdir()
    if way == "replaced":
        kept = aside.stat()
        journal.mkdir()
        os.chown(journal, kept.st_uid, kept.st_gid)
        journal.chmod(kept.st_mode & 0o7777)
    refusals = refusals_while_away(site, made, way)
    if way != "replaced":
        give_back(made, journal, aside, way)
        refusals += taken_soon(site, made, plain("after"))
        expect(any(record["id"] == before["id"] for record in made.records()), "the record before is gone")
        void_or_absent(made, refusals)
        site.tally.fault()
        site.account(made)
    nothing_left(made)
    all_whole(made)


@scenario("control: a filter that ignores the error is found out", rows=ways_to_vanish, measures=True)
def ignored_error(site, way):
    site.must_report(journal_vanishes, way)


def refusals_while_away(site, made, way):
    """Three tries.  Where another directory stands there, what is answered 250 has to be in it."""
    refusals = []
    for number in range(3):
        message = plain(f"meanwhile {number}")
        try:
            reply = site.send(message)
        except Refused as found:
            expect(found.reply.code // 100 == 4, str(found))
            refusals.append(found)
            continue
        expect(way == "replaced", "the message was taken without a journal directory")
        made.record_of(reply.queue_id)
    expect(refusals, "the message was taken, the first after the journal had gone")
    return refusals


def give_back(made, journal, aside, way):
    if way == "renamed":
        aside.rename(journal)
        return
    journal.mkdir()
    journal.chmod(0o700)
    place = made.dir / "copy" if way == "deleted" else made.dir
    for path in place.glob("*"):
        if path.is_file() and path not in (made.config, made.log):
            path.rename(journal / path.name)
    for path in (journal, *journal.iterdir()):
        shutil.chown(path, made.user)


def commit_limits(_mta_class):
    return [("3 s", 3)] + ([("a minute, which is the default", 60)] if is_long() else [])


@scenario("P2: a sync that hangs longer than commit_limit: 451 in time, MAIL tempfailed meanwhile, then all goes on",
          rows=commit_limits)
def journal_hangs(site, limit):
    made = site.filter(start=False, settings={"milter.commit_limit": f"{limit}s"})
    room = mount_as_journal(site, made)
    made.start()
    taken(site, made, plain("before"))
    senders = [Waiting(site, plain(f"meanwhile {number}")) for number in range(4)]
    with room.hanging():
        for sender in senders:
            sender.start()
        refusals = [sender.refused(made, limit) for sender in senders]
        expect(mail_is_tempfailed(site), "MAIL was taken while the journal hung")
    void_or_absent(made, refusals + taken_soon(site, made, plain("after")))
    equal(len(made.living()), 2, "records that are not void")
    site.tally.fault()
    site.account(made)
    nothing_left(made)
    all_whole(made)


class Waiting(threading.Thread):
    """A client whose MAIL was taken, and whose message waits for its commit: alone, or behind what is being written."""

    def __init__(self, site, message):
        super().__init__()
        self.site, self.message = site, message
        self.client = site.client()
        self.client.open(message)
        self.reply, self.took = None, None

    def run(self):
        begun = time.monotonic()
        self.reply = self.site.tally.finish(self.client, self.message)
        self.took = time.monotonic() - begun
        self.client.drop()

    def refused(self, made, limit):
        """Its 451 came in time, and an event tells of the late commit."""
        self.join(limit + 30)
        expect(self.reply is not None, f"{self.message.name} has no answer")
        found = Refused("end of message", self.reply)
        refusal_is(made, found, 451, "4.3.0", "end of message", None)
        expect(COMMIT_LATE in found.reply.text, f"{self.message.name} was answered {found.reply}, want {COMMIT_LATE}")
        expect(limit - 0.5 < self.took < limit + 7, f"{self.message.name} was answered after {self.took:.1f} s")
        return found


def mount_as_journal(site, made):
    """A file system for the journal alone: the stage goes on working while it hangs."""
    journal = made.spool / "journal"
    journal.mkdir()
    room = FileSystem(site.lab, site.unique("room"), "ext4", "64M", at=journal)
    owner = made.spool.stat()
    os.chown(journal, owner.st_uid, owner.st_gid)
    journal.chmod(0o700)
    site.thaws.append(room.thaw)
    return room


def mail_is_tempfailed(site):
    with site.client() as client:
        return client.mail("sender@example.org").code // 100 == 4


@scenario("P1: the whole spool hangs: no 250 meanwhile; after the thaw every sender's message is there")
def spool_hangs(site):
    room = FileSystem(site.lab, site.unique("room"), "ext4", "64M")
    made = site.filter(spool=room.path, settings={"milter.commit_limit": "3s", "journal.segment_size": "4M"})
    taken(site, made, plain("before"))
    site.mta.be_impatient()
    outcomes = []
    senders = [threading.Thread(target=try_once, args=(site, plain(f"meanwhile {n}"), outcomes))
               for n in range(4)]
    with room.hanging():
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(40)
    equal(sorted(outcomes), [4] * 4, "first digits of the replies while the spool hung")
    taken_soon(site, made, plain("after"))
    site.tally.fault()
    site.account(made)
    all_whole(made)


def try_once(site, message, outcomes):
    try:
        outcomes.append(site.send(message).code // 100)
    except Refused as found:
        outcomes.append(found.reply.code // 100)
    except (Failure, OSError):
        outcomes.append(0)


@scenario("P1 P7: the filter hangs: the MTA gives up and tempfails, and what the filter stores when it goes on is no loss")
def filter_hangs(site):
    site.mta.be_impatient()
    made = site.filter()
    taken_soon(site, made, plain("before"))
    outcomes = []
    with site.client(timeout=120) as client:
        client.open(plain("meanwhile"))
        with made.stopped():
            sender = threading.Thread(target=try_once, args=(site, plain("meanwhile"), outcomes))
            sender.start()
            reply = site.tally.finish(client, plain("meanwhile"))
            sender.join(60)
    equal((reply.code, reply.enhanced), site.mta.dies_reply, f"reply at the end of a message: {reply}")
    equal(outcomes, [4], "first digit of the reply at MAIL")
    taken_soon(site, made, plain("after"))
    site.tally.fault(2)
    site.account(made)
    nothing_left(made)
    all_whole(made)


@scenario("P3 P5 Q157684: a stored copy can no longer be read: it stays, it is named, an event tells, the others count")
def copy_damaged(site):
    made = site.filter()
    damaged = taken(site, made, plain("damaged", text="these octets will change on the disk"))
    other = taken(site, made, plain("other"))
    made.stop()
    segment = made.spool / "journal" / os.path.basename(damaged["segment"])
    before = segment.read_bytes()
    expect(b"octets will change" in before, "the body is not readable in the segment")
    segment.write_bytes(before.replace(b"octets will change", b"octets have turned"))
    made.start()
    expect(damaged["id"] in made.wait_event(JOURNAL_DAMAGED).line, "the event does not name the message")
    status, said = made.verify()
    equal(status, 1, "status of verify")
    expect(damaged["id"] in said, f"verify does not name the message: {said}")
    copies = {record["id"]: (record["copy"], record["sender"]) for record in made.records()}
    equal(copies, {damaged["id"]: ("damaged", "sender@example.org"), other["id"]: ("whole", "sender@example.org")},
          "copies and senders")
    taken(site, made, plain("after"))
