/* The mask of a stream applied to voxels: everything outside it becomes background. */
#include "base/bytes.h"
#include "base/layout.h"
#include "mask/mask.h"

#include <string.h>

medroi_tile_grid medroi_make_tile_grid(const medroi_grid *grid, const medroi_box *box,
                                       int64_t edge) {
    medroi_tile_grid tiles = {.edge = edge};
    for (int i = 0; i < 3; i++) {
        int32_t axis = grid->axis[i];
        tiles.start[i] = axis >= 0 ? box->start[axis] : 0;
        tiles.stop[i] = axis >= 0 ? box->stop[axis] : 1;
        tiles.n[i] = (tiles.stop[i] - tiles.start[i] + edge - 1) / edge;
    }
    return tiles;
}

/* The map without its bits. Returns 0 where the stream has none. */
static int make_map(const medroi_header *header, medroi_mask_map *map, const uint8_t **section,
                    uint32_t *nbytes) {
    *section = medroi_find_section(header, MEDROI_SIDE_MASK, nbytes);
    if (!*section || *nbytes <= MEDROI_MASK_HEAD_NBYTES || medroi_has_no_region(header)) {
        return 0;
    }
    map->grid = medroi_make_grid(&header->layout);
    map->tile_grid = medroi_make_tile_grid(&map->grid, &header->box, (*section)[1]);
    const int64_t *n = map->tile_grid.n;
    map->tiles = medroi_make_bits(n[0], n[1], n[2]);
    return 1;
}

static uint64_t *aligned_words(const void *memory) {
    uintptr_t beyond = (uintptr_t)memory % 8;
    return (uint64_t *)((uintptr_t)memory + (beyond ? 8 - beyond : 0));
}

size_t medroi_mask_map_nbytes(const medroi_header *header) {
    medroi_mask_map map;
    const uint8_t *section;
    uint32_t nbytes;
    if (!make_map(header, &map, &section, &nbytes)) {
        return 0;
    }
    size_t nbytes_used =
        medroi_bits_nbytes(&map.tiles) + 8 + medroi_tile_decoder_nbytes(map.tile_grid.n);
    return (nbytes_used + 63) / 64 * 64; /* what lies behind it stays aligned */
}

medroi_status medroi_read_mask_map(const medroi_header *header, void *memory, medroi_error *error) {
    medroi_mask_map map;
    const uint8_t *section;
    uint32_t nbytes;
    if (!make_map(header, &map, &section, &nbytes)) {
        return MEDROI_OK;
    }
    map.tiles.words = aligned_words(memory);
    void *scratch = (uint8_t *)map.tiles.words + medroi_bits_nbytes(&map.tiles);
    if (!medroi_decode_tiles(&map.tiles, scratch, section + MEDROI_MASK_HEAD_NBYTES,
                             nbytes - MEDROI_MASK_HEAD_NBYTES)) {
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: its mask is not coded in exactly its bytes");
    }
    return MEDROI_OK;
}

/* One element as it stands in the array. */
typedef struct element {
    uint8_t bytes[8];
    size_t nbytes;
} element;

static element make_element(const medroi_layout *layout, uint64_t bits) {
    element e = {.nbytes = layout->itemsize};
    for (size_t i = 0; i < e.nbytes; i++) {
        size_t shift = layout->big_endian ? e.nbytes - 1 - i : i;
        e.bytes[i] = (uint8_t)(bits >> 8 * shift);
    }
    return e;
}

#define FILL(type)                                                                                 \
    {                                                                                              \
        type value;                                                                                \
        memcpy(&value, e->bytes, sizeof value);                                                    \
        for (int64_t i = 0; i < n; i++) {                                                          \
            memcpy(dst + i * step, &value, sizeof value);                                          \
        }                                                                                          \
    }

static void fill_run(const element *e, uint8_t *dst, int64_t n, int64_t step) {
    int uniform = step == (int64_t)e->nbytes;
    for (size_t i = 1; i < e->nbytes; i++) {
        uniform &= e->bytes[i] == e->bytes[0];
    }
    if (uniform) {
        memset(dst, e->bytes[0], (size_t)n * e->nbytes);
        return;
    }
    switch (e->nbytes) {
    case 1:
        FILL(uint8_t)
        return;
    case 2:
        FILL(uint16_t)
        return;
    case 4:
        FILL(uint32_t)
        return;
    default:
        FILL(uint64_t)
    }
}

/* State of the walk over the axes outside the volume, and the memory of the block. */
typedef struct target {
    element background;
    int64_t run_stride;
    int32_t n_others;
    int64_t size[MEDROI_MAX_AXES];
    int64_t stride[MEDROI_MAX_AXES];
} target;

