/* predict3d, stacked method: several local predictions are weighed by a further one, and each
 * voxel is coded in decisions on which many views of it are mixed.
 *
 * The fits are those of the local method (local.c) with neighbours and memories of their own. Least
 * squares of the same kind stack them: from their differences and from the misses of the first one
 * beside the voxel follows a further guess (stacking, Wolpert 1992; bias cancellation as in CALIC,
 * Wu and Memon 1997). All guesses, weighed by their recent errors, give a mean; recent errors give
 * the scale. Then the voxel is found by decisions that cut an interval in two (stacked_mix.h). All
 * of it is integer arithmetic, so that every machine finds the same weights.
 *
 * Bounds: samples are at most 724, so the sums of a block of 32 are below 2^24 and those that age
 * by 13/16 below 2^26.5; what a row knows of a block is below 2^30.1.
 */
#include "codecs/predict3d/stacked.h"
#include "codecs/predict3d/local_numbers.h"
#include "codecs/predict3d/local_weights.h"
#include "codecs/predict3d/stacked_tables.h"

#include <stdlib.h>

#define GREATEST_SLICES ((int64_t)1 << 18) /* whose sums are kept at once, in voxels */
/* Of an image, whose equations are kept for a row of blocks, however few rows there are. Slabs of
 * wider ones have less than 16 rows, so that no encoder wrote one. */
#define WIDEST_IMAGE ((int64_t)1 << 17)
#define STACKED_CLIP 724 /* of a sample */
#define STACKED_MISSES_HERE 13

/* Misses beside a voxel that the stack sees: in the slice, then in the slice before. */
static const int8_t stacked_beside[STACKED_MISSES][2] = {
    {0, -1},  {-1, 0}, {-1, -1}, {-1, 1},  {0, -2}, {-2, 0}, {0, -3}, {-1, 2}, {-1, -2},
    {-2, -1}, {-2, 1}, {-3, 0},  {-2, 2},  {0, 0},  {0, 1},  {1, 0},  {0, -1}, {-1, 0},
    {1, 1},   {1, -1}, {-1, 1},  {-1, -1}, {0, 2},  {0, -2}, {2, 0}};

/* --- slices --- */

static void begin_slice(stacked_coder *c, int64_t z) {
    const medroi_p3_volume *v = &c->v;
    const int64_t first = z % c->n_slices * v->slice;
    medroi_p3_local_margin_top(v, c->voxels, z);
    if (z >= c->n_slices) { /* before, they are zero, and margins need not be touched */
        memset(c->errors + first, 0, (size_t)v->slice * sizeof *c->errors);
        memset(c->misses + first, 0, (size_t)v->slice * sizeof *c->misses);
        memset(c->signs + first, 0, (size_t)v->slice);
    }
    for (int i = 0; i < STACKED_FITS; i++) {
        medroi_p3_local_begin_slice(&c->fits[i]);
    }
    medroi_p3_local_begin_slice(&c->stack);
    medroi_p3_local_mean_begin(&c->mean, v, z);
}

static void end_slice(stacked_coder *c, int64_t z) {
    medroi_p3_local_margin_bottom(&c->v, c->voxels, z);
    for (int i = 0; i < STACKED_FITS; i++) {
        medroi_p3_local_end_slice(&c->fits[i], z);
    }
    medroi_p3_local_end_slice(&c->stack, z);
    medroi_p3_local_mean_learn(&c->mean, &c->v, c->voxels, z);
}

/* --- both sets of instructions --- */

#define LOCAL_CODE "codecs/predict3d/stacked_code.h"
#include "codecs/predict3d/local_twice.h"

/* --- memory --- */

