# fuzz: targets that read what strangers write; README tells how to run them long
#
# Every target is also built with replay.c in place of libFuzzer, by any
# compiler: make check runs its seeds.  To add one: its replay and its fuzz
# program, and seeds/NAME.
tests_fuzz_callbacks = tests/fuzz/fuzz-callbacks.c \
	tests/fuzz/expected.c tests/fuzz/expected.h \
	tests/fuzz/fake-libmilter.c tests/fuzz/fake-libmilter.h \
	tests/fuzz/newest.c tests/fuzz/newest.h

check_PROGRAMS += tests/fuzz/replay-callbacks
TESTS += tests/fuzz/replay-callbacks tests/fuzz/test-control.sh
dist_check_SCRIPTS += tests/fuzz/test-control.sh
tests_fuzz_replay_callbacks_SOURCES = $(tests_fuzz_callbacks) tests/fuzz/replay.c
tests_fuzz_replay_callbacks_LDADD = milter/filter/libfilter.a $(JOURNAL_LIBS)

check_PROGRAMS += tests/fuzz/replay-log
tests_fuzz_replay_log_SOURCES = tests/fuzz/fuzz-log.c tests/fuzz/replay.c tests/fuzz/fuzz.h
tests_fuzz_replay_log_LDADD = $(AUDIT_LIBS) $(BASE_LIBS)

if FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-callbacks tests/fuzz/fuzz-log
tests_fuzz_fuzz_log_SOURCES = tests/fuzz/fuzz-log.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_log_LDADD = $(AUDIT_LIBS) $(BASE_LIBS)
tests_fuzz_fuzz_log_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_callbacks_SOURCES = $(tests_fuzz_callbacks)
tests_fuzz_fuzz_callbacks_LDADD = milter/filter/libfilter.a $(JOURNAL_LIBS)
tests_fuzz_fuzz_callbacks_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += tests/fuzz/README tests/fuzz/callbacks.dict tests/fuzz/seeds
