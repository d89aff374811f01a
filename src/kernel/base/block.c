#include "base/kernel.h"

size_t medroi_block_nbytes(const medroi_block *block) {
    size_t nbytes = block->itemsize;
    for (int32_t i = 0; i < block->ndim; i++) {
        nbytes *= (size_t)block->shape[i];
    }
    return nbytes;
}
