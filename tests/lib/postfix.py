"""postfix.py - a private Postfix: its own directory, port, queue and log

Everything that is not for a test's own transport goes to the sink.  The
system's instance and its files are not touched: only its binaries are used.
"""
import json
import os
import pwd
import signal

from . import holdfast
from .lab import free_port, is_alive, port_answers, run
from .mta import Mta, make_socket_dir, write_lines
from .tap import wait_for

DAEMONS = "/usr/lib/postfix/sbin"

# What a test needs otherwise than Postfix has it: short waits, no look-ups, large limits.
SETTINGS = {
    "compatibility_level": "3.6",
    "meta_directory": "/etc/postfix",
    "command_directory": "/usr/sbin",
    "daemon_directory": DAEMONS,
    "shlib_directory": "/usr/lib/postfix",
    "mail_owner": "postfix",
    "setgid_group": "postdrop",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "myhostname": "mx.example.org",
    "mydestination": "",
    "mynetworks": "127.0.0.0/8",
    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
    "disable_dns_lookups": "yes",
    "smtp_host_lookup": "native",
    "alias_maps": "",
    "local_header_rewrite_clients": "",   # else a local client's mail gets Date, Message-Id and From
    "smtp_line_length_limit": "0",        # else long lines are broken on their way out
    "minimal_backoff_time": "1s",
    "maximal_backoff_time": "3s",
    "queue_run_delay": "1s",
    "transport_retry_time": "1s",
    "in_flow_delay": "0",
    "enable_long_queue_ids": "yes",       # the short ones come again
    "smtpd_error_sleep_time": "0",
    "smtpd_junk_command_limit": "1000",
    "default_destination_recipient_limit": "2000",
    "message_size_limit": "104857600",
    "header_size_limit": "2097152",
    "milter_default_action": "tempfail",
}

QUEUES = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")

SERVICES = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Mta):
    name = "postfix"
    type = "postfix"
    offers = frozenset(["CHUNKING", "SMTPUTF8", "LARGE HEADERS"])
    down_reply = (451, "4.7.1")
    dies_reply = (451, "4.7.1")

    def __init__(self, lab, sink_port, settings=None, transports=None):
        """settings go into main.cf over SETTINGS; transports are {domain: transport}."""
        super().__init__(lab, sink_port)
        self.port = free_port()
        self.etc = self.dir / "etc"
        self.settings = SETTINGS | {
            "queue_directory": self.dir / "spool",
            "data_directory": self.dir / "data",
            "maillog_file_prefixes": self.dir,
            "maillog_file": self.log,
            "relayhost": f"[127.0.0.1]:{sink_port}",
            "transport_maps": f"texthash:{self.etc}/transport",
            "smtpd_milters": f"unix:{self.socket}",
            "non_smtpd_milters": f"unix:{self.socket}",
        } | (settings or {})
        self.transports = transports or {}
        self._changed = {}
        self._was_started = False
        self._lay_out()

    def _lay_out(self):
        owner = pwd.getpwnam("postfix")
        for name in ("etc", "spool", "data"):
            (self.dir / name).mkdir()
        os.chown(self.dir / "data", owner.pw_uid, owner.pw_gid)
        (self.dir / "data").chmod(0o700)
        self.log.touch()  # its commands write to it too, as this user, where postlogd was killed
        os.chown(self.log, owner.pw_uid, owner.pw_gid)
        filter_user = pwd.getpwnam(holdfast.USER)
        make_socket_dir(self.socket, filter_user.pw_uid, owner.pw_gid)
        write_lines(self.etc / "master.cf", f"127.0.0.1:{self.port} inet n - n - - smtpd",
                    SERVICES.strip())
        write_lines(self.etc / "transport", *(f"{domain} {way}" for domain, way in self.transports.items()))
        self._write_main()
        self.lab.defer(self.stop)

    def _write_main(self):
        write_lines(self.etc / "main.cf",
                    *(f"{key} = {value}" for key, value in (self.settings | self._changed).items()))

    def set(self, **settings):
        """Changes main.cf until restore(), and makes a running instance take it."""
        self._changed = settings
        self._write_main()
        if self.pid():
            self.reload()

    def attach(self, where):
        kind, _, place = where.partition(":")
        port, _, host = place.partition("@")
        self.set(smtpd_milters=f"{kind}:{host}:{port}")

    def fail_open(self):
        self.set(milter_default_action="accept")

    def be_impatient(self):
        self.set(milter_command_timeout="4s", milter_content_timeout="4s")
        self.stop()  # a reload leaves processes that go by the limits from before
        self.start()

    def offer_less(self):
        self.set(smtpd_discard_ehlo_keywords="dsn, smtputf8")

    def restore(self):
        if self._changed:
            self.set()

    def _postfix(self, verb):
        run(["postfix", "-c", self.etc, verb])

    def pid_file(self):
        return self.dir / "spool" / "pid" / "master.pid"

    def start(self):
        """The first time with all the checks of postfix(1), which take two seconds."""
        if self._was_started:
            # what was killed a moment ago may still hold the lock or the port
            wait_for(lambda: run([f"{DAEMONS}/master", "-c", self.etc, "-w"], check=False).returncode == 0, 20,
                     f"Postfix to start again; {self.log_tail()}", pause=0.1)
        else:
            self._postfix("start")
        self._was_started = True
        wait_for(lambda: port_answers(self.port), 20, f"Postfix to listen; {self.log_tail()}")
        return self

    def reload(self):
        self._postfix("reload")

    def stop(self):
        self.end(signal.SIGTERM)

    def abort(self):
        """Ends the instance at once, in the middle of what it does, with all its processes."""
        pid = self.pid()
        if pid is not None:
            os.killpg(os.getpgid(pid), signal.SIGKILL)
            wait_for(lambda: not is_alive(pid), 10, "the master process to end")

    def queue(self):
        """One dictionary for each message in the queue, as postqueue(1) prints them."""
        output = run(["postqueue", "-c", self.etc, "-j"]).stdout
        return [json.loads(line) for line in output.splitlines()]

    def flush(self):
        run(["postqueue", "-c", self.etc, "-f"])

    def empty_queue(self):
        if any(path.is_file() for name in QUEUES for path in (self.dir / "spool" / name).rglob("*")):
            run(["postsuper", "-c", self.etc, "-d", "ALL"])

    def submit(self, message):
        """Hands a message in through sendmail(1)."""
        run(["/usr/sbin/sendmail", "-C", self.etc, "-i", "-f", message.sender, "--", *message.recipients],
            data=message.octets.replace(b"\r\n", b"\n"))
