"""Connections of every kind: what ends with 250 is in the journal, what breaks off leaves nothing (P1, P2)."""
from ..client import Client, Disconnected, stuff
from ..compare import same_octets
from ..messages import BDAT, Message, head, lines, plain
from ..suite import scenario
from ..tap import equal, expect
from .common import all_whole, nothing_left, taken

LONG_BODY = head("long") + lines("x" * 70) * 5000


@scenario("several messages on a connection, with RSET in between at every place")
def resets(site):
    made = site.filter()
    message = plain("kept")
    with site.client() as client:
        client.mail("never@example.org")
        equal(client.rset().code, 250, "RSET after MAIL")
        client.mail("never@example.org")
        client.rcpt("never@example.net")
        client.rcpt("never.either@example.net")
        equal(client.rset().code, 250, "RSET after RCPT")
        first = client.send(message).queue_id
        equal(client.rset().code, 250, "RSET after a message")
        client.mail("never@example.org")
        client.command("EHLO again.example.org")
        second = client.send(message).queue_id
        client.quit()
    equal([record["queue_id"] for record in made.records()], [first, second], "records")
    for record in made.records():
        same_octets(made.octets(record["id"]), message.octets, "journal")
    nothing_left(made)
    all_whole(made)


@scenario("RSET after some BDAT chunks leaves nothing", needs=["CHUNKING"])
def reset_in_bdat(site):
    made = site.filter()
    with site.client() as client:
        client.open(plain())
        client.write(b"BDAT 100000\r\n" + LONG_BODY[:100_000])
        equal(client.read_reply().code, 250, "chunk")
        equal(client.rset().code, 250, "RSET")
        client.send(plain("after", way=BDAT))
        client.quit()
    equal(len(made.records()), 1, "records")
    nothing_left(made)
    all_whole(made)


@scenario("commands in one packet (PIPELINING), two messages in a row")
def pipelining(site):
    made = site.filter()
    one, two = plain("pipelined one"), plain("pipelined two")
    with site.client() as client:
        envelope = b"MAIL FROM:<sender@example.org>\r\nRCPT TO:<recipient@example.net>\r\nDATA\r\n"
        client.write(envelope)
        equal([client.read_reply().code for _ in range(3)], [250, 250, 354], "replies")
        client.write(stuff(one.octets) + envelope)
        equal([client.read_reply().code for _ in range(4)], [250, 250, 250, 354], "replies")
        client.write(stuff(two.octets) + b"QUIT\r\n")
        equal([client.read_reply().code for _ in range(2)], [250, 221], "replies")
    equal([made.octets(record["id"]) for record in made.records()], [one.octets, two.octets], "journal")


def until_connected(_client):
    """Nothing but the greeting."""


def until_mail(client):
    client.mail("gone@example.org")


def until_rcpt(client):
    until_mail(client)
    client.rcpt("gone@example.net")


def until_data(client):
    until_rcpt(client)
    equal(client.command("DATA").code, 354, "DATA")


def until_header(client):
    until_data(client)
    client.write(b"Subject: half a hea")


def until_body(client):
    until_data(client)
    client.write(LONG_BODY)


def until_last_dot(client):
    until_body(client)
    client.write(b".\r")


STAGES = (until_connected, until_mail, until_rcpt, until_data, until_header, until_body, until_last_dot)


def break_off_rows(_mta_class):
    return [(f"{stage.__name__.replace('_', ' ')}, {way}", (stage, way))
            for stage in STAGES for way in ("closed", "reset")]


@scenario("P2: a connection that breaks off leaves nothing, and the next message passes", rows=break_off_rows)
def breaks_off(site, row):
    stage, way = row
    made = site.filter()
    client = site.client()
    stage(client)
    client.drop() if way == "closed" else client.reset_connection()
    taken(site, made, plain("after"))
    equal(len(made.records()), 1, "records")
    nothing_left(made)
    all_whole(made)


