/* The map of tiles that a stream carries: coded, read and applied. How a map is found is in
 * region/mask/mask.h; its bytes are in FORMAT.md. */
#ifndef MEDROI_MASK_H
#define MEDROI_MASK_H

#include "base/kernel.h"
#include "grid/rows.h"
#include "mask/bits.h"

#define MEDROI_TILE_EDGE 2 /* of a tile, in voxels */
#define MEDROI_MASK_HEAD_NBYTES 10
/* Version of a section with tiles of one voxel; all others have 1. */
#define MEDROI_MASK_OF_VOXELS 2

/* --- code.c --- */
/* Number of tiles of a box's map along z, y and x, and their place in the array. */
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

/* --- side.c --- */
/* Write the sections; both return the bytes written. */
size_t medroi_write_left_out(const medroi_layout *layout, const medroi_mask_info *info,
                             uint8_t *dst);
#define MEDROI_LEFT_OUT_NBYTES (6 + 10 * (3 + MEDROI_MAX_LEFT_OUT * 7))
void medroi_write_mask_head(uint32_t nbytes, uint8_t edge, double unopened_miss_rate, uint8_t *dst);
int medroi_has_no_region(const medroi_header *header);
medroi_status medroi_check_mask_section(const medroi_header *header, const uint8_t *section,
                                        uint32_t nbytes, medroi_error *error);

/* --- sections.c --- */
/* A section of a stream's side data, or NULL where there is none. */
const uint8_t *medroi_find_section(const medroi_header *header, uint8_t tag, uint32_t *nbytes);

/* The bounds of a box along the volume axes, as two numbers each; the others are spanned whole.
 * Reading returns 0 where the bytes end (then *at is behind `end`) or do not fit the array. */
int medroi_read_bounds(const medroi_layout *layout, const uint8_t **at, const uint8_t *end,
                       medroi_box *box);
uint8_t *medroi_write_bounds(const medroi_layout *layout, const medroi_box *box, uint8_t *at);

/* --- dropped.c --- */
/* The signal that a stream says it drops. */
medroi_status medroi_read_dropped(const medroi_header *header, medroi_dropped *dropped,
                                  medroi_error *error);
/* Write the section; returns its bytes. */
size_t medroi_write_dropped(const medroi_layout *layout, const medroi_dropped *dropped,
                            uint8_t *dst);
#define MEDROI_DROPPED_NBYTES (5 + 9 + 10 * (3 + 2 * 3) + 8)

/* --- marks.c --- */
/* Count the tiles of two voxels that a box of the array has along each axis of its volume; 1 along
 * all others. */
void medroi_marks_shape(const medroi_layout *layout, const medroi_box *box,
                        int64_t shape[MEDROI_MAX_AXES]);
/* Set a byte for each of these tiles, in memory order, to 1 where a region's map holds it, else to
 * 0. */
void medroi_mark_tiles(const medroi_layout *layout, const medroi_box *box, const void *map,
                       uint8_t *marks);

/* --- apply.c --- */
/* The map of a stream whose bits lie in `scratch`. */
typedef struct medroi_mask_map {
    medroi_grid grid;
    medroi_tile_grid tile_grid;
    medroi_bits tiles;
} medroi_mask_map;

/* Set every voxel of a block of the array that lies outside the mask to the background.
 * `strides` are bytes along each array axis; `block` is the voxel at box->start. */
void medroi_clear_outside(const medroi_header *header, const medroi_mask_map *map,
                          const medroi_box *box, const int64_t strides[MEDROI_MAX_AXES],
                          uint8_t *block);

#endif
