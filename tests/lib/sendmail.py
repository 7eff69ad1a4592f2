"""sendmail.py - a private Sendmail 8.17 beside Postfix: unpacked, not installed

The two packages conflict, so contrib/lib/packages.sh unpacks Sendmail's into
the build directory, once.  sysfile.c, preloaded, sends its log to a file.
Everything is relayed to the sink.
"""
import os
import pwd
import re
import shutil
import signal

from . import holdfast, preload
from .lab import TOP, end_process, free_port, port_answers, run
from .mta import Mta, make_socket_dir, write_lines
from .tap import wait_for

TREE = preload.CACHE / "sendmail"
HERE = TOP / "tests" / "lib"


def prepare():
    """Unpacks Sendmail, where that has not been done."""
    TREE.parent.mkdir(parents=True, exist_ok=True)
    run([TOP / "contrib/lib/packages.sh", "unpack-sendmail", TREE], timeout=600)


def make_config(source, words, target):
    """Fills the words into a template and has m4 make the configuration."""
    text = re.sub(r"@([A-Z]+)@", lambda found: str(words[found.group(1)]), (HERE / source).read_text())
    macros = TREE / "root/usr/share/sendmail/cf"
    filled = target.with_suffix(".mc")
    filled.write_text(text)
    target.write_bytes(run(["m4", f"-D_CF_DIR_={macros}/", macros / "m4/cf.m4", filled]).stdout)


class Sendmail(Mta):
    name = "sendmail"
    type = "sendmail"
    offers = frozenset()   # a header above 64 KiB it answers 451 itself: its milter packets end there
    down_reply = (451, "4.3.2")
    dies_reply = (451, "4.3.2")

    def __init__(self, lab, sink_port, flags="T", times="C:10s;S:10s;R:10s;E:5m"):
        super().__init__(lab, sink_port)
        self.port = free_port()
        self.config = self.dir / "sendmail.cf"
        self.submit_config = self.dir / "submit.cf"
        self.process = None
        self.queue_dir = self.dir / "queue"
        prepare()
        self.words = {"DIR": self.dir, "PORT": self.port, "SINK": self.sink_port, "SOCKET": f"unix:{self.socket}",
                      "FLAGS": flags, "TIMES": times, "PRIVACY": "authwarnings"}
        self._changed = {}
        self._lay_out()

    def aliases(self):
        return ("postmaster: postmaster@example.net",)

    def more(self):
        """Lines of m4 that a test adds to the configuration."""
        return ()

    def _lay_out(self):
        self.words["MORE"] = "\n".join(self.more())
        self.queue_dir.mkdir()
        self.queue_dir.chmod(0o700)
        make_socket_dir(self.socket, pwd.getpwnam(holdfast.USER).pw_uid, 0)
        write_lines(self.dir / "service.switch", "hosts files", "aliases files", "passwd files")
        write_lines(self.dir / "aliases", *self.aliases())
        (self.dir / "submit").mkdir()
        shutil.chown(self.dir / "submit", "nobody")
        self._configure()
        make_config("submit.mc.in", self.words, self.submit_config)
        self._sendmail("-bi")

    def _configure(self):
        words = self.words | self._changed
        words.setdefault("FILTER", f"INPUT_MAIL_FILTER(`holdfast', `S={words['SOCKET']}, F={words['FLAGS']}, "
                                   f"T={words['TIMES']}')dnl")
        make_config("sendmail.mc.in", words, self.config)

    def set(self, **words):
        """Changes words of sendmail.mc.in until restore(); a running daemon is started anew for it."""
        self._changed = words
        self._configure()
        if self.pid():
            self.stop()
            self.start()

    def option(self, name):
        """What an option is set to, the last time where it is set twice."""
        return re.findall(rf"^O {name}=(.*)$", self.config.read_text(), re.M)[-1]

    def attach(self, where):
        self.set(SOCKET=where)

    def fail_open(self):
        self.set(FLAGS="")

    def be_impatient(self):
        self.set(TIMES="C:10s;S:4s;R:4s;E:5m")

    def offer_less(self):
        """Also without a word of ours it knows no SMTPUTF8."""
        self.set(PRIVACY="authwarnings,noreceipts")

    def restore(self):
        if self._changed:
            self.set()

    def _argv(self, *words, config=None):
        return [str(TREE / "root/usr/libexec/sendmail/sendmail"), "-C", str(config or self.config), *words]

    def _environment(self):
        return os.environ | {"LD_PRELOAD": str(preload.library("sysfile")), "SYSFILE": str(self.log)}

    def _sendmail(self, *words, config=None, **options):
        return run(self._argv(*words, config=config), env=self._environment(), cwd=self.dir, **options)

    def pid_file(self):
        return self.dir / "sendmail.pid"

    def start(self):
        self.process = self.lab.spawn(self._argv("-bD"), self.dir / "out", env=self._environment(),
                                      cwd=self.dir, start_new_session=True)
        wait_for(lambda: port_answers(self.port), 20, f"Sendmail to listen; {self.log_tail()}")
        return self

    def stop(self):
        if self.process is not None:
            end_process(self.process)

    def abort(self):
        """Ends the daemon at once, in the middle of what it does, with all its processes."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def queue(self):
        """One dictionary for each message in the queue: it has a control file there."""
        return [{"queue_id": path.name[2:]} for path in self.queue_dir.glob("qf*")]

    def flush(self):
        self._sendmail("-q")

    def empty_queue(self):
        for path in self.queue_dir.iterdir():
            path.unlink(missing_ok=True)    # a sender that ends meanwhile takes its own away

    def submit(self, message):
        """Hands a message in through sendmail(1), which hands it to the daemon by SMTP."""
        self._sendmail("-i", "-f", message.sender or "<>", "--", *message.recipients,
                       config=self.submit_config, data=message.octets.replace(b"\r\n", b"\n"))
