/* Inner codec 1, deflate: a zlib stream (RFC 1950) per part. */
#include "codecs/inner.h"
#include "codecs/packed.h"

const medroi_parameter medroi_deflate_parameters[MEDROI_DEFLATE_N_PARAMETERS] =
    MEDROI_PACKED_PARAMETERS(6, 0, 9, "compression level; 0 is none, 9 is smallest");

#ifdef MEDROI_HAVE_ZLIB
#include <limits.h>
#include <zlib.h>

static medroi_status check(const medroi_block *region, const double *params, medroi_error *error) {
    (void)region;
    const medroi_parameter *level = &medroi_deflate_parameters[0];
    if (!(params[0] >= level->low && params[0] <= level->high)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "deflate: level %g, expected %g to %g",
                           params[0], level->low, level->high);
    }
    return MEDROI_OK;
}

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
