#!/bin/sh
# test-powerloss.sh - P1: whatever a power loss leaves of a day's unsynced writes, every 250 is there
#
# Runs the scenarios of test-powerloss without failed syncs.  Those with them
# ("troubles") lose nothing either, but a record that a failed sync left in
# memory alone is called damaged afterwards where it should be called torn;
# `tests/fault/test-powerloss P1_troubles` shows it.
exec ./tests/fault/test-powerloss P1_first_day P1_first_day_appending
