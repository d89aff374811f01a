/* Floats that are multiples of one step: finding the step. */
#include "base/elements.h"
#include "codecs/valuemap/intmap.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Values nearest to zero from whose distances the first guess at the step is taken. */
#define N_NEAREST 256
#define MAX_DIVISOR 32
#define MAX_MULTIPLE 4503599627370496.0 /* 2^52 */

typedef struct interval {
    double low, high;
} interval;

/* Bits of a significand. That of doubles counts as one less: the bounds are computed in doubles,
 * and rounded themselves. */
static int significand_bits(const medroi_block *block) {
    return block->itemsize == 2 ? 11 : block->itemsize == 4 ? 24 : 52;
}

/* Greatest distance of a number from what it was rounded to. */
static double rounding_of(double magnitude, int bits) {
    int exponent;
    (void)frexp(magnitude, &exponent);
    return ldexp(0.5, exponent - bits);
}

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Sorted magnitudes; 0 where a value is not a number that a multiple of a step can be. */
static int load_magnitudes(const medroi_block *block, const uint64_t *keys, size_t n,
                           double *magnitudes) {
    for (size_t i = 0; i < n; i++) {
        double value = medroi_key_value(block, keys[i]);
        if (!isfinite(value) || (value == 0 && signbit(value))) {
            return 0;
        }
        magnitudes[i] = fabs(value);
    }
    qsort(magnitudes, n, sizeof *magnitudes, compare_doubles);
    return 1;
}

/* The smallest distance between the magnitudes nearest to zero, zero among them. */
static interval first_guess(const double *magnitudes, size_t n, int bits) {
    size_t n_nearest = n < N_NEAREST ? n : N_NEAREST;
    double last = 0, step = INFINITY, slack;
    for (size_t i = 0; i < n_nearest; i++) {
        double distance = magnitudes[i] - last;
        if (distance > 8 * rounding_of(magnitudes[i], bits) && distance < step) {
            step = distance;
        }
        last = magnitudes[i];
    }
    slack = 4 * rounding_of(last, bits);
    return (interval){step - slack, step + slack};
}

/* Narrow the interval of the step by every value; 0 where no step fits. */
static int narrow(const double *magnitudes, size_t n, int bits, interval *step) {
    for (size_t i = 0; i < n; i++) {
        double middle = (step->low + step->high) / 2, magnitude = magnitudes[i];
        double multiple = nearbyint(magnitude / middle);
        if (magnitude == 0) {
            continue;
        }
        if (multiple < 1 || multiple > MAX_MULTIPLE ||
            multiple * (step->high - step->low) > middle) {
            return 0;
        }
        double rounding = rounding_of(magnitude, bits);
        step->low = fmax(step->low, (magnitude - rounding) / multiple);
        step->high = fmin(step->high, (magnitude + rounding) / multiple);
        if (step->low > step->high) {
            return 0;
        }
    }
    return 1;
}

static int is_step(const medroi_block *block, const uint64_t *keys, size_t n, double step) {
    if (!(step > 0) || !isfinite(step)) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        double multiple = nearbyint(medroi_key_value(block, keys[i]) / step);
        /* No -0.0: it is no multiple of anything. */
        if (medroi_value_key(block, (multiple + 0.0) * step) != keys[i]) {
            return 0;
        }
    }
    return 1;
}

/* The step among the numbers of the interval, the plainest first; 0 where none gives every bit. */
static double choose(const medroi_block *block, const uint64_t *keys, size_t n, interval step) {
    double middle = (step.low + step.high) / 2;
    double candidates[] = {nearbyint(middle),
                           (double)(float)middle,
                           middle,
                           nextafter(middle, 0),
                           nextafter(middle, INFINITY),
                           step.low,
                           step.high};
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        if (is_step(block, keys, n, candidates[i])) {
            return candidates[i];
        }
    }
    return 0;
}

int medroi_intmap_find_scaled(const medroi_block *block, const uint64_t *keys, size_t n,
                              uint32_t max_index, medroi_intmap *map) {
    double step = 0, low, high;
    int bits = significand_bits(block);
    double *magnitudes = malloc(n * sizeof *magnitudes);
    if (magnitudes == NULL || !load_magnitudes(block, keys, n, magnitudes)) {
        free(magnitudes);
        return 0;
    }
    interval guess = first_guess(magnitudes, n, bits);
    if (!isfinite(guess.high)) { /* nothing but zeros */
        guess = (interval){1, 1};
    }
    for (int divisor = 1; step == 0 && guess.low > 0 && divisor <= MAX_DIVISOR; divisor++) {
        interval trial = {guess.low / divisor, guess.high / divisor};
        if (magnitudes[n - 1] / trial.high > MAX_MULTIPLE) {
            break;
        }
        if (narrow(magnitudes, n, bits, &trial)) {
            step = choose(block, keys, n, trial);
        }
    }
    free(magnitudes);
    if (step == 0) {
        return 0;
    }
    low = nearbyint(medroi_key_value(block, keys[0]) / step);
    high = nearbyint(medroi_key_value(block, keys[n - 1]) / step);
    if (high - low > max_index || fabs(low) > MAX_MULTIPLE) {
        return 0;
    }
    map->kind = MEDROI_INTMAP_SCALED;
    map->max_index = (uint32_t)(high - low);
    map->offset = (int64_t)low;
    map->step = step;
    return 1;
}
