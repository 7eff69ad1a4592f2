"""Each state and outcome of the design comes true on a real MTA, and the books see it (P4)."""
import dataclasses
import re
import shutil

from ..auditor import LOST, UNACCOUNTED, Auditor, same_dumps
from ..crossroads import LOCAL
from ..messages import Message, head, lines
from ..suite import scenario
from ..tap import equal, expect, wait_for

RELAYED, BOUNCED, OPEN, PASSED = ("settled", "relayed"), ("settled", "bounced"), ("open", None), ("settled", "passed")
UNACCOUNTED_FOR, LOST_MAIL, VOID = ("unaccounted", None), ("lost", None), ("void", None)
REMOVED_BY_FILTER, DISCARDED = ("settled", "removed_by_filter"), ("settled", "discarded")


@dataclasses.dataclass(frozen=True)
class Fate:
    """One message and what becomes of it.

    wants: {local part of a recipient: (state, outcome)}, each at example.net unless it says where.
    headers: what the filter after Holdfast and the MTA's rules are told.
    then: what is done to the message once its log has this text, with QID for the queue id.
    tells: words that the detail of its first recipient has.  last: what the books say where
    they know that no filter stands after Holdfast.  explains: words of `holdfast explain`."""
    name: str
    wants: dict
    headers: tuple = ()
    after: str = ""
    then: object = None
    tells: str = ""
    last: dict = dataclasses.field(default_factory=dict)
    explains: tuple = ()
    silent: bool = False
    only: str = None

    @property
    def recipients(self):
        return tuple(at(name) for name in self.wants)


def at(name):
    return name if "@" in name else f"{name}@example.net"


def deferred(name):
    """What both MTAs log of a recipient that the next host tempfails."""
    return f"QID: to=<{name}@example.net>"


