/* predict3d: find the weights of the neighbours, by least squares, for the encoder only.
 *
 * A part is sampled, about 2^16 voxels of each kind of slice. Their neighbours' differences from
 * the voxel on the left give the normal equations of the weights that predict best, with a small
 * ridge for neighbours that say the same; the voxel on the left takes what is left of the sum 1, so
 * that a constant added to all voxels changes nothing. The dense method has up to 8 classes of
 * roughness with weights of their own, of about equal numbers of samples: smooth places want an
 * average, edges want the nearest.
 *
 * Sums are exact integers; the small systems are solved (LDL') in double precision with one
 * operation order (contraction into fused multiply-adds is off), so that every machine finds the
 * same weights. Decoding does not depend on it: the weights travel as integers.
 */
#include "codecs/predict3d/predict3d.h"

#include <stdlib.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#define UNKNOWNS (P3_TAPS - 1) /* all but tap 0, which takes what is left of the sum 1 */
#define COLUMNS (UNKNOWNS + 1) /* the last is the voxel itself */
#define MAX_SAMPLES 131072
#define BATCH 64 /* 64 products of two CLIP sized numbers fit 31 bits */
#define CLIP 4095
#define BINS (33 * 16) /* of the histogram of roughness: 16 an octave */

typedef struct fit_sums {
    int64_t a[COLUMNS][COLUMNS]; /* lower triangle */
    int16_t batch[COLUMNS][BATCH];
    int n; /* columns of the batch in use */
    int shift;
} fit_sums;

typedef struct fit_sample {
    const int32_t *c, *n, *f;
    uint32_t roughness;
} fit_sample;

/* Solve (A + ridge) x = b by LDL'; x in units of 1. */
static void solve(const fit_sums *sums, double x[UNKNOWNS]) {
    const int n = UNKNOWNS;
    double l[UNKNOWNS][UNKNOWNS], d[UNKNOWNS], trace = 0.0;
    for (int i = 0; i < n; i++)
        trace += (double)sums->a[i][i];
    double ridge = trace / n * 1e-4 + 1.0;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++) {
            double sum = (double)sums->a[i][j];
            if (i == j)
                sum += ridge;
            for (int k = 0; k < j; k++) {
                double t = l[i][k] * l[j][k];
                sum -= t * d[k];
            }
            if (i == j)
                d[i] = sum > ridge * 0.5 ? sum : ridge * 0.5;
            else
                l[i][j] = sum / d[j];
        }
    }
    for (int i = 0; i < n; i++) {
        double sum = (double)sums->a[UNKNOWNS][i];
        for (int k = 0; k < i; k++) {
            double t = l[i][k] * x[k];
            sum -= t;
        }
        x[i] = sum;
    }
    for (int i = n - 1; i >= 0; i--) {
        double sum = x[i] / d[i];
        for (int k = i + 1; k < n; k++) {
            double t = l[k][i] * x[k];
            sum -= t;
        }
        x[i] = sum;
    }
}

