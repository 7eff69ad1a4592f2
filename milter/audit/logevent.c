/* logevent.c - queue ids, and an event's blank form */
#include <config.h>

#include "milter/audit/logevent.h"

void
hf_log_event_init (HfLogEvent *self, const HfLogLine *line)
{
  memset (self, 0, sizeof *self);
  self->host = line->host;
  self->program = line->program;
  self->instance = line->name;
  self->pid = line->pid;
  self->wall_ms = line->wall_ms;
  self->delay_ms = -1;
}

HfParsed
hf_log_event_of (HfLogEvent *self, HfLogKind kind)
{
  self->kind = kind;
  return HF_PARSE_EVENT;
}

HfParsed
hf_log_event_discarded (HfLogEvent *self, const gchar *by)
{
  self->text = hf_slice (by);
  return hf_log_event_of (self, HF_LOG_DISCARDED);
}

/* Digits and consonants, y among them: the base 52 of Postfix's long ids. */
static gboolean
is_base52 (gchar c)
{
  if (!g_ascii_isalnum (c))
    return FALSE;
  switch (g_ascii_tolower (c))
    {
    case 'a':
    case 'e':
    case 'i':
    case 'o':
    case 'u':
      return FALSE;
    default:
      return TRUE;
    }
}

/* Seconds and microseconds (10 or more), 'z', then the inode. */
static gboolean
is_long_id (HfSlice text)
{
  gsize separator = text.length;

  for (gsize at = 0; at < text.length; at++)
    {
      if (!is_base52 (text.at[at]))
        return FALSE;
      if (text.at[at] == 'z')
        separator = at;
    }
  return separator >= 10 && separator + 1 < text.length;
}

static gboolean
is_short_id (HfSlice text)
{
  for (gsize at = 0; at < text.length; at++)
    if (!g_ascii_isdigit (text.at[at]) && (text.at[at] < 'A' || text.at[at] > 'F'))
      return FALSE;
  return TRUE;
}

gboolean
hf_queue_id_is_postfix (HfSlice text)
{
  if (text.length < 6 || text.length > HF_QUEUE_ID_MAX)
    return FALSE;
  return is_short_id (text) || is_long_id (text);
}

gboolean
hf_queue_id_is_sendmail (HfSlice text)
{
  if (text.length < 14 || text.length > 20)
    return FALSE;
  for (gsize at = 0; at < text.length; at++)
    if (at < 8 ? !g_ascii_isalnum (text.at[at]) : !g_ascii_isdigit (text.at[at]))
      return FALSE;
  return TRUE;
}

HfSlice
hf_log_bare_address (HfSlice address)
{
  if (address.length >= 2 && address.at[0] == '<' && address.at[address.length - 1] == '>')
    return (HfSlice){ address.at + 1, address.length - 2 };
  return address;
}

/* Sendmail logs every backslash twice, so "\\\\c" is the character c, escaped; in
 * quotes and, as it takes such addresses, outside of them.  A backslash that stands
 * alone escapes as well. */
static gsize
skip_escaped (HfSlice text, gsize at)
{
  at++;
  if (at < text.length && text.at[at] == '\\')
    at++;
  if (at + 1 < text.length && text.at[at] == '\\' && text.at[at + 1] == '\\')
    at++;
  return MIN (at + 1, text.length);
}

/* Where @literal first stands outside quotes; the length when nowhere.  FALSE when
 * quotes do not end. */
static gboolean
find_unquoted (HfSlice text, const gchar *literal, gsize *out_at)
{
  gboolean quoted = FALSE;
  gsize at = 0;

  while (at < text.length && (quoted || !hf_slice_starts (hf_slice_from (text, at), literal)))
    {
      if (text.at[at] == '"')
        quoted = !quoted;
      at = text.at[at] == '\\' ? skip_escaped (text, at) : at + 1;
    }
  *out_at = at;
  return !quoted;
}

gboolean
hf_log_list_is_whole (HfSlice list)
{
  gsize end;

  for (HfSlice rest = list; rest.length > 0; rest = hf_slice_from (rest, MIN (end + 1, rest.length)))
    if (!find_unquoted (rest, ",", &end))
      return FALSE;
  return TRUE;
}

gboolean
hf_log_cut_address (HfSlice *rest, const gchar *literal, HfSlice *out)
{
  gsize at;

  if (!find_unquoted (*rest, literal, &at) || at == rest->length)
    return FALSE;
  *out = hf_slice_head (*rest, at);
  *rest = hf_slice_from (*rest, at + strlen (literal));
  return TRUE;
}

gboolean
hf_log_next_address (HfSlice *list, HfSlice *out)
{
  gsize end;

  while (list->length > 0 && (list->at[0] == ',' || list->at[0] == ' '))
    *list = hf_slice_from (*list, 1);
  if (list->length == 0)
    return FALSE;
  find_unquoted (*list, ",", &end);
  *out = hf_slice_head (*list, end);
  *list = hf_slice_from (*list, end);
  while (out->length > 0 && out->at[out->length - 1] == ' ')
    out->length--;
  while (out->length > 1 && out->at[0] == '\\')
    *out = hf_slice_from (*out, 1);
  *out = hf_log_bare_address (*out);
  return TRUE;
}
