# unit tests of journal, filter and command; kit.h and faults.h tell how they are made
UNIT_KIT = tests/unit/libkit.a

UNIT_TESTS += \
	tests/unit/test-digest \
	tests/unit/test-statement \
	tests/unit/test-wire \
	tests/unit/test-window \
	tests/unit/test-record \
	tests/unit/test-reader \
	tests/unit/test-damage \
	tests/unit/test-directory \
	tests/unit/test-segment \
	tests/unit/test-reserve \
	tests/unit/test-spare \
	tests/unit/test-journal \
	tests/unit/test-recover \
	tests/unit/test-commit \
	tests/unit/test-group \
	tests/unit/test-writer \
	tests/unit/test-writer-overlap \
	tests/unit/test-writer-stop \
	tests/unit/test-view \
	tests/unit/test-stage \
	tests/unit/test-transaction \
	tests/unit/test-answer \
	tests/unit/test-filter \
	tests/unit/test-callbacks \
	tests/unit/test-listen \
	tests/unit/test-nudge \
	tests/unit/test-privilege \
	tests/unit/test-command

tests_unit_test_digest_SOURCES = tests/unit/test-digest.c
tests_unit_test_digest_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_statement_SOURCES = tests/unit/test-statement.c
tests_unit_test_statement_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_wire_SOURCES = tests/unit/test-wire.c
tests_unit_test_wire_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_window_SOURCES = tests/unit/test-window.c
tests_unit_test_window_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_record_SOURCES = tests/unit/test-record.c
tests_unit_test_record_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_reader_SOURCES = tests/unit/test-reader.c
tests_unit_test_reader_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_damage_SOURCES = tests/unit/test-damage.c
tests_unit_test_damage_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_directory_SOURCES = tests/unit/test-directory.c
tests_unit_test_directory_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_segment_SOURCES = tests/unit/test-segment.c
tests_unit_test_segment_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_reserve_SOURCES = tests/unit/test-reserve.c
tests_unit_test_reserve_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_spare_SOURCES = tests/unit/test-spare.c
tests_unit_test_spare_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_journal_SOURCES = tests/unit/test-journal.c
tests_unit_test_journal_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_recover_SOURCES = tests/unit/test-recover.c
tests_unit_test_recover_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_commit_SOURCES = tests/unit/test-commit.c
tests_unit_test_commit_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_group_SOURCES = tests/unit/test-group.c
tests_unit_test_group_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_writer_SOURCES = tests/unit/test-writer.c
tests_unit_test_writer_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_writer_overlap_SOURCES = tests/unit/test-writer-overlap.c
tests_unit_test_writer_overlap_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_writer_stop_SOURCES = tests/unit/test-writer-stop.c
tests_unit_test_writer_stop_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_view_SOURCES = tests/unit/test-view.c
tests_unit_test_view_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS)
tests_unit_test_stage_SOURCES = tests/unit/test-stage.c
tests_unit_test_stage_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) milter/filter/libfilter.a $(JOURNAL_LIBS)
tests_unit_test_transaction_SOURCES = tests/unit/test-transaction.c
tests_unit_test_transaction_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) milter/filter/libfilter.a $(JOURNAL_LIBS)
tests_unit_test_answer_SOURCES = tests/unit/test-answer.c
tests_unit_test_answer_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) milter/filter/libfilter.a $(JOURNAL_LIBS)
tests_unit_test_filter_SOURCES = tests/unit/test-filter.c
tests_unit_test_filter_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) milter/filter/libfilter.a $(JOURNAL_LIBS)
tests_unit_test_callbacks_SOURCES = tests/unit/test-callbacks.c tests/fuzz/fake-libmilter.c tests/fuzz/fake-libmilter.h
tests_unit_test_callbacks_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) milter/filter/libfilter.a $(JOURNAL_LIBS)
tests_unit_test_nudge_SOURCES = tests/unit/test-nudge.c
tests_unit_test_nudge_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(FILTER_LIBS)
tests_unit_test_listen_SOURCES = tests/unit/test-listen.c
tests_unit_test_listen_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(FILTER_LIBS)
tests_unit_test_privilege_SOURCES = tests/unit/test-privilege.c
tests_unit_test_privilege_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) milter/filter/libfilter.a $(JOURNAL_LIBS)
tests_unit_test_command_SOURCES = tests/unit/test-command.c
tests_unit_test_command_LDADD = $(UNIT_CUNIT) $(UNIT_KIT) $(JOURNAL_LIBS) $(JSON_LIBS)

if HAVE_CUNIT
check_LIBRARIES += tests/unit/libkit.a
tests_unit_libkit_a_SOURCES = \
	tests/unit/faults.c tests/unit/faults.h \
	tests/unit/kit.c tests/unit/kit.h
endif
