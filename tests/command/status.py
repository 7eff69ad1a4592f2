#!/usr/bin/env python3
"""holdfast status, where one of its parts is missing or broken: it tells what, and what to type; it never guesses."""
import json
import pathlib
import pwd
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import lab, tap  # noqa: E402
from lib.holdfast import USER, program  # noqa: E402
from lib.lab import Lab  # noqa: E402
from lib.messages import head, lines  # noqa: E402
from lib.segment import Segment  # noqa: E402
from lib.spool import Spool, whole  # noqa: E402
from lib.tap import equal, expect  # noqa: E402

TEXT = head("status") + lines("Text.")
FILTER, AUDITOR, DAMAGED = ("systemctl status holdfast-milter", "systemctl status holdfast-auditor",
                            "holdfast list --copy damaged")


class Cases:
    def __init__(self, place):
        self.lab = place
        self.count = 0

    def spool(self, segments=2):
        self.count += 1
        made = Spool(self.lab, f"spool-{self.count}")
        made.write_config(mta__type="postfix", mta__log=f"file:{self.lab.dir}/mail.log", mta__queue=self.lab.dir / "no-queue")
        (self.lab.dir / "mail.log").touch()
        written = []
        for seq in range(1, segments + 1):
            segment = Segment(seq, written[-1] if written else None)
            segment.message(TEXT, at=10 * seq)
            segment.end()
            written.append(segment)
        made.save(*written)
        return made

    def audit(self, made):
        subprocess.run([str(program("holdfast-auditor")), "-c", str(made.config), "--once"], check=True, timeout=60,
                       capture_output=True)

    def look(self, made):
        result = made.command("status", "--json", check=False)
        said, _ = whole(result, 1, "status")
        found = json.loads(said)
        return found, [need["next"] for need in found["needs"]]

    def no_spool(self):
        made = self.spool(0)
        shutil.rmtree(made.spool)
        said, why = whole(made.command("status", check=False), 3, "status without a spool")
        equal(said, "", "printed")
        expect(str(made.spool) in why and "No such file" in why, why)

    def no_journal(self):
        made = self.spool(0)
        shutil.rmtree(made.journal, ignore_errors=True)
        found, commands = self.look(made)
        equal(commands, ["holdfast-milter -t"], "commands")
        equal((found["journal"]["octets"], found["recipients"]["lost"]), (None, None), "what nobody can know")

    def journal_alone(self):
        made = self.spool()
        found, commands = self.look(made)
        equal(commands, [FILTER], "commands")
        sizes = [path.stat().st_size for path in made.journal.glob("[0-9]*.bsmtp")]
        equal((found["journal"]["segments"], found["journal"]["octets"]), (2, sum(sizes)), "the journal")
        expect("has never run" in made.command("status", check=False).stdout.decode(), "it does not say that no books are kept")

    def forecast(self):
        """Mail of yesterday; nothing goes by itself while no auditor runs."""
        made = self.spool()
        found, _ = self.look(made)
        equal(found["forecast"]["kept_ms"], None, "how long mail is kept")
        expect(found["forecast"]["history_ms"] > 0, f"no history: {found['forecast']}")

    def copies_gone(self):
        made = self.spool()
        self.audit(made)
        equal(self.look(made)[1], [FILTER, AUDITOR], "commands while all is there")
        (made.journal / f"{1:010}.bsmtp").unlink()
        self.audit(made)
        found, commands = self.look(made)
        equal((found["copies"]["gone"], found["recipients"]["provisional"]), (1, 2), "copies gone, and recipients")
        equal(commands, [FILTER, AUDITOR, DAMAGED], "commands")

    def ledger_broken(self):
        made = self.spool()
        self.audit(made)
        for name in ("ledger.db-wal", "ledger.db-shm"):
            (made.spool / name).unlink(missing_ok=True)
        (made.spool / "ledger.db").write_bytes(b"no ledger" * 1000)
        _, why = whole(made.command("status", check=False), 3, "status of a broken ledger")
        expect("ledger" in why and "--rebuild" in why, why)

    def not_allowed(self):
        made = self.spool()
        if not lab.is_root():
            raise tap.Skip("needs root, to become somebody else")
        _, why = whole(made.command("status", check=False, user=USER, group=pwd.getpwnam(USER).pw_gid), 3, "status")
        expect("ermission denied" in why, why)

    def usage(self):
        made = self.spool()
        for words in (("extra",), ("--no-such",)):
            _, why = whole(made.command("status", *words, check=False), 2, f"status {words}")
            expect(why.startswith("holdfast status: "), why)


def main():
    lab.raise_on_signals()
    with Lab("status") as place:
        cases = Cases(place)
        names = ("no_spool", "no_journal", "journal_alone", "forecast", "copies_gone", "ledger_broken", "not_allowed", "usage")
        return tap.main([(name.replace("_", " "), getattr(cases, name)) for name in names])


if __name__ == "__main__":
    sys.exit(main())
