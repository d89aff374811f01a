/* The mask of the tissue, or the box of its largest component. */
#include "base/arena.h"
#include "base/lesser.h"
#include "region/mask/mask.h"
#include "region/missing.h"
#include "region/padding.h"
#include "region/signal.h"
#include "region/spacing.h"

#include <math.h>
#include <string.h>

#define SIDE_HEAD_NBYTES (5 + MEDROI_MASK_HEAD_NBYTES)

typedef struct mask_search {
    medroi_search *search;
    const medroi_layout *layout;
    const void *data;
    medroi_tissue_bits bits;
    medroi_components components;
    medroi_bits tiles; /* of the whole volume */
    medroi_bits boxed; /* of the box of the mask */
    medroi_grid_box box;
    medroi_mask_info info;
    uint8_t *side;
    size_t side_capacity;
    uint8_t *scratch; /* behind everything that is kept */
} mask_search;

static size_t side_capacity(const medroi_grid *grid) {
    medroi_bits tiles = medroi_make_tiles(grid);
    return (size_t)(tiles.n_z * tiles.n_y * tiles.n_x) / 4 + 1024 + MEDROI_LEFT_OUT_NBYTES +
           MEDROI_DROPPED_NBYTES;
}

/* A stretch of scratch for each step; see medroi_find_body. */
size_t medroi_body_scratch_nbytes(const medroi_search *search) {
    const medroi_grid *grid = &search->grid;
    medroi_bits boxed = medroi_make_tiles(grid);
    const int64_t n[3] = {boxed.n_z, boxed.n_y, boxed.n_x};
    return medroi_align(side_capacity(grid)) + medroi_align(medroi_tissue_bits_nbytes(grid)) +
           medroi_align(medroi_components_scratch_nbytes(grid)) +
           medroi_align(medroi_mask_tiles_nbytes(grid)) + medroi_align(medroi_bits_nbytes(&boxed)) +
           medroi_align(medroi_tile_encoder_nbytes(n)) +
           medroi_align(medroi_islands_scratch_nbytes(&boxed));
}

/* --- what is left out ----------------------------------------------------------------------- */

static int run_is_inside(const mask_search *o, const medroi_label_run *run, int64_t z, int64_t y) {
    const int64_t s = MEDROI_LABEL_EDGE / MEDROI_TILE_EDGE;
    int64_t stop = medroi_lesser(run->stop * s, o->tiles.n_x);
    for (int64_t t = z * s; t < z * s + s && t < o->tiles.n_z; t++) {
        for (int64_t u = y * s; u < y * s + s && u < o->tiles.n_y; u++) {
            const uint64_t *row = medroi_bit_row(&o->tiles, t, u);
            if (medroi_next_clear(&o->tiles, row, run->start * s) < stop) {
                return 0;
            }
        }
    }
    return 1;
}

/* Whether tissue of one row of voxels, from place `start` to `stop`, lies outside the mask. */
static int row_is_outside(const mask_search *o, int64_t layer, int64_t y, int64_t start,
                          int64_t stop) {
    const medroi_grid *grid = &o->search->grid;
    const int64_t e = MEDROI_TILE_EDGE;
    const uint64_t *row = medroi_bit_row(&o->bits.tissue, layer, y);
    const uint64_t *tiles = medroi_bit_row(&o->tiles, layer % grid->n_z / e, y / e);
    int64_t place = medroi_next_set(&o->bits.tissue, row, start);
    while (place < stop) {
        int64_t tile = place / grid->inner / e;
        if (!medroi_get_bit(tiles, tile)) {
            return 1;
        }
        place = medroi_next_clear(&o->tiles, tiles, tile) * e * grid->inner;
        place = place < stop ? medroi_next_set(&o->bits.tissue, row, place) : stop;
    }
    return 0;
}

