"""Every recipient is on the books (P4), with what became of it and how that is known."""
import json
import shutil

from ..auditor import BOOKS_DAMAGED, LOST, TABLES, Auditor
from ..messages import plain
from ..suite import scenario
from ..tap import equal, expect, wait_for


def wait_log(site, text, count=1, limit=30):
    """Until the MTA has logged this so often; waiting for a line, not for luck."""
    wait_for(lambda: site.mta.log.read_text(errors="replace").count(text) >= count, limit, f"{count} times '{text}' in the log")


def by_address(text):
    if "refused@" in text:
        return "550 5.1.1 nobody here"
    return "451 4.3.0 later" if "later@" in text else None


def mixed_fates(site):
    """One message each way: relayed, bounced, and one of two deferred; their queue ids."""
    site.sink.refuse("RCPT", by_address)
    relayed = site.send(plain("relayed")).queue_id
    bounced = site.send(plain("bounced", recipients=("refused@example.net",))).queue_id
    split = site.send(plain("split", recipients=("recipient@example.net", "later@example.net"))).queue_id
    wait_log(site, f"{relayed}: removed")
    wait_log(site, f"{bounced}: removed")
    for address in ("recipient", "later"):
        wait_log(site, f"{split}: to=<{address}@example.net>")
    return relayed, bounced, split


def same_dumps(got, want, what):
    """Table by table, so that a failure names the first row that differs."""
    for table, rows in want.items():
        for row, other in zip(got[table], rows):
            equal(row, other, f"{what}, table {table}")
        equal(len(got[table]), len(rows), f"{what}, rows of {table}")


def end_refusals(site):
    site.sink.refuse("RCPT", None)
    site.mta.empty_queue()


@scenario("P4: relayed, bounced and deferred are told apart, recipient by recipient, and the sums balance", only="postfix")
def fates_and_sums(site):
    made = site.filter()
    auditor = Auditor(made, site.mta)
    site.thaws.append(lambda: end_refusals(site))
    relayed, bounced, split = mixed_fates(site)
    auditor.once()
    equal(auditor.fates(relayed), {"recipient@example.net": ("settled", "relayed")}, "the one that went")
    equal(auditor.fates(bounced), {"refused@example.net": ("settled", "bounced")}, "the one that was refused")
    equal(auditor.fates(split), {"recipient@example.net": ("settled", "relayed"), "later@example.net": ("open", None)},
          "the one that is half done")
    status, sums = auditor.balance()
    equal(status, 0, "exit status of balance")
    equal({name: sums[name] for name in ("journaled", "accepted", "settled", "open", "void", "provisional", "lost", "unaccounted")},
          {"journaled": 4, "accepted": 4, "settled": 3, "open": 1, "void": 0, "provisional": 0, "lost": 0, "unaccounted": 0},
          "the sums")
    expect(sums["balanced"], "the sums balance")


@scenario("a second run over the same log writes nothing and counts nothing twice", only="postfix")
def runs_are_idempotent(site):
    made = site.filter()
    auditor = Auditor(made, site.mta)
    queue_id = site.send(plain("once")).queue_id
    wait_log(site, f"{queue_id}: removed")
    auditor.freeze()
    auditor.once()
    first = auditor.dump()
    auditor.once()
    same_dumps(auditor.dump(), first, "the ledger after another run")
    equal(auditor.balance()[1]["journaled"], 1, "journaled recipients")


