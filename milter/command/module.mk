# command: holdfast, one file a verb
noinst_LIBRARIES += milter/command/libcommand.a
milter_command_libcommand_a_SOURCES = \
	milter/command/json.c milter/command/json.h
