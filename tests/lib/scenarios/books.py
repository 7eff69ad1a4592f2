"""The books of the auditor: once, again, after a kill, made anew; lost mail, and mail that is not called lost."""
import json
import random
import shutil
import threading

from ..auditor import BLIND_QUEUE, BOOKS_DAMAGED, GAP, LOST, TABLES, UNACCOUNTED, Auditor, same_dumps, spoil_books
from ..holdfast import USER, program
from ..messages import Message, head, lines, plain
from ..suite import rounds, scenario
from ..tap import equal, expect, wait_for

RELAYED = {"recipient@example.net": ("settled", "relayed")}


def send_one(site, name, *recipients):
    return site.send(plain(name, recipients=recipients or ("recipient@example.net",))).queue_id


def send_deferred(site, name):
    """A message that waits in the queue.  Its queue id, and its recipient."""
    recipient = f"later-{name}@example.net"
    queue_id = send_one(site, name, recipient)
    site.mta.wait_log(f"{queue_id}: to=<{recipient}>")
    return queue_id, recipient


def begin(site, **settings):
    site.mta.open_roads(site.sink)
    made = site.filter()
    return made, Auditor(made, site.mta, **settings)


def mixed_fates(site):
    """One message each way: relayed, bounced, and one of two deferred; their queue ids."""
    relayed = send_one(site, "relayed")
    bounced = send_one(site, "bounced", "refused-1@example.net")
    split = send_one(site, "split", "recipient@example.net", "later-1@example.net")
    site.mta.wait_done(relayed, bounced)
    for address in ("recipient", "later-1"):
        site.mta.wait_log(f"{split}: to=<{address}@example.net>")
    return relayed, bounced, split


@scenario("a second run over the same log writes nothing and counts nothing twice")
def runs_are_idempotent(site):
    _, auditor = begin(site)
    site.mta.wait_done(send_one(site, "once"))
    auditor.freeze()
    auditor.once()
    first = auditor.dump()
    auditor.once()
    same_dumps(auditor.dump(), first, "the ledger after another run")
    equal(auditor.balance()[1]["journaled"], 1, "journaled recipients")


@scenario("explain tells each step with its place in the log, by any of a message's names, and where its proof ends")
def explains(site):
    made, auditor = begin(site)
    queue_id = site.send(plain("explained", sender="asker@example.org", recipients=("asked@example.net",))).queue_id
    site.mta.wait_done(queue_id)
    auditor.once()
    record = made.record_of(queue_id)
    for what in (record["id"], queue_id, "explained@example.org", "<explained@example.org>", "asked@example.net", "ASKED@example.net",
                 "asker@example.org", record["at"][:16]):
        found = [json.loads(line) for line in auditor.explain(what, "--json").stdout.splitlines()]
        equal([case["id"] for case in found], [record["id"]], f"what explain finds by {what}")
    case = found[0]
    log = site.mta.log.read_bytes()
    expect(any(site.mta.done in step["text"] for step in case["evidence"]), f"no step tells of its end: {case['evidence']}")
    for step in case["evidence"]:
        there = log[step["offset"]:].split(b"\n", 1)[0].decode()
        equal(there, step["text"], f"the log at offset {step['offset']}")
    text = " ".join(auditor.explain(queue_id).stdout.decode().split())
    for word in ("settled, relayed", "journaled in segment 1", str(site.mta.log), "this one ends here"):
        expect(word in text, f"'{word}' is missing in: {text}")
    equal(auditor.explain("nobody@example.org", check=False).returncode, 1, "exit status for what nobody knows")


