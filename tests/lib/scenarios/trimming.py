"""The journal stays small by itself: what is settled goes, and what is not stays (P3)."""
import json
import shutil
import subprocess
import time

from ..auditor import Auditor, spoil_books
from ..holdfast import program
from ..messages import head, lines, Message
from ..suite import scenario
from ..tap import equal, expect, wait_for
from .replay import arrivals, recipients_of, replay

# a message fills a good part of a segment, and copies are kept for a moment only
SMALL = {"journal.segment_size": "64K", "retention.settled": "1s", "retention.carry_after": "1s"}
CARRIED = "HF-515"


def bulky(subject, **envelope):
    return Message(subject, head(subject) + lines(*["The quick brown fox jumps over the lazy dog."] * 900), **envelope)


def wait_log(site, text, limit=30):
    wait_for(lambda: text in site.mta.log_text(), limit, f"'{text}' in the log")


def send_relayed(site, names):
    """Messages that the next host takes at once; their queue ids, once the MTA has done with them."""
    queue_ids = [site.send(bulky(name)).queue_id for name in names]
    for queue_id in queue_ids:
        wait_log(site, f"{queue_id}: removed")
    return queue_ids


def sums_come_out(auditor):
    status, sums = auditor.balance()
    equal(status, 0, f"exit status of balance, {sums}")
    return sums


@scenario("segments go by themselves once all in them is settled for long enough; explain tells when", only="postfix")
def go_by_themselves(site):
    made = site.filter(settings=SMALL)
    auditor = Auditor(made, site.mta)
    auditor.start()
    queue_ids = send_relayed(site, [f"goes-{number}" for number in range(6)])
    wait_for(lambda: len(made.segments()) <= 2, 30, "old segments to go")
    wait_for(lambda: auditor.fates_of_all() == {("relayed", "settled")}, 30, "the auditor to see all settled")
    all_is_well(made, auditor, 6)
    auditor.stop()
    equal(needs(auditor), ["systemctl status holdfast-auditor"], "what needs a hand when the auditor is stopped")
    sums = sums_come_out(auditor)
    equal((sums["journaled"], sums["settled"]), (6, 6), "the sums")
    expect(sums["trimmed"] >= 4, f"recipients whose copy was trimmed: {sums}")
    case = json.loads(auditor.explain(queue_ids[0], "--json").stdout)
    equal(case["copy"], "trimmed", "what explain says of the copy")
    expect(case["trimmed_at"] is not None and case["evidence"], f"explain does not tell the story: {case}")
    expect("copy trimmed" in auditor.explain(queue_ids[0]).stdout.decode(), "explain does not say so to a person")
    equal(made.command("verify", check=False).returncode, 0, "exit status of verify")
    before = auditor.dump()
    auditor.once("--rebuild")
    for table in ("envelope", "recipient", "trimmed"):
        equal(auditor.dump((table,)), {table: before[table]}, f"table {table} after --rebuild")


def needs(auditor):
    """What `holdfast status` says is to be typed next, in its order."""
    status, said = auditor.status()
    equal((status, said["well"]), (1, False) if said["needs"] else (0, True), f"exit status and word of status: {said}")
    return [need["next"] for need in said["needs"]]


def all_is_well(made, auditor, settled):
    equal(needs(auditor), [], "what needs a hand")
    said = auditor.status()[1]
    equal((said["filter"]["running"], said["auditor"]["running"]), (True, True), "who runs")
    equal((said["filter"]["segment"], said["journal"]["segments"]), (made.segments()[-1], len(made.segments())), "segments")
    equal(said["recipients"]["settled"], settled, "recipients settled")
    equal(said["auditor"]["log_behind"], 0, "octets of the log that are not read")
    equal((said["forecast"]["known"], said["oldest_open"]), (False, None), "forecast of a minute's mail, and what is open")
    text = made.command("status").stdout.decode()
    expect("All is well." in text and "none yet: it takes a day of mail" in text, text)
    free = said["space"]["free"]
    made.write_config(pressure__space_warn=f"{free * 4}", pressure__space_stop=f"{free * 2}")
    equal(needs(auditor), ["holdfast trim --dry-run"], "what needs a hand below the mark")
    made.write_config(pressure__space_warn=None, pressure__space_stop=None)


def later(text):
    return "451 4.3.0 later" if "later@" in text else None


