/* Samples of what a region leaves out: about 2^13 voxels in stretches of rows that wander through
 * the volume, each with the neighbour along its row and the one in the row beside it, and with the
 * side of the volume that lies nearest. Values are negated for dark tissue. */
#include "region/air.h"
#include "base/lesser.h"

#include <math.h>

#define STRETCH 512 /* voxels of a row that are sampled together */
#define FLAT_RUN 24 /* neighbours of one value that is not the background: no noise */

size_t medroi_air_scratch_nbytes(void) { return MEDROI_AIR_SAMPLES * (4 * sizeof(double) + 1); }

/* The side of the volume that lies nearest, as a share of each axis. */
static uint8_t nearest_side(const medroi_grid *grid, int64_t z, int64_t y, int64_t x) {
    const int64_t place[3] = {z, y, x};
    const int64_t size[3] = {grid->n_z, grid->n_y, grid->n_x};
    double nearest = 1;
    uint8_t side = 0;
    for (int i = 0; i < 3; i++) {
        double share = ((double)place[i] + 0.5) / (double)size[i];
        if (size[i] > 1 && share < nearest) {
            nearest = share;
            side = (uint8_t)(2 * i);
        }
        if (size[i] > 1 && 1 - share < nearest) {
            nearest = 1 - share;
            side = (uint8_t)(2 * i + 1);
        }
    }
    return side;
}

static void note_label(medroi_air *found, double value) {
    size_t i = 0;
    while (i < found->n_labels && found->labels[i] != value) {
        i++;
    }
    if (i == found->n_labels && i <= MEDROI_AIR_LABELS) {
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
    double values[STRETCH];
    double below[STRETCH];
} stretch;

static void take_stretch(const medroi_search *search, const medroi_kept *kept, const stretch *from,
                         medroi_air *found) {
    const medroi_grid *grid = &search->grid;
    double sign = search->options->dark ? -1 : 1;
    double background = sign * medroi_scalar_to_double(search->type, search->background);
    double tau = sign * search->tau.value;
    int64_t flat = 0;
    for (int64_t i = 0; i < from->n && found->n < MEDROI_AIR_SAMPLES; i++) {
        double value = from->values[i];
        int64_t x = (from->start + i) / grid->inner;
        int is_padding = medroi_is_padding(&search->padding, sign * value);
        if (!is_padding) {
            note_label(found, value);
        }
        if (value >= tau || is_padding || medroi_is_kept(kept, from->z, from->y, x)) {
            flat = 0; /* tissue outside is counted elsewhere */
            continue;
        }
        int64_t k = i + grid->inner;
        int pair = k < from->n && !medroi_is_kept(kept, from->z, from->y, x + 1);
        int row_pair = from->has_below && !medroi_is_kept(kept, from->z + (grid->n_y == 1),
                                                          from->y + (grid->n_y > 1), x);
        flat = i > 0 && value == from->values[i - 1] && value != background ? flat + 1 : 0;
        found->flat |= flat + 1 >= FLAT_RUN;
        found->not_finite |= !isfinite(value);
        found->values[found->n] = value;
        pair = pair && !medroi_is_padding(&search->padding, sign * from->values[k]);
        row_pair = row_pair && !medroi_is_padding(&search->padding, sign * from->below[i]);
        found->next[found->n] = pair ? from->values[k] : (double)NAN;
        found->below[found->n] = row_pair ? from->below[i] : (double)NAN;
        found->side[found->n++] = nearest_side(grid, from->z, from->y, x);
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
static void take_samples(medroi_search *search, const medroi_kept *kept, medroi_air *found) {
    const medroi_grid *grid = &search->grid;
    stretch from;
    int64_t plane = grid->n_z * grid->n_y;
    int64_t n_rows = plane * grid->n_repeats;
    int64_t length = grid->length < STRETCH ? grid->length : STRETCH;
    int64_t n_wanted = 4 * MEDROI_AIR_SAMPLES / length + 1; /* much may lie inside the region */
    int64_t step = (n_rows + n_wanted - 1) / n_wanted;
    step = medroi_coprime_step(step, grid->n_y, grid->n_z);
    int64_t start = 0;
    for (int64_t r = 0; r < n_rows && found->n < MEDROI_AIR_SAMPLES; r += step) {
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
        take_stretch(search, kept, &from, found);
        start = grid->length > length ? (start + 7 * length / 4) % (grid->length - length + 1) : 0;
    }
}

medroi_air medroi_sample_air(medroi_search *search, const medroi_kept *kept, void *scratch) {
    medroi_air found = {.values = scratch};
    found.next = found.values + MEDROI_AIR_SAMPLES;
    found.below = found.next + MEDROI_AIR_SAMPLES;
    found.others = found.below + MEDROI_AIR_SAMPLES;
    found.side = (uint8_t *)(found.others + MEDROI_AIR_SAMPLES);
    take_samples(search, kept, &found);
    return found;
}
