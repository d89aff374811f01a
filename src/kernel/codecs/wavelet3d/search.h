/* wavelet3d: what a search for a step knows, and what it can ask. */
#ifndef MEDROI_WAVELET3D_SEARCH_H
#define MEDROI_WAVELET3D_SEARCH_H

#include "codecs/wavelet3d/wavelet3d.h"

/* The region's coefficients, transformed once. */
typedef struct medroi_w3_search {
    const medroi_block *region;
    const uint8_t *data;
    const uint8_t *inside; /* of each element: 0 where decoding sets it back; NULL: nowhere */
    medroi_w3_axes axes;
    double low, high; /* of the region */
    uint8_t is_mixed; /* 1: the second version */
    double coarser;   /* a step of it is about as good as one of the first that is finer by this */
    double unit;      /* of the coefficients below, in stored units */
    int64_t n_parts, extent;
    float **kept;      /* of each part, or NULL: transform it again */
    float *work;       /* room for one part's coefficients */
    int32_t *indices;  /* and for their indices, or NULL: the first version */
    uint8_t *elements; /* room for one part's elements, or its code */
    /* Coefficients by size: so many (count) of about this size (value). */
    int64_t *count;
    float *value;
    int32_t n_bins;
    medroi_error *error;
} medroi_w3_search;

/* s holds region, data, inside, axes, low, high and error. Close it even after a failure; it can be
 * opened again. */
medroi_status medroi_w3_search_open(medroi_w3_search *s);
void medroi_w3_search_close(medroi_w3_search *s);

/* From the sizes of coefficients alone: squared error of all elements in squared stored units, with
 * reconstruction points as they will be learned, and about how many bytes. */
double medroi_w3_predicted_error(const medroi_w3_search *s, double step);
double medroi_w3_predicted_nbytes(const medroi_w3_search *s, double step);

/* The same, found by doing it: the error of kept elements; the bytes of the first `n_parts`. */
medroi_status medroi_w3_true_error(const medroi_w3_search *s, double step, double *sum);
medroi_status medroi_w3_true_nbytes(const medroi_w3_search *s, int64_t n_parts, double step,
                                    double *total);

/* The step at which a prediction meets a goal: squared error of all elements, or bytes. */
double medroi_w3_step_of_error(const medroi_w3_search *s, double goal);
double medroi_w3_step_of_nbytes(const medroi_w3_search *s, double goal);

/* Find the step. The goal is the squared error of the `n` kept elements; *is_met says whether a
 * step within 0.2 dB of it was found. */
medroi_status medroi_w3_reach_error(const medroi_w3_search *s, double goal, double n, double *step,
                                    int *is_met);
medroi_status medroi_w3_reach_rate(const medroi_w3_search *s, double rate, double *step);

/* The finest step: coefficients keep within what single precision holds. */
static inline double medroi_w3_least_step(double low, double high) {
    return (high - low) / 4194304.0;
}

#endif
