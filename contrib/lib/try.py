#!/usr/bin/env python3
"""try.py - the tour that contrib/try gives

Acts: build; start; pass the set of messages and compare; fill the disk, see
the 452, see the sender keep the mail and deliver it after all; the journal;
lose a queued message, hear the auditor's alarm, send it again; the books.
The parts are those of the tests: tests/lib.
"""
import argparse
import os
import pathlib
import shlex
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))

from lib import build, compare, lab, messages, storage  # noqa: E402 (the path has to be set first)
from lib.auditor import LOST, Auditor  # noqa: E402
from lib.client import Refused, send  # noqa: E402
from lib.holdfast import Filter  # noqa: E402
from lib.mta import write_lines  # noqa: E402
from lib.postfix import Postfix  # noqa: E402
from lib.sink import Delivery  # noqa: E402
from lib.tap import expect, wait_for  # noqa: E402

SPOOL_SIZE = "96M"
BACKLOG = 12          # messages that the sending host has when the disk is full

# One of each kind, of the set that the tests pass; by name, in this order.
CHOSEN = ("plain", "null sender", "parts and an attachment", "parts within parts", "8-bit body in latin-1",
          "addresses and headers in UTF-8", "encoded words", "NUL octets in the body",
          "BDAT, last line without its end", "lone dots", "lines of 3,000 octets", "folded and odd headers",
          "header of 60,000 octets", "no header", "ESMTP parameters", "imitates the journal",
          "1,000 recipients", "20 MB")


class Screen:
    """Colour only where a person looks."""

    def __init__(self):
        self.colour = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.begun = time.monotonic()

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def act(self, title):
        seconds = time.monotonic() - self.begun
        print(f"\n{self.paint('1', title)}  {self.paint('2', f'({seconds:.0f} s)')}", flush=True)

    def say(self, text):
        print(f"  {text}", flush=True)

    def good(self, text):
        return self.paint("32", text)

    def bad(self, text):
        return self.paint("31", text)


class NextHost:
    """The sink as a process of its own, so that --keep can leave it running."""

    def __init__(self, place):
        self.dir = place.subdir("delivered")
        self.port = lab.free_port()
        sink = TOP / "tests" / "lib" / "sink.py"
        self.process = place.spawn([sys.executable, str(sink), str(self.port), str(self.dir)],
                                   place.dir / "sink.log")
        wait_for(lambda: lab.port_answers(self.port), 10, "the next host to listen")

    def count(self):
        return len(list(self.dir.glob("*.eml")))

    def deliveries(self):
        for path in sorted(self.dir.glob("*.eml")):
            sender, *recipients = path.with_suffix(".envelope").read_text(encoding="utf-8").splitlines()
            yield Delivery("", sender, tuple(recipients), path.read_bytes())


class Sender(Postfix):
    """Another host: it has mail for ours, and keeps what is not taken from it."""
    name = "sender"

    def __init__(self, place, port):
        super().__init__(place, port, {"smtpd_milters": "", "non_smtpd_milters": "",
                                       "syslog_name": "sender", "myhostname": "sender.example.org",
                                       "smtp_destination_concurrency_failed_cohort_limit": "0"})


