/* wavelet3d: a region as the one block that there is to plan for. */
#include "codecs/wavelet3d/wavelet3d.h"

#define KEPT_NBYTES ((size_t)1 << 30)

static medroi_status load(void *user, uint64_t k, medroi_block *block, const uint8_t **data,
                          const uint8_t **kept, medroi_error *error) {
    const medroi_w3_one *one = user;
    (void)k;
    (void)error;
    *block = *one->region;
    *data = one->data;
    *kept = one->kept;
    return MEDROI_OK;
}

medroi_blocks medroi_w3_one_block(medroi_w3_one *one) {
    return (medroi_blocks){.n = 1, .user = one, .load = load, .most_nbytes = KEPT_NBYTES};
}
