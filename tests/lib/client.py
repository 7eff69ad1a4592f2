"""client.py - an SMTP client that says exactly what it is told to

It checks nothing and adds nothing, so that a test can also send what a good
client would not: commands without waiting, a body that ends in the middle,
a connection that goes away.  Octets go out as they are given.
"""
import dataclasses
import re
import socket

from . import messages
from .tap import Failure


@dataclasses.dataclass(frozen=True)
class Reply:
    code: int
    lines: tuple

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def enhanced(self):
        """The enhanced status code, RFC 3463, or None."""
        found = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", self.lines[0])
        return found.group(0) if found else None

    @property
    def queue_id(self):
        """What the MTA calls a message that it has just taken."""
        found = re.search(r"queued as (\w+)|\b(\w+) Message accepted", self.text)
        return (found.group(1) or found.group(2)) if found else None

    def __str__(self):
        return f"{self.code} {' / '.join(self.lines)}"


class Disconnected(Failure):
    """The server closed the connection where a reply was due."""


class Refused(Failure):
    """A reply that is not 2xx (3xx for DATA), to a command of send()."""

    def __init__(self, stage, reply):
        super().__init__(f"{stage} was answered {reply}")
        self.stage = stage
        self.reply = reply


class Client:
    def __init__(self, port, hello="client.example.org", timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._input = self.socket.makefile("rb")
        self.hello = hello
        try:
            self.greeting = self.read_reply()
            self.offers = frozenset()
            if self.greeting.code == 220:
                reply = self.command(f"EHLO {hello}")
                self.offers = frozenset(line.split()[0].upper() for line in reply.lines[1:])
        except BaseException:
            self.drop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()

    def drop(self):
        """Goes away without a word."""
        self._input.close()
        self.socket.close()

    def reset_connection(self):
        """Goes away with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.drop()

    def write(self, octets):
        self.socket.sendall(octets)

    def read_reply(self):
        texts = []
        while True:
            try:
                line = self._input.readline()
            except ConnectionResetError:
                line = b""
            if not line.endswith(b"\n"):
                raise Disconnected("the server closed the connection")
            text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
            texts.append(text[4:])
            if text[3:4] != "-":
                return Reply(int(text[:3]), tuple(texts))

    def command(self, text):
        self.write(text.encode() + b"\r\n")
        return self.read_reply()

    def mail(self, sender, *parameters):
        return self.command(" ".join([f"MAIL FROM:<{sender}>", *parameters]))

    def rcpt(self, recipient, *parameters):
        return self.command(" ".join([f"RCPT TO:<{recipient}>", *parameters]))

    def data(self, octets):
        """DATA and the whole message.  The reply is that to DATA where it is refused."""
        reply = self.command("DATA")
        if reply.code != 354:
            return reply
        self.write(stuff(octets))
        return self.read_reply()

    def bdat(self, octets, chunk_size=1000):
        """BDAT in chunks.  The reply is that to the last chunk, or the first refusal."""
        chunks = [octets[start:start + chunk_size] for start in range(0, len(octets), chunk_size)] or [b""]
        for number, chunk in enumerate(chunks):
            last = " LAST" if number == len(chunks) - 1 else ""
            self.write(f"BDAT {len(chunk)}{last}\r\n".encode() + chunk)
            reply = self.read_reply()
            if reply.code != 250:
                break
        return reply

    def open(self, message):
        """MAIL and every RCPT of a message; Refused where one is not taken."""
        _want("MAIL", 250, self.mail(message.sender, *message.mail_parameters))
        for recipient in message.recipients:
            _want("RCPT", 250, self.rcpt(recipient, *message.rcpt_parameters))

    def send(self, message):
        """One transaction.  Returns the reply to its end; Refused where that is no 250."""
        self.open(message)
        body = self.bdat if message.way == messages.BDAT else self.data
        return _want("end of message", 250, body(message.octets))

    def rset(self):
        return self.command("RSET")

    def quit(self):
        reply = self.command("QUIT")
        self.drop()
        return reply


def _want(stage, code, reply):
    if reply.code != code:
        raise Refused(stage, reply)
    return reply


def stuff(octets):
    """The octets of a message as DATA has them, with the dot that ends it; they end in CRLF."""
    if octets.startswith(b"."):
        octets = b"." + octets
    return octets.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def send(port, message, **options):
    """One message over a connection of its own."""
    with Client(port, **options) as client:
        reply = client.send(message)
        client.quit()
        return reply
