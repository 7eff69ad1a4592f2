"""lib - what the tests stand on: a private mail laboratory on loopback

lab        a scratch directory, ports and processes that end with it
tap        expectations and their report in the Test Anything Protocol
suite      runs the scenarios of a module on an MTA
build      configures and builds the tree, plain or with sanitizers
postfix    a private Postfix
sendmail   a private Sendmail, unpacked and not installed
sink       the next host: takes mail and keeps its octets
holdfast   the filter and the command under test
client     an SMTP client that says exactly what it is told to
segment    segments of a journal, written by the text of doc/FORMAT alone
messages   the set of messages that every path has to carry
compare    what was sent, journaled and delivered, octet by octet
storage    file systems that can be filled, frozen and broken
scenarios  the scenarios, each named once and run on both MTAs

Python's standard library only.
"""
