"""milter.py - says a message to a filter as an MTA does, for tests that need no MTA

A few packets of the milter protocol, version 6, and no more: what a real MTA
says in every detail is tests/client, and the MTAs themselves.  A reply is
waited for only where the filter agreed to give one.
"""
import re
import socket
import struct

from .client import Reply
from .tap import Failure

# mfdef.h: what the filter may do without, by command: a reply (SMFIP_NR_*), the command itself (SMFIP_NO*)
NO_REPLY = {b"C": 0x1000, b"H": 0x2000, b"M": 0x4000, b"R": 0x8000, b"T": 0x10000, b"L": 0x80, b"N": 0x40000,
            b"B": 0x80000}
LEFT_OUT = {b"C": 0x1, b"H": 0x2, b"M": 0x4, b"R": 0x8, b"B": 0x10, b"L": 0x20, b"N": 0x40, b"T": 0x200}
STEPS = 0x1FFFFF
CHUNK = 65535
CONTINUE, ACCEPT, TEMPFAIL, PROGRESS, REPLY_CODE = b"c", b"a", b"t", b"p", b"y"


def is_listening(path):
    """The socket is there a moment before anybody listens."""
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(str(path)) == 0


class Connection:
    """One connection; usable for one message after the other."""

    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.send(b"O", struct.pack(">III", 6, 0x1FF, STEPS))
        command, data = self.receive()
        if command != b"O":
            raise Failure(f"the filter answered {command} to the negotiation")
        self.steps = struct.unpack(">III", data[:12])[2]
        self.say(b"C", b"client.example.org\0" + b"4" + struct.pack(">H", 25) + b"192.0.2.1\0")
        self.say(b"H", b"client.example.org\0")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()

    def drop(self):
        """Goes away without a word."""
        self.socket.close()

    def send(self, command, data=b""):
        self.socket.sendall(struct.pack(">I", 1 + len(data)) + command + data)

    def receive(self):
        size = struct.unpack(">I", self._read(4))[0]
        data = self._read(size)
        return data[:1], data[1:]

    def _read(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise Failure("the filter closed the connection")
            data += part
        return data

    def say(self, command, data=b""):
        """A command; the filter's reply as an MTA would pass it on: 250 where it goes on."""
        if self.steps & LEFT_OUT.get(command, 0):
            return Reply(250, ("not said",))
        self.send(command, data)
        if self.steps & NO_REPLY.get(command, 0):
            return Reply(250, ("not waited for",))
        answer, text = self.receive()
        while answer == PROGRESS:
            answer, text = self.receive()
        return _reply(answer, text)

    def macros(self, command, **values):
        """What the MTA tells besides, before a command; names without braces."""
        self.send(b"D", command + b"".join(f"{name}\0{value}\0".encode() for name, value in values.items()))

    def mail(self, sender="sender@example.org", *parameters):
        words = [f"<{sender}>", *parameters]
        return self.say(b"M", b"".join(word.encode() + b"\0" for word in words))

    def rcpt(self, recipient="recipient@example.net"):
        return self.say(b"R", f"<{recipient}>".encode() + b"\0")

    def begin(self):
        """Recipient and headers, up to the body."""
        self.rcpt()
        self.say(b"T")
        self.say(b"L", b"Subject\0 pressure\0")
        self.say(b"N")

    def body(self, octets):
        for start in range(0, len(octets), CHUNK):
            self.say(b"B", octets[start:start + CHUNK])

    def end(self):
        return self.say(b"E")

    def abort(self):
        self.send(b"A")

    def quit(self):
        self.send(b"Q")
        self.drop()

    def message(self, octets, *parameters):
        """MAIL to the end of the message.  Returns the reply that decided, and the stage it answered."""
        reply = self.mail("sender@example.org", *parameters)
        if reply.code != 250:
            return reply, "MAIL"
        self.begin()
        self.body(octets)
        return self.end(), "end of message"


def _reply(answer, text):
    if answer in (CONTINUE, ACCEPT):
        return Reply(250, ("taken",))
    if answer == TEMPFAIL:
        return Reply(451, ("4.7.1 the filter gave no text",))
    if answer == REPLY_CODE:
        found = re.match(r"(\d{3}) (.*)", text.rstrip(b"\0").decode())
        return Reply(int(found.group(1)), (found.group(2),))
    raise Failure(f"the filter answered {answer}")
