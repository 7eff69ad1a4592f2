# audit: log lines to fates; uses ledger, journal and base
noinst_LIBRARIES += milter/audit/libaudit.a
milter_audit_libaudit_a_SOURCES =
AUDIT_LIBS = milter/audit/libaudit.a $(ZLIB_LIBS) $(LZMA_LIBS)