static void draw(int32_t *to, const int16_t *bends, size_t n) {
    int32_t difference = 0;
    to[0] = bends[0];
    for (size_t i = 1; i < n; i++) {
        difference += bends[i];
        to[i] = to[i - 1] + difference;
    }
}

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static void draw_curves(stacked_curves *curves) {
    int32_t wide[COUNT_OF(stacked_stretch_bends)];
    draw(curves->softplus, stacked_softplus_bends, COUNT_OF(stacked_softplus_bends));
    draw(curves->width, stacked_width_bends, COUNT_OF(stacked_width_bends));
    draw(wide, stacked_squash_bends, COUNT_OF(stacked_squash_bends));
    for (size_t i = 0; i < COUNT_OF(curves->squash); i++) {
        curves->squash[i] = (uint16_t)wide[i];
    }
    draw(wide, stacked_stretch_bends, COUNT_OF(stacked_stretch_bends));
    for (size_t i = 0; i < COUNT_OF(curves->stretch); i++) {
        curves->stretch[i] = (int16_t)wide[i];
    }
}

static void init_models(stacked_coder *c) {
    for (int i = 0; i < 4; i++) {
        medroi_bit_init(&c->flat[i]);
    }
    for (int i = 0; i < 128; i++) {
        c->ratio[i] = 1 << 16;
        for (int k = 0; k < STACKED_GUESSES; k++) {
            c->ratio_of_guess[k][i] = 1 << 16;
        }
    }
    for (int i = 0; i < 64 * 64; i++) {
        c->ratio_by_roughness[i] = c->ratio_by_spread[i] = c->ratio_by_value[i] = 1 << 16;
    }
    stacked_counter *counter = &c->counters[0][0][0];
    for (int64_t i = 0; i < (int64_t)STACKED_COUNTERS * STACKED_CONTEXTS * STACKED_NODES; i++) {
        counter[i] = 1u << 31;
    }
    int32_t *weights = c->mixers[0][0][0];
    for (int i = 0; i < STACKED_SETS * STACKED_NODES * 16; i++) {
        for (int k = 0; k < STACKED_INPUTS; k++) {
            int is_counter = k >= STACKED_LANES && k < STACKED_LANES + STACKED_COUNTERS;
            *weights++ = k < STACKED_EXPERTS ? 39322 / STACKED_EXPERTS
                         : is_counter        ? 26214 / STACKED_COUNTERS
                                             : 0;
        }
    }
}

static void stacked_free(stacked_coder *c) {
    if (c) {
        for (int i = 0; i < STACKED_FITS; i++) {
            medroi_p3_local_sums_free(&c->fits[i]);
        }
        medroi_p3_local_sums_free(&c->stack);
        medroi_p3_local_mean_free(&c->mean);
        free(c->voxels);
        free(c->errors);
        free(c->misses);
        free(c->signs);
        free(c->weights);
        free(c->shifts);
        for (int i = 0; i < STACKED_APART; i++) {
            free(c->apart[i]);
        }
        free(c->counters);
        free(c->mixers);
    }
    free(c);
}

/* Neighbours of each fit and its memory, the stack's last. */
static const local_discs stacked_discs[STACKED_FITS] = {
    {64, 25, 9, 4, 1}, {16, 9, 4, -1, 0}, {36, 9, 4, -1, 0}};
static const local_memory memories[STACKED_FITS + 1] = {
    {8, 4, 10, 13, 11}, {8, 4, 5, 8, 8}, {8, 2, 5, 8, 5}, {8, 4, 30, 13, 11}};

/* In images the place says little. */
static local_memory memory_of(int fit, const medroi_p3_volume *v) {
    local_memory memory = memories[fit];
    if (v->depth == 1) {
        memory.prior_weight = 300;
        memory.row_decay = 14;
    }
    return memory;
}

static int stacked_equations(stacked_coder *c, const medroi_p3_volume *v) {
    for (int i = 0; i < STACKED_FITS; i++) {
        local_memory memory = memory_of(i, v);
        c->n_taps[i] = medroi_p3_local_discs(v, &stacked_discs[i], c->taps[i]);
        if (!medroi_p3_local_sums_new(&c->fits[i], v, c->n_taps[i] - 1, &memory)) {
            return 0;
        }
    }
    local_memory memory = memory_of(STACKED_FITS, v);
    return medroi_p3_local_sums_new(&c->stack, v, STACKED_APART + STACKED_MISSES, &memory);
}