@scenario("killed at random moments while mail comes, the auditor loses nothing and counts nothing twice")
def killed(site):
    made, auditor = begin(site)
    queue_ids, enough = [], threading.Event()

    def keep_sending():
        while not enough.is_set():
            queue_ids.append(send_one(site, f"killed-{len(queue_ids)}"))

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        chance = random.Random(157684)
        for _ in range(rounds(12, 100)):
            auditor.launch()
            enough.wait(chance.uniform(0, 0.4))     # any moment will do: before the books are open, or long after
            auditor.kill()
    finally:
        enough.set()
        sender.join()
    site.mta.wait_done(*queue_ids)
    auditor.freeze()
    auditor.once()
    for queue_id in queue_ids:
        equal(auditor.fates(queue_id), RELAYED, queue_id)
    status, sums = auditor.balance()
    equal((status, sums["journaled"], sums["settled"]), (0, len(queue_ids), len(queue_ids)), "the sums")
    equal(auditor.unjournaled(), [], "mail that the journal lacks")
    unbroken = Auditor(site.filter(start=False, spool=copy_of_journal(site, made)), site.mta)
    unbroken.freeze(auditor.mta_log)
    unbroken.once()
    same_evidence(auditor, unbroken)


def copy_of_journal(site, made):
    """A spool with the same journal and no books."""
    spool = site.lab.subdir(site.unique("spool"))
    shutil.copytree(made.spool / "journal", spool / "journal")
    return spool


def same_evidence(auditor, other):
    """Each message has the lines that it has for an auditor which ran once and through."""
    want = other.evidence()
    got = auditor.evidence()
    equal(set(got), set(want), "messages with evidence")
    for queue_id, lines in want.items():
        equal(got[queue_id], lines, f"evidence of {queue_id}")


@scenario("--rebuild gives the same ledger, also when the log was rotated away and a segment is gone")
def rebuilt(site):
    made, auditor = begin(site)
    queue_ids = set(mixed_fates(site))
    auditor.freeze()
    auditor.once()
    before = auditor.dump()
    auditor.once("--rebuild")
    same_dumps(auditor.dump(), before, "the ledger after --rebuild")
    (made.spool / "ledger.db").unlink()
    auditor.once()
    same_dumps(auditor.dump(), before, "the ledger made after it was removed")
    auditor.mta_log.unlink()
    auditor.once("--rebuild", status=3)
    # that the log is gone is a new fact, and told once
    facts = [table for table in TABLES if table not in ("incident", "position")]
    same_dumps(auditor.dump(facts), {table: before[table] for table in facts}, "the ledger rebuilt without the log")
    equal(len(auditor.dump()["incident"]), len(before["incident"]) + 1, "incidents once the log is gone")
    made.stop()
    kept = site.lab.subdir(site.unique("kept"))
    for segment in sorted((made.spool / "journal").glob("*.bsmtp")):
        shutil.move(segment, kept / segment.name)
    auditor.once(status=3)
    equal({record["copy"] for record in made.records()}, {"damaged"}, "copies whose segment is gone")
    equal({record["queue_id"] for record in made.records()}, queue_ids, "the envelopes that are known")
    equal(auditor.fates_of_all(), {("relayed", "settled"), ("bounced", "settled"), (None, "open")}, "their fates")
    gone = auditor.dump()
    status, sums = auditor.balance()
    equal((status, sums["copy_gone"], sums["balanced"]), (1, 4, False), "the balance without the copies")
    auditor.once("--rebuild", status=3)
    same_dumps(auditor.dump(), gone, "the ledger rebuilt without the segment")


@scenario("books that are damaged: the journal is read again, nothing is forgotten and nothing called lost")
def damaged_books(site):
    made, auditor = begin(site)
    queue_ids = []
    for number in range(3):
        queue_ids.append(send_one(site, f"damaged-{number}"))
        site.mta.wait_done(queue_ids[-1])
        auditor.once()
    spoil_books(made.spool, b"damaged-1@example.org")   # the Message-ID, in the second message's group
    auditor.freeze()
    said = auditor.once("--rebuild")
    expect(BOOKS_DAMAGED in said, f"the damage is not told: {said}")
    equal(set(auditor.fates(queue_ids[1])), {"recipient@example.net"}, "the message whose group is damaged")
    for queue_id in (queue_ids[0], queue_ids[2]):
        equal(auditor.fates(queue_id), RELAYED, queue_id)
    status, sums = auditor.balance()
    equal((status, sums["journaled"], sums["settled"], sums["provisional"], sums["lost"]), (0, 3, 2, 1, 0), "the sums")
    after = auditor.dump()
    auditor.once()
    same_dumps(auditor.dump(), after, "the ledger after another run")


