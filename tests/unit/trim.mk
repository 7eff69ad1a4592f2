# unit tests of acts, trimming and what the command writes
UNIT_TESTS += \
	tests/unit/test-acts \
	tests/unit/test-mbox \
	tests/unit/test-output \
	tests/unit/test-trim

tests_unit_test_acts_SOURCES = tests/unit/test-acts.c
tests_unit_test_acts_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_mbox_SOURCES = tests/unit/test-mbox.c
tests_unit_test_mbox_LDADD = $(UNIT_CUNIT) milter/command/libcommand.a $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_output_SOURCES = tests/unit/test-output.c
tests_unit_test_output_LDADD = $(UNIT_CUNIT) milter/command/libcommand.a $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_trim_SOURCES = tests/unit/test-trim.c
tests_unit_test_trim_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
