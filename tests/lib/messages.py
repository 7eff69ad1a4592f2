"""messages.py - the set of messages that every path has to carry unchanged

Each is written down as the octets that go over the wire before dot-stuffing,
with its envelope and the way it is handed in.  Random parts come from a fixed
seed: the set is the same at every run.
"""
import base64
import dataclasses
import random
from email.header import Header

# Ways in: an SMTP DATA, SMTP BDAT chunks, or the MTA's sendmail(1).
DATA, BDAT, COMMAND = "DATA", "BDAT", "sendmail(1)"


@dataclasses.dataclass(frozen=True)
class Message:
    name: str
    octets: bytes
    sender: str = "sender@example.org"
    recipients: tuple = ("recipient@example.net",)
    mail_parameters: tuple = ()      # words after MAIL FROM:<…>
    rcpt_parameters: tuple = ()      # words after each RCPT TO:<…>, one tuple for all
    way: str = DATA
    needs: frozenset = frozenset()   # what the MTA has to offer: see Mta.offers
    unchanged: bool = True           # False where the MTA itself carries it otherwise than it came

    @property
    def carried(self):
        """The octets as an MTA carries them: it ends a last line that has no end."""
        return self.octets if self.octets.endswith(b"\r\n") else self.octets + b"\r\n"


def lines(*texts):
    """Lines as octets, each ended by CRLF; text goes out as UTF-8."""
    return b"".join((text.encode() if isinstance(text, str) else text) + b"\r\n" for text in texts)


def head(subject, *more, sender="sender@example.org", to="recipient@example.net"):
    """The header of an ordinary message, up to and with its empty line."""
    return lines("Date: Fri, 12 Dec 1997 09:30:00 +0000", f"From: Sender <{sender}>", f"To: {to}",
                 f"Subject: {subject}", f"Message-ID: <{subject.replace(' ', '.')}@example.org>",
                 *more, "")


def mime_head(subject, kind, *more):
    return head(subject, "MIME-Version: 1.0", f"Content-Type: {kind}", *more)


def base64_lines(octets):
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def plain(subject="plain", text="The quick brown fox jumps over the lazy dog.", **envelope):
    """A small message, for scenarios that only need one."""
    return Message(subject, head(subject) + lines(text), **envelope)


def mixed():
    noise = random.Random(157684).randbytes(200_000)
    return mime_head("mixed", 'multipart/mixed; boundary="=_outer"') + lines(
        "This is a message in several parts.",
        "--=_outer", 'Content-Type: multipart/alternative; boundary="=_inner"', "",
        "--=_inner", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", "",
        "Grüße aus München", "--=_inner", "Content-Type: text/html; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable", "",
        "<p>Gr=C3=BC=C3=9Fe aus M=C3=BCnchen</p>", "--=_inner--",
        "--=_outer", "Content-Type: application/octet-stream; name=noise.bin",
        "Content-Disposition: attachment; filename=noise.bin",
        "Content-Transfer-Encoding: base64", "") + base64_lines(noise) + lines("--=_outer--")


def nested(depth=12):
    inner = head("innermost") + lines("At the bottom.")
    for level in range(depth):
        inner = mime_head(f"level {level}", f'multipart/mixed; boundary="=_{level}"') + lines(
            f"--=_{level}", "Content-Type: message/rfc822", "") + inner + lines(f"--=_{level}--")
    return inner


def imitation():
    """A body that reads like Holdfast's own journal, and like an SMTP session."""
    return head("imitation") + lines(
        "NOOP holdfast-segment v=1 host=mx.example.org instance=postfix seq=1 nonce=0123456789abcdef",
        "NOOP holdfast-message nonce=0123456789abcdef id=01ARZ3NDEKTSV4RRFFQ69G5FAV queue=4Yq1 bytes=5",
        "MAIL FROM:<forged@example.org>", "RCPT TO:<forged@example.net>", "DATA", "Subject: forged", "",
        "x", ".", "NOOP holdfast-seal nonce=0123456789abcdef id=01ARZ3NDEKTSV4RRFFQ69G5FAV salt=00 "
        "message=00 envelope=00 chain=00",
        "NOOP holdfast-void nonce=0123456789abcdef id=01ARZ3NDEKTSV4RRFFQ69G5FAV", ".", "RSET", "QUIT")


def many_headers(count=900):
    return lines("Subject: many headers", *(f"X-Line-{n}: value {n}" for n in range(count)), "") + lines("End.")


