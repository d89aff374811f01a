/* The threshold just above the air's own noise, found in samples.
 *
 * Values are negated for dark tissue. About 2^17 values are sampled from the whole array; those of
 * the outer eighth of the volume on each side (of axes of 8 and more) are its *shell*, where the
 * air is. `low` is the smallest value of the shell, `high` the 99th percentile of the array. The
 * values of the shell above `low` (which may be a constant fill) are binned from `low` up; the
 * mode is looked for in the lowest sixth of the range. tau is where the density falls to a
 * hundredth of the mode's, but no further from the mode than four times the distance at which it
 * falls to a half; beyond three times that distance, what is brighter than a tenth of the range is
 * no noise but dim tissue, far from the coil, and tau lies just above that tenth. There is no noise
 * to be seen where few values of the shell lie below tau, where tau is a sixth up the range, or
 * where `low` is further above the background than the mode is above `low`: then tau is just above
 * a constant air, or below everything. */
#include "base/lesser.h"
#include "base/select.h"
#include "region/padding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_SAMPLES 131072
#define ROW_SAMPLES 65536
#define CAPACITY (N_SAMPLES + ROW_SAMPLES)
#define N_BINS 2048
#define MODE_RANGE 6      /* the mode lies in the lowest sixth of the range */
#define TAU_RANGE 6       /* and tau too; lung at the border of a crop reaches higher */
#define LOW_DENSITY 100   /* tau is where the density is a hundredth of the mode's, */
#define HALF_WIDTHS 4     /* or this many half widths above the mode, */
#define SURE_WIDTHS 3     /* or, from this many on, */
#define DIM_RANGE 10      /* a tenth up the range, where tissue far from the coil begins */
#define MIN_AIR_SHARE 0.1 /* of the shell */
#define MIN_SHELL_AXIS 8
#define N_GUESSED 256
#define GUESS_BELOW 6

typedef struct samples {
    double *all;
    double *shell;
    size_t n_all;
    size_t n_shell;
    uint64_t *counts;
} samples;

size_t medroi_noise_scratch_nbytes(void) {
    return 2 * CAPACITY * sizeof(double) + N_BINS * sizeof(uint64_t) + 8;
}

static int in_shell(int64_t i, int64_t n) {
    return i < n / MIN_SHELL_AXIS || i >= n - n / MIN_SHELL_AXIS;
}

/* Widen what is sampled of a row; returns how many values. */
static size_t widen_row(const medroi_search *search, const uint8_t *row, int64_t step,
                        size_t capacity, double *values) {
    size_t length = (size_t)search->grid.length;
    size_t n = 0;
    if (step == 1) {
        n = length < capacity ? length : capacity;
        search->ops->widen(search->ops, row, n, values);
        return n;
    }
    for (size_t i = 0; i < length && n < capacity; i += (size_t)step) {
        search->ops->widen(search->ops, row + i * search->source.nbytes, 1, values + n++);
    }
    return n;
}

static int all_finite(const double *values, size_t n) {
    int odd = 0;
    for (size_t i = 0; i < n; i++) {
        odd |= !(fabs(values[i]) < (double)INFINITY);
    }
    return !odd;
}

static void keep_in_shell(samples *found, const double *values, int64_t start, int64_t stop) {
    if (start < stop) {
        memcpy(found->shell + found->n_shell, values + start,
               (size_t)(stop - start) * sizeof *values);
        found->n_shell += (size_t)(stop - start);
    }
}

/* A row of which every value counts: two ends of it, or all, lie in the shell. */
static void take_whole_row(const medroi_grid *grid, samples *found, size_t n, int shell_row) {
    const double *values = found->all + found->n_all;
    int64_t margin = grid->n_x / MIN_SHELL_AXIS * grid->inner, stop = (int64_t)n;
    found->n_all += n;
    keep_in_shell(found, values, 0, shell_row ? stop : medroi_lesser(margin, stop));
    keep_in_shell(found, values, shell_row ? stop : grid->length - margin, stop);
}

static void sample_row(medroi_search *search, samples *found, int64_t z, int64_t y, int64_t step) {
    const medroi_grid *grid = &search->grid;
    const medroi_padding *padding = &search->padding;
    const uint8_t *row = medroi_source_single_row(&search->source, z, y);
    int shell_row = in_shell(z, grid->n_z) || in_shell(y, grid->n_y);
    double *values = found->all + found->n_all; /* those that count move up in place */
    size_t n = widen_row(search, row, step, CAPACITY - found->n_all, values);
    if (step == 1 && !padding->has_corner && !padding->is_declared && all_finite(values, n)) {
        for (size_t i = 0; search->options->dark && i < n; i++) {
            values[i] = -values[i];
        }
        take_whole_row(grid, found, n, shell_row);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double value = search->options->dark ? -values[i] : values[i];
        if (!isfinite(value) || medroi_is_padding(padding, values[i])) {
            continue;
        }
        found->all[found->n_all++] = value;
        if (shell_row || in_shell((int64_t)i * step / grid->inner, grid->n_x)) {
            found->shell[found->n_shell++] = value;
        }
    }
}

