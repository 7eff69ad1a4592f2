/* bake.h - the octets of a segment, made of a text with words in braces
 *
 * Random octets never have a right digest, and a reader stops at the first
 * that is wrong.  So an input says where digests, lengths and padding belong,
 * and they are put in; all else stands as it is, right or wrong.
 *
 *     {nonce}                    the segment's nonce
 *     {bytes} {wire} {rcpts}     the next record's numbers; set at its {seal}
 *     {group}                    the block in which the present group begins
 *     {digest}                   of the statement since the last line that is no holdfast-more
 *     {seal}                     the seal line of the record that began last
 *     {pad}                      NOOP lines to the next block, where a group begins
 *     {nuls}                     a block of NULs
 *
 * A line feed is CRLF; \n \r \\ and \xHH stand for octets.  What is in braces
 * and no such word stands for itself.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The nonce of all baked segments. */
#define BAKE_NONCE "0123456789abcdef0123456789abcdef"

/* Freed by the caller; at most some MiB, whatever the input. */
GByteArray *bake (const guint8 *text, gsize size);

G_END_DECLS
