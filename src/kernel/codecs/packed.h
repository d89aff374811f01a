/* A part of a general-purpose compressor: filter byte, then the compressed bytes (FORMAT.md,
 * inner codecs 1 and 2). The compressors themselves come as two functions. */
#ifndef MEDROI_PACKED_H
#define MEDROI_PACKED_H

#include "base/kernel.h"

/* Both return 0 for success. `*nbytes` is the capacity going in, the length coming out. */
typedef int (*medroi_compress)(const uint8_t *src, size_t src_nbytes, int level, uint8_t *dst,
                               size_t *nbytes);
/* Fails unless exactly dst_nbytes come out and every byte of src was used. */
typedef int (*medroi_decompress)(const uint8_t *src, size_t src_nbytes, uint8_t *dst,
                                 size_t dst_nbytes);

/* params[0] is the level, params[1] 0 to leave out the byte shuffle. */
medroi_status medroi_pack_part(const medroi_block *part, const void *data, const double *params,
                               medroi_compress compress, uint8_t *dst, size_t capacity,
                               size_t *nbytes, medroi_error *error);
medroi_status medroi_unpack_part(const medroi_block *part, const uint8_t *src, size_t nbytes,
                                 medroi_decompress decompress, void *dst, medroi_error *error);

#endif
