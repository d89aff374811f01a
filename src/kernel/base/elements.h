/* Elements of any numeric type: their bits, their values, and keys that sort as the values do.
 *
 * The bits of an element are those of its stored bytes in the machine's byte order, zero-extended.
 * A key has as many bits as the element: of signed integers the sign bit is flipped; of floats that
 * of positive ones is flipped and every bit of negative ones, so that -0.0 lies next to 0.0 and
 * NaNs at the ends. Inner loops use the inline functions with a size that is known where they are
 * compiled. */
#ifndef MEDROI_ELEMENTS_H
#define MEDROI_ELEMENTS_H

#include "base/bytes.h"
#include "base/float16.h"
#include "base/kernel.h"

#define MEDROI_KEY_RUN 1024

static inline uint64_t medroi_load_bits(const uint8_t *p, size_t itemsize, int big_endian) {
    uint16_t v16;
    uint32_t v32;
    uint64_t v64;
    switch (itemsize) {
    case 1:
        return p[0];
    case 2:
        v16 = medroi_load16(p);
        return big_endian ? medroi_swap16(v16) : v16;
    case 4:
        v32 = medroi_load32(p);
        return big_endian ? medroi_swap32(v32) : v32;
    default:
        v64 = medroi_load64(p);
        return big_endian ? medroi_swap64(v64) : v64;
    }
}

static inline void medroi_store_bits(uint8_t *p, size_t itemsize, int big_endian, uint64_t bits) {
    switch (itemsize) {
    case 1:
        p[0] = (uint8_t)bits;
        break;
    case 2:
        medroi_store16(p, big_endian ? medroi_swap16((uint16_t)bits) : (uint16_t)bits);
        break;
    case 4:
        medroi_store32(p, big_endian ? medroi_swap32((uint32_t)bits) : (uint32_t)bits);
        break;
    default:
        medroi_store64(p, big_endian ? medroi_swap64(bits) : bits);
        break;
    }
}

static inline uint64_t medroi_sign_bit(size_t itemsize) {
    return (uint64_t)1 << (8 * itemsize - 1);
}

static inline uint64_t medroi_key_of_bits(char kind, size_t itemsize, uint64_t bits) {
    uint64_t sign = medroi_sign_bit(itemsize);
    if (kind == 'f') {
        uint64_t all_if_negative = 0 - (uint64_t)((bits & sign) != 0); /* no branch for each */
        return bits ^ (sign | (all_if_negative & (sign - 1)));
    }
    return kind == 'i' ? bits ^ sign : bits;
}

static inline uint64_t medroi_bits_of_key(char kind, size_t itemsize, uint64_t key) {
    uint64_t sign = medroi_sign_bit(itemsize);
    if (kind == 'f') {
        return key ^ (key & sign ? sign : sign | (sign - 1));
    }
    return kind == 'i' ? key ^ sign : key;
}

/* A float from its bits, and the bits of the float nearest to a number, ties to even. */
static inline double medroi_float_of_bits(size_t itemsize, uint64_t bits) {
    if (itemsize == 2) {
        return (double)medroi_float16_value((uint16_t)bits);
    }
    if (itemsize == 4) {
        uint32_t word = (uint32_t)bits;
        float single;
        memcpy(&single, &word, sizeof single);
        return (double)single;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t medroi_bits_of_float(size_t itemsize, double value) {
    if (itemsize == 2) {
        return medroi_float16_bits(value);
    }
    if (itemsize == 4) {
        float single = (float)value;
        uint32_t word;
        memcpy(&word, &single, sizeof word);
        return word;
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* An integer of the element's size as one of 64 bits. */
static inline int64_t medroi_signed_of_bits(size_t itemsize, uint64_t bits) {
    uint64_t sign = medroi_sign_bit(itemsize);
    return (int64_t)((bits ^ sign) - sign);
}

/* An element of any kind as a number: 64-bit integers are rounded. */
static inline double medroi_value_of_bits(char kind, size_t itemsize, uint64_t bits) {
    if (kind == 'f') {
        return medroi_float_of_bits(itemsize, bits);
    }
    if (itemsize == 8) {
        return kind == 'i' ? (double)(int64_t)bits : (double)bits;
    }
    int64_t value = kind == 'i' ? medroi_signed_of_bits(itemsize, bits) : (int64_t)bits;
    /* Of 32 bits and signed is what processors convert fastest. */
    return kind == 'i' ? (double)(int32_t)value : (double)value;
}

static inline uint64_t medroi_bits_at(const medroi_block *block, const void *data, size_t i) {
    const uint8_t *p = (const uint8_t *)data + i * block->itemsize;
    return medroi_load_bits(p, block->itemsize, block->big_endian);
}

static inline uint64_t medroi_key_at(const medroi_block *block, const void *data, size_t i) {
    return medroi_key_of_bits(block->kind, block->itemsize, medroi_bits_at(block, data, i));
}

/* Keys of `count` elements, and the inverse. */
void medroi_load_keys(const medroi_block *block, const void *data, size_t first, size_t count,
                      uint64_t *keys);
void medroi_store_keys(const medroi_block *block, const uint64_t *keys, size_t first, size_t count,
                       void *data);
/* The value of a float element's key (float16 too). */
double medroi_key_value(const medroi_block *block, uint64_t key);
/* The key of the float element nearest to `value`, ties to even. */
uint64_t medroi_value_key(const medroi_block *block, double value);
/* Key of an integer element from its value, as two's complement bits, and back. Of a value that the
 * element cannot hold the key is above medroi_max_key(). */
uint64_t medroi_integer_key(const medroi_block *block, int64_t bits);
int64_t medroi_key_integer(const medroi_block *block, uint64_t key);
/* The largest key that the element type can hold; the smallest is 0. */
uint64_t medroi_max_key(const medroi_block *block);

#endif
