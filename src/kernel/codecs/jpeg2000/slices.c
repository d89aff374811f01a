#ifdef MEDROI_HAVE_OPENJPEG
#include "codecs/jpeg2000/jpeg2000.h"

/* The last two axes are a slice; one axis is a slice of one row. */
medroi_j2k_slices medroi_j2k_slices_of(const medroi_block *block) {
    medroi_j2k_slices found = {.n = 1};
    found.slice.width = (uint32_t)block->shape[block->ndim - 1];
    found.slice.height = block->ndim > 1 ? (uint32_t)block->shape[block->ndim - 2] : 1;
    for (int32_t i = 0; i < block->ndim - 2; i++) {
        found.n *= (size_t)block->shape[i];
    }
    found.n_elements = (size_t)found.slice.width * found.slice.height;
    return found;
}

size_t medroi_j2k_slice_bound(const medroi_block *block, const medroi_j2k_slices *found) {
    size_t bits = block->itemsize == 1 ? 8 : 16;
    return found->n_elements * (bits + 8) / 8 + found->n_elements / 4 + 1024;
}
#endif
