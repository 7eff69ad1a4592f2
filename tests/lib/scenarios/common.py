"""common.py - steps that several scenarios take"""
import re

from ..client import Refused
from ..compare import journal_is_delivery, same_octets
from ..holdfast import is_void
from ..messages import Message, head, lines, plain
from ..storage import FileSystem
from ..tap import Failure, equal, expect, wait_for

# Small goes through one buffer, large through many writes.
SMALL = plain("small")
LARGE = Message("large", head("large") + lines("y" * 76) * 20_000)

ID = r"[0-9A-HJKMNP-TV-Z]{26}"


def nothing_left(made):
    """No temp stream, with a name or without, once all transactions are over."""
    wait_for(lambda: not made.stages_left(), 5, f"the stages to go: {made.stages_left()}")


def all_whole(made):
    status, said = made.verify()
    expect(status == 0, f"holdfast verify ended with {status}: {said}")


def journaled_as_delivered(site, made, message, queue_id=None):
    """The message's one delivery, its one record, and both the same.  Returns the record."""
    living = wait_for(made.living, 20, "a record")
    equal(len(living), 1, "records")
    record = living[0]
    if queue_id is not None:
        equal(record["queue_id"], queue_id, "queue id")
    delivery = site.delivery_of(record["queue_id"])
    envelope_is(record, message)
    equal(record["copy"], "whole", "copy")
    octets = made.octets(record["id"])
    equal(record["bytes"], len(octets), "bytes")
    journal_is_delivery(octets, delivery.octets, site.mta)
    equal(delivery.sender_address, message.sender, "delivered sender")
    equal(sorted(delivery.addresses), sorted(message.recipients), "delivered recipients")
    return record


def envelope_is(record, message):
    equal(record["sender"], message.sender, "sender")
    equal(tuple(recipient["address"] for recipient in record["recipients"]), message.recipients, "recipients")


def taken(site, made, message):
    """The message is answered 250, is in the journal, and arrives.  Returns its record."""
    return arrives(site, made, message, site.send(message))


def arrives(site, made, message, reply):
    equal(reply.code, 250, "reply to the end of the message")
    record = made.record_of(reply.queue_id)
    envelope_is(record, message)
    same_octets(made.octets(record["id"]), message.carried, "journal against what was sent")
    wait_for(lambda: any(message.octets in delivery.octets for delivery in site.sink.deliveries()), 30,
             "the message to arrive")
    return record


def taken_soon(site, made, message, limit=30):
    """As taken(), by a sender that tries again while it is answered 4xx.  Returns the refusals."""
    refusals = []

    def attempt():
        try:
            reply = site.send(message)
        except Refused as refused:
            expect(refused.reply.code // 100 == 4, str(refused))
            refusals.append(refused)
            return None
        return reply

    reply = wait_for(attempt, limit, "the message to be taken", pause=0.2)
    arrives(site, made, message, reply)
    return refusals


def cured(site, made, message, refusals):
    """After the fault is gone: the same message passes, what was refused does not count, and nothing is lost or half.

    Its sender may have to try again until the filter has looked at the spool anew."""
    refusals = refusals + taken_soon(site, made, message)
    site.tally.fault()
    site.account(made)
    void_or_absent(made, refusals)
    nothing_left(made)
    all_whole(made)


def on_file_system(site, kind, size, settings=None, **options):
    """A file system of its own, and a filter whose spool it is."""
    room = FileSystem(site.lab, site.unique("room"), kind, size, **options)
    return room, site.filter(spool=room.path, settings={"journal.segment_size": "2M"} | (settings or {}))


def refusal_of(site, message):
    """What the message is refused with, whatever it is."""
    try:
        reply = site.send(message)
    except Refused as found:
        return found
    raise Failure(f"the message was taken: {reply}")


def refused(site, made, message, *, code, enhanced, stage="end of message", cause=None):
    """The message is answered with this 4xx, and leaves nothing that counts.

    Checks P2: the reply ends with the code of an event and, at the end of a
    message, its id; at that stage the event names the queue id, the step and,
    where cause is given, the errno.  Returns the Refused."""
    found = refusal_of(site, message)
    refusal_is(made, found, code, enhanced, stage, cause)
    nothing_left(made)
    return found


def refused_at_end(site, made, message, fault, *, code, enhanced, causes):
    """As refused(), with a fault that comes when MAIL and RCPT were taken; its errno, or None, is one of the causes."""
    nothing_left(made)  # else the stage before gives back what the fault took
    with site.client() as client:
        client.open(message)
        fault()
        reply = site.tally.finish(client, message)
        client.quit()
    expect(reply.code != 250, f"the message was taken, want {code} {enhanced}: {reply}")
    found = Refused("end of message", reply)
    event = refusal_is(made, found, code, enhanced, "end of message", None)
    expect(event.fields.get("errno") in causes, f"errno in '{event.line}', want one of {causes}")
    return found


def refusal_is(made, found, code, enhanced, stage, cause):
    """What the client saw.  Returns the event behind it, at the end of a message."""
    equal((found.stage, found.reply.code, found.reply.enhanced), (stage, code, enhanced),
          f"reply '{found.reply}'")
    if stage == "end of message":
        return event_tells(made, found.reply, cause)
    expect(re.search(r"HF-\d{3}", found.reply.text), f"reply names no event: {found.reply}")
    return None


def event_tells(made, reply, cause):
    named = re.search(rf"(HF-\d{{3}}) ({ID})$", reply.text)
    expect(named, f"reply does not end with an event and an id: {reply}")
    code, identity = named.groups()
    events = [event for event in made.events(code) if event.fields.get("id") == identity]
    equal(len(events), 1, f"events {code} with id {identity}")
    event = events[0]
    for name in ("queue", "step"):
        expect(event.fields.get(name), f"event without {name}=: {event.line}")
    if cause is not None:
        equal(event.fields.get("errno"), cause, f"errno in '{event.line}'")
    return event


def void_or_absent(made, refusals):
    """P6: what was tempfailed is not in the journal, or is void there."""
    for found in refusals:
        identity = re.search(rf"({ID})$", found.reply.text)
        if identity:
            records = [record for record in made.records() if record["id"] == identity.group(1)]
            expect(all(map(is_void, records)), f"tempfailed and not void: {records}")
