/* The signal level: the value that the noise of the air would exceed less than once in an array.
 *
 * It is fitted to the samples that the noise threshold has taken from the outer eighth of the
 * volume and that lie below it, so that it does not depend on the region; and to their lower half
 * alone, which neither ghosts nor dim tissue reach: to the median and the 16th percentile, one
 * standard deviation apart in a normal distribution.
 *
 *   - Magnitudes, of which none lies below the background, are Rayleigh, Rician or central chi. The
 *     square of such a value x is nearly chi-squared, whose cube root is nearly normal (Wilson and
 *     Hilferty 1931): so u = x^(2/3) is, and the level is (u50 + z (u50 - u16))^(3/2) above the
 *     background. Of many coils, or far above it, this becomes the normal distribution itself.
 *   - Values on both sides of the background (CT) are normal: x50 + z (x50 - x16).
 *
 * z is the quantile of the normal distribution that is exceeded with probability 1/N, N the number
 * of elements, from a table of powers of two. A quantile lies between the values of the samples: a
 * value stands for everything half way to its neighbours, so that noise of two or three integers
 * has a width as well. Only +, *, / and square roots, which are the same on every machine. */
#include "region/signal.h"

#include <math.h>
#include <string.h>

#define MIN_SAMPLES 256
#define LOW_SHARE 0.16
#define TOP_BIT (UINT64_C(1) << 63)
#define SPIKE 2 /* background that often beside its neighbours is a constant area, not noise */

/* Quantiles exceeded with probability 2^-k, k from 1. */
static const double EXCEEDED[] = {
    0.0,    0.6745, 1.1503, 1.5341, 1.8627, 2.1539, 2.4176, 2.6601, 2.8856, 3.0973, 3.2972, 3.4871,
    3.6683, 3.8419, 4.0088, 4.1696, 4.3249, 4.4753, 4.6212, 4.763,  4.901,  5.0354, 5.1666, 5.2947,
    5.42,   5.5426, 5.6627, 5.7804, 5.896,  6.0094, 6.1208, 6.2303, 6.338,  6.4439, 6.5483, 6.651,
    6.7523, 6.8521, 6.9506, 7.0477, 7.1436, 7.2382, 7.3316, 7.4239, 7.5152, 7.6053, 7.6944, 7.7826};

static double quantile_of_one_in(uint64_t n) {
    size_t k = 1;
    while (k < sizeof EXCEEDED / sizeof *EXCEEDED && UINT64_C(1) << k < n) {
        k++;
    }
    return EXCEEDED[k - 1];
}

/* Bits that are in order as the numbers are, and back. */
static uint64_t ordered_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & TOP_BIT ? ~bits : bits | TOP_BIT;
}

