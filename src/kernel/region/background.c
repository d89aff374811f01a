/* Value of the air, estimated from the border of the volume.
 *
 * 1. One value fills half of the border, and is not at the bright end of everything else: that.
 * 2. Else the dark end of the border is looked at: a window of a tenth of the value range, from the
 *    border's first percentile up. It must hold enough of the border, and lie at the dark end of
 *    the whole array. Data without negative values whose window begins near 0: 0. Otherwise the
 *    most frequent value in the window, unless it is a float that hardly occurs twice.
 * 3. Else refuse.
 *
 * Of floats, a border that is mostly NaN makes NaN the background.
 *
 * Dark tissue on a bright ground is the same with every value negated. */
#include "region/background.h"
#include "base/elements.h"
#include "base/layout.h"

#include <math.h>
#include <string.h>

#define COUNTS_NBYTES (2 * MEDROI_BACKGROUND_NBINS * sizeof(uint64_t))

#define DOMINANT_SHARE 0.5
#define BRIGHT_END 0.75        /* of the range of everything else */
#define WINDOW_SHARE 0.1       /* of the value range */
#define DARK_END 0.15          /* of the value range */
#define MIN_WINDOW_BORDER 0.25 /* share of the border inside the window */
#define MIN_SIGNED_BORDER 0.4  /* the same where values can be negative */
#define NEAR_ZERO 0.05         /* of the 99th percentile */
#define MIN_FLOAT_MODE_SHARE 0.05

static uint64_t bits_of_value(const medroi_layout *layout, double value) {
    uint64_t bits = 0;
    if (isnan(value)) { /* the positive quiet NaN without payload, as numpy.nan */
        return layout->itemsize == 2   ? 0x7e00
               : layout->itemsize == 4 ? 0x7fc00000
                                       : UINT64_C(0x7ff8000000000000);
    }
    if (layout->kind == 'f') {
        return medroi_bits_of_float(layout->itemsize, value);
    }
    if (layout->kind == 'i') {
        bits = value >= 0x1p63 ? (uint64_t)INT64_MAX : (uint64_t)(int64_t)value;
    } else {
        bits = value >= 0x1p64 ? UINT64_MAX : (uint64_t)value;
    }
    return layout->itemsize < 8 ? bits & ((UINT64_C(1) << (8 * layout->itemsize)) - 1) : bits;
}

/* Facts of the array on which the decision rests; values carry the sign of the survey. */
typedef struct evidence {
    medroi_survey look;
    uint64_t *array_counts;
    uint64_t *border_counts;
    medroi_bins bins;
    double lowest;
    uint64_t n_array; /* finite voxels */
    uint64_t n_border;
    double mode;
    double mode_share;
} evidence;

static medroi_status refuse(const evidence *known, const char *reason, medroi_error *error) {
    return medroi_fail(
        error, MEDROI_INVALID_ARGUMENT,
        "cannot tell the background: %s (most frequent on the border: %.10g, %.1f %% "
        "of it); give background=VALUE or use threshold=None",
        reason, known->look.sign * known->mode, 100 * known->mode_share);
}

/* Whether most of the border is NaN. */
static int border_is_missing(medroi_survey *look) {
    look->low = -(double)INFINITY;
    look->high = (double)INFINITY;
    medroi_survey_border(look);
    return 2 * look->n_found < look->n_seen;
}

/* Whether the mode lies at the bright end of all voxels that differ from it. */
static int mode_is_bright(evidence *known) {
    uint32_t bin = medroi_bin_of(&known->bins, known->mode);
    uint64_t n_mode = known->array_counts[bin];
    uint64_t n_others = known->n_array - n_mode;
    if (n_others == 0) {
        return 0;
    }
    known->array_counts[bin] = 0;
    double low = medroi_percentile(known->array_counts, &known->bins, n_others, 0.01);
    double high = medroi_percentile(known->array_counts, &known->bins, n_others, 0.99);
    known->array_counts[bin] = n_mode;
    return known->mode > low + BRIGHT_END * (high - low) && known->mode > low;
}

static medroi_status decide_by_window(evidence *known, int is_float, double *background,
                                      medroi_error *error) {
    double low = medroi_percentile(known->array_counts, &known->bins, known->n_array, 0.005);
    double high = medroi_percentile(known->array_counts, &known->bins, known->n_array, 0.99);
    double start = medroi_percentile(known->border_counts, &known->bins, known->n_border, 0.01);
    double stop = start + WINDOW_SHARE * (high - low);
    uint64_t n_window = 0;
    for (uint32_t k = medroi_bin_of(&known->bins, start); k < MEDROI_BACKGROUND_NBINS; k++) {
        n_window += medroi_value_of_bin(&known->bins, k) <= stop ? known->border_counts[k] : 0;
    }
    double share = (double)n_window / (double)known->n_border;
    int has_negative = known->lowest < 0;
    if (start > low + DARK_END * (high - low)) {
        return refuse(known, "the border of the volume is not dark", error);
    }
    if (share < (has_negative ? MIN_SIGNED_BORDER : MIN_WINDOW_BORDER)) {
        return refuse(known, "too little of the border of the volume is dark", error);
    }
    double mode = 0;
    uint64_t n_mode = medroi_find_mode(&known->look, known->border_counts, start, stop, &mode);
    if (!has_negative && mode <= NEAR_ZERO * high) {
        *background = 0;
        return MEDROI_OK;
    }
    if (is_float && (double)n_mode < MIN_FLOAT_MODE_SHARE * (double)known->n_border) {
        return refuse(known, "the border of the volume is dark, but no value stands out in it",
                      error);
    }
    *background = mode;
    return MEDROI_OK;
}

