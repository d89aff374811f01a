/* From a rule to tau: which voxels are tissue. */
#include "region/search.h"

#include <math.h>
#include <string.h>

#define SUM_SCALE 0x1p64
#define WHOLE_LIMIT 0x1p53 /* float64 holds all integers up to it */
#define VALUES_AT_ONCE 256

static const struct {
    double lowest;
    double limit; /* one above the highest; exact in float64 */
} integer_range[] = {
    [MEDROI_I8] = {-0x1p7, 0x1p7},    [MEDROI_U8] = {0, 0x1p8},
    [MEDROI_I16] = {-0x1p15, 0x1p15}, [MEDROI_U16] = {0, 0x1p16},
    [MEDROI_I32] = {-0x1p31, 0x1p31}, [MEDROI_U32] = {0, 0x1p32},
    [MEDROI_I64] = {-0x1p63, 0x1p63}, [MEDROI_U64] = {0, 0x1p64},
};

medroi_tau medroi_no_tissue(void) {
    medroi_tau tau = {.tissue = MEDROI_TISSUE_NONE, .value = (double)NAN};
    return tau;
}

static medroi_tau integer_tau(medroi_element_type type, double threshold, int dark) {
    medroi_tau tau = {.tissue = MEDROI_TISSUE_SOME, .value = threshold};
    double lowest = integer_range[type].lowest;
    double limit = integer_range[type].limit;
    double bound = dark ? floor(threshold) : ceil(threshold);
    if (dark ? bound + 1 >= limit : bound <= lowest) {
        tau.tissue = MEDROI_TISSUE_ALL;
    } else if (dark ? bound < lowest : bound >= limit) {
        tau.tissue = MEDROI_TISSUE_NONE;
    } else if (medroi_element_is_signed(type)) {
        tau.element.i = (int64_t)bound;
    } else {
        tau.element.u = (uint64_t)bound;
    }
    return tau;
}

/* The smallest float that is >= threshold, for dark tissue the largest that is <= threshold. */
static double round_to_float(double threshold, int dark) {
    if (dark) {
        return -round_to_float(-threshold, 0);
    }
    const double highest = 0x1.fffffep127;
    if (threshold > highest) {
        return (double)INFINITY;
    }
    if (threshold <= -highest) {
        return isinf(threshold) ? threshold : -highest;
    }
    float rounded = (float)threshold;
    return (double)((double)rounded < threshold ? nextafterf(rounded, INFINITY) : rounded);
}

medroi_tau medroi_tau_from_number(medroi_element_type type, double threshold, int dark) {
    if (!medroi_element_is_float(type)) {
        return integer_tau(type, threshold, dark);
    }
    medroi_tau tau = {.tissue = MEDROI_TISSUE_SOME, .value = threshold};
    tau.element.f = type == MEDROI_F32 ? round_to_float(threshold, dark) : threshold;
    return tau;
}

/* The next float64 on the side of what is no tissue, of a threshold that float64 has rounded. */
static double step_back(double threshold, int dark) {
    return nextafter(threshold, dark ? (double)INFINITY : -(double)INFINITY);
}

medroi_tau medroi_tau_from_rounded(medroi_element_type type, double threshold, int dark) {
    int is_rounded = !medroi_element_is_float(type) && fabs(threshold) >= WHOLE_LIMIT;
    return medroi_tau_from_number(type, is_rounded ? step_back(threshold, dark) : threshold, dark);
}

/* floor(sum / count) of a 128-bit sum that fits 64 bits after the division; *exact: no remainder.
 */
static uint64_t floor_of_mean(const medroi_sum *sum, int *exact) {
    int negative = sum->high < 0;
    uint64_t high = (uint64_t)sum->high;
    uint64_t low = sum->low;
    if (negative) {
        low = ~low + 1;
        high = ~high + (low == 0);
    }
    uint64_t remainder = 0;
    uint64_t quotient = 0;
    for (int bit = 127; bit >= 0; bit--) {
        uint64_t next = bit >= 64 ? (high >> (bit - 64)) & 1 : (low >> bit) & 1;
        uint64_t carry = remainder >> 63;
        remainder = remainder << 1 | next;
        quotient <<= 1;
        if (carry || remainder >= sum->count) {
            remainder -= sum->count;
            quotient |= 1;
        }
    }
    *exact = remainder == 0;
    return negative ? ~(*exact ? quotient : quotient + 1) + 1 : quotient;
}

static double sum_to_double(const medroi_sum *sum) {
    if (sum->high == 0) {
        return (double)sum->low;
    }
    if (sum->high == -1 && sum->low != 0) {
        return -(double)(~sum->low + 1);
    }
    return (double)sum->high * 0x1p64 + (double)sum->low;
}

/* Whether an element is no tissue at a threshold. */
static int excludes(medroi_element_type type, double threshold, medroi_scalar element, int dark) {
    medroi_tau tau = integer_tau(type, threshold, dark);
    if (tau.tissue != MEDROI_TISSUE_SOME) {
        return tau.tissue == MEDROI_TISSUE_NONE;
    }
    if (medroi_element_is_signed(type)) {
        return dark ? tau.element.i < element.i : tau.element.i > element.i;
    }
    return dark ? tau.element.u < element.u : tau.element.u > element.u;
}

