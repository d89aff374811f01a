/* The mask: the tissue and what it encloses, as a map of tiles, found, coded and applied.
 *
 * Of an array without axes of length 1, z, y and x are the volume axes in memory order, outermost
 * first; x alone where there is one, z and x where there are two. A mask is made so:
 *
 *  1. Tissue is opened in every repeat of the volume, as if all around it were tissue (a chunk's
 *     border cuts through a body), by the cross along axes of 3 and more voxels that are not thick
 *     (spacing.h); a voxel of the volume is *opened tissue* where any repeat's opening holds it.
 *     Padding values (padding.h) are no tissue.
 *  2. Labels of 4 x 4 x 4 voxels that hold opened tissue and touch, also at edges and corners,
 *     make a *component*. Of components with less than a thousandth of the opened tissue, the
 *     smallest are dropped as long as all that is dropped together stays within max_miss_rate;
 *     where only the largest component is wanted, all others are left out.
 *  3. What is left is dilated once by the 6-connected cross, the margin, and becomes a map of
 *     tiles of 2 x 2 x 2 voxels, set where they hold any of it.
 *  4. The map is closed by 6 mm, in steps of a tile along each axis, as if the volume went on
 *     around it.
 *  5. A tile belongs to the mask that lies between set tiles along at least two of the three axes,
 *     and then what no path of clear tiles joins to the border of the volume.
 *  6. Tissue is then counted as it was before the opening. A tile outside the mask joins it, as an
 *     island, where it holds 3 voxels of tissue or more: what is thin, as a nodule of two slices or
 *     skin in the first slice, is no speck of noise. If still more than max_miss_rate of all tissue
 *     is outside, tiles with 2, and then with 1, join too. Where only the largest component is
 *     wanted, tissue counts in its labels and in those that touch them. A tile with a missing value
 *     (NaN, an infinity) or a padding value always joins.
 *  7. The guarantee over the signal (region/guarantee.c): tiles of dropped groups join. Where only
 *     the largest component is wanted, those of signal that is connected to signal inside.
 */
#ifndef MEDROI_REGION_MASK_H
#define MEDROI_REGION_MASK_H

#include "mask/mask.h"
#include "region/search.h"

#define MEDROI_LABEL_EDGE 4    /* a multiple of the mask's */
#define MEDROI_ISLAND_TISSUE 3 /* voxels of a tile */

/* --- components.c --- */
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

/* --- tissue.c --- */
typedef struct medroi_tissue_bits {
    medroi_bits tissue; /* that of the search */
    medroi_bits opened; /* n_z layers of rows of n_x */
    medroi_bits spare;  /* of one repeat; free */
} medroi_tissue_bits;

size_t medroi_tissue_bits_nbytes(const medroi_grid *grid);
/* Tissue at search->tau, before and after the opening, without padding. */
medroi_tissue_bits medroi_find_tissue_bits(medroi_search *search, uint8_t *scratch);

/* --- find.c --- */
size_t medroi_body_scratch_nbytes(const medroi_search *search);
/* Find a mask, or the box of the largest component. Returns 0, with the region untouched, where
 * the box of all tissue serves as well. */
int medroi_find_body(medroi_search *search, const medroi_layout *layout, const void *data,
                     uint8_t *scratch, medroi_region *region);

/* --- islands.c --- */
size_t medroi_islands_scratch_nbytes(const medroi_bits *tiles);
/* Add islands (step 6) until at most `max_miss_rate` of the tissue lies outside the tiles. */
void medroi_add_islands(const medroi_grid *grid, const medroi_bits *tissue, double max_miss_rate,
                        uint64_t n_tissue, const medroi_bits *tiles, uint8_t *scratch);

/* --- largest.c --- */
/* Clear all tissue but that in the labels of the largest component and in those that touch them.
 * `scratch` holds the bits of the labels. */
void medroi_keep_near_largest(const medroi_grid *grid, const medroi_components *components,
                              const medroi_bits *tissue, uint8_t *scratch);
/* The padded box of the kept component. The opened bits of the others are cleared. */
medroi_grid_box medroi_box_of_largest(const medroi_search *search,
                                      const medroi_components *components,
                                      const medroi_tissue_bits *bits);
/* Voxels of `tissue` that no other component holds, in all and outside a box; the others' bits are
 * cleared. */
medroi_counts medroi_count_beside_others(const medroi_grid *grid,
                                         const medroi_components *components,
                                         const medroi_bits *tissue, const medroi_grid_box *box);
/* Grow a box until it misses at most max_miss_rate of these voxels. */
medroi_grid_box medroi_grow_box_of_largest(medroi_search *search,
                                           const medroi_components *components,
                                           const medroi_bits *tissue, const medroi_grid_box *box);

/* --- connected.c --- */
/* Set the tiles of signal outside that is connected to signal in the tiles, with memory for the
 * bits of one repeat and of one row. */
void medroi_join_connected(const medroi_search *search, const medroi_bits *spare,
                           const medroi_bits *tiles, uint64_t *row);

/* --- tiles.c --- */
size_t medroi_mask_tiles_nbytes(const medroi_grid *grid);
/* The mask of the opened tissue: tiles of the whole volume. `closing` is in tiles along z, y, x. */
medroi_bits medroi_find_mask_tiles(const medroi_bits *opened, const int closing[3],
                                   uint8_t *scratch);

/* --- close.c --- */
/* Close `bits`, nearer to whose border than the steps none are set; `spare` is as large. */
void medroi_close_cross(const medroi_bits *bits, const medroi_bits *spare, const int steps[3]);

/* --- flood.c --- */
/* Set the holes of `solid`; `seen` is a volume of the same size. */
void medroi_fill_holes(const medroi_bits *solid, const medroi_bits *seen);

/* --- cut.c --- */
medroi_grid_box medroi_box_of_tiles(const medroi_bits *tiles);
/* The tiles of a box alone; only `cut->words` need be there. */
void medroi_cut_tiles(const medroi_bits *tiles, const medroi_grid_box *box, medroi_bits *cut);
/* Tissue voxels of all repeats, in all and outside the tiles. */
medroi_counts medroi_count_outside(const medroi_grid *grid, const medroi_bits *tissue,
                                   const medroi_bits *tiles);

/* --- differing.c --- */
size_t medroi_differing_scratch_nbytes(const medroi_layout *layout);
/* Give a region that is a box, which holds all that differs from the background, the mask of that
 * too, in tiles of one or two voxels. Changes nothing where every tile holds some of it. */
medroi_status medroi_mask_differing(const medroi_layout *layout, const void *data,
                                    uint64_t background, int64_t edge, void *scratch,
                                    medroi_region *region, medroi_error *error);

/* --- contour.c --- */
size_t medroi_contour_scratch_nbytes(const medroi_grid *grid);
/* One byte, 0 or 1, for each voxel of the grid's volume. */
void medroi_contour(medroi_search *search, const medroi_layout *layout, uint8_t *scratch,
                    uint8_t *mask);

#endif
