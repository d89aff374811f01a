/* Inner codec 1, deflate: a zlib stream (RFC 1950) per part. */
#include "codecs/inner.h"
#include "codecs/packed.h"

MEDROI_DEFINE_PACKED_PARAMETERS(deflate, 1, 6, 0, 9, "0 is none, 9 is smallest")

#ifdef MEDROI_HAVE_ZLIB
#include <limits.h>
#include <zlib.h>

static size_t bound(const medroi_block *part, const double *params) {
    size_t nbytes = medroi_block_nbytes(part);
    (void)params;
    return 1 + nbytes + (nbytes >> 12) + (nbytes >> 14) + (nbytes >> 25) + 64;
}

static int compress_part(const uint8_t *src, size_t src_nbytes, int level, uint8_t *dst,
                         size_t *nbytes) {
    uLongf length = (uLongf)*nbytes;
    int failed;
    if (src_nbytes > ULONG_MAX || *nbytes > ULONG_MAX) {
        return 1;
    }
    failed = compress2(dst, &length, src, (uLong)src_nbytes, level) != Z_OK;
    *nbytes = length;
    return failed;
}

static int decompress_part(const uint8_t *src, size_t src_nbytes, uint8_t *dst, size_t dst_nbytes) {
    uLongf length = (uLongf)dst_nbytes;
    uLong used = (uLong)src_nbytes;
    return uncompress2(dst, &length, src, &used) != Z_OK || length != dst_nbytes ||
           used != src_nbytes;
}

MEDROI_DEFINE_PACKED(deflate, 1)

#endif
