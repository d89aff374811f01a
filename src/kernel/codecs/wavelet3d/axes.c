/* wavelet3d: along which axes, and from which level on, the transform pays.
 *
 * Splitting across thick slices costs bits, between thin ones it saves them, and no description of
 * the voxels is needed to tell: the data are tried. A few windows of the region are transformed,
 * quantised and coded, and each axis in turn begins a level later (or earlier) for as long as that
 * makes them cheaper. The second version takes its time: its one window is large enough to hold the
 * edges of a body, on which the choice depends. What decides is integer arithmetic on the coder's
 * own bytes.
 */
#include "codecs/inner.h"
#include "codecs/wavelet3d/wavelet3d.h"

#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#define WINDOWS 3
#define LEAST_WINDOW ((int64_t)1 << 14) /* voxels, where the region has them */
#define MOST_WINDOW ((int64_t)1 << 16)
#define SHARE 16 /* of the region's voxels in a window */
#define LONGEST_EDGE 64
/* The one window of the second version: as many voxels, of axes cut down to about this. */
#define LARGE_WINDOW ((int64_t)1 << 20)
#define LEAST_EDGE 32
#define FIXED_POINT 256.0f /* of errors in steps */
/* A squared step is worth 12 / (2 ln 2) bits, the slope of uniform quantisation: 8.656. */
#define BIT ((int64_t)1 << 16)
/* A sample must save this part of it, and so many bits: less may be chance. */
#define WORTH 256
#define LEAST_SAVING (512 * BIT)
#define ERROR_PRICE_ABOVE 8656
#define ERROR_PRICE_BELOW 1000

#define PLANNED (-1.0) /* in the place of the last spacing */
#define BASE (W3_NEVER + 1)

void medroi_w3_keep_axes(const medroi_w3_axes *axes, double *params) {
    int code = 0;
    for (int a = 0; a < W3_AXES; a++)
        code = code * BASE + axes->first[a];
    params[2] = code;
    params[3] = 0.0;
    params[4] = PLANNED;
}

medroi_w3_axes medroi_w3_axes_of(const medroi_block *part, const double *params) {
    if (params[4] != PLANNED)
        return medroi_w3_axes_of_spacing(part, params + 2);
    medroi_w3_axes axes;
    int code = (int)params[2];
    for (int a = W3_AXES - 1; a >= 0; a--, code /= BASE)
        axes.first[a] = (uint8_t)(code % BASE);
    return axes;
}

medroi_w3_axes medroi_w3_axes_of_spacing(const medroi_block *block, const double *spacing) {
    medroi_w3_axes axes = {{0}};
    double pitch[W3_AXES] = {1.0, 1.0, 1.0, 1.0}, least = 0.0;
    int to = W3_AXES;
    for (int32_t i = block->ndim - 1; i >= 0; i--) {
        int32_t last = block->ndim - i; /* 1: the last axis */
        if (block->shape[i] == 1)
            continue;
        to = to > 0 ? to - 1 : 0;
        if (last <= 3 && spacing[3 - last] > 0.0)
            pitch[to] = spacing[3 - last];
    }
    for (int a = to; a < W3_AXES; a++)
        least = least == 0.0 || pitch[a] < least ? pitch[a] : least;
    for (int a = to; a < W3_AXES; a++)
        for (double split = least; split * 1.6 < pitch[a] && axes.first[a] < W3_NEVER; split *= 2.0)
            axes.first[a]++;
    return axes;
}

/* Windows of the region, in steps, dense, one behind the other. */
typedef struct sample {
    medroi_w3_shape shape; /* of a window */
    int n_windows;
    float *data;    /* of all windows */
    float *work;    /* of one */
    uint8_t *coded; /* of one */
    size_t capacity;
} sample;

static medroi_w3_shape window_shape(const medroi_w3_shape *region) {
    medroi_w3_shape window;
    int64_t room = medroi_w3_count(region) / SHARE;
    room = room < LEAST_WINDOW ? LEAST_WINDOW : room > MOST_WINDOW ? MOST_WINDOW : room;
    for (int a = 0; a < W3_AXES; a++)
        window.size[a] = region->size[a] < LONGEST_EDGE ? region->size[a] : LONGEST_EDGE;
    while (medroi_w3_count(&window) > room) {
        int longest = 0;
        for (int a = 1; a < W3_AXES; a++)
            longest = window.size[a] > window.size[longest] ? a : longest;
        window.size[longest] = (window.size[longest] + 1) / 2;
    }
    return window;
}

/* Whole slices as long as that leaves some of them. */
static medroi_w3_shape large_window_shape(const medroi_w3_shape *region) {
    medroi_w3_shape window = *region;
    while (medroi_w3_count(&window) > LARGE_WINDOW) {
        int axis = 0;
        while (axis < W3_AXES - 1 && window.size[axis] <= LEAST_EDGE)
            axis++;
        window.size[axis] = (window.size[axis] + 1) / 2;
    }
    return window;
}

/* Windows lie along the diagonal. The mean goes, so that the coarsest band, which is larger in a
 * window than in a part, does not weigh. */
