/* predict3d, local method: each block is predicted by weights of its own, and the decoder finds
 * them as the encoder does.
 *
 * The weights of the neighbours are those that would have predicted the voxels around the block
 * best, of those that are known already: blocks to the left and above in the slice, and all around
 * in earlier slices (least squares; Li and Orchard 2001, in three dimensions and for blocks). No
 * weight is sent. Samples count the less the rougher their neighbourhood. Signs of recent errors
 * and the value correct the prediction; recent errors give the scale of the one to come. The voxel
 * is then coded in one step of the range coder, by the place that it has in a distribution of
 * errors by that scale: sixteen cells with learned shares, and the curve of a logistic inside
 * (local_model.h). All of it is integer arithmetic.
 *
 * Bounds: a sample is below 1448, so a block's sums are below 2^26, those of blocks above and
 * earlier below 2^27 (2^29 in images), and what a row knows of a block below 2^30.
 */
#include "codecs/predict3d/local_numbers.h"
#include "codecs/predict3d/local_tables.h"
#include "codecs/predict3d/local_weights.h"

#include <stdlib.h>

#define GREATEST_SLICE ((int64_t)1 << 18) /* of the larger sets, in voxels */

/* --- slices --- */

static void begin_slice(local_coder *c, int64_t z) {
    const medroi_p3_volume *v = &c->v;
    medroi_p3_local_margin_top(v, c->voxels, z);
    memset(c->errors + z % c->n_errors * v->slice, 0, (size_t)v->slice * sizeof *c->errors);
    memset(c->signs + z % c->n_errors * v->slice, 0, (size_t)v->slice * sizeof *c->signs);
    medroi_p3_local_begin_slice(&c->sums);
    medroi_p3_local_mean_begin(&c->mean, v, z);
}

static void end_slice(local_coder *c, int64_t z) {
    medroi_p3_local_margin_bottom(&c->v, c->voxels, z);
    medroi_p3_local_end_slice(&c->sums, z);
    medroi_p3_local_mean_learn(&c->mean, &c->v, c->voxels, z);
}

/* --- both sets of instructions --- */

#define LOCAL_CODE "codecs/predict3d/local_code.h"
#include "codecs/predict3d/local_twice.h"

/* --- memory --- */

static void init_models(local_coder *c) {
    for (int i = 0; i < LOCAL_CONTEXTS; i++) {
        memcpy(c->by_value[i].share, local_first_share, sizeof local_first_share);
        c->by_value[i].share[16] = 32768;
        c->by_roughness[i] = c->by_value[i];
        c->ratio_by_roughness[i] = c->ratio_by_value[i] = 1 << 16;
    }
    for (int i = 0; i < 4; i++) {
        medroi_bit_init(&c->flat[i]);
    }
    for (int level = 0; level < LOCAL_SCALES; level++) {
        int64_t factor = local_reciprocal[level & 7];
        int shift = local_shift[level & 7] + (level >> 3);
        shift = shift < 44 ? shift : 44; /* levels that no scale has */
        c->far_above[level] = (((int64_t)Z_TOP + 1) * ((int64_t)1 << shift) + factor - 1) / factor;
        c->far_below[level] = -(((int64_t)Z_TOP * ((int64_t)1 << shift) + factor) / factor);
    }
    int32_t at = 0;
    for (int32_t i = 0; i < LOCAL_INVERSE; i++) {
        int32_t place = i << LOCAL_INVERSE_BITS;
        while (at < LOCAL_PLACES - 3 && local_place[at + 1] <= place) {
            at++;
        }
        int32_t step = local_place[at + 1] - local_place[at];
        c->inverse[i] = at * 256 + (place - local_place[at]) * 256 / step - Z_TOP;
    }
}

static void local_free(local_coder *c) {
    if (c) {
        medroi_p3_local_sums_free(&c->sums);
        medroi_p3_local_mean_free(&c->mean);
        free(c->voxels);
        free(c->errors);
        free(c->signs);
        free(c->weights);
        free(c->shifts);
        free(c->by_value);
        free(c->by_roughness);
    }
    free(c);
}

