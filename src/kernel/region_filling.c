/* Whether an array is still being filled: slices or blocks of it were not written yet.
 *
 * What was not written holds one value, the fill value, in planes or in blocks with flat faces. A
 * scan that was complete and noisy has no constant plane. It may well have constant parts, where a
 * face was removed or a gradient correction left corners, but these have no square corners: so a
 * corner is looked for, a cube of one value (8 voxels along each axis, or the whole of a shorter
 * one) with other values behind its three faces. Every finite union of blocks has one, since its
 * outermost block has. A cube is found where a sampled row, one of 64, holds a run of one value,
 * and is then moved as far as it goes in each of the eight directions.
 *
 * In a chunk that is not complete, nothing may be dropped: the last write decides, once. */
#include "layout.h"
#include "region_auto.h"

#include <string.h>

#define EDGE 8
#define MIN_PLANE 16    /* elements; fewer may be equal by chance */
#define FACE_SHARE 0.75 /* of what noise would show behind a face */
#define MIN_FACES 2     /* inside the volume; with one, planes are constant */

static uint64_t bits_at(const uint8_t *element, size_t nbytes) {
    uint64_t bits = 0;
    memcpy(&bits, element, nbytes < 8 ? nbytes : 8);
    return bits;
}

/* --- planes --------------------------------------------------------------------------------- */

/* Whether all elements at `place` along `axis` are equal. */
static int plane_is_constant(const medroi_layout *layout, const int64_t *strides,
                             const uint8_t *data, int32_t axis, int64_t place) {
    int64_t index[MEDROI_MAX_AXES] = {0};
    const uint8_t *first = data + place * strides[axis];
    const uint8_t *element = first;
    uint64_t bits = bits_at(first, layout->itemsize);
    for (;;) {
        int32_t k = layout->ndim - 1;
        if (bits_at(element, layout->itemsize) != bits) {
            return 0;
        }
        for (; k >= 0; k--) {
            if (k == axis) {
                continue;
            }
            element += strides[k];
            if (++index[k] < layout->shape[k]) {
                break;
            }
            element -= strides[k] * layout->shape[k];
            index[k] = 0;
        }
        if (k < 0) {
            return 1;
        }
    }
}

static int has_constant_plane(const medroi_layout *layout, const uint8_t *data) {
    int64_t strides[MEDROI_MAX_AXES];
    int64_t n_elements = 1;
    medroi_strides(layout, strides);
    for (int32_t axis = 0; axis < layout->ndim; axis++) {
        n_elements *= layout->shape[axis];
    }
    for (int32_t axis = 0; axis < layout->ndim; axis++) {
        if (layout->shape[axis] < 2 || n_elements / layout->shape[axis] < MIN_PLANE) {
            continue;
        }
        for (int64_t place = 0; place < layout->shape[axis]; place++) {
            if (plane_is_constant(layout, strides, data, axis, place)) {
                return 1;
            }
        }
    }
    return 0;
}

/* --- blocks --------------------------------------------------------------------------------- */

/* One repeat of the volume, and the cube that is moved through it. Axes are z, y, x. */
typedef struct volume {
    const uint8_t *data;
    size_t nbytes; /* of one element */
    int64_t size[3];
    int64_t stride[3]; /* bytes */
    int64_t edge[3];
    double air_share; /* of noise that is not background */
    uint64_t background;
} volume;

static uint64_t value_at(const volume *v, int64_t z, int64_t y, int64_t x) {
    return bits_at(v->data + z * v->stride[0] + y * v->stride[1] + x * v->stride[2], v->nbytes);
}

/* Elements of a box that differ from `value`; counting ends above `limit`. */
static int64_t count_others(const volume *v, const int64_t start[3], const int64_t n[3],
                            uint64_t value, int64_t limit) {
    int64_t found = 0;
    for (int64_t z = 0; z < n[0]; z++) {
        for (int64_t y = 0; y < n[1]; y++) {
            for (int64_t x = 0; x < n[2]; x++) {
                found += value_at(v, start[0] + z, start[1] + y, start[2] + x) != value;
            }
            if (found > limit) {
                return found;
            }
        }
    }
    return found;
}

static int is_constant(const volume *v, const int64_t start[3], const int64_t n[3],
                       uint64_t value) {
    return count_others(v, start, n, value, 0) == 0;
}

/* Widen a box of one value along `axis` around where it is, up to the edge of the cube. */
static int widen_to_edge(const volume *v, int64_t start[3], int64_t n[3], int axis,
                         uint64_t value) {
    for (int step = -1; step <= 1; step += 2) {
        while (n[axis] < v->edge[axis]) {
            int64_t layer[3] = {start[0], start[1], start[2]};
            int64_t layer_n[3] = {n[0], n[1], n[2]};
            layer[axis] = step < 0 ? start[axis] - 1 : start[axis] + n[axis];
            layer_n[axis] = 1;
            if (layer[axis] < 0 || layer[axis] >= v->size[axis] ||
                !is_constant(v, layer, layer_n, value)) {
                break;
            }
            start[axis] -= step < 0;
            n[axis]++;
        }
    }
    return n[axis] == v->edge[axis];
}

