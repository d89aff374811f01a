/* Inner codec 2, zstd: one Zstandard frame (RFC 8878) with its content size per part. */
#include "codecs/inner.h"
#include "codecs/packed.h"

MEDROI_DEFINE_PACKED_PARAMETERS(zstd, 2, 3, -131072, 22,
                                "22 is smallest, negative levels are fastest")

#ifdef MEDROI_HAVE_ZSTD
#include <zstd.h>

static size_t bound(const medroi_block *part, const double *params) {
    (void)params;
    return 1 + ZSTD_compressBound(medroi_block_nbytes(part));
}

static int compress_part(const uint8_t *src, size_t src_nbytes, int level, uint8_t *dst,
                         size_t *nbytes) {
    size_t length = ZSTD_compress(dst, *nbytes, src, src_nbytes, level);
    *nbytes = length;
    return ZSTD_isError(length) != 0;
}

static int decompress_part(const uint8_t *src, size_t src_nbytes, uint8_t *dst, size_t dst_nbytes) {
    if (ZSTD_getFrameContentSize(src, src_nbytes) != dst_nbytes ||
        ZSTD_findFrameCompressedSize(src, src_nbytes) != src_nbytes) {
        return 1;
    }
    return ZSTD_decompress(dst, dst_nbytes, src, src_nbytes) != dst_nbytes;
}

MEDROI_DEFINE_PACKED(zstd, 2)

#endif
