/* Padding values (DICOM's PixelPaddingValue, the outside of a reconstruction circle).
 *
 * A value is padding where all eight corners of the volume, cubes of four voxels, hold it alone and
 * it is not the background; of a chunk, one such corner is enough where the value is no tissue.
 * Noise never fills a corner. So are the values that a scan declares, wherever they lie, unless the
 * background is among them. Padding of all corners, and what is declared, is left out of every
 * sample of the air and of the tissue. What is kept is widened to padding in the end: to its runs
 * along a row that touch an end of the row or are long. Shorter ones inside are air that was
 * clipped to that value.
 *
 * Nor is air what lies further beyond the background than twice the distance to the threshold, on
 * the other side of it: a chunk without a corner of the scan keeps its padding by that. */
#include "region/padding.h"
#include "base/elements.h"
#include "base/layout.h"
#include "base/lesser.h"
#include "grid/spans.h"
#include "mask/mask.h"

#include <math.h>
#include <string.h>

#define CORNER 4
#define MIN_AXIS 16 /* shorter axes have corners that meet */
#define LONG_RUN 8
#define N_WIDENED 256
#define FLOOR_WIDTHS 2
#define SMALL_VOLUME (1 << 18) /* voxels, of which every row is looked at */
#define LARGE_VOLUME (1 << 22)

/* Element k of a corner cube of one repeat. */
static const uint8_t *in_corner(const medroi_layout *layout, const medroi_grid *grid,
                                const uint8_t *volume, int corner, int64_t k) {
    const int64_t size[3] = {grid->n_z, grid->n_y, grid->n_x};
    int64_t edge_y = medroi_lesser(size[1], CORNER), edge_x = medroi_lesser(size[2], CORNER);
    int64_t z = k / (edge_y * edge_x), y = k / edge_x % edge_y, x = k % edge_x;
    z = corner & 4 ? size[0] - 1 - z : z;
    y = corner & 2 ? size[1] - 1 - y : y;
    x = corner & 1 ? size[2] - 1 - x : x;
    int64_t place = z * grid->z_stride + y * grid->y_stride + x * grid->inner;
    return volume + (size_t)place * layout->itemsize;
}

/* The value that fills one corner of all repeats; NULL where it is not one. */
static const uint8_t *constant_corner(const medroi_layout *layout, const medroi_grid *grid,
                                      const uint8_t *data, int corner) {
    int64_t n = medroi_lesser(grid->n_z, CORNER) * medroi_lesser(grid->n_y, CORNER) *
                medroi_lesser(grid->n_x, CORNER);
    const uint8_t *first = in_corner(layout, grid, data, corner, 0);
    for (int64_t i = 0; i < grid->n_repeats * grid->inner; i++) {
        int64_t place = medroi_repeat_offset(grid, i / grid->inner) + i % grid->inner;
        const uint8_t *volume = data + (size_t)place * layout->itemsize;
        for (int64_t k = 0; k < n; k++) {
            const uint8_t *element = in_corner(layout, grid, volume, corner, k);
            if (memcmp(element, first, layout->itemsize) != 0) {
                return NULL;
            }
        }
    }
    return first;
}

int medroi_find_corner_value(const medroi_layout *layout, const void *data, uint64_t *bits) {
    medroi_grid grid = medroi_make_grid(layout);
    const uint8_t *found = NULL;
    int n_corners = 0;
    int n_long = (grid.n_z >= MIN_AXIS) + (grid.n_y >= MIN_AXIS) + (grid.n_x >= MIN_AXIS);
    if (n_long < 2 || layout->itemsize > sizeof *bits || !medroi_kind_is_number(layout->kind)) {
        return 0;
    }
    for (int corner = 0; corner < 8; corner++) {
        const uint8_t *value = constant_corner(layout, &grid, data, corner);
        if (value && found && memcmp(value, found, layout->itemsize) != 0) {
            return 0;
        }
        found = value ? value : found;
        n_corners += value != NULL;
    }
    *bits = found ? medroi_load_bits(found, layout->itemsize, layout->big_endian) : 0;
    return n_corners;
}

int medroi_note_all_padding(const medroi_layout *layout, const void *data,
                            const medroi_region_options *options, medroi_padding *padding) {
    padding->corner = 0;
    int n_corners = medroi_find_corner_value(layout, data, &padding->corner);
    medroi_scalar corner = medroi_scalar_from_bits(layout, padding->corner);
    padding->value = medroi_scalar_to_double(medroi_element_type_of(layout), corner);
    /* NaN is content as it is. */
    padding->has_corner = n_corners == 8 && padding->value == padding->value;
    padding->is_declared = options->declares_padding;
    padding->low = options->padding_low;
    padding->high = options->padding_high;
    return n_corners;
}

