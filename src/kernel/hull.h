/* The hull: the outline of the tissue as a map of tiles, found, coded and applied.
 *
 * Of an array without axes of length 1, z, y and x are the volume axes in memory order, outermost
 * first; x alone where there is one, z and x where there are two. A hull is made so:
 *
 *  1. Tissue is opened in every repeat of the volume, as if all around it were tissue (a chunk's
 * face cuts through a body), by the cross along axes of 3 and more; a voxel of the volume is
 * *opened tissue* where any repeat's opening holds it.
 *  2. Labels of 4 x 4 x 4 voxels that hold opened tissue and touch, also at edges and corners,
 *     make a *component*. Of components with less than a thousandth of the opened tissue, the
 *     smallest are dropped as long as all that is dropped together stays within max_miss_rate;
 *     where only the largest component is wanted, all others are left out.
 *  3. What is left is dilated once by the 6-connected cross, the margin, and becomes a map of
 *     tiles of 2 x 2 x 2 voxels, set where they hold any of it.
 *  4. The map is closed by three dilations and three erosions by the cross, as if the volume went
 *     on around it.
 *  5. A tile belongs to the hull that lies between set tiles along at least two of the three axes.
 *  6. Tissue is then counted as it was before the opening. A tile outside the hull joins it, as an
 *     island, where it holds 3 voxels of tissue or more: what is thin, as a nodule of two slices or
 *     skin in the first slice, is no speck of noise. If still more than max_miss_rate of all tissue
 *     is outside, tiles with 2, and then with 1, join too. Where only the largest component is
 *     wanted, tissue counts in its labels and in those that touch them. A tile with a missing value
 * (NaN, an infinity) always joins.
 */
#ifndef MEDROI_HULL_H
#define MEDROI_HULL_H

#include "hull_bits.h"
#include "medroi.h"
#include "region_internal.h"

#define MEDROI_HULL_EDGE 2
#define MEDROI_HULL_CLOSING 3  /* dilations, in tiles */
#define MEDROI_LABEL_EDGE 4    /* a multiple of the hull's */
#define MEDROI_ISLAND_TISSUE 3 /* voxels of a tile */

#define MEDROI_HULL_HEAD_NBYTES 10

/* --- hull_components.c --- */
typedef struct medroi_component {
    uint64_t n_voxels;
    int64_t root; /* index of its first run */
    int kept;
} medroi_component;

typedef struct medroi_label_run {
    int64_t start; /* in labels along x */
    int64_t stop;
    int64_t root;
} medroi_label_run;

/* All components of opened tissue; the arrays lie in the caller's scratch. */
typedef struct medroi_components {
    medroi_bits labels;
    medroi_label_run *runs;
    int64_t *row_runs;       /* index of the first run of each row of labels, and of the end */
    medroi_component *found; /* largest first */
    int64_t n_found;
    uint64_t *n_voxels; /* of each root */
} medroi_components;

size_t medroi_components_scratch_nbytes(const medroi_grid *grid);
/* Label the opened tissue. */
medroi_components medroi_find_components(const medroi_bits *opened, uint8_t *scratch);
/* Decide what is kept; returns the voxels of all that counts. */
uint64_t medroi_choose_components(medroi_components *components,
                                  const medroi_region_options *options);
/* Clear the voxels of what is not kept. */
void medroi_drop_components(const medroi_components *components, const medroi_bits *opened);
/* Bounds of a component, in voxels. */
medroi_grid_box medroi_component_box(const medroi_components *components,
                                     const medroi_component *component, const medroi_bits *voxels);

/* --- hull_tissue.c --- */
typedef struct medroi_tissue_bits {
    medroi_bits tissue; /* n_repeats * n_z layers of rows of `length` */
    medroi_bits opened; /* n_z layers of rows of n_x */
} medroi_tissue_bits;

size_t medroi_tissue_bits_nbytes(const medroi_grid *grid);
/* Tissue at search->tau, before and after the opening. */
medroi_tissue_bits medroi_find_tissue_bits(medroi_search *search, uint8_t *scratch);

/* --- hull_find.c --- */
size_t medroi_outline_scratch_nbytes(const medroi_search *search);
/* Find a hull, or the box of the largest component. Returns 0, with the region untouched, where
 * the box of all tissue serves as well. */
int medroi_find_outline(medroi_search *search, const medroi_layout *layout, const void *data,
                        uint8_t *scratch, medroi_region *region);

/* --- hull_islands.c --- */
/* Add islands (step 6) until at most `max_miss_rate` of the tissue lies outside the tiles. `counts`
 * holds a byte for each tile of a row. */