static medroi_status decide(evidence *known, int is_float, double *background,
                            medroi_error *error) {
    medroi_survey *look = &known->look;
    const double highest = 0x1.fffffffffffffp1023;
    if (look->excluded) { /* a border of nothing else says all, without a pass over the array */
        medroi_survey_border(look);
        if (look->n_seen == 0) {
            return refuse(known, "the border of the volume is one value", error);
        }
    }
    medroi_survey_array(look);
    known->lowest = look->found_low;
    known->n_array = look->n_found;
    double brightest = look->found_high;
    known->n_border = medroi_find_mode(look, known->border_counts, -highest, highest, &known->mode);
    look->low = -highest;
    look->high = highest;
    look->bins = NULL;
    uint64_t n_mode = known->n_border;
    medroi_survey_border(look);
    known->n_border = look->n_found;
    if (2 * known->n_border <= look->n_seen) {
        if (border_is_missing(look)) {
            *background = (double)NAN;
            return MEDROI_OK;
        }
        known->mode = (double)NAN;
        known->mode_share = 1 - (double)known->n_border / (double)look->n_seen;
        return refuse(known, "the border of the volume is not finite", error);
    }
    known->mode_share = (double)n_mode / (double)known->n_border;
    if (known->lowest == brightest) {
        *background = known->lowest;
        return MEDROI_OK;
    }
    known->bins = medroi_background_bins(known->lowest, brightest);
    look->bins = &known->bins;
    look->counts = known->border_counts;
    medroi_survey_border(look);
    medroi_survey_bins(look, &known->bins, known->array_counts);
    if (known->mode_share < DOMINANT_SHARE) {
        return decide_by_window(known, is_float, background, error);
    }
    if (mode_is_bright(known)) {
        return refuse(known,
                      look->sign > 0 ? "the border of the volume is bright; is the image inverted "
                                       "(polarity=\"dark\")?"
                                     : "the border of the volume is dark; is polarity=\"bright\" "
                                       "meant?",
                      error);
    }
    *background = known->mode;
    return MEDROI_OK;
}

size_t medroi_background_scratch_nbytes(const medroi_layout *layout) {
    if (medroi_check_array(layout, layout, NULL) != MEDROI_OK) {
        return 0;
    }
    medroi_grid grid = medroi_make_grid(layout);
    return COUNTS_NBYTES + MEDROI_SURVEY_NBYTES + (size_t)grid.length * 8 +
           MEDROI_SCRATCH_ALIGNMENT;
}

static medroi_status find(const medroi_layout *layout, const void *data, uint8_t dark,
                          const medroi_padding *excluded, void *scratch, uint64_t *background,
                          medroi_error *error) {
    medroi_status status = medroi_check_array(layout, data, error);
    if (status != MEDROI_OK) {
        return status;
    }
    if (!medroi_kind_is_number(layout->kind)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "elements of kind '%c' have no darkest value; give background=VALUE",
                           layout->kind);
    }
    *background = 0;
    if (medroi_layout_is_empty(layout)) {
        return MEDROI_OK;
    }
    medroi_grid grid = medroi_make_grid(layout);
    medroi_element_type type = medroi_element_type_of(layout);
    medroi_source source = medroi_make_source(layout, &grid, data);
    uint8_t *aligned = medroi_align_scratch(scratch);
    evidence known = {.look = {.source = &source,
                               .type = type,
                               .ops = medroi_row_ops_for(type, 0),
                               .sign = dark ? -1.0 : 1.0,
                               .excluded = excluded}};
    known.array_counts = (uint64_t *)(void *)aligned;
    known.border_counts = known.array_counts + MEDROI_BACKGROUND_NBINS;
    known.look.value_counts[0] = known.border_counts + MEDROI_BACKGROUND_NBINS;
    known.look.value_counts[1] = known.look.value_counts[0] + MEDROI_HISTOGRAM_NBINS;
    known.look.tables = known.look.value_counts[1] + MEDROI_HISTOGRAM_NBINS;
    source.row = aligned + COUNTS_NBYTES + MEDROI_SURVEY_NBYTES;
    double value = 0;
    status = decide(&known, medroi_element_is_float(type), &value, error);
    if (status == MEDROI_OK) {
        *background = bits_of_value(layout, isnan(value) ? value : known.look.sign * value + 0.0);
    }
    return status;
}

medroi_status medroi_find_background(const medroi_layout *layout, const void *data, uint8_t dark,
                                     void *scratch, uint64_t *background, medroi_error *error) {
    return find(layout, data, dark, NULL, scratch, background, error);
}

medroi_status medroi_find_background_beside(const medroi_layout *layout, const void *data,
                                            uint8_t dark, const medroi_padding *padding,
                                            void *scratch, uint64_t *background,
                                            medroi_error *error) {
    return find(layout, data, dark, padding, scratch, background, error);
}
