# fuzz: made on demand.  A fuzz-NAME needs clang and a tree configured with
# --enable-sanitizer=address,undefined,fuzzer-no-link; a replay-NAME runs the
# same target on files in any tree.
EXTRA_PROGRAMS += tests/fuzz/fuzz-log tests/fuzz/replay-log

tests_fuzz_fuzz_log_SOURCES = tests/fuzz/fuzz-log.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_log_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_log_LDADD = $(AUDIT_LIBS)
tests_fuzz_replay_log_SOURCES = tests/fuzz/fuzz-log.c tests/fuzz/replay.c tests/fuzz/fuzz.h
tests_fuzz_replay_log_LDADD = $(AUDIT_LIBS)
