/* Values of an array and of its border: ranges, histograms, the most frequent. */
#include "region/background.h"

#include <math.h>
#include <string.h>

#define N_BUFFERED 256

medroi_bins medroi_background_bins(double low, double high) {
    medroi_bins bins = {.scale = isinf(high - low) ? 0.5 : 1.0, .n_bins = MEDROI_BACKGROUND_NBINS};
    bins.low = low * bins.scale;
    bins.range = high * bins.scale - bins.low;
    return bins;
}

uint32_t medroi_bin_of(const medroi_bins *bins, double value) {
    double place = (value * bins->scale - bins->low) / bins->range * MEDROI_BACKGROUND_NBINS;
    return place < MEDROI_BACKGROUND_NBINS - 1 ? (uint32_t)place : MEDROI_BACKGROUND_NBINS - 1;
}

double medroi_value_of_bin(const medroi_bins *bins, uint32_t bin) {
    return (bins->low + bins->range * (bin / (double)MEDROI_BACKGROUND_NBINS)) / bins->scale;
}

double medroi_percentile(const uint64_t *counts, const medroi_bins *bins, uint64_t n,
                         double share) {
    uint64_t target = (uint64_t)((double)n * share);
    uint64_t below = 0;
    for (uint32_t k = 0; k < MEDROI_BACKGROUND_NBINS; k++) {
        below += counts[k];
        if (below > target) {
            return medroi_value_of_bin(bins, k);
        }
    }
    return medroi_value_of_bin(bins, MEDROI_BACKGROUND_NBINS - 1);
}

static void survey_value(medroi_survey *look, double value, uint64_t n) {
    look->n_seen += n;
    if (!(value >= look->low && value <= look->high)) {
        return;
    }
    if (look->counts) {
        look->counts[medroi_bin_of(look->bins, value)] += n;
    } else if (look->bins && medroi_bin_of(look->bins, value) != look->bin) {
        return;
    }
    look->n_found += n;
    look->found_low = value < look->found_low ? value : look->found_low;
    look->found_high = value > look->found_high ? value : look->found_high;
}

static void survey_piece(medroi_survey *look, const uint8_t *row, int64_t start, int64_t stop) {
    double values[N_BUFFERED];
    while (start < stop) {
        int64_t n = stop - start < N_BUFFERED ? stop - start : N_BUFFERED;
        look->ops->widen(look->ops, row + (size_t)start * look->source->nbytes, (size_t)n, values);
        for (int64_t i = 0; i < n; i++) {
            if (!look->excluded || !medroi_is_padding(look->excluded, values[i])) {
                survey_value(look, look->sign * values[i] + 0.0, 1); /* no negative zero */
            }
        }
        start += n;
    }
}

/* Axes shorter than 3 have no inside, and so no border of their own. */
static int is_border(int64_t i, int64_t n) { return n >= 3 && (i == 0 || i == n - 1); }

typedef void (*visitor)(medroi_survey *look, const uint8_t *row, int64_t start, int64_t stop);

static void visit_rows(medroi_survey *look, visitor visit) {
    const medroi_grid *grid = look->source->grid;
    int flat = grid->n_z < 3 && grid->n_y < 3 && grid->n_x < 3;
    int64_t margin = grid->n_x >= 3 ? grid->inner : 0;
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        medroi_source_seek(look->source, repeat);
        for (int64_t z = 0; z < grid->n_z; z++) {
            for (int64_t y = 0; y < grid->n_y; y++) {
                int whole = !look->border_only || flat || is_border(z, grid->n_z) ||
                            is_border(y, grid->n_y);
                if (!whole && margin == 0) {
                    continue;
                }
                const uint8_t *row = medroi_source_single_row(look->source, z, y);
                visit(look, row, 0, whole ? grid->length : margin);
                if (!whole) {
                    visit(look, row, grid->length - margin, grid->length);
                }
            }
        }
    }
}

static void range_piece(medroi_survey *look, const uint8_t *row, int64_t start, int64_t stop) {
    look->n_found += look->ops->range(look->ops, row + (size_t)start * look->source->nbytes,
                                      (size_t)(stop - start), &look->found_low, &look->found_high);
}

static void count_piece(medroi_survey *look, const uint8_t *row, int64_t start, int64_t stop) {
    look->ops->histogram(look->ops, row + (size_t)start * look->source->nbytes,
                         (size_t)(stop - start), look->bins, look->tables);
}

