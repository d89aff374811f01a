/* Adaptive models for the range coder: of a bit, and of one of 16 tokens. */
#ifndef MEDROI_RANGE_CODER_MODELS_H
#define MEDROI_RANGE_CODER_MODELS_H

#include "entropy/range_coder.h"

#include <string.h>
#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#endif

/* binary model */

/* Two estimates of P(bit = 1) in units of 2^-22, one quick and one slow; their sum is used. */
#define MEDROI_BIT_QUICK 4
#define MEDROI_BIT_SLOW 7

typedef struct medroi_bit_model {
    uint32_t quick, slow;
} medroi_bit_model;

static inline void medroi_bit_init(medroi_bit_model *m) { m->quick = m->slow = 1u << 21; }

static inline void medroi_bit_update(medroi_bit_model *m, unsigned bit) {
    if (bit) {
        m->quick += ((1u << 22) - m->quick) >> MEDROI_BIT_QUICK;
        m->slow += ((1u << 22) - m->slow) >> MEDROI_BIT_SLOW;
    } else {
        m->quick -= m->quick >> MEDROI_BIT_QUICK;
        m->slow -= m->slow >> MEDROI_BIT_SLOW;
    }
}

/* The share of 1 comes first: [0, p1). */
static inline void medroi_bit_encode(medroi_rc_encoder *rc, medroi_bit_model *m, unsigned bit) {
    uint32_t p1 = m->quick + m->slow;
    medroi_rc_encode(rc, bit ? 0 : p1, bit ? p1 : (1u << 23) - p1, 23);
    medroi_bit_update(m, bit);
}

static inline unsigned medroi_bit_decode(medroi_rc_decoder *rc, medroi_bit_model *m) {
    uint32_t p1 = m->quick + m->slow;
    uint64_t r = rc->range >> 23;
    unsigned bit = rc->code < r * p1;
    medroi_rc_narrow(rc, r, bit ? 0 : p1, bit ? p1 : (1u << 23) - p1);
    medroi_bit_update(m, bit);
    return bit;
}

/* 16-symbol model */

/* Cumulative shares of 16 symbols in units of 2^-15: symbol s owns [share[s], share[s + 1]), where
 * share[0] = 0 and the missing entry 16 is 2^15. A symbol is coded with the sum of two models that
 * look at different contexts, so in units of 2^-16. Shares stay strictly increasing: every target
 * increases by at least 1 from entry to entry, and so does c + ((target - c) >> shift) when c
 * does; so no symbol ever loses its share. Right shifts of negative numbers round down. */
#define MEDROI_TOKENS 16
#define MEDROI_TOKEN_SHIFT 7
#define MEDROI_TOKEN_STEADY 126 /* symbols after which the shift is MEDROI_TOKEN_SHIFT */

typedef struct medroi_token_model {
    int16_t share[MEDROI_TOKENS];
    uint16_t seen; /* symbols, up to MEDROI_TOKEN_STEADY */
} medroi_token_model;

static inline void medroi_token_init(medroi_token_model *m) {
    for (int i = 0; i < MEDROI_TOKENS; i++)
        m->share[i] = (int16_t)(i << 11);
    m->seen = 0;
}

/* Row s is what the shares move towards when s was seen: 0 1 .. s, then up to 2^15 - 1. */
static const int16_t medroi_token_target[MEDROI_TOKENS][MEDROI_TOKENS] = {
#define T(i) (int16_t)(32752 + (i))
    {0, T(1), T(2), T(3), T(4), T(5), T(6), T(7), T(8), T(9), T(10), T(11), T(12), T(13), T(14),
     T(15)},
    {0, 1, T(2), T(3), T(4), T(5), T(6), T(7), T(8), T(9), T(10), T(11), T(12), T(13), T(14),
     T(15)},
    {0, 1, 2, T(3), T(4), T(5), T(6), T(7), T(8), T(9), T(10), T(11), T(12), T(13), T(14), T(15)},
    {0, 1, 2, 3, T(4), T(5), T(6), T(7), T(8), T(9), T(10), T(11), T(12), T(13), T(14), T(15)},
    {0, 1, 2, 3, 4, T(5), T(6), T(7), T(8), T(9), T(10), T(11), T(12), T(13), T(14), T(15)},
    {0, 1, 2, 3, 4, 5, T(6), T(7), T(8), T(9), T(10), T(11), T(12), T(13), T(14), T(15)},
    {0, 1, 2, 3, 4, 5, 6, T(7), T(8), T(9), T(10), T(11), T(12), T(13), T(14), T(15)},
    {0, 1, 2, 3, 4, 5, 6, 7, T(8), T(9), T(10), T(11), T(12), T(13), T(14), T(15)},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, T(9), T(10), T(11), T(12), T(13), T(14), T(15)},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, T(10), T(11), T(12), T(13), T(14), T(15)},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, T(11), T(12), T(13), T(14), T(15)},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, T(12), T(13), T(14), T(15)},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, T(13), T(14), T(15)},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, T(14), T(15)},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, T(15)},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
