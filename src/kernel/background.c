/* Which value the air has, told from the border of the volume.
 *
 * 1. One value fills half of the border, and is not at the bright end of everything else: that.
 * 2. Else the dark end of the border is looked at: a window of a tenth of the value range, from the
 *    border's first percentile up. It must hold enough of the border, and lie at the dark end of
 *    the whole array. Data without negative values whose window begins near 0: 0. Otherwise the
 *    most frequent value in the window, unless it is a float that hardly occurs twice.
 * 3. Else refuse.
 *
 * Dark tissue on a bright ground is the same with every value negated. */
#include "region_internal.h"

#include <math.h>
#include <string.h>

#define N_BINS MEDROI_HISTOGRAM_NBINS
#define N_BUFFERED 256

#define DOMINANT_SHARE 0.5
#define BRIGHT_END 0.75        /* of the range of everything else */
#define WINDOW_SHARE 0.1       /* of the value range */
#define DARK_END 0.15          /* of the value range */
#define MIN_WINDOW_BORDER 0.25 /* share of the border inside the window */
#define MIN_SIGNED_BORDER 0.4  /* the same where values can be negative */
#define NEAR_ZERO 0.05         /* of the 99th percentile */
#define MIN_FLOAT_MODE_SHARE 0.05

typedef struct binning {
    double low; /* in scaled units */
    double range;
    double scale;
} binning;

/* One look at the whole array or its border. */
typedef struct survey {
    medroi_source *source;
    const medroi_row_ops *ops;
    double sign; /* -1 for dark tissue */
    int border_only;
    double low; /* values outside are left out */
    double high;
    const binning *bins; /* NULL: find the range */
    uint64_t *counts;    /* NULL: find the range of one bin */
    uint32_t bin;
    double found_low;
    double found_high;
    uint64_t n_found;
    uint64_t n_seen;
} survey;

static binning make_bins(double low, double high) {
    binning bins = {.scale = isinf(high - low) ? 0.5 : 1.0};
    bins.low = low * bins.scale;
    bins.range = high * bins.scale - bins.low;
    return bins;
}

static uint32_t bin_of(const binning *bins, double value) {
    double place = (value * bins->scale - bins->low) / bins->range * N_BINS;
    return place < N_BINS - 1 ? (uint32_t)place : N_BINS - 1;
}

static double value_of_bin(const binning *bins, uint32_t bin) {
    return (bins->low + bins->range * (bin / (double)N_BINS)) / bins->scale;
}

static void survey_value(survey *look, double value) {
    look->n_seen++;
    if (!(value >= look->low && value <= look->high)) {
        return;
    }
    if (look->counts) {
        look->counts[bin_of(look->bins, value)]++;
    } else if (look->bins && bin_of(look->bins, value) != look->bin) {
        return;
    }
    look->n_found++;
    look->found_low = value < look->found_low ? value : look->found_low;
    look->found_high = value > look->found_high ? value : look->found_high;
}

static void survey_piece(survey *look, const uint8_t *row, int64_t start, int64_t stop) {
    double values[N_BUFFERED];
    while (start < stop) {
        int64_t n = stop - start < N_BUFFERED ? stop - start : N_BUFFERED;
        look->ops->widen(row + (size_t)start * look->source->nbytes, (size_t)n, values);
        for (int64_t i = 0; i < n; i++) {
            survey_value(look, look->sign * values[i] + 0.0); /* no negative zero */
        }
        start += n;
    }
}

/* Axes shorter than 3 have no inside, and so no border of their own. */
static int is_face(int64_t i, int64_t n) { return n >= 3 && (i == 0 || i == n - 1); }

static void run_survey(survey *look) {
    const medroi_grid *grid = look->source->grid;
    int flat = grid->n_z < 3 && grid->n_y < 3 && grid->n_x < 3;
    int64_t margin = grid->n_x >= 3 ? grid->inner : 0;
    look->found_low = (double)INFINITY;
    look->found_high = -(double)INFINITY;
    look->n_found = look->n_seen = 0;
    if (look->counts) {
        memset(look->counts, 0, N_BINS * sizeof *look->counts);
    }
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        medroi_source_seek(look->source, repeat);
        for (int64_t z = 0; z < grid->n_z; z++) {
            for (int64_t y = 0; y < grid->n_y; y++) {
                int whole =
                    !look->border_only || flat || is_face(z, grid->n_z) || is_face(y, grid->n_y);
                if (!whole && margin == 0) {
                    continue;
                }
                const uint8_t *row = medroi_source_single_row(look->source, z, y);
                survey_piece(look, row, 0, whole ? grid->length : margin);
                if (!whole) {
                    survey_piece(look, row, grid->length - margin, grid->length);
                }
            }
        }
    }
}

static double percentile(const uint64_t *counts, const binning *bins, uint64_t n, double share) {
    uint64_t target = (uint64_t)((double)n * share);
    uint64_t below = 0;
    for (uint32_t k = 0; k < N_BINS; k++) {
        below += counts[k];
        if (below > target) {
            return value_of_bin(bins, k);
        }
    }
    return value_of_bin(bins, N_BINS - 1);
}

/* The most frequent value of the border in [low, high]: follows the fullest bin downwards, the
 * darker of two alike. Returns how often it occurs. */
