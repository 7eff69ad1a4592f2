/* error.c - the one error domain of Holdfast
 *
 * GLib's extended errors carry the step and the errno beside the message,
 * so that they need not be parsed back out of it when the event is logged.
 */
#include <config.h>

#include "milter/base/error.h"

#include <errno.h>
#include <string.h>

/* G_DEFINE_EXTENDED_ERROR expands to a g_return_val_if_fail() whose NULL the
 * compiler then sees dereferenced in what it inlines here; a GError of this
 * domain always has its private part. */
#pragma GCC diagnostic ignored "-Wnull-dereference"

typedef struct
{
  const gchar *step; /* static */
  gint saved_errno;
} HfErrorPrivate;

static void
hf_error_private_init (HfErrorPrivate *priv)
{
  priv->step = "";
  priv->saved_errno = 0;
}

static void
hf_error_private_copy (const HfErrorPrivate *from, HfErrorPrivate *to)
{
  *to = *from;
}

static void
hf_error_private_clear (HfErrorPrivate *priv)
{
  priv->step = NULL;
}

G_DEFINE_EXTENDED_ERROR (HfError, hf_error)

static void G_GNUC_PRINTF (5, 0)
set_valist (GError **error, HfErrorCode code, const gchar *step, gint saved_errno,
            const gchar *format, va_list args)
{
  HfErrorPrivate *priv;
  GError *e;

  if (error == NULL)
    return;
  e = g_error_new_valist (HF_ERROR, code, format, args);
  if (saved_errno != 0)
    {
      gchar *with_reason = g_strdup_printf ("%s: %s", e->message, g_strerror (saved_errno));

      g_free (e->message);
      e->message = with_reason;
    }
  priv = hf_error_get_private (e);
  priv->step = step;
  priv->saved_errno = saved_errno;
  g_propagate_error (error, e);
}

gboolean
hf_error_set (GError **error, HfErrorCode code, const gchar *step, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  set_valist (error, code, step, 0, format, args);
  va_end (args);
  return FALSE;
}

static HfErrorCode
code_of_errno (gint number)
{
  switch (number)
    {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return HF_ERROR_FULL;
    case EACCES:
    case EPERM:
      return HF_ERROR_DENIED;
    case ENOENT:
      return HF_ERROR_NOT_FOUND;
    default:
      return HF_ERROR_IO;
    }
}

gboolean
hf_error_set_errno (GError **error, gint saved_errno, const gchar *step, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  set_valist (error, code_of_errno (saved_errno), step, saved_errno, format, args);
  va_end (args);
  return FALSE;
}

gboolean
hf_error_set_again (GError **error, HfErrorCode code, const gchar *step, const GError *cause)
{
  GError *again = g_error_new_literal (HF_ERROR, code, cause->message);
  HfErrorPrivate *priv = hf_error_get_private (again);

  priv->step = step;
  priv->saved_errno = hf_error_errno (cause);
  g_propagate_error (error, again);
  return FALSE;
}

const gchar *
hf_error_step (const GError *error)
{
  return error != NULL && error->domain == HF_ERROR ? hf_error_get_private (error)->step : "";
}

gint
hf_error_errno (const GError *error)
{
  return error != NULL && error->domain == HF_ERROR ? hf_error_get_private (error)->saved_errno : 0;
}

const gchar *
hf_errno_name (gint number)
{
  const gchar *name = strerrorname_np (number);

  return name != NULL ? name : "E?";
}
