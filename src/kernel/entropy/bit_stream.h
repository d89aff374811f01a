/* The raw bit stream beside a range coder. */
#ifndef MEDROI_BIT_STREAM_H
#define MEDROI_BIT_STREAM_H

#include <stddef.h>
#include <stdint.h>

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

#endif
