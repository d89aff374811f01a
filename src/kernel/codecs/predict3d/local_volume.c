/* Voxels of the local methods: their margins, and their mean over earlier volumes. */
#include "codecs/predict3d/local.h"

#include <stdlib.h>

#define GREATEST_TOP (((uint64_t)1 << 24) - 1)
#define LEAST_EDGE 16

int medroi_p3_local_fits(const medroi_p3_volume *v, uint64_t top) {
    return top <= GREATEST_TOP && v->width >= LEAST_EDGE && v->height >= LEAST_EDGE;
}

medroi_status medroi_p3_local_no_memory(medroi_error *error) {
    return medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for the equations of a part");
}

medroi_p3_volume medroi_p3_local_shape(const medroi_p3_volume *v) {
    int64_t row = v->width + 2 * LOCAL_MARGIN;
    int64_t slice = row * (v->height + LOCAL_ABOVE + LOCAL_BELOW);
    return (medroi_p3_volume){v->depth, v->height, v->width, row, slice, v->lag};
}

/* Rows above the first are the first row of the slice before. */
void medroi_p3_local_margin_top(const medroi_p3_volume *v, int32_t *voxels, int64_t z) {
    int32_t *first = voxels + local_at(v, z, 0, 0);
    for (int64_t x = -LOCAL_MARGIN; x < v->width + LOCAL_MARGIN; x++) {
        int64_t inside = x < 0 ? 0 : x >= v->width ? v->width - 1 : x;
        int32_t value = z > 0 ? first[inside - v->slice] : 0;
        for (int64_t y = 1; y <= LOCAL_ABOVE; y++) {
            first[x - y * v->row] = value;
        }
    }
}

void medroi_p3_local_margin_left(const medroi_p3_volume *v, int32_t *voxels, int64_t z, int64_t y) {
    int32_t *first = voxels + local_at(v, z, y, 0);
    int32_t value = first[-(y > 0 ? v->row : z > 0 ? v->slice : v->row)];
    for (int k = 1; k <= LOCAL_MARGIN; k++) {
        first[-k] = value;
    }
}

void medroi_p3_local_margin_right(const medroi_p3_volume *v, int32_t *voxels, int64_t z,
                                  int64_t y) {
    int32_t *last = voxels + local_at(v, z, y, v->width - 1);
    for (int k = 1; k <= LOCAL_MARGIN; k++) {
        last[k] = last[0];
    }
}

void medroi_p3_local_margin_bottom(const medroi_p3_volume *v, int32_t *voxels, int64_t z) {
    int32_t *row = voxels + local_at(v, z, v->height - 1, -LOCAL_MARGIN);
    for (int k = 1; k <= LOCAL_BELOW; k++) {
        memcpy(row + k * v->row, row, (size_t)v->row * sizeof *row);
    }
}

void medroi_p3_local_load(const medroi_p3_part *p, const medroi_p3_volume *v, int32_t *voxels) {
    for (int64_t z = 0; z < v->depth; z++) {
        for (int64_t y = 0; y < v->height; y++) {
            const int32_t *part = p->voxels + medroi_p3_origin(&p->v, z) + y * p->v.row;
            int32_t *own = voxels + local_at(v, z, y, 0);
            for (int64_t x = 0; x < v->width; x++) {
                own[x] = part[x] - p->low;
            }
        }
    }
}

void medroi_p3_local_store(const medroi_p3_part *p, const medroi_p3_volume *v,
                           const int32_t *voxels) {
    for (int64_t z = 0; z < v->depth; z++) {
        for (int64_t y = 0; y < v->height; y++) {
            int32_t *part = p->voxels + medroi_p3_origin(&p->v, z) + y * p->v.row;
            const int32_t *own = voxels + local_at(v, z, y, 0);
            for (int64_t x = 0; x < v->width; x++) {
                part[x] = own[x] + p->low;
            }
        }
    }
}

int medroi_p3_local_mean_new(local_mean *m, const medroi_p3_volume *v) {
    if (v->lag <= 2 || v->depth <= v->lag) {
        return 1;
    }
    /* Vectors reach behind the last voxel. */
    m->rounded = calloc((size_t)(v->slice + LOCAL_BLOCK_WIDTH), sizeof *m->rounded);
    m->exact = calloc((size_t)(v->slice * v->lag), sizeof *m->exact);
    return m->rounded && m->exact;
}

void medroi_p3_local_mean_free(local_mean *m) {
    free(m->rounded);
    free(m->exact);
}

void medroi_p3_local_mean_begin(local_mean *m, const medroi_p3_volume *v, int64_t z) {
    if (!m->rounded) {
        return;
    }
    const int32_t *exact = m->exact + z % v->lag * v->slice;
    for (int64_t i = 0; i < v->slice; i++) {
        m->rounded[i] = (exact[i] + 128) >> 8;
    }
}

void medroi_p3_local_mean_learn(local_mean *m, const medroi_p3_volume *v, const int32_t *voxels,
                                int64_t z) {
    if (!m->rounded) {
        return;
    }
    int32_t *exact = m->exact + z % v->lag * v->slice;
    int32_t part = (int32_t)(65536 / (z / v->lag + 1));
    const int32_t *slice = voxels + (z + 1) * v->slice;
    for (int64_t i = 0; i < v->slice; i++) {
        int64_t apart = (int64_t)slice[i] * 256 - exact[i];
        exact[i] += (int32_t)((apart * part) >> 16);
    }
}
