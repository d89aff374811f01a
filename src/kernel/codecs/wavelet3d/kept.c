/* wavelet3d: coefficients kept between the tries of a search. */
#include "codecs/inner.h"
#include "codecs/wavelet3d/mixed.h"
#include "codecs/wavelet3d/search.h"

#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#define BINS (1 << 14)       /* sizes as exponent and 6 bits of fraction */
#define PART_ROW_NBYTES 12.0 /* of the slab table */
#define MORE_NBYTES 64       /* of a part's code, beside its elements */

static medroi_status no_memory(const medroi_w3_search *s) {
    return medroi_fail(s->error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the search");
}

int medroi_w3_next_part(const medroi_w3_search *s, medroi_w3_cursor *c) {
    c->number++;
    while (c->next_block == 0 || c->slice == c->whole.shape[0]) {
        if (c->status != MEDROI_OK || c->next_block == s->blocks->n)
            return 0;
        c->slice = 0;
        c->status = s->blocks->load(s->blocks->user, c->next_block++, &c->whole, &c->start,
                                    &c->marks, s->error);
        if (c->status != MEDROI_OK)
            return 0;
        c->extent = medroi_w3_part_extent(&c->whole, NULL);
    }
    size_t per_slice = medroi_block_nbytes(&c->whole) / (size_t)c->whole.shape[0];
    int64_t left = c->whole.shape[0] - c->slice;
    c->part = c->whole;
    c->part.shape[0] = left < c->extent ? left : c->extent;
    c->data = c->start + (size_t)c->slice * per_slice;
    c->inside = c->marks ? c->marks + (size_t)c->slice * (per_slice / c->whole.itemsize) : NULL;
    c->slice += c->part.shape[0];
    return 1;
}

medroi_status medroi_w3_survey(medroi_w3_search *s) {
    medroi_w3_cursor c = MEDROI_W3_START;
    double low = 0.0, high = 0.0, kept_low = 0.0, kept_high = 0.0;
    while (medroi_w3_next_part(s, &c)) {
        int64_t n = (int64_t)(medroi_block_nbytes(&c.part) / c.part.itemsize);
        if (c.data == c.start)
            s->axes[c.next_block - 1] = medroi_w3_axes_of_spacing(&c.whole, s->spacing);
        if (!medroi_w3_range(&c.part, c.data, &low, &high))
            return medroi_fail(s->error, MEDROI_INVALID_ARGUMENT,
                               "wavelet3d: the data hold NaN or infinite values, which a lossy "
                               "code cannot keep; replace them, or use predict3d (lossless)");
        s->low = c.number == 0 || low < s->low ? low : s->low;
        s->high = c.number == 0 || high > s->high ? high : s->high;
        int64_t n_kept =
            c.inside ? medroi_w3_range_kept(&c.part, c.data, c.inside, &low, &high) : n;
        if (n_kept > 0) {
            kept_low = s->n_kept == 0 || low < kept_low ? low : kept_low;
            kept_high = s->n_kept == 0 || high > kept_high ? high : kept_high;
        }
        s->n_kept += n_kept;
        s->n_elements += n;
        s->nbytes += (int64_t)medroi_block_nbytes(&c.part);
        s->most = n > s->most ? n : s->most;
        s->n_parts = c.number + 1;
        s->kind = c.part.kind;
        s->itemsize = c.part.itemsize;
    }
    s->range = kept_high - kept_low;
    if (s->range <= 0.0) { /* what is kept is of one value: any error is that of the rest */
        s->range = s->high - s->low;
        s->n_kept = s->n_elements;
    }
    return c.status;
}

/* Header and shape of a part; 0 where all of its elements are the same. */
static int describe(const medroi_w3_search *s, const medroi_w3_cursor *c, double step,
                    medroi_w3_header *h, medroi_w3_shape *shape) {
    *shape = medroi_w3_shape_of(&c->part);
    memset(h, 0, sizeof *h);
    medroi_w3_range(&c->part, c->data, &h->low, &h->high);
    h->step = step;
    h->is_mixed = s->is_mixed;
    if (h->low == h->high)
        return 0;
    medroi_w3_schedule(shape, &s->axes[c->next_block - 1], h);
    return 1;
}

static int transform(const medroi_w3_cursor *c, const medroi_w3_shape *shape,
                     const medroi_w3_header *h, float *to) {
    return medroi_w3_load(&c->part, c->data, h, to) && medroi_w3_fill(shape, c->inside, to) &&
           medroi_w3_forward(shape, h, to);
}

/* The part's coefficients in units of h->step into s->work, or their indices into s->indices, with
 * the points learned. */
static medroi_status coefficients(const medroi_w3_search *s, const medroi_w3_cursor *c,
                                  const medroi_w3_shape *shape, medroi_w3_header *h) {
    int64_t n = medroi_w3_count(shape);
    const float *kept = s->kept[c->number];
    if (kept) {
        const float gain = (float)(s->unit / h->step);
        for (int64_t i = 0; i < n; i++)
            s->work[i] = kept[i] * gain;
    } else if (!transform(c, shape, h, s->work)) {
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
    medroi_w3_cursor c = MEDROI_W3_START;
    size_t held_nbytes = 0, room = (size_t)s->most * sizeof(float);
    s->unit = (s->high - s->low) / 65536.0;
    s->kept = calloc((size_t)s->n_parts, sizeof *s->kept);
    s->work = malloc(room);
    s->elements = malloc((size_t)s->most * s->itemsize + MORE_NBYTES);
    s->count = calloc(BINS, sizeof *s->count);
    s->value = malloc(BINS * sizeof *s->value);
    s->indices = s->is_mixed ? malloc(room) : NULL;
    if (!s->kept || !s->work || (s->is_mixed && !s->indices) || !s->elements || !s->count ||
        !s->value)
        return no_memory(s);
    while (medroi_w3_next_part(s, &c)) {
        medroi_w3_header h;
        medroi_w3_shape shape;
        if (!describe(s, &c, s->unit, &h, &shape))
            continue;
        size_t nbytes = (size_t)medroi_w3_count(&shape) * sizeof(float);
        float *to = held_nbytes + nbytes <= s->blocks->most_nbytes ? malloc(nbytes) : NULL;
        held_nbytes += to ? nbytes : 0;
        s->kept[c.number] = to;
        to = to ? to : s->work;
        if (!transform(&c, &shape, &h, to))
            return no_memory(s);
        count_sizes(to, medroi_w3_count(&shape), s->count);
    }
    list_sizes(s);
    return c.status;
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
    medroi_w3_cursor c = MEDROI_W3_START;
    *sum = 0.0;
    while (medroi_w3_next_part(s, &c)) {
        medroi_w3_header h;
        medroi_w3_shape shape;
        if (!describe(s, &c, step, &h, &shape))
            continue;
        medroi_status status = coefficients(s, &c, &shape, &h);
        if (status != MEDROI_OK)
            return status;
        if (s->is_mixed)
            medroi_w3_mixed_values(&shape, &h, s->indices, s->work);
        else
            medroi_w3_quantise(s->work, medroi_w3_count(&shape), &h);
        if (!medroi_w3_inverse(&shape, &h, s->work))
            return no_memory(s);
        medroi_w3_store(&c.part, &h, s->work, s->elements);
        *sum += medroi_w3_squared_error(&c.part, c.data, s->elements, c.inside);
    }
    return c.status;
}

medroi_status medroi_w3_true_nbytes(const medroi_w3_search *s, double step, double *total) {
    medroi_w3_cursor c = MEDROI_W3_START;
    *total = 0.0;
    while (medroi_w3_next_part(s, &c)) {
        medroi_w3_header h;
        medroi_w3_shape shape;
        uint8_t header[W3_MAX_HEADER_NBYTES];
        size_t stored = 1 + medroi_block_nbytes(&c.part), nbytes = 0, head = 0;
        if (describe(s, &c, step, &h, &shape)) {
            medroi_status status = coefficients(s, &c, &shape, &h);
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
        *total += c.part.shape[0] < c.whole.shape[0] ? PART_ROW_NBYTES : 0.0;
    }
    return c.status;
}