/* The layer behind one face of the cube; 0 where the volume ends there. */
static int layer_behind(const volume *v, const int64_t cube[3], int axis, int step,
                        int64_t layer[3], int64_t n[3]) {
    memcpy(layer, cube, 3 * sizeof *layer);
    memcpy(n, v->edge, 3 * sizeof *n);
    n[axis] = 1;
    layer[axis] = step < 0 ? cube[axis] - 1 : cube[axis] + v->edge[axis];
    return layer[axis] >= 0 && layer[axis] < v->size[axis];
}

/* Move the cube until it is stuck along all three axes; whether it then stands in a corner. */
static int leads_to_corner(const volume *v, const int64_t from[3], const int steps[3],
                           uint64_t value) {
    int64_t cube[3] = {from[0], from[1], from[2]};
    int64_t layer[3];
    int64_t n[3];
    int n_faces = 0;
    for (int moved = 1; moved;) {
        moved = 0;
        for (int axis = 0; axis < 3; axis++) {
            while (layer_behind(v, cube, axis, steps[axis], layer, n) &&
                   is_constant(v, layer, n, value)) {
                cube[axis] += steps[axis];
                moved = 1;
            }
        }
    }
    double share = FACE_SHARE * (value == v->background ? v->air_share : 1);
    for (int axis = 0; axis < 3; axis++) {
        if (layer_behind(v, cube, axis, steps[axis], layer, n)) {
            int64_t n_layer = n[0] * n[1] * n[2];
            if ((double)count_others(v, layer, n, value, n_layer) < share * (double)n_layer) {
                return 0;
            }
            n_faces++;
        }
    }
    return n_faces >= MIN_FACES;
}

/* Whether a run of one value is part of a cube from which a corner can be reached. */
static int run_has_corner(const volume *v, int64_t z, int64_t y, int64_t x, int *is_cube) {
    int64_t start[3] = {z, y, x};
    int64_t n[3] = {1, 1, v->edge[2]};
    uint64_t value = value_at(v, z, y, x);
    *is_cube = widen_to_edge(v, start, n, 1, value) && widen_to_edge(v, start, n, 0, value);
    for (int i = 0; *is_cube && i < 8; i++) {
        const int steps[3] = {i & 4 ? 1 : -1, i & 2 ? 1 : -1, i & 1 ? 1 : -1};
        if (leads_to_corner(v, start, steps, value)) {
            return 1;
        }
    }
    return 0;
}

static int row_has_corner(const volume *v, int64_t z, int64_t y) {
    int64_t x = 0;
    while (x + v->edge[2] <= v->size[2]) {
        uint64_t value = value_at(v, z, y, x);
        int64_t n = 1;
        while (n < v->edge[2] && value_at(v, z, y, x + n) == value) {
            n++;
        }
        int is_cube = 0;
        if (n < v->edge[2]) {
            x += n;
        } else if (run_has_corner(v, z, y, x, &is_cube)) {
            return 1;
        } else {
            x += is_cube ? n : 1;
        }
    }
    return 0;
}

static int volume_has_corner(const volume *v) {
    for (int64_t z = v->edge[0] - 1; z < v->size[0]; z += v->edge[0]) {
        for (int64_t y = v->edge[1] - 1; y < v->size[1]; y += v->edge[1]) {
            if (row_has_corner(v, z, y)) {
                return 1;
            }
        }
    }
    return 0;
}

static int64_t edge_along(int64_t size) { return size < EDGE ? size : EDGE; }

int medroi_is_being_filled(const medroi_layout *layout, const medroi_grid *grid, const void *data,
                           uint64_t background, double air_share) {
    if (has_constant_plane(layout, data)) {
        return 1;
    }
    int64_t nbytes = layout->itemsize;
    volume v = {.nbytes = layout->itemsize,
                .size = {grid->n_z, grid->n_y, grid->n_x},
                .stride = {grid->z_stride * nbytes, grid->y_stride * nbytes, grid->inner * nbytes},
                .edge = {edge_along(grid->n_z), edge_along(grid->n_y), edge_along(grid->n_x)},
                .air_share = air_share,
                .background = background};
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        for (int64_t i = 0; i < grid->inner; i++) {
            v.data = (const uint8_t *)data + (medroi_repeat_offset(grid, repeat) + i) * nbytes;
            if (volume_has_corner(&v)) {
                return 1;
            }
        }
    }
    return 0;
}