ALL = (
    Fate("relayed", {"plain-1": RELAYED}, tells="kept", explains=("took it with a 2xx",)),
    Fate("bounced", {"refused-1": BOUNCED}, explains=("sent its sender a report",)),
    Fate("one of two deferred", {"plain-2": RELAYED, "later-2": OPEN}, explains=("Nothing is lost",)),
    Fate("delivered here", {f"box-1@{LOCAL}": ("settled", "delivered")}, explains=("stored it",)),
    Fate("alias to a black hole", {f"hole-1@{LOCAL}": DISCARDED}, tells="/dev/null", silent=True),
    Fate("alias of two, of which one is deferred", {f"team-1@{LOCAL}": OPEN}, tells="deferred"),
    Fate("alias of local(8), of which one is deferred: it waits with the child", {f"fan-1@{LOCAL}": OPEN},
         explains=("later-of-fan@example.net",), only="postfix"),
    Fate("through a content filter: the child settles it", {"filtered-1": PASSED}, explains=("clean-1@example.net",)),
    Fate("thrown away by a transport", {"x@discarded.example.net": DISCARDED}, tells="discard transport", silent=True,
         only="postfix"),
    Fate("thrown away by a later filter", {"plain-3": DISCARDED}, ("X-Later: discard",), tells="filter: milter", silent=True),
    Fate("refused by a later filter at its end", {"plain-4": VOID}, ("X-Later: reject",), explains=("Nothing is owed",)),
    Fate("one recipient refused by a later filter", {"plain-5": RELAYED, "unwanted": VOID}),
    Fate("its only recipient deleted by a later filter", {"plain-6": UNACCOUNTED_FOR}, ("X-Later: delete plain-6@example.net",),
         tells="removed, perhaps by a later filter", last={"plain-6": LOST_MAIL}, only="postfix"),
    Fate("one of its recipients deleted by a later filter", {"plain-7": UNACCOUNTED_FOR, "plain-8": RELAYED},
         ("X-Later: delete plain-7@example.net",), tells="removed, perhaps by a later filter", last={"plain-7": LOST_MAIL},
         only="postfix"),
    Fate("its recipient replaced by a later filter", {"plain-9": UNACCOUNTED_FOR},
         ("X-Later: delete plain-9@example.net; add other-9@example.net",), only="postfix", last={"plain-9": LOST_MAIL}),
    Fate("removed by a later filter that Sendmail tells of", {"plain-6": REMOVED_BY_FILTER},
         ("X-Later: delete plain-6@example.net",), tells="filter: milter", silent=True, only="sendmail"),
    Fate("one removed by a later filter that Sendmail tells of", {"plain-7": REMOVED_BY_FILTER, "plain-8": RELAYED},
         ("X-Later: delete plain-7@example.net",), silent=True, only="sendmail"),
    Fate("held by a later filter", {"plain-10": OPEN}, ("X-Later: quarantine suspicious",), tells="held"),
    Fate("held by a later filter, and released", {"plain-11": RELAYED}, ("X-Later: quarantine suspicious",), after="QID: ",
         then=lambda world, queue_id: world.mta.release(queue_id)),
    Fate("held by a rule", {"plain-12": OPEN}, ("X-Rule: hold",), tells="held", only="postfix"),
    Fate("held by an operator", {"later-13": OPEN}, after=deferred("later-13"), tells="held", only="postfix",
         then=lambda world, queue_id: world.mta.postsuper("-h", queue_id)),
    Fate("redirected by a rule", {"plain-14": ("settled", "redirected"), "plain-15": ("settled", "redirected")},
         ("X-Later: mark redirect other-14@example.net",), tells="other-14@example.net", only="postfix"),
    Fate("thrown away by a rule", {"plain-16": DISCARDED}, ("X-Later: mark discard",), tells="policy: milter_header_checks",
         silent=True, only="postfix"),
    Fate("expired", {"later-16": ("settled", "expired")}, after=deferred("later-16"),
         then=lambda world, queue_id: world.mta.expire(queue_id)),
    Fate("made to expire by an operator", {"later-17": ("settled", "expired")}, after=deferred("later-17"), only="postfix",
         then=lambda world, queue_id: world.mta.force_expire(queue_id)),
    Fate("deleted by an operator", {"later-18": ("settled", "deleted")}, after=deferred("later-18"), silent=True,
         tells="postsuper", then=lambda world, queue_id: world.mta.postsuper("-d", queue_id), only="postfix"),
    Fate("queued again by an operator: it waits with the child", {"later-19": OPEN}, after=deferred("later-19"), only="postfix",
         then=lambda world, queue_id: world.mta.requeue(queue_id), explains=("orig_id=",)),
    Fate("a queue file that can't be read any more", {"later-20": LOST_MAIL}, after=deferred("later-20"),
         then=lambda world, queue_id: world.mta.spoil(queue_id), explains=("holdfast",)),
    Fate("a queue file removed by hand", {"later-21": LOST_MAIL}, after=deferred("later-21"),
         tells="not in the queue any more", then=lambda world, queue_id: world.mta.remove_by_hand(queue_id)),
    Fate("queued again by an operator, and the new file removed by hand", {"later-24": LOST_MAIL}, after=deferred("later-24"),
         tells="not in the queue any more", then=lambda world, queue_id: world.requeue_and_remove(queue_id), only="postfix"),
    Fate("declared settled by an operator", {"later-22": ("settled", "declared")}, after=deferred("later-22"), silent=True,
         then=lambda world, queue_id: world.declare(queue_id)),
)


