/* The mask of what differs from the background: what a lossy inner codec needs so that background
 * comes back as it was where every voxel is kept. */
#include "base/arena.h"
#include "base/elements.h"
#include "region/mask/mask.h"

#include <string.h>

#define SIDE_HEAD_NBYTES (5 + MEDROI_MASK_HEAD_NBYTES)

typedef struct work {
    medroi_tile_grid tiles;
    medroi_bits bits;
    uint8_t *coder;
    uint8_t *side;
    size_t side_capacity;
} work;

static size_t place(const medroi_grid *grid, const medroi_box *box, int64_t edge, work *w,
                    uint8_t *scratch) {
    w->tiles = medroi_make_tile_grid(grid, box, edge);
    const int64_t *n = w->tiles.n;
    w->bits = medroi_make_bits(n[0], n[1], n[2]);
    w->side_capacity = SIDE_HEAD_NBYTES + (size_t)(n[0] * n[1] * n[2]) / 4 + 1024;
    const medroi_stretch arrays[] = {
        {(void **)&w->bits.words, medroi_bits_nbytes(&w->bits)},
        {(void **)&w->coder, medroi_tile_encoder_nbytes(n)},
        {(void **)&w->side, w->side_capacity},
    };
    return medroi_place(arrays, sizeof arrays / sizeof arrays[0], scratch);
}

size_t medroi_differing_scratch_nbytes(const medroi_layout *layout) {
    work w;
    medroi_box whole = {{0}, {0}};
    medroi_grid grid = medroi_make_grid(layout);
    memcpy(whole.stop, layout->shape, sizeof whole.stop);
    return place(&grid, &whole, 1, &w, NULL) + MEDROI_SCRATCH_ALIGNMENT;
}

/* Mark the tiles of one row of the box that hold any element but the background. */
static void mark_row(const medroi_grid *grid, const medroi_layout *layout,
                     const uint8_t background[8], const work *w, const uint8_t *row,
                     uint64_t *bits) {
    size_t nbytes = layout->itemsize;
    const uint8_t *element = row + (size_t)(w->tiles.start[2] * grid->inner) * nbytes;
    for (int64_t x = 0; x < w->tiles.stop[2] - w->tiles.start[2]; x++) {
        for (int64_t i = 0; i < grid->inner; i++, element += nbytes) {
            if (memcmp(element, background, nbytes) != 0) {
                medroi_set_bit(bits, x / w->tiles.edge);
            }
        }
    }
}

/* Returns whether any tile of the box holds nothing but background. */
static int mark_differing(const medroi_layout *layout, const medroi_grid *grid, const uint8_t *data,
                          uint64_t background, const work *w) {
    const medroi_tile_grid *t = &w->tiles;
    uint8_t element[8];
    int has_background = 0;
    medroi_store_bits(element, layout->itemsize, layout->big_endian, background);
    medroi_clear_bits(&w->bits);
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        int64_t base = medroi_repeat_offset(grid, repeat);
        for (int64_t z = t->start[0]; z < t->stop[0]; z++) {
            for (int64_t y = t->start[1]; y < t->stop[1]; y++) {
                int64_t offset = base + z * grid->z_stride + y * grid->y_stride;
                uint64_t *bits = medroi_bit_row(&w->bits, (z - t->start[0]) / t->edge,
                                                (y - t->start[1]) / t->edge);
                mark_row(grid, layout, element, w, data + (size_t)offset * layout->itemsize, bits);
            }
        }
    }
    for (int64_t k = 0; !has_background && k < t->n[0] * t->n[1]; k++) {
        const uint64_t *bits = medroi_bit_row(&w->bits, k / t->n[1], k % t->n[1]);
        has_background = medroi_next_clear(&w->bits, bits, 0) < t->n[2];
    }
    return has_background;
}

/* Tiles begin at even places of the array, as those of a mask that was found do: they are then the
 * tiles of the scan in every chunk that begins at an even place of it. */
static medroi_box on_tiles(const medroi_layout *layout, const medroi_box *box, int64_t edge) {
    medroi_box wider = *box;
    for (int32_t i = 0; i < layout->ndim; i++) {
        if (layout->axes >> i & 1) {
            wider.start[i] -= wider.start[i] % edge;
        }
    }
    return wider;
}

medroi_status medroi_mask_differing(const medroi_layout *layout, const void *data,
                                    uint64_t background, int64_t edge, void *scratch,
                                    medroi_region *region, medroi_error *error) {
    work w;
    medroi_grid grid = medroi_make_grid(layout);
    medroi_box box = on_tiles(layout, &region->box, edge);
    place(&grid, &box, edge, &w, medroi_align_scratch(scratch));
    if (!mark_differing(layout, &grid, data, background, &w)) {
        return MEDROI_OK;
    }
    size_t coded = medroi_code_tiles(&w.bits, w.coder, w.side + SIDE_HEAD_NBYTES,
                                     w.side_capacity - SIDE_HEAD_NBYTES);
    if (coded == 0) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "the mask of what differs from the background takes more than two bits "
                           "a voxel; use roi=\"box\"");
    }
    medroi_write_mask_head((uint32_t)(MEDROI_MASK_HEAD_NBYTES + coded), (uint8_t)edge, 0, w.side);
    region->box = box;
    region->side = w.side;
    region->side_nbytes = (uint32_t)(SIDE_HEAD_NBYTES + coded);
    region->mask_map = w.bits.words;
    return MEDROI_OK;
}
