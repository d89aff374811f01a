/* wavelet3d: from what was asked to the axes of the transform and the step of the quantiser. */
#include "codecs/wavelet3d/mixed.h"
#include "codecs/wavelet3d/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

static medroi_status check_range(const medroi_w3_search *s) {
    double range = s->high - s->low;
    if (!(range == 0.0 || (range >= 1e-150 && range <= 1e150)))
        return medroi_fail(
            s->error, MEDROI_INVALID_ARGUMENT,
            "wavelet3d: the data span %g, expected 1e-150 to 1e150; scale them, or use "
            "predict3d (lossless)",
            range);
    return MEDROI_OK;
}

/* Transform each block along the axes that are cheapest at about this step. Counts the elements of
 * blocks whose axes are others than before. */
static medroi_status choose_axes(medroi_w3_search *s, double step, int64_t *n_changed) {
    medroi_w3_cursor c = MEDROI_W3_START;
    *n_changed = 0;
    while (medroi_w3_next_part(s, &c)) {
        if (c.data != c.start)
            continue;
        medroi_w3_axes *axes = &s->axes[c.next_block - 1];
        medroi_w3_axes found = medroi_w3_axes_of_spacing(&c.whole, s->spacing);
        medroi_status status =
            medroi_w3_choose_axes(&c.whole, c.start, step, s->is_mixed, &found, s->error);
        if (status != MEDROI_OK)
            return status;
        if (memcmp(&found, axes, sizeof found) != 0)
            *n_changed += (int64_t)(medroi_block_nbytes(&c.whole) / c.whole.itemsize);
        *axes = found;
    }
    return c.status;
}

/* The squared error, or the bytes, of a target; 0 where it is that nothing may be lost. */
static medroi_status find_goal(medroi_w3_search *s, const double *params, double *goal) {
    medroi_w3_noise noise = {0.0, 0.0, 0};
    medroi_status status = MEDROI_OK;
    double target = params[1], n = (double)s->n_kept, range = s->range;
    switch ((int)params[0]) {
    case W3_MODE_RATE:
        *goal = (double)s->nbytes / target;
        break;
    case W3_MODE_NOISE:
        status = medroi_w3_find_noise(s->blocks, s->n_elements, &noise, s->error);
        *goal = target * noise.sigma * target * noise.sigma * n * noise.share;
        break;
    default:
        n = s->blocks->n_counted > 0 ? (double)s->blocks->n_counted : n;
        range = s->blocks->range_counted > 0.0 ? s->blocks->range_counted : range;
        *goal = range * range * pow(10.0, -target / 10.0) * n;
    }
    return status;
}

/* Axes and step that follow each other are sought so often, unless blocks with other axes hold less
 * than this part of all elements: at one step, axes change a block's error by some tenths of a dB.
 */
#define MOST_TURNS 4
#define FEW 8

/* *is_met is 0 where an error as small as was asked for is not to be had: then the data are kept
 * exactly. A scan's blocks get the step alone, and each chooses its axes at it anew: there the
 * step has to meet the goal with the axes that are chosen at that step. Where the search goes back
 * and forth between two choices, each loses less than the goal at the finer of their steps. */
static medroi_status search(medroi_w3_search *s, const double *params, int keeps_axes, double *step,
                            int *is_met) {
    int is_rate = params[0] == W3_MODE_RATE, turn = 0;
    int64_t n_changed;
    double goal, last = 0.0;
    medroi_status status = find_goal(s, params, &goal);
    *is_met = goal > 0.0;
    if (status != MEDROI_OK || !*is_met)
        return status;
    status = medroi_w3_search_open(s);
    if (status == MEDROI_OK)
        *step = is_rate ? medroi_w3_step_of_nbytes(s, goal) : medroi_w3_step_of_error(s, goal);
    for (; status == MEDROI_OK && *is_met && turn < MOST_TURNS; turn++) {
        status = choose_axes(s, *step, &n_changed);
        if (status != MEDROI_OK || (turn > 0 && n_changed <= s->n_elements / FEW))
            break;
        last = *step;
        if (n_changed > 0) {
            medroi_w3_search_close(s);
            status = medroi_w3_search_open(s);
        }
        if (status == MEDROI_OK)
            status = is_rate ? medroi_w3_reach_nbytes(s, goal, step)
                             : medroi_w3_reach_error(s, goal, step, is_met);
        if (keeps_axes)
            break;
    }
    if (turn == MOST_TURNS && (*step < last) == is_rate)
        *step = last;
    medroi_w3_search_close(s);
    return status;
}

