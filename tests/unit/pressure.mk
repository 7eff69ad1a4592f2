# unit tests of pressure, reservations and what the journal stands on
UNIT_TESTS += \
	tests/unit/test-gauge \
	tests/unit/test-ground \
	tests/unit/test-pressure \
	tests/unit/test-reservation

tests_unit_test_gauge_SOURCES = tests/unit/test-gauge.c
tests_unit_test_gauge_LDADD = $(UNIT_CUNIT) $(FILTER_LIBS)
tests_unit_test_ground_SOURCES = tests/unit/test-ground.c
tests_unit_test_ground_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_pressure_SOURCES = tests/unit/test-pressure.c
tests_unit_test_pressure_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(FILTER_LIBS)
tests_unit_test_reservation_SOURCES = tests/unit/test-reservation.c
tests_unit_test_reservation_LDADD = $(UNIT_CUNIT) $(FILTER_LIBS)
