/* wavelet3d: an element to a number and back. */
#include "base/elements.h"
#include "codecs/wavelet3d/wavelet3d.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

double medroi_w3_element(const medroi_block *block, const void *data, int64_t i) {
    return medroi_value_of_bits(block->kind, block->itemsize,
                                medroi_bits_at(block, data, (size_t)i));
}

/* Inlined with constants, so that a size and byte order has a loop of its own. */
static inline void load_run(const uint8_t *src, size_t n, char kind, size_t itemsize,
                            int big_endian, double *values) {
    for (size_t i = 0; i < n; i++)
        values[i] = medroi_value_of_bits(
            kind, itemsize, medroi_load_bits(src + i * itemsize, itemsize, big_endian));
}

#define LOAD(KIND, ITEMSIZE)                                                                       \
    (block->big_endian ? load_run(src, count, KIND, ITEMSIZE, 1, values)                           \
                       : load_run(src, count, KIND, ITEMSIZE, 0, values))

void medroi_w3_elements(const medroi_block *block, const void *data, int64_t first, size_t count,
                        double *values) {
    const uint8_t *src = (const uint8_t *)data + (size_t)first * block->itemsize;
    const int size = block->itemsize;
    if (block->kind == 'f')
        size == 2 ? LOAD('f', 2) : size == 4 ? LOAD('f', 4) : LOAD('f', 8);
    else if (block->kind == 'i')
        size == 1 ? LOAD('i', 1) : size == 2 ? LOAD('i', 2) : LOAD('i', 4);
    else
        size == 1 ? LOAD('u', 1) : size == 2 ? LOAD('u', 2) : LOAD('u', 4);
}

void medroi_w3_put_element(const medroi_block *block, void *out, int64_t i, double v) {
    const size_t size = block->itemsize;
    uint64_t bits = block->kind == 'f' ? medroi_bits_of_float(size, v) : (uint64_t)(int64_t)v;
    medroi_store_bits((uint8_t *)out + (size_t)i * size, size, block->big_endian, bits);
}

/* A number as an element of this kind stores it: integers round half up, then the range. The
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