class World:
    """All of it at once, on one MTA, with the auditor as a daemon beside it."""

    def __init__(self, site):
        self.site, self.mta = site, site.mta
        self.fates = [fate for fate in ALL if fate.only in (None, self.mta.name)]
        self.past_the_filter = ["other-23@example.net"] if self.mta.name == "postfix" else []
        self.mta.open_roads(site.sink)
        self.filter = site.filter()
        self.auditor = Auditor(self.filter, self.mta).start()
        self.provisional = self._stall()
        with self.mta.client() as client:
            for fate in self.fates:
                send(client, fate)
            if self.mta.name == "postfix":
                send(client, Fate("redirected before the filter", {"plain-23": None}, ("X-Rule: redirect other-23@example.net",)))
            client.quit()
        self.queue_ids = {one["recipients"][0]["address"]: one["queue_id"] for one in self.filter.records()}
        for fate in self.fates:
            if fate.then is not None:
                self.mta.wait_log(fate.after.replace("QID", self.queue_id(fate)))
                fate.then(self, self.queue_id(fate))
        self._wait()
        self.auditor.stop()
        self.records = {one["queue_id"]: one for one in self.filter.records()}

    def queue_id(self, fate):
        return self.queue_ids[fate.recipients[0]]

    def declare(self, queue_id):
        self.filter.command("settle", "--yes", "--reason", "told by telephone", self.filter.record_of(queue_id)["id"])

    def requeue_and_remove(self, queue_id):
        """What became of the message is all there is of it by then."""
        self.mta.requeue(queue_id)
        found = wait_for(lambda: re.search(rf"(\w+): uid=\d+ from=<[^>]*> orig_id={queue_id}", self.mta.log_text()), 20, "the new id")
        self.mta.wait_log(f"{found[1]}: to=<later-24@example.net>")
        self.mta.remove_by_hand(found[1])

    def _stall(self):
        """What the books say of a message that is journaled, while a later filter keeps the MTA from answering."""
        message = Message("stalls", head("stalls", "X-Later: stall") + lines("Text."), recipients=("plain-0@example.net",))
        with self.mta.client() as client:
            client.open(message)
            equal(client.command("DATA").code, 354, "reply to DATA")
            client.write(message.octets + b".\r\n")
            wait_for(self.mta.later.stalled.is_set, 20, "the later filter to get the message")
            found = wait_for(lambda: self.auditor.fates_in_books(), 20, "the books to have the message")
            balance = self.auditor.balance()
            self.mta.later.go_on()
            equal(client.read_reply().code, 250, "reply to the end of the message")
        return found, balance

    def unjournaled(self):
        return [one["recipients"][0]["address"] for one in self.auditor.unjournaled()]

    def _wait(self):
        """Until the books say what is wanted, or long enough; the rows tell what they do not."""
        wanted = {self.queue_id(fate): {at(name): want for name, want in fate.wants.items()} for fate in self.fates}

        def settled():
            found = {one["queue_id"]: {each["address"]: (each["state"], each["outcome"]) for each in one["recipients"]}
                     for one in self.filter.records()}
            return (all(found.get(queue_id) == want for queue_id, want in wanted.items())
                    and self.unjournaled() == self.past_the_filter)

        try:
            wait_for(settled, 40, "the books", pause=0.2)
        except AssertionError:
            self.site.note(f"the books never said all that was wanted: {self.auditor.said()[-2000:]}")


def send(client, fate):
    """As a client that goes on where a recipient is refused, and lets a refused message be."""
    client.mail("sender@example.org")
    for recipient in fate.recipients:
        client.rcpt(recipient)
    client.data(head(fate.name, *fate.headers) + lines("Text."))


def fates_of(record):
    return {one["address"]: (one["state"], one["outcome"]) for one in record["recipients"]}


def world_of(site):
    return site.shared(World)


def rows(mta_class):
    return [(fate.name, fate) for fate in ALL if fate.only in (None, mta_class.name)]


@scenario("the books tell what became of a message", rows=rows)
def fate(site, row):
    world = world_of(site)
    record = world.records[world.queue_id(row)]
    equal(fates_of(record), {at(name): want for name, want in row.wants.items()}, row.name)
    first = record["recipients"][0]
    expect(row.tells in (first["detail"] or ""), f"detail is '{first['detail']}', which lacks '{row.tells}'")
    told = " ".join(world.auditor.explain(record["id"]).stdout.decode().split())
    for words in (f"queue id {record['queue_id']}", *row.explains):
        expect(words in told, f"explain lacks '{words}': {told}")
    for state, code in (("lost", LOST), ("unaccounted", UNACCOUNTED)):
        if first["state"] == state:
            alarms = [line for line in world.auditor.said().splitlines() if code in line and record["id"] in line]
            equal(len(alarms), 1, f"events {code} that name {record['id']}")
            expect("Next: holdfast " in told, f"explain names no next command: {told}")