/* The step of a target that is none. */
static medroi_status take_step(medroi_w3_search *s, const double *params, double *step) {
    double least = medroi_w3_least_step(s->low, s->high);
    int64_t n_changed;
    *step = params[1];
    if (params[0] == W3_MODE_MAX_ERROR) {
        *step = *step * 1.5 * s->coarser; /* in this order: goldens hold its rounding */
        *step = *step < least ? least : *step;
    }
    if (*step < least)
        return medroi_fail(s->error, MEDROI_INVALID_ARGUMENT,
                           "wavelet3d: step = %g is too fine for a range of %g (at least "
                           "%g); use predict3d (lossless)",
                           *step, s->high - s->low, least);
    return choose_axes(s, *step, &n_changed);
}

static int has_search(const double *params) {
    return params[0] == W3_MODE_PSNR || params[0] == W3_MODE_RATE || params[0] == W3_MODE_NOISE;
}

/* `shape` is that of a block that is typical. A single block is coded with the axes that were found
 * here, blocks of a scan are not. */
static medroi_status plan(const medroi_blocks *blocks, const medroi_w3_shape *shape, int keeps_axes,
                          double *params, medroi_error *error) {
    medroi_w3_search s = {.blocks = blocks, .spacing = params + 2, .error = error};
    double step = 1.0;
    int is_met = 1;
    s.is_mixed = params[W3_SPEED] != 0.0;
    s.coarser = s.is_mixed && medroi_w3_has_trellis(shape) ? W3_COARSER : 1.0;
    s.axes = calloc((size_t)blocks->n, sizeof *s.axes);
    if (!s.axes)
        return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for a plan");
    medroi_status status = medroi_w3_survey(&s);
    if (status == MEDROI_OK)
        status = check_range(&s);
    if (status == MEDROI_OK && s.low < s.high)
        status = has_search(params) ? search(&s, params, keeps_axes, &step, &is_met)
                                    : take_step(&s, params, &step);
    if (status == MEDROI_OK) {
        params[0] = !is_met                          ? W3_MODE_EXACT
                    : params[0] == W3_MODE_MAX_ERROR ? W3_MODE_MAX_ERROR
                                                     : W3_MODE_STEP;
        params[5] = step;
        if (keeps_axes)
            medroi_w3_keep_axes(s.axes, params);
    }
    free(s.axes);
    return status;
}

medroi_status medroi_w3_plan(const medroi_block *region, const void *data, const uint8_t *kept,
                             double *params, medroi_error *error) {
    /* Only a search looks at what is kept. */
    medroi_w3_one one = {region, data, has_search(params) ? kept : NULL};
    medroi_blocks blocks = medroi_w3_one_block(&one);
    medroi_w3_shape shape = medroi_w3_shape_of(region);
    return plan(&blocks, &shape, 1, params, error);
}

medroi_status medroi_w3_plan_scan(const medroi_blocks *chunks, double *params,
                                  medroi_error *error) {
    medroi_block block = {0};
    const uint8_t *data, *kept;
    medroi_status status = chunks->load(chunks->user, chunks->n / 2, &block, &data, &kept, error);
    medroi_w3_shape shape = medroi_w3_shape_of(&block);
    return status == MEDROI_OK ? plan(chunks, &shape, 0, params, error) : status;
}
