/* The smaller of two, and their greatest common divisor. */
#ifndef MEDROI_LESSER_H
#define MEDROI_LESSER_H

#include <stdint.h>

static inline int64_t medroi_lesser(int64_t a, int64_t b) { return a < b ? a : b; }

static inline int64_t medroi_common_divisor(int64_t a, int64_t b) {
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

#endif
