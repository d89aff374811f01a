/* Arrays laid out one behind the other in one piece of memory. */
#ifndef MEDROI_ARENA_H
#define MEDROI_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define MEDROI_SCRATCH_ALIGNMENT 64

static inline size_t medroi_align(size_t nbytes) {
    return (nbytes + MEDROI_SCRATCH_ALIGNMENT - 1) / MEDROI_SCRATCH_ALIGNMENT *
           MEDROI_SCRATCH_ALIGNMENT;
}

/* The first aligned byte from `scratch` on. */
uint8_t *medroi_align_scratch(void *scratch);

typedef struct medroi_stretch {
    void **pointer; /* set to where the array begins */
    size_t nbytes;
} medroi_stretch;

/* Place the arrays in `scratch`; with NULL only the size of all of them is found. */
size_t medroi_place(const medroi_stretch *arrays, size_t n, uint8_t *scratch);

#endif
