/* fake-libmilter.c - what the filter's callbacks ask of libmilter; see fake-libmilter.h
 *
 * The checks of smfi_setreply() are those of libmilter/smfi.c, 8.17.1.
 */
#include <config.h>

#include "tests/fuzz/fake-libmilter.h"

#include <string.h>

#define LONGEST_TEXT 980 /* MAXREPLYLEN */

struct smfi_str
{
  gpointer private;
  GHashTable *macros;
  gchar code[4];
  gchar taken[4];
};

SMFICTX *
fake_context_new (void)
{
  SMFICTX *ctx = g_new0 (SMFICTX, 1);

  ctx->macros = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return ctx;
}

void
fake_context_free (SMFICTX *ctx)
{
  g_hash_table_unref (ctx->macros);
  g_free (ctx);
}

void
fake_context_set_macro (SMFICTX *ctx, const gchar *name, const gchar *value)
{
  if (value == NULL)
    g_hash_table_remove (ctx->macros, name);
  else
    g_hash_table_replace (ctx->macros, g_strdup (name), g_strdup (value));
}

const gchar *
fake_context_take_code (SMFICTX *ctx)
{
  memcpy (ctx->taken, ctx->code, sizeof ctx->taken);
  ctx->code[0] = '\0';
  return ctx->taken;
}

gpointer
fake_context_private (SMFICTX *ctx)
{
  return ctx->private;
}

void *
smfi_getpriv (SMFICTX *ctx)
{
  return ctx->private;
}

int
smfi_setpriv (SMFICTX *ctx, void *data)
{
  ctx->private = data;
  return MI_SUCCESS;
}

char *
smfi_getsymval (SMFICTX *ctx, char *name)
{
  return g_hash_table_lookup (ctx->macros, name);
}

int
smfi_setsymlist (SMFICTX *ctx, int stage, char *macros)
{
  g_assert (stage >= SMFIM_FIRST && stage <= SMFIM_LAST && *macros != '\0');
  return MI_SUCCESS;
}

int
smfi_progress (SMFICTX *ctx)
{
  return MI_SUCCESS;
}

/* "4.3.2": three numbers of one to three digits, the first as in the code. */
static gboolean
is_enhanced (const gchar *text, gchar class)
{
  return g_regex_match_simple ("^[245]\\.[0-9]{1,3}\\.[0-9]{1,3}$", text, 0, 0) && text[0] == class;
}

int
smfi_setreply (SMFICTX *ctx, char *code, char *enhanced, char *text)
{
  g_assert (strlen (code) == 3 && code[0] == '4' && g_ascii_isdigit (code[1]) && g_ascii_isdigit (code[2]));
  g_assert (enhanced != NULL && is_enhanced (enhanced, code[0]));
  g_assert (text != NULL && strlen (text) <= LONGEST_TEXT && strpbrk (text, "\r\n") == NULL);
  g_strlcpy (ctx->code, code, sizeof ctx->code);
  return MI_SUCCESS;
}