def carry_one(site):
    """A message of which one recipient is deferred and one was relayed, carried forward; filter, auditor and its queue id."""
    made = site.filter(settings=SMALL)
    auditor = Auditor(made, site.mta)
    site.sink.refuse("RCPT", later)
    site.thaws.append(lambda: site.sink.refuse("RCPT", None))
    message = Message("straggler", head("straggler") + lines("Text.", ".", "..dots"),
                      recipients=("later@example.net", "recipient@example.net"))
    straggler = site.send(message).queue_id
    wait_log(site, "status=deferred")
    auditor.start()
    send_relayed(site, [f"rest-{number}" for number in range(4)])
    wait_for(lambda: made.segments("carried"), 30, "the deferred message to be carried forward")
    wait_for(lambda: len(made.segments()) <= 2, 30, "the segments it kept to go")
    return made, auditor, straggler


def deliver(site, queue_id):
    site.sink.refuse("RCPT", None)
    site.mta.flush()
    wait_log(site, f"{queue_id}: removed")


def wait_copy_gone(made):
    wait_for(lambda: not made.segments("carried"), 30, "the carried copy to go once its message is delivered")


@scenario("one deferred message does not pin the rest: it is carried forward, delivered later, and goes then", only="postfix")
def straggler_is_carried(site):
    made, auditor, straggler = carry_one(site)
    record = made.record_of(straggler)
    equal(record["segment"], f"{made.segments('carried')[0]}.bsmtp", "where its copy is")
    equal([(one["address"], one["state"]) for one in record["recipients"]],
          [("later@example.net", "open"), ("recipient@example.net", "settled")], "what is known of its recipients")
    text = (made.spool / "carried" / record["segment"]).read_text()
    equal((text.count("RCPT TO:<later@example.net>"), text.count("RCPT TO:<recipient@example.net>")), (1, 0), "RCPT lines")
    expect("outcome=relayed" in text, f"the settled recipient's outcome is not in {text}")
    shown = made.command("show", record["id"]).stdout
    expect(shown.endswith(b"\r\nText.\r\n.\r\n..dots\r\n"), f"show prints {shown}")
    exported = made.command("export", "--format", "bsmtp", record["id"]).stdout
    equal([exported.count(b"RCPT TO:<%s@example.net>" % name) for name in (b"later", b"recipient")], [1, 0], "RCPT lines of export")
    equal(made.command("verify", check=False).returncode, 0, "exit status of verify with a carried segment")
    expect("carried forward to segment" in auditor.explain(straggler).stdout.decode(), "explain does not say that it was carried")
    equal(sums_come_out(auditor)["open"], 1, "recipients that are open")
    deliver(site, straggler)
    wait_copy_gone(made)
    auditor.stop()
    expect(CARRIED in auditor.said(), "no event tells that mail was carried forward")
    equal(sums_come_out(auditor)["open"], 0, "recipients that are open in the end")
    case = json.loads(auditor.explain(straggler, "--json").stdout)
    equal(case["copy"], "trimmed", "what explain says of the copy in the end")
    expect(case["carried_at"] is not None and case["trimmed_at"] is not None, f"explain does not tell the story: {case}")
    equal(made.command("verify", check=False).returncode, 0, "exit status of verify")
    before = auditor.dump()
    auditor.once("--rebuild")
    for table in ("envelope", "recipient", "trimmed"):
        equal(auditor.dump((table,)), {table: before[table]}, f"table {table} after --rebuild")


@scenario("books that are lost, and the log with them: new ones have what was carried forward, and what it had come to",
          only="postfix")
def carried_comes_into_new_books(site):
    made, auditor, straggler = carry_one(site)
    auditor.stop()
    shutil.rmtree(made.spool / "books")
    for path in made.spool.glob("ledger.db*"):
        path.unlink()
    site.mta.log.write_text("")
    relayed = ("relayed", "settled")
    # the MTA tries again each second, so the log may name the one that is deferred
    entered = [[("later@example.net", None, state), ("recipient@example.net", *relayed)] for state in ("provisional", "open")]
    for run in ("first", "second"):
        auditor.start()
        wait_for(lambda: straggler_fates(made, straggler) in entered, 30,
                 f"the new books to have it in the {run} run; they have {straggler_fates(made, straggler)}")
        auditor.stop()
    sums = auditor.balance()[1]
    equal((sums["provisional"] + sums["open"], sums["settled"]), (3, 1), "recipients by state: the rest that is there, and the message carried")
    equal(sums["journaled"] - sums["provisional"] - sums["accepted"], 2, "recipients that only the notes of trimming tell of")
    auditor.start()
    deliver(site, straggler)
    wait_for(lambda: straggler_fates(made, straggler) == [("later@example.net", *relayed), ("recipient@example.net", *relayed)], 30,
             f"the delivery to be seen; the books have {straggler_fates(made, straggler)}")
    wait_copy_gone(made)
    auditor.stop()


