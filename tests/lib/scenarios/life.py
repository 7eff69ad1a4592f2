"""Start, stop and reload of the filter, as an operator meets them."""
import grp
import pathlib
import pwd
import re
import shutil
import stat
import time

from .. import preload
from ..holdfast import MTA_GROUP, USER
from ..lab import TOP, free_port, run
from ..messages import Message, head, lines, plain
from ..mta import make_socket_dir
from ..suite import scenario
from ..tap import equal, expect, wait_for
from .common import all_whole, cured, nothing_left, taken, taken_soon

SOCKET_REPLACED, STAGE_NAMED, STOP_INCOMPLETE = "HF-109", "HF-111", "HF-104"
COMMIT_LATE, JOURNAL_SLOW = "HF-202", "HF-309"
RELOADED, RELOAD_REFUSED, NEEDS_RESTART = "HF-106", "HF-107", "HF-108"


def fails_to_start(made, reason, limit=10):
    """The start ends with status 2 and names the configuration's file and line, and the reason."""
    made.launch()
    equal(made.wait(limit), 2, f"exit status; it said: {made.log_tail()}")
    said = made.log_tail()
    expect(re.search(rf"{re.escape(str(made.config))}:\d+: ", said), f"file and line are not named: {said}")
    expect(re.search(reason, said), f"no {reason!r} in: {said}")


@scenario("a second filter on the same spool is refused, and the first goes on")
def second_on_spool(site):
    made = site.filter()
    second = site.filter(start=False, spool=made.spool,
                         settings={"milter.socket": f"unix:{made.socket_path.with_name('second.sock')}"})
    fails_to_start(second, rf"{re.escape(str(made.spool))}.*(in use|another|locked)")
    expect(not made.socket_path.with_name("second.sock").exists(), "the second left its socket")
    taken(site, made, plain())


@scenario("a live socket of another filter is refused, and that filter goes on")
def live_socket(site):
    made = site.filter()
    fails_to_start(site.filter(start=False), r"in use|another|listens")
    taken(site, made, plain())


@scenario("a stale socket is replaced, and an event tells")
def stale_socket(site):
    made = site.filter()
    made.kill()
    expect(stat.S_ISSOCK(made.socket_path.lstat().st_mode), "no stale socket to replace")
    made.start()
    expect(made.events(SOCKET_REPLACED), "no event tells that the socket was replaced")
    taken(site, made, plain())


@scenario("what is no socket is not replaced")
def no_socket_in_the_way(site):
    made = site.filter(start=False)
    made.socket_path.unlink(missing_ok=True)
    made.socket_path.write_text("precious")
    try:
        fails_to_start(made, re.escape(str(made.socket_path)))
        equal(made.socket_path.read_text(), "precious", "file in the way")
    finally:
        made.socket_path.unlink()


@scenario("socket mode, group and owner are as configured, and the MTA's user can write to it")
def socket_permissions(site):
    made = site.filter(settings={"milter.socket_mode": "0620"})
    status = made.socket_path.stat()
    equal(stat.S_IMODE(status.st_mode), 0o620, "mode")
    equal(pathlib.Path(made.socket_path).group(), MTA_GROUP, "group")
    equal(pathlib.Path(made.socket_path).owner(), USER, "owner: it connects to itself")
    taken(site, made, plain())


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


@scenario("started as root with user=, it keeps no privilege")
def drops_privileges(site):
    made = site.filter()
    wanted = pwd.getpwnam(USER)
    status = status_of(made.process.pid)
    equal(status["Uid"].split(), [str(wanted.pw_uid)] * 4, "Uid")
    equal(status["Gid"].split(), [str(wanted.pw_gid)] * 4, "Gid")
    expect("0" not in status["Groups"].split(), f"still in the group of root: {status['Groups']}")
    for name in ("CapEff", "CapPrm"):
        equal(int(status[name], 16), 0, name)
    expect(not made.events(STAGE_NAMED), "without privileges, stages have to have names")
    taken(site, made, plain())


@scenario("no core is ever dumped: it would hold mail")
def no_core(site):
    made = site.filter()
    text = pathlib.Path(f"/proc/{made.process.pid}/limits").read_text()
    found = re.search(r"^Max core file size +(\w+) +(\w+)", text, re.MULTILINE)
    equal(found.groups(), ("0", "0"), "limits of a core file")


@scenario("nobody else can read what the spool holds")
def spool_is_private(site):
    made = site.filter()
    taken(site, made, Message("private", head("private") + lines("x" * 70) * 1000))
    for path in made.spool.rglob("*"):
        expect(path.stat().st_mode & 0o007 == 0, f"{path} can be used by others: {oct(path.stat().st_mode)}")


