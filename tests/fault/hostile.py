#!/usr/bin/env python3
"""Whatever a stranger says on the socket: what is answered 250 is in the journal, and other mail goes on (P1, P2).

No MTA says these things; a broken one might, or whoever gets at the socket.
Each case ends with a message that has to pass, with nothing left open and
with a journal that verifies.  Figures are printed."""
import concurrent.futures
import pathlib
import random
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import build, lab, tap  # noqa: E402
from lib.holdfast import USER, Filter, build_dir  # noqa: E402
from lib.lab import Lab  # noqa: E402
from lib.milter import Connection, is_listening  # noqa: E402
from lib.segment import messages  # noqa: E402
from lib.suite import rounds  # noqa: E402
from lib.tap import Failure, equal, expect, wait_for  # noqa: E402

MIB = 1 << 20
HEAD = b"Subject: pressure\r\n\r\n"      # what Connection.begin() says
MANY = 1000                             # connections at a time
SANITIZED = build.is_sanitized()


def packet(command, data=b""):
    return struct.pack(">I", 1 + len(data)) + command + data


NEGOTIATION = packet(b"O", struct.pack(">III", 6, 0x1FF, 0x1FFFFF))
GREETING = packet(b"C", b"client.example.org\0" + b"4" + struct.pack(">H", 25) + b"192.0.2.1\0")
MAIL = packet(b"M", b"<sender@example.org>\0")
RCPT = packet(b"R", b"<recipient@example.net>\0")
HEADER = packet(b"L", b"Subject\0 half\0")
BODY = packet(b"B", b"x" * 5000)
END = packet(b"E")
UNKNOWN = packet(b"U", b"XYZZY\0")
CONVERSATION = [NEGOTIATION, GREETING, packet(b"H", b"client.example.org\0"), packet(b"DM", b"i\0004Yq1\0"), MAIL, RCPT,
                HEADER, packet(b"N"), BODY, BODY]

# What may come in any order; macros, an unknown command, a second negotiation and nonsense among them.
WORDS = [GREETING, packet(b"H", b"x\0"), MAIL, RCPT, packet(b"T"), HEADER, packet(b"N"), BODY, END, packet(b"A"),
         packet(b"DM", b"i\0004Yq1\0"), UNKNOWN, packet(b"K"), NEGOTIATION, packet(b"M"), packet(b"R"),
         packet(b"L"), packet(b"L", b"NoValue\0"), packet(b"B"), packet(b"C", b"short"), packet(b"\0"), packet(b"~", b"?")]
# The filter asked to be spared three of these; libmilter answers them all the same.
ANSWERED = (NEGOTIATION, MAIL, packet(b"M"), END, packet(b"T"), packet(b"N"), UNKNOWN)

# (name, octets of a body)
BODIES = [
    ("a lone dot", b".\r\n"), ("dots", b".\r\n..\r\n...\r\n.\r\n"), ("CR", b"\r"), ("LF", b"\n"), ("LF CR", b"a\n\rb"),
    ("bare ends around dots", b"\n.\n\r.\r\n.\r.\n"), ("end of data in the middle", b"a\r\n.\r\nMAIL FROM:<x@example.org>\r\n"),
    ("CR CR LF", b"a\r\r\nb\r\n"), ("NULs", b"\0\0\r\n\0.\0\r\n.\0\r\n"), ("every octet", bytes(range(256)) * 3),
    ("no end of line", b"text"), ("only empty lines", b"\r\n" * 50),
    ("journal lines", b"NOOP holdfast-segment v=1 host=x instance=x seq=1 nonce=00\r\n"
     b".\r\nNOOP holdfast-void nonce=00 id=01ARZ3NDEKTSV4RRFFQ69G5FAV\r\nNOOP holdfast-end nonce=00 seq=1\r\n"),
]


def raw(made):
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(30)
    one.connect(str(made.socket_path))
    return one


def until_closed(one):
    """Waits for the filter to end the connection; what it says before is read and dropped."""
    try:
        while one.recv(65536):
            pass
    except ConnectionResetError:
        pass


