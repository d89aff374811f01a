/* Lengths of slabs that codecs share. */
#include "codecs/inner.h"

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

int64_t medroi_count_parts(const medroi_block *region, int64_t n_voxels) {
    int64_t per_slice = 1;
    for (int32_t i = 1; i < region->ndim; i++) {
        per_slice *= region->shape[i];
    }
    int64_t slices = (n_voxels + per_slice - 1) / per_slice;
    return (region->shape[0] + slices - 1) / slices;
}
