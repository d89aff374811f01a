/* The range coder of predict3d, wavelet3d and the mask.
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

/* Narrow to the share [start, start + size), in pieces of r = range >> bits. */
static inline void medroi_rc_narrow(medroi_rc_decoder *rc, uint64_t r, uint32_t start,
                                    uint32_t size) {
    rc->code -= r * start;
    rc->range = r * size;
    medroi_rc_refill(rc);
}

/* 1 when the decoder has used what the encoder wrote, no less and no more. */
static inline int medroi_rc_finished(const medroi_rc_decoder *rc) {
    return rc->position == rc->nbytes + 4;
}

#endif