/* Rows are taken at a distance without a common divisor with the numbers of rows, so that they
 * wander through the volume. */
static void take_samples(medroi_search *search, samples *found) {
    const medroi_grid *grid = &search->grid;
    int64_t x_step = (grid->length + ROW_SAMPLES - 1) / ROW_SAMPLES;
    int64_t per_row = (grid->length + x_step - 1) / x_step;
    int64_t plane = grid->n_z * grid->n_y;
    int64_t max_rows = N_SAMPLES / per_row > 1 ? N_SAMPLES / per_row : 1;
    int64_t step = (plane * grid->n_repeats + max_rows - 1) / max_rows;
    step = medroi_coprime_step(step, grid->n_y, grid->n_z);
    for (int64_t r = 0; r < plane * grid->n_repeats; r += step) {
        int64_t next = r + step;
        if (next < plane * grid->n_repeats) {
            medroi_source_seek(&search->source, next / plane);
            medroi_source_prefetch(&search->source, next % plane / grid->n_y, next % grid->n_y);
        }
        medroi_source_seek(&search->source, r / plane);
        sample_row(search, found, r % plane / grid->n_y, r % grid->n_y, x_step);
    }
    if (grid->n_z < MIN_SHELL_AXIS && grid->n_y < MIN_SHELL_AXIS && grid->n_x < MIN_SHELL_AXIS) {
        memcpy(found->shell, found->all, found->n_all * sizeof(double));
        found->n_shell = found->n_all;
    }
}

/* The same for a k near n. A value somewhat below the one wanted is guessed from a few, and all
 * that reach it are moved to the front: one pass in which a branch is seldom taken. */
static double select_high(double *values, size_t n, size_t k) {
    double few[N_GUESSED];
    size_t n_high = 0;
    if (n < N_GUESSED * N_GUESSED) {
        return medroi_select(values, n, k);
    }
    for (size_t i = 0; i < N_GUESSED; i++) {
        few[i] = values[i * (n / N_GUESSED)];
    }
    size_t rank = (size_t)((double)k / (double)n * N_GUESSED);
    double guess = medroi_select(few, N_GUESSED, rank > GUESS_BELOW ? rank - GUESS_BELOW : 0);
    for (size_t i = 0; i < n; i++) {
        if (values[i] >= guess) {
            double held = values[i];
            values[i] = values[n_high];
            values[n_high++] = held;
        }
    }
    size_t n_low = n - n_high;
    return k >= n_low ? medroi_select(values, n_high, k - n_low) : medroi_select(values, n, k);
}

/* Counts of the shell's values above `low` in bins of `width`; those beyond the bins are left out.
 */
static void count_bins(const samples *found, double low, double width) {
    memset(found->counts, 0, N_BINS * sizeof *found->counts);
    for (size_t i = 0; i < found->n_shell; i++) {
        double place = (found->shell[i] - low) / width;
        if (found->shell[i] > low && place < N_BINS) {
            found->counts[(size_t)place]++;
        }
    }
}

static size_t find_mode(const uint64_t *counts, size_t n) {
    size_t mode = 0;
    for (size_t i = 1; i < n; i++) {
        mode = counts[i] > counts[mode] ? i : mode;
    }
    return mode;
}

static size_t first_below(const uint64_t *counts, size_t mode, uint64_t share) {
    size_t i = mode;
    while (i < N_BINS && counts[i] * share >= counts[mode]) {
        i++;
    }
    return i;
}

static int all_whole(const samples *found) {
    for (size_t i = 0; i < found->n_all; i++) {
        double value = found->all[i];
        if (fabs(value) < 0x1p52 && value != (double)(int64_t)value) { /* beyond, all are */
            return 0;
        }
    }
    return 1;
}

/* A value that stands alone between empty bins is not a mode but the step of a coarse scale. */
static int is_lone_bin(const uint64_t *counts, size_t mode) {
    uint64_t before = mode > 0 ? counts[mode - 1] : 0;
    return before * 8 < counts[mode] && counts[mode + 1] * 8 < counts[mode];
}

