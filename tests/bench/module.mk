# bench: how fast, and against what; see tests/bench/run
noinst_PROGRAMS += tests/bench/drive tests/bench/filter-nothing tests/bench/journal tests/bench/limit \
	tests/bench/mail-log

tests_bench_drive_SOURCES = tests/bench/drive.c tests/bench/load.c tests/bench/load.h \
	tests/bench/script.c tests/bench/script.h
tests_bench_drive_LDADD = $(CLIENT_LIBS) $(JSON_LIBS)

tests_bench_filter_nothing_SOURCES = tests/bench/filter-nothing.c
tests_bench_filter_nothing_LDADD = $(MILTER_LIBS)

tests_bench_journal_SOURCES = tests/bench/journal.c tests/bench/feed.c tests/bench/feed.h
tests_bench_journal_LDADD = $(FILTER_LIBS)

tests_bench_mail_log_SOURCES = tests/bench/mail-log.c tests/bench/feed.c tests/bench/feed.h \
	tests/bench/wording.c tests/bench/wording.h
tests_bench_mail_log_LDADD = $(FILTER_LIBS)

tests_bench_limit_SOURCES = tests/bench/limit.c
tests_bench_limit_LDADD = $(BASE_LIBS)

dist_check_SCRIPTS += tests/bench/test-drive
TESTS += tests/bench/test-drive
EXTRA_DIST += tests/bench/fake.py

# Not part of make check: it takes a quarter of an hour and a machine with nothing else to do.
BENCH_RESULTS = bench-results
.PHONY: bench
bench: $(noinst_PROGRAMS) $(sbin_PROGRAMS)
	$(top_srcdir)/tests/bench/run --output $(BENCH_RESULTS) $(BENCH)
EXTRA_DIST += tests/bench/run tests/bench/measure.py tests/bench/measure_books.py \
	tests/bench/plot.py tests/bench/report.py tests/bench/subjects.py
