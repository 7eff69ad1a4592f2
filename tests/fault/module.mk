# fault: what a fault, a crash or a power loss leaves behind; see doc/RELIABILITY
#
# A longer run: HOLDFAST_LONG=1 make check TESTS=tests/fault/test-sweep
FAULT_TESTS = \
	tests/fault/test-powerloss \
	tests/fault/test-stories \
	tests/fault/test-sweep \
	tests/fault/test-trimming
FAULT_LIBS = tests/fault/libfault.a $(CLIENT_LIBS) $(FILTER_LIBS) $(UNIT_CUNIT)

tests_fault_test_powerloss_SOURCES = tests/fault/powerloss.c
tests_fault_test_powerloss_LDADD = $(FAULT_LIBS)
tests_fault_test_stories_SOURCES = tests/fault/stories.c
tests_fault_test_stories_LDADD = $(FAULT_LIBS)
tests_fault_test_sweep_SOURCES = tests/fault/sweep.c
tests_fault_test_sweep_LDADD = $(FAULT_LIBS)
tests_fault_test_trimming_SOURCES = tests/fault/trimming.c tests/fault/history.c tests/fault/history.h
tests_fault_test_trimming_LDADD = tests/fault/libfault.a $(UNIT_CUNIT) $(UNIT_KIT) $(AUDIT_LIBS)

if HAVE_CUNIT
check_LIBRARIES += tests/fault/libfault.a
tests_fault_libfault_a_SOURCES = \
	tests/fault/case.c tests/fault/case.h \
	tests/fault/crew.c tests/fault/crew.h \
	tests/fault/defects.c tests/fault/defects.h \
	tests/fault/disk.c tests/fault/disk.h \
	tests/fault/fault-rows.c tests/fault/faults.c tests/fault/faults.h \
	tests/fault/inside.c tests/fault/inside.h \
	tests/fault/life.c tests/fault/life.h \
	tests/fault/mail.c tests/fault/mail.h \
	tests/fault/recorder.c tests/fault/recorder.h \
	tests/fault/scratch.c tests/fault/scratch.h
check_PROGRAMS += $(FAULT_TESTS)
TESTS += $(FAULT_TESTS)
endif
