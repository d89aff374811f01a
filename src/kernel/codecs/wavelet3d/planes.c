/* wavelet3d, second version: surroundings of the coefficients, a row at a time.
 *
 * The size of a coefficient shows in those around it: in its row, the rows and slices before, at
 * the same place in the bands of its level that are already coded, and one level up. All
 * but the two before it in the row are known when the row begins, so their sums are made for a
 * whole row in loops that run in vectors. The expected magnitude is a weighted sum of them; the
 * weights were fitted to scans of several kinds, one set for each type of band.
 */
#include "codecs/wavelet3d/planes.h"
#include "codecs/wavelet3d/mixed_tables.h"

#include <stdlib.h>
#include <string.h>

static int plane_open(medroi_w3_plane *p, const medroi_w3_band *b) {
    p->band = b;
    p->row = b->size[3] + 4;
    p->slice = p->row * (b->size[2] + 3);
    p->lag = b->size[0] > 1 && b->size[1] > 1 ? b->size[1] : 2;
    int64_t n = p->slice * (b->size[0] * b->size[1] + p->lag + 1);
    p->memory = calloc((size_t)n, 3);
    if (!p->memory)
        return 0;
    int64_t first = p->lag * p->slice + 2 * p->row + 2;
    p->magnitude = (uint16_t *)p->memory + first;
    p->sign = (uint8_t *)p->memory + 2 * n + first;
    return 1;
}

static int view_open(medroi_w3_view *v, int64_t width) {
    size_t room = (size_t)width + 8;
    v->memory = malloc(room * (sizeof(int32_t) + (W3_VIEWS + 1) * sizeof(uint16_t)));
    if (!v->memory)
        return 0;
    v->expected = v->memory;
    v->ring = (uint16_t *)(v->expected + room);
    for (int i = 0; i < W3_VIEWS; i++)
        v->of[i] = v->ring + (size_t)(i + 1) * room;
    return 1;
}

medroi_status medroi_w3_planes_open(medroi_w3_planes *planes, const medroi_w3_shape *shape,
                                    const medroi_w3_header *header, medroi_error *error) {
    memset(planes, 0, sizeof *planes);
    medroi_w3_strides(shape, planes->stride);
    int n = medroi_w3_place_bands(shape, header, planes->band), first = 0;
    for (int i = 0; i < n; i++) {
        medroi_w3_plane *p = &planes->plane[i];
        const medroi_w3_band *b = &planes->band[i];
        if (!plane_open(p, b)) {
            medroi_w3_planes_close(planes);
            return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the subbands");
        }
        planes->n = i + 1;
        p->type = (b->high >> 3 & 1) << 2 | (b->high >> 2 & 1) << 1 | ((b->high & 3) != 0);
        p->fineness = b->level < W3_FINENESS ? b->level : W3_FINENESS - 1;
        p->parent = b->parent ? &planes->plane[b->parent - planes->band] : NULL;
        first = i > 0 && planes->band[i - 1].level == b->level && planes->band[i - 1].high > 0
                    ? first
                    : i;
        for (int k = first; k < i; k++)
            p->sibling[p->n_siblings++] = &planes->plane[k];
    }
    if (!view_open(&planes->view, shape->size[3])) {
        medroi_w3_planes_close(planes);
        return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for a row");
    }
    return MEDROI_OK;
}

void medroi_w3_planes_close(medroi_w3_planes *planes) {
    for (int i = 0; i < planes->n; i++)
        free(planes->plane[i].memory);
    free(planes->view.memory);
    planes->n = 0;
    planes->view.memory = NULL;
}

