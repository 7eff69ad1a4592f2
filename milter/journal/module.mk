# journal: records, segments, the writer and the readers; uses base
noinst_LIBRARIES += milter/journal/libjournal.a
milter_journal_libjournal_a_SOURCES =
JOURNAL_LIBS = milter/journal/libjournal.a $(CRYPTO_LIBS) $(BASE_LIBS)
