"""Each row of the answers table: the client sees the 4xx and its reason, the log holds the event,
nothing is left behind, and the same message sent again succeeds (P2, P3, P6)."""
import os

from ..client import Refused
from ..messages import Message, head, lines, plain
from ..storage import FileSystem
from ..suite import scenario
from ..tap import equal, expect, wait_for
from .common import all_whole, nothing_left, refusal_is, refused, taken, taken_soon, void_or_absent

# Small goes through one buffer, large through many writes.
SMALL = plain("small")
LARGE = Message("large", head("large") + lines("y" * 76) * 20_000)

PRESSURE_STOP, PRESSURE_OVER, MAIL_REFUSED = "HF-401", "HF-402", "HF-205"


def sizes(_mta_class):
    return [(message.name, message) for message in (SMALL, LARGE)]


def cured(site, made, message, refusals):
    """After the fault is gone: the same message passes, and what was refused does not count.

    Its sender may have to try again until the filter has looked at the spool anew."""
    refusals = refusals + taken_soon(site, made, message)
    void_or_absent(made, refusals)
    nothing_left(made)
    all_whole(made)


@scenario("P2 Q157684: the temp stream can't be opened, no permission", rows=sizes)
def stage_denied(site, message):
    made = site.filter()
    stage = made.spool / "stage"
    mode = stage.stat().st_mode & 0o7777
    stage.chmod(0)
    found = refused(site, made, message, code=451, enhanced="4.3.0", cause="EACCES")
    stage.chmod(mode)
    cured(site, made, message, [found])


@scenario("P2 Q146950: the stage directory is gone", rows=sizes)
def stage_gone(site, message):
    made = site.filter()
    stage = made.spool / "stage"
    kept = stage.stat()
    stage.rmdir()
    found = refused(site, made, message, code=451, enhanced="4.3.0", cause="ENOENT")
    stage.mkdir()
    os.chown(stage, kept.st_uid, kept.st_gid)
    stage.chmod(kept.st_mode & 0o7777)
    cured(site, made, message, [found])


def kinds(_mta_class):
    return [("ext4", ("ext4", "48M")), ("tmpfs", ("tmpfs", "48M"))]


@scenario("P2: the spool's file system is full, found at MAIL, before the body", rows=kinds)
def full_at_mail(site, row):
    made = on_small_spool(site, row, {})
    room = site.room
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
    made = on_small_spool(site, row, {"pressure.space_stop": "0", "pressure.inodes_stop": "0"})
    room = site.room
    taken(site, made, SMALL)
    found = refused_once_open(site, made, room.fill)
    room.release()
    cured(site, made, LARGE, [found])


def refused_once_open(site, made, use_up):
    """Room was promised at MAIL; then somebody else takes it all."""
    nothing_left(made)  # else the stage before gives its inode back after all were taken
    declared = Message("large", LARGE.octets, mail_parameters=(f"SIZE={len(LARGE.octets)}",))
    with site.client() as client:
        client.open(declared)
        use_up()
        found = Refused("end of message", client.data(declared.octets))
        client.quit()
    event = refusal_is(made, found, 452, "4.3.1", "end of message", None)
    # Whoever sees it first: the call that fails, or the look at the file system before it.
    expect(event.fields.get("errno") == "ENOSPC" or event.fields["step"] == "reserve-growth", event.line)
    nothing_left(made)
    return found


@scenario("P2: a message grows beyond what is free without having said so", rows=kinds)
def grows_beyond_free(site, row):
    made = on_small_spool(site, row, {"pressure.space_stop": "0", "pressure.inodes_stop": "0"})
    room = site.room
    taken(site, made, SMALL)
    room.fill(leave=300_000)
    found = refused(site, made, LARGE, code=452, enhanced="4.3.1")
    room.release()
    cured(site, made, LARGE, [found])


def on_small_spool(site, row, settings):
    """A filter whose spool is a file system of its own, kept as site.room."""
    kind, size = row
    site.room = FileSystem(site.lab, site.unique("room"), kind, size)
    settings = {"journal.segment_size": "2M"} | settings
    return site.filter(spool=site.room.path, settings=settings)


@scenario("P2: no inode is left on the spool, found at MAIL")
def inodes_at_mail(site):
    site.room = FileSystem(site.lab, site.unique("room"), "tmpfs", "48M", inodes=400)
    made = site.filter(spool=site.room.path, settings={"journal.segment_size": "2M"})
    taken(site, made, SMALL)
    site.room.take_inodes()
    made.wait_event(PRESSURE_STOP)
    found = refused(site, made, SMALL, code=452, enhanced="4.3.1", stage="MAIL")
    site.room.release()
    made.wait_event(PRESSURE_OVER)
    cured(site, made, SMALL, [found])


@scenario("P2: no inode is left on the spool, found while the message is stored")
def inodes_at_store(site):
    site.room = FileSystem(site.lab, site.unique("room"), "tmpfs", "48M", inodes=400)
    made = site.filter(spool=site.room.path, settings={"journal.segment_size": "2M", "pressure.inodes_stop": "0"})
    taken(site, made, SMALL)
    found = refused_once_open(site, made, site.room.take_inodes)
    site.room.release()
    cured(site, made, LARGE, [found])


@scenario("P2: a message that declares more than the spool can hold is turned away at MAIL")
def larger_than_spool(site):
    made = on_small_spool(site, ("ext4", "48M"), {})
    declared = Message("declared", SMALL.octets, mail_parameters=("SIZE=60000000",))
    refused(site, made, declared, code=452, enhanced="4.3.1", stage="MAIL")
    cured(site, made, SMALL, [])


@scenario("P2: a message that outgrows the spool without having said so")
def outgrows_spool(site):
    made = on_small_spool(site, ("ext4", "32M"), {})
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
    reply = first.data(SMALL.octets)
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
    reply = client.data(SMALL.octets)
    equal((reply.code, reply.enhanced), site.mta.dies_reply, f"end of message: {reply}")
    client.drop()
    made.start()
    wait_for(lambda: not site.mta.queue(), 10, "the queue to be empty")
    equal(made.records(), [], "records")
    cured(site, made, SMALL, [])
