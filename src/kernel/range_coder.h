/* The entropy coder of predict3d and wavelet3d: a range coder, adaptive models, a raw bit stream.
 *
 * A range coder narrows an interval [low, low + range) of the 64-bit numbers. To code a symbol
 * that owns the share [start, start + size) of 2^bits, the interval is cut into 2^bits equal
 * pieces of r = range >> bits and becomes [low + r start, low + r start + r size). Whenever
 * fewer than 32 bits of range are left, the top 32 bits of low can only change through a carry;
 * they are written, and everything moves up by 32 bits. A carry is added to bytes already written.
 * The decoder holds code = (stream - low), and finds the symbol whose share holds code / r by
 * comparing products, without a division.
 *
 * All numbers are unsigned integers, so the bytes are the same on every machine. Reading past the
 * end gives zeros; medroi_rc_finished() tells whether exactly the written bytes were used.
 */
#ifndef MEDROI_RANGE_CODER_H
#define MEDROI_RANGE_CODER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* interval arithmetic */

typedef struct medroi_rc_encoder {
    uint64_t low, range;
    uint8_t *start, *next, *end;
    int full; /* 1: the buffer was too small; what was written is of no use */
} medroi_rc_encoder;

typedef struct medroi_rc_decoder {
    uint64_t code, range;
    const uint8_t *start;
    size_t nbytes, position; /* position runs past nbytes when zeros are made up */
} medroi_rc_decoder;

static inline void medroi_rc_encoder_init(medroi_rc_encoder *rc, uint8_t *dst, size_t capacity) {
    rc->low = 0;
    rc->range = UINT64_MAX;
    rc->start = rc->next = dst;
    rc->end = dst + capacity;
    rc->full = 0;
}

static inline void medroi_rc_carry(medroi_rc_encoder *rc) {
    uint8_t *byte = rc->next;
    while (byte > rc->start && ++*--byte == 0) {
    }
}

static inline void medroi_rc_put_word(medroi_rc_encoder *rc) {
    if (rc->end - rc->next < 4) {
        rc->full = 1;
        return;
    }
    for (int i = 0; i < 4; i++)
        *rc->next++ = (uint8_t)(rc->low >> (56 - 8 * i));
}

/* Narrow to the share [start, start + size) of 2^bits. */
static inline void medroi_rc_encode(medroi_rc_encoder *rc, uint32_t start, uint32_t size,
                                    int bits) {
    uint64_t r = rc->range >> bits;
    uint64_t step = r * start;
    rc->low += step;
    if (rc->low < step)
        medroi_rc_carry(rc);
    rc->range = r * size;
    if (rc->range >> 32 == 0) {
        medroi_rc_put_word(rc);
        rc->low <<= 32;
        rc->range <<= 32;
    }
}

/* Write the last word; returns the length in bytes. */
static inline size_t medroi_rc_finish(medroi_rc_encoder *rc) {
    uint64_t old = rc->low;
    rc->low += UINT32_MAX; /* the top word of this lies in the interval, whatever follows it */
    if (rc->low < old)
        medroi_rc_carry(rc);
    medroi_rc_put_word(rc);
    return (size_t)(rc->next - rc->start);
}

static inline uint32_t medroi_rc_word(medroi_rc_decoder *rc) {
    uint32_t word = 0;
    if (rc->position < rc->nbytes && rc->nbytes - rc->position >= 4) {
        const uint8_t *p = rc->start + rc->position;
        word = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    } else {
        for (size_t i = 0; i < 4; i++)
            word = word << 8 | (rc->position + i < rc->nbytes ? rc->start[rc->position + i] : 0u);
    }
    rc->position += 4;
    return word;
}

static inline void medroi_rc_decoder_init(medroi_rc_decoder *rc, const uint8_t *src,
                                          size_t nbytes) {
    rc->start = src;
    rc->nbytes = nbytes;
    rc->position = 0;
    rc->range = UINT64_MAX;
    rc->code = (uint64_t)medroi_rc_word(rc) << 32;
    rc->code |= medroi_rc_word(rc);
}

static inline void medroi_rc_refill(medroi_rc_decoder *rc) {
    if (rc->range >> 32 == 0) {
        rc->code = rc->code << 32 | medroi_rc_word(rc);
        rc->range <<= 32;
    }
}

/* 1 when the decoder has used what the encoder wrote, no less and no more. */
static inline int medroi_rc_finished(const medroi_rc_decoder *rc) {
    return rc->position == rc->nbytes + 4;
}

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
    uint64_t r = rc->range >> 23, split = r * p1;
    unsigned bit = rc->code < split;
    if (bit) {
        rc->range = split;
    } else {
        rc->code -= split;
        rc->range = r * ((1u << 23) - p1);
    }
    medroi_rc_refill(rc);
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
#define MEDROI_TOKEN_SETTLED 126 /* symbols after which the shift is MEDROI_TOKEN_SHIFT */

