/* The literal table of native inner codecs. */
#include "inner.h"

static const medroi_inner *const table[] = {
    &medroi_raw,
#ifdef MEDROI_HAVE_ZLIB
    &medroi_deflate,
#endif
#ifdef MEDROI_HAVE_ZSTD
    &medroi_zstd,
#endif
#ifdef MEDROI_HAVE_OPENJPEG
    &medroi_jpeg2000,
#endif
    &medroi_wavelet3d, &medroi_predict3d,
};

const medroi_inner *medroi_find_inner(uint16_t id) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i]->id == id) {
            return table[i];
        }
    }
    return NULL;
}

size_t medroi_block_nbytes(const medroi_block *block) {
    size_t nbytes = block->itemsize;
    for (int32_t i = 0; i < block->ndim; i++) {
        nbytes *= (size_t)block->shape[i];
    }
    return nbytes;
}

int64_t medroi_short_part_extent(const medroi_block *region, const double *params) {
    const size_t target_nbytes = (size_t)1 << 19;
    size_t slice_nbytes = medroi_block_nbytes(region) / (size_t)region->shape[0];
    (void)params;
    if (slice_nbytes >= target_nbytes) {
        return 1;
    }
    int64_t extent = (int64_t)(target_nbytes / slice_nbytes);
    return extent < region->shape[0] ? extent : region->shape[0];
}
