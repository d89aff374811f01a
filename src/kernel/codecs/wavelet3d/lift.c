/* wavelet3d: the CDF 9/7 wavelet transform (Cohen, Daubechies, Feauveau 1992; the irreversible
 * transform of JPEG 2000) by lifting (Daubechies, Sweldens 1998).
 *
 * A line of samples is split into its even and odd ones. Four steps, each adding to every sample of
 * one kind a multiple of the sum of its two neighbours of the other kind, turn the odd ones into
 * what their surroundings do not predict (high-pass) and the even ones into a smooth half-size copy
 * (low-pass); two gains make the transform nearly orthonormal. Every step is undone by
 * subtracting what it added. At the ends, neighbours are mirrored.
 *
 * Strictly ordered single precision: every sample is computed by the same sequence of IEEE
 * additions and multiplications whatever the vector width, and contraction into fused
 * multiply-adds is off, so all machines give the same numbers. Integer lifting would need 64-bit
 * products, for which baseline vector instructions are missing.
 */
#include "codecs/wavelet3d/wavelet3d.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "wavelet3d needs single precision arithmetic in single precision (use SSE2, not x87)"
#endif

static const float ALPHA = -1.586134342f, BETA = -0.05298011857f, GAMMA = 0.8829110755f,
                   DELTA = 0.4435068520f, LOW_GAIN = 1.149604399f, HIGH_GAIN = 0.8698644517f;

/* row += c (before + after), `width` samples. */
static void lift_row(float *restrict row, const float *before, const float *after, float c,
                     int64_t width) {
    for (int64_t x = 0; x < width; x++) {
        float sum = before[x] + after[x];
        float change = c * sum;
        row[x] = row[x] + change;
    }
}

/* One lifting step on every second row from `first`, mirrored at the ends. */
static void lift_rows(float *rows, int64_t n, int64_t width, int64_t first, float c) {
    for (int64_t i = first; i < n; i += 2) {
        const float *before = rows + (i > 0 ? i - 1 : 1) * width;
        const float *after = rows + (i + 1 < n ? i + 1 : n - 2) * width;
        lift_row(rows + i * width, before, after, c, width);
    }
}

static void scale_copy(float *restrict to, const float *restrict from, float gain, int64_t width) {
    for (int64_t x = 0; x < width; x++)
        to[x] = from[x] * gain;
}

/* Split n rows, `stride` apart, into low rows followed by high rows. */
static void split_rows(float *data, int64_t stride, int64_t n, int64_t width, float *work) {
    int64_t low = (n + 1) / 2;
    for (int64_t i = 0; i < n; i++)
        memcpy(work + i * width, data + i * stride, (size_t)width * sizeof(float));
    lift_rows(work, n, width, 1, ALPHA);
    lift_rows(work, n, width, 0, BETA);
    lift_rows(work, n, width, 1, GAMMA);
    lift_rows(work, n, width, 0, DELTA);
    for (int64_t i = 0; i < n; i++) {
        int64_t to = i & 1 ? low + i / 2 : i / 2;
        scale_copy(data + to * stride, work + i * width, i & 1 ? HIGH_GAIN : LOW_GAIN, width);
    }
}

static void merge_rows(float *data, int64_t stride, int64_t n, int64_t width, float *work) {
    int64_t low = (n + 1) / 2;
    for (int64_t i = 0; i < n; i++) {
        int64_t from = i & 1 ? low + i / 2 : i / 2;
        scale_copy(work + i * width, data + from * stride, i & 1 ? LOW_GAIN : HIGH_GAIN, width);
    }
    lift_rows(work, n, width, 0, -DELTA);
    lift_rows(work, n, width, 1, -GAMMA);
    lift_rows(work, n, width, 0, -BETA);
    lift_rows(work, n, width, 1, -ALPHA);
    for (int64_t i = 0; i < n; i++)
        memcpy(data + i * stride, work + i * width, (size_t)width * sizeof(float));
}

/* even[i] += c (odd[i - 1] + odd[i]), the ends mirrored. */
static void lift_even(float *restrict even, const float *restrict odd, int64_t n, float c) {
    int64_t n_even = (n + 1) / 2, n_odd = n / 2;
    float ends = odd[0] + odd[0];
    float change = c * ends;
    even[0] = even[0] + change;
    for (int64_t i = 1; i < n_odd; i++) {
        float sum = odd[i - 1] + odd[i];
        float step = c * sum;
        even[i] = even[i] + step;
    }
    if (n_even > n_odd && n_even > 1) {
        ends = odd[n_odd - 1] + odd[n_odd - 1];
        change = c * ends;
        even[n_even - 1] = even[n_even - 1] + change;
    }
}

