/* fault-rows.c - which faults make sense for which call; see faults.h
 *
 * The errnos are those that Linux and its file systems give for the call, and
 * ENOMEM and EINTR, which nearly every call may give.
 */
#include <config.h>

#include "tests/fault/faults.h"

#include "milter/base/error.h"

#include <errno.h>

static const gchar *const call_names[FT_N_CALLS] = {
  [FT_OPEN] = "open", [FT_OPENAT] = "openat", [FT_CLOSE] = "close", [FT_READ] = "read", [FT_WRITE] = "write",
  [FT_PREAD] = "pread", [FT_PWRITE] = "pwrite", [FT_FSYNC] = "fsync", [FT_FDATASYNC] = "fdatasync",
  [FT_FTRUNCATE] = "ftruncate", [FT_FSTAT] = "fstat", [FT_STAT] = "stat", [FT_FSTATAT] = "fstatat",
  [FT_STATVFS] = "statvfs", [FT_MKDIRAT] = "mkdirat", [FT_RENAME] = "rename", [FT_LINKAT] = "linkat",
  [FT_UNLINKAT] = "unlinkat", [FT_LOCK] = "lock", [FT_LOCK_IS_HELD] = "lock_is_held", [FT_FS_TYPE] = "fs_type",
  [FT_NO_COPY_ON_WRITE] = "no_copy_on_write", [FT_IS_SHARED] = "is_shared", [FT_UNSEEN] = "unseen",
  [FT_DESCRIPTORS] = "descriptors", [FT_MALLOC] = "malloc",
};
static const gchar *const on_names[FT_N_ON] = { "spool", "stage", "journal", "lock", "open", "spare", "segment", "memory" };
static const gchar *const mode_names[] = { "fails", "done but fails", "short", "zero", "flip", "hang" };

#define MOST_NUMBERS 10

typedef struct
{
  gint numbers[MOST_NUMBERS]; /* errnos, ended by 0 */
  gint staying[3];            /* of these, that are tried as conditions that last */
  gint done;                  /* errno of a call that was done all the same; 0: none */
  gboolean moves;             /* moves octets: short, zero, flip */
  gboolean hangs;
} Row;