static double value_of_ordered(uint64_t bits) {
    double value;
    bits = bits & TOP_BIT ? bits & ~TOP_BIT : ~bits;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* By one byte after the other, the last first (radix sort); those that all share are passed over.
 */
static void sort(double *values, size_t n, uint64_t *keys, uint64_t *spare) {
    uint32_t starts[sizeof(uint64_t)][256] = {{0}};
    for (size_t i = 0; i < n; i++) {
        keys[i] = ordered_bits(values[i]);
        for (size_t k = 0; k < sizeof(uint64_t); k++) {
            starts[k][keys[i] >> 8 * k & 255]++;
        }
    }
    for (size_t k = 0; k < sizeof(uint64_t) && n > 0; k++) {
        if (starts[k][keys[0] >> 8 * k & 255] == n) {
            continue;
        }
        for (uint32_t byte = 0, before = 0; byte < 256; byte++) {
            uint32_t count = starts[k][byte];
            starts[k][byte] = before;
            before += count;
        }
        for (size_t i = 0; i < n; i++) {
            spare[starts[k][keys[i] >> 8 * k & 255]++] = keys[i];
        }
        uint64_t *held = keys;
        keys = spare;
        spare = held;
    }
    for (size_t i = 0; i < n; i++) {
        values[i] = value_of_ordered(keys[i]);
    }
}

/* Some of the samples of the shell that are no tissue, in order. */
static size_t sort_samples(const medroi_search *search, double *values) {
    double tau = search->options->dark ? -search->tau.value : search->tau.value;
    size_t step = search->n_shell / MEDROI_AIR_SAMPLES + 1, n = 0;
    for (size_t i = 0; i < search->n_shell; i += step) {
        if (search->shell[i] < tau) {
            values[n++] = search->shell[i];
        }
    }
    uint64_t *keys = (uint64_t *)(void *)(values + MEDROI_AIR_SAMPLES);
    sort(values, n, keys, keys + MEDROI_AIR_SAMPLES);
    return n;
}

/* Samples of one value: [*start, *stop). */
static void find_ties(const double *values, size_t n, size_t at, size_t *start, size_t *stop) {
    *start = *stop = at;
    while (*start > 0 && values[*start - 1] == values[at]) {
        --*start;
    }
    while (*stop < n && values[*stop] == values[at]) {
        ++*stop;
    }
}

/* Take the background out where it is a spike: zeros that a scanner put there are no noise. */
static size_t drop_background(double *values, size_t n, double background) {
    size_t first = 0, start = 0, stop = 0, before_start = 0, before = 0, behind = 0,
           behind_stop = 0;
    while (first < n && values[first] < background) {
        first++;
    }
    if (first == n || values[first] != background) {
        return n;
    }
    find_ties(values, n, first, &start, &stop);
    if (start > 0) {
        find_ties(values, n, start - 1, &before_start, &before);
    }
    if (stop < n) {
        find_ties(values, n, stop, &behind, &behind_stop);
    }
    size_t n_before = before - before_start, n_behind = behind_stop - behind;
    size_t beside = n_before > n_behind ? n_before : n_behind;
    if (stop - start <= SPIKE * beside) {
        return n;
    }
    memmove(values + start, values + stop, (n - stop) * sizeof *values);
    return n - (stop - start);
}

/* The value below which a share of the sorted samples lies. */
static double quantile(const double *values, size_t n, double share) {
    double place = share * (double)n;
    size_t at = (size_t)place, start = 0, stop = 0;
    at = at < n ? at : n - 1;
    find_ties(values, n, at, &start, &stop);
    double low = start > 0 ? (values[start - 1] + values[at]) / 2 : values[at];
    double high = stop < n ? (values[stop] + values[at]) / 2 : values[at];
    return low + (high - low) * ((place - (double)start) / (double)(stop - start));
}

/* Newton's iteration from above; every step is exactly rounded, so all machines agree. */
static double cube_root(double x) {
    double root = x > 1 ? x : 1;
    if (!(x > 0)) {
        return 0;
    }
    for (;;) {
        double next = (2 * root + x / (root * root)) / 3;
        if (!(next < root)) {
            return root;
        }
        root = next;
    }
}

static double normal_of_magnitude(double x) {
    double root = cube_root(x);
    return root * root;
}

double medroi_fit_signal_level(const medroi_search *search, double *values) {
    size_t n = sort_samples(search, values);
    double sign = search->options->dark ? -1 : 1;
    double z = quantile_of_one_in((uint64_t)medroi_grid_n_elements(&search->grid));
    double background = sign * medroi_scalar_to_double(search->type, search->background);
    n = drop_background(values, n, background);
    if (n < MIN_SAMPLES) {
        return (double)NAN;
    }
    double low = quantile(values, n, LOW_SHARE), middle = quantile(values, n, 0.5);
    if (!(values[0] >= background)) {
        return sign * (middle + z * (middle - low));
    }
    low = normal_of_magnitude(low - background);
    middle = normal_of_magnitude(middle - background);
    double high = middle + z * (middle - low);
    return sign * (background + high * sqrt(high));
}
