# bench: how fast, and against what; see tests/bench/run
noinst_PROGRAMS += tests/bench/drive tests/bench/filter-nothing tests/bench/limit

tests_bench_drive_SOURCES = tests/bench/drive.c tests/bench/load.c tests/bench/load.h \
	tests/bench/script.c tests/bench/script.h
tests_bench_drive_LDADD = $(CLIENT_LIBS) $(JSON_LIBS)

tests_bench_filter_nothing_SOURCES = tests/bench/filter-nothing.c
tests_bench_filter_nothing_LDADD = $(MILTER_LIBS)

tests_bench_limit_SOURCES = tests/bench/limit.c
tests_bench_limit_LDADD = $(BASE_LIBS)

dist_check_SCRIPTS += tests/bench/test-drive
TESTS += tests/bench/test-drive
EXTRA_DIST += tests/bench/fake.py
