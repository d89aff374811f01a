/* Whether what a region leaves out is shown to be air.
 *
 * A threshold may discard only noise. About 2^13 voxels outside the region are sampled, in pairs of
 * neighbours, and have to look like the noise of air:
 *
 *   - they are not one constant value: then nothing needs to be lost;
 *   - the level is near the background: no further from it than LEVEL spreads, as of Rayleigh
 *     (1.9), central chi up to 32 coils (11) and CT noise; muscle and fat lie far above;
 *   - few of them reach above the noise, hardly any below it;
 *   - they are not smooth: among those that are not above the noise, neighbours hardly correlate;
 *   - all this holds at each face of the volume where something is dropped.
 *
 * `spread` is the distance from the median down to the 16th percentile, which neither ghosts nor
 * dim tissue above it disturb. Values are negated for dark tissue. */
#include "region/auto.h"
#include "base/lesser.h"
#include "base/select.h"

#include <math.h>
#include <string.h>

#define N_SAMPLES 8192
#define MIN_SAMPLES 64
#define MIN_FACE_SAMPLES 256
#define N_FACES 6
#define CONSTANT_SHARE 0.75      /* of a whole scan */
#define CONSTANT_CHUNK_SHARE 0.6 /* more, and a block not yet written would not stand out */
#define LEVEL 12
#define UPPER_WIDTHS 2 /* what is further above the median is no noise of this air */
#define LOWER_WIDTHS 6
#define MAX_UPPER_SHARE 0.35
#define MAX_LOWER_SHARE 0.001
#define MAX_CORRELATION 0.6
#define MIN_PAIRS 64
#define MAX_LABELS 16
#define FLAT_RUN 24 /* neighbours of one value that is not the background: no noise */

typedef struct air_samples {
    double *values;
    double *next;   /* the neighbour along x, NaN where that is inside the region */
    double *below;  /* the neighbour along y (z where there is no y) */
    double *others; /* room for a selection */
    uint8_t *face;
    size_t n;
    double labels[MAX_LABELS + 1];
    size_t n_labels;
    int flat;
    int not_finite;
} air_samples;

size_t medroi_air_scratch_nbytes(void) { return N_SAMPLES * (4 * sizeof(double) + 1); }

/* The region as seen from the grid. */
typedef struct place_test {
    medroi_grid_box box;
    medroi_bits tiles; /* of the box; words are NULL where the region is the box */
} place_test;

static medroi_span span_of(const medroi_box *box, const medroi_grid *grid, int i) {
    medroi_span span = {0, 1};
    if (grid->axis[i] >= 0) {
        span.start = box->start[grid->axis[i]];
        span.stop = box->stop[grid->axis[i]];
    }
    return span;
}

static int64_t n_tiles(medroi_span span) {
    return (span.stop - span.start + MEDROI_HULL_EDGE - 1) / MEDROI_HULL_EDGE;
}

static place_test make_test(const medroi_grid *grid, const medroi_region *region) {
    place_test test = {.box = {span_of(&region->box, grid, 0), span_of(&region->box, grid, 1),
                               span_of(&region->box, grid, 2)}};
    if (region->hull_map_nbytes > 0) {
        test.tiles =
            medroi_make_bits(n_tiles(test.box.z), n_tiles(test.box.y), n_tiles(test.box.x));
        memcpy(&test.tiles.words, &region->hull_map, sizeof test.tiles.words);
    }
    return test;
}

static int is_inside(const place_test *test, int64_t z, int64_t y, int64_t x) {
    const medroi_grid_box *box = &test->box;
    if (z < box->z.start || z >= box->z.stop || y < box->y.start || y >= box->y.stop ||
        x < box->x.start || x >= box->x.stop) {
        return 0;
    }
    const int64_t e = MEDROI_HULL_EDGE;
    return !test->tiles.words || medroi_get_bit(medroi_bit_row(&test->tiles, (z - box->z.start) / e,
                                                               (y - box->y.start) / e),
                                                (x - box->x.start) / e);
}