static void look_up(medroi_w3_view *v, const medroi_w3_plane *p, int64_t t, int64_t z, int64_t y) {
    const medroi_w3_plane *up = p->parent;
    uint16_t *here = v->of[W3_PARENT], *beside = v->of[W3_PARENT_BESIDE];
    const int64_t width = p->band->size[3];
    v->parent_sign = NULL;
    if (!up) {
        memset(here, 0, (size_t)width * sizeof *here);
        memset(beside, 0, (size_t)width * sizeof *beside);
        return;
    }
    int64_t at[3] = {t >> p->band->halved[0], z >> p->band->halved[1], y >> p->band->halved[2]};
    for (int a = 0; a < 3; a++)
        at[a] = at[a] < up->band->size[a] ? at[a] : up->band->size[a] - 1;
    const int64_t from = medroi_w3_plane_row(up, at[0], at[1], at[2]), up_width = up->band->size[3];
    const int64_t row = up->row, slice = up->slice;
    const uint16_t *m = up->magnitude + from;
    v->parent_sign = up->sign + from;
    for (int64_t x = 0; x < up_width; x++)
        v->ring[x] =
            (uint16_t)(m[x - 1] + m[x + 1] + m[x - row] + m[x + row] + m[x - slice] + m[x + slice]);
    for (int64_t x = 0; x < width; x++) {
        int64_t i = x >> p->band->halved[3];
        i = i < up_width ? i : up_width - 1;
        here[x] = m[i];
        beside[x] = v->ring[i];
    }
}

static void look_beside(medroi_w3_view *v, const medroi_w3_plane *p, int64_t t, int64_t z,
                        int64_t y) {
    uint16_t *here = v->of[W3_SIBLINGS], *beside = v->of[W3_SIBLINGS_BESIDE];
    const int64_t width = p->band->size[3];
    memset(here, 0, (size_t)width * sizeof *here);
    memset(beside, 0, (size_t)width * sizeof *beside);
    memset(v->sibling_sign, 0, sizeof v->sibling_sign);
    for (int k = 0; k < p->n_siblings; k++) {
        const medroi_w3_plane *other = p->sibling[k];
        if (t >= other->band->size[0] || z >= other->band->size[1] || y >= other->band->size[2])
            continue;
        const int64_t from = medroi_w3_plane_row(other, t, z, y), row = other->row;
        const int64_t n = width < other->band->size[3] ? width : other->band->size[3];
        const uint16_t *m = other->magnitude + from;
        for (int64_t x = 0; x < n; x++) {
            here[x] = (uint16_t)(here[x] + m[x]);
            beside[x] = (uint16_t)(beside[x] + m[x - 1] + m[x + 1] + m[x - row] + m[x + row]);
        }
        if (p->n_siblings - k <= 3)
            v->sibling_sign[p->n_siblings - k - 1] = other->sign + from;
    }
}

W3_CLONES
static void look_around(medroi_w3_view *v, const medroi_w3_plane *p, const uint16_t *m) {
    const int64_t width = p->band->size[3], row = p->row;
    const uint16_t *n = m - row, *f = m - p->slice, *s = m - p->lag * p->slice;
    const int16_t *weight = medroi_w3_weights[p->type][p->fineness > 0];
    uint16_t **of = v->of;
    v->left = weight;
    for (int64_t x = 0; x < width; x++) {
        of[W3_ABOVE][x] = n[x];
        of[W3_ABOVE_BESIDE][x] = (uint16_t)(n[x - 1] + n[x + 1]);
        of[W3_ABOVE_TWO][x] = n[x - row];
        of[W3_FRONT][x] = f[x];
        of[W3_FRONT_X][x] = (uint16_t)(f[x - 1] + f[x + 1]);
        of[W3_FRONT_Y][x] = (uint16_t)(f[x - row] + f[x + row]);
        of[W3_FRONT_DIAGONAL][x] =
            (uint16_t)(f[x - row - 1] + f[x - row + 1] + f[x + row - 1] + f[x + row + 1]);
        of[W3_SECOND][x] = s[x];
        of[W3_SECOND_BESIDE][x] = (uint16_t)(s[x - 1] + s[x + 1] + s[x - row] + s[x + row]);
    }
    for (int64_t x = 0; x < width; x++) {
        int32_t expected = 0;
        for (int i = 0; i < W3_VIEWS; i++)
            expected += weight[2 + i] * of[i][x];
        v->expected[x] = expected;
    }
}

void medroi_w3_look(medroi_w3_view *view, const medroi_w3_plane *plane, int64_t t, int64_t z,
                    int64_t y) {
    look_up(view, plane, t, z, y);
    look_beside(view, plane, t, z, y);
    look_around(view, plane, plane->magnitude + medroi_w3_plane_row(plane, t, z, y));
}