/* Whether any tissue in a run of labels lies outside the mask; an island may hold all of it. */
static int run_is_outside(const mask_search *o, const medroi_label_run *run, int64_t z, int64_t y) {
    const medroi_grid *grid = &o->search->grid;
    const int64_t e = MEDROI_LABEL_EDGE;
    int64_t stop = medroi_lesser(run->stop * e, grid->n_x) * grid->inner;
    if (o->search->options->largest_only) { /* tissue of the others is gone */
        return !run_is_inside(o, run, z, y);
    }
    for (int64_t layer = 0; layer < o->bits.tissue.n_z; layer++) {
        if (layer % grid->n_z / e != z) {
            continue;
        }
        for (int64_t k = y * e; k < medroi_lesser(y * e + e, grid->n_y); k++) {
            if (row_is_outside(o, layer, k, run->start * e * grid->inner, stop)) {
                return 1;
            }
        }
    }
    return 0;
}

enum { INSIDE, OUTSIDE, KEPT };

/* Mark the roots of components that lie, in part at least, outside the mask. */
static void mark_outside(mask_search *o) {
    medroi_components *c = &o->components;
    for (int64_t i = 0; i < c->n_found; i++) {
        c->n_voxels[c->found[i].root] = c->found[i].kept ? KEPT : INSIDE;
    }
    for (int64_t k = 0; k < c->labels.n_z * c->labels.n_y; k++) {
        for (int64_t i = c->row_runs[k]; i < c->row_runs[k + 1]; i++) {
            if (c->n_voxels[c->runs[i].root] == INSIDE &&
                run_is_outside(o, &c->runs[i], k / c->labels.n_y, k % c->labels.n_y)) {
                c->n_voxels[c->runs[i].root] = OUTSIDE;
            }
        }
    }
}

static medroi_box array_box(const mask_search *o, const medroi_grid_box *box) {
    medroi_region region = {.box = {{0}, {0}}};
    medroi_set_box(o->layout, &o->search->grid, box, &region);
    return region.box;
}

/* Note a component that was dropped. */
static void leave_out(mask_search *o, const medroi_component *component) {
    medroi_mask_info *info = &o->info;
    info->n_left_out++;
    info->n_left_out_voxels += component->n_voxels;
    if (info->n_listed < MEDROI_MAX_LEFT_OUT) {
        medroi_grid_box box = medroi_component_box(&o->components, component, &o->bits.opened);
        info->left_out_voxels[info->n_listed] = component->n_voxels;
        info->left_out[info->n_listed++] = array_box(o, &box);
    }
}

static void set_side(const mask_search *o, size_t nbytes, medroi_region *region) {
    region->side = nbytes > 0 ? o->side : NULL;
    region->side_nbytes = (uint32_t)nbytes;
    o->search->side_end = o->side + nbytes;
}

/* --- both ----------------------------------------------------------------------------------- */

static int is_its_box(const mask_search *o) {
    uint64_t n = medroi_count_bits(&o->boxed);
    return n > 0 && n == (uint64_t)(o->boxed.n_z * o->boxed.n_y * o->boxed.n_x);
}

/* The section of the mask. Sets *nbytes, to 0 for a mask that is its own box; returns 0 where the
 * map does not fit. */
static int write_mask(mask_search *o, double miss_rate, size_t *nbytes) {
    size_t capacity =
        o->side_capacity - MEDROI_LEFT_OUT_NBYTES - MEDROI_DROPPED_NBYTES - SIDE_HEAD_NBYTES;
    size_t coded = 0;
    *nbytes = 0;
    if (is_its_box(o)) {
        return 1;
    }
    if (!medroi_grid_box_is_empty(&o->box)) {
        coded = medroi_code_tiles(&o->boxed, o->scratch, o->side + SIDE_HEAD_NBYTES, capacity);
        if (coded == 0) {
            return 0;
        }
    }
    medroi_write_mask_head((uint32_t)(MEDROI_MASK_HEAD_NBYTES + coded), MEDROI_TILE_EDGE, miss_rate,
                           o->side);
    *nbytes = SIDE_HEAD_NBYTES + coded;
    return 1;
}