/* The face of the volume that lies nearest, as a share of each axis. */
static uint8_t nearest_face(const medroi_grid *grid, int64_t z, int64_t y, int64_t x) {
    const int64_t place[3] = {z, y, x};
    const int64_t size[3] = {grid->n_z, grid->n_y, grid->n_x};
    double nearest = 1;
    uint8_t face = 0;
    for (int i = 0; i < 3; i++) {
        double share = ((double)place[i] + 0.5) / (double)size[i];
        if (size[i] > 1 && share < nearest) {
            nearest = share;
            face = (uint8_t)(2 * i);
        }
        if (size[i] > 1 && 1 - share < nearest) {
            nearest = 1 - share;
            face = (uint8_t)(2 * i + 1);
        }
    }
    return face;
}

static void note_label(air_samples *found, double value) {
    size_t i = 0;
    while (i < found->n_labels && found->labels[i] != value) {
        i++;
    }
    if (i == found->n_labels && i <= MAX_LABELS) {
        found->labels[found->n_labels++] = value;
    }
}

/* A stretch of one row and of the row beside it. */
typedef struct stretch {
    int64_t z;
    int64_t y;
    int64_t start; /* place in the row */
    int64_t n;
    int has_below;
    double values[MEDROI_AIR_STRETCH];
    double below[MEDROI_AIR_STRETCH];
} stretch;

static void take_stretch(const medroi_search *search, const place_test *test, const stretch *from,
                         air_samples *found) {
    const medroi_grid *grid = &search->grid;
    double sign = search->options->dark ? -1 : 1;
    double background = sign * medroi_scalar_to_double(search->type, search->background);
    double tau = sign * search->tau.value;
    int64_t flat = 0;
    for (int64_t i = 0; i < from->n && found->n < N_SAMPLES; i++) {
        double value = from->values[i];
        int64_t x = (from->start + i) / grid->inner;
        note_label(found, value);
        if (value >= tau || is_inside(test, from->z, from->y, x)) {
            flat = 0; /* tissue outside is counted elsewhere */
            continue;
        }
        int64_t k = i + grid->inner;
        int pair = k < from->n && !is_inside(test, from->z, from->y, x + 1);
        int row_pair = from->has_below &&
                       !is_inside(test, from->z + (grid->n_y == 1), from->y + (grid->n_y > 1), x);
        flat = i > 0 && value == from->values[i - 1] && value != background ? flat + 1 : 0;
        found->flat |= flat + 1 >= FLAT_RUN;
        found->not_finite |= !isfinite(value);
        found->values[found->n] = value;
        found->next[found->n] = pair ? from->values[k] : (double)NAN;
        found->below[found->n] = row_pair ? from->below[i] : (double)NAN;
        found->face[found->n++] = nearest_face(grid, from->z, from->y, x);
    }
}

static void widen(const medroi_search *search, const uint8_t *row, int64_t start, int64_t n,
                  double *values) {
    search->ops->widen(search->ops, row + (size_t)start * search->source.nbytes, (size_t)n, values);
    for (int64_t i = 0; search->options->dark && i < n; i++) {
        values[i] = -values[i];
    }
}

/* Stretches of rows at a distance without a common divisor with the numbers of rows, so that they
 * wander through the volume, and along rows that are longer than a stretch. */
static void take_samples(medroi_search *search, const place_test *test, air_samples *found) {
    const medroi_grid *grid = &search->grid;
    stretch from;
    int64_t plane = grid->n_z * grid->n_y;
    int64_t n_rows = plane * grid->n_repeats;
    int64_t length = grid->length < MEDROI_AIR_STRETCH ? grid->length : MEDROI_AIR_STRETCH;
    int64_t n_wanted = 4 * N_SAMPLES / length + 1; /* much may lie inside the region */
    int64_t step = (n_rows + n_wanted - 1) / n_wanted;
    step = medroi_coprime_step(step, grid->n_y, grid->n_z);
    int64_t start = 0;
    for (int64_t r = 0; r < n_rows && found->n < N_SAMPLES; r += step) {
        from.z = r % plane / grid->n_y;
        from.y = r % grid->n_y;
        from.start = start;
        from.n = length;
        from.has_below = grid->n_y > 1 ? from.y + 1 < grid->n_y : from.z + 1 < grid->n_z;
        medroi_source_seek(&search->source, r / plane);
        if (from.has_below) {
            widen(search,
                  medroi_source_single_row(&search->source, from.z + (grid->n_y == 1),
                                           from.y + (grid->n_y > 1)),
                  start, length, from.below);
        }
        widen(search, medroi_source_single_row(&search->source, from.z, from.y), start, length,
              from.values);
        take_stretch(search, test, &from, found);
        start = grid->length > length ? (start + 7 * length / 4) % (grid->length - length + 1) : 0;
    }
}

