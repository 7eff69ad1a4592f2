# command: holdfast, one file a verb
noinst_LIBRARIES += milter/command/libcommand.a
milter_command_libcommand_a_SOURCES = \
	milter/command/audit.c milter/command/audit.h \
	milter/command/audit-json.c \
	milter/command/audit-report.c \
	milter/command/json.c milter/command/json.h \
	milter/command/list.c \
	milter/command/select.c milter/command/select.h \
	milter/command/show.c \
	milter/command/text.c milter/command/text.h \
	milter/command/verbs.h \
	milter/command/verify.c

bin_PROGRAMS += milter/holdfast
milter_holdfast_SOURCES = milter/command/holdfast.c
milter_holdfast_LDADD = milter/command/libcommand.a $(AUDIT_LIBS) $(JOURNAL_LIBS)