/* The voxels of a box of tiles. */
static medroi_grid_box voxels_of(const medroi_grid *grid, const medroi_grid_box *tiles) {
    const int64_t e = MEDROI_TILE_EDGE;
    medroi_grid_box voxels = {{tiles->z.start * e, medroi_lesser(tiles->z.stop * e, grid->n_z)},
                              {tiles->y.start * e, medroi_lesser(tiles->y.stop * e, grid->n_y)},
                              {tiles->x.start * e, medroi_lesser(tiles->x.stop * e, grid->n_x)}};
    return voxels;
}

/* The tiles of the whole volume. */
static void find_tiles(mask_search *o) {
    medroi_search *search = o->search;
    const medroi_region_options *options = search->options;
    medroi_drop_components(&o->components, &o->bits.opened);
    if (options->largest_only) {
        medroi_keep_near_largest(&search->grid, &o->components, &o->bits.tissue, o->scratch);
    }
    int closing[3];
    medroi_closing_of(o->layout, &search->grid, options, closing);
    o->tiles = medroi_find_mask_tiles(&o->bits.opened, closing, o->scratch);
    o->scratch += medroi_align(medroi_mask_tiles_nbytes(&search->grid));
    medroi_counts counts = medroi_count_outside(&search->grid, &o->bits.tissue, &o->tiles);
    if (counts.n_missed > 0) {
        medroi_add_islands(&search->grid, &o->bits.tissue, options->max_miss_rate, counts.n_tissue,
                           &o->tiles, o->scratch);
    }
    medroi_visit_missing(o->layout, &search->grid, o->data, options->background, NULL,
                         medroi_join_tile, &o->tiles);
    medroi_join_padding(search, &o->tiles);
}

/* The guarantee over all signal; that of other components is counted where it is left out. */
static int keep_signal(mask_search *o, uint8_t *bits) {
    medroi_search *search = o->search;
    if (!search->options->largest_only) {
        return medroi_keep_signal_in_tiles(search, &o->tiles);
    }
    const medroi_kept kept = {medroi_whole_volume(&search->grid), o->tiles};
    o->bits = medroi_find_tissue_bits(search, bits);
    medroi_count_dropped(search, &kept);
    if (search->dropped.n_voxels > 0) {
        medroi_join_connected(search, &o->bits.spare, &o->tiles, search->eroded);
        memset(&search->dropped, 0, sizeof search->dropped);
        search->n_signal = 0;
        medroi_count_dropped(search, &kept);
    }
    medroi_keep_near_largest(&search->grid, &o->components, &o->bits.tissue, o->scratch);
    return 1;
}

static int find_mask(mask_search *o, uint8_t *bits, medroi_region *region) {
    medroi_search *search = o->search;
    find_tiles(o);
    medroi_kept kept = {medroi_whole_volume(&search->grid), o->tiles};
    if (!medroi_study_air(search, o->layout, o->data, &kept)) {
        return 0;
    }
    if (!keep_signal(o, bits)) {
        return 0;
    }
    /* Tiles may have joined. */
    medroi_counts counts = medroi_count_outside(&search->grid, &o->bits.tissue, &o->tiles);
    o->boxed = o->tiles;
    o->boxed.words = (uint64_t *)(void *)o->scratch;
    o->scratch += medroi_align(medroi_bits_nbytes(&o->boxed));
    medroi_grid_box tile_box = medroi_box_of_tiles(&o->tiles);
    o->box = voxels_of(&search->grid, &tile_box);
    medroi_cut_tiles(&o->tiles, &tile_box, &o->boxed);
    mark_outside(o);
    for (int64_t i = 0; i < o->components.n_found; i++) {
        const medroi_component *component = &o->components.found[i];
        if (o->components.n_voxels[component->root] == OUTSIDE) {
            leave_out(o, component);
        }
    }
    double miss_rate = counts.n_missed ? (double)counts.n_missed / (double)counts.n_tissue : 0.0;
    size_t nbytes = 0;
    if (!write_mask(o, miss_rate, &nbytes)) {
        return 0;
    }
    region->mask_map = nbytes > 0 ? o->boxed.words : NULL;
    if (o->info.n_left_out) {
        nbytes += medroi_write_left_out(o->layout, &o->info, o->side + nbytes);
    }
    region->box = array_box(o, &o->box);
    region->n_tissue = counts.n_tissue;
    region->n_missed = counts.n_missed;
    region->miss_rate = miss_rate;
    set_side(o, nbytes, region);
    return 1;
}

