/* Padding values (DICOM's PixelPaddingValue, the outside of a reconstruction circle).
 *
 * A value is padding where all eight corners of the volume, cubes of four voxels, hold it alone and
 * it is not the background. Noise never fills a corner. Padding is left out of every sample of the
 * air and of the tissue; what is kept is widened to it in the end: to its runs along a row that
 * touch an end of the row or are long. Shorter ones inside are air that was clipped to that value. */
#include "region/padding.h"
#include "base/layout.h"
#include "base/lesser.h"
#include "grid/spans.h"
#include "mask/mask.h"

#include <string.h>

#define CORNER 4
#define MIN_AXIS 16  /* shorter axes have corners that meet */
#define LONG_RUN 8
#define N_WIDENED 256

static uint64_t native_bits(const medroi_layout *layout, const uint8_t *element) {
    uint64_t bits = 0;
    for (size_t i = 0; i < layout->itemsize; i++) {
        size_t shift = layout->big_endian ? layout->itemsize - 1u - i : i;
        bits |= (uint64_t)element[i] << 8 * shift;
    }
    return bits;
}

/* Corner cubes of one repeat: whether all hold the bytes of `first`. */
static int corners_hold(const medroi_layout *layout, const medroi_grid *grid, const uint8_t *volume,
                        const uint8_t *first) {
    const int64_t size[3] = {grid->n_z, grid->n_y, grid->n_x};
    int64_t edge[3];
    for (int i = 0; i < 3; i++) {
        edge[i] = medroi_lesser(size[i], CORNER);
    }
    for (int corner = 0; corner < 8; corner++) {
        for (int64_t k = 0; k < edge[0] * edge[1] * edge[2]; k++) {
            int64_t z = k / (edge[1] * edge[2]), y = k / edge[2] % edge[1], x = k % edge[2];
            z = corner & 4 ? size[0] - 1 - z : z;
            y = corner & 2 ? size[1] - 1 - y : y;
            x = corner & 1 ? size[2] - 1 - x : x;
            int64_t place = z * grid->z_stride + y * grid->y_stride + x * grid->inner;
            const uint8_t *element = volume + (size_t)place * layout->itemsize;
            if (memcmp(element, first, layout->itemsize) != 0) {
                return 0;
            }
        }
    }
    return 1;
}

int medroi_find_corner_value(const medroi_layout *layout, const void *data, uint64_t *bits) {
    medroi_grid grid = medroi_make_grid(layout);
    const uint8_t *first = data;
    int n_long = (grid.n_z >= MIN_AXIS) + (grid.n_y >= MIN_AXIS) + (grid.n_x >= MIN_AXIS);
    if (n_long < 2 || layout->itemsize > sizeof *bits || !medroi_kind_is_number(layout->kind)) {
        return 0;
    }
    for (int64_t repeat = 0; repeat < grid.n_repeats; repeat++) {
        for (int64_t i = 0; i < grid.inner; i++) {
            int64_t place = medroi_repeat_offset(&grid, repeat) + i;
            if (!corners_hold(layout, &grid, first + (size_t)place * layout->itemsize, first)) {
                return 0;
            }
        }
    }
    *bits = native_bits(layout, first);
    return 1;
}

void medroi_note_padding(medroi_search *search, const medroi_layout *layout, const void *data) {
    uint64_t bits = 0;
    search->has_padding = medroi_find_corner_value(layout, data, &bits) &&
                          bits != search->options->background;
    if (search->has_padding) {
        search->padding =
            medroi_scalar_to_double(search->type, medroi_scalar_from_bits(layout, bits));
        search->has_padding = search->padding == search->padding; /* NaN is content as it is */
    }
}

/* --- runs --- */

typedef void run_visitor(void *context, int64_t z, int64_t y, int64_t start, int64_t stop);

static void visit_run(const medroi_search *search, int64_t z, int64_t y, int64_t start,
                      int64_t stop, run_visitor *visit, void *context) {
    const medroi_grid *grid = &search->grid;
    if (start == 0 || stop == grid->length || stop - start >= LONG_RUN * grid->inner) {
        visit(context, z, y, start / grid->inner, (stop - 1) / grid->inner + 1);
    }
}

static void visit_row(const medroi_search *search, const uint8_t *row, int64_t z, int64_t y,
                      run_visitor *visit, void *context) {
    double values[N_WIDENED];
    int64_t length = search->grid.length, start = -1;
    for (int64_t first = 0; first < length; first += N_WIDENED) {
        int64_t n = medroi_lesser(N_WIDENED, length - first);
        search->ops->widen(search->ops, row + (size_t)first * search->source.nbytes, (size_t)n,
                           values);
        for (int64_t i = 0; i < n; i++) {
            if (values[i] == search->padding) {
                start = start < 0 ? first + i : start;
            } else if (start >= 0) {
                visit_run(search, z, y, start, first + i, visit, context);
                start = -1;
            }
        }
    }
    if (start >= 0) {
        visit_run(search, z, y, start, length, visit, context);
    }
}

static void visit_padding(medroi_search *search, run_visitor *visit, void *context) {
    const medroi_grid *grid = &search->grid;
    for (int64_t k = 0; search->has_padding && k < grid->n_repeats * grid->n_z; k++) {
        medroi_source_seek(&search->source, k / grid->n_z);
        for (int64_t y = 0; y < grid->n_y; y++) {
            const void *row = medroi_source_single_row(&search->source, k % grid->n_z, y);
            visit_row(search, row, k % grid->n_z, y, visit, context);
        }
    }
}

static void include_run(void *context, int64_t z, int64_t y, int64_t start, int64_t stop) {
    medroi_grid_box *box = context;
    medroi_span_include(&box->z, z, z + 1);
    medroi_span_include(&box->y, y, y + 1);
    medroi_span_include(&box->x, start, stop);
}

void medroi_include_padding(medroi_search *search, medroi_grid_box *box) {
    medroi_grid_box grown = *box;
    if (medroi_grid_box_is_empty(box)) {
        memset(&grown, 0, sizeof grown);
    }
    visit_padding(search, include_run, &grown);
    *box = grown;
}

static void join_run(void *context, int64_t z, int64_t y, int64_t start, int64_t stop) {
    const medroi_bits *tiles = context;
    const int64_t e = MEDROI_HULL_EDGE;
    medroi_set_run(medroi_bit_row(tiles, z / e, y / e), start / e, (stop - 1) / e + 1);
}

void medroi_join_padding(medroi_search *search, const medroi_bits *tiles) {
    medroi_bits joined = *tiles;
    visit_padding(search, join_run, &joined);
}

void medroi_unmark_padding(const medroi_search *search, const void *row, uint64_t *bits) {
    double value = 0;
    int is_tissue = search->options->dark ? search->padding <= search->tau.value
                                          : search->padding >= search->tau.value;
    for (int64_t i = 0; search->has_padding && is_tissue && i < search->grid.length; i++) {
        if (medroi_get_bit(bits, i)) {
            search->ops->widen(search->ops,
                               (const uint8_t *)row + (size_t)i * search->source.nbytes, 1, &value);
            if (value == search->padding) {
                medroi_clear_run(bits, i, i + 1);
            }
        }
    }
}
