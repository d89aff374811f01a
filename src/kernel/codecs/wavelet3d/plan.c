/* wavelet3d: from what was asked to the step of the quantiser. */
#include "codecs/wavelet3d/search.h"

#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

enum { MODE_PSNR = 1, MODE_RATE = 2, MODE_MAX_ERROR = 3, MODE_STEP = 4 };

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

static medroi_status search(const medroi_block *region, const void *data, const double *params,
                            double low, double high, double *step, medroi_error *error) {
    medroi_w3_search s;
    memset(&s, 0, sizeof s);
    s.region = region;
    s.data = data;
    s.spacing = params + 2;
    s.low = low;
    s.high = high;
    s.error = error;
    medroi_status status = medroi_w3_search_open(&s);
    if (status == MEDROI_OK)
        status = params[0] == MODE_PSNR ? medroi_w3_reach_psnr(&s, params[1], step)
                                        : medroi_w3_reach_rate(&s, params[1], step);
    medroi_w3_search_close(&s);
    return status;
}

medroi_status medroi_w3_plan(const medroi_block *region, const void *data, double *params,
                             medroi_error *error) {
    double low, high, step = 1.0;
    medroi_status status = check_range(region, data, &low, &high, error);
    if (status != MEDROI_OK)
        return status;
    int mode = (int)params[0];
    double least = medroi_w3_least_step(low, high);
    if (low == high) {
        step = 1.0;
    } else if (mode == MODE_MAX_ERROR) {
        step = params[1] * 1.5;
        step = step > least ? step : least;
    } else if (mode == MODE_STEP) {
        step = params[1];
        if (step < least)
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "wavelet3d: step = %g is too fine for a range of %g (at least %g); "
                               "use predict3d (lossless)",
                               step, high - low, least);
    } else {
        status = search(region, data, params, low, high, &step, error);
        if (status != MEDROI_OK)
            return status;
    }
    params[0] = mode == MODE_MAX_ERROR ? MODE_MAX_ERROR : MODE_STEP;
    params[5] = step;
    return MEDROI_OK;
}
