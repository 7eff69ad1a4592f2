# audit: log lines to fates; uses ledger, journal and base
noinst_LIBRARIES += milter/audit/libaudit.a
milter_audit_libaudit_a_SOURCES = \
	milter/audit/accounts.c milter/audit/accounts.h milter/audit/accounts-private.h \
	milter/audit/acts-intake.c milter/audit/acts-intake.h \
	milter/audit/auditor.c milter/audit/auditor.h \
	milter/audit/begin.c \
	milter/audit/books.c milter/audit/books.h milter/audit/books-private.h \
	milter/audit/clockwatch.c milter/audit/clockwatch.h \
	milter/audit/describe.c milter/audit/describe.h \
	milter/audit/entry.c \
	milter/audit/envelope.c \
	milter/audit/fate.c milter/audit/fate.h \
	milter/audit/follow.c milter/audit/follow.h \
	milter/audit/follow-journald.c milter/audit/follow-journald.h \
	milter/audit/gap.c milter/audit/gap.h \
	milter/audit/gaps.c milter/audit/gaps.h \
	milter/audit/instance.c \
	milter/audit/intake.c milter/audit/intake.h \
	milter/audit/judge.c \
	milter/audit/judge-leg.c milter/audit/judge-private.h milter/audit/judge-rewritten.c milter/audit/judge-slot.c \
	milter/audit/line.c milter/audit/line.h \
	milter/audit/links.c \
	milter/audit/logevent.c milter/audit/logevent.h \
	milter/audit/message.c milter/audit/message.h \
	milter/audit/operator.c \
	milter/audit/part.c milter/audit/part.h \
	milter/audit/postfix.c milter/audit/postfix.h \
	milter/audit/postfix-policy.c milter/audit/postfix-policy.h \
	milter/audit/postfix-result.c milter/audit/postfix-result.h \
	milter/audit/presence.c milter/audit/presence.h \
	milter/audit/queue.c milter/audit/queue.h \
	milter/audit/reply.c milter/audit/reply.h \
	milter/audit/restore.c \
	milter/audit/restore-lines.c milter/audit/restore-lines.h \
	milter/audit/result.c \
	milter/audit/rotated.c milter/audit/rotated.h \
	milter/audit/scrub.c milter/audit/scrub.h \
	milter/audit/scrub-note.c milter/audit/scrub-note.h \
	milter/audit/scrub-segment.c milter/audit/scrub-segment.h \
	milter/audit/segments.c milter/audit/segments.h \
	milter/audit/sendmail.c milter/audit/sendmail.h \
	milter/audit/sendmail-result.c milter/audit/sendmail-result.h \
	milter/audit/session.c \
	milter/audit/slice.h \
	milter/audit/slot.c milter/audit/slot.h \
	milter/audit/source.c milter/audit/source.h \
	milter/audit/standing.c milter/audit/standing.h \
	milter/audit/sums.c \
	milter/audit/trimming.c milter/audit/trimming.h milter/audit/trimming-private.h \
	milter/audit/trimming-carry.c \
	milter/audit/trimming-choose.c \
	milter/audit/verdict.c milter/audit/verdict.h \
	milter/audit/visits.c
AUDIT_LIBS = milter/audit/libaudit.a $(ZLIB_LIBS) $(LZMA_LIBS) $(JSON_LIBS) $(LEDGER_LIBS)

sbin_PROGRAMS += milter/holdfast-auditor
milter_holdfast_auditor_SOURCES = milter/audit/holdfast-auditor.c
milter_holdfast_auditor_LDADD = $(AUDIT_LIBS)
