/* answer.c - what the SMTP client is told, and only here; see answer.h */
#include <config.h>

#include "milter/base/error.h"
#include "milter/filter/answer.h"

#include <errno.h>
#include <string.h>

static void
choose_code (const GError *error, HfAnswer *answer)
{
  answer->code = "451";
  answer->enhanced = "4.3.0";
  if (g_error_matches (error, HF_ERROR, HF_ERROR_FULL))
    {
      answer->code = "452";
      answer->enhanced = "4.3.1";
    }
  else if (g_error_matches (error, HF_ERROR, HF_ERROR_BUSY))
    {
      answer->code = "421";
      answer->enhanced = "4.3.2";
    }
}

/* What is short, by the step at which it was missed. */
static gchar *
shortage_text (const GError *error)
{
  static const struct
  {
    const gchar *step;
    const gchar *text;
  } rows[] = {
    { "too-large", "message is larger than the spool can hold" },
    { "reserve-growth", "no room on spool for so large a message" },
    { "inodes-mark", "no inodes left on spool" },
    { "reserve-inodes", "no inodes left on spool" },
    { "descriptors-mark", "filter is short of descriptors" },
    { "reserve-descriptors", "filter is short of descriptors" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    if (strcmp (hf_error_step (error), rows[i].step) == 0)
      return g_strdup (rows[i].text);
  return g_strdup ("no room on spool");
}

static gchar *
busy_text (const GError *error)
{
  const gint number = hf_error_errno (error);

  if (strcmp (hf_error_step (error), "draining") == 0)
    return g_strdup ("service is stopping");
  if (number == 0)
    return g_strdup ("service is not ready");
  return g_strdup_printf ("service is not ready: %s", g_strerror (number));
}

/* The cause in words that tell a stranger nothing of this host's paths. */
static gchar *
cause_text (const GError *error)
{
  const gint number = hf_error_errno (error);

  if (g_error_matches (error, HF_ERROR, HF_ERROR_BUSY))
    return busy_text (error);
  if (number == ENOSPC)
    return g_strdup ("no space left on spool");
  if (number != 0)
    return g_strdup_printf ("%s: %s", hf_error_step (error), g_strerror (number));
  switch (error->domain == HF_ERROR ? (gint) error->code : -1)
    {
    case HF_ERROR_FULL:
      return shortage_text (error);
    case HF_ERROR_LATE:
      return g_strdup ("journal did not answer in time");
    case HF_ERROR_CORRUPT:
      return g_strdup_printf ("%s: copy did not verify", hf_error_step (error));
    default:
      return g_strdup (hf_error_step (error));
    }
}

void
hf_answer_make (const gchar *what, const GError *error, HfEventCode event, const HfId *id, HfAnswer *out_answer)
{
  g_autofree gchar *cause = cause_text (error);

  choose_code (error, out_answer);
  g_snprintf (out_answer->text, sizeof out_answer->text, "%s: %s %s %s", what, cause, hf_event_code_text (event),
              id->text);
  /* libmilter refuses a reply with a line end; translations may bring 8-bit octets */
  for (gchar *p = out_answer->text; *p != '\0'; p++)
    if (*p < ' ' || *p > '~')
      *p = '?';
}
