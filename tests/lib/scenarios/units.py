"""contrib/systemd locks its services in, and lets them do all that they do."""
import re

from ..lab import TOP, run
from ..suite import scenario
from ..tap import equal, expect, wait_for
from .books import begin, drop_rights, send_deferred, send_one

CALL = re.compile(r"^\d+ +(\w+)\(", re.MULTILINE)
FAMILY = re.compile(r"\bsocket(?:pair)?\((AF_\w+)")


def settings_of(unit):
    """{key: words} of a unit, whose keys are told once each."""
    text = (TOP / "contrib" / "systemd" / unit).read_text()
    return {key: value.split() for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)}


def calls_of(word):
    """The system calls that a word of SystemCallFilter= stands for."""
    if not word.startswith("@"):
        return {word}
    said = run(["systemd-analyze", "syscall-filter", word]).stdout.decode().splitlines()[1:]
    return set().union(*(calls_of(line.strip()) for line in said if line.strip() and not line.strip().startswith("#")))


def traced(made, name):
    """What to put in front of a program for all its calls, and its children's, to be written down; it keeps its pid."""
    log = made.dir / f"{name}.calls"
    return log, ["strace", "-D", "-f", "-qq", "-s", "0", "-e", "signal=none", "-o", str(log)]


def check(unit, log):
    text = log.read_text(errors="replace")
    calls, families = set(CALL.findall(text)), set(FAMILY.findall(text))
    locked = settings_of(unit)
    expect({"openat", "fdatasync", "rename"} & calls, f"little was seen: {sorted(calls)}")
    equal(sorted(calls - set().union(*map(calls_of, locked["SystemCallFilter"]))), [], f"system calls that {unit} does not let through")
    equal(sorted(families - set(locked["RestrictAddressFamilies"])), [], f"address families that {unit} does not let through")
    return families


@scenario("the units let filter and auditor make the system calls that they make, and open the sockets that they open")
def units_let_through(site):
    made, auditor = begin(site)
    made.stop()
    filter_log, made.prefix = traced(made, "filter")
    made.start(limit=60)
    drop_rights(site, auditor)
    auditor_log, prefix = traced(made, "auditor")
    auditor.prefix = [*prefix, *auditor.prefix]
    auditor.start(limit=60)
    relayed = send_one(site, "units-1")
    queue_id, recipient = send_deferred(site, "units-2")
    wait_for(lambda: auditor.fates(queue_id) == {recipient: ("open", None)} and auditor.fates(relayed), 60, "the books to have it")
    wait_for(lambda: auditor.dump(("snapshot",))["snapshot"], 60, "a look at the queue")
    made.reload()
    auditor.stop(limit=60)
    made.stop()
    check("holdfast-milter.service", filter_log)
    # postqueue looks at the machine's addresses, and dies where it may not
    expect("AF_NETLINK" in check("holdfast-auditor.service", auditor_log), "nobody asked for the machine's addresses: is it still let through for a reason?")
