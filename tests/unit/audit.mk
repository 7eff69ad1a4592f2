# the durable half of the books: following, the daybook, the ledger, the queue
AUDIT_TESTS = \
	tests/unit/test-accounts \
	tests/unit/test-daybook \
	tests/unit/test-follow \
	tests/unit/test-journald \
	tests/unit/test-queue \
	tests/unit/test-restore-lines \
	tests/unit/test-scrub

tests_unit_test_accounts_SOURCES = tests/unit/test-accounts.c
tests_unit_test_accounts_LDADD = $(UNIT_CUNIT) $(AUDIT_LIBS)
tests_unit_test_daybook_SOURCES = tests/unit/test-daybook.c
tests_unit_test_daybook_LDADD = $(UNIT_CUNIT) $(LEDGER_LIBS)
tests_unit_test_follow_SOURCES = tests/unit/test-follow.c
tests_unit_test_follow_LDADD = $(UNIT_CUNIT) $(AUDIT_LIBS)
tests_unit_test_journald_SOURCES = tests/unit/test-journald.c
tests_unit_test_journald_LDADD = $(UNIT_CUNIT) $(AUDIT_LIBS)
tests_unit_test_queue_SOURCES = tests/unit/test-queue.c
tests_unit_test_queue_LDADD = $(UNIT_CUNIT) $(AUDIT_LIBS)
tests_unit_test_restore_lines_SOURCES = tests/unit/test-restore-lines.c
tests_unit_test_restore_lines_LDADD = $(UNIT_CUNIT) $(AUDIT_LIBS)
tests_unit_test_scrub_SOURCES = tests/unit/test-scrub.c
tests_unit_test_scrub_LDADD = $(UNIT_KIT) $(UNIT_CUNIT) $(AUDIT_LIBS)

if HAVE_CUNIT
check_PROGRAMS += $(AUDIT_TESTS)
TESTS += $(AUDIT_TESTS)
endif