static void round_weights(const double x[UNKNOWNS], int32_t weight[P3_TAPS]) {
    int32_t rest = 1 << P3_WEIGHT_BITS;
    for (int i = 0; i < UNKNOWNS; i++) {
        double scaled = x[i] * (1 << P3_WEIGHT_BITS);
        scaled = scaled > 16383.0 ? 16383.0 : scaled < -16383.0 ? -16383.0 : scaled;
        weight[i + 1] = (int32_t)(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
        rest -= weight[i + 1];
    }
    weight[0] = rest;
}

/* Add the batch to the sums; the others are zero. */
P3_CLONES static void flush(fit_sums *sums) {
    for (int i = 0; i < COLUMNS; i++)
        for (int j = 0; j <= i; j++) {
            int32_t sum = 0;
            for (int k = 0; k < BATCH; k++)
                sum += sums->batch[i][k] * sums->batch[j][k];
            sums->a[i][j] += sum;
        }
    memset(sums->batch, 0, sizeof sums->batch);
    sums->n = 0;
}

static int16_t clipped(int32_t value, int32_t base, int shift) {
    int64_t d = ((int64_t)value - base) >> shift;
    return (int16_t)(d > CLIP ? CLIP : d < -CLIP ? -CLIP : d);
}

static void add_sample(fit_sums *sums, const fit_sample *s, int64_t row) {
    int32_t tap[P3_TAPS];
    medroi_p3_neighbours(s->c, s->n, s->f, row, tap);
    for (int i = 0; i < UNKNOWNS; i++)
        sums->batch[i][sums->n] = clipped(tap[i + 1], tap[0], sums->shift);
    sums->batch[UNKNOWNS][sums->n] = clipped(s->c[0], tap[0], sums->shift);
    if (++sums->n == BATCH)
        flush(sums);
}

/* Histogram bins of roughness, 16 an octave. */
static int bin_of(uint32_t roughness) {
    int lg = medroi_bit_length(roughness) - 1;
    return lg < 4 ? (int)roughness : 16 * (lg - 3) + (int)(roughness >> (lg - 4) & 15);
}

static uint32_t bin_start(int bin) {
    return bin < 16 ? (uint32_t)bin : (16u + (uint32_t)bin % 16) << (bin / 16 - 1);
}

/* Limits that put about equal numbers of samples into each class. */
static void find_limits(const fit_sample *sample, int64_t n, int32_t n_classes, uint32_t *limit) {
    int64_t histogram[BINS] = {0}, below = 0;
    for (int64_t i = 0; i < n; i++)
        histogram[bin_of(sample[i].roughness)]++;
    int bin = 0;
    for (int32_t k = 1; k < n_classes; k++) {
        while (bin < BINS - 1 && below < n * k / n_classes)
            below += histogram[bin++];
        limit[k - 1] = bin_start(bin);
    }
}

/* Every step-th voxel of the slices of one kind, without those in flat places; `sample` may be
 * NULL to count only. */
static int64_t take_samples(const medroi_p3_volume *v, const int32_t *voxels, int kind,
                            int64_t step, fit_sample *sample) {
    int64_t per_slice = v->height * v->width, n = 0, at = 0;
    const int64_t y_step = step / v->width, x_step = step % v->width;
    const int32_t *zero = voxels + medroi_p3_origin(v, v->depth);
    for (int64_t z = 0; z < v->depth; z++) {
        if (medroi_p3_kind(v, z) != kind)
            continue;
        int64_t y = at / v->width, x = at % v->width;
        for (; at < per_slice && n < MAX_SAMPLES; at += step, y += y_step, x += x_step) {
            if (x >= v->width) {
                x -= v->width;
                y++;
            }
            int64_t offset = y * v->row + x;
            int32_t tap[P3_TAPS];
            fit_sample s = {voxels + medroi_p3_origin(v, z) + offset, zero + offset, zero + offset,
                            0};
            if (kind >= 1)
                s.n = s.c - v->slice;
            if (kind == 2)
                s.f = s.c - v->lag * v->slice;
            medroi_p3_neighbours(s.c, s.n, s.f, v->row, tap);
            s.roughness = medroi_p3_roughness(tap, kind);
            if (s.roughness == 0 && s.c[0] == tap[0])
                continue;
            if (sample)
                sample[n] = s;
            n++;
        }
        at = at >= per_slice ? at - per_slice : 0;
    }
    return n;
}

/* The step that finds about MAX_SAMPLES / 2 voxels worth a sample. */
static int64_t choose_step(const medroi_p3_volume *v, const int32_t *voxels, int kind) {
    int64_t total = 0;
    for (int64_t z = 0; z < v->depth; z++)
        total += medroi_p3_kind(v, z) == kind ? v->height * v->width : 0;
    int64_t coarse = (total / (MAX_SAMPLES / 8)) | 1;
    int64_t found = take_samples(v, voxels, kind, coarse, NULL);
    return (found * coarse / (MAX_SAMPLES / 2)) | 1;
}

static int32_t class_count(int64_t samples) {
    int32_t n = 1;
    while (n < P3_MAX_CLASSES && samples / (n * 2) >= 2048)
        n *= 2;
    return n;
}

/* Differences in a class are about its roughness / 7: keep them within CLIP. */
static int shift_of(uint32_t limit) {
    int bits = medroi_bit_length(limit);
    return bits > 13 ? bits - 13 : 0;
}

int medroi_p3_fit_kind(const medroi_p3_volume *v, const int32_t *voxels, int kind,
                       int32_t most_classes, medroi_p3_weights *weights) {
    fit_sample *sample = malloc(MAX_SAMPLES * sizeof *sample);
    fit_sums *sums = calloc(P3_MAX_CLASSES, sizeof *sums);
    int ok = sample != NULL && sums != NULL;
    if (!ok)
        goto done;
    int64_t step = choose_step(v, voxels, kind) * (most_classes == 1 ? 5 : 1);
    int64_t n = take_samples(v, voxels, kind, step, sample);
    int32_t n_classes = most_classes == 1 ? 1 : class_count(n);
    uint32_t *limit = weights->limit[kind];
    weights->n_classes[kind] = n_classes;
    find_limits(sample, n, most_classes == 1 ? P3_MAX_CLASSES : n_classes, limit);
    for (int32_t k = 0; k < n_classes; k++)
        sums[k].shift = most_classes == 1 ? shift_of(limit[P3_MAX_CLASSES - 2])
                        : n_classes == 1  ? shift_of(UINT32_MAX >> 16)
                                          : shift_of(limit[k > 0 ? k - 1 : 0]);
    for (int64_t i = 0; i < n; i++) {
        int32_t k = 0;
        while (k + 1 < n_classes && sample[i].roughness >= limit[k])
            k++;
        add_sample(&sums[k], &sample[i], v->row);
    }
    for (int32_t k = 0; k < n_classes; k++) {
        double x[UNKNOWNS];
        flush(&sums[k]);
        solve(&sums[k], x);
        round_weights(x, weights->weight[kind][k]);
    }
done:
    free(sample);
    free(sums);
    return ok;
}
