# ledger: the books on disk and the index over them; uses journal and base
noinst_LIBRARIES += milter/ledger/libledger.a
milter_ledger_libledger_a_SOURCES = \
	milter/ledger/daybook.c milter/ledger/daybook.h milter/ledger/daybook-private.h \
	milter/ledger/daybook-read.c \
	milter/ledger/fold.c \
	milter/ledger/ledger.c milter/ledger/ledger.h milter/ledger/ledger-private.h \
	milter/ledger/scribe.c milter/ledger/scribe.h \
	milter/ledger/scrub-position.c milter/ledger/scrub-position.h
nodist_milter_ledger_libledger_a_SOURCES = milter/ledger/schema-sql.h
LEDGER_LIBS = milter/ledger/libledger.a $(SQLITE_LIBS) $(JOURNAL_LIBS)

# the schema as a string of C
BUILT_SOURCES += milter/ledger/schema-sql.h
CLEANFILES += milter/ledger/schema-sql.h
EXTRA_DIST += milter/ledger/schema.sql
# for a make of single programs, which makes no BUILT_SOURCES first
milter/ledger/ledger.$(OBJEXT): milter/ledger/schema-sql.h
milter/ledger/schema-sql.h: $(srcdir)/milter/ledger/schema.sql
	$(AM_V_GEN)mkdir -p milter/ledger && { \
	  echo '/* made from schema.sql */'; echo 'static const char hf_schema_sql[] ='; \
	  sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^.*$$/  "&\\n"/' $(srcdir)/milter/ledger/schema.sql; \
	  echo '  ;'; } > $@.tmp && mv $@.tmp $@
