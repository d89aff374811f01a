/* The local methods of predict3d: what their files share. FORMAT.md sections 7.7 and 7.8 are
 * normative. */
#ifndef MEDROI_P3_LOCAL_H
#define MEDROI_P3_LOCAL_H

#include "codecs/predict3d/predict3d.h"

#define LOCAL_MARGIN 16 /* voxels before and behind a row; rows above and below have their own */
#define LOCAL_ABOVE 12
#define LOCAL_BELOW 4
#define LOCAL_TAPS 128 /* room for them */
#define LOCAL_NEAR 16  /* and for those in the row of the voxel */
#define LOCAL_BLOCK_WIDTH 8
#define LOCAL_BLOCK_HEIGHT 4
#define LOCAL_SAMPLES (LOCAL_BLOCK_WIDTH * LOCAL_BLOCK_HEIGHT)
#define LOCAL_CLIP 1448 /* of a sample: 32 products of two of them stay below 2^26 */
#define LOCAL_LANES 4   /* blocks that are solved side by side */

/* A neighbour; of a mean, in the running mean over earlier volumes instead of in slice dz. */
typedef struct local_tap {
    int dz, dy, dx, of_mean;
} local_tap;

/* Blocks of a slice, and how long what they saw counts. */
typedef struct local_memory {
    int block_width, block_height;
    int prior_weight;             /* of all blocks of the part, in samples */
    int row_decay, earlier_decay; /* of blocks above and of earlier slices, in 1/16 */
} local_memory;

/* Normal equations: for each block of a slice the sums of products of its samples, those of the
 * blocks above and of earlier slices, decayed, and what is solved from them.
 *
 * A matrix has n + 1 rows, the last is the target's; row i has its columns from i & ~7 on, in
 * eights, so that entry (i, j) lies at row_start[i] + j. */
typedef struct local_sums {
    int n; /* unknowns */
    int row_start[LOCAL_TAPS + 1];
    int64_t entries; /* of a matrix */
    int64_t n_bx, n_by;
    int64_t lag;    /* slices back to the second sums; 0 without */
    int64_t n_kept; /* slices whose sums are kept */
    local_memory memory;
    int32_t *above;   /* [1 + n_bx + LOCAL_LANES] decayed sums of the blocks above */
    int32_t *known;   /* the same with those of earlier slices; without such, the very same */
    int32_t *earlier; /* [n_kept][1 + n_by + 1][n_bx] decayed sums of earlier slices */
    int32_t *here;  /* [2][n_bx] of this row of blocks and the one above; in an image one block's */
    int64_t *total; /* of all blocks of the part so far that count for the prior */
    int64_t n_total; /* their samples */
    int32_t *prior;
    int64_t *matrix;  /* [LOCAL_LANES] */
    int32_t *weights; /* [n_bx][n], 14 fractional bits */
    uint8_t *solved;  /* [n_bx / LOCAL_LANES] of this row of blocks */
    int16_t *samples; /* [n + 1, in eights][LOCAL_SAMPLES] */
    int64_t *factor;  /* lower triangle of four matrices, lane by lane */
    int64_t *inverse; /* [n][LOCAL_LANES] of its diagonal */
    int64_t *solution;
} local_sums;

/* The mean of each slice over earlier volumes; nothing where there are less than two volumes. */
typedef struct local_mean {
    int32_t *rounded; /* one slice */
    int32_t *exact;   /* [lag] slices, 8 fractional bits */
} local_mean;

/* Shares before each of 16 cells of z = (value - mean) / scale, and behind the last, in 2^-15. */
typedef struct local_model {
    uint16_t share[17];
    uint16_t seen;
} local_model;

#define LOCAL_CONTEXTS 4096
#define LOCAL_SCALES 256
#define LOCAL_INVERSE_BITS 4 /* of a place, that are interpolated */
#define LOCAL_INVERSE ((1 << (16 - LOCAL_INVERSE_BITS)) + 1)

typedef struct local_coder {
    medroi_p3_part *p;
    medroi_p3_volume v; /* the part's, with the margins of this method */
    int n_taps;
    local_tap taps[LOCAL_TAPS];
    local_sums sums;
    int32_t *voxels; /* depth + 1 slices: the first stands for missing ones */
    local_mean mean;
    uint32_t *errors;  /* of this slice and of those that it looks at, in 1/8 voxel */
    uint16_t *signs;   /* whether these are positive */
    int64_t n_errors;  /* slices of them */
    uint16_t *weights; /* of the samples of this row of blocks: [LOCAL_BLOCK_HEIGHT][width + 8] */
    uint16_t *shifts;
    int bad; /* a value out of range was decoded */
    medroi_bit_model flat[4];
    int32_t bias_by_signs[16 * 64], bias_by_value[16 * 64];        /* 2^-16 voxel */
    uint32_t ratio_by_roughness[64 * 64], ratio_by_value[64 * 64]; /* 2^-16 */
    int64_t far_above[LOCAL_SCALES], far_below[LOCAL_SCALES];      /* of the mean, in 1/256 voxel */
    int32_t inverse[LOCAL_INVERSE];                                /* of local_place */
    local_model *by_roughness, *by_value;
} local_coder;

