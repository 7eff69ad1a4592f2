/* books-rows.h - rows of log lines, and what the books should make of them
 *
 * The lines of a row are one string.  Each gets "Nov 22 20:MM:SS mx " put before
 * it, a second later each, unless it begins with "!", which is left out and the
 * line taken as it stands.
 */
#pragma once

#include "milter/audit/intake.h"

typedef struct
{
  const gchar *name;
  const gchar *lines;
  const gchar *want; /* see books_rows_tell */
  gboolean last;
} BooksRow;

/**
 * books_rows_tell:
 *
 * What became of each message, in the order in which they were handed out:
 *
 *     QUEUEID(^PARENT/LINK)
 *      ADDRESS( was ORIG): STATE( OUTCOME)( without notice)( (DETAIL))
 *
 * with "?" for a recipient that no line names and " began before" behind the
 * ids of messages that did; then "gaps N" and "unparsed N" where there are any.
 * Checks that the sums balance.  Returns: (transfer full).
 */
gchar *books_rows_tell (const BooksRow *row);

/* Compares, and prints the row's name with the difference. */
void books_rows_check (const BooksRow *rows, gsize n_rows);

/* Feeds the row's lines to an intake of the caller's. */
void books_rows_feed (const gchar *lines, HfIntake *intake);
