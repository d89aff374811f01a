#include "words.h"

#include <string.h>

size_t fuzz_user_words(fuzz_random *random, unsigned words[FUZZ_MAX_WORDS]) {
    static const unsigned start[] = {1,          0x50002,    0x800005, 3, 0, 0,
                                     0xd2f1a9fc, 0x3f60624d, 0,        0, 3, 1};
    size_t n = sizeof start / sizeof *start;
    memcpy(words, start, sizeof start);
    words[2] = (unsigned)fuzz_below(random, 6) | (unsigned)fuzz_below(random, 2) << 3 |
               (unsigned)fuzz_below(random, 2) << 4;
    words[2] |= fuzz_below(random, 2) ? 1u << 23 : (unsigned)fuzz_below(random, 2) << 6;
    words[10] = (unsigned)fuzz_below(random, 10);
    if (fuzz_below(random, 4) == 0) {
        n = fuzz_below(random, n + 1);
    }
    if (n > 0 && fuzz_below(random, 4) == 0) {
        words[fuzz_below(random, n)] = (unsigned)fuzz_bits(random);
    }
    return n;
}

size_t fuzz_add_chunk(unsigned words[FUZZ_MAX_WORDS], size_t n, const medroi_layout *layout) {
    if (n == 0) {
        words[n++] = 1;
    }
    words[0] = (words[0] & 255) | (unsigned)n << 8;
    words[n++] = (unsigned)layout->ndim | (unsigned)layout->big_endian << 4 |
                 (unsigned)(uint8_t)layout->kind << 8 | (unsigned)layout->itemsize << 16;
    for (int32_t i = 0; i < layout->ndim; i++) {
        words[n++] = (unsigned)layout->shape[i];
    }
    return n;
}

medroi_layout fuzz_chunk(fuzz_random *random, uint64_t max_voxels) {
    medroi_layout layout;
    do {
        layout = fuzz_layout(random, max_voxels);
        layout.f_order = 0;
    } while (layout.ndim > FUZZ_MAX_CHUNK_AXES || fuzz_layout_nbytes(&layout) == 0 ||
             strchr("biufSVc", layout.kind) == NULL);
    return layout;
}
