# unit tests of what people are shown and asked, and of what is recorded of them
UNIT_TESTS += \
	tests/unit/test-forecast \
	tests/unit/test-terminal \
	tests/unit/test-text \
	tests/unit/test-usage \
	tests/unit/test-who

tests_unit_test_forecast_SOURCES = tests/unit/test-forecast.c
tests_unit_test_forecast_LDADD = $(UNIT_CUNIT) milter/command/libcommand.a $(JOURNAL_LIBS)
tests_unit_test_terminal_SOURCES = tests/unit/test-terminal.c
tests_unit_test_terminal_LDADD = $(UNIT_CUNIT) milter/command/libcommand.a $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_text_SOURCES = tests/unit/test-text.c
tests_unit_test_text_LDADD = $(UNIT_CUNIT) milter/command/libcommand.a $(JOURNAL_LIBS)
tests_unit_test_usage_SOURCES = tests/unit/test-usage.c
tests_unit_test_usage_LDADD = $(UNIT_CUNIT) $(JOURNAL_LIBS)
tests_unit_test_who_SOURCES = tests/unit/test-who.c
tests_unit_test_who_LDADD = $(UNIT_CUNIT) $(JOURNAL_LIBS)