static uint64_t find_mode(survey *look, uint64_t *counts, double low, double high, double *mode) {
    look->low = low;
    look->high = high;
    look->bins = NULL;
    look->counts = NULL;
    run_survey(look);
    while (look->n_found && look->found_low < look->found_high) {
        look->low = look->found_low;
        look->high = look->found_high;
        binning bins = make_bins(look->low, look->high);
        look->bins = &bins;
        look->counts = counts;
        run_survey(look);
        look->bin = 0;
        for (uint32_t k = 1; k < N_BINS; k++) {
            look->bin = counts[k] > counts[look->bin] ? k : look->bin;
        }
        look->counts = NULL;
        run_survey(look);
        look->bins = NULL;
    }
    *mode = look->found_low;
    return look->n_found;
}

static uint64_t half_bits(double value) { /* of a value that is a float16 */
    uint64_t sign = signbit(value) ? 0x8000u : 0;
    double magnitude = fabs(value);
    if (magnitude < 0x1p-14) {
        return sign | (uint64_t)(magnitude * 0x1p24);
    }
    int exponent = 0;
    double fraction = frexp(magnitude, &exponent); /* 0.5 to 1 */
    return sign | (uint64_t)(exponent + 14) << 10 | (uint64_t)((fraction * 2 - 1) * 1024);
}

static uint64_t bits_of_value(const medroi_layout *layout, double value) {
    uint64_t bits = 0;
    if (layout->kind == 'f') {
        float single = (float)value;
        uint32_t single_bits;
        memcpy(&single_bits, &single, sizeof single_bits);
        memcpy(&bits, &value, sizeof bits);
        return layout->itemsize == 2   ? half_bits(value)
               : layout->itemsize == 4 ? single_bits
                                       : bits;
    }
    if (layout->kind == 'i') {
        bits = value >= 0x1p63 ? (uint64_t)INT64_MAX : (uint64_t)(int64_t)value;
    } else {
        bits = value >= 0x1p64 ? UINT64_MAX : (uint64_t)value;
    }
    return layout->itemsize < 8 ? bits & ((UINT64_C(1) << (8 * layout->itemsize)) - 1) : bits;
}

/* What is known of the array when the decision is taken; values carry the sign of the survey. */
typedef struct evidence {
    survey look;
    uint64_t *array_counts;
    uint64_t *border_counts;
    binning bins;
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

/* Whether the mode lies at the bright end of all voxels that differ from it. */
static int mode_is_bright(evidence *known) {
    uint32_t bin = bin_of(&known->bins, known->mode);
    uint64_t n_mode = known->array_counts[bin];
    uint64_t n_others = known->n_array - n_mode;
    if (n_others == 0) {
        return 0;
    }
    known->array_counts[bin] = 0;
    double low = percentile(known->array_counts, &known->bins, n_others, 0.01);
    double high = percentile(known->array_counts, &known->bins, n_others, 0.99);
    known->array_counts[bin] = n_mode;
    return known->mode > low + BRIGHT_END * (high - low) && known->mode > low;
}

static medroi_status decide_by_window(evidence *known, int is_float, double *background,
                                      medroi_error *error) {
    double low = percentile(known->array_counts, &known->bins, known->n_array, 0.005);
    double high = percentile(known->array_counts, &known->bins, known->n_array, 0.99);
    double start = percentile(known->border_counts, &known->bins, known->n_border, 0.01);
    double stop = start + WINDOW_SHARE * (high - low);
    uint64_t n_window = 0;
    for (uint32_t k = bin_of(&known->bins, start); k < N_BINS; k++) {
        n_window += value_of_bin(&known->bins, k) <= stop ? known->border_counts[k] : 0;
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
    uint64_t n_mode = find_mode(&known->look, known->border_counts, start, stop, &mode);
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
    survey *look = &known->look;
    const double highest = 0x1.fffffffffffffp1023;
    look->low = -highest;
    look->high = highest;
    run_survey(look);
    known->lowest = look->found_low;
    known->n_array = look->n_found;
    double brightest = look->found_high;
    look->border_only = 1;
    known->n_border = find_mode(look, known->border_counts, -highest, highest, &known->mode);
    look->low = -highest;
    look->high = highest;
    look->bins = NULL;
    uint64_t n_mode = known->n_border;
    run_survey(look);
    known->n_border = look->n_found;
    if (2 * known->n_border <= look->n_seen) {
        known->mode = (double)NAN;
        known->mode_share = 1 - (double)known->n_border / (double)look->n_seen;
        return refuse(known, "the border of the volume is not finite", error);
    }
    known->mode_share = (double)n_mode / (double)known->n_border;
    if (known->lowest == brightest) {
        *background = known->lowest;
        return MEDROI_OK;
    }
    known->bins = make_bins(known->lowest, brightest);
    look->bins = &known->bins;
    look->counts = known->border_counts;
    run_survey(look);
    look->border_only = 0;
    look->counts = known->array_counts;
    run_survey(look);
    look->border_only = 1;
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
    return 2 * N_BINS * sizeof(uint64_t) + (size_t)grid.length * 8 + MEDROI_SCRATCH_ALIGNMENT;
}

medroi_status medroi_find_background(const medroi_layout *layout, const void *data, uint8_t dark,
                                     void *scratch, uint64_t *background, medroi_error *error) {
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
    evidence known = {
        .look = {.source = &source, .ops = medroi_row_ops_for(type, 0), .sign = dark ? -1.0 : 1.0}};
    known.array_counts = (uint64_t *)(void *)aligned;
    known.border_counts = known.array_counts + N_BINS;
    source.planes = aligned + 2 * N_BINS * sizeof(uint64_t);
    double value = 0;
    status = decide(&known, medroi_element_is_float(type), &value, error);
    if (status == MEDROI_OK) {
        *background = bits_of_value(layout, known.look.sign * value + 0.0);
    }
    return status;
}