/* --- the box of the largest component ------------------------------------------------------- */

static int find_largest_box(mask_search *o, uint8_t *bits, medroi_region *region) {
    memset(&o->info, 0, sizeof o->info);
    for (int64_t i = 1; i < o->components.n_found; i++) {
        leave_out(o, &o->components.found[i]);
    }
    medroi_search *search = o->search;
    medroi_kept kept = {.box = medroi_box_of_largest(search, &o->components, &o->bits)};
    if (!medroi_study_air(search, o->layout, o->data, &kept)) {
        return 0;
    }
    medroi_tau tau = search->tau; /* lone voxels of noise must not stretch the box: signal counts */
    search->tau = search->signal;
    o->bits = medroi_find_tissue_bits(search, bits);
    medroi_grid_box box =
        medroi_grow_box_of_largest(search, &o->components, &o->bits.tissue, &kept.box);
    search->tau = tau;
    (void)medroi_include_missing(o->layout, &search->grid, o->data, search->options->background,
                                 &box);
    medroi_include_padding(search, &box);
    o->bits = medroi_find_tissue_bits(search, bits);
    kept.box = box;
    medroi_count_dropped(search, &kept);
    medroi_counts counts =
        medroi_count_beside_others(&search->grid, &o->components, &o->bits.tissue, &box);
    medroi_set_box(o->layout, &o->search->grid, &box, region);
    region->n_tissue = counts.n_tissue;
    region->n_missed = counts.n_missed;
    region->miss_rate = counts.n_missed ? (double)counts.n_missed / (double)counts.n_tissue : 0.0;
    set_side(o, medroi_write_left_out(o->layout, &o->info, o->side), region);
    return 1;
}

int medroi_find_body(medroi_search *search, const medroi_layout *layout, const void *data,
                     uint8_t *scratch, medroi_region *region) {
    const medroi_grid *grid = &search->grid;
    mask_search o = {.search = search, .layout = layout, .data = data, .side = scratch};
    if (grid->n_z == 1 || search->tau.tissue != MEDROI_TISSUE_SOME) {
        return 0;
    }
    o.side_capacity = side_capacity(grid);
    scratch += medroi_align(o.side_capacity);
    uint8_t *bits = scratch;
    o.bits = medroi_find_tissue_bits(search, bits);
    scratch += medroi_align(medroi_tissue_bits_nbytes(grid));
    o.components = medroi_find_components(&o.bits.opened, scratch);
    o.scratch = scratch + medroi_align(medroi_components_scratch_nbytes(grid));
    medroi_choose_components(&o.components, search->options);
    if (search->options->roi == MEDROI_ROI_MASK) {
        if (find_mask(&o, bits, region)) {
            return 1;
        }
        memset(&search->dropped, 0, sizeof search->dropped);
        medroi_find_signal_level(search);
    }
    if (search->reason > MEDROI_REASON_NOISY_AIR || !search->options->largest_only ||
        o.components.n_found < 2) {
        return 0;
    }
    if (search->options->roi == MEDROI_ROI_MASK) { /* the mask took tissue away */
        o.bits = medroi_find_tissue_bits(search, bits);
    }
    return find_largest_box(&o, bits, region);
}
