"""Each row of the answers table: the client sees the 4xx and its reason, the log holds the event,
nothing is left behind, and the same message sent again succeeds (P2, P3, P6)."""
import os
import re

from ..messages import Message, head, lines, plain
from ..suite import scenario
from ..tap import equal, expect, wait_for
from .common import LARGE, SMALL, cured, on_file_system, refused, refused_at_end, taken

PRESSURE_STOP, PRESSURE_OVER, MAIL_REFUSED = "HF-401", "HF-402", "HF-205"

NO_MARKS = {"pressure.space_stop": "0", "pressure.inodes_stop": "0"}


def sizes(_mta_class):
    return [(message.name, message) for message in (SMALL, LARGE)]


@scenario("P2 Q157684: the temp stream can't be opened, no permission", rows=sizes)
def stage_denied(site, message):
    made = site.filter()
    stage = made.spool / "stage"
    mode = stage.stat().st_mode & 0o7777
    stage.chmod(0)
    found = refused(site, made, message, code=451, enhanced="4.3.0", cause="EACCES")
    stage.chmod(mode)
    cured(site, made, message, [found])


def ways_to_go(_mta_class):
    return [(f"{way}, {message.name}", (way, message)) for way, message in (("removed", SMALL), ("renamed", LARGE))]


@scenario("P2 Q146950: the stage directory is gone", rows=ways_to_go)
def stage_gone(site, row):
    way, message = row
    made = site.filter()
    stage = made.spool / "stage"
    kept = stage.stat()
    stage.rmdir() if way == "removed" else stage.rename(made.spool / "aside")
    found = refused(site, made, message, code=451, enhanced="4.3.0", cause="ENOENT")
    if way == "renamed":
        (made.spool / "aside").rename(stage)
        return cured(site, made, message, [found])
    stage.mkdir()
    os.chown(stage, kept.st_uid, kept.st_gid)
    stage.chmod(kept.st_mode & 0o7777)
    return cured(site, made, message, [found])


def kinds(_mta_class):
    return [("ext4", ("ext4", "48M")), ("tmpfs", ("tmpfs", "48M"))]


@scenario("P2: the spool's file system is full, found at MAIL, before the body", rows=kinds)
def full_at_mail(site, row):
    room, made = on_file_system(site, *row)
    taken(site, made, SMALL)
    room.fill()
    made.wait_event(PRESSURE_STOP)
    found = refused(site, made, SMALL, code=452, enhanced="4.3.1", stage="MAIL")
    expect(made.events(MAIL_REFUSED), "no event tells that mail is turned away")
    room.release()
    made.wait_event(PRESSURE_OVER)
    cured(site, made, SMALL, [found])


@scenario("P2: the spool's file system is full, found while the message is stored", rows=kinds)
def full_at_store(site, row):
    room, made = on_file_system(site, *row, settings=NO_MARKS)
    taken(site, made, SMALL)
    found = refused_once_open(site, made, room.fill)
    room.release()
    cured(site, made, LARGE, [found])


def refused_once_open(site, made, use_up):
    """Room was promised at MAIL; then somebody else takes it all."""
    declared = Message("large", LARGE.octets, mail_parameters=(f"SIZE={len(LARGE.octets)}",))
    # Whoever sees it first: the call that fails, or the look at the file system before it.
    found = refused_at_end(site, made, declared, fault=use_up, code=452, enhanced="4.3.1", causes=["ENOSPC", None])
    expect(re.search("no space left on spool|no room on spool for so large", found.reply.text), f"cause in '{found.reply}'")
    return found


@scenario("P2: a message grows beyond what is free without having said so", rows=kinds)
def grows_beyond_free(site, row):
    room, made = on_file_system(site, *row, settings=NO_MARKS)
    taken(site, made, SMALL)
    room.fill(leave=300_000)
    found = refused(site, made, LARGE, code=452, enhanced="4.3.1")
    room.release()
    cured(site, made, LARGE, [found])


