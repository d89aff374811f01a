/* wavelet3d: find the step that reaches a target, over the whole region. */
#include "inner.h"
#include "wavelet3d_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

/* Coefficients by size, 64 bins an octave: what a step would do to them is read off here. */
#define BINS (1 << 14)

typedef struct search {
    const medroi_block *region;
    const uint8_t *data;
    double *params;
    double low, high, unit; /* coefficients in the histogram are in this unit */
    int64_t n_parts, extent;
    int64_t count[BINS];
    medroi_error *error;
} search;

static medroi_block part_block(const search *s, int64_t part, const uint8_t **data) {
    medroi_block b = *s->region;
    int64_t start = part * s->extent, left = s->region->shape[0] - start;
    b.shape[0] = left < s->extent ? left : s->extent;
    size_t per_slice = medroi_block_nbytes(s->region) / (size_t)s->region->shape[0];
    *data = s->data + (size_t)start * per_slice;
    return b;
}

/* Load and transform one part with a step; NULL without memory. */
static float *transformed(const search *s, int64_t part, double step, w3_header *h,
                          w3_shape *shape) {
    const uint8_t *data;
    double spacing_of[W3_AXES];
    medroi_block b = part_block(s, part, &data);
    *shape = w3_shape_of(&b, s->params + 2, spacing_of);
    memset(h, 0, sizeof *h);
    w3_range(&b, data, &h->low, &h->high);
    h->step = step;
    w3_schedule(shape, spacing_of, h);
    float *work = malloc((size_t)w3_count(shape) * sizeof(float));
    if (work && !(w3_load(&b, data, h, work) && w3_forward(shape, h, work))) {
        free(work);
        return NULL;
    }
    return work;
}

static int bin_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (int)((bits & 0x7FFFFFFF) >> 17);
}

