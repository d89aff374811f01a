/* wavelet3d: from what was asked to the axes of the transform and the step of the quantiser. */
#include "codecs/wavelet3d/mixed.h"
#include "codecs/wavelet3d/search.h"

#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

static medroi_status check_range(const medroi_block *region, const void *data, double *low,
                                 double *high, medroi_error *error) {
    if (!medroi_w3_range(region, data, low, high))
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "wavelet3d: the data hold NaN or infinite values, which a lossy code "
                           "cannot keep; replace them, or use predict3d (lossless)");
    double range = *high - *low;
    if (!(range == 0.0 || (range >= 1e-150 && range <= 1e150)))
        return medroi_fail(
            error, MEDROI_INVALID_ARGUMENT,
            "wavelet3d: the data span %g, expected 1e-150 to 1e150; scale them, or use "
            "predict3d (lossless)",
            range);
    return MEDROI_OK;
}

/* Number and range of the elements that a reader gets from the codec. */
typedef struct inside {
    double n, range;
} inside;

static inside look_inside(const medroi_w3_search *s) {
    inside found = {(double)(medroi_block_nbytes(s->region) / s->region->itemsize),
                    s->high - s->low};
    if (s->inside) {
        double low = 0.0, high = 0.0;
        int64_t n = medroi_w3_range_kept(s->region, s->data, s->inside, &low, &high);
        if (n > 0 && high > low)
            found = (inside){(double)n, high - low};
    }
    return found;
}

/* Transform along the axes that are cheapest at the step that a target will lead to. */
static medroi_status find_axes(medroi_w3_search *s, const double *params, double goal) {
    medroi_w3_axes axes = s->axes;
    double step = params[0] == W3_MODE_RATE ? medroi_w3_step_of_nbytes(s, goal)
                                            : medroi_w3_step_of_error(s, goal);
    medroi_status status = medroi_w3_choose_axes(s->region, s->data, step, &axes, s->error);
    if (status != MEDROI_OK || memcmp(&axes, &s->axes, sizeof axes) == 0)
        return status;
    medroi_w3_search_close(s);
    s->axes = axes;
    return medroi_w3_search_open(s);
}

/* *is_met is 0 where an error as small as a share of the noise is not to be had: then the data are
 * kept exactly. */
static medroi_status search(medroi_w3_search *s, const double *params, double *step, int *is_met) {
    inside in = look_inside(s);
    medroi_w3_noise noise = {0.0, 0.0, 0};
    double target = params[1], goal;
    medroi_status status = MEDROI_OK;
    *is_met = 1;
    switch ((int)params[0]) {
    case W3_MODE_RATE:
        goal = (double)medroi_block_nbytes(s->region) / target;
        break;
    case W3_MODE_NOISE:
        status = medroi_w3_find_noise(s->region, s->data, s->inside, &noise, s->error);
        goal = target * noise.sigma * target * noise.sigma * in.n * noise.share;
        *is_met = goal > 0.0;
        break;
    default:
        goal = in.range * in.range * pow(10.0, -target / 10.0) * in.n;
    }
    if (status != MEDROI_OK || !*is_met)
        return status;
    status = medroi_w3_search_open(s);
    if (status == MEDROI_OK)
        status = find_axes(s, params, goal);
    if (status == MEDROI_OK)
        status = params[0] == W3_MODE_RATE ? medroi_w3_reach_rate(s, target, step)
                                           : medroi_w3_reach_error(s, goal, in.n, step, is_met);
    medroi_w3_search_close(s);
    if (status == MEDROI_OK && !*is_met && params[0] == W3_MODE_PSNR)
        status =
            medroi_fail(s->error, MEDROI_INVALID_ARGUMENT,
                        "wavelet3d: psnr = %g dB cannot be reached on these data within 0.2 dB "
                        "(float precision or rounding to integers is in the way); ask for "
                        "less, or use predict3d (lossless)",
                        target);
    return status;
}

medroi_status medroi_w3_plan(const medroi_block *region, const void *data, const uint8_t *kept,
                             double *params, medroi_error *error) {
    medroi_w3_search s;
    medroi_w3_shape shape = medroi_w3_shape_of(region);
    double step = 1.0;
    int is_met = 1;
    memset(&s, 0, sizeof s);
    s.region = region;
    s.data = data;
    s.inside = kept;
    s.axes = medroi_w3_axes_of_spacing(region, params + 2);
    s.is_mixed = params[W3_SPEED] != 0.0;
    s.coarser = s.is_mixed && medroi_w3_has_trellis(&shape) ? W3_COARSER : 1.0;
    s.error = error;
    medroi_status status = check_range(region, data, &s.low, &s.high, error);
    if (status != MEDROI_OK)
        return status;
    int mode = (int)params[0];
    double least = medroi_w3_least_step(s.low, s.high);
    if (s.low == s.high) {
        step = 1.0;
    } else if (mode == W3_MODE_PSNR || mode == W3_MODE_RATE || mode == W3_MODE_NOISE) {
        status = search(&s, params, &step, &is_met);
    } else {
        step = mode == W3_MODE_MAX_ERROR ? params[1] * 1.5 * s.coarser : params[1];
        step = mode == W3_MODE_MAX_ERROR && step < least ? least : step;
        status = step < least
                     ? medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                                   "wavelet3d: step = %g is too fine for a range of %g (at least "
                                   "%g); use predict3d (lossless)",
                                   step, s.high - s.low, least)
                     : medroi_w3_choose_axes(region, data, step, &s.axes, error);
    }
    if (status != MEDROI_OK)
        return status;
    params[0] = !is_met                     ? W3_MODE_EXACT
                : mode == W3_MODE_MAX_ERROR ? W3_MODE_MAX_ERROR
                                            : W3_MODE_STEP;
    params[5] = step;
    medroi_w3_keep_axes(&s.axes, params);
    return MEDROI_OK;
}
