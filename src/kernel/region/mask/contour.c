/* The contour of the tissue of a whole array, voxel for voxel, for fitting and for pictures: opened
 * tissue without specks, closed by 5 mm, without holes. */
#include "base/arena.h"
#include "region/mask/mask.h"
#include "region/spacing.h"

#include <string.h>

#define PAD (MEDROI_CONTOUR_CLOSING + 1) /* what lies outside is connected around the volume */

/* Room around the volume; none along axes of length 1, through which holes would be open. */
typedef struct room {
    int64_t z;
    int64_t y;
    int64_t x;
} room;

static room room_around(const medroi_grid *grid) {
    room r = {grid->n_z > 1 ? PAD : 0, grid->n_y > 1 ? PAD : 0, grid->n_x > 1 ? PAD : 0};
    return r;
}

static medroi_bits padded_bits(const medroi_grid *grid) {
    room r = room_around(grid);
    return medroi_make_bits(grid->n_z + 2 * r.z, grid->n_y + 2 * r.y, grid->n_x + 2 * r.x);
}

size_t medroi_contour_scratch_nbytes(const medroi_grid *grid) {
    medroi_bits padded = padded_bits(grid);
    return medroi_align(medroi_tissue_bits_nbytes(grid)) +
           medroi_align(medroi_components_scratch_nbytes(grid)) +
           2 * medroi_align(medroi_bits_nbytes(&padded));
}

void medroi_contour(medroi_search *search, const medroi_layout *layout, uint8_t *scratch,
                    uint8_t *mask) {
    const medroi_grid *grid = &search->grid;
    medroi_tissue_bits bits = medroi_find_tissue_bits(search, scratch);
    scratch += medroi_align(medroi_tissue_bits_nbytes(grid));
    medroi_components components = medroi_find_components(&bits.opened, scratch);
    scratch += medroi_align(medroi_components_scratch_nbytes(grid));
    (void)medroi_choose_components(&components, search->options);
    medroi_drop_components(&components, &bits.opened);
    medroi_bits solid = padded_bits(grid);
    medroi_bits spare = solid;
    room r = room_around(grid);
    solid.words = (uint64_t *)(void *)scratch;
    spare.words = (uint64_t *)(void *)(scratch + medroi_align(medroi_bits_nbytes(&solid)));
    medroi_clear_bits(&solid);
    for (int64_t z = 0; z < grid->n_z; z++) {
        for (int64_t y = 0; y < grid->n_y; y++) {
            const uint64_t *row = medroi_bit_row(&bits.opened, z, y);
            uint64_t *padded = medroi_bit_row(&solid, z + r.z, y + r.y);
            int64_t start = medroi_next_set(&bits.opened, row, 0);
            while (start < grid->n_x) {
                int64_t stop = medroi_next_clear(&bits.opened, row, start);
                medroi_set_run(padded, start + r.x, stop + r.x);
                start = medroi_next_set(&bits.opened, row, stop);
            }
        }
    }
    int closing[3];
    medroi_contour_closing_of(layout, grid, search->options, closing);
    medroi_close_cross(&solid, &spare, closing);
    medroi_fill_holes(&solid, &spare);
    for (int64_t z = 0; z < grid->n_z; z++) {
        for (int64_t y = 0; y < grid->n_y; y++) {
            const uint64_t *row = medroi_bit_row(&solid, z + r.z, y + r.y);
            for (int64_t x = 0; x < grid->n_x; x++) {
                *mask++ = (uint8_t)medroi_get_bit(row, x + r.x);
            }
        }
    }
}
