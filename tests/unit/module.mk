# unit: one program for each module, rows in tables; tap.h tells how
#
# To add a test: its name to UNIT_TESTS, and two lines, _SOURCES and _LDADD.
# Programs tell their results in TAP, scripts (.sh) by their exit code.
UNIT_TESTS = \
	tests/unit/test-books \
	tests/unit/test-config \
	tests/unit/test-error \
	tests/unit/test-event \
	tests/unit/test-guards-delivered \
	tests/unit/test-guards-lost \
	tests/unit/test-id \
	tests/unit/test-json \
	tests/unit/test-line \
	tests/unit/test-mclient \
	tests/unit/test-packet \
	tests/unit/test-postfix \
	tests/unit/test-sendmail \
	tests/unit/test-socket-spec \
	tests/unit/test-source \
	tests/unit/test-sys \
	tests/unit/test-values
UNIT_CUNIT = tests/unit/libtap.a $(CUNIT_LIBS)
UNIT_BOOKS = tests/unit/books-rows.c tests/unit/books-rows.h

tests_unit_test_books_SOURCES = tests/unit/test-books.c $(UNIT_BOOKS)
tests_unit_test_books_LDADD = $(UNIT_CUNIT) $(AUDIT_LIBS)
tests_unit_test_config_SOURCES = tests/unit/test-config.c
tests_unit_test_config_LDADD = $(UNIT_CUNIT) $(BASE_LIBS)
tests_unit_test_error_SOURCES = tests/unit/test-error.c
tests_unit_test_error_LDADD = $(UNIT_CUNIT) $(BASE_LIBS)
tests_unit_test_event_SOURCES = tests/unit/test-event.c
tests_unit_test_event_LDADD = $(UNIT_CUNIT) $(BASE_LIBS)
tests_unit_test_guards_delivered_SOURCES = tests/unit/test-guards-delivered.c $(UNIT_BOOKS)
tests_unit_test_guards_delivered_LDADD = $(UNIT_CUNIT) $(AUDIT_LIBS)
tests_unit_test_guards_lost_SOURCES = tests/unit/test-guards-lost.c $(UNIT_BOOKS)
tests_unit_test_guards_lost_LDADD = $(UNIT_CUNIT) $(AUDIT_LIBS)
tests_unit_test_id_SOURCES = tests/unit/test-id.c
tests_unit_test_id_LDADD = $(UNIT_CUNIT) $(BASE_LIBS)
tests_unit_test_json_SOURCES = tests/unit/test-json.c
tests_unit_test_json_LDADD = $(UNIT_CUNIT) milter/command/libcommand.a $(BASE_LIBS)
tests_unit_test_line_SOURCES = tests/unit/test-line.c
tests_unit_test_line_LDADD = $(UNIT_CUNIT) $(AUDIT_LIBS)
tests_unit_test_mclient_SOURCES = tests/unit/test-mclient.c
tests_unit_test_mclient_LDADD = $(UNIT_CUNIT) $(CLIENT_LIBS)
tests_unit_test_packet_SOURCES = tests/unit/test-packet.c
tests_unit_test_packet_LDADD = $(UNIT_CUNIT) $(CLIENT_LIBS)
tests_unit_test_postfix_SOURCES = tests/unit/test-postfix.c
tests_unit_test_postfix_LDADD = $(UNIT_CUNIT) $(AUDIT_LIBS)
tests_unit_test_sendmail_SOURCES = tests/unit/test-sendmail.c
tests_unit_test_sendmail_LDADD = $(UNIT_CUNIT) $(AUDIT_LIBS)
tests_unit_test_socket_spec_SOURCES = tests/unit/test-socket-spec.c
tests_unit_test_socket_spec_LDADD = $(UNIT_CUNIT) $(BASE_LIBS)
tests_unit_test_source_SOURCES = tests/unit/test-source.c
tests_unit_test_source_LDADD = $(UNIT_CUNIT) $(AUDIT_LIBS)
tests_unit_test_sys_SOURCES = tests/unit/test-sys.c
tests_unit_test_sys_LDADD = $(UNIT_CUNIT) $(BASE_LIBS)
tests_unit_test_values_SOURCES = tests/unit/test-values.c
tests_unit_test_values_LDADD = $(UNIT_CUNIT) $(BASE_LIBS)

if HAVE_CUNIT
check_LIBRARIES = tests/unit/libtap.a
tests_unit_libtap_a_SOURCES = tests/unit/tap.c tests/unit/tap.h
tests_unit_libtap_a_CFLAGS = $(AM_CFLAGS) $(CUNIT_CFLAGS)
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif

include tests/unit/audit.mk
include tests/unit/journal.mk
include tests/unit/people.mk
include tests/unit/pressure.mk
include tests/unit/trim.mk

dist_check_SCRIPTS = tests/unit/test-dist.sh tests/unit/test-docs.sh tests/unit/test-install.sh
TESTS += tests/unit/test-dist.sh tests/unit/test-docs.sh tests/unit/test-install.sh

TEST_EXTENSIONS = .sh
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
