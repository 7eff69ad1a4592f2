"""scenarios - each named once, and run on both MTAs by tests/postfix and tests/sendmail

delivery   what passes is in the journal as the next host got it (P1)
sessions   connections of every kind, and those that break off
answers    each 4xx: the client sees why, the log says it, nothing is left (P2, P3, P6)
faults     the spool goes away, hangs, and comes back (P1, P2)
life       start, stop, reload
crashes    the filter and the MTA killed under load (P1, P6, P7)
replay     a journal sent again with no Holdfast at hand
"""