static void begin(medroi_survey *look) {
    look->found_low = (double)INFINITY;
    look->found_high = -(double)INFINITY;
    look->n_found = look->n_seen = 0;
}

/* All of the array, or of its border, into `bins`. */
static void fill_bins(medroi_survey *look, const medroi_bins *bins, uint64_t *counts) {
    look->bins = bins;
    medroi_clear_tables(look->tables, bins->n_bins);
    visit_rows(look, count_piece);
    medroi_merge_tables(look->tables, bins->n_bins);
    memcpy(counts, look->tables, bins->n_bins * sizeof *counts);
    for (uint32_t k = 0; look->excluded && bins == &look->values && k < bins->n_bins; k++) {
        if (medroi_is_padding(look->excluded, bins->low + k)) {
            counts[k] = 0;
        }
    }
}

/* The values of a histogram instead of those of the array. */
static void survey_counted(medroi_survey *look, const uint64_t *counts) {
    for (uint32_t k = 0; k < look->values.n_bins; k++) {
        if (counts[k]) {
            survey_value(look, look->sign * (look->values.low + k) + 0.0, counts[k]);
        }
    }
}

static void look_at_everything(medroi_survey *look) {
    look->low = -0x1.fffffffffffffp1023; /* all that is finite */
    look->high = 0x1.fffffffffffffp1023;
    look->bins = NULL;
    look->counts = NULL;
}

/* Value by value: the array (0) or its border (1), from the histogram where there is one. */
static void survey_values(medroi_survey *look, int border_only) {
    begin(look);
    look->border_only = border_only;
    if (look->counts) {
        memset(look->counts, 0, MEDROI_BACKGROUND_NBINS * sizeof *look->counts);
    }
    if (look->values.n_bins == 0) {
        visit_rows(look, survey_piece);
    } else {
        survey_counted(look, look->value_counts[border_only]);
    }
}

void medroi_survey_array(medroi_survey *look) {
    begin(look);
    look->border_only = 0;
    visit_rows(look, range_piece);
    if (medroi_element_nbytes(look->type) <= 2) {
        look->values.low = look->found_low;
        look->values.scale = 1;
        look->values.n_bins = (uint32_t)(look->found_high - look->found_low) + 1;
        fill_bins(look, &look->values, look->value_counts[0]);
        look->border_only = 1;
        fill_bins(look, &look->values, look->value_counts[1]);
    }
    if (look->excluded) {
        look_at_everything(look);
        survey_values(look, 0);
        return;
    }
    if (look->sign < 0) {
        double low = look->found_low;
        look->found_low = -look->found_high;
        look->found_high = -low;
    }
    look->found_low += 0.0; /* no negative zero */
    look->found_high += 0.0;
}

void medroi_survey_bins(medroi_survey *look, const medroi_bins *bins, uint64_t *counts) {
    if (look->values.n_bins == 0 && !look->excluded) {
        medroi_bins turned = *bins;
        turned.scale *= look->sign;
        look->border_only = 0;
        fill_bins(look, &turned, counts);
        return;
    }
    look_at_everything(look);
    look->bins = bins;
    look->counts = counts;
    survey_values(look, 0);
}

void medroi_survey_border(medroi_survey *look) { survey_values(look, 1); }

/* Follows the fullest bin downwards, the
 * darker of two alike. Returns how often it occurs. */
uint64_t medroi_find_mode(medroi_survey *look, uint64_t *counts, double low, double high,
                          double *mode) {
    look->low = low;
    look->high = high;
    look->bins = NULL;
    look->counts = NULL;
    medroi_survey_border(look);
    while (look->n_found && look->found_low < look->found_high) {
        look->low = look->found_low;
        look->high = look->found_high;
        medroi_bins bins = medroi_background_bins(look->low, look->high);
        look->bins = &bins;
        look->counts = counts;
        medroi_survey_border(look);
        look->bin = 0;
        for (uint32_t k = 1; k < MEDROI_BACKGROUND_NBINS; k++) {
            look->bin = counts[k] > counts[look->bin] ? k : look->bin;
        }
        look->counts = NULL;
        medroi_survey_border(look);
        look->bins = NULL;
    }
    *mode = look->found_low;
    return look->n_found;
}