static const Row rows_by_call[FT_N_CALLS] = {
  [FT_OPEN] = { { ENOSPC, EDQUOT, EIO, EMFILE, ENFILE, EINTR, ENOMEM, EACCES, EROFS }, { ENOSPC, EMFILE }, EIO, FALSE, FALSE },
  [FT_OPENAT] = { { ENOSPC, EDQUOT, EIO, EMFILE, ENFILE, EINTR, ENOMEM, EACCES, EROFS }, { ENOSPC, EROFS }, EIO, FALSE, FALSE },
  [FT_CLOSE] = { { EIO, EINTR, ENOSPC, EDQUOT }, { EIO }, 0, FALSE, FALSE },
  [FT_READ] = { { EIO, EINTR, ENOMEM }, { EIO }, 0, TRUE, FALSE },
  [FT_WRITE] = { { ENOSPC, EDQUOT, EFBIG, EIO, EINTR, ENOMEM, EROFS }, { ENOSPC }, EIO, TRUE, FALSE },
  [FT_PREAD] = { { EIO, EINTR, ENOMEM }, { EIO }, 0, TRUE, TRUE },
  [FT_PWRITE] = { { ENOSPC, EDQUOT, EFBIG, EIO, EINTR, ENOMEM, EROFS }, { ENOSPC, EIO }, EIO, TRUE, TRUE },
  [FT_FSYNC] = { { EIO, ENOSPC, EDQUOT, EINTR, EROFS }, { EIO }, EIO, FALSE, TRUE },
  [FT_FDATASYNC] = { { EIO, ENOSPC, EDQUOT, EINTR, EROFS }, { EIO, ENOSPC }, EIO, FALSE, TRUE },
  [FT_FTRUNCATE] = { { EIO, EINTR, EROFS, ENOSPC }, { EIO }, EIO, FALSE, FALSE },
  [FT_FSTAT] = { { EIO, ENOMEM }, { EIO }, 0, FALSE, FALSE },
  [FT_STAT] = { { ENOENT, EIO, ENOMEM, EACCES }, { ENOENT }, 0, FALSE, TRUE },
  [FT_FSTATAT] = { { ENOENT, EIO, ENOMEM, EACCES }, { ENOENT }, 0, FALSE, FALSE },
  [FT_STATVFS] = { { EIO, EINTR, ENOMEM, EACCES }, { EIO }, 0, FALSE, FALSE },
  [FT_MKDIRAT] = { { ENOSPC, EDQUOT, EIO, EACCES, EROFS, ENOMEM }, { ENOSPC }, EIO, FALSE, FALSE },
  [FT_RENAME] = { { ENOSPC, EDQUOT, EIO, EACCES, EROFS, ENOMEM, EEXIST, EINTR }, { EIO }, EIO, FALSE, TRUE },
  [FT_LINKAT] = { { ENOSPC, EDQUOT, EIO, EACCES, EROFS, ENOMEM, EEXIST }, { EIO }, EIO, FALSE, FALSE },
  [FT_UNLINKAT] = { { EIO, EACCES, EROFS, ENOMEM, EINTR }, { EIO }, EIO, FALSE, FALSE },
  [FT_LOCK] = { { EAGAIN, ENOLCK, EINTR, EIO, ENOMEM }, { EAGAIN }, 0, FALSE, FALSE },
  [FT_LOCK_IS_HELD] = { { EIO, ENOMEM }, { EIO }, 0, FALSE, FALSE },
  [FT_FS_TYPE] = { { EIO, ENOMEM, EINTR }, { EIO }, 0, FALSE, FALSE },
  [FT_NO_COPY_ON_WRITE] = { { EOPNOTSUPP, EIO }, { EIO }, 0, FALSE, FALSE },
  [FT_IS_SHARED] = { { EOPNOTSUPP, EIO }, { EIO }, 0, FALSE, FALSE },
  [FT_UNSEEN] = { { EOPNOTSUPP, EIO }, { EIO }, 0, FALSE, FALSE },
  [FT_DESCRIPTORS] = { { EMFILE, ENFILE, ENOMEM }, { EMFILE }, 0, FALSE, FALSE },
  [FT_MALLOC] = { { ENOMEM }, { ENOMEM }, 0, FALSE, FALSE },
};

gchar *
ft_fault_describe (const FtFault *fault)
{
  return g_strdup_printf ("%s %s %u: %s%s%s", call_names[fault->call], on_names[fault->on], fault->nth,
                          fault->number != 0 ? hf_errno_name (fault->number) : mode_names[fault->mode],
                          fault->mode == FT_DONE ? ", done all the same" : "", fault->stays ? ", stays" : "");
}

static void
add (GArray *rows, FtFault fault, FtMode mode, gint number, gboolean stays)
{
  fault.mode = mode;
  fault.number = number;
  fault.stays = stays;
  g_array_append_val (rows, fault);
}

/* What is waited for without an end in sight: by the writer's thread only.  A
 * stage that hangs keeps the callback itself, which then can answer nothing. */
static gboolean
may_hang (FtCall call, FtOn on)
{
  return rows_by_call[call].hangs && (on == FT_ON_SEGMENT || on == FT_ON_SPARE || (call == FT_FSYNC && on == FT_ON_JOURNAL));
}

void
ft_faults_list (FtCall call, FtOn on, guint nth, gboolean is_long, GArray *rows)
{
  const Row *row = &rows_by_call[call];
  const FtFault fault = { call, on, nth, FT_FAIL, 0, FALSE };

  for (guint i = 0; i < MOST_NUMBERS && row->numbers[i] != 0; i++)
    add (rows, fault, FT_FAIL, row->numbers[i], FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (row->staying) && row->staying[i] != 0 && (is_long || i == 0); i++)
    add (rows, fault, FT_FAIL, row->staying[i], TRUE);
  if (row->done != 0)
    add (rows, fault, FT_DONE, row->done, FALSE);
  for (FtMode mode = FT_SHORT; row->moves && mode <= FT_FLIP; mode++)
    add (rows, fault, mode, 0, FALSE);
  if (may_hang (call, on))
    add (rows, fault, FT_HANG, 0, FALSE);
}
