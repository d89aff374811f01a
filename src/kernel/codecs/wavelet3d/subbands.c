/* wavelet3d: where the subbands of a part lie. */
#include "codecs/wavelet3d/subbands.h"

#include <stdlib.h>
#include <string.h>

/* Sizes of the low-pass corner before each level, and after the last. */
static void list_corners(const medroi_w3_shape *shape, const medroi_w3_header *h,
                         int64_t size[W3_MAX_LEVELS + 1][W3_AXES]) {
    memcpy(size[0], shape->size, sizeof size[0]);
    for (int l = 0; l < h->n_levels; l++)
        for (int a = 0; a < W3_AXES; a++)
            size[l + 1][a] = h->mask[l] >> a & 1 ? (size[l][a] + 1) / 2 : size[l][a];
}

/* The band of level l that is high-pass along the axes in `high`. */
static medroi_w3_band band_at(const medroi_w3_header *h, int64_t size[W3_MAX_LEVELS + 1][W3_AXES],
                              int l, int high) {
    medroi_w3_band b;
    memset(&b, 0, sizeof b);
    b.high = high;
    b.level = l;
    for (int a = 0; a < W3_AXES; a++) {
        int up = high >> a & 1;
        b.start[a] = up ? size[l + 1][a] : 0;
        b.size[a] = up ? size[l][a] - size[l + 1][a] : size[l + 1][a];
        b.highs += up;
        b.halved[a] = l + 1 < h->n_levels && (h->mask[l + 1] >> a & 1);
    }
    return b;
}

int medroi_w3_place_bands(const medroi_w3_shape *shape, const medroi_w3_header *h,
                          medroi_w3_band bands[W3_MAX_BANDS]) {
    int64_t size[W3_MAX_LEVELS + 1][W3_AXES];
    int of_level[16], n = 1; /* band of the coarser level with these high axes, or -1 */
    list_corners(shape, h, size);
    memset(of_level, 0xFF, sizeof of_level);
    memset(bands, 0, sizeof *bands);
    memcpy(bands->size, size[h->n_levels], sizeof bands->size);
    bands->level = h->n_levels > 0 ? h->n_levels - 1 : 0;
    for (int l = h->n_levels - 1; l >= 0; l--) {
        int now[16];
        memset(now, 0xFF, sizeof now);
        for (int high = 1; high < 16; high++) {
            if ((high & h->mask[l]) != high)
                continue;
            bands[n] = band_at(h, size, l, high);
            if (of_level[high] >= 0)
                bands[n].parent = &bands[of_level[high]];
            now[high] = n++;
        }
        memcpy(of_level, now, sizeof now);
    }
    return n;
}

int medroi_w3_list_bands(const medroi_w3_shape *shape, const medroi_w3_header *header,
                         medroi_w3_band bands[W3_MAX_BANDS]) {
    int n = medroi_w3_place_bands(shape, header, bands);
    for (int i = 0; i < n; i++) {
        medroi_w3_band *b = &bands[i];
        size_t room = (size_t)(medroi_w3_slice_of(b) * (b->size[0] * b->size[1] + 1));
        b->magnitude = calloc(room, sizeof(uint16_t));
        if (!b->magnitude) {
            medroi_w3_free_bands(bands, i);
            return 0;
        }
    }
    return n;
}

void medroi_w3_free_bands(medroi_w3_band *bands, int n) {
    for (int i = 0; i < n; i++)
        free(bands[i].magnitude);
}