#undef T
};

/* Move each share towards its target by 2^-shift of the difference, which fits 16 bits. */
#if defined(__GNUC__)
typedef int16_t medroi_shares __attribute__((vector_size(2 * MEDROI_TOKENS / 2)));

static inline void medroi_token_move(int16_t *share, const int16_t *target, int shift) {
    for (int half = 0; half < MEDROI_TOKENS; half += MEDROI_TOKENS / 2) {
        medroi_shares s, t;
        memcpy(&s, share + half, sizeof s);
        memcpy(&t, target + half, sizeof t);
        s += (t - s) >> (int16_t)shift;
        memcpy(share + half, &s, sizeof s);
    }
}
#else
static inline void medroi_token_move(int16_t *share, const int16_t *target, int shift) {
    for (int i = 0; i < MEDROI_TOKENS; i++)
        share[i] = (int16_t)(share[i] + ((target[i] - share[i]) >> shift));
}
#endif

/* The first symbols teach faster: shift 2, 2, 3, 3, 3, 3, 4 ... = bits of (seen + 2). */
static inline void medroi_token_update(medroi_token_model *m, unsigned symbol) {
    if (m->seen == MEDROI_TOKEN_STEADY) {
        medroi_token_move(m->share, medroi_token_target[symbol], MEDROI_TOKEN_SHIFT);
        return;
    }
    int shift = 2;
    while ((m->seen + 2) >> shift != 0)
        shift++;
    m->seen++;
    medroi_token_move(m->share, medroi_token_target[symbol], shift);
}

/* Where a symbol starts, in units of 2^-16; symbol 16 starts where the last one ends. */
static inline uint32_t medroi_token_start(const medroi_token_model *a, const medroi_token_model *b,
                                          unsigned symbol) {
    return symbol == MEDROI_TOKENS ? 1u << 16
                                   : (uint32_t)a->share[symbol] + (uint32_t)b->share[symbol];
}

static inline void medroi_token_encode(medroi_rc_encoder *rc, medroi_token_model *a,
                                       medroi_token_model *b, unsigned symbol) {
    uint32_t start = medroi_token_start(a, b, symbol);
    medroi_rc_encode(rc, start, medroi_token_start(a, b, symbol + 1) - start, 16);
    medroi_token_update(a, symbol);
    medroi_token_update(b, symbol);
}

/* The last symbol that starts at code / r or before. */
#if defined(__wasm_simd128__)
static inline unsigned medroi_token_find(const medroi_token_model *a, const medroi_token_model *b,
                                         uint64_t r, uint64_t code) {
    uint64_t place = code / r;
    v128_t at = wasm_i16x8_splat((int16_t)(place < UINT16_MAX ? place : UINT16_MAX));
    v128_t low = wasm_i16x8_add(wasm_v128_load(a->share), wasm_v128_load(b->share));
    v128_t high = wasm_i16x8_add(wasm_v128_load(a->share + 8), wasm_v128_load(b->share + 8));
    v128_t started = wasm_i8x16_narrow_i16x8(wasm_u16x8_le(low, at), wasm_u16x8_le(high, at));
    return 31u - (unsigned)__builtin_clz(wasm_i8x16_bitmask(started));
}
#else
static inline unsigned medroi_token_find(const medroi_token_model *a, const medroi_token_model *b,
                                         uint64_t r, uint64_t code) {
    unsigned s = 0;
    for (unsigned i = 4; i < MEDROI_TOKENS; i += 4)
        s += 4u * (code >= r * medroi_token_start(a, b, i));
    return s + (unsigned)((code >= r * medroi_token_start(a, b, s + 1)) +
                          (code >= r * medroi_token_start(a, b, s + 2)) +
                          (code >= r * medroi_token_start(a, b, s + 3)));
}
#endif

static inline unsigned medroi_token_decode(medroi_rc_decoder *rc, medroi_token_model *a,
                                           medroi_token_model *b) {
    uint64_t r = rc->range >> 16, code = rc->code;
    unsigned s = medroi_token_find(a, b, r, code);
    uint32_t start = medroi_token_start(a, b, s);
    medroi_rc_narrow(rc, r, start, medroi_token_start(a, b, s + 1) - start);
    medroi_token_update(a, s);
    medroi_token_update(b, s);
    return s;
}

#endif