void medroi_note_padding(medroi_search *search, const medroi_layout *layout, const void *data) {
    medroi_padding *padding = &search->padding;
    double background = medroi_scalar_to_double(search->type, search->background);
    int n_corners = medroi_note_all_padding(layout, data, search->options, padding);
    int is_other = padding->corner != search->options->background;
    search->may_have_corner = n_corners > 0 && is_other && padding->value == padding->value;
    padding->has_corner = padding->has_corner && is_other;
    padding->is_declared = padding->is_declared && !medroi_is_declared_padding(padding, background);
}

static int is_tissue(const medroi_search *search, double value) {
    return search->options->dark ? value <= search->tau.value : value >= search->tau.value;
}

int medroi_is_beyond_floor(const medroi_search *search, const void *row) {
    const medroi_row_ops *ops = medroi_row_ops_for(search->type, !search->options->dark);
    int64_t length = search->grid.length;
    for (int64_t start = 0; start < length; start += MEDROI_RUN_LENGTH) {
        size_t n = (size_t)medroi_lesser(MEDROI_RUN_LENGTH, length - start);
        if (ops->count(ops, (const uint8_t *)row + (size_t)start * search->source.nbytes, n,
                       search->floor_tau.element) > 0) {
            return 1;
        }
    }
    return 0;
}

/* Whether one of the rows that are looked at has a value beyond the floor. */
static int any_beyond(medroi_search *search) {
    const medroi_grid *grid = &search->grid;
    int64_t plane = grid->n_z * grid->n_y;
    for (int64_t r = 0; r < plane * grid->n_repeats; r += search->floor_step) {
        medroi_source_seek(&search->source, r / plane);
        if (medroi_is_beyond_floor(
                search,
                medroi_source_single_row(&search->source, r % plane / grid->n_y, r % grid->n_y))) {
            return 1;
        }
    }
    return 0;
}

void medroi_note_floor(medroi_search *search) {
    const medroi_grid *grid = &search->grid;
    double background = medroi_scalar_to_double(search->type, search->background);
    double distance = search->tau.value - background;
    int64_t n_voxels = medroi_grid_n_elements(grid);
    if (search->tau.tissue == MEDROI_TISSUE_ALL) {
        return;
    }
    search->padding.has_corner =
        search->padding.has_corner ||
        (search->may_have_corner && !is_tissue(search, search->padding.value));
    search->floor = background - FLOOR_WIDTHS * distance;
    int is_beyond = search->options->dark ? distance < 0 : distance > 0;
    if (!is_beyond || !isfinite(search->floor)) {
        return;
    }
    search->floor_tau = medroi_tau_from_number(search->type, search->floor, !search->options->dark);
    if (search->floor_tau.tissue == MEDROI_TISSUE_SOME) {
        int64_t step = n_voxels <= SMALL_VOLUME ? 1 : n_voxels <= LARGE_VOLUME ? 4 : 16;
        search->floor_step = medroi_coprime_step(step, grid->n_y, grid->n_z);
        if (search->tau.tissue == MEDROI_TISSUE_NONE) { /* nothing will be marked */
            search->has_floor = any_beyond(search) != 0;
            search->floor_step = 0;
        }
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
            int64_t x = (first + i) / search->grid.inner;
            if (search->has_floor &&
                (search->options->dark ? values[i] >= search->floor : values[i] <= search->floor)) {
                visit(context, z, y, x, x + 1);
            }
            if (medroi_is_padding(&search->padding, values[i])) {
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
    int any = search->padding.has_corner || search->padding.is_declared || search->has_floor;
    for (int64_t k = 0; any && k < grid->n_repeats * grid->n_z; k++) {
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
    const int64_t e = MEDROI_TILE_EDGE;
    medroi_set_run(medroi_bit_row(tiles, z / e, y / e), start / e, (stop - 1) / e + 1);
}

void medroi_join_padding(medroi_search *search, const medroi_bits *tiles) {
    medroi_bits joined = *tiles;
    visit_padding(search, join_run, &joined);
}

int medroi_padding_is_tissue(const medroi_search *search) {
    const medroi_padding *padding = &search->padding;
    return (padding->has_corner && is_tissue(search, padding->value)) ||
           (padding->is_declared &&
            (is_tissue(search, padding->low) || is_tissue(search, padding->high)));
}

void medroi_unmark_padding(const medroi_search *search, const void *row, uint64_t *bits) {
    const medroi_padding *padding = &search->padding;
    double value = 0;
    for (int64_t i = 0; i < search->grid.length; i++) {
        if (medroi_get_bit(bits, i)) {
            search->ops->widen(search->ops,
                               (const uint8_t *)row + (size_t)i * search->source.nbytes, 1, &value);
            if (medroi_is_padding(padding, value)) {
                medroi_clear_run(bits, i, i + 1);
            }
        }
    }
}