void medroi_add_islands(const medroi_grid *grid, const medroi_bits *tissue, double max_miss_rate,
                        uint64_t n_tissue, const medroi_bits *tiles, uint8_t *counts);

/* --- hull_largest.c --- */
/* Clear all tissue but that in the labels of the largest component and in those that touch them.
 * `scratch` holds the bits of the labels. */
void medroi_keep_near_largest(const medroi_grid *grid, const medroi_components *components,
                              const medroi_bits *tissue, uint8_t *scratch);
/* The padded box of the kept component, grown until it holds the guarantee for all tissue that no
 * other component holds. The bits are used up. */
medroi_grid_box medroi_box_of_largest(medroi_search *search, const medroi_components *components,
                                      const medroi_tissue_bits *bits, medroi_counts *counts);

/* --- hull_tiles.c --- */
size_t medroi_hull_tiles_nbytes(const medroi_grid *grid);
/* The hull of the opened tissue: tiles of the whole volume. */
medroi_bits medroi_find_hull_tiles(const medroi_bits *opened, uint8_t *scratch);

/* --- hull_cut.c --- */
medroi_grid_box medroi_box_of_tiles(const medroi_bits *tiles);
/* The tiles of a box alone; only `cut->words` need be there. */
void medroi_cut_tiles(const medroi_bits *tiles, const medroi_grid_box *box, medroi_bits *cut);
/* Tissue voxels of all repeats, in all and outside the tiles. */
medroi_counts medroi_count_outside(const medroi_grid *grid, const medroi_bits *tissue,
                                   const medroi_bits *tiles);

/* --- hull_cleared.c --- */
/* Whether more than `limit` elements of the box, or about so many, lie outside the tiles and are
 * not background already. */
int medroi_clears_more_than(const medroi_search *search, const medroi_layout *layout,
                            const medroi_bits *tiles, const medroi_grid_box *box, uint64_t limit);

/* --- hull_outline.c --- */
size_t medroi_outline_mask_scratch_nbytes(const medroi_grid *grid);
/* One byte, 0 or 1, for each voxel of the grid's volume. */
void medroi_outline_mask(medroi_search *search, uint8_t *scratch, uint8_t *mask);

/* --- hull_code.c --- */
/* How many tiles a map of a box has along z, y and x, and how they lie in the array. */
typedef struct medroi_tile_grid {
    int64_t n[3];
    int64_t start[3]; /* of the box along z, y, x */
    int64_t stop[3];
    int64_t edge;
} medroi_tile_grid;

medroi_tile_grid medroi_make_tile_grid(const medroi_grid *grid, const medroi_box *box,
                                       int64_t edge);
/* Scratch for decoding and for coding a map. */
size_t medroi_tile_decoder_nbytes(const int64_t n[3]);
size_t medroi_tile_encoder_nbytes(const int64_t n[3]);
/* Code a map; returns its length, or 0 where `capacity` is too small. */
size_t medroi_code_tiles(const medroi_bits *tiles, void *scratch, uint8_t *dst, size_t capacity);
/* Decode one; 0 where the bytes are not exactly one map. */
int medroi_decode_tiles(const medroi_bits *tiles, void *scratch, const uint8_t *src, size_t nbytes);

/* --- hull_side.c --- */
/* Write the sections; both return the bytes written. */
size_t medroi_write_left_out(const medroi_layout *layout, const medroi_hull_info *info,
                             uint8_t *dst);
#define MEDROI_LEFT_OUT_NBYTES (6 + 10 * (3 + MEDROI_MAX_LEFT_OUT * 7))
void medroi_write_hull_head(uint32_t nbytes, double unopened_miss_rate, uint8_t *dst);
int medroi_has_no_region(const medroi_header *header);
/* A section of a stream's side data, or NULL where there is none. */
const uint8_t *medroi_find_section(const medroi_header *header, uint8_t tag, uint32_t *nbytes);
medroi_status medroi_check_hull_section(const medroi_header *header, const uint8_t *section,
                                        uint32_t nbytes, medroi_error *error);

/* --- hull_apply.c --- */
/* The map of a stream whose bits lie in `scratch`. */
typedef struct medroi_hull_map {
    medroi_grid grid;
    medroi_tile_grid tile_grid;
    medroi_bits tiles;
} medroi_hull_map;

/* Set every voxel of a block of the array that lies outside the hull to the background.
 * `strides` are bytes along each array axis; `block` is the voxel at box->start. */
void medroi_clear_outside(const medroi_header *header, const medroi_hull_map *map,
                          const medroi_box *box, const int64_t strides[MEDROI_MAX_AXES],
                          uint8_t *block);

#endif
