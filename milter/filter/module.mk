# filter: holdfast-milter; uses journal and base
#
# All but main lies in a library, so that tests can call it.
noinst_LIBRARIES += milter/filter/libfilter.a
milter_filter_libfilter_a_SOURCES = \
	milter/filter/answer.c milter/filter/answer.h \
	milter/filter/callbacks.c milter/filter/callbacks.h \
	milter/filter/filter.c milter/filter/filter.h \
	milter/filter/gauge.c milter/filter/gauge.h \
	milter/filter/listen.c milter/filter/listen.h \
	milter/filter/nudge.c milter/filter/nudge.h \
	milter/filter/pressure.c milter/filter/pressure.h \
	milter/filter/privilege.c milter/filter/privilege.h \
	milter/filter/reservation.c milter/filter/reservation.h \
	milter/filter/stage.c milter/filter/stage.h \
	milter/filter/transaction.c milter/filter/transaction.h
FILTER_LIBS = milter/filter/libfilter.a $(JOURNAL_LIBS) $(MILTER_LIBS)

sbin_PROGRAMS += milter/holdfast-milter
milter_holdfast_milter_SOURCES = milter/filter/holdfast-milter.c
milter_holdfast_milter_LDADD = $(FILTER_LIBS)
