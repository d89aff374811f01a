/* Holes of a volume of bits: what no path of clear bits joins to the border of the volume (6
 * neighbours). The outside is flooded in sweeps forwards and backwards until nothing changes, runs
 * of clear bits at a time. */
#include "region/mask/mask.h"

/* Add to `seen` each run of clear bits of `solid` that it touches. Returns whether it grew. */
static int flood_row(const medroi_bits *solid, const uint64_t *walls, uint64_t *seen) {
    int grew = 0;
    int64_t start = medroi_next_clear(solid, walls, 0);
    while (start < solid->n_x) {
        int64_t stop = medroi_next_set(solid, walls, start);
        int64_t first = medroi_next_set(solid, seen, start);
        if (first < stop && medroi_count_run(seen, start, stop) < (uint64_t)(stop - start)) {
            medroi_set_run(seen, start, stop);
            grew = 1;
        }
        start = medroi_next_clear(solid, walls, stop);
    }
    return grew;
}

static void enter_from(const medroi_bits *solid, const medroi_bits *seen, int64_t row,
                       int64_t other) {
    int64_t n = solid->n_words;
    for (int64_t i = 0; i < n; i++) {
        seen->words[row * n + i] |= seen->words[other * n + i] & ~solid->words[row * n + i];
    }
}

static int flood_sweep(const medroi_bits *solid, const medroi_bits *seen, int64_t step) {
    int grew = 0;
    int64_t n_rows = solid->n_z * solid->n_y;
    for (int64_t k = 0; k < n_rows; k++) {
        int64_t row = step > 0 ? k : n_rows - 1 - k;
        int64_t y = row % solid->n_y;
        int64_t z = row / solid->n_y;
        if (y - step >= 0 && y - step < solid->n_y) {
            enter_from(solid, seen, row, row - step);
        }
        if (z - step >= 0 && z - step < solid->n_z) {
            enter_from(solid, seen, row, row - step * solid->n_y);
        }
        grew |= flood_row(solid, solid->words + row * solid->n_words,
                          seen->words + row * solid->n_words);
    }
    return grew;
}

void medroi_fill_holes(const medroi_bits *solid, const medroi_bits *seen) {
    if (solid->n_z * solid->n_y * solid->n_x == 1) {
        return; /* no axis has a border */
    }
    medroi_clear_bits(seen);
    for (int64_t z = 0; z < solid->n_z; z++) {
        for (int64_t y = 0; y < solid->n_y; y++) {
            const uint64_t *walls = medroi_bit_row(solid, z, y);
            uint64_t *row = medroi_bit_row(seen, z, y);
            if ((solid->n_z > 1 && (z == 0 || z + 1 == solid->n_z)) ||
                (solid->n_y > 1 && (y == 0 || y + 1 == solid->n_y))) {
                medroi_set_run(row, 0, solid->n_x);
            } else if (solid->n_x > 1) {
                medroi_set_bit(row, 0);
                medroi_set_bit(row, solid->n_x - 1);
            }
            for (int64_t i = 0; i < solid->n_words; i++) {
                row[i] &= ~walls[i];
            }
        }
    }
    while (flood_sweep(solid, seen, 1) | flood_sweep(solid, seen, -1)) {
    }
    for (int64_t k = 0; k < solid->n_z * solid->n_y; k++) {
        uint64_t *row = solid->words + k * solid->n_words;
        for (int64_t i = 0; i < solid->n_words; i++) {
            row[i] = ~seen->words[k * solid->n_words + i];
        }
        medroi_clear_run(row, solid->n_x, solid->n_words * 64);
    }
}