class Tour:
    def __init__(self, place, screen):
        self.place, self.screen = place, screen
        self.sink = NextHost(place)
        self.mta = Postfix(place, self.sink.port).start()
        self.disk = storage.FileSystem(place, "disk", "ext4", SPOOL_SIZE)
        self.filter = Filter(place, self.mta.socket, spool=self.disk.path / "spool",
                             settings={"pressure.space_stop": "8M"}).start()

    # the first act

    def pass_mail(self):
        chosen = {message.name: message for message in messages.corpus()}
        say = self.screen.say
        say(f"{'message':34} {'octets':>10}  {'queue id':16} {'next host':10} {'journal'}")
        for name in CHOSEN:
            self.pass_one(chosen[name])

    def pass_one(self, message):
        before = self.sink.count()
        queue_id = send(self.mta.port, message).queue_id
        wait_for(lambda: self.sink.count() > before and not self.mta.queue(), 60, f"{message.name} to be delivered")
        arrived = [delivery for delivery in self.sink.deliveries()][before:]
        record = self.filter.record_of(queue_id)
        copy = self.filter.octets(record["id"])
        for delivery in arrived:
            compare.journal_is_delivery(copy, delivery.octets, self.mta)
        addresses = sorted(address for delivery in arrived for address in delivery.addresses)
        expect(addresses == sorted(recipient["address"] for recipient in record["recipients"]),
               f"{message.name}: the recipients in the journal are not those that the next host got")
        self.screen.say(f"{message.name:34} {len(copy):10,}  {queue_id:16} {'arrived':10} "
                        + self.screen.good("the same octets"))

    def show_one(self):
        record = next(record for record in self.filter.records() if len(record["recipients"]) == 1)
        say = self.screen.say
        say("The journal is text that any pager reads. This is how a record begins and ends:")
        with open(self.filter.spool / "journal" / record["segment"], "rb") as segment:
            segment.seek(record["offset"])
            text = segment.read(record["length"]).decode("utf-8", "backslashreplace")
        for line in text.splitlines():
            say("    " + self.screen.paint("2", line if len(line) <= 100 else line[:99] + "…"))

    # the second act

    def fill_disk(self):
        say = self.screen.say
        self.disk.fill(leave=1 << 20)
        say(f"The spool's disk is really full now: {self.disk.free_bytes() // 1024} KiB are free.")
        wait_for(lambda: self.filter.events("HF-401"), 10, "the filter to see it")
        try:
            send(self.mta.port, messages.plain("refused"))
        except Refused as refused:
            say(f"A client says {refused.stage} and hears:")
            say("    " + self.screen.bad(str(refused.reply)))
            expect(refused.reply.code == 452, f"want 452, not {refused.reply}")
        else:
            raise AssertionError("a message was taken with the disk full")
        say("The event in the log:")
        say("    " + self.screen.paint("2", self.filter.events("HF-205")[-1].line[:150]))

    def send_backlog(self, sender):
        say = self.screen.say
        before = self.sink.count()
        for number in range(BACKLOG):
            sender.submit(messages.plain(f"backlog {number}"))
        wait_for(lambda: sender.log_text().count("status=deferred") >= BACKLOG, 30,
                 f"the sending host to be turned away; {sender.log_tail()}")
        say(f"Another host has {BACKLOG} messages for us. It keeps them, as RFC 5321 wants:")
        say("    " + self.screen.paint("2", deferred_line(sender.log_text())))
        expect(self.sink.count() == before, "mail passed with the disk full")
        self.disk.release()
        say("The disk is given room again, and nobody restarts anything …")
        wait_for(lambda: (sender.flush(), self.sink.count() - before >= BACKLOG)[1], 60,
                 f"the sending host's mail; {sender.log_tail()}", pause=0.5)
        say(self.screen.good(f"… and all {BACKLOG} messages arrived by the sender's own retry."))

    # the third act

    def lose_one(self):
        """A queue file that goes without a word, as a broken file system takes it.  The record's id, once it is missed."""
        say = self.screen.say
        self.mta.set(defer_transports="smtp")
        queue_id = send(self.mta.port, messages.plain("precious")).queue_id
        wait_for(lambda: f"{queue_id}: to=" in self.mta.log_text(), 30, "the message to be queued")
        auditor = Auditor(self.filter, self.mta).start()
        wait_for(lambda: auditor.fates(queue_id) == {"recipient@example.net": ("open", None)}, 30, "the books to have it")
        say(f"Postfix took {queue_id} with a 250 and queued it. Now its queue file is removed, as a broken disk would.")
        deferred = self.mta.dir / "spool" / "deferred"     # where it comes a moment after the log has told of it
        wait_for(lambda: [path.unlink() for path in deferred.rglob(queue_id)], 30, "the queue file, to remove it")
        say("Postfix logs nothing: the sender has a 250, and nobody would ever know. But the books stay open:")
        wait_for(lambda: LOST in auditor.said(), 30, f"the alarm; {auditor.said()}")
        alarm = next(line for line in auditor.said().splitlines() if LOST in line)
        say("    " + self.screen.bad(alarm[:150]))
        say("holdfast status:")
        self.quote(self.filter.command("status", check=False).stdout)
        auditor.stop()
        say(f"holdfast explain {queue_id}:")
        self.quote(auditor.explain(queue_id).stdout)
        self.mta.restore()
        return self.filter.record_of(queue_id)["id"], auditor

    def send_again(self, identity, auditor):
        """What an operator does about it: the copy goes out again, and the books are told."""
        say = self.screen.say
        before = self.sink.count()
        say(f"holdfast show {identity} | sendmail -i -f sender@example.org recipient@example.net")
        lab.run(["/usr/sbin/sendmail", "-C", self.mta.etc, "-i", "-f", "sender@example.org", "recipient@example.net"],
                data=self.filter.octets(identity).replace(b"\r\n", b"\n"))
        wait_for(lambda: self.sink.count() > before and not self.mta.queue(), 30, "the lost message to arrive")
        self.filter.command("settle", "--yes", "--reason", "sent again", identity)
        auditor.once()
        say(self.screen.good("It arrived, and is settled. holdfast balance:"))
        result = self.filter.command("balance", check=False)
        self.quote(result.stdout)
        expect(result.returncode == 0, f"the books do not balance: {result.stdout.decode()}")

    def quote(self, output):
        for line in output.decode("utf-8", "replace").splitlines():
            self.screen.say("    " + self.screen.paint("2", line[:150]))

    # the end

    def count_up(self):
        say = self.screen.say
        status, text = self.filter.verify()
        expect(status == 0, f"holdfast verify: {text}")
        say("holdfast verify: " + self.screen.good(text.strip()))
        taken = sum(1 for line in self.mta.log_text().splitlines() if "nrcpt=" in line and "(queue active)" in line)
        records = [record for record in self.filter.records() if record["recipients"][0]["state"] != "void"]
        expect(taken == len(records), f"Postfix took {taken} messages, the journal has {len(records)}")
        say(f"Postfix answered 250 to {taken} messages; the journal holds {len(records)} copies, all whole.")
        for line in self.filter.command("list").stdout.decode("utf-8", "replace").splitlines()[:4]:
            say("    " + self.screen.paint("2", line[:130]))
        say("    …")


