"""crossroads.py - an MTA from which mail can go every way there is

CrossroadsPostfix and CrossroadsSendmail are private instances as others, with
aliases, local delivery, policies, a filter after Holdfast (later.py), and a
content filter, which is the sink.  What becomes of a recipient stands in its
address:

    later-…@example.net          the next host says 451
    refused-…@example.net        the next host says 550
    filtered-…@example.net       a content filter hands it back, for clean-…
    box-…, hole-…                @local.example.org: a file, /dev/null
    team-…, fan-…                @local.example.org: an alias of two, of which one is deferred
"""
import shutil
import time

from . import messages
from .client import Client
from .lab import free_port, run
from .later import LaterFilter
from .mta import write_lines
from .postfix import Postfix
from .sendmail import Sendmail
from .tap import wait_for

LOCAL = "local.example.org"


def next_host(text):
    """What the next host answers to RCPT."""
    if "<refused-" in text:
        return "550 5.1.1 nobody here"
    return "451 4.3.0 later" if "<later-" in text else None


class ContentFilter:
    """Stands in the sink: hands mail for filtered-… back to the MTA, and answers with its reply."""

    def __init__(self, mta):
        self.mta = mta

    def __call__(self, delivery):
        if not delivery.addresses[0].startswith("filtered-"):
            return None
        clean = tuple(address.replace("filtered-", "clean-") for address in delivery.addresses)
        again = messages.Message("filtered", delivery.octets, sender=delivery.sender_address, recipients=clean)
        with Client(self.mta.reinject_port, hello="filter.example.org") as client:
            reply = client.send(again)
            client.quit()
        return f"250 {reply.text}"


class Crossroads:
    """What both have."""

    def start_later(self):
        self.later = LaterFilter(self.dir / "later" / "later.sock").start()
        self.lab.defer(self.later.stop)

    def local_aliases(self):
        box = self.dir / "box"
        box.mkdir()
        shutil.chown(box, "nobody")
        box.chmod(0o755)
        return ("postmaster: postmaster@example.net", f"box-1: {box}/mail", "hole-1: /dev/null",
                "fan-1: one-of-fan@example.net, later-of-fan@example.net")

    def open_roads(self, sink):
        """Until the sink forgets."""
        sink.refuse("RCPT", next_host)
        sink.pass_on = ContentFilter(self)

    def bypass(self):
        """From here on mail goes past the filter, until restore()."""
        self.port = self.bypass_port

    def restore(self):
        self.port = self.main_port
        super().restore()

    def wait_done(self, *queue_ids):
        """Until the MTA has logged that it is through with these messages."""
        for queue_id in queue_ids:
            self.wait_log(f"{queue_id}: {self.done}")

    def wait_log(self, text, count=1, limit=30):
        """Until the MTA has logged this so often; waiting for a line, not for luck."""
        wait_for(lambda: self.log_text().count(text) >= count, limit, f"{count} times '{text}' in the log")


