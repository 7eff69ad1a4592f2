"""contrib/replay brings a journal's mail back with no Holdfast at hand: all of it, once, and nothing else."""
import re

from ..compare import journal_is_delivery
from ..lab import TOP, run
from ..messages import COMMAND, corpus, head, imitation, lines, plain
from ..segment import Segment
from ..suite import scenario
from ..tap import Failure, equal, expect, wait_for

REPLAY = TOP / "contrib" / "replay"


def replay(site, *words):
    """What it answers, what it prints for each recipient taken, and what it complains of."""
    result = run([REPLAY, "--server", f"127.0.0.1:{site.mta.port}", *words], check=False, timeout=300)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def journal_dir(site):
    return site.lab.subdir(site.unique("journal"))


def arrivals(site, subject):
    """The deliveries of messages with this subject in their headers."""
    return [delivery for delivery in site.sink.deliveries()
            if f"\r\nSubject: {subject}\r\n".encode() in delivery.octets.partition(b"\r\n\r\n")[0] + b"\r\n"]


def recipients_of(deliveries):
    return sorted(address for delivery in deliveries for address in delivery.addresses)


def wait_recipients(site, count, limit=120):
    """Until so many recipients have got something at the sink, and nothing is on its way any more."""
    wait_for(lambda: len(recipients_of(site.sink.deliveries())) >= count and not site.mta.queue(), limit,
             f"{count} recipients at the sink; {len(recipients_of(site.sink.deliveries()))} came")


def attack(nonce, victim):
    """A body that goes on as if its record had ended, by somebody who knows the segment's nonce."""
    return head("attack") + lines(
        "Text.", ".", f"NOOP holdfast-seal nonce={nonce} id={victim} salt=00 message=00 envelope=00 chain=00",
        f"NOOP holdfast-message nonce={nonce} id=01ARZ3NDEKTSV4RRFFQ69G5FAV at=2026-11-22T20:18:05.000Z bytes=3 wire=3 "
        "rcpts=1 group=1", "MAIL FROM:<forged@example.org>", "RCPT TO:<forged@example.net>", "DATA", "x", ".",
        f"NOOP holdfast-void nonce={nonce} id={victim} segment=1", "RSET", "MAIL FROM:<forged@example.org>",
        "RCPT TO:<forged@example.net>", "DATA", "Subject: forged", "", "x", ".", "QUIT")


@scenario("what should arrive arrives once; void mail is not sent, nothing is injected, what was not taken is named")
def everything(site):
    site.filter()
    many = [f"<many{n}@example.net>" for n in range(1500)]
    first = Segment(1)
    ids = {"plain": first.message(plain().octets)}
    ids["void"] = first.message(head("void") + lines("Not accepted."))
    ids["damaged"] = first.message(head("damaged") + lines("Text.") + imitation())
    ids["imitation"] = first.message(imitation())
    ids["many"] = first.message(head("many") + lines("To all."), recipients=many)
    ids["parameters"] = first.message(head("parameters") + lines("Text."), sender="<sender@example.org> MT-PRIORITY=3 RET=HDRS",
                                      recipients=["<one@example.net> NOTIFY=NEVER HOLDFOR=60", "<two@example.net>"])
    ids["refused"] = first.message(head("refused") + lines("Text."),
                                   recipients=["<good@example.net>", "<>", "<fine@example.net>"])
    ids["attack"] = first.message(attack(first.nonce, ids["plain"]))
    ids["dots"] = first.message(head("dots") + lines(".", "..", ".x", "", "."), sender="<>")
    first.end()
    first.damage(ids["damaged"])
    second = Segment(2, first)
    second.void(ids["void"], first.seq)
    ids["last"] = second.message(head("last") + lines("Text."))
    second.end()
    place = journal_dir(site)
    paths = [segment.save(place, size=1 << 20) for segment in (first, second)]

    status, taken, complaints = replay(site, *paths)
    equal(status, 1, f"exit status; it said {complaints}")
    wait_recipients(site, 1509)
    for name in ("plain", "imitation", "many", "parameters", "refused", "attack", "dots", "last"):
        expect(arrivals(site, name), f"'{name}' did not arrive")
    equal(recipients_of(arrivals(site, "many")), sorted(path.strip("<>") for path in many), "recipients of 'many'")
    if site.mta.name == "postfix":  # its limit is 1,000
        equal(len(arrivals(site, "many")), 2, "deliveries of 'many'")
    equal(recipients_of(arrivals(site, "refused")), ["fine@example.net", "good@example.net"], "recipients of 'refused'")
    equal(recipients_of(arrivals(site, "parameters")), ["one@example.net", "two@example.net"], "recipients of 'parameters'")
    for name in ("plain", "imitation", "attack", "dots", "last"):
        equal(len(arrivals(site, name)), 1, f"deliveries of '{name}'")
    for name in ("void", "damaged", "forged"):
        equal(arrivals(site, name), [], f"deliveries of '{name}'")
    equal(len(recipients_of(site.sink.deliveries())), 1509, "recipients in all")
    expect("forged@example" not in " ".join(recipients_of(site.sink.deliveries())), "something was injected")

    equal(len(taken.splitlines()), 1509, "recipients printed as taken")
    expect(re.search(rf"damaged: message {ids['damaged']} .*message digest is wrong", complaints), complaints)
    expect(re.search(rf"{ids['refused']}: <>: not taken: 5\d\d ", complaints), complaints)
    equal(len(complaints.splitlines()), 3, f"lines of complaints: {complaints}")