def deferred_line(log):
    line = next(line for line in log.splitlines() if "status=deferred" in line)
    return line[line.find("to=<"):][:150]


def keep(tour, sender, screen):
    """Leaves all running, with a script that ends it."""
    place = tour.place
    stop = place.dir / "stop"
    holdfast = f"{build.directory('plain')}/milter/holdfast -c {tour.filter.config}"
    write_lines(stop, "#!/bin/sh", "# ends what contrib/try --keep left running, and removes it",
                *(f"postfix -c {mta.etc} stop" for mta in (sender, tour.mta)),
                f"kill {tour.filter.process.pid} {tour.sink.process.pid}",
                f"while kill -0 {tour.filter.process.pid} 2>/dev/null; do sleep 0.2; done",
                f"umount {shlex.quote(str(tour.disk.path))}", f"rm -rf {shlex.quote(str(place.dir))}")
    stop.chmod(0o755)
    screen.act("It keeps running. Play with it")
    for text in (f"echo 'Subject: hello' | sendmail -C {tour.mta.etc} -f you@example.org friend@example.net",
                 f"smtp-source -c -m 500 -s 5 -f you@example.org -t friend@example.net 127.0.0.1:{tour.mta.port}",
                 f"{holdfast} list", f"{holdfast} show ID", f"{holdfast} verify",
                 f"less {tour.filter.spool}/journal/*.bsmtp", f"tail -f {tour.filter.log} {tour.mta.log}",
                 f"ls {tour.sink.dir}    # what was delivered",
                 f"kill -9 {tour.filter.process.pid}    # then send: the client gets a 4xx, and the sender keeps its mail",
                 f"{stop}    # ends it all and removes it"):
        screen.say(text)


def give_tour(place, screen, stay):
    screen.act("Starting a Postfix of our own, Holdfast as its last filter, and a host behind them")
    tour = Tour(place, screen)
    screen.say(f"Postfix listens on 127.0.0.1:{tour.mta.port}; the spool is an ext4 of {SPOOL_SIZE} on a loop device.")
    screen.act("Passing real mail: each message goes to the journal before Postfix may answer 250")
    tour.pass_mail()
    tour.show_one()
    screen.act("Filling the disk")
    tour.fill_disk()
    sender = Sender(place, tour.mta.port).start()
    tour.send_backlog(sender)
    screen.act("Counting up")
    tour.count_up()
    screen.act("Losing a message that was taken, and finding it")
    tour.send_again(*tour.lose_one())
    if stay:
        keep(tour, sender, screen)
        return
    screen.act("Stopping")
    tour.filter.stop()
    screen.say("Holdfast drained and ended in order.")


def main():
    parser = argparse.ArgumentParser(prog="contrib/try", description="See Holdfast hold mail, on this machine.")
    parser.add_argument("--keep", action="store_true", help="leave it running, and say how to play with it")
    stay = parser.parse_args().keep
    if not lab.is_root():
        sys.exit("contrib/try: a private Postfix and a disk that can be filled need root; run it as root")
    screen = Screen()
    screen.act("Building Holdfast")
    log = TOP / "build" / "try.log"
    log.parent.mkdir(exist_ok=True)
    try:
        build.build("plain", log, werror=False)
    except build.BuildError as error:
        sys.exit(f"contrib/try: {error}")
    screen.say(f"done; see {log.relative_to(TOP)}")
    lab.raise_on_signals()
    place = lab.Lab("try", keep=stay)
    try:
        give_tour(place, screen, stay)
    except BaseException:
        place.close()
        raise
    if not stay:
        place.close()
        screen.act("Everything is as it was, but for the packages this needed and the folder build/")


if __name__ == "__main__":
    main()
