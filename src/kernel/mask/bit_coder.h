/* The adaptive bits of the map of a mask (FORMAT.md, section 4.1). */
#ifndef MEDROI_BIT_CODER_H
#define MEDROI_BIT_CODER_H

#include "entropy/range_coder.h"

#if defined(__GNUC__)
#define ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define ALWAYS_INLINE inline
#endif
#define MEDROI_BIT_STEADY 62
#define MEDROI_RECIPROCAL_BITS 22

/* P(bit = 1) in units of 2^-16, and how many bits it has seen. */
typedef struct medroi_bit_model {
    uint16_t p;
    uint16_t n_seen;
} medroi_bit_model;

typedef struct medroi_bit_coder {
    medroi_rc_encoder encoder;
    medroi_rc_decoder decoder;
} medroi_bit_coder;

static inline void medroi_init_bit_models(medroi_bit_model *models, size_t n) {
    for (size_t i = 0; i < n; i++) {
        models[i].p = 32768;
        models[i].n_seen = 0;
    }
}

/* 2^22 / rate rounded up: (x * reciprocal) >> 22 is x / rate for every x below 2^16, as the product
 * is too large by less than x, which is less than 2^22 / rate. */
#define MEDROI_RECIPROCAL(rate) (((UINT32_C(1) << MEDROI_RECIPROCAL_BITS) + (rate)-1) / (rate))
#define MEDROI_RECIPROCALS_4(n)                                                                    \
    MEDROI_RECIPROCAL((n) + 2), MEDROI_RECIPROCAL((n) + 3), MEDROI_RECIPROCAL((n) + 4),            \
        MEDROI_RECIPROCAL((n) + 5)
#define MEDROI_RECIPROCALS_16(n)                                                                   \
    MEDROI_RECIPROCALS_4(n), MEDROI_RECIPROCALS_4((n) + 4), MEDROI_RECIPROCALS_4((n) + 8),         \
        MEDROI_RECIPROCALS_4((n) + 12)
/* Of n_seen + 2. */
static const uint32_t medroi_reciprocals[64] = {MEDROI_RECIPROCALS_16(0), MEDROI_RECIPROCALS_16(16),
                                                MEDROI_RECIPROCALS_16(32),
                                                MEDROI_RECIPROCALS_16(48)};

/* Encode `bit`, or decode one; returns it. `decodes` is known when compiling. No branch depends on
 * the bit, which processors could not foresee. */
static ALWAYS_INLINE unsigned medroi_code_bit(medroi_bit_coder *coder, int decodes,
                                              medroi_bit_model *model, unsigned bit) {
    uint32_t p = model->p;
    uint32_t n_seen = model->n_seen;
    if (decodes) {
        uint64_t r = coder->decoder.range >> 16;
        uint64_t split = r * p;
        bit = coder->decoder.code < split;
        uint64_t above = (uint64_t)bit - 1; /* all ones where it is 0 */
        coder->decoder.code -= split & above;
        coder->decoder.range = (split & ~above) | (((r << 16) - split) & above);
        medroi_rc_refill(&coder->decoder);
    }
    uint32_t is_1 = 0 - bit, is_0 = ~is_1;
    if (!decodes) {
        medroi_rc_encode(&coder->encoder, p & is_0, (65536 & is_0) + ((p ^ is_0) - is_0), 16);
    }
    uint64_t distance = (65535 & is_1) + ((p ^ is_1) - is_1);
    uint32_t step = (uint32_t)(distance * medroi_reciprocals[n_seen] >> MEDROI_RECIPROCAL_BITS);
    model->p = (uint16_t)(p + ((step ^ is_0) - is_0));
    model->n_seen = (uint16_t)(n_seen + (n_seen < MEDROI_BIT_STEADY));
    return bit;
}

#endif
