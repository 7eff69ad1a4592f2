"""later.py - a filter that stands after Holdfast, and does what a message tells it to

A LaterFilter speaks the server's side of the milter protocol, version 6, in
threads of the test.  What it does to a message stands in the message's header
`X-Later:`, as words between semicolons:

    delete A     deletes recipient A        quarantine TEXT   has it held
    add A        adds recipient A           discard           throws it away
    mark TEXT    adds header X-Mark: TEXT   reject            refuses it with a 5xx
    stall        waits for go_on()

It refuses the recipient whose address begins with `unwanted@` at RCPT.
"""
import pathlib
import socketserver
import struct
import threading

# What it may do (SMFIF_…), of milter/mfdef.h.
ADD_HEADER, ADD_RECIPIENT, DELETE_RECIPIENT, QUARANTINE = 0x01, 0x04, 0x08, 0x20

CONTINUE, ACCEPT, DISCARD, REJECT = b"c", b"a", b"d", b"r"


class Session(socketserver.StreamRequestHandler):
    """One connection of the MTA, which may carry many messages."""

    def handle(self):
        self.orders = []
        try:
            while True:
                head = self.rfile.read(5)
                if len(head) < 5 or head[4:] == b"Q":
                    return
                body = self.rfile.read(struct.unpack(">I", head[:4])[0] - 1)
                self._obey(head[4:], body)
        except (ConnectionError, BrokenPipeError, ValueError):
            return  # the MTA went away

    def _reply(self, command, body=b""):
        self.wfile.write(struct.pack(">I", len(body) + 1) + command + body)

    def _obey(self, command, body):
        if command == b"O":
            self._reply(b"O", struct.pack(">III", 6, ADD_HEADER | ADD_RECIPIENT | DELETE_RECIPIENT | QUARANTINE, 0))
        elif command in (b"D", b"A", b"K"):   # macros, abort, next connection: no answer
            if command != b"D":
                self.orders = []
        elif command == b"M":
            self.orders = []
            self._reply(CONTINUE)
        elif command == b"R":
            self._reply(REJECT if body.startswith(b"<unwanted@") else CONTINUE)
        elif command == b"L":
            name, value = body.split(b"\0")[:2]
            if name.lower() == b"x-later":
                self.orders += [order.strip().decode() for order in value.split(b";")]
            self._reply(CONTINUE)
        elif command == b"E":
            self._end_of_message()
        else:
            self._reply(CONTINUE)

    def _end_of_message(self):
        verdict = CONTINUE
        for verb, _, argument in (order.partition(" ") for order in self.orders):
            if verb == "delete":
                self._reply(b"-", f"<{argument}>\0".encode())
            elif verb == "add":
                self._reply(b"+", f"<{argument}>\0".encode())
            elif verb == "mark":
                self._reply(b"h", f"X-Mark\0{argument}\0".encode())
            elif verb == "quarantine":
                self._reply(b"q", f"{argument}\0".encode())
            elif verb == "stall":
                self.server.stalled.set()
                self.server.gate.wait(60)
            else:
                verdict = {"discard": DISCARD, "reject": REJECT}[verb]
        self.orders = []
        self._reply(verdict)


class LaterFilter(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True)
        path.parent.chmod(0o755)
        super().__init__(str(path), Session)
        path.chmod(0o666)            # the MTA runs as another user
        self.stalled = threading.Event()
        self.gate = threading.Event()

    def start(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        self.gate.set()
        self.shutdown()
        self.server_close()

    def go_on(self):
        """Lets what stalls go on; what comes later stalls again."""
        self.gate.set()
        self.stalled.clear()
        self.gate = threading.Event()