@scenario("a connection that breaks off in BDAT leaves nothing", needs=["CHUNKING"])
def breaks_off_in_bdat(site):
    made = site.filter()
    client = site.client()
    until_rcpt(client)
    client.write(b"BDAT 200000 LAST\r\n" + LONG_BODY[:150_000])
    client.drop()
    taken(site, made, plain("after"))
    equal(len(made.records()), 1, "records")
    nothing_left(made)
    all_whole(made)


@scenario("P7: a client that goes away before it reads its 250: what is delivered is in the journal")
def goes_before_the_reply(site):
    made = site.filter()
    client = site.client()
    message = plain("unheard")
    until_data(client)
    client.write(stuff(message.octets))
    client.drop()
    taken(site, made, plain("after"))
    site.mta.wait_queue_empty()
    journal = [made.octets(record["id"]) for record in made.records()]
    arrived = sum(message.octets in delivery.octets for delivery in site.sink.deliveries())
    expect(arrived <= journal.count(message.octets), f"delivered {arrived} times, and not so often in the journal")
    all_whole(made)


def bare_rows(_mta_class):
    return [("bare LF", b"one\ntwo\r\n"), ("bare CR", b"one\rtwo\r\n"), ("LF . LF", b"one\n.\ntwo\r\n"),
            ("LF . CRLF", b"one\n.\r\ntwo\r\n"), ("CR . CR", b"one\r.\rtwo\r\n"), ("CR CR LF", b"one\r\r\ntwo\r\n")]


@scenario("bare CR and LF: taken and journaled as delivered, or turned away by the MTA", rows=bare_rows)
def bare_ends(site, octets):
    made = site.filter()
    with site.client() as client:
        until_data(client)
        client.write(head("bare") + octets + b".\r\n")
        try:
            reply = client.read_reply()
        except Disconnected:
            reply = None
    if reply is not None and reply.code == 250:
        records = made.records()
        equal(len(records), 1, "records")
        delivery = site.delivery_of(records[0]["queue_id"])
        expect(made.octets(records[0]["id"]) in delivery.octets, "journal differs from delivery")
    else:
        equal(made.records(), [], "records of a message that was turned away")
    nothing_left(made)
    all_whole(made)


@scenario("no message in a session, health checks, and garbage leave nothing")
def empty_sessions(site):
    made = site.filter()
    for _ in range(20):
        Client(site.mta.port).drop()
    with site.client() as client:
        client.command("NOOP")
        client.command("VRFY someone")
        client.write(b"\x00\xff garbage\r\n")
        client.read_reply()
        client.quit()
    equal(made.records(), [], "records")
    nothing_left(made)
    taken(site, made, plain("after"))


@scenario("P1: twenty connections at once, interleaved, each message to its own record")
def interleaved(site):
    made = site.filter()
    chosen = [Message(f"interleaved {n}", head(f"interleaved {n}") + lines(f"line {n}") * (1 + n * 500),
                      sender=f"sender{n}@example.org", recipients=(f"recipient{n}@example.net",))
              for n in range(20)]
    clients = [site.client() for _ in chosen]
    for client, message in zip(clients, chosen):
        client.open(message)
    for client in clients:
        client.command("DATA")
    for client, message in zip(clients, chosen):
        client.write(stuff(message.octets))
    queue_ids = [client.read_reply().queue_id for client in clients]
    for client in clients:
        client.quit()
    for queue_id, message in zip(queue_ids, chosen):
        record = made.record_of(queue_id)
        equal(record["sender"], message.sender, "sender")
        same_octets(made.octets(record["id"]), message.octets, message.name)
    nothing_left(made)
    all_whole(made)


@scenario("P1: a restart finds what was taken before it, and goes on")
def restart_between(site):
    made = site.filter()
    taken(site, made, plain("before"))
    made.restart()
    taken(site, made, plain("after"))
    site.sink.forget()
    made.restart()
    equal(len(made.records()), 2, "records after a second restart")
    journal = [made.octets(record["id"]) for record in made.records()]
    equal(journal, [plain("before").octets, plain("after").octets], "journal")
