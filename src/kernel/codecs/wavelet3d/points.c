/* wavelet3d: where in its interval a quantised coefficient is rebuilt. */
#include "codecs/wavelet3d/wavelet3d.h"

#define RUN 16384                    /* coefficients whose sums fit 32 bits */
#define ONE 65536                    /* differences are summed in this fraction of a step */
#define LARGEST_FRACTION 16777216.0f /* single precision has no fractions above */

typedef struct point_sums {
    int64_t sum[W3_POINTS], count[W3_POINTS];
} point_sums;

/* Excess of rounded magnitudes over the true ones. Integer sums do not depend on the order, so
 * the loop may run in vectors. */
static void add_run(const float *data, int64_t n, point_sums *sums) {
    int32_t sum1 = 0, sum2 = 0, sum3 = 0, n1 = 0, n2 = 0, n3 = 0;
    for (int64_t i = 0; i < n; i++) {
        float x = data[i] < 0.0f ? -data[i] : data[i];
        x = x < LARGEST_FRACTION ? x : LARGEST_FRACTION;
        int32_t m = (int32_t)(x + W3_ROUND);
        int32_t above = (int32_t)(((float)m - x) * (float)ONE);
        int32_t is1 = -(m == 1), is2 = -(m == 2), is3 = -(m > 2);
        sum1 += above & is1;
        sum2 += above & is2;
        sum3 += above & is3;
        n1 -= is1;
        n2 -= is2;
        n3 -= is3;
    }
    const int32_t sum[W3_POINTS] = {sum1, sum2, sum3}, count[W3_POINTS] = {n1, n2, n3};
    for (int k = 0; k < W3_POINTS; k++) {
        sums->sum[k] += sum[k];
        sums->count[k] += count[k];
    }
}

void medroi_w3_learn_points(const float *data, int64_t n, medroi_w3_header *header) {
    point_sums sums = {{0}, {0}};
    for (int64_t i = 0; i < n; i += RUN)
        add_run(data + i, n - i < RUN ? n - i : RUN, &sums);
    for (int k = 0; k < W3_POINTS; k++) {
        double count = (double)sums.count[k] * (ONE / 256);
        double mean = count > 0.0 ? (double)sums.sum[k] / count : 0.0;
        mean = mean > 127.0 ? 127.0 : mean < -127.0 ? -127.0 : mean;
        header->point[k] = (int8_t)(mean < 0.0 ? mean - 0.5 : mean + 0.5);
    }
}

void medroi_w3_quantise(float *data, int64_t n, const medroi_w3_header *header) {
    for (int64_t i = 0; i < n; i++) {
        float x = data[i] < 0.0f ? -data[i] : data[i];
        float whole = x < LARGEST_FRACTION ? (float)(int32_t)(x + W3_ROUND)
                                           : (float)medroi_w3_magnitude(data[i]);
        float point = whole < 2.0f   ? (float)header->point[0]
                      : whole < 3.0f ? (float)header->point[1]
                                     : (float)header->point[2];
        float v = whole - point * (1.0f / 256.0f);
        v = whole < 1.0f ? 0.0f : v;
        data[i] = data[i] < 0.0f ? -v : v;
    }
}
