# fuzz: targets that read what strangers write; README tells how to run them long
#
# A fuzz-NAME is made on demand in a tree configured with --enable-fuzz, by
# clang.  A replay-NAME runs the same target on files, in any tree; make check
# gives it the files of seeds/NAME.
EXTRA_PROGRAMS += tests/fuzz/fuzz-log tests/fuzz/fuzz-callbacks

tests_fuzz_fuzz_log_SOURCES = tests/fuzz/fuzz-log.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_log_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_log_LDADD = $(AUDIT_LIBS)
check_PROGRAMS += tests/fuzz/replay-log
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

# The journal's reader, over a file in memory.
FUZZ_RECORD = tests/fuzz/fuzz-record.c tests/fuzz/fuzz.h tests/fuzz/bake.c tests/fuzz/bake.h \
	tests/fuzz/rules.c tests/fuzz/rules.h
EXTRA_PROGRAMS += tests/fuzz/fuzz-record tests/fuzz/fuzz-config
tests_fuzz_fuzz_record_SOURCES = $(FUZZ_RECORD)
tests_fuzz_fuzz_record_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_record_LDADD = $(JOURNAL_LIBS)
check_PROGRAMS += tests/fuzz/replay-record tests/fuzz/replay-config
tests_fuzz_replay_record_SOURCES = $(FUZZ_RECORD) tests/fuzz/replay.c
tests_fuzz_replay_record_LDADD = $(JOURNAL_LIBS)

tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz-config.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_config_LDADD = $(BASE_LIBS)
tests_fuzz_replay_config_SOURCES = tests/fuzz/fuzz-config.c tests/fuzz/replay.c tests/fuzz/fuzz.h
tests_fuzz_replay_config_LDADD = $(BASE_LIBS)

TESTS += tests/fuzz/replay-callbacks tests/fuzz/replay-config tests/fuzz/replay-log \
	tests/fuzz/replay-record tests/fuzz/test-control.sh
dist_check_SCRIPTS += tests/fuzz/test-control.sh
EXTRA_DIST += tests/fuzz/README tests/fuzz/brief.py tests/fuzz/callbacks.dict tests/fuzz/config.dict \
	tests/fuzz/record.dict tests/fuzz/seeds