static medroi_tau integer_mean(medroi_element_type type, const medroi_sum *sum, int dark) {
    medroi_tau tau = {.tissue = MEDROI_TISSUE_SOME};
    int exact = 0;
    tau.element.u = floor_of_mean(sum, &exact);
    tau.element.u += !dark && !exact;
    double bound = medroi_scalar_to_double(type, tau.element);
    tau.value = sum_to_double(sum) / (double)sum->count;
    if ((dark ? floor(tau.value) : ceil(tau.value)) != bound) {
        tau.value = bound; /* the rounded mean would not tell the same voxels apart */
    }
    if (excludes(type, tau.value, tau.element, dark)) { /* a fit hands the value on */
        tau.value = step_back(tau.value, dark);
    }
    medroi_scalar end = {.u = 0};
    if (medroi_element_is_signed(type)) {
        end.i = dark ? INT64_MAX >> (64 - 8 * (int)medroi_element_nbytes(type))
                     : INT64_MIN >> (64 - 8 * (int)medroi_element_nbytes(type));
    } else {
        end.u = dark ? UINT64_MAX >> (64 - 8 * (int)medroi_element_nbytes(type)) : 0;
    }
    tau.tissue = tau.element.u == end.u ? MEDROI_TISSUE_ALL : MEDROI_TISSUE_SOME;
    return tau;
}

typedef struct value_range {
    double lowest;
    double highest;
} value_range;

static int holds(const value_range *range, double value) {
    return range->lowest <= value && value <= range->highest;
}

/* Take in what counts of a row, its values divided by `scale`, until the range holds `mean`. */
static void widen_to_row(const medroi_search *search, const uint8_t *row, double mean, double scale,
                         value_range *range) {
    double values[VALUES_AT_ONCE];
    for (int64_t start = 0; start < search->grid.length && !holds(range, mean);
         start += VALUES_AT_ONCE) {
        int64_t left = search->grid.length - start;
        int64_t n = left < VALUES_AT_ONCE ? left : VALUES_AT_ONCE;
        search->ops->widen(search->ops, row + (size_t)start * search->source.nbytes, (size_t)n,
                           values);
        for (int64_t i = 0; i < n; i++) {
            double value = values[i] / scale;
            if (isfinite(values[i]) && values[i] != search->background.f) {
                range->lowest = value < range->lowest ? value : range->lowest;
                range->highest = value > range->highest ? value : range->highest;
            }
        }
    }
}

/* Take in one row after another until the range holds the mean: from the middle of the volume on,
 * where there is tissue beside air. */
static void widen_to_rows(medroi_search *search, double mean, double scale, value_range *range) {
    const medroi_grid *grid = &search->grid;
    int64_t n_rows = grid->n_repeats * grid->n_z * grid->n_y;
    for (int64_t i = 0; i < n_rows && !holds(range, mean); i++) {
        int64_t k = (n_rows / 2 + i) % n_rows;
        medroi_source_seek(&search->source, k / (grid->n_z * grid->n_y));
        widen_to_row(
            search,
            medroi_source_single_row(&search->source, k / grid->n_y % grid->n_z, k % grid->n_y),
            mean, scale, range);
    }
}

/* Rounding must not carry a mean beyond what was counted. Seldom does it: two values on both sides
 * of the mean are soon found, and only where they are not the whole range is. */
static double clamp_to_counted(medroi_search *search, double mean, double scale) {
    value_range range = {(double)INFINITY, -(double)INFINITY};
    widen_to_rows(search, mean, scale, &range);
    return mean < range.lowest ? range.lowest : mean > range.highest ? range.highest : mean;
}

static void add_scaled_run(const medroi_search *search, const uint8_t *run, int64_t n,
                           medroi_sum *sum) {
    double lanes[MEDROI_SUM_LANES] = {0};
    for (int64_t i = 0; i < n; i++) {
        double value = 0;
        search->ops->widen(search->ops, run + (size_t)i * search->source.nbytes, 1, &value);
        if (isfinite(value) && value != search->background.f) {
            value /= SUM_SCALE;
            lanes[i % MEDROI_SUM_LANES] += value;
            sum->count++;
        }
    }
    sum->real += medroi_sum_of_lanes(lanes);
}

static void add_scaled_plane(medroi_search *search, int64_t z, medroi_sum *sum) {
    const medroi_grid *grid = &search->grid;
    double before = sum->real;
    sum->real = 0;
    for (int64_t y = 0; y < grid->n_y; y++) {
        const uint8_t *row = medroi_source_single_row(&search->source, z, y);
        for (int64_t i = 0; i < grid->length; i += MEDROI_RUN_LENGTH) {
            int64_t left = grid->length - i;
            add_scaled_run(search, row + (size_t)i * search->source.nbytes,
                           left < MEDROI_RUN_LENGTH ? left : MEDROI_RUN_LENGTH, sum);
        }
    }
    sum->real += before;
}

/* Where the float sum overflows: once more with every value divided by a power of two. */
static double mean_of_huge_floats(medroi_search *search) {
    const medroi_grid *grid = &search->grid;
    medroi_sum sum = {0};
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        medroi_source_seek(&search->source, repeat);
        for (int64_t z = 0; z < grid->n_z; z++) {
            add_scaled_plane(search, z, &sum);
        }
    }
    return clamp_to_counted(search, sum.real / (double)sum.count, SUM_SCALE) * SUM_SCALE;
}

medroi_tau medroi_tau_from_mean(medroi_search *search, const medroi_sum *sum) {
    int dark = search->options->dark;
    if (sum->count == 0) {
        return medroi_no_tissue();
    }
    if (!medroi_element_is_float(search->type)) {
        return integer_mean(search->type, sum, dark);
    }
    double mean = isfinite(sum->real) ? clamp_to_counted(search, sum->real / (double)sum->count, 1)
                                      : mean_of_huge_floats(search);
    return medroi_tau_from_number(search->type, mean, dark);
}