/* The distribution of one voxel. */
typedef struct local_outlook {
    int64_t base; /* from the mean to half a voxel below 0, in 1/256 voxel */
    int level;    /* of the scale, eight an octave */
    int n_low;    /* low bits that are coded as they are */
    int32_t top;  /* greatest value without them */
    local_model *one, *other;
} local_outlook;

/* Where a value begins. */
typedef struct local_edge {
    uint32_t place;
    uint32_t share; /* before it */
} local_edge;

static inline int64_t local_at(const medroi_p3_volume *v, int64_t z, int64_t y, int64_t x) {
    return (z + 1) * v->slice + (y + LOCAL_ABOVE) * v->row + x + LOCAL_MARGIN;
}

static inline int32_t *local_matrix(int32_t *matrices, const local_sums *s, int64_t i) {
    return matrices + i * s->entries;
}

static inline int32_t *local_here(const local_sums *s, int64_t by, int64_t bx) {
    return local_matrix(s->here, s, s->n_kept > 0 ? (by & 1) * s->n_bx + bx : 0);
}

/* --- local_volume.c --- */
/* Whether these methods code such values and slices: others are left to the other methods. */
int medroi_p3_local_fits(const medroi_p3_volume *v, uint64_t top);
medroi_status medroi_p3_local_no_memory(medroi_error *error);
/* The part's volume with the margins of these methods. */
medroi_p3_volume medroi_p3_local_shape(const medroi_p3_volume *v);
/* Margins of slice z above its first row, left and right of row y, and below its last. */
void medroi_p3_local_margin_top(const medroi_p3_volume *v, int32_t *voxels, int64_t z);
void medroi_p3_local_margin_left(const medroi_p3_volume *v, int32_t *voxels, int64_t z, int64_t y);
void medroi_p3_local_margin_right(const medroi_p3_volume *v, int32_t *voxels, int64_t z, int64_t y);
void medroi_p3_local_margin_bottom(const medroi_p3_volume *v, int32_t *voxels, int64_t z);
/* Copy to or from the part's voxels, which lie around 0 and in other margins. */
void medroi_p3_local_load(const medroi_p3_part *p, const medroi_p3_volume *v, int32_t *voxels);
void medroi_p3_local_store(const medroi_p3_part *p, const medroi_p3_volume *v,
                           const int32_t *voxels);
/* Returns 0 without memory. */
int medroi_p3_local_mean_new(local_mean *m, const medroi_p3_volume *v);
void medroi_p3_local_mean_free(local_mean *m);
/* Before slice z, and with it. */
void medroi_p3_local_mean_begin(local_mean *m, const medroi_p3_volume *v, int64_t z);
void medroi_p3_local_mean_learn(local_mean *m, const medroi_p3_volume *v, const int32_t *voxels,
                                int64_t z);

/* --- local_taps.c --- */
/* Squares of the radii of discs in quarters of a voxel, -1 for none: in the slice, the slice
 * before, the second reference slice, and slices beside that. With arms, neighbours further away
 * along the axes. */
typedef struct local_discs {
    int here, before, far, beside, has_arms;
} local_discs;

int medroi_p3_local_discs(const medroi_p3_volume *v, const local_discs *discs,
                          local_tap taps[LOCAL_TAPS]);
/* The neighbours of a set, none where there is no such set. */
int medroi_p3_local_taps(const medroi_p3_volume *v, int set, local_tap taps[LOCAL_TAPS]);

/* --- local_sums.c --- */
/* Returns 0 without memory. */
int medroi_p3_local_sums_new(local_sums *s, const medroi_p3_volume *v, int n,
                             const local_memory *memory);
void medroi_p3_local_sums_free(local_sums *s);
void medroi_p3_local_begin_slice(local_sums *s);
void medroi_p3_local_end_slice(local_sums *s, int64_t z);
/* Row k of a block, which lies outside the slice, has no samples. */
void medroi_p3_local_no_samples(local_sums *s, int64_t k);
/* Before a row of blocks: what is known of each. */
void medroi_p3_local_begin_row(local_sums *s, int64_t z, int64_t by);

#endif