static stacked_coder *stacked_new(medroi_p3_part *p) {
    stacked_coder *c = calloc(1, sizeof *c);
    if (!c) {
        return NULL;
    }
    const medroi_p3_volume *v = &p->v;
    size_t n_row = (size_t)(STACKED_ROWS * (v->width + LOCAL_BLOCK_WIDTH));
    c->p = p;
    c->v = medroi_p3_local_shape(v);
    c->n_slices = v->lag > 2 && v->depth > v->lag ? v->lag + 1 : 2;
    size_t n_kept = (size_t)(c->v.slice * c->n_slices + LOCAL_BLOCK_WIDTH);
    /* Vectors reach behind the last voxel. */
    size_t n_voxels = (size_t)(c->v.slice * (v->depth + 1) + LOCAL_BLOCK_WIDTH);
    c->voxels = calloc(n_voxels, sizeof *c->voxels);
    c->errors = calloc(n_kept, sizeof *c->errors);
    c->misses = calloc(n_kept, sizeof *c->misses);
    c->signs = calloc(n_kept, 1);
    c->weights = calloc(n_row, sizeof *c->weights);
    c->shifts = calloc(n_row, sizeof *c->shifts);
    c->counters = malloc(STACKED_COUNTERS * sizeof *c->counters);
    c->mixers = malloc(STACKED_SETS * sizeof *c->mixers);
    int is_whole = c->voxels && c->errors && c->misses && c->signs && c->weights && c->shifts &&
                   c->counters && c->mixers && medroi_p3_local_mean_new(&c->mean, &c->v) &&
                   stacked_equations(c, v);
    for (int i = 0; i < STACKED_APART; i++) {
        c->apart[i] = calloc(n_row, sizeof *c->apart[i]);
        is_whole = is_whole && c->apart[i];
    }
    if (is_whole) {
        draw_curves(&c->curves);
        init_models(c);
        return c;
    }
    stacked_free(c);
    return NULL;
}

/* --- a part --- */

int medroi_p3_stacked_serves(const medroi_p3_volume *v, uint64_t top) {
    int64_t n_kept = v->depth == 1 ? 0 : v->lag > 2 ? v->lag : 1;
    return medroi_p3_local_fits(v, top) && v->width * v->height * n_kept <= GREATEST_SLICES &&
           (v->depth > 1 || v->width <= WIDEST_IMAGE);
}

medroi_status medroi_p3_encode_stacked(medroi_p3_part *p, medroi_error *error) {
    stacked_coder *c = stacked_new(p);
    if (!c) {
        return medroi_p3_local_no_memory(error);
    }
    medroi_p3_local_load(p, &c->v, c->voxels);
    for (int64_t z = 0; z < c->v.depth && !medroi_p3_is_full(p); z++) {
        LOCAL_BEST(encode_stacked)(c, z);
    }
    stacked_free(c);
    return MEDROI_OK;
}

medroi_status medroi_p3_decode_stacked(medroi_p3_part *p, medroi_error *error) {
    if (!medroi_p3_stacked_serves(&p->v, p->map.top)) {
        return medroi_p3_corrupt(error, "the stacked method does not code such a part");
    }
    stacked_coder *c = stacked_new(p);
    if (!c) {
        return medroi_p3_local_no_memory(error);
    }
    for (int64_t z = 0; z < c->v.depth && !c->bad; z++) {
        LOCAL_BEST(decode_stacked)(c, z);
    }
    medroi_p3_local_store(p, &c->v, c->voxels);
    medroi_status status = MEDROI_OK;
    if (c->bad) {
        status = medroi_p3_corrupt(error, "a voxel lies outside the range of values");
    }
    stacked_free(c);
    return status;
}