@scenario("explain tells each step with its place in the log, by any of a message's names", only="postfix")
def explains(site):
    made = site.filter()
    auditor = Auditor(made, site.mta)
    queue_id = site.send(plain("explained")).queue_id
    wait_log(site, f"{queue_id}: removed")
    auditor.once()
    identity = made.record_of(queue_id)["id"]
    for what in (identity, queue_id, "explained@example.org", "recipient@example.net"):
        one = [case for case in map(json.loads, auditor.explain(what, "--json").stdout.splitlines()) if case["id"] == identity]
        equal(len(one), 1, f"messages that explain finds by {what}")
    case = one[0]
    log = site.mta.log.read_bytes()
    expect(any("removed" in step["text"] for step in case["evidence"]), f"no step tells of the removal: {case['evidence']}")
    for step in case["evidence"]:
        there = log[step["offset"]:].split(b"\n", 1)[0].decode()
        equal(there, step["text"], f"the log at offset {step['offset']}")
    text = auditor.explain(queue_id).stdout.decode()
    for word in ("settled, relayed", "journaled in segment 1", str(site.mta.log)):
        expect(word in text, f"'{word}' is missing in: {text}")
    equal(auditor.explain("nobody@example.org", check=False).returncode, 1, "exit status for what nobody knows")


@scenario("killed at any moment, the auditor goes on as if it had not been", only="postfix")
def killed(site):
    made = site.filter()
    auditor = Auditor(made, site.mta)
    queue_ids = []
    for number in range(12):
        auditor.start()
        queue_ids.append(site.send(plain(f"killed-{number}")).queue_id)
        if number % 3 == 2:
            wait_log(site, f"{queue_ids[-1]}: removed")
        auditor.kill()
    for queue_id in queue_ids:
        wait_log(site, f"{queue_id}: removed")
    auditor.once()
    for queue_id in queue_ids:
        equal(auditor.fates(queue_id), {"recipient@example.net": ("settled", "relayed")}, queue_id)
    status, sums = auditor.balance()
    equal((status, sums["journaled"], sums["settled"]), (0, 12, 12), "the sums")
    equal(auditor.unjournaled(), [], "mail that the journal lacks")


@scenario("--rebuild gives the same ledger, also when the log was rotated away and a segment is gone", only="postfix")
def rebuilt(site):
    made = site.filter()
    auditor = Auditor(made, site.mta)
    site.thaws.append(lambda: end_refusals(site))
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
    auditor.once("--rebuild")
    # that the log is gone is a new fact, and told once
    facts = [table for table in TABLES if table not in ("incident", "position")]
    same_dumps(auditor.dump(facts), {table: before[table] for table in facts}, "the ledger rebuilt without the log")
    equal(len(auditor.dump()["incident"]), len(before["incident"]) + 1, "incidents once the log is gone")
    made.stop()
    kept = site.lab.subdir(site.unique("kept"))
    for segment in sorted((made.spool / "journal").glob("*.bsmtp")):
        shutil.move(segment, kept / segment.name)
    auditor.once()
    equal({record["copy"] for record in made.records()}, {"damaged"}, "copies whose segment is gone")
    equal({record["queue_id"] for record in made.records()}, queue_ids, "the envelopes that are known")
    equal(auditor.fates_of_all(), {("relayed", "settled"), ("bounced", "settled"), (None, "open")}, "their fates")
    gone = auditor.dump()
    status, sums = auditor.balance()
    equal((status, sums["copy_gone"], sums["balanced"]), (1, 4, False), "the balance without the copies")
    auditor.once("--rebuild")
    same_dumps(auditor.dump(), gone, "the ledger rebuilt without the segment")


@scenario("books that are damaged: the journal is read again, nothing is forgotten and nothing called lost", only="postfix")
def damaged_books(site):
    made = site.filter()
    auditor = Auditor(made, site.mta)
    queue_ids = []
    for number in range(3):
        queue_ids.append(site.send(plain(f"damaged-{number}")).queue_id)
        wait_log(site, f"{queue_ids[-1]}: removed")
        auditor.once()
    books = sorted((made.spool / "books").glob("*.books"))[0]
    text = bytearray(books.read_bytes())
    text[text.index(b"damaged-1@example.org")] ^= 1   # the Message-ID, in the second message's group
    books.write_bytes(text)
    auditor.freeze()
    said = auditor.once("--rebuild")
    expect(BOOKS_DAMAGED in said, f"the damage is not told: {said}")
    equal(set(auditor.fates(queue_ids[1])), {"recipient@example.net"}, "the message whose group is damaged")
    for queue_id in (queue_ids[0], queue_ids[2]):
        equal(auditor.fates(queue_id), {"recipient@example.net": ("settled", "relayed")}, queue_id)
    status, sums = auditor.balance()
    equal((status, sums["journaled"], sums["settled"], sums["provisional"], sums["lost"]), (0, 3, 2, 1, 0), "the sums")
    after = auditor.dump()
    auditor.once()
    same_dumps(auditor.dump(), after, "the ledger after another run")