@scenario("mail is lost after two looks at the queue and not before, also when the queue was wiped with its host; the alarm "
          "names it, and a stopped MTA is no empty queue")
def wiped(site):
    _, auditor = begin(site)
    drop_rights(site, auditor)              # to root, postqueue would read the queue of a stopped Postfix
    mail = dict(send_deferred(site, f"wiped-{number}") for number in range(2))
    auditor.once()
    for queue_id, recipient in mail.items():
        equal(auditor.fates(queue_id), {recipient: ("open", None)}, "while it is queued")
    site.mta.wipe_queue()
    if site.mta.name == "postfix":
        expect(BLIND_QUEUE in auditor.once(), "a stopped Postfix was asked for its queue, and nothing was said")
    site.mta.start()
    auditor.once()
    for queue_id, recipient in mail.items():
        equal(auditor.fates(queue_id), {recipient: ("open", None)}, "after one look")
    auditor.start()
    wait_for(lambda: auditor.said().count(LOST) >= 2, 20, "the alarms")
    auditor.stop()
    for queue_id, recipient in mail.items():
        equal(auditor.fates(queue_id), {recipient: ("lost", None)}, "after two looks")
        expect(f"queue={queue_id}" in auditor.said(), f"no alarm names {queue_id}: {auditor.said()}")
    status, sums = auditor.balance()
    equal((status, sums["lost"]), (0, 2), "the sums")
    auditor.once()
    for queue_id, recipient in mail.items():
        equal(auditor.fates(queue_id), {recipient: ("lost", None)}, "after a restart")


@scenario("mail on hold is not void because a later transaction of its session has no recipient and breaks off", only="postfix")
def held_and_broken_off(site):
    _, auditor = begin(site)
    with site.mta.client() as client:
        queue_id = client.send(Message("held", head("held", "X-Rule: hold") + lines("Text."))).queue_id
        equal(client.mail("sender@example.org").code, 250, "reply to the next MAIL")
        equal(client.rcpt("unwanted@example.net").code, 550, "reply to its only RCPT")
        equal(client.command("DATA").code, 554, "reply to DATA without a recipient")
        client.drop()
    site.mta.wait_log("lost connection after DATA from")
    site.mta.wait_log("data=1/2")
    auditor.once()
    equal(auditor.fates(queue_id), {"recipient@example.net": ("open", None)}, "the fate of the held one")


@scenario("a recipient that imitates the rest of Sendmail's line settles nobody", only="sendmail")
def forged_recipient(site):
    _, auditor = begin(site)
    site.sink.refuse("MAIL", lambda text: "451 4.3.0 later")     # all of one line
    forged = ('v\\"", delay=00:00:00, xdelay=00:00:00, mailer=esmtp, pri=1, relay=x. [192.0.2.9], dsn=2.0.0, '
              'stat=Sent (ok"@example.net')
    with site.mta.client() as client:
        queue_id = client.send(plain("forged", recipients=("victim@example.net", forged, "other@example.net"))).queue_id
    site.mta.wait_log(f"{queue_id}: to=")
    site.mta.wait_log("stat=Deferred")
    auditor.once()
    fates = auditor.fates(queue_id)
    equal((len(fates), set(fates.values())), (3, {("open", None)}), f"fates: {fates}")


@scenario("postsuper -d ALL names no message: what it took is unaccounted, and says so", only="postfix")
def bulk_deletion(site):
    made, auditor = begin(site)
    relayed = send_one(site, "relayed")
    queue_id, recipient = send_deferred(site, "bulk")
    site.mta.wait_done(relayed)
    auditor.start()
    wait_for(lambda: auditor.fates(queue_id) == {recipient: ("open", None)}, 20, "the books to have it")
    site.mta.empty_queue()
    wait_for(lambda: UNACCOUNTED in auditor.said(), 20, "the alarm")
    auditor.stop()
    equal(auditor.fates(queue_id), {recipient: ("unaccounted", None)}, "after the bulk deletion")
    equal(made.record_of(queue_id)["recipients"][0]["detail"], "bulk deletion", "why")
    equal(auditor.fates(relayed), RELAYED, "what was settled before")
    text = auditor.explain(queue_id).stdout.decode()
    expect("Deleted: 1 message" in text, f"explain does not show the act: {text}")


