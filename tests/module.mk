# tests
include tests/unit/module.mk
include tests/client/module.mk
include tests/bench/module.mk
include tests/corpus/module.mk
include tests/fault/module.mk
# Deliberate defects, each of which its sanitizer must report: made on demand by tests/run.
EXTRA_PROGRAMS = tests/unit/control-leak tests/unit/control-race
tests_unit_control_leak_SOURCES = tests/unit/control-leak.c
tests_unit_control_race_SOURCES = tests/unit/control-race.c
CLEANFILES += $(EXTRA_PROGRAMS)
# The integration tests, run by tests/run on a built tree.
EXTRA_DIST += tests/run tests/lib tests/postfix tests/sendmail tests/miltertest tests/command tests/audit
# Of a folder in which programs are built, make dist would take those with it.
dist-hook:
	$(MKDIR_P) $(distdir)/tests/fault && cp -p $(srcdir)/tests/fault/*.py $(distdir)/tests/fault
	find $(distdir) -name __pycache__ -prune -exec rm -rf {} +
include tests/fuzz/module.mk
