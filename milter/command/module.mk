# command: holdfast, one file a verb
noinst_LIBRARIES += milter/command/libcommand.a
milter_command_libcommand_a_SOURCES = \
	milter/command/audit.c milter/command/audit.h \
	milter/command/audit-json.c \
	milter/command/audit-report.c \
	milter/command/balance.c \
	milter/command/explain.c milter/command/explain.h \
	milter/command/explain-case.c \
	milter/command/export.c \
	milter/command/fates.c milter/command/fates.h \
	milter/command/forecast.c milter/command/forecast.h \
	milter/command/json.c milter/command/json.h \
	milter/command/list.c \
	milter/command/list-unjournaled.c milter/command/list-unjournaled.h \
	milter/command/mbox.c milter/command/mbox.h \
	milter/command/output.c milter/command/output.h \
	milter/command/row.c milter/command/row.h \
	milter/command/select.c milter/command/select.h \
	milter/command/settle.c \
	milter/command/show.c \
	milter/command/state.c milter/command/state.h \
	milter/command/status.c \
	milter/command/status-look.c milter/command/status-look.h \
	milter/command/status-need.c milter/command/status-need.h \
	milter/command/terminal.c milter/command/terminal.h \
	milter/command/text.c milter/command/text.h \
	milter/command/trim.c \
	milter/command/verbs.h \
	milter/command/verify.c

bin_PROGRAMS += milter/holdfast
milter_holdfast_SOURCES = milter/command/holdfast.c
milter_holdfast_LDADD = milter/command/libcommand.a $(AUDIT_LIBS) $(JOURNAL_LIBS)
