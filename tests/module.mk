# tests
# Deliberate defects, each of which its sanitizer must report: made on demand by tests/run.
EXTRA_PROGRAMS = tests/unit/control-leak tests/unit/control-race
tests_unit_control_leak_SOURCES = tests/unit/control-leak.c
tests_unit_control_race_SOURCES = tests/unit/control-race.c
CLEANFILES += $(EXTRA_PROGRAMS)