@scenario("SIGTERM without open transactions: exit 0 at once, sessions or not", measures=True)
def stops_at_once(site):
    made = site.filter()
    with site.client() as client:
        client.send(plain())
        begun = time.monotonic()
        made.term()
        equal(made.wait(10), 0, "exit status")
        took = time.monotonic() - begun
    expect(took < 3, f"the stop took {took:.1f} s")


@scenario("SIGTERM while a transaction stays open: over at drain_limit, an event tells, and nothing was promised")
def drain_limit(site):
    made = site.filter(settings={"milter.drain_limit": "2s"})
    client = site.client()
    client.open(plain())
    begun = time.monotonic()
    made.term()
    status = made.wait(15)
    took = time.monotonic() - begun
    expect(status != 0, "exit status 0 with a transaction open")
    expect(1.5 < took < 8, f"the stop took {took:.1f} s, with a drain_limit of 2 s")
    expect(made.events(STOP_INCOMPLETE), "no event tells of the open transaction")
    expect(client.data(plain().octets).code // 100 == 4, "the end of the message was not tempfailed")
    client.drop()
    made.start()
    equal(made.records(), [], "records")
    nothing_left(made)


@scenario("SIGUSR1 takes what can be reloaded, names what can't, and refuses a file with an error")
def reloads(site):
    made = site.filter()
    made.write_config(milter__commit_limit="45s")
    made.reload()
    event = made.wait_event(RELOADED)
    expect("milter.commit_limit" in event.line, f"the key is not named: {event.line}")
    made.write_config(journal__segment_size="8M")
    made.reload()
    event = made.wait_event(NEEDS_RESTART)
    expect("journal.segment_size" in event.line, f"the key is not named: {event.line}")
    made.write_config(milter__commit_limit="never")
    made.reload()
    event = made.wait_event(RELOAD_REFUSED)
    expect(f"{made.config}:" in event.line, f"file and line are not named: {event.line}")
    made.write_config(milter__commit_limit="45s")  # the command reads the file too
    taken(site, made, plain())


@scenario("a reload changes what is done: a space mark above the file system turns mail away, and back")
def reload_has_effect(site):
    made = site.filter()
    taken(site, made, plain("before"))
    made.write_config(pressure__space_stop="100000G")
    made.reload()
    made.wait_event(RELOADED)

    def code():
        with site.client() as client:
            return client.mail("sender@example.org").code

    wait_for(lambda: code() == 452, 10, "MAIL to be answered 452")
    made.write_config(pressure__space_stop="0")
    made.reload()
    made.wait_event(RELOADED, count=2)
    wait_for(lambda: code() == 250, 10, "MAIL to be taken again")
    taken(site, made, plain("after"))


def jails(_mta_class):
    return [("in Debian's jail", "y"), ("in none", "n")]


@scenario("the lines of contrib/postfix attach it as its README says", only="postfix", rows=jails)
def contributed_lines(site, jail):
    etc, spool = site.mta.etc, site.mta.dir / "spool"
    rows = [line.partition(" = ") for line in (TOP / "contrib/postfix/main.cf").read_text().splitlines()
            if line and not line.startswith("#")]
    place = spool / "holdfast"
    make_socket_dir(place / "milter.sock", pwd.getpwnam(USER).pw_uid, grp.getgrnam(MTA_GROUP).gr_gid)
    made = site.filter(settings={"milter.socket": f"unix:{place}/milter.sock"})
    services = (etc / "master.cf").read_text()
    try:
        (etc / "master.cf").write_text(re.sub(r"^(\S+ (?:inet|unix) n - )n( - \S+ (?:smtpd|cleanup))$", rf"\g<1>{jail}\2",
                                              services, flags=re.M))
        site.mta.set(**{key: value for key, _, value in rows})
        said = run(["postconf", "-c", etc, "-n"])
        equal(said.stderr, b"", "what postconf says of the lines")
        taken_soon(site, made, plain("by SMTP"))  # an smtpd from before the reload may answer first
        site.mta.submit(plain("by sendmail(1)"))
        wait_for(lambda: len(made.records()) == 2, 20, "the mail from sendmail(1) to be held")
        status = run(["postconf", "-c", etc, "-M", "cleanup/unix"]).stdout.split()
        equal(status[4], jail.encode(), "jail of cleanup")
    finally:
        (etc / "master.cf").write_text(services)
        made.kill()
        shutil.rmtree(place)


@scenario("the lines of contrib/sendmail attach it as its README says, and give it longer than commit_limit", only="sendmail")
def contributed_macros(site):
    text = (TOP / "contrib/sendmail/holdfast.mc").read_text()
    expect("F=T," in text, "F= is not T")
    limits = dict(re.findall(r"([CSRE]):(\d+[sm])", text))
    equal(sorted(limits), ["C", "E", "R", "S"], "limits of T=")
    for name in "RE":
        expect(seconds(limits[name]) > 60, f"{name}:{limits[name]} is not above the default of commit_limit")
    site.mta.set(FILTER=text.replace("unix:/run/holdfast/milter.sock", f"unix:{site.mta.socket}"))
    equal(site.mta.option("LogLevel"), "11", "LogLevel, of which the books need 11")
    with site.client() as client:
        reply = client.mail("sender@example.org")
    equal((reply.code, reply.enhanced), site.mta.down_reply, f"MAIL without a filter: {reply}")
    made = site.filter()
    taken(site, made, plain("by SMTP"))
    site.mta.submit(plain("by sendmail(1)"))
    wait_for(lambda: len(made.records()) == 2, 20, "the mail from sendmail(1) to be held")


def flags(_mta_class):
    return [("F=T: tempfailed at MAIL", ("T", 451)), ("F=4: tempfailed and closed at once", ("4", 421)),
            ("F=R: good mail is refused for good", ("R", 554)), ("F= empty: passes, and is in no journal", ("", 250))]


@scenario("what contrib/sendmail says of F= while the filter is down", only="sendmail", rows=flags)
def filter_flags(site, row):
    flag, code = row
    site.mta.set(FLAGS=flag)
    with site.client() as client:
        reply = client.greeting
        if reply.code == 220:
            reply = client.mail("sender@example.org")
    equal(reply.code, code, f"reply with F={flag}: {reply}")


def seconds(text):
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


@scenario("a filter on a loopback port instead of a socket file")
def tcp_socket(site):
    where = f"inet:{free_port()}@127.0.0.1"
    made = site.filter(settings={"milter.socket": where})
    site.mta.attach(where)
    taken_soon(site, made, plain())  # an smtpd from before the reload may answer first
    all_whole(made)


@scenario("P1: the clock jumps back and forth by days: no time limit passes for it, and order, ids and copies stay right",
          measures=True)
def clock_jumps(site):
    made = site.filter(start=False)
    clock = made.dir / "clock"
    clock.write_text("+0")
    made.environment = preload.faking_time(clock)
    made.start()
    queue_ids = []
    for offset in ("+0", "-2d", "+3d", "-1", "+0"):
        with site.client() as client:
            client.open(plain(f"at {offset}"))
            clock.write_text(offset)
            reply = site.tally.finish(client, plain(f"at {offset}"))
            equal(reply.code, 250, f"reply with the clock off by {offset}: {reply}")
            queue_ids.append(reply.queue_id)
        expect(not made.events(COMMIT_LATE) and not made.events(JOURNAL_SLOW), "a time limit passed for the clock")
        if offset == "-2d":
            made.restart()
    records = made.records()
    equal([record["queue_id"] for record in records], queue_ids, "queue ids in the journal's order")
    equal(len({record["id"] for record in records}), len(queue_ids), "ids")
    times = [record["at"] for record in records]
    expect(times[2] < times[0] < times[3], f"the clock did not jump: {times}")
    made.restart()
    site.tally.fault(4)
    cured(site, made, plain("after"), [])


@scenario("memory does not grow with the size of the message", measures=True)
def memory_is_bounded(site):
    made = site.filter()
    taken(site, made, plain("small"))
    before = made.resident_kib()
    site.send(Message("forty megabytes", head("forty megabytes") + lines("m" * 78) * 500_000))
    grown = made.resident_kib() - before
    expect(grown < 12_000, f"{grown} KiB more after a message of 40 MB")


@scenario("descriptors do not leak: as many open after a hundred messages and broken sessions as before")
def descriptors_do_not_leak(site):
    made = site.filter()
    taken(site, made, plain("first"))
    wait_for(lambda: no_session(made), 10, "the first session to end")
    before = sorted(made.open_files())
    for number in range(100):
        with site.client() as client:
            client.open(plain(f"number {number}"))
            if number % 3 == 0:
                client.drop()
                continue
            client.data(plain(f"number {number}").octets)
            client.quit()
    wait_for(lambda: len(made.open_files()) <= len(before), 20,
             f"descriptors to close: {made.open_files()}")
    nothing_left(made)


def no_session(made):
    """Only the listening socket is left."""
    return sum(target.startswith("socket:") for target in made.open_files()) <= 1