typedef struct medroi_token_model {
    int16_t share[MEDROI_TOKENS];
    uint16_t seen; /* symbols, up to MEDROI_TOKEN_SETTLED */
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
    if (m->seen == MEDROI_TOKEN_SETTLED) {
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

static inline unsigned medroi_token_decode(medroi_rc_decoder *rc, medroi_token_model *a,
                                           medroi_token_model *b) {
    uint64_t r = rc->range >> 16, code = rc->code;
    unsigned s = 0;
    for (unsigned i = 4; i < MEDROI_TOKENS; i += 4)
        s += 4u * (code >= r * medroi_token_start(a, b, i));
    s += (unsigned)((code >= r * medroi_token_start(a, b, s + 1)) +
                    (code >= r * medroi_token_start(a, b, s + 2)) +
                    (code >= r * medroi_token_start(a, b, s + 3)));
    uint32_t start = medroi_token_start(a, b, s);
    rc->code = code - r * start;
    rc->range = r * (medroi_token_start(a, b, s + 1) - start);
    medroi_rc_refill(rc);
    medroi_token_update(a, s);
    medroi_token_update(b, s);
    return s;
}

/* raw bits */

/* Bits that no model would shorten, packed from the least significant bit of each byte up. */
typedef struct medroi_bit_writer {
    uint64_t held;
    int nheld; /* at most 7 between calls */
    uint8_t *start, *next, *end;
    int full;
} medroi_bit_writer;

typedef struct medroi_bit_reader {
    uint64_t held;
    int nheld;
    const uint8_t *start;
    size_t nbytes, position;
} medroi_bit_reader;

static inline void medroi_bits_writer_init(medroi_bit_writer *w, uint8_t *dst, size_t capacity) {
    w->held = 0;
    w->nheld = 0;
    w->start = w->next = dst;
    w->end = dst + capacity;
    w->full = 0;
}

/* Append the low `n` bits of value, 0 <= n <= 56; the others must be 0. */
static inline void medroi_bits_put(medroi_bit_writer *w, uint64_t value, int n) {
    w->held |= value << w->nheld;
    w->nheld += n;
    if (w->end - w->next >= 8) { /* write all that is held, step over whole bytes */
        for (int i = 0; i < 8; i++)
            w->next[i] = (uint8_t)(w->held >> (8 * i));
        w->next += w->nheld >> 3;
        w->held >>= w->nheld & 56;
        w->nheld &= 7;
        return;
    }
    for (; w->nheld >= 8; w->nheld -= 8, w->held >>= 8) {
        if (w->next == w->end) {
            w->full = 1;
            w->nheld = 0;
            return;
        }
        *w->next++ = (uint8_t)w->held;
    }
}

static inline size_t medroi_bits_finish(medroi_bit_writer *w) {
    for (; w->nheld > 0; w->nheld -= 8, w->held >>= 8) {
        if (w->next == w->end) {
            w->full = 1;
            break;
        }
        *w->next++ = (uint8_t)w->held;
    }
    return (size_t)(w->next - w->start);
}

static inline void medroi_bits_reader_init(medroi_bit_reader *b, const uint8_t *src,
                                           size_t nbytes) {
    b->held = 0;
    b->nheld = 0;
    b->start = src;
    b->nbytes = nbytes;
    b->position = 0;
}

/* Add 32 bits to those held, zeros past the end. */
static inline void medroi_bits_refill(medroi_bit_reader *b) {
    uint64_t word = 0;
    if (b->position < b->nbytes && b->nbytes - b->position >= 4) {
        const uint8_t *p = b->start + b->position;
        word = (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
    } else {
        for (size_t i = 0; i < 4 && b->position + i < b->nbytes; i++)
            word |= (uint64_t)b->start[b->position + i] << (8 * i);
    }
    b->position += 4;
    b->held |= word << b->nheld;
    b->nheld += 32;
}

static inline uint64_t medroi_bits_get(medroi_bit_reader *b, int n) {
    if (b->nheld < n)
        medroi_bits_refill(b);
    uint64_t value = b->held & (((uint64_t)1 << n) - 1);
    b->held >>= n;
    b->nheld -= n;
    return value;
}

/* Count zero bits up to and without the next one, at most `most` (<= 31); the one is taken too. */
static inline int medroi_bits_zeros(medroi_bit_reader *b, int most) {
    if (b->nheld < 32)
        medroi_bits_refill(b);
    uint64_t held = b->held | (uint64_t)1 << most;
    int zeros = 0;
#if defined(__GNUC__)
    zeros = __builtin_ctzll(held);
#else
    while (!(held >> zeros & 1))
        zeros++;
#endif
    int taken = zeros < most ? zeros + 1 : most;
    b->held >>= taken;
    b->nheld -= taken;
    return zeros;
}

/* 1 when the bits taken fill exactly the bytes given and the padding is zero. */
static inline int medroi_bits_finished(const medroi_bit_reader *b) {
    size_t used = b->position * 8 - (size_t)b->nheld;
    return (used + 7) / 8 == b->nbytes && b->held == 0;
}

/* numbers of any size */

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
    int n = 0;
    for (; value != 0; value >>= 1)
        n++;
    return n;
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

/* What is decoded is below 2^64; damaged bytes can give any number. */
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

#endif
