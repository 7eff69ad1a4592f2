"""The journal stays small by itself: what is settled goes, and what is not stays (P3)."""
import json

from ..auditor import Auditor
from ..messages import head, lines, Message
from ..suite import scenario
from ..tap import equal, expect, wait_for

# a message fills a good part of a segment, and copies are kept for a moment only
SMALL = {"journal.segment_size": "64K", "retention.settled": "1s"}


def bulky(subject, **envelope):
    return Message(subject, head(subject) + lines(*["The quick brown fox jumps over the lazy dog."] * 900), **envelope)


def wait_log(site, text, limit=30):
    wait_for(lambda: text in site.mta.log_text(), limit, f"'{text}' in the log")


def segments(made, where="journal"):
    return sorted(int(path.stem) for path in (made.spool / where).glob("[0-9]*.bsmtp"))


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
    wait_for(lambda: len(segments(made)) <= 2, 30, "old segments to go")
    auditor.stop()
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