@scenario("the journal that the filter wrote comes back as it was delivered")
def own_journal(site):
    made = site.filter()
    chosen = [message for message in corpus()
              if message.way != COMMAND and message.needs <= site.mta.offers and len(message.octets) < 1_000_000
              and len(message.recipients) < 10]
    with site.client() as client:
        for message in chosen:
            client.send(message)
        client.quit()
    made.stop()
    site.wait_deliveries(len(chosen))
    site.sink.forget()
    records = made.all_octets()

    site.filter()
    status, taken, complaints = replay(site, made.spool / "journal")
    equal(status, 0, f"exit status; it said {complaints}")
    deliveries = site.wait_deliveries(len(chosen))
    equal(sorted(line.split()[0] for line in taken.splitlines()), sorted(records), "ids printed as taken")
    for identity, octets in records.items():
        match = next((delivery for delivery in deliveries if is_delivery(octets, delivery, site.mta)), None)
        expect(match, f"{identity} did not come back as it is in the journal")
        deliveries.remove(match)


def is_delivery(octets, delivery, mta):
    try:
        journal_is_delivery(octets, delivery.octets, mta)
    except Failure:
        return False
    return True


@scenario("a second run leaves out what the first one got taken")
def second_run(site):
    site.filter()
    segment = Segment(1)
    segment.message(head("twice") + lines("Text."), recipients=["<one@example.net>", "<>", "<two@example.net>"])
    segment.end()
    place = journal_dir(site)
    path = segment.save(place)
    status, taken, _ = replay(site, path)
    equal((status, len(taken.splitlines())), (1, 2), "status and recipients of the first run")
    (place / "taken").write_text(taken)
    status, again, complaints = replay(site, "--skip", place / "taken", path)
    equal((status, again), (1, ""), "status and recipients of the second run")
    expect("<>: not taken" in complaints, complaints)
    wait_recipients(site, 2)
    equal(recipients_of(site.sink.deliveries()), ["one@example.net", "two@example.net"], "recipients at the sink")


@scenario("--dry-run says what would be sent, and sends nothing")
def dry_run(site):
    segment = Segment(1)
    identity = segment.message(plain().octets)
    segment.end()
    status, taken, said = replay(site, "--dry-run", segment.save(journal_dir(site)))
    equal((status, taken), (0, ""), "status and output")
    expect(identity in said and "to 1 recipients" in said, said)
    equal(site.sink.deliveries(), [], "deliveries")


@scenario("parameters that a server does not offer are left out; a message that can't do without is named")
def less_offered(site):
    site.filter()
    site.mta.offer_less()
    segment = Segment(1)
    segment.message(head("DSN") + lines("Text."), sender="<sender@example.org> RET=HDRS ENVID=QQ314159 BODY=8BITMIME",
                    recipients=["<one@example.net> NOTIFY=NEVER ORCPT=rfc822;one@example.net"])
    named = segment.message(head("UTF8") + lines("Γειά σου"), sender="<absender@münchen.example> SMTPUTF8 BODY=8BITMIME",
                            recipients=["<δοκιμή@παράδειγμα.example>"])
    segment.end()
    status, taken, complaints = replay(site, segment.save(journal_dir(site)))
    equal(status, 1, f"exit status; it said {complaints}")
    equal(len(taken.splitlines()), 1, "recipients taken")
    expect(f"{named}: <" in complaints and "SMTPUTF8" in complaints, complaints)
    delivery = site.wait_deliveries(1)[0]
    equal(delivery.addresses, ("one@example.net",), "recipients at the sink")
    expect("NOTIFY" not in delivery.recipients[0], f"a parameter came through: {delivery.recipients}")


@scenario("SMTPUTF8 and 8-bit octets go where they are offered", needs=["SMTPUTF8"])
def international(site):
    site.filter()
    segment = Segment(1)
    segment.message(head("UTF8") + lines("Γειά σου"), sender="<absender@münchen.example> SMTPUTF8 BODY=8BITMIME",
                    recipients=["<δοκιμή@παράδειγμα.example>"])
    segment.end()
    status, _, complaints = replay(site, segment.save(journal_dir(site)))
    equal(status, 0, f"exit status; it said {complaints}")
    delivery = site.wait_deliveries(1)[0]
    equal((delivery.sender_address, delivery.addresses), ("absender@münchen.example", ("δοκιμή@παράδειγμα.example",)), "envelope")
    expect("Γειά σου".encode() in delivery.octets, "the body came otherwise")