class Strangers:
    def __init__(self, place):
        self.lab = place
        self.count = 0

    def filter(self, start=True, **settings):
        self.count += 1
        keys = {key.replace("__", "."): value for key, value in settings.items()}
        made = Filter(self.lab, self.lab.subdir(f"socket-{self.count}", 0o777) / "milter.sock",
                      name=f"holdfast-{self.count}", user=USER if lab.is_root() else None,
                      settings={"journal.segment_size": "16M", "milter.socket_group": ""} | keys)
        return made.start() if start else made

    # the socket

    def garbage(self):
        made = self.filter()
        octets = random.Random(1997)
        tries = rounds(300, 5000)
        for number in range(tries):
            noise = octets.randbytes(octets.choice((1, 4, 5, 17, 300, 70_000)))
            with raw(made) as one:
                try:
                    one.sendall((NEGOTIATION if number % 3 == 0 else b"") + noise)
                    if number % 7 == 0:
                        one.shutdown(socket.SHUT_WR)
                        until_closed(one)
                except (BrokenPipeError, ConnectionResetError):
                    pass          # ended at the first octets that are no packet
        note(f"garbage: {tries} connections")
        self.unharmed(made)

    def half_packets(self):
        """A conversation cut after each packet, in each packet's length and in the middle of each."""
        made = self.filter()
        whole = b"".join(CONVERSATION)
        cuts, at = set(), 0
        for one in CONVERSATION:
            cuts |= {at + 1, at + 3, at + 4, at + 5, at + len(one) // 2, at + len(one) - 1, at + len(one)}
            at += len(one)
        for cut in sorted(cuts):
            for way in ("left open", "half closed", "reset"):
                with raw(made) as one:
                    one.sendall(whole[:cut])
                    if way == "half closed":
                        one.shutdown(socket.SHUT_WR)
                        until_closed(one)
                    elif way == "reset":
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        note(f"half packets: {3 * len(cuts)} connections")
        self.unharmed(made)

    def absurd_lengths(self):
        made = self.filter()
        before = made.resident_kib()
        # libmilter takes what is no length at all for a command without octets, and waits for the next
        ends = {17 * MIB: True, 0x0D0A0D0A: True, 0x7FFFFFFF: True, 0x80000000: True, 0xFFFFFFFF: False, 0: False}
        for length, is_end in ends.items():
            for begun in (b"", NEGOTIATION, b"".join(CONVERSATION)):
                with raw(made) as one:
                    one.sendall(begun + struct.pack(">I", length) + b"Bxx")
                    if is_end:
                        until_closed(one)
        if not SANITIZED:
            grown = made.resident_kib() - before
            expect(grown < 8_000, f"{grown} KiB more after packets that declare gigabytes")
        self.unharmed(made)

    def wrong_order(self):
        """Commands by chance.  Each yes to an end of message is a record, and there are no others."""
        made = self.filter()
        order = random.Random(157684)
        talks = [self.words(order) for _ in range(rounds(300, 5000))]
        with concurrent.futures.ThreadPoolExecutor(max_workers=24) as pool:    # they wait more than they say
            answers = list(pool.map(lambda words: talk(made, words), talks))
        taken, refused = (sum(column) for column in zip(*answers))
        equal(len(made.records()), taken, "records, against answers with yes")
        expect(taken > len(talks) // 10, f"only {taken} messages were taken: the run proves little")
        note(f"wrong order: {len(talks)} connections, {sum(map(len, talks))} commands, {taken} messages taken, "
             f"{refused} refused; {taken} in the journal")
        self.unharmed(made, taken)

    @staticmethod
    def words(order):
        words = [order.choice(WORDS) for _ in range(order.randint(1, 20))]
        if order.randrange(2) == 0:    # else hardly any comes to an end of a message
            at = order.randrange(min(4, len(words)))
            words[at:at] = [MAIL, RCPT, HEADER, packet(b"N"), BODY, END]
        return words

    def slow_peer(self):
        """One that says an octet at a time holds nobody up, and its message is whole."""
        made = self.filter()
        body = b"slow " * 20
        with Connection(made.socket_path) as one:
            words = MAIL + RCPT + HEADER + packet(b"N") + packet(b"B", body) + END
            one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            others = 0
            for number, octet in enumerate(words):
                one.socket.sendall(bytes([octet]))
                time.sleep(0.002)
                if number % 40 == 0:
                    passes(made)
                    others += 1
            replies = [one.receive() for _ in range(3)]    # to MAIL, to the end of headers and to the end
            equal([command for command, _ in replies], [b"c", b"c", b"c"], "replies")
        equal(len(made.records()), others + 1, "records")
        expect(HEAD.replace(b"pressure", b"half") + body in messages(made.spool / "journal"),
               "the slow message is not as it was said")
        self.unharmed(made, others + 1)

    def deaf_peer(self):
        """One that never reads its answers is left alone, and what it said is held or not, but never half."""
        made = self.filter()
        message = MAIL + RCPT + HEADER + packet(b"N") + packet(b"B", b"deaf " * 200) + END
        with raw(made) as one:
            one.sendall(NEGOTIATION + GREETING)
            one.settimeout(1)      # by then the filter waits for its answers to be read, and no longer reads
            said = 0
            try:
                while said < 3000:
                    one.sendall(message)
                    said += 1
            except TimeoutError:
                pass
            expect(said < 3000, "the filter's answers found room for ever")
            passes(made)
        wait_for(lambda: no_session(made), 30, "the connection to be let go of")
        held = list(messages(made.spool / "journal"))
        expect(all(octets == b"Subject: half\r\n\r\n" + b"deaf " * 200 for octets in held if b"deaf" in octets),
               "a message that is not as it was said")
        expect(len(held) <= said + 1, f"{len(held)} records of {said} messages")
        note(f"deaf peer: {said} messages said, {len(held) - 1} held")
        self.unharmed(made, len(held))

    def health_checks(self):
        made = self.filter()
        count = rounds(500, 5000)
        for number in range(count):
            with raw(made) as one:
                if number % 3 == 1:
                    one.sendall(NEGOTIATION)
                elif number % 3 == 2:
                    one.sendall(NEGOTIATION + packet(b"Q"))
                    until_closed(one)
        note(f"health checks: {count}")
        self.unharmed(made)

    def thousand(self):
        """A thousand connections at once: a message over each, and one from somebody else in between."""
        made = self.filter()
        many = [Connection(made.socket_path) for _ in range(MANY)]
        passes(made)
        for one in many:
            equal(one.mail().code, 250, "MAIL")
            one.begin()
            one.body(b"one of a thousand\r\n")
        for one in many:
            one.send(b"E")
        replies = [one.receive()[0] for one in many]
        equal(replies.count(b"c"), MANY, "messages taken")
        for one in many:
            one.quit()
        note(f"a thousand connections: {MANY} messages taken, {len(made.records()) - 1} in the journal")
        self.unharmed(made, MANY + 1)

    # messages

    def bodies(self, made=None):
        """As they come, and cut into two packets at every octet."""
        made = made or self.filter()
        said = []
        for _, body in BODIES:
            for cut in range(0, min(len(body), 60), 1 if len(body) < 20 else 7):
                with Connection(made.socket_path) as one:
                    one.mail()
                    one.begin()
                    for part in (body[:cut], body[cut:]):
                        if part:
                            one.say(b"B", part)
                    equal(one.end().code, 250, "reply")
                    one.quit()
                said.append(HEAD + body)
        held = list(messages(made.spool / "journal"))
        equal(len(held), len(said), "records")
        for number, (want, got) in enumerate(zip(said, held)):
            equal(got, want, f"message {number}")
        equal(made.octets(made.records()[-1]["id"]), said[-1], "the last message, as show gives it")
        note(f"bodies: {len(said)} messages taken, {len(held)} in the journal, octet for octet")
        self.unharmed(made, len(said))

    def forged_records(self):
        """A message that holds a copy of a real record, and a mark that calls another void, changes neither."""
        made = self.filter()
        passes(made)
        first = made.records()[0]["id"]
        record = next(path for path in sorted((made.spool / "journal").glob("*.bsmtp"))).read_bytes().rstrip(b"\0")
        nonce = record[record.index(b"nonce=") + 6:].split(b"\r\n")[0].split(b" ")[0]
        mark = b"NOOP holdfast-void nonce=" + nonce + b" id=" + first.encode() + b"\r\n"
        bodies = (record, b".\r\n" + record, mark, b".\r\n" + mark, b"\r\n.\r\n" + mark + record + mark)
        for body in bodies:
            with Connection(made.socket_path) as one:
                equal(one.message(body)[0].code, 250, "reply")
                one.quit()
        records = made.records()
        for record, body in zip(records[1:], bodies):
            equal(made.octets(record["id"]), HEAD + body, "the forged message")
        equal([record["recipients"][0]["state"] for record in records], ["provisional"] * 6, "states")
        self.unharmed(made, 6)

    def large(self):
        """100 MB, 10,000 headers, a header of 1 MB: taken, and no more memory than for a small one."""
        made = self.filter(journal__segment_size="32M")
        passes(made)
        before = made.resident_kib()
        size = 100 if not SANITIZED else 20
        line = b"0123456789" * 7 + b"\r\n"
        with Connection(made.socket_path) as one:
            equal(one.message(line * (size * 1_000_000 // len(line)))[0].code, 250, "100 MB")
            one.mail()
            one.rcpt()
            for number in range(10_000):
                one.say(b"L", b"X-%d\0 value %d\0" % (number, number))
            one.say(b"L", b"X-Large\0 " + b"v" * 1_000_000 + b"\0")
            one.say(b"N")
            equal(one.end().code, 250, "10,001 headers")
            one.quit()
        if not SANITIZED:
            grown = made.resident_kib() - before
            expect(grown < 16_000, f"{grown} KiB more after messages of 100 MB")
        last = made.records()[-1]["id"]
        want = b"".join(b"X-%d: value %d\r\n" % (number, number) for number in range(10_000))
        equal(made.octets(last), want + b"X-Large: " + b"v" * 1_000_000 + b"\r\n\r\n", "headers in the journal")
        self.unharmed(made, 3)

    def fifty_thousand_recipients(self):
        """Fifty messages with a thousand each, over five connections at once."""
        made = self.filter()
        failures = []

        def send(connection):
            try:
                with Connection(made.socket_path) as one:
                    for number in range(10):
                        one.mail(f"s{connection}.{number}@example.org")
                        for rcpt in range(1000):
                            one.rcpt(f"r{rcpt}@example.net")
                        one.say(b"N")
                        one.body(b"To all.\r\n")
                        equal(one.end().code, 250, "reply")
                    one.quit()
            except Exception as error:  # told by the main thread
                failures.append(error)

        threads = [threading.Thread(target=send, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        expect(not failures, f"{failures}")
        records = made.records()
        equal([len(record["recipients"]) for record in records], [1000] * 50, "recipients of each")
        note(f"recipients: 50 messages, {sum(len(record['recipients']) for record in records)} recipients in the journal")
        self.unharmed(made, 50)

    # what must hold after each

    def unharmed(self, made, records=0):
        """The next message passes, nothing is left open, all is whole, and a stop is in order."""
        passes(made)
        wait_for(lambda: no_session(made), 30, "the connections to be let go of")
        wait_for(lambda: not made.stages_left(), 10, f"stages: {made.stages_left()}")
        equal(len(made.records()), records + 1, "records in the journal")
        status, said = made.verify()
        equal(status, 0, f"status of verify, which said {said}")
        made.stop()
        expect(not made.sanitizer_report(), made.sanitizer_report())

    def control(self):
        """A filter that says yes and keeps nothing: the comparison has to see it."""
        made = self.filter()
        made.stop()
        nothing = self.lab.spawn([str(build_dir() / "tests" / "bench" / "filter-nothing"), "-n", "-s",
                                  f"unix:{made.socket_path}"], self.lab.dir / "nothing.log")
        self.lab.defer(nothing.kill)       # libmilter takes seconds over SIGTERM
        wait_for(lambda: is_listening(made.socket_path), 10, "the filter to listen")
        try:
            self.bodies(made)
        except Failure as failure:
            expect(str(failure).startswith("records: got 0"), f"another failure: {failure}")
        else:
            raise Failure("a filter that keeps nothing was not seen")


def talk(made, words):
    """Says them on a connection of its own.  Returns how often an end of message was answered yes, and no."""
    yes = no = 0
    with raw(made) as one:
        replies = Replies(one)
        try:
            one.sendall(NEGOTIATION)
            replies.next()
            for word in words:
                one.sendall(word)
                if word in ANSWERED:
                    answer = replies.next()
                    while answer == b"p":
                        answer = replies.next()
                    yes += word == END and answer == b"c"
                    no += word == END and answer in (b"y", b"t")
        except (BrokenPipeError, ConnectionResetError, EOFError):
            pass              # an order that libmilter ends the connection for
    return yes, no


class Replies:
    def __init__(self, one):
        self.one = one
        self.one.settimeout(0.5)

    def next(self):
        """The next packet's command; EOFError where the filter has gone.

        Some commands out of order libmilter passes over.  One that is not answered soon is the last
        that is said, so that a late answer is never taken for that to another."""
        size = struct.unpack(">I", self._read(4))[0]
        return self._read(size)[:1]

    def _read(self, size):
        data = b""
        while len(data) < size:
            try:
                part = self.one.recv(size - len(data))
            except TimeoutError:
                self.one.shutdown(socket.SHUT_WR)
                self.one.settimeout(60)
                continue
            if not part:
                raise EOFError
            data += part
        return data


def passes(made):
    with Connection(made.socket_path) as one:
        reply, stage = one.message(b"ordinary\r\n")
        equal(reply.code, 250, f"reply to {stage} of an ordinary message: {reply}")
        one.quit()


def no_session(made):
    return sum(target.startswith("socket:") for target in made.open_files()) <= 1


def note(text):
    print(f"# {text}", flush=True)


def main():
    lab.raise_on_signals()
    with Lab("hostile") as place:
        strangers = Strangers(place)
        cases = [("control: a filter that keeps nothing is seen", strangers.control),
                 ("garbage", strangers.garbage),
                 ("half packets", strangers.half_packets),
                 ("absurd lengths", strangers.absurd_lengths),
                 ("commands in any order", strangers.wrong_order),
                 ("a peer that says an octet at a time", strangers.slow_peer),
                 ("a peer that never reads", strangers.deaf_peer),
                 ("health checks that connect and leave", strangers.health_checks),
                 ("a thousand connections at once", strangers.thousand),
                 ("bodies with dots, bare CR and LF, and NULs", strangers.bodies),
                 ("messages that hold records and marks", strangers.forged_records),
                 ("100 MB, 10,000 headers, a header of 1 MB", strangers.large),
                 ("50,000 recipients", strangers.fifty_thousand_recipients)]
        return tap.main(cases)


if __name__ == "__main__":
    sys.exit(main())
