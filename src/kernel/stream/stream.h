/* Constants and checks of the stream that the kernel's own files share. */
#ifndef MEDROI_STREAM_H
#define MEDROI_STREAM_H

#include "base/kernel.h"

#define MEDROI_FLAG_BIG_ENDIAN 1
#define MEDROI_FLAG_F_ORDER 2
#define MEDROI_FLAG_EXTENDED 4

#define MEDROI_THRESHOLD_OFFSET 72
#define MEDROI_MISS_RATE_OFFSET 80

#define MEDROI_SIDE_SKIPPABLE 0x80

#define MEDROI_PART_ROW_NBYTES 12

extern const uint8_t medroi_magic[4];

/* 1: the 54-byte record can hold this array. */
int medroi_is_plain(const medroi_layout *layout);
int medroi_is_empty_box(const medroi_layout *layout, const medroi_box *box);
/* The bits of a number. A NaN's sign and payload differ between machines; the stream's must not. */
uint64_t medroi_canonical_bits(double value);
/* Bytes of the slab table, 0 where there is none. */
uint64_t medroi_part_table_nbytes(const medroi_header *header);

#endif
