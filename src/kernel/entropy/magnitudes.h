/* Numbers of any size through the range coder and the raw bit stream beside it. */
#ifndef MEDROI_MAGNITUDES_H
#define MEDROI_MAGNITUDES_H

#include "base/bytes.h"
#include "entropy/bit_stream.h"
#include "entropy/range_coder_models.h"

/* A number below 2^64: its length in bits through a chain of binary models, then the bits below
 * the leading one raw, low 32 first. */
typedef struct medroi_number_model {
    medroi_bit_model longer[64];
} medroi_number_model;

static inline void medroi_number_init(medroi_number_model *m) {
    for (int i = 0; i < 64; i++)
        medroi_bit_init(&m->longer[i]);
}

static inline int medroi_bit_length(uint64_t value) {
#if defined(__GNUC__)
    return value > 0 ? 64 - __builtin_clzll(value) : 0;
#else
    int n = 0;
    for (; value != 0; value >>= 1)
        n++;
    return n;
#endif
}

static inline void medroi_number_encode(medroi_rc_encoder *rc, medroi_bit_writer *raw,
                                        medroi_number_model *m, uint64_t value) {
    int length = medroi_bit_length(value);
    for (int i = 0; i < 64 && i <= length; i++)
        medroi_bit_encode(rc, &m->longer[i], i < length);
    if (length < 2)
        return;
    int n = length - 1, low = n < 32 ? n : 32;
    uint64_t rest = value ^ (uint64_t)1 << n;
    medroi_bits_put(raw, rest & (((uint64_t)1 << low) - 1), low);
    medroi_bits_put(raw, rest >> low, n - low);
}

static inline uint64_t medroi_number_decode(medroi_rc_decoder *rc, medroi_bit_reader *raw,
                                            medroi_number_model *m) {
    int length = 0;
    while (length < 64 && medroi_bit_decode(rc, &m->longer[length]))
        length++;
    if (length < 2)
        return (uint64_t)length;
    int n = length - 1, low = n < 32 ? n : 32;
    uint64_t rest = medroi_bits_get(raw, low);
    rest |= medroi_bits_get(raw, n - low) << low;
    return rest | (uint64_t)1 << n;
}

/* magnitudes */

/* A number below 2^32 with two token models: its low k bits raw, and of the rest q: 0 to 11 as
 * tokens of their own, 12-15, 16-23, 24-39 as tokens 12, 13, 14 with 2, 3, 4 raw bits, and all
 * above as token 15 followed by the number q - 40. */
static inline void medroi_magnitude_encode(medroi_rc_encoder *rc, medroi_bit_writer *raw,
                                           medroi_number_model *escape, medroi_token_model *a,
                                           medroi_token_model *b, uint64_t value, int k) {
    uint64_t q = value >> k;
    if (q < 12) {
        medroi_token_encode(rc, a, b, (unsigned)q);
    } else if (q < 40) {
        int extra = q < 16 ? 2 : q < 24 ? 3 : 4;
        medroi_token_encode(rc, a, b, (unsigned)(10 + extra));
        medroi_bits_put(raw, q - 8 - ((uint64_t)1 << extra), extra);
    } else {
        medroi_token_encode(rc, a, b, 15);
        medroi_number_encode(rc, raw, escape, q - 40);
    }
    medroi_bits_put(raw, value & (((uint64_t)1 << k) - 1), k);
}

/* A decoded number is below 2^64; damaged bytes can give any number. */
static inline uint64_t medroi_magnitude_decode(medroi_rc_decoder *rc, medroi_bit_reader *raw,
                                               medroi_number_model *escape, medroi_token_model *a,
                                               medroi_token_model *b, int k) {
    uint64_t q = medroi_token_decode(rc, a, b);
    if (q == 15) {
        q = 40 + (medroi_number_decode(rc, raw, escape) & (((uint64_t)1 << 34) - 1));
    } else if (q >= 12) {
        int extra = (int)q - 10;
        q = 8 + ((uint64_t)1 << extra) + medroi_bits_get(raw, extra);
    }
    return q << k | medroi_bits_get(raw, k);
}

/* Position of the leading one of x > 0. */
static inline int medroi_log2(uint32_t x) {
#if defined(__GNUC__)
    return 31 - __builtin_clz(x);
#else
    return medroi_bit_length(x) - 1;
#endif
}

/* A logarithmic scale, 4 steps an octave: 0 1 2 3 4 5 6 7 8 8 9 9 10 10 11 11 12 ..., up to 123. */
static inline uint32_t medroi_level(uint32_t x) {
    if (x < 4)
        return x;
    int lg = medroi_log2(x);
    return 4u * (uint32_t)(lg - 1) + (x >> (lg - 2) & 3u);
}

/* Finish both, and put them together at `dst`: the length of the range coder's bytes (4 bytes),
 * these, which lie there already, and the raw bits. Returns their length, or 0 where they do not
 * fit. */
static inline size_t medroi_join_coded(medroi_rc_encoder *rc, medroi_bit_writer *raw,
                                       const uint8_t *bits, uint8_t *dst, size_t capacity) {
    size_t n_range = medroi_rc_finish(rc), n_bits = medroi_bits_finish(raw);
    if (rc->full || raw->full || 4 + n_range + n_bits > capacity) {
        return 0;
    }
    medroi_store32(dst, (uint32_t)n_range);
    memcpy(dst + 4 + n_range, bits, n_bits);
    return 4 + n_range + n_bits;
}

#endif
