"""auditor.py - the auditor and the ledger under test

An Auditor works on the configuration and the spool of a Filter, and reads the
log and the queue of its MTA.
"""
import json
import shutil
import signal
import sqlite3

from .holdfast import program
from .lab import run
from .tap import Failure, equal, expect, wait_end, wait_for

STARTED, STOPPED, GAP, BLIND_QUEUE, BOOKS_DAMAGED = "HF-501", "HF-502", "HF-504", "HF-506", "HF-507"
LOST, UNACCOUNTED = "HF-601", "HF-602"
TABLES = ("envelope", "recipient", "mail", "leg", "evidence", "incident", "act", "place", "breach", "source", "position", "snapshot",
          "trimmed")


def same_dumps(got, want, what):
    """Table by table, so that a failure names the first row that differs."""
    for table, rows in want.items():
        for row, other in zip(got[table], rows):
            equal(row, other, f"{what}, table {table}")
        equal(len(got[table]), len(rows), f"{what}, rows of {table}")


def spoil_books(spool, place):
    """Turns one bit over in the books, in the first octet of the first such place."""
    for path in sorted((spool / "books").glob("*.books")):
        text = bytearray(path.read_bytes())
        if place in text:
            text[text.index(place)] ^= 1
            path.write_bytes(text)
            return
    raise Failure(f"the books do not have {place}")


class Auditor:
    def __init__(self, filter_, mta, **settings):
        self.filter = filter_
        self.mta = mta
        self.log = filter_.dir / "auditor.log"
        self.process = None
        self.prefix = [str(program("holdfast-auditor"))]
        self.mta_log = mta.log
        self.before = mta.log_text()   # of earlier scenarios, whose filters had other journals
        queue = mta.etc if mta.type == "postfix" else mta.queue_dir
        filter_.write_config(**{"mta__type": mta.type, "mta__log": f"file:{mta.log}", "mta__queue": queue,
                                "audit__snapshot_interval": "1s", **settings})

    def follow_copy(self, log=None, begin=0):
        """From here on the log is a copy, from an offset on, to which the MTA adds nothing."""
        log = log or self.mta.log
        self.mta_log = self.filter.dir / "mail.log"
        self.mta_log.write_bytes(log.read_bytes()[begin:])
        self.filter.write_config(mta__log=f"file:{self.mta_log}")

    def freeze(self, log=None):
        """The same, and the queue can't be asked for: nothing changes any more."""
        self.follow_copy(log)
        self.filter.write_config(mta__queue=self.filter.dir / "no-queue")

    def lose_log(self, begin):
        """The copy is gone, and its successor has only what the MTA logged from offset begin on."""
        elsewhere = self.filter.dir / "elsewhere"
        elsewhere.mkdir()
        self.mta_log.rename(elsewhere / "mail.log")     # which keeps its inode
        self.mta_log.write_bytes(self.mta.log.read_bytes()[begin:])

    def argv(self, *words):
        return [*self.prefix, "-c", str(self.filter.config), *words]

    def once(self, *words, status=0):
        """One run over what there is; what it said."""
        result = run(self.argv("--once", *words), check=False)
        said = result.stderr.decode("utf-8", "replace")
        expect(result.returncode == status, f"holdfast-auditor ended with status {result.returncode}, want {status}: {said}")
        return said

    def launch(self):
        """Starts the daemon and returns at once."""
        self.process = self.filter.lab.spawn(self.argv(), self.log, cwd="/")

    def start(self, limit=20):
        before = self.said().count(STARTED)
        self.launch()
        wait_for(lambda: self.said().count(STARTED) > before or self.process.poll() is not None, limit, "the auditor to start")
        return self

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, limit=20):
        self.process.send_signal(signal.SIGTERM)
        status = wait_end(self.process, limit, "the auditor to end")
        expect(status == 0, f"the auditor ended with status {status}: {self.said()}")

    # what it found

    def fates(self, queue_id):
        """address -> (state, outcome), of the record of a queue id."""
        record = self.filter.record_of(queue_id)
        return {one["address"]: (one["state"], one["outcome"]) for one in record["recipients"]}

    def balance(self):
        """The exit status and the summary of `holdfast balance`."""
        result = self.filter.command("balance", "--json", check=False)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        expect(lines, f"balance said nothing: {result.stderr}")
        return result.returncode, lines[-1]["summary"]

    def status(self):
        """The exit status of `holdfast status`, and what it says as JSON."""
        result = self.filter.command("status", "--json", check=False)
        expect(result.returncode in (0, 1), f"status could not look: {result.stderr}")
        return result.returncode, json.loads(result.stdout)

    def explain(self, what, *words, check=True):
        return self.filter.command("explain", *words, what, check=check)

    def unjournaled(self):
        """Mail without a copy, less what an earlier scenario sent in this scenario's first second."""
        output = self.filter.command("list", "--json", "--unjournaled").stdout
        found = [json.loads(line) for line in output.splitlines()]
        return [one for one in found if one["queue_id"] not in self.before]

    def dump(self, tables=TABLES):
        """All that the ledger says, for comparing."""
        return {table: sorted(map(repr, self.ask(f"SELECT * FROM {table}"))) for table in tables}

    def ask(self, question):
        """Rows of the ledger."""
        with sqlite3.connect(f"file:{self.filter.spool}/ledger.db?mode=ro", uri=True) as ledger:
            return ledger.execute(question).fetchall()

    def fates_in_books(self):
        """[(state, outcome)] of every recipient that the ledger has."""
        if not (self.filter.spool / "ledger.db").exists():
            return []
        return self.ask("SELECT state, outcome FROM recipient")

    def evidence(self):
        """queue id -> [(offset, line)] of the MTA's log, of each message."""
        found = {}
        for queue_id, lines in self.ask("SELECT m.queue, CAST (e.lines AS BLOB) FROM evidence e JOIN mail m ON m.n = e.mail"):
            for line in lines.decode("utf-8", "replace").splitlines():
                _, source, offset, _, text = line.split(" ", 4)
                if source != "0":      # else a look at the queue
                    found.setdefault(queue_id, []).append((int(offset), text))
        return {queue_id: sorted(lines) for queue_id, lines in found.items()}

    def fates_of_all(self):
        """The set of (outcome, state) of all recipients."""
        return {(one["outcome"], one["state"]) for record in self.filter.records() for one in record["recipients"]}
