# fuzz: targets that read what strangers write; README tells how to run them long
#
# A fuzz-NAME is made on demand in a tree configured with --enable-fuzz, by
# clang.  A replay-NAME runs the same target on files, in any tree; make check
# gives it the files of seeds/NAME.
EXTRA_PROGRAMS += tests/fuzz/fuzz-log tests/fuzz/fuzz-callbacks tests/fuzz/replay-log

tests_fuzz_fuzz_log_SOURCES = tests/fuzz/fuzz-log.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_log_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_log_LDADD = $(AUDIT_LIBS)
tests_fuzz_replay_log_SOURCES = tests/fuzz/fuzz-log.c tests/fuzz/replay.c tests/fuzz/fuzz.h
tests_fuzz_replay_log_LDADD = $(AUDIT_LIBS)

# Without libmilter: the test is in its place.
FUZZ_CALLBACKS = tests/fuzz/fuzz-callbacks.c tests/fuzz/fuzz.h \
	tests/fuzz/expected.c tests/fuzz/expected.h \
	tests/fuzz/fake-libmilter.c tests/fuzz/fake-libmilter.h \
	tests/fuzz/newest.c tests/fuzz/newest.h
FUZZ_CALLBACKS_LIBS = milter/filter/libfilter.a $(JOURNAL_LIBS)

tests_fuzz_fuzz_callbacks_SOURCES = $(FUZZ_CALLBACKS)
tests_fuzz_fuzz_callbacks_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_callbacks_LDADD = $(FUZZ_CALLBACKS_LIBS)
check_PROGRAMS += tests/fuzz/replay-callbacks
tests_fuzz_replay_callbacks_SOURCES = $(FUZZ_CALLBACKS) tests/fuzz/replay.c
tests_fuzz_replay_callbacks_LDADD = $(FUZZ_CALLBACKS_LIBS)

TESTS += tests/fuzz/replay-callbacks tests/fuzz/test-control.sh
dist_check_SCRIPTS += tests/fuzz/test-control.sh
EXTRA_DIST += tests/fuzz/README tests/fuzz/callbacks.dict tests/fuzz/seeds