/* Statistics of the samples of one side (or all, with N_FACES). */
typedef struct air_levels {
    size_t n;        /* samples */
    size_t n_others; /* of these, not background */
    double median;   /* of the others */
    double spread;
} air_levels;

static air_levels measure(const air_samples *found, uint8_t face, double background, double unit) {
    air_levels levels = {0, 0, 0, 0};
    for (size_t i = 0; i < found->n; i++) {
        if (face == N_FACES || found->face[i] == face) {
            levels.n++;
            if (found->values[i] != background) {
                found->others[levels.n_others++] = found->values[i];
            }
        }
    }
    if (levels.n_others > 0) {
        size_t n = levels.n_others;
        levels.median = medroi_select(found->others, n, n / 2);
        levels.spread = levels.median - medroi_select(found->others, n, n * 16 / 100);
        levels.spread = levels.spread > unit ? levels.spread : unit;
    }
    return levels;
}

/* Correlation of neighbours that are both noise; 1 where there are too few of them to tell. */
static double correlate(const air_samples *found, const double *others, double limit,
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

static int all_faces_hold(const air_samples *found, const air_levels *all, double background,
                          double unit, double tau, double constant) {
    for (uint8_t face = 0; face < N_FACES; face++) {
        air_levels here = measure(found, face, background, unit);
        int is_constant = (double)here.n_others < (1 - constant) * (double)here.n;
        if (here.n < MIN_FACE_SAMPLES || (is_constant && constant == CONSTANT_SHARE)) {
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

static int is_noise(const air_samples *found, const air_levels *all, double background, double unit,
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
    return is_level(all, background, tau) &&
           (double)n_upper <= MAX_UPPER_SHARE * (double)all->n_others &&
           (double)n_lower <= MAX_LOWER_SHARE * (double)all->n_others &&
           (along_x < MAX_CORRELATION || along_y < MAX_CORRELATION) &&
           all_faces_hold(found, all, background, unit, tau, constant);
}

medroi_reason medroi_judge_air(medroi_search *search, const medroi_region *region, void *scratch,
                               double *air_share) {
    air_samples found = {.values = scratch};
    found.next = found.values + N_SAMPLES;
    found.below = found.next + N_SAMPLES;
    found.others = found.below + N_SAMPLES;
    found.face = (uint8_t *)(found.others + N_SAMPLES);
    place_test test = make_test(&search->grid, region);
    int is_float = medroi_element_is_float(search->type);
    double sign = search->options->dark ? -1 : 1;
    double background = sign * medroi_scalar_to_double(search->type, search->background);
    take_samples(search, &test, &found);
    *air_share = 1;
    if (found.not_finite || !isfinite(background)) {
        return MEDROI_REASON_NOT_SHOWN;
    }
    if (!is_float && found.n_labels <= MAX_LABELS) {
        return MEDROI_REASON_LABELS;
    }
    air_levels all = measure(&found, N_FACES, background, is_float ? 0 : 1);
    *air_share = all.n ? (double)all.n_others / (double)all.n : 1;
    double constant = search->options->complete ? CONSTANT_SHARE : CONSTANT_CHUNK_SHARE;
    if ((double)all.n_others < (1 - constant) * (double)all.n) {
        return MEDROI_REASON_CONSTANT_AIR;
    }
    if (found.n < MIN_SAMPLES || found.flat || !(all.spread > 0) ||
        !is_noise(&found, &all, background, is_float ? 0 : 1, sign * search->tau.value, constant)) {
        return MEDROI_REASON_NOT_SHOWN;
    }
    return MEDROI_REASON_NOISY_AIR;
}
