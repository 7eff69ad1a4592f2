"""postfixlog.py - what Postfix logs of a message, for tests that need no Postfix"""

SENT = "dsn=2.0.0, status=sent (250 2.0.0 Ok)"
DEFERRED = "dsn=4.3.0, status=deferred (host mx said: 451 later)"


def story(queue_id, fate=SENT, size=400):
    """(daemon, text) of each line, from the client to the removal; mail that is deferred is not removed."""
    lines = [("smtpd", f"{queue_id}: client=c[192.0.2.1]"),
             ("cleanup", f"{queue_id}: message-id=<{queue_id}@example.org>"),
             ("qmgr", f"{queue_id}: from=<sender@example.org>, size={size}, nrcpt=1 (queue active)"),
             ("smtp", f"{queue_id}: to=<recipient@example.net>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, {fate}")]
    return lines if fate == DEFERRED else [*lines, ("qmgr", f"{queue_id}: removed")]
