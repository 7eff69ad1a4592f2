"""segment.py - segments of a journal, written by the text of doc/FORMAT alone

For tests that need records which no filter would write when asked: damaged
ones, void ones, ones with any envelope.  Because it shares no line with the
C code, `holdfast verify` on what it writes holds both against the format.
"""
import datetime
import hashlib
import itertools
import re

BLOCK = 4096
CARRIED_FIRST = 1000000000000001  # the first segment of carried/
LINE_LIMIT = 509  # octets of a NOOP line without its CRLF
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Yesterday: what is open for days is settled otherwise, and tests are run for years.
BIRTH = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)).replace(hour=20, minute=18, second=5,
                                                                                          microsecond=0)

_numbers = itertools.count(1)


def new_id():
    """An id that sorts behind all made before it."""
    number, text = next(_numbers), ""
    for _ in range(16):
        number, digit = divmod(number, 32)
        text = ALPHABET[digit] + text
    return "01ARZ3NDEK" + text


def xtext(value):
    octets = value if isinstance(value, bytes) else str(value).encode()
    return re.sub(rb"[^!-*,-<>-~]", lambda found: b"+%02X" % found[0][0], octets)


def statement(kind, **keys):
    """A statement, with continuation lines where it is long; values of None are left out."""
    lines = [b"NOOP holdfast-" + kind.encode()]
    for key, value in keys.items():
        if value is None:
            continue
        rest, word = xtext(value), key.encode() + b"="
        while True:
            if len(lines[-1]) + 1 + len(word) + min(len(rest), 100) > LINE_LIMIT:
                lines.append(b"NOOP holdfast-more")
            cut = LINE_LIMIT - len(lines[-1]) - 1 - len(word)
            if len(rest) > cut:  # no +HH is torn apart
                cut -= next((back for back in (1, 2) if rest[cut - back:cut - back + 1] == b"+"), 0)
            lines[-1] += b" " + word + rest[:cut]
            rest, word = rest[cut:], key.encode() + b"+="
            if not rest:
                break
    return b"".join(line + b"\r\n" for line in lines)


def alone(kind, **keys):
    text = statement(kind, **keys)
    return text + f"NOOP holdfast-more digest={hashlib.sha256(text).hexdigest()}\r\n".encode()


def stuffed(octets):
    """The message as it stands behind DATA, CRLF at its end."""
    text = re.sub(rb"(\A|\r\n)\.", rb"\1..", octets)
    return text if text == b"" or text.endswith(b"\r\n") else text + b"\r\n"


def moment(seconds=0):
    return BIRTH + datetime.timedelta(seconds=seconds)


def time_text(seconds=0):
    return moment(seconds).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def path_line(path):
    """A recipient's line in a record."""
    if isinstance(path, str):
        return f"RCPT TO:{path}\r\n".encode("utf-8", "surrogateescape")
    argument, state, outcome = path
    return statement("settled", rcpt=argument, state=state, outcome=outcome, at=time_text())


