/* How long the parts of codecs without an opinion are. */
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
