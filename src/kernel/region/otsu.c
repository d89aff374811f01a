/* The threshold between the two classes of a histogram (Otsu). */
#include "region/search.h"

#include <math.h>

#define OTSU_NBINS 4096 /* of data wider than 16 bits */

/* The last bin of the dark class: the first of those with the largest variance between classes. */
static uint32_t split_histogram(const uint64_t *counts, uint32_t n_bins) {
    uint64_t n_total = 0;
    uint64_t moment_total = 0;
    for (uint32_t k = 0; k < n_bins; k++) {
        n_total += counts[k];
        moment_total += counts[k] * k;
    }
    uint64_t n_dark = 0;
    uint64_t moment_dark = 0;
    double best = -1;
    uint32_t split = 0;
    for (uint32_t k = 0; k + 1 < n_bins; k++) {
        n_dark += counts[k];
        moment_dark += counts[k] * k;
        uint64_t n_bright = n_total - n_dark;
        if (n_dark == 0 || n_bright == 0) {
            continue;
        }
        double difference = (double)moment_dark / (double)n_dark -
                            (double)(moment_total - moment_dark) / (double)n_bright;
        double variance = (double)n_dark * (double)n_bright * difference * difference;
        if (variance > best) {
            best = variance;
            split = k;
        }
    }
    return split;
}

/* Visit every row once: its range, or its histogram where `bins` is given. */
static void survey(medroi_search *search, const medroi_bins *bins, double *low, double *high) {
    const medroi_grid *grid = &search->grid;
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        medroi_source_seek(&search->source, repeat);
        for (int64_t z = 0; z < grid->n_z; z++) {
            for (int64_t y = 0; y < grid->n_y; y++) {
                const void *row = medroi_source_single_row(&search->source, z, y);
                if (bins) {
                    search->ops->histogram(search->ops, row, (size_t)grid->length, bins,
                                           search->histogram);
                } else {
                    search->ops->range(search->ops, row, (size_t)grid->length, low, high);
                }
            }
        }
    }
}

/* One value only: there are no two classes. It is tissue unless it is the background. Integers of
 * 64 bits that are one value as float64 may be several. */
static medroi_tau tau_of_constant(medroi_element_type type, double value, double background,
                                  int dark) {
    int is_sure =
        medroi_element_nbytes(type) < 8 || medroi_element_is_float(type) || fabs(value) < 0x1p53;
    return is_sure && value == background ? medroi_no_tissue()
                                          : medroi_tau_from_rounded(type, value, dark);
}

static uint32_t split_array(medroi_search *search, const medroi_bins *bins) {
    medroi_clear_tables(search->histogram, bins->n_bins);
    survey(search, bins, NULL, NULL);
    medroi_merge_tables(search->histogram, bins->n_bins);
    return split_histogram(search->histogram, bins->n_bins);
}

medroi_tau medroi_tau_from_otsu(medroi_search *search) {
    medroi_element_type type = search->type;
    int dark = search->options->dark;
    double background = medroi_scalar_to_double(type, search->background);
    double low = (double)INFINITY;
    double high = -(double)INFINITY;
    survey(search, NULL, &low, &high);
    if (!(low <= high)) {
        return medroi_no_tissue();
    }
    if (low == high) {
        return tau_of_constant(type, low, background, dark);
    }
    if (medroi_element_nbytes(type) <= 2) { /* one bin for each value */
        const medroi_bins bins = {.low = low, .scale = 1, .n_bins = (uint32_t)(high - low) + 1};
        uint32_t split = split_array(search, &bins);
        return medroi_tau_from_rounded(type, low + split + (dark ? 0 : 1), dark);
    }
    medroi_bins bins = {.scale = isinf(high - low) ? 0.5 : 1.0, .n_bins = OTSU_NBINS};
    bins.low = low * bins.scale;
    bins.range = high * bins.scale - bins.low;
    double share = ((double)split_array(search, &bins) + 0.5) / OTSU_NBINS;
    /* volatile: a fused multiply-add would give another tau on other machines */
    volatile double offset = bins.range * share;
    double centre = (bins.low + offset) / bins.scale;
    if (dark) {
        return medroi_tau_from_rounded(type, centre, dark);
    }
    double above =
        medroi_element_is_float(type) ? nextafter(centre, (double)INFINITY) : floor(centre) + 1;
    return medroi_tau_from_rounded(type, above, dark);
}