static void fill_everywhere(const target *t, int32_t level, uint8_t *dst, int64_t n) {
    if (level == t->n_others) {
        fill_run(&t->background, dst, n, t->run_stride);
        return;
    }
    for (int64_t i = 0; i < t->size[level]; i++) {
        fill_everywhere(t, level + 1, dst + i * t->stride[level], n);
    }
}

/* Clear what a row of the volume holds outside the mask; `dst` is the voxel at x = start. */
static void clear_row(const medroi_mask_map *map, const target *t, const uint64_t *tiles,
                      medroi_span x, uint8_t *dst) {
    const medroi_tile_grid *g = &map->tile_grid;
    int64_t tile = medroi_next_clear(&map->tiles, tiles, (x.start - g->start[2]) / g->edge);
    while (tile < map->tiles.n_x) {
        int64_t behind = medroi_next_set(&map->tiles, tiles, tile);
        int64_t start = g->start[2] + tile * g->edge;
        int64_t stop = g->start[2] + behind * g->edge;
        start = start > x.start ? start : x.start;
        stop = stop < x.stop ? stop : x.stop;
        if (start >= stop) {
            return;
        }
        fill_everywhere(t, 0, dst + (start - x.start) * t->run_stride, stop - start);
        tile = medroi_next_clear(&map->tiles, tiles, behind);
    }
}

static medroi_span block_span(const medroi_grid *grid, const medroi_box *box, int i) {
    medroi_span span = {0, 1};
    if (grid->axis[i] >= 0) {
        span.start = box->start[grid->axis[i]];
        span.stop = box->stop[grid->axis[i]];
    }
    return span;
}

static int64_t stride_of(const medroi_grid *grid, const int64_t *strides, int i) {
    return grid->axis[i] >= 0 ? strides[grid->axis[i]] : 0;
}

void medroi_clear_outside(const medroi_header *header, const medroi_mask_map *map,
                          const medroi_box *box, const int64_t strides[MEDROI_MAX_AXES],
                          uint8_t *block) {
    const medroi_grid *grid = &map->grid;
    const medroi_tile_grid *g = &map->tile_grid;
    target t = {.background = make_element(&header->layout, header->background),
                .run_stride = stride_of(grid, strides, 2)};
    for (int32_t i = 0; i < header->layout.ndim; i++) {
        if (!(header->layout.axes >> i & 1)) {
            t.size[t.n_others] = box->stop[i] - box->start[i];
            t.stride[t.n_others++] = strides[i];
        }
    }
    medroi_span z = block_span(grid, box, 0);
    medroi_span y = block_span(grid, box, 1);
    medroi_span x = block_span(grid, box, 2);
    for (int64_t i = z.start; i < z.stop; i++) {
        for (int64_t j = y.start; j < y.stop; j++) {
            const uint64_t *tiles = medroi_bit_row(&map->tiles, (i - g->start[0]) / g->edge,
                                                   (j - g->start[1]) / g->edge);
            int64_t offset = (i - z.start) * stride_of(grid, strides, 0) +
                             (j - y.start) * stride_of(grid, strides, 1);
            clear_row(map, &t, tiles, x, block + offset);
        }
    }
}

/* The map that medroi_read_mask_map left in `memory`. Returns 0 where the stream has none. */
static int open_map(const medroi_header *header, const void *memory, medroi_mask_map *map) {
    const uint8_t *section;
    uint32_t nbytes;
    int found = make_map(header, map, &section, &nbytes);
    if (found) {
        map->tiles.words = aligned_words(memory);
    }
    return found;
}

void medroi_apply_mask(const medroi_header *header, const void *memory, const medroi_box *box,
                       void *block) {
    medroi_mask_map map;
    if (!open_map(header, memory, &map)) {
        return;
    }
    int64_t strides[MEDROI_MAX_AXES];
    int32_t order[MEDROI_MAX_AXES];
    int64_t stride = header->layout.itemsize;
    medroi_coding_order(&header->layout, header->slice_axis, order);
    for (int32_t i = header->layout.ndim; i-- > 0;) {
        strides[order[i]] = stride;
        stride *= box->stop[order[i]] - box->start[order[i]];
    }
    medroi_clear_outside(header, &map, box, strides, block);
}

void medroi_apply_mask_to_array(const medroi_header *header, const void *memory, void *data) {
    medroi_mask_map map;
    if (!open_map(header, memory, &map)) {
        return;
    }
    int64_t strides[MEDROI_MAX_AXES];
    uint8_t *first = data;
    medroi_strides(&header->layout, strides);
    for (int32_t i = 0; i < header->layout.ndim; i++) {
        first += header->box.start[i] * strides[i];
    }
    medroi_clear_outside(header, &map, &header->box, strides, first);
}