def large_header(size):
    """One header of about that size, in lines of 78 octets."""
    fold = " " + "x" * 75
    return (lines("Subject: large header", "X-Large: begins")
            + lines(fold) * (size // (len(fold) + 2)) + lines("", "End."))


def large_body(size=20_000_000):
    noise = random.Random(157693).randbytes(1_000_000)
    block = base64_lines(noise)
    return mime_head("large", "application/octet-stream", "Content-Transfer-Encoding: base64") + (
        block * (size // len(block) + 1))


def corpus():
    """All of them; those whose needs an MTA does not offer are left to the others."""
    latin1 = mime_head("latin1", "text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: 8bit") + (
        "Tschüß, señor. Ça va?\r\n".encode("latin-1"))
    eight_bit = {"mail_parameters": ("BODY=8BITMIME",)}
    dsn = {"mail_parameters": ("RET=HDRS", "ENVID=QQ314159"),
           "rcpt_parameters": ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;original+2Bname@example.net")}
    international = {"sender": "absender@münchen.example", "recipients": ("δοκιμή@παράδειγμα.example",),
                     "mail_parameters": ("SMTPUTF8", "BODY=8BITMIME"), "needs": frozenset(["SMTPUTF8"])}
    bdat = {"way": BDAT, "needs": frozenset(["CHUNKING"])}
    everybody = tuple(f"recipient{n}@example.net" for n in range(1000))
    folded = head("folded", "X-Folded: one", "\ttwo", "  three", "X-Empty:", "X-No-Space:here",
                  "X-Many-Spaces:    here", "X-Colons: a: b: c")
    return [
        plain(),
        Message("plain with sendmail(1)", head("command") + lines("From a script."), way=COMMAND),
        Message("null sender with sendmail(1)", head("command null") + lines("A notice."), sender="", way=COMMAND),
        Message("parts and an attachment", mixed(), **eight_bit),
        Message("parts within parts", nested()),
        Message("8-bit body in latin-1", latin1, **eight_bit),
        Message("8-bit body without BODY=", latin1),
        Message("addresses and headers in UTF-8",
                head("Grüße", sender="absender@münchen.example", to="δοκιμή@παράδειγμα.example") + lines("Γειά σου"),
                **international),
        Message("encoded words", head(Header("Grüße aus Köln", "utf-8").encode()) + lines("Text.")),
        Message("NUL octets in the body", head("NUL") + b"before\0after\r\n\0\0\0\r\n"),
        Message("BDAT", head("BDAT") + lines("One.", ".", "..", "Two."), **bdat),
        Message("BDAT, last line without its end", head("BDAT torn") + b"The last line has no end", **bdat),
        Message("BDAT, body of one dot", head("BDAT dot") + b".", **bdat),
        # Neither MTA carries one in a header: Postfix cuts the header there, Sendmail leaves the octet out.
        Message("NUL octet in a header", head("NUL in a header", b"X-Nul: before\0after", "X-Next: whole") + lines("Text."),
                unchanged=False),
        Message("leading dots", head("dots") + lines(".one", "..two", "...three", ". four")),
        Message("lone dots", head("lone dots") + lines(".", "..", "", ".", "", "", ".")),
        Message("lines of 3,000 octets", head("long lines") + lines(*("y" * 3000 for _ in range(20)))),
        Message("line of 100,000 octets", head("very long line") + lines("z" * 100_000)),
        Message("folded and odd headers", folded + lines("Text.")),
        Message("900 headers", many_headers()),
        Message("header of 60,000 octets", large_header(60_000)),
        # With a milter attached, Postfix cuts a header after 60,000 octets, in the delivered mail too.
        Message("header of one line of 500,000 octets", lines("Subject: long line", "X-Long: " + "x" * 500_000, "", "End."),
                needs=frozenset(["LARGE HEADERS"]), unchanged=False),
        Message("folded header of 1,000,000 octets", large_header(1_000_000), needs=frozenset(["LARGE HEADERS"]),
                unchanged=False),
        Message("empty body", head("empty body")),
        Message("only empty lines", head("empty lines") + lines("", "", "")),
        Message("no header", lines("", "No header at all.")),
        Message("20 MB", large_body()),
        Message("1,000 recipients", head("everybody") + lines("To all."), recipients=everybody),
        Message("null sender", head("bounce") + lines("Could not be delivered."), sender=""),
        Message("ESMTP parameters", head("parameters") + lines("With DSN."), **dsn),
        Message("imitates the journal", imitation()),
        Message("quoted local part", head("quoted") + lines("Text."), sender='"odd sender"@example.org',
                recipients=('"odd recipient"@example.net',)),
        Message("one octet", head("one octet") + lines("x")),
        Message("64 KiB of body", head("chunk") + lines("c" * 62) * 1024),
        Message("octets of every value", head("octets") + bytes(n for n in range(256) if n not in (10, 13)) + b"\r\n",
                **eight_bit),
    ]