static int compare_values(const void *a, const void *b) {
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

/* The step of a coarse scale: the smallest distance between values of the shell from `low` to
 * `top`. Multiples of a float's step are rounded: a little less keeps each in a bin of its own. */
static double step_of_scale(samples *found, double low, double top) {
    double step = top - low;
    qsort(found->shell, found->n_shell, sizeof *found->shell, compare_values);
    for (size_t i = 1; i < found->n_shell && found->shell[i] <= top; i++) {
        double gap = found->shell[i] - found->shell[i - 1];
        step = gap > 0 && gap < step ? gap : step;
    }
    return step == floor(step) ? step : step * (1 - 0x1p-20);
}

/* Where the noise ends, or NaN where none is seen. */
static double end_of_noise(samples *found, int whole, double low, double high, double background) {
    double width = (high - low) / N_BINS;
    size_t mode = 0;
    if (whole) {
        width = width > 1 ? ceil(width) : 1;
    }
    for (int is_known = 0;; width *= 2) {
        double n_window = (high - low) / MODE_RANGE / width;
        /* Of ranges that are next to nothing, or overflow, it is no number of bins. */
        if (!(n_window >= 2 && n_window <= N_BINS)) {
            return (double)NAN;
        }
        count_bins(found, low, width);
        mode = find_mode(found->counts, (size_t)n_window);
        if (!is_lone_bin(found->counts, mode)) {
            break;
        }
        if (!is_known) {
            /* Bins that are no multiple of the step would be empty here and there. */
            double step = step_of_scale(found, low, low + (high - low) / MODE_RANGE);
            is_known = 1;
            width = step > width ? step / 2 : width;
        }
    }
    size_t half = first_below(found->counts, mode, 2);
    size_t end = first_below(found->counts, mode, LOW_DENSITY);
    size_t sure = mode + SURE_WIDTHS * (half - mode);
    size_t dim = (size_t)((high - low) / DIM_RANGE / width) + 1;
    size_t far = mode + HALF_WIDTHS * (half - mode), brightest = dim > sure ? dim : sure;
    size_t furthest = far < brightest ? far : brightest;
    end = end < furthest ? end : furthest;
    uint64_t n_air = 0;
    for (size_t i = 0; i < end && i < N_BINS; i++) {
        n_air += found->counts[i];
    }
    volatile double height = (double)end * width; /* no fused multiply-add */
    if ((double)n_air < MIN_AIR_SHARE * (double)found->n_shell ||
        height > (high - low) / TAU_RANGE || low - background > ((double)mode + 0.5) * width) {
        return (double)NAN;
    }
    return low + height;
}

static double just_above(medroi_element_type type, double value) {
    if (type == MEDROI_F32) {
        return (double)nextafterf((float)value, INFINITY);
    }
    return medroi_element_is_float(type) ? nextafter(value, (double)INFINITY) : value + 1;
}

/* Without noise: above an air that is constant, else below everything. */
static double above_constant(const samples *found, medroi_element_type type, double low,
                             double background) {
    size_t n_low = 0;
    int constant = 1;
    for (size_t i = 0; i < found->n_shell; i++) {
        n_low += found->shell[i] == low;
    }
    for (size_t i = 0; i < found->n_all; i++) {
        constant &= found->all[i] == low;
    }
    int is_air = (double)n_low >= MIN_AIR_SHARE * (double)found->n_shell && !constant;
    return low == background || is_air ? just_above(type, low) : low;
}

static samples sample(medroi_search *search, void *scratch) {
    samples found = {.all = scratch};
    found.shell = found.all + CAPACITY;
    found.counts = (uint64_t *)(void *)(found.shell + CAPACITY);
    take_samples(search, &found);
    search->shell = found.shell;
    search->n_shell = found.n_shell;
    return found;
}

void medroi_sample_shell(medroi_search *search, void *scratch) { (void)sample(search, scratch); }

medroi_tau medroi_tau_from_noise(medroi_search *search, void *scratch) {
    medroi_tau none = {.tissue = MEDROI_TISSUE_NONE, .value = (double)NAN};
    samples found = sample(search, scratch);
    if (found.n_shell == 0) {
        return none;
    }
    int dark = search->options->dark;
    double background = medroi_scalar_to_double(search->type, search->background);
    background = dark ? -background : background;
    double low = found.shell[0];
    for (size_t i = 1; i < found.n_shell; i++) {
        low = found.shell[i] < low ? found.shell[i] : low;
    }
    double high = select_high(found.all, found.n_all, (size_t)((double)found.n_all * 0.99));
    double tau = (double)NAN;
    if (high > low && !isinf(high - low)) {
        int whole = !medroi_element_is_float(search->type) || all_whole(&found);
        tau = end_of_noise(&found, whole, low, high, background);
    }
    if (isnan(tau)) {
        tau = above_constant(&found, search->type, low, background);
    }
    return medroi_tau_from_rounded(search->type, (dark ? -tau : tau) + 0.0, dark);
}
