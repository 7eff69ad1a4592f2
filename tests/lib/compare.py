"""compare.py - what was sent, journaled and delivered, octet by octet

The journal has to hold what the next host got, but for what the MTA does to
a message after the filter: it puts its Received header above it, and Sendmail
also adds missing headers and lays the address headers out anew.
"""
from .tap import Failure, expect, shorten


def split(octets):
    """The header with its line ends, and the body; the empty line belongs to neither."""
    if octets.startswith(b"\r\n"):
        return b"", octets[2:]
    header, found, body = octets.partition(b"\r\n\r\n")
    return (header + b"\r\n" if found else header), body


def fields(header):
    """The header's fields, each with its folded lines and line ends."""
    parts = []
    for line in header.split(b"\r\n")[:-1]:
        if line[:1] in (b" ", b"\t") and parts:
            parts[-1] += line + b"\r\n"
        else:
            parts.append(line + b"\r\n")
    return parts


def first_field(octets):
    """The first header field of a message, where the last MTA says what it called it."""
    return next(iter(fields(split(octets)[0])), b"")


def same_octets(got, want, what):
    if got == want:
        return
    at = next((n for n, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    around = slice(max(0, at - 40), at + 40)
    raise Failure(f"{what}: {len(got)} octets, want {len(want)}; they part at octet {at}: "
                  f"{shorten(got[around])}, want {shorten(want[around])}")


def strip_received(delivered):
    """A delivered message without the Received header that the MTA put above it."""
    header, body = split(delivered)
    first, *rest = fields(header)
    expect(first.startswith(b"Received: "), f"the MTA's own Received header is not first: {shorten(first)}")
    return b"".join(rest) + b"\r\n" + body


def journal_is_delivery(journaled, delivered, mta):
    """The copy is what the next host got, but for what this MTA adds or folds."""
    arrived = strip_received(delivered)
    if mta.name == "postfix":
        same_octets(journaled, arrived, "journal against delivery")
        return
    kept_header, kept_body = split(journaled)
    come_header, come_body = split(arrived)
    same_octets(kept_body, come_body, "journaled body against delivered body")
    come = [_unfold(field) for field in fields(come_header)]
    for field in map(_unfold, fields(kept_header)):
        expect(field in come, f"journaled header {shorten(field)} was not delivered")
        come.remove(field)
    added = {field.partition(b":")[0] for field in come}
    expect(added <= {b"Date", b"From", b"Message-Id", b"Message-ID"}, f"delivered and not journaled: {come}")


def _unfold(field):
    """A field with every run of blanks and line ends as one blank, for an MTA that lays headers out anew."""
    name, _, value = field.partition(b":")
    return name + b": " + b" ".join(value.split())
