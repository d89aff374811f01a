#include "base/arena.h"

uint8_t *medroi_align_scratch(void *scratch) {
    uint8_t *bytes = scratch;
    size_t beyond = (uintptr_t)bytes % MEDROI_SCRATCH_ALIGNMENT;
    return beyond ? bytes + (MEDROI_SCRATCH_ALIGNMENT - beyond) : bytes;
}

size_t medroi_place(const medroi_stretch *arrays, size_t n, uint8_t *scratch) {
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (scratch) {
            *arrays[i].pointer = scratch + used;
        }
        used += medroi_align(arrays[i].nbytes);
    }
    return used;
}