@scenario("log lines that are missing make mail unaccounted, never lost")
def lines_withheld(site):
    made, auditor = begin(site)
    queue_id, recipient = send_deferred(site, "withheld")
    auditor.follow_copy()
    auditor.once()
    equal(auditor.fates(queue_id), {recipient: ("open", None)}, "while it is queued")
    site.sink.refuse("RCPT", None)
    site.mta.try_again(queue_id)
    site.mta.wait_done(queue_id)
    begin_of_next = site.mta.log.stat().st_size
    seen = send_one(site, "seen")
    site.mta.wait_done(seen)
    auditor.lose_log(begin_of_next)              # with what it told of the first one's end
    auditor.start()
    wait_for(lambda: UNACCOUNTED in auditor.said(), 20, "the alarm")
    auditor.stop()
    expect(GAP in auditor.said(), f"no event tells of the gap: {auditor.said()}")
    expect(LOST not in auditor.said(), f"called lost: {auditor.said()}")
    equal(auditor.fates(queue_id), {recipient: ("unaccounted", None)}, "without the lines of its end")
    expect("lines of the log are missing" in made.record_of(queue_id)["recipients"][0]["detail"], "the reason is not told")
    equal(auditor.fates(seen), RELAYED, "what came after the gap")


@scenario("an operator's act settles what is open, once the books have it its file goes")
def declared(site):
    made, auditor = begin(site)
    queue_id, recipient = send_deferred(site, "declared")
    auditor.once()
    identity = made.record_of(queue_id)["id"]
    made.command("settle", "--yes", "--reason", "told by telephone", identity)
    equal(auditor.fates(queue_id), {recipient: ("settled", "declared")}, "before the auditor has it")
    auditor.once()
    equal(list((made.spool / "acts").glob("*.act")), [], "files of acts")
    equal(auditor.fates(queue_id), {recipient: ("settled", "declared")}, "from the books")
    site.mta.try_again(queue_id)
    site.mta.wait_log(f"{queue_id}: to=<{recipient}>", 2)
    auditor.once()
    equal(auditor.fates(queue_id), {recipient: ("settled", "declared")}, "after another attempt")


@scenario("mail that went past the filter is told as unjournaled")
def bypassed(site):
    _, auditor = begin(site)
    before = site.mta.log.stat().st_size     # earlier scenarios' mail, which this journal has not, either
    first = send_one(site, "journaled")
    site.mta.bypass()
    past = send_one(site, "past")
    site.mta.wait_done(first, past)
    auditor.follow_copy(begin=before)
    auditor.once()
    equal([one["queue_id"] for one in auditor.unjournaled()], [past], "unjournaled")
    status, sums = auditor.balance()
    equal((status, sums["unjournaled_messages"]), (0, 1), "exit status of balance, and what it counts")


def drop_rights(site, auditor):
    """From here on it runs as its service does: the filter's user, in the group that may ask for the queue."""
    own = shutil.copy(program("holdfast-auditor"), site.lab.subdir(site.unique("bin")))
    auditor.prefix = ["setpriv", f"--reuid={USER}", "--regid=nogroup", "--groups=postdrop", "--no-new-privs",
                      "--bounding-set=-all", own]


@scenario("the auditor needs no more rights than its manual says")
def least_rights(site):
    made, auditor = begin(site)
    queue_id, recipient = send_deferred(site, "rights")
    drop_rights(site, auditor)
    said = auditor.once()
    expect(BLIND_QUEUE not in said, f"it can't look into the queue: {said}")
    equal(auditor.fates(queue_id), {recipient: ("open", None)}, "what it found")
    equal(len(auditor.dump()["snapshot"]), 1, "looks at the queue")
    expect(all(path.owner() == USER for path in (made.spool / "books").iterdir()), "books that are not its own")