static double bin_value(int bin) {
    uint32_t bits = (uint32_t)bin << 17 | 1u << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

static medroi_status fill_histogram(search *s) {
    memset(s->count, 0, sizeof s->count);
    for (int64_t part = 0; part < s->n_parts; part++) {
        w3_header h;
        w3_shape shape;
        float *work = transformed(s, part, s->unit, &h, &shape);
        if (!work)
            return medroi_fail(s->error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the search");
        int64_t n = w3_count(&shape);
        for (int64_t i = 0; i < n; i++)
            s->count[bin_of(work[i])]++;
        free(work);
    }
    return MEDROI_OK;
}

/* Squared error of all coefficients at a step, in squared stored units. */
static double predicted_error(const search *s, double step) {
    double sum = 0.0;
    for (int i = 0; i < BINS; i++) {
        if (s->count[i] == 0)
            continue;
        double x = bin_value(i) * s->unit / step;
        double whole = x > 1e6 ? x : floor(x + (double)W3_ROUND);
        double e = x > 24.0 ? 1.0 / 12.0 : (x - whole) * (x - whole);
        sum += (double)s->count[i] * e;
    }
    return sum * step * step;
}

/* About how many bytes: what a step leaves of each coefficient, in bits. */
static double predicted_nbytes(const search *s, double step) {
    double bits = 0.0;
    for (int i = 0; i < BINS; i++)
        if (s->count[i] != 0) {
            double x = bin_value(i) * s->unit / step;
            bits += (double)s->count[i] * log2(1.0 + x * x * 8.0) * 0.6;
        }
    return bits / 8.0;
}

static medroi_status true_error(const search *s, double step, double *sum) {
    *sum = 0.0;
    for (int64_t part = 0; part < s->n_parts; part++) {
        w3_header h;
        w3_shape shape;
        const uint8_t *data;
        medroi_block b = part_block(s, part, &data);
        float *work = transformed(s, part, step, &h, &shape);
        if (!work)
            return medroi_fail(s->error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the search");
        int64_t n = w3_count(&shape);
        w3_learn_points(work, n, &h);
        for (int64_t i = 0; i < n; i++) {
            float v = w3_value(&h, w3_magnitude(work[i]));
            work[i] = work[i] < 0.0f ? -v : v;
        }
        if (!w3_inverse(&shape, &h, work)) {
            free(work);
            return medroi_fail(s->error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the search");
        }
        for (int64_t i = 0; i < n; i++) {
            double e = w3_to_kind(&b, &h, w3_rebuild(&h, work[i])) - w3_element(&b, data, i);
            *sum += e * e;
        }
        free(work);
    }
    return MEDROI_OK;
}

static medroi_status true_nbytes(const search *s, double step, double *total) {
    double params[MEDROI_MAX_PARAMS];
    memcpy(params, s->params, sizeof params);
    params[0] = 4.0;
    params[5] = step;
    *total = s->n_parts > 1 ? 12.0 * (double)s->n_parts : 0.0; /* the part table */
    for (int64_t part = 0; part < s->n_parts; part++) {
        const uint8_t *data;
        medroi_block b = part_block(s, part, &data);
        size_t capacity = medroi_wavelet3d.bound(&b, params), n = 0;
        uint8_t *buffer = malloc(capacity);
        if (!buffer)
            return medroi_fail(s->error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the search");
        medroi_status status =
            medroi_wavelet3d.encode(&b, data, params, buffer, capacity, &n, s->error);
        free(buffer);
        if (status != MEDROI_OK)
            return status;
        *total += (double)n;
    }
    return MEDROI_OK;
}

/* The step at which a falling (bytes) or rising (error) prediction reaches `goal`. */
static double solve(const search *s, double (*predict)(const search *, double), int rising,
                    double goal, double least, double most) {
    for (int i = 0; i < 60; i++) {
        double middle = sqrt(least) * sqrt(most);
        if ((predict(s, middle) < goal) == rising)
            least = middle;
        else
            most = middle;
    }
    return sqrt(least) * sqrt(most);
}

static double least_step(const search *s) { return (s->high - s->low) / 4194304.0; }

static medroi_status reach_psnr(search *s, double psnr, double *step) {
    double n = (double)(medroi_block_nbytes(s->region) / s->region->itemsize);
    double range = s->high - s->low;
    double goal = range * range * pow(10.0, -psnr / 10.0) * n, aim = goal;
    double least = least_step(s), most = range * 64.0, below = least, above = most;
    double best = 1e9;
    for (int turn = 0; turn < 12; turn++) {
        double try = turn < 6 ? solve(s, predicted_error, 1, aim, least, most)
                              : sqrt(below) * sqrt(above),
               sum;
        medroi_status status = true_error(s, try, &sum);
        if (status != MEDROI_OK)
            return status;
        double off = sum > 0.0 ? 10.0 * log10(goal / sum) : 1e6; /* above: better than asked */
        double distance = off < 0.0 ? -off * 8.0 : off;          /* prefer the better side */
        if (distance < best || turn == 0) {
            best = distance;
            *step = try;
        }
        if (off > -0.02 && off < 0.06)
            return MEDROI_OK;
        if (off > 0.0)
            below = try > below ? try : below
                ;
        else
            above = try < above ? try : above
                ;
        aim = sum > 0.0 ? aim * (goal / sum) : aim * 4.0;
    }
    if (best > 1.6)
        return medroi_fail(s->error, MEDROI_INVALID_ARGUMENT,
                           "wavelet3d: psnr = %g dB cannot be reached on these data within 0.2 dB "
                           "(float precision or rounding to integers is in the way); ask for less, "
                           "or use predict3d (lossless)",
                           psnr);
    return MEDROI_OK;
}

static medroi_status reach_rate(search *s, double rate, double *step) {
    double goal = (double)medroi_block_nbytes(s->region) / rate, range = s->high - s->low;
    double least = least_step(s), most = range * 64.0;
    double try = solve(s, predicted_nbytes, 0, goal, least, most), low = least, high = most;
    double low_size = 0.0, high_size = 0.0, off = 0.0;
    for (int turn = 0; turn < 14; turn++) {
        double size;
        medroi_status status = true_nbytes(s, try, &size);
        if (status != MEDROI_OK)
            return status;
        *step = try;
        off = size / goal - 1.0;
        if (off < 0.004 && off > -0.004)
            return MEDROI_OK;
        if (off > 0.0) {
            low = try;
            low_size = size;
        } else {
            high = try;
            high_size = size;
        }
        if (low_size > 0.0 && high_size > 0.0) { /* between the two, on a log-log line */
            double t = log(low_size / goal) / log(low_size / high_size);
            t = t < 0.05 ? 0.05 : t > 0.95 ? 0.95 : t;
            try = low * pow(high / low, t);
        } else {
            try = try * pow(size / goal, 1.5);
            try = try < least ? least : try > most ? most : try;
        }
    }
    if (off > 0.01)
        return medroi_fail(s->error, MEDROI_INVALID_ARGUMENT,
                           "wavelet3d: rate = %g cannot be reached on these data; ask for less",
                           rate);
    return MEDROI_OK;
}

medroi_status w3_plan(const medroi_block *region, const void *data, double *params,
                      medroi_error *error) {
    double low, high;
    if (!w3_range(region, data, &low, &high))
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "wavelet3d: the data hold NaN or infinite values, which a lossy code "
                           "cannot keep; replace them, or use predict3d (lossless)");
    double range = high - low, step = 1.0;
    if (!(range == 0.0 || (range >= 1e-150 && range <= 1e150)))
        return medroi_fail(
            error, MEDROI_INVALID_ARGUMENT,
            "wavelet3d: the data span %g, expected 1e-150 to 1e150; scale them, or use "
            "predict3d (lossless)",
            range);
    int mode = (int)params[0];
    medroi_status status = MEDROI_OK;
    search *s = NULL;
    if (range == 0.0)
        goto done;
    double least = range / 4194304.0;
    if (mode == 3) {
        step = params[1] * 1.5;
        step = step > least ? step : least;
        goto done;
    }
    if (mode == 4) {
        step = params[1];
        if (step < least)
            status =
                medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                            "wavelet3d: step = %g is too fine for a range of %g (at least %g); "
                            "use predict3d (lossless)",
                            step, range, least);
        goto done;
    }
    s = malloc(sizeof *s);
    if (!s)
        return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the search");
    s->region = region;
    s->data = data;
    s->params = params;
    s->low = low;
    s->high = high;
    s->unit = range / 65536.0;
    s->extent = medroi_wavelet3d.part_extent(region, params);
    s->n_parts = (region->shape[0] + s->extent - 1) / s->extent;
    s->error = error;
    status = fill_histogram(s);
    if (status == MEDROI_OK)
        status = mode == 1 ? reach_psnr(s, params[1], &step) : reach_rate(s, params[1], &step);
done:
    free(s);
    if (status != MEDROI_OK)
        return status;
    params[0] = mode == 3 ? 3.0 : 4.0;
    params[5] = step;
    return MEDROI_OK;
}
