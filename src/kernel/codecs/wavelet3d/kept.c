/* wavelet3d: coefficients kept between the tries of a search. */
#include "codecs/inner.h"
#include "codecs/wavelet3d/mixed.h"
#include "codecs/wavelet3d/search.h"

#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#define KEPT_NBYTES ((int64_t)1 << 30) /* parts beyond are transformed again for every try */
#define BINS (1 << 14)                 /* sizes as exponent and 6 bits of fraction */
#define PART_ROW_NBYTES 12.0           /* of the slab table */

static medroi_status no_memory(const medroi_w3_search *s) {
    return medroi_fail(s->error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the search");
}

static medroi_block part_block(const medroi_w3_search *s, int64_t part, const uint8_t **data) {
    medroi_block b = *s->region;
    int64_t start = part * s->extent, left = s->region->shape[0] - start;
    b.shape[0] = left < s->extent ? left : s->extent;
    size_t per_slice = medroi_block_nbytes(s->region) / (size_t)s->region->shape[0];
    *data = s->data + (size_t)start * per_slice;
    return b;
}

/* Header and shape of a part; 0 where all of its elements are the same. */
static int describe(const medroi_w3_search *s, const medroi_block *block, const uint8_t *data,
                    double step, medroi_w3_header *h, medroi_w3_shape *shape) {
    *shape = medroi_w3_shape_of(block);
    memset(h, 0, sizeof *h);
    medroi_w3_range(block, data, &h->low, &h->high);
    h->step = step;
    h->is_mixed = s->is_mixed;
    if (h->low == h->high)
        return 0;
    medroi_w3_schedule(shape, &s->axes, h);
    return 1;
}

/* A byte for each element of a part: 0 where decoding sets it back; NULL: nowhere. */
static const uint8_t *inside_of(const medroi_w3_search *s, const uint8_t *data) {
    return s->inside ? s->inside + (size_t)(data - s->data) / s->region->itemsize : NULL;
}

static int transform(const medroi_w3_search *s, const medroi_block *block, const uint8_t *data,
                     const medroi_w3_shape *shape, const medroi_w3_header *h, float *to) {
    return medroi_w3_load(block, data, h, to) && medroi_w3_fill(shape, inside_of(s, data), to) &&
           medroi_w3_forward(shape, h, to);
}

/* The part's coefficients in units of h->step into s->work, or their indices into s->indices, with
 * the points learned. */
static medroi_status coefficients(const medroi_w3_search *s, int64_t part,
                                  const medroi_block *block, const uint8_t *data,
                                  const medroi_w3_shape *shape, medroi_w3_header *h) {
    int64_t n = medroi_w3_count(shape);
    const float *kept = s->kept[part];
    if (kept) {
        const float gain = (float)(s->unit / h->step);
        for (int64_t i = 0; i < n; i++)
            s->work[i] = kept[i] * gain;
    } else if (!transform(s, block, data, shape, h, s->work)) {
        return no_memory(s);
    }
    if (s->is_mixed)
        return medroi_w3_choose_indices(shape, h, s->work, s->indices, s->error);
    medroi_w3_learn_points(s->work, n, h);
    return MEDROI_OK;
}

static void count_sizes(const float *data, int64_t n, int64_t *count) {
    uint32_t bits;
    for (int64_t i = 0; i < n; i++) {
        memcpy(&bits, data + i, sizeof bits);
        count[(bits & 0x7FFFFFFF) >> 17]++;
    }
}

static void list_sizes(medroi_w3_search *s) {
    for (int32_t bin = 0; bin < BINS; bin++) {
        if (s->count[bin] == 0)
            continue;
        uint32_t bits = (uint32_t)bin << 17 | 1u << 16;
        memcpy(&s->value[s->n_bins], &bits, sizeof bits);
        s->count[s->n_bins++] = s->count[bin];
    }
}

medroi_status medroi_w3_search_open(medroi_w3_search *s) {
    int64_t kept_nbytes = 0;
    s->unit = (s->high - s->low) / 65536.0;
    s->extent = medroi_w3_part_extent(s->region, NULL);
    s->n_parts = (s->region->shape[0] + s->extent - 1) / s->extent;
    const uint8_t *data;
    medroi_block first = part_block(s, 0, &data);
    size_t nbytes = medroi_block_nbytes(&first);
    size_t room = nbytes / s->region->itemsize * sizeof(float);
    s->kept = calloc((size_t)s->n_parts, sizeof *s->kept);
    s->work = malloc(room);
    s->elements = malloc(medroi_w3_bound(&first, NULL));
    s->count = calloc(BINS, sizeof *s->count);
    s->value = malloc(BINS * sizeof *s->value);
    s->indices = s->is_mixed ? malloc(room) : NULL;
    if (!s->kept || !s->work || (s->is_mixed && !s->indices) || !s->elements || !s->count ||
        !s->value)
        return no_memory(s);
    for (int64_t part = 0; part < s->n_parts; part++) {
        medroi_w3_header h;
        medroi_w3_shape shape;
        medroi_block b = part_block(s, part, &data);
        if (!describe(s, &b, data, s->unit, &h, &shape))
            continue;
        float *to = kept_nbytes < KEPT_NBYTES ? malloc(room) : NULL;
        kept_nbytes += (int64_t)room;
        s->kept[part] = to;
        to = to ? to : s->work;
        if (!transform(s, &b, data, &shape, &h, to))
            return no_memory(s);
        count_sizes(to, medroi_w3_count(&shape), s->count);
    }
    list_sizes(s);
    return MEDROI_OK;
}

void medroi_w3_search_close(medroi_w3_search *s) {
    for (int64_t part = 0; s->kept && part < s->n_parts; part++)
        free(s->kept[part]);
    free(s->kept);
    free(s->work);
    free(s->indices);
    free(s->elements);
    free(s->count);
    free(s->value);
    s->kept = NULL;
    s->work = NULL;
    s->indices = NULL;
    s->elements = NULL;
    s->count = NULL;
    s->value = NULL;
    s->n_bins = 0;
}

medroi_status medroi_w3_true_error(const medroi_w3_search *s, double step, double *sum) {
    *sum = 0.0;
    for (int64_t part = 0; part < s->n_parts; part++) {
        medroi_w3_header h;
        medroi_w3_shape shape;
        const uint8_t *data;
        medroi_block b = part_block(s, part, &data);
        if (!describe(s, &b, data, step, &h, &shape))
            continue;
        medroi_status status = coefficients(s, part, &b, data, &shape, &h);
        if (status != MEDROI_OK)
            return status;
        if (s->is_mixed)
            medroi_w3_mixed_values(&shape, &h, s->indices, s->work);
        else
            medroi_w3_quantise(s->work, medroi_w3_count(&shape), &h);
        if (!medroi_w3_inverse(&shape, &h, s->work))
            return no_memory(s);
        medroi_w3_store(&b, &h, s->work, s->elements);
        *sum += medroi_w3_squared_error(&b, data, s->elements, inside_of(s, data));
    }
    return MEDROI_OK;
}

medroi_status medroi_w3_true_nbytes(const medroi_w3_search *s, int64_t n_parts, double step,
                                    double *total) {
    *total = s->n_parts > 1 ? PART_ROW_NBYTES * (double)n_parts : 0.0;
    for (int64_t part = 0; part < n_parts; part++) {
        medroi_w3_header h;
        medroi_w3_shape shape;
        const uint8_t *data;
        uint8_t header[W3_MAX_HEADER_NBYTES];
        medroi_block b = part_block(s, part, &data);
        size_t stored = 1 + medroi_block_nbytes(&b), nbytes = 0, head = 0;
        if (describe(s, &b, data, step, &h, &shape)) {
            medroi_status status = coefficients(s, part, &b, data, &shape, &h);
            if (status == MEDROI_OK)
                status = s->is_mixed ? medroi_w3_encode_mixed(&shape, &h, s->indices, s->elements,
                                                              stored, &nbytes, s->error)
                                     : medroi_w3_encode_bands(&shape, &h, s->work, s->elements,
                                                              stored, &nbytes, s->error);
            if (status != MEDROI_OK)
                return status;
            head = nbytes == 0 ? stored : s->is_mixed ? 0 : 4;
        }
        head += head == stored ? 0 : medroi_w3_write_header(&h, header);
        *total += (double)(head + nbytes < stored ? head + nbytes : stored);
    }
    return MEDROI_OK;
}
