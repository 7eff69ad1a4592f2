# doc: what people read; three of the files are made from tables in milter/base
dist_man_MANS += doc/holdfast-milter.8 doc/holdfast-auditor.8 doc/holdfast.1 doc/milter.conf.5
dist_doc_DATA += doc/BENCHMARKS doc/benchmarks.svg doc/DESIGN doc/EVENTS doc/FACTS doc/FORMAT doc/FORMAT-BOOKS doc/RELIABILITY

# The sample goes beside where milter.conf is looked for; milter.conf itself is
# the postmaster's, and nothing here ever writes it.
holdfastconfdir = $(sysconfdir)/holdfast
dist_holdfastconf_DATA = doc/milter.conf.sample

# By way of a copy: a generator that fails leaves the old files alone.
refresh-docs: milter/base/parameters-doc
	milter/base/parameters-doc --sample >refreshed.tmp && cp refreshed.tmp $(srcdir)/doc/milter.conf.sample
	milter/base/parameters-doc --man >refreshed.tmp && cp refreshed.tmp $(srcdir)/doc/milter.conf.5
	milter/base/parameters-doc --events >refreshed.tmp && cp refreshed.tmp $(srcdir)/doc/EVENTS
	rm -f refreshed.tmp
.PHONY: refresh-docs
