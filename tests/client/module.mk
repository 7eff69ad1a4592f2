# client: the MTA's end of the milter protocol, for tests, bench and fuzzers
noinst_LIBRARIES += tests/client/libclient.a
tests_client_libclient_a_SOURCES = \
	tests/client/dial.c tests/client/dial.h \
	tests/client/mclient.c tests/client/mclient.h tests/client/message.c \
	tests/client/packet.c tests/client/packet.h \
	tests/client/speaker.c tests/client/speaker.h
CLIENT_LIBS = tests/client/libclient.a $(BASE_LIBS)
