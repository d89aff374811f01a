/* Inner codec 0, raw: the region's bytes as they are. Without encode and decode the pipeline
 * copies straight between the array and the payload. */
#include "codecs/inner.h"

const medroi_parameters medroi_raw_parameters = {.id = 0, .name = "raw"};

static size_t bound(const medroi_block *part, const double *params) {
    (void)params;
    return medroi_block_nbytes(part);
}

const medroi_inner medroi_raw = {
    .id = 0, .name = "raw", .part_extent = medroi_short_part_extent, .bound = bound};
