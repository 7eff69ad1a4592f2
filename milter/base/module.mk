# base: what every program stands on; uses nobody
noinst_LIBRARIES += milter/base/libbase.a
milter_base_libbase_a_SOURCES = \
	milter/base/config.c milter/base/config.h milter/base/parameters.h \
	milter/base/config-check.c milter/base/config-check.h \
	milter/base/config-rows.c milter/base/config-rows.h \
	milter/base/config-scan.c milter/base/config-scan.h \
	milter/base/error.c milter/base/error.h \
	milter/base/event.c milter/base/event.h milter/base/events.h \
	milter/base/id.c milter/base/id.h \
	milter/base/socket-spec.c milter/base/socket-spec.h \
	milter/base/sys.c milter/base/sys.h \
	milter/base/teller.c milter/base/teller.h \
	milter/base/values.c milter/base/values.h
BASE_LIBS = milter/base/libbase.a $(SYSTEMD_LIBS) $(GLIB_LIBS)

# prints the documents that are made from the tables; doc/module.mk uses it
noinst_PROGRAMS += milter/base/parameters-doc
milter_base_parameters_doc_SOURCES = milter/base/parameters-doc.c
milter_base_parameters_doc_LDADD = $(BASE_LIBS)
