"""The auditor as a daemon follows the MTA's log wherever it goes, and loses no line and counts none twice."""
import contextlib
import gzip
import os
import shutil
import threading

from ..auditor import GAP, UNACCOUNTED, Auditor
from ..journald import SystemJournal
from ..lab import halted
from ..suite import scenario
from ..tap import equal, expect, wait_for
from .books import RELAYED, begin, copy_of_journal, send_deferred, send_one


class Traffic:
    """Mail that goes on in the background; all of it, and what became of it."""

    def __init__(self, site):
        self.site = site
        self.queue_ids = []
        self._paused = threading.Event()
        self._quiet = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _send(self):
        while not self._ended.is_set():
            if self._paused.is_set():
                self._quiet.set()
                self._ended.wait(0.02)
                continue
            self._quiet.clear()
            self.queue_ids.append(send_one(self.site, f"traffic-{len(self.queue_ids)}"))
            self._ended.wait(0.05)

    def flow(self, count=3):
        """Until so many more messages were taken."""
        want = len(self.queue_ids) + count
        wait_for(lambda: len(self.queue_ids) >= want, 60, f"{count} messages to be taken")

    @contextlib.contextmanager
    def halted(self):
        """No mail, and nothing that the MTA still has to log."""
        self._paused.set()
        wait_for(lambda: self._quiet.is_set() or not self._thread.is_alive(), 30, "the sender to pause")
        wait_for(lambda: not self.site.mta.queue(), 30, "the MTA to be through with all mail")
        self.site.mta.wait_done(*self.queue_ids[-1:])
        yield
        self._paused.clear()


def compress(path):
    with open(path, "rb") as plain, gzip.open(f"{path}.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    stamp = path.stat()
    os.utime(f"{path}.gz", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    path.unlink()


def copy_and_truncate(log, number):
    shutil.copy2(log, f"{log}.{number}")
    with open(log, "r+b") as text:
        text.truncate()


def all_log(mta):
    """Every line of it, whatever it was called at the time."""
    parts = [path for path in mta.dir.glob("mail.log*")]
    parts.sort(key=lambda path: (path == mta.log, path.stat().st_mtime_ns))
    return b"".join(gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes() for path in parts)


def texts(auditor):
    """queue id -> its lines, wherever they stood."""
    return {queue_id: sorted(text for _, text in lines) for queue_id, lines in auditor.evidence().items()}


def wait_relayed(auditor, queue_ids):
    queue_ids = list(queue_ids)         # more may come meanwhile

    def relayed():
        fates = {record["queue_id"]: record["recipients"][0]["outcome"] for record in auditor.filter.records()}
        return all(fates.get(queue_id) == "relayed" for queue_id in queue_ids)
    wait_for(relayed, 30, f"the books to have all {len(queue_ids)} messages; {auditor.said()}", pause=0.2)


@scenario("a log that is renamed, compressed, copied and truncated under a running auditor is read to its last line, once")
def rotation(site):
    made, auditor = begin(site)
    log = site.mta.log
    auditor.start()
    with Traffic(site) as traffic:
        traffic.flow()
        site.mta.rotate_log()                       # renamed, while mail goes on
        traffic.flow()
        with halted(auditor.process):               # so that there is something left to be read
            traffic.flow()
            with traffic.halted():
                copy_and_truncate(log, 1)
            traffic.flow()
        wait_relayed(auditor, traffic.queue_ids)
        auditor.kill()                              # and once more with nobody there
        traffic.flow()
        site.mta.rotate_log()
        traffic.flow()
        with traffic.halted():
            for part in sorted(site.mta.dir.glob("mail.log?*")):
                if part.suffix != ".gz":
                    compress(part)
        auditor.start()
    site.mta.wait_done(*traffic.queue_ids[-1:])
    wait_relayed(auditor, traffic.queue_ids)
    auditor.stop()
    expect(GAP not in auditor.said(), f"lines are called missing: {auditor.said()}")
    status, sums = auditor.balance()
    equal((status, sums["settled"]), (0, len(traffic.queue_ids)), "the sums")
    whole = Auditor(site.filter(start=False, spool=copy_of_journal(site, made)), site.mta)
    joined = site.lab.subdir(site.unique("joined")) / "mail.log"
    joined.write_bytes(all_log(site.mta))
    whole.freeze(joined)
    whole.once()
    want, got = texts(whole), texts(auditor)
    for queue_id in traffic.queue_ids:
        equal(set(got[queue_id]) ^ set(want[queue_id]), set(), f"lines of {queue_id} that one has, and not the other")
        equal(got[queue_id], want[queue_id], f"lines of {queue_id}")


@scenario("the systemd journal is followed by its cursor, through new files and a kill; what others write there counts nothing")
def system_journal(site):
    made, auditor = begin(site)
    journal = SystemJournal(site.lab, site.unique("journal"))
    made.write_config(mta__log=f"journald:{journal.dir}")
    journal.feed(site.mta.log, site.mta.log.stat().st_size)
    auditor.start()
    queue_ids = [send_one(site, "journal-1")]
    wait_relayed(auditor, queue_ids)
    journal.rotate()                            # under its hands
    queue_ids.append(send_one(site, "journal-2"))
    wait_relayed(auditor, queue_ids)
    auditor.kill()
    journal.rotate()
    queue_ids.append(send_one(site, "journal-3"))
    waits, recipient = send_deferred(site, "journal")
    site.mta.wait_done(*queue_ids)
    auditor.start()
    wait_relayed(auditor, queue_ids)
    forged = site.mta.sent_line(waits, recipient)
    journal.add(forged, uid="1000", program="/usr/bin/logger")
    journal.add(forged, uid="0", program="/srv/eve/postfix/smtp")
    queue_ids.append(send_one(site, "journal-4"))
    wait_relayed(auditor, queue_ids)
    equal(auditor.fates(waits), {recipient: ("open", None)}, "what a stranger's line says is sent")
    journal.add(forged)
    wait_for(lambda: auditor.fates(waits)[recipient][0] == "settled", 20, "the control: the same line from the MTA's own program")
    auditor.stop()
    expect(auditor.status()[1]["auditor"]["log_read_at"], "status does not tell when the newest line was read")
    expect(UNACCOUNTED not in auditor.said() and GAP not in auditor.said(), f"lines are called missing: {auditor.said()}")
    for queue_id in queue_ids:
        equal(auditor.fates(queue_id), RELAYED, queue_id)
    status, sums = auditor.balance()
    equal((status, sums["journaled"], sums["settled"]), (0, 5, 5), "the sums")