class CrossroadsPostfix(Crossroads, Postfix):
    done = "removed"

    def __init__(self, lab, sink_port):
        self.reinject_port = free_port()
        super().__init__(lab, sink_port, {"mydestination": LOCAL, "local_recipient_maps": "", "allow_mail_to_files": "alias",
                                          "mailbox_size_limit": "0",
                                          "minimal_backoff_time": "5m", "maximal_backoff_time": "10m"},
                         {"discarded.example.net": "discard:silently"})
        self.main_port, self.bypass_port = self.port, self.reinject_port

    def _lay_out(self):
        self.start_later()
        kind = run(["postconf", "-d", "-h", "default_database_type"]).stdout.decode().strip()
        self.settings |= {
            "smtpd_milters": f"unix:{self.socket}, unix:{self.later.server_address}",
            "header_checks": f"regexp:{self.etc}/header_checks",
            "milter_header_checks": f"regexp:{self.etc}/milter_header_checks",
            "virtual_alias_maps": f"texthash:{self.etc}/virtual",
            "alias_maps": f"{kind}:{self.etc}/aliases",
        }
        super()._lay_out()
        write_lines(self.etc / "header_checks", "/^X-Rule: hold/ HOLD by rule", "/^X-Rule: redirect (.*)$/ REDIRECT $1")
        write_lines(self.etc / "milter_header_checks", "/^X-Mark: redirect (.*)$/ REDIRECT $1",
                    "/^X-Mark: discard/ DISCARD by rule")
        write_lines(self.etc / "virtual", f"team-1@{LOCAL} one-of-team@example.net, later-of-team@example.net")
        write_lines(self.etc / "aliases", *self.local_aliases())
        run(["postalias", "-c", self.etc, f"{kind}:{self.etc}/aliases"])
        with open(self.etc / "master.cf", "a", encoding="ascii") as master:
            master.write(f"127.0.0.1:{self.reinject_port} inet n - n - - smtpd\n"
                         "  -o syslog_name=postfix/reinject -o smtpd_milters=\n")

    def rotate_log(self):
        """As postfix(1) does it: renamed, taken up anew, compressed."""
        self._postfix("logrotate")

    def sent_line(self, queue_id, recipient):
        """What it logs of a recipient that went."""
        return (f"Nov 26 12:00:00 mx postfix/smtp[4711]: {queue_id}: to=<{recipient}>, relay=127.0.0.1[127.0.0.1]:25, delay=1, "
                "delays=1/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 kept)")

    def try_again(self, queue_id):
        run(["postqueue", "-c", self.etc, "-i", queue_id])

    def postsuper(self, option, queue_id):
        run(["postsuper", "-c", self.etc, option, queue_id])

    def queue_file(self, queue_id):
        """Of a deferred message, once it lies there."""
        return wait_for(lambda: next((self.dir / "spool" / "deferred").rglob(queue_id), None), 20, f"{queue_id} to be deferred")

    def remove_by_hand(self, queue_id):
        self.queue_file(queue_id).unlink()

    def spoil(self, queue_id):
        """A queue file that the MTA can't read any more, and puts aside when it is tried."""
        path = self.queue_file(queue_id)
        octets = path.read_bytes()
        path.write_bytes(octets[:len(octets) // 2] + b"\xff" * (len(octets) - len(octets) // 2))
        self.try_again(queue_id)

    def release(self, queue_id):
        self.postsuper("-H", queue_id)

    def requeue(self, queue_id):
        self.postsuper("-r", queue_id)
        run(["postkick", "-c", self.etc, "public", "pickup", "W"])

    def force_expire(self, queue_id):
        self.postsuper("-e", queue_id)
        self.try_again(queue_id)

    def wipe_queue(self):
        """As when the host is made anew, but for its log."""
        self.stop()
        for name in ("active", "deferred", "defer", "hold", "incoming"):
            for path in sorted((self.dir / "spool" / name).rglob("*")):
                if path.is_file():
                    path.unlink()

    def expire(self, queue_id):
        self.set(maximal_queue_lifetime="1s")
        self.try_again(queue_id)
        self.wait_log(f"{queue_id}: removed")
        self.restore()


class CrossroadsSendmail(Crossroads, Sendmail):
    done = "done; "

    def __init__(self, lab, sink_port):
        self.bypass_port = free_port()
        super().__init__(lab, sink_port)
        self.main_port = self.port
        self.reinject_port = self.port

    def _lay_out(self):
        self.log.touch(0o644)
        super()._lay_out()
        self.queue_dir.chmod(0o755)

    def aliases(self):
        return (*self.local_aliases(), "team-1: one-of-team@example.net, later-of-team@example.net")

    def more(self):
        self.start_later()
        return ("undefine(`MAIL_HUB')dnl", "define(`confDEF_USER_ID', `nobody:nogroup')dnl", f"LOCAL_DOMAIN(`{LOCAL}')dnl",
                f"INPUT_MAIL_FILTER(`later', `S=unix:{self.later.server_address}, F=T, T=C:10s;S:10s;R:60s;E:60s')dnl",
                f"DAEMON_OPTIONS(`Name=Bypass, Family=inet, Addr=127.0.0.1, Port={self.bypass_port}, M=A, "
                "InputMailFilters=later')dnl")

    def remove_by_hand(self, queue_id):
        for path in self.queue_dir.glob(f"*{queue_id}"):
            path.unlink()

    def spoil(self, queue_id):
        path = self.queue_dir / f"qf{queue_id}"
        first, rest = path.read_bytes().split(b"\n", 1)
        path.write_bytes(first + b"\n\1 no line of a queue file\n" + rest)
        self.try_again(queue_id)

    def rotate_log(self):
        self.log.rename(self.log.with_name(f"mail.log.{time.strftime('%Y%m%d-%H%M%S')}"))

    def sent_line(self, queue_id, recipient):
        """What it logs of a recipient that went."""
        return (f"Nov 26 12:00:00 mx sendmail[4711]: {queue_id}: to=<{recipient}>, delay=00:00:01, xdelay=00:00:00, mailer=relay, "
                "pri=30000, relay=[127.0.0.1] [127.0.0.1], dsn=2.0.0, stat=Sent (2.0.0 kept)")

    def try_again(self, queue_id):
        self._sendmail(f"-qI{queue_id}")

    def release(self, queue_id):
        self._sendmail("-qQ", f"-qI{queue_id}", "-Q")
        self.try_again(queue_id)

    def wipe_queue(self):
        self.stop()
        self.empty_queue()

    def expire(self, queue_id):
        """By a queue run with a return time that its age has to reach first."""
        def expired():
            self._sendmail("-OTimeout.queuereturn=1s", f"-qI{queue_id}")
            return not (self.queue_dir / f"qf{queue_id}").exists()
        wait_for(expired, 10, f"{queue_id} to expire", pause=1)
