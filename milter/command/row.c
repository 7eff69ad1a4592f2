/* row.c - a message as a line of a table, for people; see row.h */
#include <config.h>

#include "milter/command/row.h"
#include "milter/command/text.h"

#include <stdio.h>

static void
print_address (const gchar *address)
{
  g_autofree gchar *safe = hf_text_safe (address != NULL ? address : "?");

  printf ("<%s>", safe);
}

void
hf_row_print_head (void)
{
  printf ("%-24s  %-26s  %-14s  %9s  %-11s  %s\n", "RECEIVED", "ID", "QUEUE ID", "OCTETS", "STATE", "ENVELOPE");
}

void
hf_row_print (const HfViewEntry *entry, const gchar *state)
{
  const HfItem *item = entry->item;
  const HfFacts *facts = &item->facts;
  g_autofree gchar *queue = NULL;
  gchar at[25] = "";

  if (!item->has_facts)
    {
      printf ("%-24s  %-26s  %-14s  %9" G_GUINT64_FORMAT "  %-11s  %s at offset %" G_GUINT64_FORMAT ": %s\n", "?", "?", "?",
              item->length, hf_copy_text (entry->copy), entry->path, item->offset,
              entry->unreadable != NULL ? entry->unreadable->message : item->fault);
      return;
    }
  hf_time_format (facts->at_ms, at);
  queue = hf_text_safe (facts->queue != NULL ? facts->queue : "-");
  printf ("%-24s  %-26s  %-14s  %9" G_GUINT64_FORMAT "  %-11s  ", at, facts->id.text, queue, facts->bytes,
          entry->copy == HF_COPY_WHOLE ? state : hf_copy_text (entry->copy));
  print_address (item->sender.address);
  fputs (" ->", stdout);
  for (guint i = 0; i < item->recipients->len && i < 3; i++)
    {
      fputc (' ', stdout);
      print_address (g_array_index (item->recipients, HfPath, i).address);
    }
  if (item->recipients->len > 3)
    printf (" and %u more", item->recipients->len - 3);
  if (entry->copy != HF_COPY_WHOLE)
    printf (" (%s)", item->fault);
  fputc ('\n', stdout);
}
