#!/usr/bin/env python3
"""sink.py - the next host: takes mail and keeps every octet of it

As a class it stands in a thread of a test and keeps messages in memory; as a
program, `sink.py PORT DIRECTORY`, it writes each to a file until it is ended.
It offers 8BITMIME, SMTPUTF8, DSN, SIZE and PIPELINING, and no CHUNKING.  It
can be told to refuse.  Neighbours: compare.py holds its messages against the
journal's.
"""
import dataclasses
import itertools
import pathlib
import socketserver
import sys
import threading


@dataclasses.dataclass(frozen=True)
class Delivery:
    helo: str
    sender: str            # as after MAIL FROM:, with brackets and parameters
    recipients: tuple      # each as after RCPT TO:
    octets: bytes

    @property
    def addresses(self):
        return tuple(address(text) for text in self.recipients)

    @property
    def sender_address(self):
        return address(self.sender)


def address(argument):
    """The address in the argument of MAIL or RCPT, without brackets and parameters."""
    return argument.strip()[1:].partition(">")[0]


class Session(socketserver.StreamRequestHandler):
    """One connection, its commands in the order they come."""

    disable_nagle_algorithm = True

    def handle(self):
        try:
            self._talk()
        except (ConnectionError, BrokenPipeError):
            return  # the MTA went away: what it had not finished was never taken

    def _reply(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def _talk(self):
        self.helo, self.sender, self.recipients = "", None, []
        self._reply("220 sink.example.net ESMTP")
        while True:
            line = self.rfile.readline()
            if not line.endswith(b"\n"):
                return
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            verb = text.split(None, 1)[0].upper() if text.strip() else ""
            self._obey(verb, text)
            if verb == "QUIT":
                return

    def _obey(self, verb, text):
        refusal = self.server.refusal(verb, text)
        if refusal is not None:
            self._reply(refusal)
        elif verb == "EHLO":
            self.helo = text[5:]
            self._reply("250-sink.example.net\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
                        "250-PIPELINING\r\n250 SIZE 209715200")
        elif verb == "HELO":
            self.helo = text[5:]
            self._reply("250 sink.example.net")
        elif verb == "MAIL":
            self.sender, self.recipients = text[len("MAIL FROM:"):], []
            self._reply("250 2.1.0 ok")
        elif verb == "RCPT":
            self.recipients.append(text[len("RCPT TO:"):])
            self._reply("250 2.1.5 ok")
        elif verb == "DATA" and not self.recipients:
            self._reply("554 5.5.1 no valid recipients")
        elif verb == "DATA":
            self._take()
        elif verb in ("RSET", "NOOP"):
            self.sender, self.recipients = (None, []) if verb == "RSET" else (self.sender, self.recipients)
            self._reply("250 2.0.0 ok")
        elif verb == "QUIT":
            self._reply("221 2.0.0 bye")
        else:
            self._reply("502 5.5.1 not known here")

    def _take(self):
        self._reply("354 go on")
        parts = []
        for line in iter(self.rfile.readline, b".\r\n"):
            if not line:
                return
            parts.append(line[1:] if line.startswith(b".") else line)
        delivery = Delivery(self.helo, self.sender, tuple(self.recipients), b"".join(parts))
        reply = self.server.refusal("END", delivery.sender) or self.server.pass_on(delivery)
        if reply is None:
            self.server.keep(delivery)
        self._reply(reply or "250 2.0.0 kept")
        self.sender, self.recipients = None, []


class Sink(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port=0, keep=None):
        super().__init__(("127.0.0.1", port), Session)
        self.port = self.server_address[1]
        self._lock = threading.Lock()
        self._deliveries = []
        self._refusals = {}
        self._keep = keep
        self.pass_on = lambda delivery: None   # a content filter: what it answers, or None where it has no part in it

    def start(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        self.shutdown()
        self.server_close()

    def refuse(self, verb, reply):
        """Answers this verb (or END, the end of a message) with the reply; with None, takes it again."""
        with self._lock:
            self._refusals[verb] = reply

    def refusal(self, verb, text):
        with self._lock:
            answer = self._refusals.get(verb)
        return answer(text) if callable(answer) else answer

    def keep(self, delivery):
        with self._lock:
            self._deliveries.append(delivery)
        if self._keep is not None:
            self._keep(delivery)

    def deliveries(self):
        with self._lock:
            return list(self._deliveries)

    def forget(self):
        with self._lock:
            self._deliveries.clear()
            self._refusals.clear()
            self.pass_on = lambda delivery: None


def main(port, directory):
    numbers = itertools.count(1)
    lock = threading.Lock()

    def write(delivery):
        with lock:
            number = next(numbers)
        envelope = "".join(f"{line}\n" for line in (delivery.sender, *delivery.recipients))
        pathlib.Path(directory, f"{number:04}.envelope").write_text(envelope, encoding="utf-8")
        pathlib.Path(directory, f"{number:04}.eml").write_bytes(delivery.octets)

    Sink(int(port), write).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
