/* Voxels that a hull clears: whether its side data is worth its bytes. */
#include "base/lesser.h"
#include "region/mask/mask.h"

#include <string.h>

#define SAMPLED_ROWS 4 /* one row of so many is looked at */
#define CACHE_LINE_NBYTES 64

/* In short blocks, whose counts the compiler can keep in lanes as wide as the elements. */
#define COUNT_DIFFERING(type)                                                                      \
    {                                                                                              \
        type value;                                                                                \
        memcpy(&value, background, sizeof value);                                                  \
        for (int64_t block = 0; block < n; block += UINT8_MAX) {                                   \
            int64_t stop = medroi_lesser(block + UINT8_MAX, n);                                    \
            type found = 0;                                                                        \
            for (int64_t i = block; i < stop; i++) {                                               \
                type element;                                                                      \
                memcpy(&element, run + (size_t)i * sizeof element, sizeof element);                \
                found = (type)(found + (element != value));                                        \
            }                                                                                      \
            count += found;                                                                        \
        }                                                                                          \
    }

/* Elements of a run whose bytes are not those of the background. */
static uint64_t count_differing(const uint8_t *run, int64_t n, size_t nbytes,
                                const uint8_t *background) {
    uint64_t count = 0;
    switch (nbytes) {
    case 1:
        COUNT_DIFFERING(uint8_t)
        return count;
    case 2:
        COUNT_DIFFERING(uint16_t)
        return count;
    case 4:
        COUNT_DIFFERING(uint32_t)
        return count;
    default:
        COUNT_DIFFERING(uint64_t)
        return count;
    }
}

static void background_bytes(const medroi_layout *layout, uint64_t bits, uint8_t bytes[8]) {
    for (size_t i = 0; i < layout->itemsize; i++) {
        size_t shift = layout->big_endian ? layout->itemsize - 1u - i : i;
        bytes[i] = (uint8_t)(bits >> 8 * shift);
    }
}

/* Shared by all rows. */
typedef struct cleared_row {
    medroi_span x;
    int64_t inner;
    size_t nbytes; /* of an element */
    uint8_t background[8];
} cleared_row;

/* The next row to be looked at lies too far away for the hardware to foresee. */
static void prefetch_row(const uint8_t *row, size_t nbytes) {
#if defined(__GNUC__)
    for (size_t i = 0; i < nbytes; i += CACHE_LINE_NBYTES) {
        __builtin_prefetch(row + i);
    }
#else
    (void)row;
    (void)nbytes;
#endif
}

/* Elements of one row of the box whose tiles are not set. */
static uint64_t count_row(const medroi_bits *tiles, const uint64_t *tile_row, const uint8_t *row,
                          const cleared_row *r) {
    const int64_t e = MEDROI_HULL_EDGE;
    uint64_t n = 0;
    int64_t last = (r->x.stop + e - 1) / e;
    int64_t start = medroi_next_clear(tiles, tile_row, r->x.start / e);
    while (start < last) {
        int64_t stop = medroi_next_set(tiles, tile_row, start);
        int64_t from = start * e * r->inner;
        int64_t to = medroi_lesser(stop * e, r->x.stop) * r->inner;
        n += count_differing(row + (size_t)from * r->nbytes, to - from, r->nbytes, r->background);
        start = medroi_next_clear(tiles, tile_row, stop);
    }
    return n;
}

int medroi_clears_more_than(const medroi_search *search, const medroi_layout *layout,
                            const medroi_bits *tiles, const medroi_grid_box *box, uint64_t limit) {
    const medroi_grid *grid = &search->grid;
    const int64_t e = MEDROI_HULL_EDGE;
    cleared_row r = {.x = box->x, .inner = grid->inner, .nbytes = layout->itemsize};
    uint64_t n = 0;
    background_bytes(layout, search->options->background, r.background);
    for (int64_t k = 0; k < grid->n_repeats * grid->n_z; k++) {
        int64_t z = k % grid->n_z;
        if (z < box->z.start || z >= box->z.stop) {
            continue;
        }
        int64_t offset = medroi_repeat_offset(grid, k / grid->n_z) + z * grid->z_stride;
        const uint8_t *plane = search->source.data + (size_t)offset * r.nbytes;
        for (int64_t y = box->y.start + k * 5 % SAMPLED_ROWS; y < box->y.stop; y += SAMPLED_ROWS) {
            const uint8_t *row = plane + (size_t)(y * grid->y_stride) * r.nbytes;
            if (y + SAMPLED_ROWS < box->y.stop) {
                size_t step = (size_t)(SAMPLED_ROWS * grid->y_stride) * r.nbytes;
                prefetch_row(row + step, (size_t)grid->length * r.nbytes);
            }
            n += count_row(tiles, medroi_bit_row(tiles, z / e, y / e), row, &r);
        }
        if (n * SAMPLED_ROWS > limit) {
            return 1;
        }
    }
    return 0;
}