@scenario("a message is provisional until the MTA says that it took it, and is counted as that")
def provisional(site):
    found, (status, sums) = world_of(site).provisional
    equal(found, [("provisional", None)], "the books while a later filter keeps the MTA from answering")
    equal((status, sums["journaled"], sums["provisional"], sums["accepted"]), (0, 1, 1, 0), "the sums meanwhile")


@scenario("P4: each class is counted, the sums balance, and what nobody told the sender is counted apart")
def sums_balance(site):
    world = world_of(site)
    states = [want for row in world.fates for want in row.wants.values()] + [RELAYED]
    if site.mta.name == "sendmail":
        states.append(RELAYED)      # what the content filter hands back passes the filter there
    quiet = sum(row.silent and want[0] == "settled" and want != RELAYED for row in world.fates for want in row.wants.values())
    want = {state: sum(found == state for found, _ in states)
            for state in ("settled", "open", "unaccounted", "lost", "void", "provisional")}
    status, sums = world.auditor.balance()
    equal({name: sums[name] for name in want}, want, "the sums")
    equal((status, sums["balanced"], sums["journaled"]), (0, True, len(states)), "exit status, balanced, journaled")
    equal(sums["settled_without_notice"], quiet, "settled without notice")


@scenario("status counts what balance counts, and names the oldest lost, unaccounted and open mail")
def status_tells(site):
    world = world_of(site)
    _, sums = world.auditor.balance()
    code, said = world.auditor.status()
    equal(said["recipients"], {state: sums[state] for state in said["recipients"]}, "recipients by state")
    equal((code, said["well"], said["books"]), (1, False, True), "exit status, well, books")
    records = sorted(world.filter.records(), key=lambda record: record["at"])
    commands = [need["next"] for need in said["needs"]]
    for state in ("lost", "unaccounted", "open"):
        if sums[state] == 0:
            equal(said[f"oldest_{state}"], None, f"the oldest {state}")
            continue
        oldest = next(record for record in records if any(one["state"] == state for one in record["recipients"]))
        equal(said[f"oldest_{state}"]["id"], oldest["id"], f"the oldest {state}")
        if state != "open":
            expect(f"holdfast explain {oldest['id']}" in commands, f"no command for the oldest {state}: {commands}")
    text = world.filter.command("status", check=False).stdout.decode()
    expect(all(command in text for command in commands), f"the screen lacks a command of {commands}: {text}")


@scenario("a rule's REDIRECT keeps the filter from the message: it is told as unjournaled", only="postfix")
def unjournaled(site):
    world = world_of(site)
    # known by its queue id at once, and by its recipient once that is logged and read
    wait_for(lambda: world.unjournaled() == world.past_the_filter, 60, "the recipient of unjournaled mail")
    equal(world.unjournaled(), world.past_the_filter, "the recipient of unjournaled mail")


@scenario("where no filter follows, a recipient removed without a record is lost", only="postfix")
def last_filter(site):
    world = world_of(site)
    spool = site.lab.subdir(site.unique("known-as-last"))
    shutil.copytree(world.filter.spool / "journal", spool / "journal")
    made = site.filter(start=False, spool=spool)
    auditor = Auditor(made, site.mta, mta__filter_after="none")
    auditor.freeze()
    said = auditor.once()
    found = {one["queue_id"]: one for one in made.records()}
    for row in world.fates:
        if row.last:
            record = found[world.queue_id(row)]
            want = {at(name): row.last.get(name, want) for name, want in row.wants.items()}
            equal(fates_of(record), want, row.name)
            if LOST_MAIL in want.values():
                equal(record["recipients"][0]["detail"], "removed without a record", row.name)
                expect(any(LOST in line and record["id"] in line for line in said.splitlines()), f"no alarm for {record['id']}")


@scenario("--rebuild gives the same ledger of all of them")
def rebuilt(site):
    world = world_of(site)
    world.auditor.freeze()
    world.auditor.once()
    before = world.auditor.dump()
    world.auditor.once("--rebuild")
    same_dumps(world.auditor.dump(), before, "the ledger after --rebuild")
