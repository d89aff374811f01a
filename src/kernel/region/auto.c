/* Whether what a region leaves out is shown to be air.
 *
 * A threshold may discard only noise. About 2^13 voxels outside the region are sampled, in pairs of
 * neighbours, and have to look like the noise of air:
 *
 *   - they are not one constant value: then nothing needs to be lost;
 *   - the level is near the background: no further from it than LEVEL spreads, as of Rayleigh
 *     (2), central chi up to 32 coils (11.5) and CT noise; muscle and fat lie far above;
 *   - their lower half, which neither ghosts nor dim tissue reach, has the shape of a noise law:
 *     the 2.5th percentile is at most LAW_TAIL spreads below the median (1.6 of Rayleigh noise, 2
 *     of normal noise, 1.3 to 2 once rounded to a few integers; more of two tissues);
 *   - few of them reach above the noise, hardly any below it;
 *   - they are not smooth: among those that are not above the noise, neighbours hardly correlate;
 *   - all this holds at each side of the volume where something is dropped.
 *
 * `spread` is the distance from the median down to the 16th percentile, which neither ghosts nor
 * dim tissue above it disturb. Values are negated for dark tissue. */
#include "region/auto.h"
#include "base/lesser.h"
#include "base/select.h"

#include <math.h>
#include <string.h>

#define MIN_SAMPLES 64
#define MIN_SIDE_SAMPLES 256
#define CONSTANT_SHARE 0.75      /* of a whole scan */
#define CONSTANT_CHUNK_SHARE 0.6 /* more, and a block not yet written would not stand out */
#define LEVEL 12
#define LAW_TAIL 3
#define UPPER_WIDTHS 2 /* what is further above the median is no noise of this air */
#define LOWER_WIDTHS 6
#define MAX_UPPER_SHARE 0.35
#define MAX_LOWER_SHARE 0.001
#define MAX_CORRELATION 0.6
#define MIN_PAIRS 64

/* Statistics of the samples of one side (or all, with MEDROI_AIR_SIDES). */
typedef struct air_levels {
    size_t n;        /* samples */
    size_t n_others; /* of these, not background */
    double median;   /* of the others */
    double spread;
    double tail; /* from the median down to the 2.5th percentile */
} air_levels;

static air_levels measure(const medroi_air *found, uint8_t side, double background, double unit) {
    air_levels levels = {0, 0, 0, 0, 0};
    for (size_t i = 0; i < found->n; i++) {
        if (side == MEDROI_AIR_SIDES || found->side[i] == side) {
            levels.n++;
            if (found->values[i] != background) {
                found->others[levels.n_others++] = found->values[i];
            }
        }
    }
    if (levels.n_others > 0) {
        size_t n = levels.n_others;
        size_t low = n * 16 / 100; /* a selection leaves what is lower in front */
        levels.median = medroi_select(found->others, n, n / 2);
        levels.spread = levels.median - medroi_select(found->others, n / 2 + 1, low);
        levels.tail = levels.median - medroi_select(found->others, low + 1, n * 25 / 1000);
        levels.spread = levels.spread > unit ? levels.spread : unit;
    }
    return levels;
}

/* Correlation of neighbours that are both noise; 1 where there are too few of them to tell. */
static double correlate(const medroi_air *found, const double *others, double limit,
                        double background) {
    double n = 0, sum_a = 0, sum_b = 0, sum_aa = 0, sum_bb = 0, sum_ab = 0;
    double origin = limit;
    for (size_t i = 0; i < found->n; i++) {
        double a = found->values[i];
        double b = others[i];
        if (a <= limit && b <= limit && a != background && b != background) {
            a -= origin;
            b -= origin;
            n += 1;
            sum_a += a;
            sum_b += b;
            sum_aa += a * a;
            sum_bb += b * b;
            sum_ab += a * b;
        }
    }
    double variance = (sum_aa - sum_a * sum_a / n) * (sum_bb - sum_b * sum_b / n);
    if (n < MIN_PAIRS || !(variance > 0)) {
        return 1;
    }
    return (sum_ab - sum_a * sum_b / n) / sqrt(variance);
}

static int is_level(const air_levels *levels, double background, double tau) {
    return fabs(levels->median - background) <= LEVEL * levels->spread && levels->median < tau;
}

static int all_sides_hold(const medroi_air *found, const air_levels *all, double background,
                          double unit, double tau, double constant) {
    for (uint8_t side = 0; side < MEDROI_AIR_SIDES; side++) {
        air_levels here = measure(found, side, background, unit);
        int is_constant = (double)here.n_others < (1 - constant) * (double)here.n;
        if (here.n < MIN_SIDE_SAMPLES || (is_constant && constant == CONSTANT_SHARE)) {
            continue; /* nothing, or background, is dropped here */
        }
        if (is_constant) {
            return 0; /* it may not be written yet */
        }
        here.spread = here.spread < all->spread ? here.spread : all->spread;
        if (!is_level(&here, background, tau)) {
            return 0;
        }
    }
    return 1;
}

static int is_noise(const medroi_air *found, const air_levels *all, double background, double unit,
                    double tau, double constant) {
    double upper = all->median + UPPER_WIDTHS * all->spread;
    double lower = all->median - LOWER_WIDTHS * all->spread;
    size_t n_upper = 0, n_lower = 0;
    for (size_t i = 0; i < found->n; i++) {
        n_upper += found->values[i] != background && found->values[i] > upper;
        n_lower += found->values[i] != background && found->values[i] < lower;
    }
    double along_x = correlate(found, found->next, upper, background);
    double along_y = correlate(found, found->below, upper, background);
    return is_level(all, background, tau) && all->tail <= LAW_TAIL * all->spread &&
           (double)n_upper <= MAX_UPPER_SHARE * (double)all->n_others &&
           (double)n_lower <= MAX_LOWER_SHARE * (double)all->n_others &&
           (along_x < MAX_CORRELATION || along_y < MAX_CORRELATION) &&
           all_sides_hold(found, all, background, unit, tau, constant);
}

medroi_reason medroi_judge_air(const medroi_search *search, const medroi_air *found,
                               double *air_share) {
    int is_float = medroi_element_is_float(search->type);
    double sign = search->options->dark ? -1 : 1;
    double background = sign * medroi_scalar_to_double(search->type, search->background);
    *air_share = 1;
    if (found->not_finite || !isfinite(background)) {
        return MEDROI_REASON_NOT_SHOWN;
    }
    if (!is_float && found->n_labels <= MEDROI_AIR_LABELS) {
        return MEDROI_REASON_LABELS;
    }
    air_levels all = measure(found, MEDROI_AIR_SIDES, background, is_float ? 0 : 1);
    *air_share = all.n ? (double)all.n_others / (double)all.n : 1;
    double constant = search->options->complete ? CONSTANT_SHARE : CONSTANT_CHUNK_SHARE;
    if ((double)all.n_others < (1 - constant) * (double)all.n) {
        return MEDROI_REASON_CONSTANT_AIR;
    }
    if (found->n < MIN_SAMPLES || found->flat || !(all.spread > 0) ||
        !is_noise(found, &all, background, is_float ? 0 : 1, sign * search->tau.value, constant)) {
        return MEDROI_REASON_NOT_SHOWN;
    }
    return MEDROI_REASON_NOISY_AIR;
}
