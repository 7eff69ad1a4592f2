"""fake.py - a filter without libmilter, which answers as a test tells it

Speaks the milter protocol over a unix socket, a thread for each connection,
and keeps what it was told of each message.  Only for tests of the driver:
what it says may be wrong on purpose.
"""
import dataclasses
import socketserver
import struct
import threading

HEADER_LEADING_SPACE = 0x00100000
NO_REPLY = {b"C": 0x1000, b"H": 0x2000, b"M": 0x4000, b"R": 0x8000, b"T": 0x10000, b"L": 0x80,
            b"N": 0x40000, b"B": 0x80000}
NO_REPLY_ALL = sum(NO_REPLY.values())

CONTINUE, PROGRESS, CLOSE, SILENCE = b"c", b"p", "close", "silence"


def packet(data):
    return struct.pack(">I", len(data)) + data


def reply(text):
    """A reply code with its text."""
    return b"y" + text.encode() + b"\0"


@dataclasses.dataclass
class Told:
    """One message, as far as it was told."""
    number: int
    mail: list
    queue_id: str = ""
    rcpts: int = 0
    octets: int = 0          # headers, the empty line and the body


class Session(socketserver.BaseRequestHandler):
    def handle(self):
        self.flags, self.told, self.macros = 0, None, {}
        try:
            while True:
                size = struct.unpack(">I", self.read(4))[0]
                data = self.read(size)
                if not self.command(data[:1], data[1:]):
                    return
        except (EOFError, ConnectionError):
            return

    def read(self, size):
        data = b""
        while len(data) < size:
            part = self.request.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def command(self, letter, data):
        """Takes one command; False when the connection is over."""
        if letter == b"O":
            self.flags = self.server.flags
            self.request.sendall(packet(b"O" + struct.pack(">III", 6, 0, self.flags)))
            return True
        if letter == b"D":
            words = data[1:].split(b"\0")
            self.macros |= dict(zip(words[::2], words[1::2]))
            return True
        if letter in b"QK":
            return False
        if letter == b"A":
            return True
        self.take(letter, data)
        if self.flags & NO_REPLY.get(letter, 0):
            return True
        return self.answer(self.server.decide(letter.decode(), self.told))

    def take(self, letter, data):
        if letter == b"M":
            self.told = self.server.new_message(data)
        elif letter == b"R":
            self.told.rcpts += 1
        elif letter == b"L":
            name, value, _ = data.split(b"\0")
            self.told.octets += len(name) + 1 + len(value) + value.count(b"\n") + 2
        elif letter == b"N":
            self.told.octets += 2
        elif letter == b"B":
            self.told.octets += len(data)
        elif letter == b"E":
            self.told.queue_id = self.macros[b"i"].decode()

    def answer(self, what):
        for part in what if isinstance(what, list) else [what]:
            if part is CLOSE:
                return False
            if part is not SILENCE:
                self.request.sendall(packet(part))
        return True


class Fake(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """decide(letter, told) gives the reply to a command: CONTINUE, reply(…), CLOSE …, or a list of them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path, decide, flags=NO_REPLY_ALL | HEADER_LEADING_SPACE):
        super().__init__(str(path), Session)
        self.decide = decide
        self.flags = flags
        self.messages = []
        self._lock = threading.Lock()

    def new_message(self, data):
        with self._lock:
            told = Told(len(self.messages) + 1, data.decode().split("\0")[:-1])
            self.messages.append(told)
            return told

    def start(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self):
        self.shutdown()
        self.server_close()
