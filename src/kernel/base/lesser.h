/* The smaller of two. */
#ifndef MEDROI_LESSER_H
#define MEDROI_LESSER_H

#include <stdint.h>

static inline int64_t medroi_lesser(int64_t a, int64_t b) { return a < b ? a : b; }

#endif
