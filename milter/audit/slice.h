/* slice.h - pieces of a log line, not copied
 *
 * The parsers hand out pieces of the line they were given; the books copy
 * what they keep.  A slice may hold any octet, NUL included, and lives as
 * long as the line's buffer.
 */
#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

typedef struct
{
  const gchar *at; /* NULL: there is none; "" and length 0: there is one, empty */
  gsize length;
} HfSlice;

#define HF_SLICE_NONE ((HfSlice){ NULL, 0 })

static inline HfSlice
hf_slice (const gchar *text)
{
  return (HfSlice){ text, strlen (text) };
}

static inline gboolean
hf_slice_is (HfSlice slice, const gchar *literal)
{
  gsize length = strlen (literal);

  return slice.length == length && memcmp (slice.at, literal, length) == 0;
}

static inline gboolean
hf_slice_equal (HfSlice a, HfSlice b)
{
  return a.length == b.length && (a.length == 0 || memcmp (a.at, b.at, a.length) == 0);
}

static inline gboolean
hf_slice_starts (HfSlice slice, const gchar *literal)
{
  gsize length = strlen (literal);

  return slice.length >= length && memcmp (slice.at, literal, length) == 0;
}

static inline gboolean
hf_slice_ends (HfSlice slice, const gchar *literal)
{
  gsize length = strlen (literal);

  return slice.length >= length
         && memcmp (slice.at + slice.length - length, literal, length) == 0;
}

/* What is left without the first @count octets; @count is within it. */
static inline HfSlice
hf_slice_from (HfSlice slice, gsize count)
{
  return (HfSlice){ slice.at + count, slice.length - count };
}

/* The first @count octets; @count is within it. */
static inline HfSlice
hf_slice_head (HfSlice slice, gsize count)
{
  return (HfSlice){ slice.at, count };
}

/* Removes @literal from the front.  FALSE, and nothing done, when it is not there. */
static inline gboolean
hf_slice_skip (HfSlice *slice, const gchar *literal)
{
  if (!hf_slice_starts (*slice, literal))
    return FALSE;
  *slice = hf_slice_from (*slice, strlen (literal));
  return TRUE;
}

/* Where @literal first stands in it, or -1. */
static inline gssize
hf_slice_find (HfSlice slice, const gchar *literal)
{
  const gchar *found = NULL;

  if (slice.at != NULL && slice.length > 0)
    found = memmem (slice.at, slice.length, literal, strlen (literal));
  return found != NULL ? found - slice.at : -1;
}

/* Where @literal last stands in it, or -1. */
static inline gssize
hf_slice_find_last (HfSlice slice, const gchar *literal)
{
  gsize length = strlen (literal);

  for (gsize at = slice.length + 1; at-- > 0;)
    if (at + length <= slice.length && memcmp (slice.at + at, literal, length) == 0)
      return (gssize)at;
  return -1;
}

/**
 * hf_slice_cut:
 * @slice: what to read from; on TRUE, what follows @literal
 * @out_head: what stood before @literal
 *
 * FALSE, and nothing done, when @literal is not in it.
 */
static inline gboolean
hf_slice_cut (HfSlice *slice, const gchar *literal, HfSlice *out_head)
{
  gssize at = hf_slice_find (*slice, literal);

  if (at < 0)
    return FALSE;
  *out_head = hf_slice_head (*slice, (gsize)at);
  *slice = hf_slice_from (*slice, (gsize)at + strlen (literal));
  return TRUE;
}

/* Reads decimal digits from the front.  FALSE when there are none or too many. */
static inline gboolean
hf_slice_number (HfSlice *slice, guint64 *out)
{
  guint64 value = 0;
  gsize digits = 0;

  while (digits < slice->length && g_ascii_isdigit (slice->at[digits]))
    {
      if (digits >= 18)
        return FALSE;
      value = value * 10 + (guint64)(slice->at[digits] - '0');
      digits++;
    }
  if (digits == 0)
    return FALSE;
  *slice = hf_slice_from (*slice, digits);
  *out = value;
  return TRUE;
}

static inline gchar *
hf_slice_dup (HfSlice slice)
{
  return slice.at != NULL ? g_strndup (slice.at, slice.length) : NULL;
}

G_END_DECLS
