/* Byte shuffle. Fixed element sizes let the compiler turn the loops into vector shuffles. */
#include "codecs/shuffle.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__)
#define FAST __attribute__((target_clones("avx2", "default")))
#else
#define FAST
#endif

FAST static void split2(const uint8_t *restrict src, size_t n, uint8_t *restrict dst) {
    uint8_t *restrict high = dst + n;
    for (size_t i = 0; i < n; i++) {
        dst[i] = src[2 * i];
        high[i] = src[2 * i + 1];
    }
}

FAST static void join2(const uint8_t *restrict src, size_t n, uint8_t *restrict dst) {
    const uint8_t *restrict high = src + n;
    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = src[i];
        dst[2 * i + 1] = high[i];
    }
}

FAST static void split4(const uint8_t *restrict src, size_t n, uint8_t *restrict dst) {
    for (size_t i = 0; i < n; i++) {
        dst[i] = src[4 * i];
        dst[n + i] = src[4 * i + 1];
        dst[2 * n + i] = src[4 * i + 2];
        dst[3 * n + i] = src[4 * i + 3];
    }
}

FAST static void join4(const uint8_t *restrict src, size_t n, uint8_t *restrict dst) {
    for (size_t i = 0; i < n; i++) {
        dst[4 * i] = src[i];
        dst[4 * i + 1] = src[n + i];
        dst[4 * i + 2] = src[2 * n + i];
        dst[4 * i + 3] = src[3 * n + i];
    }
}

void medroi_shuffle(const uint8_t *src, size_t n_elements, size_t itemsize, uint8_t *dst) {
    if (itemsize == 2) {
        split2(src, n_elements, dst);
        return;
    }
    if (itemsize == 4) {
        split4(src, n_elements, dst);
        return;
    }
    for (size_t b = 0; b < itemsize; b++) {
        for (size_t i = 0; i < n_elements; i++) {
            dst[b * n_elements + i] = src[i * itemsize + b];
        }
    }
}

void medroi_unshuffle(const uint8_t *src, size_t n_elements, size_t itemsize, uint8_t *dst) {
    if (itemsize == 2) {
        join2(src, n_elements, dst);
        return;
    }
    if (itemsize == 4) {
        join4(src, n_elements, dst);
        return;
    }
    for (size_t b = 0; b < itemsize; b++) {
        for (size_t i = 0; i < n_elements; i++) {
            dst[i * itemsize + b] = src[b * n_elements + i];
        }
    }
}