class Segment:
    def __init__(self, seq, before=None):
        """before: the segment before this one, which must be complete."""
        self.seq = seq
        self.nonce = hashlib.sha256(b"nonce %d" % seq).hexdigest()[:32]
        self.chain = before.chain if before else None
        self.ids = []
        keys = {"v": 1, "host": "mx.example.org", "seq": seq, "nonce": self.nonce, "created": time_text(),
                "previous": before.chain.hex() if before and before.chain else "none"}
        if seq >= CARRIED_FIRST:
            keys["carried"] = 1
        if before:
            keys |= {"previous_seq": before.seq, "previous_nonce": before.nonce, "previous_synced": len(before.octets)}
        self.octets = bytearray(alone("segment", **keys))
        self._pad()

    @property
    def name(self):
        return f"{self.seq:010}.bsmtp"

    def _pad(self):
        gap = -len(self.octets) % BLOCK
        if 0 < gap < 6:
            gap += BLOCK
        while gap:
            size = min(gap, 72)
            if 0 < gap - size < 6:
                size -= 6
            self.octets += (b"NOOP\r\n" if size == 6 else b"NOOP " + b"-" * (size - 7) + b"\r\n")
            gap -= size

    def message(self, octets, sender="<sender@example.org>", recipients=("<recipient@example.net>",), at=0, queue=None,
                identity=None):
        """A record.  Sender and recipients are arguments of MAIL and RCPT; (argument, state, outcome) is a recipient
        that was settled when the record was carried forward.  Returns its id."""
        identity, wire = identity or new_id(), stuffed(octets)
        lines = [path_line(path) for path in recipients]
        text = statement("message", nonce=self.nonce, id=identity, at=time_text(at), queue=queue, bytes=len(octets),
                         wire=len(wire), rcpts=sum(line.startswith(b"RCPT") for line in lines), group=len(self.octets) // BLOCK)
        text += f"MAIL FROM:{sender}\r\n".encode("utf-8", "surrogateescape")
        text += b"".join(lines) + b"DATA\r\n"
        salt = hashlib.sha256(identity.encode()).digest()[:16]
        envelope, message = hashlib.sha256(text + salt), hashlib.sha256(octets + salt)
        self.chain = hashlib.sha256((self.chain or bytes(32)) + envelope.digest() + message.digest()).digest()
        self.octets += text + wire + b".\r\n"
        self.octets += statement_line("seal", nonce=self.nonce, id=identity, salt=salt.hex(), message=message.hexdigest(),
                                      envelope=envelope.hexdigest(), chain=self.chain.hex())
        self._pad()
        self.ids.append(identity)
        return identity

    def void(self, identity, seq=None):
        """The mark that a message, in this segment or in segment seq, was tempfailed."""
        self.octets += alone("void", nonce=self.nonce, id=identity, segment=seq or self.seq, at=time_text(1),
                             reason="commit limit passed")
        self._pad()

    def damage(self, identity, place=b"\r\n\r\n"):
        """Turns one bit of a message over, in the octet behind the first place in it."""
        at = self.octets.index(place, self.octets.index(b" id=" + identity.encode()))
        self.octets[at + len(place)] ^= 1

    def end(self):
        self.octets += alone("end", nonce=self.nonce, seq=self.seq)
        self._pad()

    def save(self, directory, size=0):
        """Writes the file, with NULs up to a size."""
        directory.mkdir(exist_ok=True)
        path = directory / self.name
        path.write_bytes(self.octets.ljust(size, b"\0"))
        return path


def statement_line(kind, **keys):
    """A statement that is one line whatever its length, as a seal is."""
    words = b"".join(b" %s=%s" % (key.encode(), xtext(value)) for key, value in keys.items())
    return b"NOOP holdfast-" + kind.encode() + words + b"\r\n"


def messages(directory):
    """The octets of each message in a journal's segments, in order, void or not; nothing is verified."""
    return (octets for _, octets, _ in records(directory))


def records(directory):
    """(id, octets of the message, octets of the record up to its seal's chain) of each."""
    for path in sorted(directory.glob("*.bsmtp")):
        text, at = path.read_bytes(), 0
        while at < len(text):
            if not text.startswith(b"NOOP holdfast-message ", at):
                at = text.find(b"\n", at) + 1 or len(text)
                continue
            begins = text.index(b"\r\nDATA\r\n", at) + len(b"\r\nDATA\r\n")
            identity, size, wire = (re.search(rb" %s=(\w+)" % key, text[at:begins]).group(1) for key in (b"id", b"bytes", b"wire"))
            ends = begins + int(wire)
            octets = re.sub(rb"(\A|\r\n)\.", rb"\1", text[begins:ends])[:int(size)]
            yield identity.decode(), octets, text[at:text.index(b" chain=", ends)]
            at = ends