@scenario("a queue file removed by hand is lost, after two looks at the queue and not before; the alarm names it", only="postfix")
def removed_by_hand(site):
    made = site.filter()
    auditor = Auditor(made, site.mta)
    site.thaws.append(lambda: end_refusals(site))
    site.sink.refuse("RCPT", by_address)
    queue_id = site.send(plain("gone", recipients=("later@example.net",))).queue_id
    wait_log(site, f"{queue_id}: to=<later@example.net>")
    auditor.once()
    equal(auditor.fates(queue_id), {"later@example.net": ("open", None)}, "while it is queued")
    files = [path for path in (site.mta.dir / "spool" / "deferred").rglob(queue_id)]
    equal(len(files), 1, "queue files")
    files[0].unlink()
    auditor.once()
    equal(auditor.fates(queue_id), {"later@example.net": ("open", None)}, "after one look")
    auditor.start()
    wait_for(lambda: LOST in auditor.said(), 20, "the alarm")
    auditor.stop()
    equal(auditor.fates(queue_id), {"later@example.net": ("lost", None)}, "after two looks")
    expect(f"queue={queue_id}" in auditor.said(), f"the alarm does not name {queue_id}: {auditor.said()}")
    status, sums = auditor.balance()
    equal((status, sums["lost"]), (0, 1), "the sums")
    auditor.once()
    equal(auditor.fates(queue_id), {"later@example.net": ("lost", None)}, "after a restart")


@scenario("an operator's act settles what is open, once the books have it its file goes", only="postfix")
def declared(site):
    made = site.filter()
    auditor = Auditor(made, site.mta)
    site.thaws.append(lambda: end_refusals(site))
    site.sink.refuse("RCPT", by_address)
    queue_id = site.send(plain("declared", recipients=("later@example.net",))).queue_id
    wait_log(site, f"{queue_id}: to=<later@example.net>")
    auditor.once()
    identity = made.record_of(queue_id)["id"]
    made.command("settle", "--yes", "--reason", "told by telephone", identity)
    equal(auditor.fates(queue_id), {"later@example.net": ("settled", "declared")}, "before the auditor has it")
    auditor.once()
    equal(list((made.spool / "acts").glob("*.act")), [], "files of acts")
    equal(auditor.fates(queue_id), {"later@example.net": ("settled", "declared")}, "from the books")
    site.mta.flush()
    wait_log(site, f"{queue_id}: to=<later@example.net>", 2)
    auditor.once()
    equal(auditor.fates(queue_id), {"later@example.net": ("settled", "declared")}, "after another attempt")


@scenario("mail that went past the filter is told as unjournaled", only="postfix")
def bypassed(site):
    made = site.filter()
    auditor = Auditor(made, site.mta)
    site.thaws.append(site.mta.restore)
    first = site.send(plain("journaled")).queue_id
    site.mta.set(smtpd_milters="")
    past = site.send(plain("past")).queue_id
    for queue_id in (first, past):
        wait_log(site, f"{queue_id}: removed")
    auditor.once()
    equal([one["queue_id"] for one in auditor.unjournaled()], [past], "unjournaled")
    equal(auditor.balance()[0], 0, "exit status of balance")
