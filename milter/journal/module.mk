# journal: records, segments, the writer and the readers; uses base
noinst_LIBRARIES += milter/journal/libjournal.a
milter_journal_libjournal_a_SOURCES = \
	milter/journal/act.c milter/journal/act.h \
	milter/journal/acts.c milter/journal/acts.h \
	milter/journal/carried.c milter/journal/carried.h \
	milter/journal/commit.c milter/journal/commit.h \
	milter/journal/digest.c milter/journal/digest.h \
	milter/journal/directory.c milter/journal/directory.h \
	milter/journal/ground.c milter/journal/ground.h \
	milter/journal/group.c milter/journal/group.h \
	milter/journal/journal.c milter/journal/journal.h \
	milter/journal/keeper.c milter/journal/keeper.h \
	milter/journal/place.c milter/journal/place.h \
	milter/journal/reader.c milter/journal/reader.h \
	milter/journal/readers.c milter/journal/readers.h \
	milter/journal/record.h milter/journal/record-read.c milter/journal/record-write.c \
	milter/journal/recover.c milter/journal/recover.h \
	milter/journal/reserve.c milter/journal/reserve.h \
	milter/journal/segment.c milter/journal/segment.h \
	milter/journal/space.c milter/journal/space.h \
	milter/journal/spare.c milter/journal/spare.h \
	milter/journal/statement.c milter/journal/statement.h \
	milter/journal/syncer.c milter/journal/syncer.h \
	milter/journal/trim.c milter/journal/trim.h \
	milter/journal/trimmed.c milter/journal/trimmed.h \
	milter/journal/usage.c milter/journal/usage.h \
	milter/journal/view.c milter/journal/view.h \
	milter/journal/who.c milter/journal/who.h \
	milter/journal/window.c milter/journal/window.h \
	milter/journal/wire.c milter/journal/wire.h \
	milter/journal/writer.c milter/journal/writer.h
JOURNAL_LIBS = milter/journal/libjournal.a $(CRYPTO_LIBS) $(BASE_LIBS)
