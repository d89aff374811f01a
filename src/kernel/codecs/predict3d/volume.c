/* predict3d: the shape of a part, its margins, and its weights as bytes. */
#include "codecs/predict3d/predict3d.h"

medroi_p3_volume medroi_p3_shape(const medroi_block *block) {
    int64_t size[MEDROI_MAX_AXES];
    int32_t n = 0;
    for (int32_t i = 0; i < block->ndim; i++)
        if (block->shape[i] != 1)
            size[n++] = block->shape[i];
    medroi_p3_volume v = {1, 1, 1, 0, 0, 2};
    if (n >= 1)
        v.width = size[n - 1];
    if (n >= 2)
        v.height = size[n - 2];
    for (int32_t i = 0; i + 2 < n; i++)
        v.depth *= size[i];
    if (n >= 4)
        v.lag = size[n - 3];
    v.row = v.width + 4;
    v.slice = v.row * (v.height + 3);
    return v;
}

void medroi_p3_margin_top(const medroi_p3_volume *v, int32_t *voxels, int64_t z) {
    int32_t *row = voxels + medroi_p3_origin(v, z) - 2;
    const int32_t *source = z > 0 ? row - v->slice : row;
    for (int64_t x = 0; x < v->row; x++) {
        int32_t value = z > 0 ? source[x] : 0;
        row[x - v->row] = row[x - 2 * v->row] = value;
    }
}

void medroi_p3_margin_left(const medroi_p3_volume *v, int32_t *row) {
    row[-1] = row[-2] = row[-v->row];
}

void medroi_p3_margin_right(const medroi_p3_volume *v, int32_t *row, int64_t y) {
    row[v->width] = row[v->width + 1] = row[v->width - 1];
    if (y + 1 == v->height)
        memcpy(row + v->row - 2, row - 2, (size_t)v->row * sizeof *row);
}

void medroi_p3_margins(const medroi_p3_volume *v, int32_t *voxels) {
    for (int64_t z = 0; z < v->depth; z++) {
        medroi_p3_margin_top(v, voxels, z);
        for (int64_t y = 0; y < v->height; y++) {
            int32_t *row = voxels + medroi_p3_origin(v, z) + y * v->row;
            medroi_p3_margin_left(v, row);
            medroi_p3_margin_right(v, row, y);
        }
    }
}

void medroi_p3_write_weights(medroi_p3_part *p) {
    medroi_number_model limit, weight;
    medroi_number_init(&limit);
    medroi_number_init(&weight);
    for (int kind = 0; kind < P3_KINDS; kind++) {
        int32_t n = p->weights.n_classes[kind];
        medroi_number_encode(&p->enc, &p->put, &limit, (uint64_t)n);
        for (int32_t i = 0; i + 1 < n; i++)
            medroi_number_encode(&p->enc, &p->put, &limit, p->weights.limit[kind][i]);
        for (int32_t i = 0; i < n; i++)
            for (int j = 1; j < P3_TAPS; j++) {
                int32_t w = p->weights.weight[kind][i][j];
                uint64_t u = w < 0 ? (uint64_t)(-2 * w) - 1 : (uint64_t)(2 * w);
                medroi_number_encode(&p->enc, &p->put, &weight, u);
            }
        for (int32_t i = n > 0 ? n - 1 : 0; i < P3_MAX_CLASSES - 1; i++)
            p->weights.limit[kind][i] = UINT32_MAX;
    }
}

medroi_status medroi_p3_read_weights(medroi_p3_part *p, medroi_error *error) {
    medroi_number_model limit, weight;
    medroi_number_init(&limit);
    medroi_number_init(&weight);
    for (int kind = 0; kind < P3_KINDS; kind++) {
        uint64_t n = medroi_number_decode(&p->dec, &p->get, &limit);
        if (n > P3_MAX_CLASSES)
            return medroi_p3_corrupt(error, "there are more than 8 classes of weights");
        for (int i = 0; i < P3_MAX_CLASSES - 1; i++)
            p->weights.limit[kind][i] = UINT32_MAX;
        for (uint64_t i = 0; i + 1 < n; i++)
            p->weights.limit[kind][i] = (uint32_t)medroi_number_decode(&p->dec, &p->get, &limit);
        for (uint64_t i = 0; i < n; i++) {
            int32_t rest = 1 << P3_WEIGHT_BITS;
            for (int j = 1; j < P3_TAPS; j++) {
                uint64_t u = medroi_number_decode(&p->dec, &p->get, &weight) & 0xFFFF;
                int32_t w = u & 1 ? -(int32_t)((u + 1) >> 1) : (int32_t)(u >> 1);
                p->weights.weight[kind][i][j] = w;
                rest -= w;
            }
            p->weights.weight[kind][i][0] = rest;
        }
    }
    return MEDROI_OK;
}
