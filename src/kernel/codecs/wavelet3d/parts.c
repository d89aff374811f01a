/* Extent of the slabs that a region is cut into, and the most bytes of one. */
#include "codecs/inner.h"
#include "codecs/wavelet3d/wavelet3d.h"

#define PART_VOXELS ((int64_t)1 << 21)

int64_t medroi_w3_part_extent(const medroi_block *region, const double *params) {
    (void)params;
    int64_t parts = medroi_count_parts(region, PART_VOXELS);
    return parts > 0 ? (region->shape[0] + parts - 1) / parts : 1;
}

size_t medroi_w3_bound(const medroi_block *part, const double *params) {
    (void)params;
    return medroi_block_nbytes(part) + 64;
}
