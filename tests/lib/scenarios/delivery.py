"""What passes the MTA is in the journal, as the next host got it (P1)."""
from ..compare import journal_is_delivery, same_octets
from ..messages import COMMAND, Message, corpus, head, lines, plain
from ..suite import scenario
from ..tap import Failure, equal, expect
from .common import all_whole, envelope_is, journaled_as_delivered, nothing_left


def corpus_rows(mta_class):
    return [(message.name, message) for message in corpus() if message.needs <= mta_class.offers]


@scenario("P1: the journal holds what was delivered, octet by octet", rows=corpus_rows)
def passes(site, message):
    made = site.filter()
    if message.way == COMMAND:
        site.mta.submit(message)
        queue_id = None
    else:
        queue_id = site.send(message).queue_id
    record = journaled_as_delivered(site, made, message, queue_id)
    if message.unchanged and (message.way != COMMAND or site.mta.type == "postfix"):
        same_octets(made.octets(record["id"]), message.carried, "journal against what was sent")
    nothing_left(made)
    all_whole(made)


@scenario("P1: the whole set on one connection, in order")
def one_connection(site):
    made = site.filter()
    chosen = [message for message in corpus()
              if message.way != COMMAND and message.needs <= site.mta.offers
              and message.unchanged and len(message.octets) < 5_000_000]
    with site.client() as client:
        queue_ids = [client.send(message).queue_id for message in chosen]
        client.quit()
    records = made.records()
    equal([record["queue_id"] for record in records], queue_ids, "queue ids in the journal's order")
    for record, message in zip(records, chosen):
        envelope_is(record, message)
        same_octets(made.octets(record["id"]), message.carried, message.name)
    nothing_left(made)
    all_whole(made)


@scenario("the envelope in the segment keeps every ESMTP parameter, readable with no Holdfast at hand")
def parameters_kept(site):
    made = site.filter()
    message = Message("DSN", head("dsn") + lines("Text."), recipients=("a@example.net", "b@example.net"),
                      mail_parameters=("RET=HDRS", "ENVID=QQ+2B314", "BODY=8BITMIME", "SIZE=1000"),
                      rcpt_parameters=("NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;original@example.net"))
    site.send(message)
    record = made.records()[0]
    envelope = envelope_lines(made, record["id"])
    sender = [line for line in envelope if line.startswith("MAIL FROM:")]
    equal(len(sender), 1, "MAIL lines")
    address, *words = sender[0].split(" ")[1:]
    equal(address, "FROM:<sender@example.org>", "MAIL")
    for word in ("RET=HDRS", "ENVID=QQ+2B314", "BODY=8BITMIME"):
        expect(word in words, f"{word} is missing: {sender[0]}")
    expect(not any(word.startswith("SIZE=") for word in words), f"SIZE is not as sent any more: {sender[0]}")
    equal([line for line in envelope if line.startswith("RCPT TO:")],
          [f"RCPT TO:<{name}@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;original@example.net" for name in "ab"],
          "RCPT lines")


def envelope_lines(made, identity):
    """The lines of a record before its DATA, as anybody finds them with a text tool."""
    for segment in sorted((made.spool / "journal").iterdir()):
        if not segment.is_file():
            continue
        _, found, rest = segment.read_bytes().partition(f" id={identity} ".encode())
        if found:
            text = rest.partition(b"\r\nDATA\r\n")[0].decode()
            return text.split("\r\n")[1:]
    return []


@scenario("a recipient that the MTA refuses is not in the journal, the others are")
def refused_recipient(site):
    made = site.filter()
    with site.client() as client:
        client.mail("sender@example.org")
        equal(client.rcpt("first@example.net").code, 250, "first RCPT")
        equal(client.rcpt("").code // 100, 5, "RCPT without an address")
        equal(client.rcpt("last@example.net").code, 250, "last RCPT")
        equal(client.data(plain().octets).code, 250, "end of message")
        client.quit()
    equal([recipient["address"] for recipient in made.records()[0]["recipients"]],
          ["first@example.net", "last@example.net"], "recipients")


@scenario("P3 Q157693: accepted, and the next step fails: the message stays in the journal")
def deferred_stays(site):
    made = site.filter()
    site.sink.refuse("RCPT", "450 4.2.0 later")
    reply = site.send(plain("deferred"))
    made.record_of(reply.queue_id)
    site.sink.refuse("RCPT", None)
    site.mta.wait_queue_empty()
    journaled_as_delivered(site, made, plain("deferred"), reply.queue_id)


@scenario("control: an octet more, an octet less, and a recipient other than delivered are found")
def other_than_delivered(site):
    made = site.filter()
    message = plain("control")
    record = journaled_as_delivered(site, made, message, site.send(message).queue_id)
    delivered = site.delivery_of(record["queue_id"]).octets
    octets = made.octets(record["id"])
    journal_is_delivery(octets, delivered, site.mta)
    for wrong in (octets + b"\0", octets[:-1], octets.replace(b"quick", b"quack"), octets.replace(b"control", b"contro1")):
        must_fail(journal_is_delivery, wrong, delivered, site.mta)
    must_fail(envelope_is, record, plain("control", recipients=("other@example.net",)))


def must_fail(check, *arguments):
    try:
        check(*arguments)
    except Failure:
        return
    raise Failure(f"{check.__name__} did not report what is wrong")
