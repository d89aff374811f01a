/* wavelet3d: an element to a number and back. */
#include "base/bytes.h"
#include "codecs/wavelet3d/wavelet3d.h"

#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

static uint64_t load_bits(const uint8_t *p, int itemsize, int big_endian) {
    if (!big_endian && itemsize == 4)
        return medroi_load32(p);
    if (!big_endian && itemsize == 8)
        return medroi_load64(p);
    uint64_t value = 0;
    for (int i = 0; i < itemsize; i++)
        value |= (uint64_t)p[i] << 8 * (big_endian ? itemsize - 1 - i : i);
    return value;
}

static void store_bits(uint8_t *p, int itemsize, int big_endian, uint64_t value) {
    for (int i = 0; i < itemsize; i++)
        p[i] = (uint8_t)(value >> 8 * (big_endian ? itemsize - 1 - i : i));
}

static double from_float64(uint64_t bits) {
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static uint64_t to_float64(double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static double from_float32(uint32_t bits) {
    float v;
    memcpy(&v, &bits, sizeof v);
    return (double)v;
}

static uint32_t to_float32(double v) {
    float f = (float)v;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static double from_float16(uint32_t h) {
    uint32_t exponent = h >> 10 & 31, fraction = h & 1023;
    uint64_t sign = (uint64_t)(h >> 15) << 63;
    if (exponent == 0) {
        double v = (double)fraction * 5.9604644775390625e-8; /* 2^-24 */
        return sign ? -v : v;
    }
    uint64_t wide = exponent == 31 ? 2047 : exponent + 1023 - 15;
    return from_float64(sign | wide << 52 | (uint64_t)fraction << 42);
}

/* Nearest half precision number, ties to even; |v| <= 65504. */
static uint32_t to_float16(double v) {
    uint64_t bits = to_float64(v);
    uint32_t sign = (uint32_t)(bits >> 63) << 15;
    int exponent = (int)(bits >> 52 & 2047) - 1023;
    if (exponent < -14) { /* denormal: units of 2^-24 */
        double units = (v < 0 ? -v : v) * 16777216.0 + 4503599627370496.0;
        return sign | (uint32_t)(units - 4503599627370496.0);
    }
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    uint64_t half = ((uint64_t)(exponent + 15) << 52 | fraction);
    uint64_t odd = half >> 42 & 1;
    return sign | (uint32_t)((half + odd + (((uint64_t)1 << 41) - 1)) >> 42);
}

double medroi_w3_element(const medroi_block *block, const void *data, int64_t i) {
    int size = block->itemsize;
    uint64_t bits = load_bits((const uint8_t *)data + i * size, size, block->big_endian);
    if (block->kind == 'f')
        return size == 2   ? from_float16((uint32_t)bits)
               : size == 4 ? from_float32((uint32_t)bits)
                           : from_float64(bits);
    if (block->kind == 'i')
        return (double)((int64_t)(bits << (64 - 8 * size)) >> (64 - 8 * size));
    return (double)bits;
}

void medroi_w3_put_element(const medroi_block *block, void *out, int64_t i, double v) {
    int size = block->itemsize;
    uint64_t bits = block->kind == 'f' ? size == 2   ? to_float16(v)
                                         : size == 4 ? to_float32(v)
                                                     : to_float64(v)
                                       : (uint64_t)(int64_t)v;
    store_bits((uint8_t *)out + i * size, size, block->big_endian, bits);
}

/* What an element of this kind makes of a number: integers round half up, then the range. The
 * comparisons are written so that NaN, which only damaged bytes can give, becomes `low`. */
double medroi_w3_to_kind(const medroi_block *block, const medroi_w3_header *h, double v) {
    if (block->kind != 'f')
        v += 0.5;
    v = v > h->low ? v : h->low;
    v = v < h->high ? v : h->high;
    if (block->kind != 'f') {
        int64_t whole = (int64_t)v;
        v = (double)(whole - ((double)whole > v));
    }
    return v;
}

/* A number in steps to stored units. It is first rounded to 1/65536 of a step, so that not even
 * a processor that flushes denormals gives other bits. */
double medroi_w3_rebuild(const medroi_w3_header *h, float y) {
    const double magic = 103079215104.0; /* 1.5 * 2^36: the last bit of its sum is 2^-16 */
    double steps = (double)y + magic;
    steps = steps - magic;
    double scaled = steps * h->step;
    double middle = h->low * 0.5 + h->high * 0.5;
    return middle + scaled;
}
