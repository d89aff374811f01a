/* wavelet3d: the shape of a part, its levels, and the header that tells them. */
#include "base/bytes.h"
#include "codecs/wavelet3d/wavelet3d.h"

#include <string.h>

/* Bits of the second byte of the second version. */
#define MIXED_BOUNDED 1
#define MIXED_TRELLIS 2

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

medroi_w3_shape medroi_w3_shape_of(const medroi_block *block) {
    medroi_w3_shape s = {{1, 1, 1, 1}};
    int to = W3_AXES;
    for (int32_t i = block->ndim - 1; i >= 0; i--) {
        if (block->shape[i] == 1)
            continue;
        to = to > 0 ? to - 1 : 0;
        s.size[to] *= block->shape[i];
    }
    return s;
}

/* An axis is split from its first level on, as long as it is long enough. */
void medroi_w3_schedule(const medroi_w3_shape *shape, const medroi_w3_axes *axes,
                        medroi_w3_header *header) {
    int64_t size[W3_AXES];
    memcpy(size, shape->size, sizeof size);
    for (header->n_levels = 0; header->n_levels < W3_LEVELS; header->n_levels++) {
        int mask = 0;
        for (int a = 0; a < W3_AXES; a++)
            if (size[a] >= 8 && axes->first[a] <= header->n_levels) {
                mask |= 1 << a;
                size[a] = (size[a] + 1) / 2;
            }
        if (mask == 0)
            return;
        header->mask[header->n_levels] = (uint8_t)mask;
    }
}

static uint8_t *put_double(uint8_t *p, double v) {
    medroi_store_f64(p, v);
    return p + 8;
}

static int n_points(const medroi_w3_header *h) { return h->is_trellis ? 2 * W3_POINTS : W3_POINTS; }

size_t medroi_w3_write_header(const medroi_w3_header *h, uint8_t *dst) {
    uint8_t *p = dst;
    if (h->is_mixed) {
        *p++ = W3_MIXED;
        *p++ = (uint8_t)((h->bounded ? MIXED_BOUNDED : 0) | (h->is_trellis ? MIXED_TRELLIS : 0));
    }
    *p++ = (uint8_t)(h->n_levels | (h->is_mixed ? 0 : h->bounded << 7));
    for (int i = 0; i < h->n_levels; i++)
        *p++ = h->mask[i];
    p = put_double(p, h->low);
    p = put_double(p, h->high);
    p = put_double(p, h->step);
    if (h->bounded)
        p = put_double(p, h->max_error);
    for (int i = 0; i < n_points(h); i++)
        *p++ = (uint8_t)(h->is_mixed ? h->mixed_point[i] : h->point[i]);
    return (size_t)(p - dst);
}

static int levels_fit(const medroi_w3_shape *shape, const medroi_w3_header *h) {
    int64_t size[W3_AXES];
    memcpy(size, shape->size, sizeof size);
    for (int i = 0; i < h->n_levels; i++) {
        if (h->mask[i] == 0 || h->mask[i] > 15)
            return 0;
        for (int a = 0; a < W3_AXES; a++)
            if (h->mask[i] >> a & 1) {
                if (size[a] < 2)
                    return 0;
                size[a] = (size[a] + 1) / 2;
            }
    }
    return 1;
}

/* Doubles that elements of this kind can have. */
static int in_kind(const medroi_block *block, double v) {
    if (v - v != 0.0)
        return 0;
    int bits = 8 * block->itemsize;
    if (block->kind == 'f')
        return bits == 64 || (v <= (bits == 16 ? 65504.0 : 3.4028234663852886e38) &&
                              v >= (bits == 16 ? -65504.0 : -3.4028234663852886e38));
    double top = (double)((uint64_t)1 << (block->kind == 'i' ? bits - 1 : bits));
    return v >= (block->kind == 'i' ? -top : 0.0) && v <= top - 1.0 && v == (double)(int64_t)v;
}

size_t medroi_w3_read_header(const medroi_block *block, const medroi_w3_shape *shape,
                             const uint8_t *src, size_t nbytes, medroi_w3_header *h) {
    memset(h, 0, sizeof *h);
    if (nbytes < 3)
        return 0;
    const uint8_t *p = src;
    if (p[0] == W3_MIXED) {
        if ((p[1] & ~(MIXED_BOUNDED | MIXED_TRELLIS)) != 0 || p[2] > W3_MAX_LEVELS)
            return 0;
        h->is_mixed = 1;
        h->bounded = (p[1] & MIXED_BOUNDED) != 0;
        h->is_trellis = (p[1] & MIXED_TRELLIS) != 0;
        p += 2;
    } else {
        h->bounded = p[0] >> 7;
    }
    h->n_levels = *p++ & 127; /* 125 to 127 would be parts of other kinds */
    size_t n = (size_t)(p - src) + h->n_levels + 24 + 8u * h->bounded + (size_t)n_points(h);
    if (h->n_levels > W3_MAX_LEVELS || nbytes < n)
        return 0;
    memcpy(h->mask, p, h->n_levels);
    p += h->n_levels;
    h->low = medroi_load_f64(p);
    h->high = medroi_load_f64(p + 8);
    h->step = medroi_load_f64(p + 16);
    p += 24;
    if (h->bounded) {
        h->max_error = medroi_load_f64(p);
        p += 8;
    }
    for (int i = 0; i < n_points(h); i++)
        (h->is_mixed ? h->mixed_point : h->point)[i] = (int8_t)p[i];
    if (!in_kind(block, h->low) || !in_kind(block, h->high) || h->high < h->low ||
        !(h->step > 0.0) || h->step - h->step != 0.0 || !(h->max_error >= 0.0) ||
        h->max_error - h->max_error != 0.0 || !levels_fit(shape, h))
        return 0;
    return n;
}
