# corpus: logs of real MTAs by scenario, and what became of every recipient
EXTRA_DIST += \
	tests/corpus/check tests/corpus/check-verb \
	tests/corpus/postfix-3.7.expect tests/corpus/postfix-3.7.log \
	tests/corpus/postfix-wild.expect tests/corpus/postfix-wild.log \
	tests/corpus/sendmail-8.17.expect tests/corpus/sendmail-8.17.log \
	tests/corpus/sendmail-wild.expect tests/corpus/sendmail-wild.log
dist_check_SCRIPTS += tests/corpus/test-corpus.sh
TESTS += tests/corpus/test-corpus.sh