def inode_tables(_mta_class):
    return [("ext4", ("ext4", 128)), ("tmpfs", ("tmpfs", 400))]


@scenario("P2: no inode is left on the spool, found at MAIL", rows=inode_tables)
def inodes_at_mail(site, row):
    kind, inodes = row
    room, made = on_file_system(site, kind, "48M", inodes=inodes)
    taken(site, made, SMALL)
    room.take_inodes()
    made.wait_event(PRESSURE_STOP)
    found = refused(site, made, SMALL, code=452, enhanced="4.3.1", stage="MAIL")
    room.release()
    made.wait_event(PRESSURE_OVER)
    cured(site, made, SMALL, [found])


@scenario("P2: no inode is left on the spool, found while the message is stored", rows=inode_tables)
def inodes_at_store(site, row):
    kind, inodes = row
    room, made = on_file_system(site, kind, "48M", inodes=inodes, settings=NO_MARKS)
    taken(site, made, LARGE)  # of which no stage is kept: the next one needs an inode
    found = refused_once_open(site, made, room.take_inodes)
    room.release()
    cured(site, made, LARGE, [found])


@scenario("P2: a message that declares more than the spool can hold is turned away at MAIL")
def larger_than_spool(site):
    _room, made = on_file_system(site, "ext4", "48M")
    declared = Message("declared", SMALL.octets, mail_parameters=("SIZE=60000000",))
    refused(site, made, declared, code=452, enhanced="4.3.1", stage="MAIL")
    cured(site, made, SMALL, [])


@scenario("P2: a message that outgrows the spool without having said so")
def outgrows_spool(site):
    _room, made = on_file_system(site, "ext4", "32M")
    huge = Message("huge", head("huge") + lines("z" * 76) * 500_000)
    found = refused(site, made, huge, code=452, enhanced="4.3.1", cause=None)
    cured(site, made, SMALL, [found])


@scenario("P2: while draining, MAIL is answered 421, and an open transaction finishes with 250 and is journaled")
def draining(site):
    made = site.filter()
    first = site.client()
    second = site.client()
    first.open(SMALL)
    made.term()
    made.wait_event("HF-102")
    reply = second.mail("sender@example.org")
    equal((reply.code, reply.enhanced), (421, "4.3.2"), f"reply to MAIL while draining: {reply}")
    reply = site.tally.finish(first, SMALL)
    equal(reply.code, 250, "end of the open transaction")
    equal(made.wait(35), 0, "exit status")
    expect(made.events("HF-103"), "no event tells that the filter has stopped")
    made.start()
    made.record_of(reply.queue_id)
    cured(site, made, plain("again"), [])


@scenario("P2: no filter: the MTA itself tempfails, and passes mail once there is one")
def filter_down(site):
    with site.client() as client:
        reply = client.mail("sender@example.org")
        equal((reply.code, reply.enhanced), site.mta.down_reply, f"MAIL without a filter: {reply}")
    made = site.filter()
    cured(site, made, SMALL, [])


@scenario("P2: the filter is killed between RCPT and the end of the message: 4xx, and nothing in the journal")
def killed_in_transaction(site):
    made = site.filter()
    client = site.client()
    client.open(SMALL)
    made.kill()
    reply = site.tally.finish(client, SMALL)
    equal((reply.code, reply.enhanced), site.mta.dies_reply, f"end of message: {reply}")
    client.drop()
    made.start()
    wait_for(lambda: not site.mta.queue(), 10, "the queue to be empty")
    equal(made.records(), [], "records")
    cured(site, made, SMALL, [])


def seen_faults(_mta_class):
    return [("no permission", (stage_denied, SMALL)), ("a full file system", (full_at_store, kinds(None)[0][1])),
            ("no inode", (inodes_at_store, inode_tables(None)[0][1]))]


@scenario("control: a filter that ignores the error is found out", rows=seen_faults, measures=True)
def ignored_error(site, row):
    site.must_report(*row)