/* odd[i] += c (even[i] + even[i + 1]), the end mirrored. */
static void lift_odd(float *restrict odd, const float *restrict even, int64_t n, float c) {
    int64_t n_odd = n / 2, inner = (n - 1) / 2;
    for (int64_t i = 0; i < inner; i++) {
        float sum = even[i] + even[i + 1];
        float step = c * sum;
        odd[i] = odd[i] + step;
    }
    if (inner < n_odd) {
        float ends = even[n_odd - 1] + even[n_odd - 1];
        float change = c * ends;
        odd[n_odd - 1] = odd[n_odd - 1] + change;
    }
}

static void split_line(float *restrict line, int64_t n, float *restrict work) {
    int64_t low = (n + 1) / 2, high = n / 2;
    float *even = work, *odd = work + low;
    for (int64_t i = 0; i < high; i++) {
        even[i] = line[2 * i];
        odd[i] = line[2 * i + 1];
    }
    if (low > high)
        even[low - 1] = line[n - 1];
    lift_odd(odd, even, n, ALPHA);
    lift_even(even, odd, n, BETA);
    lift_odd(odd, even, n, GAMMA);
    lift_even(even, odd, n, DELTA);
    scale_copy(line, even, LOW_GAIN, low);
    scale_copy(line + low, odd, HIGH_GAIN, high);
}

static void merge_line(float *restrict line, int64_t n, float *restrict work) {
    int64_t low = (n + 1) / 2, high = n / 2;
    float *even = work, *odd = work + low;
    scale_copy(even, line, HIGH_GAIN, low);
    scale_copy(odd, line + low, LOW_GAIN, high);
    lift_even(even, odd, n, -DELTA);
    lift_odd(odd, even, n, -GAMMA);
    lift_even(even, odd, n, -BETA);
    lift_odd(odd, even, n, -ALPHA);
    for (int64_t i = 0; i < high; i++) {
        line[2 * i] = even[i];
        line[2 * i + 1] = odd[i];
    }
    if (low > high)
        line[n - 1] = even[low - 1];
}

/* Split or merge along one axis inside the box `size` in the corner of the array. */
static void along_axis(const medroi_w3_shape *shape, const int64_t *size, int axis, int merge,
                       float *data, float *work) {
    int64_t stride[W3_AXES];
    medroi_w3_strides(shape, stride);
    int64_t outer[3], steps[3]; /* the other axes but x */
    int n = 0;
    for (int a = 0; a < W3_AXES - 1; a++) {
        outer[a] = a == axis ? 1 : size[a];
        steps[n++] = stride[a];
    }
    for (int64_t i = 0; i < outer[0]; i++)
        for (int64_t j = 0; j < outer[1]; j++)
            for (int64_t k = 0; k < outer[2]; k++) {
                float *at = data + i * steps[0] + j * steps[1] + k * steps[2];
                if (axis == W3_AXES - 1)
                    (merge ? merge_line : split_line)(at, size[axis], work);
                else
                    (merge ? merge_rows : split_rows)(at, stride[axis], size[axis],
                                                      size[W3_AXES - 1], work);
            }
}

static float *make_work(const medroi_w3_shape *shape) {
    int64_t longest = 1;
    for (int a = 0; a < W3_AXES; a++)
        longest = shape->size[a] > longest ? shape->size[a] : longest;
    return malloc((size_t)(longest * shape->size[W3_AXES - 1]) * sizeof(float));
}

int medroi_w3_forward(const medroi_w3_shape *shape, const medroi_w3_header *header, float *data) {
    float *work = make_work(shape);
    int64_t size[W3_AXES];
    if (!work)
        return 0;
    memcpy(size, shape->size, sizeof size);
    for (int level = 0; level < header->n_levels; level++) {
        for (int a = W3_AXES - 1; a >= 0; a--)
            if (header->mask[level] >> a & 1)
                along_axis(shape, size, a, 0, data, work);
        for (int a = 0; a < W3_AXES; a++)
            if (header->mask[level] >> a & 1)
                size[a] = (size[a] + 1) / 2;
    }
    free(work);
    return 1;
}

int medroi_w3_inverse(const medroi_w3_shape *shape, const medroi_w3_header *header, float *data) {
    float *work = make_work(shape);
    int64_t size[W3_MAX_LEVELS + 1][W3_AXES];
    if (!work)
        return 0;
    memcpy(size[0], shape->size, sizeof size[0]);
    for (int level = 0; level < header->n_levels; level++)
        for (int a = 0; a < W3_AXES; a++)
            size[level + 1][a] =
                header->mask[level] >> a & 1 ? (size[level][a] + 1) / 2 : size[level][a];
    for (int level = header->n_levels - 1; level >= 0; level--)
        for (int a = 0; a < W3_AXES; a++)
            if (header->mask[level] >> a & 1)
                along_axis(shape, size[level], a, 1, data, work);
    free(work);
    return 1;
}
