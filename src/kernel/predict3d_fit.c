/* predict3d: find the weights of the neighbours, for the encoder only.
 *
 * Sums are exact integers; the small systems are solved in double precision with one operation
 * order (contraction into fused multiply-adds is off), so that every machine finds the same
 * weights. Decoding does not depend on it: the weights travel as integers.
 */
#include "predict3d_internal.h"

#include <stdlib.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#define UNKNOWNS (P3_TAPS - 1) /* all but tap 0, which takes what is left of the sum 1 */
#define MAX_SAMPLES 131072

typedef struct fit_sums {
    int64_t a[UNKNOWNS][UNKNOWNS];
    int64_t b[UNKNOWNS];
    int64_t n;
} fit_sums;

typedef struct fit_sample {
    const int32_t *c, *n, *f;
    uint32_t roughness;
} fit_sample;

/* Solve (A + ridge) x = b by LDL'; x in units of 1. */
static void solve(const fit_sums *sums, double x[UNKNOWNS])
{
    double l[UNKNOWNS][UNKNOWNS], d[UNKNOWNS], trace = 0.0;
    for (int i = 0; i < UNKNOWNS; i++)
        trace += (double)sums->a[i][i];
    double ridge = trace / UNKNOWNS * 1e-4 + 1.0;
    for (int i = 0; i < UNKNOWNS; i++) {
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
    for (int i = 0; i < UNKNOWNS; i++) {
        double sum = (double)sums->b[i];
        for (int k = 0; k < i; k++) {
            double t = l[i][k] * x[k];
            sum -= t;
        }
        x[i] = sum;
    }
    for (int i = UNKNOWNS - 1; i >= 0; i--) {
        double sum = x[i] / d[i];
        for (int k = i + 1; k < UNKNOWNS; k++) {
            double t = l[k][i] * x[k];
            sum -= t;
        }
        x[i] = sum;
    }
}

static void round_weights(const double x[UNKNOWNS], int32_t weight[P3_TAPS])
{
    int32_t rest = 1 << P3_WEIGHT_BITS;
    for (int i = 0; i < UNKNOWNS; i++) {
        double scaled = x[i] * (1 << P3_WEIGHT_BITS);
        scaled = scaled > 16383.0 ? 16383.0 : scaled < -16383.0 ? -16383.0 : scaled;
        weight[i + 1] = (int32_t)(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
        rest -= weight[i + 1];
    }
    weight[0] = rest;
}

/* A sum of 131072 products of two 21-bit differences fits 64 bits. */
static void accumulate(fit_sums *sums, const fit_sample *s, int64_t row, int shift)
{
    int32_t tap[P3_TAPS], d[UNKNOWNS];
    p3_neighbours(s->c, s->n, s->f, row, tap);
    for (int i = 0; i < UNKNOWNS; i++)
        d[i] = (int32_t)(((int64_t)tap[i + 1] - tap[0]) >> shift);
    int32_t target = (int32_t)(((int64_t)s->c[0] - tap[0]) >> shift);
    for (int i = 0; i < UNKNOWNS; i++) {
        for (int j = 0; j <= i; j++)
            sums->a[i][j] += (int64_t)d[i] * d[j];
        sums->b[i] += (int64_t)d[i] * target;
    }
    sums->n++;
}

static int by_roughness(const void *a, const void *b)
{
    uint32_t x = ((const fit_sample *)a)->roughness, y = ((const fit_sample *)b)->roughness;
    return (x > y) - (x < y);
}

/* Limits that put equal numbers of samples into each class. */
static void find_limits(fit_sample *sample, int64_t n, int32_t n_classes, uint32_t *limit)
{
    qsort(sample, (size_t)n, sizeof *sample, by_roughness);
    for (int32_t i = 0; i + 1 < n_classes; i++)
        limit[i] = n > 0 ? sample[n * (i + 1) / n_classes].roughness + 1 : 0;
}

/* Every step-th voxel of the slices of one kind, without those in flat places; `sample` may be
 * NULL to count only. */
static int64_t take_samples(const p3_volume *v, const int32_t *voxels, int kind, int64_t step,
                            fit_sample *sample)
{
    int64_t per_slice = v->height * v->width, n = 0, at = 0;
    const int32_t *zero = voxels + p3_origin(v, v->depth);
    for (int64_t z = 0; z < v->depth; z++) {
        if (p3_kind(v, z) != kind)
            continue;
        for (; at < per_slice && n < MAX_SAMPLES; at += step) {
            int64_t offset = at / v->width * v->row + at % v->width;
            int32_t tap[P3_TAPS];
            fit_sample s = {voxels + p3_origin(v, z) + offset, zero + offset, zero + offset, 0};
            if (kind >= 1)
                s.n = s.c - v->slice;
            if (kind == 2)
                s.f = s.c - v->lag * v->slice;
            p3_neighbours(s.c, s.n, s.f, v->row, tap);
            s.roughness = p3_roughness(tap);
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
static int64_t choose_step(const p3_volume *v, const int32_t *voxels, int kind)
{
    int64_t total = 0;
    for (int64_t z = 0; z < v->depth; z++)
        total += p3_kind(v, z) == kind ? v->height * v->width : 0;
    int64_t coarse = (total / (MAX_SAMPLES / 8)) | 1;
    int64_t found = take_samples(v, voxels, kind, coarse, NULL);
    return (found * coarse / (MAX_SAMPLES / 2)) | 1;
}

static int32_t class_count(int64_t samples)
{
    int32_t n = 1;
    while (n < P3_MAX_CLASSES && samples / (n * 2) >= 2048)
        n *= 2;
    return n;
}

int p3_fit_kind(const p3_volume *v, const int32_t *voxels, uint64_t top, int kind,
                p3_weights *weights)
{
    int shift = medroi_bit_length(top) > 20 ? medroi_bit_length(top) - 20 : 0;
    fit_sample *sample = malloc(MAX_SAMPLES * sizeof *sample);
    if (!sample)
        return 0;
    int64_t n = take_samples(v, voxels, kind, choose_step(v, voxels, kind), sample);
    int32_t n_classes = class_count(n);
    weights->n_classes[kind] = n_classes;
    find_limits(sample, n, n_classes, weights->limit[kind]);
    int64_t i = 0;
    for (int32_t k = 0; k < n_classes; k++) {
        fit_sums sums;
        double x[UNKNOWNS];
        memset(&sums, 0, sizeof sums);
        for (; i < n && (k + 1 == n_classes || sample[i].roughness < weights->limit[kind][k]); i++)
            accumulate(&sums, &sample[i], v->row, shift);
        solve(&sums, x);
        round_weights(x, weights->weight[kind][k]);
    }
    free(sample);
    return 1;
}
