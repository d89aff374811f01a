/* wavelet3d: elements that were rounded as coarsely as a bound allows, for predict3d.
 *
 * A lossless code of rounded elements keeps a bound with no list of corrections, and its bytes fall
 * by the bits that rounding takes away. Where nearly every value occurs, a lattice is the coarsest
 * way to round; where few do, as in scans that were resampled or rescaled, intervals that each
 * begin at a value that occurs are fewer.
 */
#include "base/elements.h"
#include "codecs/inner.h"
#include "codecs/valuemap/distinct.h"
#include "codecs/wavelet3d/wavelet3d.h"

#include <math.h>
#include <stdlib.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#define GREATEST_INDEX 4503599627370496.0 /* 2^52 */

static void put_key(const medroi_block *block, uint8_t *out, int64_t i, uint64_t key) {
    medroi_store_bits(out + (size_t)i * block->itemsize, block->itemsize, block->big_endian,
                      medroi_bits_of_key(block->kind, block->itemsize, key));
}

static int64_t count(const medroi_block *block) {
    return (int64_t)(medroi_block_nbytes(block) / block->itemsize);
}

/* The bound of integers, as one. */
static int64_t whole_bound(double max_error) {
    return (int64_t)(max_error < 4294967296.0 ? max_error : 4294967296.0);
}

static void round_integers(const medroi_block *block, const void *data, const medroi_w3_header *h,
                           uint8_t *out) {
    const int64_t bound = whole_bound(h->max_error), unit = 2 * bound + 1, low = (int64_t)h->low,
                  high = (int64_t)h->high, n = count(block);
    for (int64_t i = 0; i < n; i++) {
        uint64_t key = medroi_key_at(block, data, (size_t)i);
        int64_t v = medroi_key_integer(block, key);
        v = low + (v - low + bound) / unit * unit;
        v = v < high ? v : high;
        put_key(block, out, i, medroi_integer_key(block, v));
    }
}

/* Multiples of twice the bound; an element that is not near enough to one, as it is stored, stays.
 */
static void round_floats(const medroi_block *block, const void *data, const medroi_w3_header *h,
                         uint8_t *out) {
    const double unit = 2.0 * h->max_error;
    const int64_t n = count(block);
    for (int64_t i = 0; i < n; i++) {
        double v = medroi_w3_element(block, data, i), index = floor(v / unit + 0.5);
        medroi_w3_put_element(block, out, i, v);
        if (!(index < GREATEST_INDEX && index > -GREATEST_INDEX))
            continue;
        double rounded = index * unit;
        rounded = rounded > h->low ? rounded : h->low;
        rounded = rounded < h->high ? rounded : h->high;
        medroi_w3_put_element(block, out, i, rounded);
        double r = medroi_w3_element(block, out, i);
        if (!(v - r <= h->max_error && r - v <= h->max_error))
            medroi_w3_put_element(block, out, i, v);
    }
}

void medroi_w3_round_to_lattice(const medroi_block *block, const void *data,
                                const medroi_w3_header *h, uint8_t *out) {
    if (block->kind == 'f')
        round_floats(block, data, h, out);
    else
        round_integers(block, data, h, out);
}

static double value_of(const medroi_block *block, uint64_t key) {
    return medroi_value_of_bits(block->kind, block->itemsize,
                                medroi_bits_of_key(block->kind, block->itemsize, key));
}

/* The key in the middle between two values; its own where they are one. */
static uint64_t middle_key(const medroi_block *block, uint64_t first, uint64_t last) {
    if (first == last)
        return first;
    if (block->kind != 'f')
        return first + (last - first) / 2;
    return medroi_value_key(block, value_of(block, first) * 0.5 + value_of(block, last) * 0.5);
}

static int stands_for(const medroi_block *block, uint64_t first, uint64_t last, double max_error) {
    double middle = value_of(block, middle_key(block, first, last));
    return middle - value_of(block, first) <= max_error &&
           value_of(block, last) - middle <= max_error;
}

/* From the lowest value on, intervals as long as they can be. keys[i] becomes the one that stands
 * for value i. Returns how many there are. */
static size_t merge(const medroi_block *block, double max_error, uint64_t *keys, size_t n) {
    size_t n_intervals = 0;
    for (size_t first = 0, behind; first < n; first = behind, n_intervals++) {
        for (behind = first + 1; behind < n; behind++)
            if (!stands_for(block, keys[first], keys[behind], max_error))
                break;
        uint64_t key = middle_key(block, keys[first], keys[behind - 1]);
        for (size_t i = first; i < behind; i++)
            keys[i] = key;
    }
    return n_intervals;
}

medroi_status medroi_w3_round_to_values(const medroi_block *block, const void *data,
                                        const medroi_w3_header *h, uint8_t *out, int *is_sparse,
                                        medroi_error *error) {
    medroi_distinct values;
    *is_sparse = 0;
    medroi_distinct_survey(block, data, &values);
    medroi_status status = medroi_distinct_list(block, data, MEDROI_MAX_DISTINCT, &values, error);
    if (status != MEDROI_OK)
        return status;
    if (!values.overflow) {
        int64_t n = count(block);
        uint64_t *keys = malloc(values.n * sizeof *keys);
        if (!keys) {
            medroi_distinct_free(&values);
            return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for %zu values",
                               values.n);
        }
        for (size_t i = 0; i < values.n; i++)
            keys[i] = values.keys[i];
        size_t n_intervals = merge(block, h->max_error, keys, values.n);
        double n_cells = (h->high - h->low) / (2.0 * h->max_error + (block->kind != 'f')) + 1.0;
        *is_sparse = block->kind == 'f' || (double)n_intervals * 1.125 < n_cells;
        for (int64_t i = 0; i < n && *is_sparse; i++) {
            uint32_t rank = medroi_distinct_rank(&values, medroi_key_at(block, data, (size_t)i));
            put_key(block, out, i, keys[rank]);
        }
        free(keys);
    }
    medroi_distinct_free(&values);
    return MEDROI_OK;
}