static void cut_window(const medroi_block *region, const medroi_w3_shape *whole, const void *data,
                       int window, double step, sample *s) {
    int64_t start[W3_AXES], n = medroi_w3_count(&s->shape);
    float *to = s->data + window * n;
    double sum = 0.0, first = 0.0;
    for (int a = 0; a < W3_AXES; a++)
        start[a] = (whole->size[a] - s->shape.size[a]) * (window + 1) / (s->n_windows + 1);
    const int64_t *size = s->shape.size, width = size[3];
    for (int pass = 0; pass < 2; pass++) { /* the sum, then the window */
        int64_t at = 0;
        double mean = first + sum / (double)n;
        for (int64_t i = 0; i < size[0] * size[1] * size[2]; i++, at += width) {
            int64_t t = i / (size[1] * size[2]), z = i / size[2] % size[1], y = i % size[2];
            int64_t row = (start[0] + t) * whole->size[1] + start[1] + z;
            int64_t from = (row * whole->size[2] + start[2] + y) * whole->size[3] + start[3];
            double values[W3_RUN];
            for (int64_t x = 0, n_run; x < width; x += n_run) {
                n_run = width - x < W3_RUN ? width - x : W3_RUN;
                medroi_w3_elements(region, data, from + x, (size_t)n_run, values);
                first = pass == 0 && i == 0 && x == 0 ? values[0] : first;
                for (int64_t k = 0; k < n_run; k++)
                    if (pass == 0)
                        sum += values[k] - first;
                    else
                        to[at + x + k] = (float)((values[k] - mean) / step);
            }
        }
    }
}

/* Bits and squared error of the windows, in BIT; INT64_MAX without memory. */
static int64_t price(sample *s, const medroi_w3_axes *axes) {
    int64_t n = medroi_w3_count(&s->shape), nbytes = 0, squares = 0;
    for (int window = 0; window < s->n_windows; window++) {
        medroi_w3_header h;
        size_t more = 0;
        memset(&h, 0, sizeof h);
        medroi_w3_schedule(&s->shape, axes, &h);
        memcpy(s->work, s->data + window * n, (size_t)n * sizeof(float));
        if (!medroi_w3_forward(&s->shape, &h, s->work) ||
            medroi_w3_encode_bands(&s->shape, &h, s->work, s->coded, s->capacity, &more, NULL) !=
                MEDROI_OK)
            return INT64_MAX;
        nbytes += (int64_t)(more > 0 ? more : s->capacity);
        for (int64_t i = 0; i < n; i++) {
            float x = s->work[i] < 0.0f ? -s->work[i] : s->work[i];
            float e = (x - (float)medroi_w3_magnitude(x)) * FIXED_POINT;
            int32_t whole = (int32_t)e;
            squares += (int64_t)whole * whole;
        }
    }
    return nbytes * 8 * BIT + squares * ERROR_PRICE_ABOVE / ERROR_PRICE_BELOW;
}

/* Move the first level of an axis on for as long as that is cheaper. */
static int64_t move(sample *s, int axis, int by, int64_t best, medroi_w3_axes *axes) {
    for (;;) {
        medroi_w3_axes tried = *axes;
        int level = tried.first[axis] + by;
        if (level < 0 || level > W3_NEVER)
            return best;
        tried.first[axis] = (uint8_t)level;
        int64_t found = price(s, &tried);
        if (found >= best - best / WORTH - LEAST_SAVING)
            return best;
        best = found;
        *axes = tried;
    }
}

medroi_status medroi_w3_choose_axes(const medroi_block *region, const void *data, double step,
                                    int is_mixed, medroi_w3_axes *axes, medroi_error *error) {
    medroi_w3_shape whole = medroi_w3_shape_of(region);
    sample s = {.shape = is_mixed ? large_window_shape(&whole) : window_shape(&whole)};
    int64_t n = medroi_w3_count(&s.shape);
    s.n_windows = !is_mixed && medroi_w3_count(&whole) >= WINDOWS * n ? WINDOWS : 1;
    s.capacity = (size_t)n * 5 + 64; /* of 32 bits, and what coding noise adds */
    s.data = malloc((size_t)(s.n_windows * n) * sizeof(float));
    s.work = malloc((size_t)n * sizeof(float));
    s.coded = malloc(s.capacity);
    medroi_status status = MEDROI_OK;
    if (!s.data || !s.work || !s.coded) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for a sample");
        goto done;
    }
    for (int window = 0; window < s.n_windows; window++)
        cut_window(region, &whole, data, window, step, &s);
    medroi_w3_axes given = *axes;
    memset(axes, 0, sizeof *axes);
    int64_t best = price(&s, axes);
    if (memcmp(&given, axes, sizeof given) != 0 && best < INT64_MAX) {
        int64_t found = price(&s, &given);
        *axes = found < best ? given : *axes;
        best = found < best ? found : best;
    }
    for (int a = 0; a < W3_AXES && best < INT64_MAX; a++) {
        if (s.shape.size[a] < 8)
            continue;
        int64_t later = move(&s, a, 1, best, axes);
        best = later < best ? later : move(&s, a, -1, best, axes);
    }
    if (best == INT64_MAX)
        status = medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for a sample");
done:
    free(s.data);
    free(s.work);
    free(s.coded);
    return status;
}
