/* Numbers of the local methods, the same for any instructions. */
#ifndef MEDROI_P3_LOCAL_NUMBERS_H
#define MEDROI_P3_LOCAL_NUMBERS_H

#include "codecs/predict3d/local.h"

#include <math.h>
#include <stdlib.h>

static inline void put_bits(medroi_rc_encoder *rc, uint32_t value, int n) {
    for (; n > 16; n -= 16) {
        medroi_rc_encode(rc, value >> (n - 16) & 0xFFFF, 1, 16);
    }
    if (n > 0) {
        medroi_rc_encode(rc, value & ((1u << n) - 1), 1, n);
    }
}

/* The share that the code lies in, in units of 2^-bits. */
static inline uint32_t take_share(const medroi_rc_decoder *rc, int bits) {
    uint64_t at = rc->code / (rc->range >> bits);
    return at >> bits ? (1u << bits) - 1 : (uint32_t)at;
}

static inline uint32_t get_bits(medroi_rc_decoder *rc, int n) {
    uint32_t value = 0;
    while (n > 0) {
        int part = n > 16 ? 16 : n;
        uint32_t found = take_share(rc, part);
        medroi_rc_narrow(rc, rc->range >> part, found, 1);
        value = value << part | found;
        n -= part;
    }
    return value;
}

/* A number from 0 up: its length in bits, in ones, then the bits below the leading one. */
static inline void put_number(medroi_rc_encoder *rc, uint32_t value) {
    int n = medroi_bit_length(value);
    for (int i = 0; i < n; i++) {
        put_bits(rc, 1, 1);
    }
    put_bits(rc, 0, 1);
    put_bits(rc, value & ((1u << (n > 0 ? n - 1 : 0)) - 1), n - 1);
}

static inline uint32_t get_number(medroi_rc_decoder *rc) {
    int n = 0;
    while (n < 32 && get_bits(rc, 1)) {
        n++;
    }
    return n == 0 ? 0 : 1u << (n - 1) | get_bits(rc, n - 1);
}

/* 2^48 / sqrt(x), rounded down twice; of x below 2^36 that of 2^36. */
static inline int64_t reciprocal_root(int64_t x) {
    uint64_t d = x < (int64_t)1 << 36 ? (uint64_t)1 << 36 : (uint64_t)x;
    int shift = (63 - medroi_bit_length(d)) & ~1;
    uint64_t wide = d << shift;
    uint64_t root = (uint64_t)sqrt((double)wide);
    /* Exact, whatever the machine makes of the square root. */
    while (root * root > wide) {
        root--;
    }
    while ((root + 1) * (root + 1) <= wide) {
        root++;
    }
    return (int64_t)(((uint64_t)1 << (48 + shift / 2)) / root);
}

#endif