@scenario("books that are damaged where they say where a carried message stands: it is found there, and goes once it is delivered",
          only="postfix")
def carried_place_is_found_again(site):
    made, auditor, straggler = carry_one(site)
    auditor.stop()
    spoil_books(made.spool, b"carried id=")
    auditor.once("--rebuild")
    case = json.loads(auditor.explain(straggler, "--json").stdout)
    equal((case["copy"], case["segment"]), ("whole", f"{made.segments('carried')[0]}.bsmtp"), "the copy, by the books")
    equal(straggler_fates(made, straggler)[1][1:], ("relayed", "settled"), "the recipient that was settled")
    auditor.start()
    deliver(site, straggler)
    wait_copy_gone(made)
    auditor.stop()


@scenario("the queue is emptied under a carried message: replay sends it to who was open, to nobody else; settle ends it, and its copy goes",
          only="postfix")
def carried_by_hand(site):
    made, auditor, straggler = carry_one(site)
    record = made.record_of(straggler)
    before = arrivals(site, "straggler")
    equal(recipients_of(before)[-1:], ["recipient@example.net"], "who had it before")
    copy = shutil.copy(made.spool / "carried" / record["segment"], site.lab.subdir(site.unique("by-hand")))
    auditor.stop()
    site.mta.empty_queue()
    site.sink.refuse("RCPT", None)
    status, taken, complaints = replay(site, copy)
    equal(status, 0, f"exit status of replay; it said {complaints}")
    expect("later@example.net" in taken and "recipient@example.net" not in taken, f"replay sent to {taken}")
    wait_for(lambda: len(arrivals(site, "straggler")) > len(before), 30, "what replay sent to arrive")
    again = arrivals(site, "straggler")[len(before):]
    equal(recipients_of(again), ["later@example.net"], "who has it since")
    expect(again[0].octets.endswith(b"\r\nText.\r\n.\r\n..dots\r\n"), f"it arrived as {again[0].octets}")
    made.command("settle", "--yes", "--reason", "sent again by hand", record["id"])
    auditor.start()
    wait_for(lambda: not made.segments("carried"), 30, "the carried copy to go once it is settled")
    auditor.stop()
    case = json.loads(auditor.explain(straggler, "--json").stdout)
    equal([(one["address"], one["outcome"]) for one in case["recipients"]],
          [("later@example.net", "declared"), ("recipient@example.net", "relayed")], "what explain says in the end")


def straggler_fates(made, queue_id):
    """(address, outcome, state) of each recipient, by the books."""
    return [(one["address"], one["outcome"], one["state"]) for record in made.records() if record["queue_id"] == queue_id
            for one in record["recipients"]]


@scenario("who reads copies is not disturbed, and trimming waits for him", only="postfix")
def readers_are_waited_for(site):
    made = site.filter(settings=SMALL)
    auditor = Auditor(made, site.mta)
    send_relayed(site, [f"read-{number}" for number in range(6)])
    reader = subprocess.Popen([program("holdfast"), "-c", made.config, "export", "--format", "mbox"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              bufsize=0)
    try:
        first = reader.stdout.read(1)      # it is at work, and the pipe is too small for it to end
        auditor.start()
        send_relayed(site, ["newer-1", "newer-2"])
        wait_for(lambda: auditor.fates_of_all() == {("relayed", "settled")}, 30, "the auditor to see all settled")
        time.sleep(3)                      # three passes, each of which would remove them
        equal(made.segments()[:6], [1, 2, 3, 4, 5, 6], "segments while they are read")
        rest, said = reader.communicate(timeout=60)
    finally:
        reader.kill()
        reader.wait()
    equal(reader.returncode, 0, f"exit status of export: {said}")
    equal((first + rest).count(b"\nSubject: read-"), 6, "messages exported")
    wait_for(lambda: len(made.segments()) <= 2, 30, "the segments to go once nobody reads")
    auditor.stop()
    sums_come_out(auditor)
