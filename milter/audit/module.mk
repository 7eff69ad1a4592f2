# audit: log lines to fates; uses ledger, journal and base
noinst_LIBRARIES += milter/audit/libaudit.a
milter_audit_libaudit_a_SOURCES = \
	milter/audit/begin.c \
	milter/audit/books.c milter/audit/books.h milter/audit/books-private.h \
	milter/audit/describe.c milter/audit/describe.h \
	milter/audit/entry.c \
	milter/audit/fate.c milter/audit/fate.h \
	milter/audit/gap.c milter/audit/gap.h \
	milter/audit/gaps.c milter/audit/gaps.h \
	milter/audit/intake.c milter/audit/intake.h \
	milter/audit/line.c milter/audit/line.h \
	milter/audit/links.c \
	milter/audit/logevent.c milter/audit/logevent.h \
	milter/audit/message.c milter/audit/message.h \
	milter/audit/operator.c \
	milter/audit/postfix.c milter/audit/postfix.h \
	milter/audit/postfix-policy.c milter/audit/postfix-policy.h \
	milter/audit/postfix-result.c milter/audit/postfix-result.h \
	milter/audit/reply.c milter/audit/reply.h \
	milter/audit/result.c \
	milter/audit/sendmail.c milter/audit/sendmail.h \
	milter/audit/sendmail-result.c milter/audit/sendmail-result.h \
	milter/audit/session.c \
	milter/audit/slice.h \
	milter/audit/slot.c milter/audit/slot.h \
	milter/audit/source.c milter/audit/source.h \
	milter/audit/verdict.c milter/audit/verdict.h
AUDIT_LIBS = milter/audit/libaudit.a $(ZLIB_LIBS) $(LZMA_LIBS) $(BASE_LIBS)
