/* Signal that a mask of the largest component cuts off, though it is connected to signal inside (26
 * neighbours): an arm or a fold of skin that the opening has taken away. Only what is not connected
 * is another component.
 *
 * The signal inside is grown along the signal in sweeps forwards and backwards until nothing
 * changes: a row takes what touches it in the rows that the sweep has passed, and then all that is
 * connected along the row. */
#include "region/mask/mask.h"

#include <string.h>

/* Bits of one row, and the same a voxel to both sides, `step` bits each. */
static uint64_t with_sides(const uint64_t *row, int64_t i, int64_t n_words, int64_t step) {
    int64_t words = step >> 6, bits = step & 63;
    uint64_t up = i >= words ? row[i - words] << bits : 0;
    uint64_t down = i + words < n_words ? row[i + words] >> bits : 0;
    if (bits && i > words) {
        up |= row[i - words - 1] >> (64 - bits);
    }
    if (bits && i + words + 1 < n_words) {
        down |= row[i + words + 1] << (64 - bits);
    }
    return row[i] | up | down;
}

/* One repeat of the volume while it is searched. */
typedef struct growing {
    const medroi_grid *grid;
    medroi_bits signal;
    medroi_bits grown;
    uint64_t *touched; /* one row */
} growing;

static void touch(const growing *g, int64_t z, int64_t y) {
    if (z < 0 || z >= g->grown.n_z || y < 0 || y >= g->grown.n_y) {
        return;
    }
    const uint64_t *row = medroi_bit_row(&g->grown, z, y);
    for (int64_t i = 0; i < g->grown.n_words; i++) {
        g->touched[i] |= row[i];
    }
}

/* Returns whether the row grew. */
static int grow_row(const growing *g, int64_t z, int64_t y, int64_t step) {
    const uint64_t *signal = medroi_bit_row(&g->signal, z, y);
    uint64_t *grown = medroi_bit_row(&g->grown, z, y);
    int64_t n_words = g->grown.n_words;
    int grew = 0, again = 0;
    for (int64_t i = 0; i < n_words; i++) {
        again |= (signal[i] & ~grown[i]) != 0;
    }
    if (!again) {
        return 0;
    }
    memcpy(g->touched, grown, (size_t)n_words * sizeof *grown);
    touch(g, z, y - step);
    for (int64_t dy = -1; dy <= 1; dy++) {
        touch(g, z - step, y + dy);
    }
    while (again) {
        again = 0;
        for (int64_t i = 0; i < n_words; i++) {
            uint64_t found = with_sides(g->touched, i, n_words, g->grid->inner) & signal[i];
            again |= (found & ~grown[i]) != 0;
            grown[i] |= found;
        }
        memcpy(g->touched, grown, (size_t)n_words * sizeof *grown);
        grew |= again;
    }
    return grew;
}

static int sweep(const growing *g, int64_t step) {
    int64_t n_rows = g->grown.n_z * g->grown.n_y;
    int grew = 0;
    for (int64_t k = 0; k < n_rows; k++) {
        int64_t row = step > 0 ? k : n_rows - 1 - k;
        grew |= grow_row(g, row / g->grown.n_y, row % g->grown.n_y, step);
    }
    return grew;
}

/* The signal in the tiles. */
static void begin(const growing *g, const medroi_bits *tiles) {
    const int64_t e = MEDROI_TILE_EDGE, inner = g->grid->inner;
    for (int64_t z = 0; z < g->grown.n_z; z++) {
        for (int64_t y = 0; y < g->grown.n_y; y++) {
            const uint64_t *set = medroi_bit_row(tiles, z / e, y / e);
            uint64_t *grown = medroi_bit_row(&g->grown, z, y);
            memcpy(grown, medroi_bit_row(&g->signal, z, y),
                   (size_t)g->grown.n_words * sizeof *grown);
            int64_t start = medroi_next_clear(tiles, set, 0);
            while (start < tiles->n_x) {
                int64_t stop = medroi_next_set(tiles, set, start);
                int64_t end = stop * e < g->grid->n_x ? stop * e : g->grid->n_x;
                medroi_clear_run(grown, start * e * inner, end * inner);
                start = medroi_next_clear(tiles, set, stop);
            }
        }
    }
}

static void join_row(const growing *g, int64_t z, int64_t y, const medroi_bits *tiles) {
    const int64_t e = MEDROI_TILE_EDGE;
    const uint64_t *grown = medroi_bit_row(&g->grown, z, y);
    uint64_t *set = medroi_bit_row(tiles, z / e, y / e);
    int64_t place = medroi_next_set(&g->grown, grown, 0);
    while (place < g->grown.n_x) {
        medroi_set_bit(set, place / g->grid->inner / e);
        place = medroi_next_set(&g->grown, grown, place + 1);
    }
}

void medroi_join_connected(const medroi_search *search, const medroi_bits *spare,
                           const medroi_bits *tiles, uint64_t *row) {
    growing g = {.grid = &search->grid, .signal = search->beyond, .grown = *spare, .touched = row};
    g.signal.n_z = search->grid.n_z;
    for (int64_t repeat = 0; repeat < search->grid.n_repeats; repeat++) {
        g.signal.words = medroi_bit_row(&search->beyond, repeat * search->grid.n_z, 0);
        begin(&g, tiles);
        while (sweep(&g, 1) | sweep(&g, -1)) {
        }
        for (int64_t k = 0; k < g.grown.n_z * g.grown.n_y; k++) {
            join_row(&g, k / g.grown.n_y, k % g.grown.n_y, tiles);
        }
    }
}
