/* wavelet3d: what a search for a step knows, and what it can ask. */
#ifndef MEDROI_WAVELET3D_SEARCH_H
#define MEDROI_WAVELET3D_SEARCH_H

#include "codecs/wavelet3d/wavelet3d.h"

/* The region's coefficients, transformed once. */
typedef struct medroi_w3_search {
    const medroi_block *region;
    const uint8_t *data;
    const double *spacing; /* three */
    double low, high;      /* of the region */
    double unit;           /* of the coefficients below, in stored units */
    int64_t n_parts, extent;
    float **kept;      /* of each part, or NULL: transform it again */
    float *work;       /* room for one part's coefficients */
    uint8_t *elements; /* room for one part's elements, or its code */
    /* Coefficients by size: so many (count) of about this size (value). */
    int64_t *count;
    float *value;
    int32_t n_bins;
    medroi_error *error;
} medroi_w3_search;

/* s holds region, data, spacing, low, high and error. Close it even after a failure. */
medroi_status medroi_w3_search_open(medroi_w3_search *s);
void medroi_w3_search_close(medroi_w3_search *s);

/* From the sizes of coefficients alone: squared error of all voxels in squared stored units, with
 * reconstruction points as they will be learned, and about how many bytes. */
double medroi_w3_predicted_error(const medroi_w3_search *s, double step);
double medroi_w3_predicted_nbytes(const medroi_w3_search *s, double step);

/* The same, found by doing it; `n_parts` first parts only. */
medroi_status medroi_w3_true_error(const medroi_w3_search *s, double step, double *sum);
medroi_status medroi_w3_true_nbytes(const medroi_w3_search *s, int64_t n_parts, double step,
                                    double *total);

/* Find the step. */
medroi_status medroi_w3_reach_psnr(const medroi_w3_search *s, double psnr, double *step);
medroi_status medroi_w3_reach_rate(const medroi_w3_search *s, double rate, double *step);

/* The finest step: coefficients keep within what single precision holds. */
static inline double medroi_w3_least_step(double low, double high) {
    return (high - low) / 4194304.0;
}

#endif