static local_coder *local_new(medroi_p3_part *p, int set) {
    local_coder *c = calloc(1, sizeof *c);
    if (!c) {
        return NULL;
    }
    const medroi_p3_volume *v = &p->v;
    /* In images the place says little. */
    const local_memory memory = {.block_width = LOCAL_BLOCK_WIDTH,
                                 .block_height = LOCAL_BLOCK_HEIGHT,
                                 .prior_weight = v->depth == 1 ? 1000 : 5,
                                 .row_decay = v->depth == 1 ? 14 : 8,
                                 .earlier_decay = 8};
    size_t n_row = (size_t)(LOCAL_BLOCK_HEIGHT * (v->width + LOCAL_BLOCK_WIDTH));
    c->p = p;
    c->v = medroi_p3_local_shape(v);
    c->n_taps = medroi_p3_local_taps(v, set, c->taps);
    c->n_errors = v->lag > 2 && v->depth > v->lag ? v->lag + 1 : 2;
    /* Vectors reach behind the last voxel. */
    size_t n_voxels = (size_t)(c->v.slice * (v->depth + 1) + LOCAL_BLOCK_WIDTH);
    c->voxels = calloc(n_voxels, sizeof *c->voxels);
    c->errors = calloc((size_t)(c->v.slice * c->n_errors), sizeof *c->errors);
    c->signs = calloc((size_t)(c->v.slice * c->n_errors), sizeof *c->signs);
    c->weights = calloc(n_row, sizeof *c->weights);
    c->shifts = calloc(n_row, sizeof *c->shifts);
    c->by_value = calloc(LOCAL_CONTEXTS, sizeof *c->by_value);
    c->by_roughness = calloc(LOCAL_CONTEXTS, sizeof *c->by_roughness);
    if (c->voxels && c->errors && c->signs && c->weights && c->shifts && c->by_value &&
        c->by_roughness && medroi_p3_local_mean_new(&c->mean, &c->v) &&
        medroi_p3_local_sums_new(&c->sums, v, c->n_taps - 1, &memory)) {
        init_models(c);
        return c;
    }
    local_free(c);
    return NULL;
}

/* --- a part --- */

int medroi_p3_local_serves(const medroi_p3_volume *v, uint64_t top, int set) {
    local_tap taps[LOCAL_TAPS];
    int large = set > 0 && (v->lag > 2 || v->width * v->height > GREATEST_SLICE);
    return medroi_p3_local_fits(v, top) && !large && medroi_p3_local_taps(v, set, taps) > 0;
}

medroi_status medroi_p3_encode_local(medroi_p3_part *p, int set, medroi_error *error) {
    local_coder *c = local_new(p, set);
    if (!c) {
        return medroi_p3_local_no_memory(error);
    }
    medroi_bits_put(&p->put, (uint64_t)set, 8);
    medroi_p3_local_load(p, &c->v, c->voxels);
    for (int64_t z = 0; z < c->v.depth && !medroi_p3_is_full(p); z++) {
        LOCAL_BEST(encode_slice)(c, z);
    }
    local_free(c);
    return MEDROI_OK;
}

medroi_status medroi_p3_decode_local(medroi_p3_part *p, medroi_error *error) {
    int set = (int)medroi_bits_get(&p->get, 8);
    if (!medroi_p3_local_serves(&p->v, p->map.top, set)) {
        return medroi_p3_corrupt(error, "the local method has no such neighbours for such a part");
    }
    local_coder *c = local_new(p, set);
    if (!c) {
        return medroi_p3_local_no_memory(error);
    }
    for (int64_t z = 0; z < c->v.depth && !c->bad; z++) {
        LOCAL_BEST(decode_slice)(c, z);
    }
    medroi_p3_local_store(p, &c->v, c->voxels);
    medroi_status status = MEDROI_OK;
    if (c->bad) {
        status = medroi_p3_corrupt(error, "a voxel lies outside the range of values");
    }
    local_free(c);
    return status;
}
