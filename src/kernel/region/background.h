/* Looks at the values of an array and of its border, for the search of the background. */
#ifndef MEDROI_BACKGROUND_INTERNAL_H
#define MEDROI_BACKGROUND_INTERNAL_H

#include "region/search.h"

#define MEDROI_BACKGROUND_NBINS MEDROI_HISTOGRAM_NBINS

/* One look at the whole array or its border; values carry the sign. */
typedef struct medroi_survey {
    medroi_source *source;
    medroi_element_type type;
    const medroi_row_ops *ops;
    double sign; /* -1 for dark tissue */
    int border_only;
    const medroi_padding *excluded; /* stored values that play no part; or NULL */
    double low;                     /* values outside are left out */
    double high;
    const medroi_bins *bins; /* NULL: find the range */
    uint64_t *counts;        /* NULL: find the range of one bin */
    uint32_t bin;
    double found_low;
    double found_high;
    uint64_t n_found;
    uint64_t n_seen;
    uint64_t *tables; /* working memory of MEDROI_HISTOGRAM_NBYTES */
    /* Of elements of one or two bytes, how often each value occurs; then the array is not read
     * again. */
    medroi_bins values;
    uint64_t *value_counts[2]; /* of the array, and of the border */
} medroi_survey;

/* Bytes of `tables` and `value_counts`, which the caller places. */
#define MEDROI_SURVEY_NBYTES                                                                       \
    (MEDROI_HISTOGRAM_NBYTES + 2 * MEDROI_HISTOGRAM_NBINS * sizeof(uint64_t))

medroi_bins medroi_background_bins(double low, double high);
uint32_t medroi_bin_of(const medroi_bins *bins, double value);
double medroi_value_of_bin(const medroi_bins *bins, uint32_t bin);
double medroi_percentile(const uint64_t *counts, const medroi_bins *bins, uint64_t n, double share);

/* The range and number of all finite voxels of the array: found_low, found_high, n_found. */
void medroi_survey_array(medroi_survey *look);
/* Count all finite voxels of the array in bins that begin and end with its range. */
void medroi_survey_bins(medroi_survey *look, const medroi_bins *bins, uint64_t *counts);
/* One look at the border. */
void medroi_survey_border(medroi_survey *look);
/* The most frequent value of the border in [low, high]; returns how often it occurs. */
uint64_t medroi_find_mode(medroi_survey *look, uint64_t *counts, double low, double high,
                          double *mode);

#endif
