/* Whether an array is still being written: slices or blocks of it were not written yet.
 *
 * What was not written holds one value, the fill value, in planes or in blocks with flat sides. A
 * scan that was complete and noisy has no constant plane. It may well have constant parts, where a
 * face was removed or a gradient correction left corners, but these have no square corners: so a
 * corner is looked for, a cube of one value (8 voxels along each axis, or the whole of a shorter
 * one) with other values behind its three sides. Every finite union of blocks has one, since its
 * outermost block has. A cube is found where a sampled row, one of 64, holds a run of one value,
 * and is then moved as far as it goes in each of the eight directions. Blocks that are thinner
 * along the outermost axis in memory, as tiles of a slice are, are looked for as plates with other
 * values on both sides, 16 voxels along the other axes or an eighth of them (a quarter, of 192 and
 * more). In arrays of up to 2^19 voxels every place is looked at, and any 16 voxels of one value in
 * a tile (4 x 4 x 1) or a post (4 x 2 x 2) count as not written; larger arrays may have rests of
 * blocks, thinner than 8 voxels along an inner axis, that are not seen.
 *
 * In a chunk that is not complete, nothing may be dropped: the last write decides, once. */
#include "base/layout.h"
#include "base/lesser.h"
#include "region/auto.h"

#include <string.h>

#define EDGE 8
#define PLATE_EDGE 16
#define WIDE 192
#define MIN_PLANE 16       /* elements; fewer may be equal by chance */
#define SIDE_SHARE 0.75    /* of what noise would show behind a side */
#define TILE_SIZE 16       /* elements */
#define TILE_SHARE 0.3     /* of noise that has its most frequent value */
#define MAX_TILED 524288.0 /* voxels */
#define MAX_CHANCE 0.01
#define SIDE_STEP 16
#define N_AHEAD 8   /* rows */
#define MIN_SIDES 2 /* inside the volume; with one, planes are constant */

/* The bytes of an element as one number; loads of a known size, which compilers inline. */
static inline uint64_t bits_at(const uint8_t *element, size_t nbytes) {
    uint64_t bits;
    switch (nbytes) {
    case 1:
        return *element;
    case 2: {
        uint16_t word;
        memcpy(&word, element, 2);
        return word;
    }
    case 4: {
        uint32_t word;
        memcpy(&word, element, 4);
        return word;
    }
    default:
        memcpy(&bits, element, 8);
        return bits;
    }
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
    int plates; /* 1: look for what is thinner along z than a cube */
    const medroi_layout *layout;
    double tau; /* values from here on are tissue */
    int dark;
    int swap;         /* elements are not in native byte order */
    double air_share; /* of noise that is not background */
    uint64_t background;
} volume;

static const uint8_t *place_at(const volume *v, int64_t z, int64_t y, int64_t x) {
    return v->data + z * v->stride[0] + y * v->stride[1] + x * v->stride[2];
}

static uint64_t value_at(const volume *v, int64_t z, int64_t y, int64_t x) {
    return bits_at(place_at(v, z, y, x), v->nbytes);
}

/* Elements of one row in sixteen of a side of the volume that are background; whether most are. */
static int side_is_constant(const volume *v, int axis, int64_t place) {
    int a = axis == 0 ? 1 : 0;
    int b = axis == 2 ? 1 : 2;
    int64_t n_seen = 0;
    int64_t n_same = 0;
    int64_t index[3];
    index[axis] = place;
    for (index[a] = 0; index[a] < v->size[a]; index[a] += SIDE_STEP) {
        for (index[b] = 0; index[b] < v->size[b]; index[b]++) {
            n_same += value_at(v, index[0], index[1], index[2]) == v->background;
            n_seen++;
        }
    }
    return n_seen >= MIN_PLANE && 2 * n_same > n_seen;
}

/* A side that is mostly background: what is behind a block that was not written would not stand
 * out there. */
static int has_constant_side(const volume *v) {
    for (int axis = 0; axis < 3; axis++) {
        if (v->size[axis] > 1 &&
            (side_is_constant(v, axis, 0) || side_is_constant(v, axis, v->size[axis] - 1))) {
            return 1;
        }
    }
    return 0;
}

/* Elements of a run, `stride` bytes apart, that differ from `value`. */
#define COUNT_RUN(name, word)                                                                      \
    static inline int64_t name(const uint8_t *run, int64_t stride, int64_t n, uint64_t value) {    \
        int64_t found = 0;                                                                         \
        for (int64_t i = 0; i < n; i++) {                                                          \
            word bits;                                                                             \
            memcpy(&bits, run + i * stride, sizeof bits);                                          \
            found += bits != (word)value;                                                          \
        }                                                                                          \
        return found;                                                                              \
    }
COUNT_RUN(count_run_1, uint8_t)
COUNT_RUN(count_run_2, uint16_t)
COUNT_RUN(count_run_4, uint32_t)
COUNT_RUN(count_run_8, uint64_t)

static int64_t count_run(const volume *v, const uint8_t *run, int64_t n, uint64_t value) {
    int64_t stride = v->stride[2];
    switch (v->nbytes) {
    case 1:
        return count_run_1(run, stride, n, value);
    case 2:
        return count_run_2(run, stride, n, value);
    case 4:
        return count_run_4(run, stride, n, value);
    default:
        return count_run_8(run, stride, n, value);
    }
}

/* Elements of a box that differ from `value`; counting ends above `limit`. */
static int64_t count_others(const volume *v, const int64_t start[3], const int64_t n[3],
                            uint64_t value, int64_t limit) {
    int64_t found = 0;
    for (int64_t z = 0; z < n[0]; z++) {
        for (int64_t y = 0; y < n[1]; y++) {
            found += count_run(v, place_at(v, start[0] + z, start[1] + y, start[2]), n[2], value);
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

/* The layer behind one side of the cube; 0 where the volume ends there. */
static int layer_behind(const volume *v, const int64_t cube[3], int axis, int step,
                        int64_t layer[3], int64_t n[3]) {
    memcpy(layer, cube, 3 * sizeof *layer);
    memcpy(n, v->edge, 3 * sizeof *n);
    n[axis] = 1;
    layer[axis] = step < 0 ? cube[axis] - 1 : cube[axis] + v->edge[axis];
    return layer[axis] >= 0 && layer[axis] < v->size[axis];
}

/* Voxels behind a side of the cube: none, the same value, or others, as noise has them. */
enum { SIDE_OUTSIDE, SIDE_SAME, SIDE_OTHERS };

static int look_behind(const volume *v, const int64_t cube[3], int axis, int step, uint64_t value) {
    int64_t layer[3];
    int64_t n[3];
    if (!layer_behind(v, cube, axis, step, layer, n)) {
        return SIDE_OUTSIDE;
    }
    double share = SIDE_SHARE * (value == v->background ? v->air_share : 1);
    int64_t n_layer = n[0] * n[1] * n[2];
    double n_others = (double)count_others(v, layer, n, value, n_layer);
    return n_others < share * (double)n_layer ? SIDE_SAME : SIDE_OTHERS;
}

/* Move the cube along the axes from `first` on until it is stuck; whether it is in a corner then.
 */
static int leads_to_corner(const volume *v, const int64_t from[3], int first, const int steps[3],
                           uint64_t value) {
    int64_t cube[3] = {from[0], from[1], from[2]};
    int64_t layer[3];
    int64_t n[3];
    int n_sides = 0;
    for (int moved = 1; moved;) {
        moved = 0;
        for (int axis = first; axis < 3; axis++) {
            while (layer_behind(v, cube, axis, steps[axis], layer, n) &&
                   is_constant(v, layer, n, value)) {
                cube[axis] += steps[axis];
                moved = 1;
            }
        }
    }
    for (int axis = 0; axis < 3; axis++) {
        int behind = look_behind(v, cube, axis, steps[axis], value);
        if (axis < first && behind != SIDE_SAME) {
            int before = look_behind(v, cube, axis, -steps[axis], value);
            behind = before == SIDE_OUTSIDE ? behind : before;
        }
        if (behind == SIDE_SAME) {
            return 0;
        }
        n_sides += behind == SIDE_OTHERS;
    }
    return n_sides >= MIN_SIDES;
}

static int has_corner_from(const volume *v, const int64_t from[3], int first, uint64_t value) {
    for (int i = 0; i < (first ? 4 : 8); i++) {
        const int steps[3] = {i & 4 ? 1 : -1, i & 2 ? 1 : -1, i & 1 ? 1 : -1};
        if (leads_to_corner(v, from, first, steps, value)) {
            return 1;
        }
    }
    return 0;
}

/* A constant value that is tissue, a saturated one or a burnt-in label, is no fill value. */
static int is_tissue(const volume *v, uint64_t bits) {
    if (v->swap) {
        uint64_t turned = 0;
        for (size_t i = 0; i < v->nbytes; i++) {
            turned = turned << 8 | (bits >> 8 * i & 255);
        }
        bits = turned;
    }
    medroi_element_type type = medroi_element_type_of(v->layout);
    double value = medroi_scalar_to_double(type, medroi_scalar_from_bits(v->layout, bits));
    return v->dark ? value <= v->tau : value >= v->tau;
}

/* Whether a run of one value is part of a cube, or of a plate thinner than that, from which a
 * corner can be reached. */
static int run_has_corner(const volume *v, int64_t z, int64_t y, int64_t x, int *is_cube) {
    volume moved = *v;
    int64_t start[3] = {z, y, x};
    int64_t n[3] = {1, 1, v->edge[2]};
    uint64_t value = value_at(v, z, y, x);
    *is_cube = !is_tissue(v, value) && widen_to_edge(v, start, n, 1, value);
    if (!*is_cube) {
        return 0;
    }
    int whole = widen_to_edge(v, start, n, 0, value);
    moved.edge[0] = n[0];
    return whole != v->plates && has_corner_from(&moved, start, v->plates, value);
}

/* A run as long as the cube's edge holds every edge-th place and one beside it. */
static int row_has_corner(const volume *v, int64_t z, int64_t y) {
    const int64_t edge = v->edge[2];
    const int64_t size = v->size[2];
    int64_t known = 0; /* runs before this place were looked at */
    for (int64_t probe = edge - 1; probe < size; probe += edge) {
        uint64_t value = value_at(v, z, y, probe);
        int64_t start = probe;
        int64_t stop = probe + 1;
        int alone = (probe == 0 || value_at(v, z, y, probe - 1) != value) &&
                    (probe + 1 == size || value_at(v, z, y, probe + 1) != value);
        if (probe < known || (alone && edge > 1)) {
            continue;
        }
        while (start > known && value_at(v, z, y, start - 1) == value) {
            start--;
        }
        while (stop < size && value_at(v, z, y, stop) == value) {
            stop++;
        }
        for (int64_t x = start; x + edge <= stop;) {
            int is_cube = 0;
            if (run_has_corner(v, z, y, x, &is_cube)) {
                return 1;
            }
            x += is_cube ? edge : 1;
        }
        known = stop;
    }
    return 0;
}

/* Rows lie far apart in memory: what is looked at soon is asked for now. */
static void prefetch_row(const volume *v, int64_t z, int64_t y) {
#if defined(__GNUC__)
    for (int64_t x = v->edge[2] - 1; x < v->size[2]; x += v->edge[2]) {
        __builtin_prefetch(place_at(v, z, y, x));
    }
#else
    (void)v;
    (void)z;
    (void)y;
#endif
}

static int volume_has_corner(const volume *v, int64_t z_step) {
    int64_t n_y = v->size[1] / v->edge[1];
    int64_t n_rows = v->size[0] / z_step * n_y;
    for (int64_t k = 0; k < n_rows; k++) {
        int64_t ahead = k + N_AHEAD;
        if (ahead < n_rows) {
            prefetch_row(v, z_step - 1 + ahead / n_y * z_step, (ahead % n_y + 1) * v->edge[1] - 1);
        }
        if (row_has_corner(v, z_step - 1 + k / n_y * z_step, (k % n_y + 1) * v->edge[1] - 1)) {
            return 1;
        }
    }
    return 0;
}

static int has_blocks(volume *v) {
    v->plates = 0;
    for (int i = 0; i < 3; i++) {
        v->edge[i] = medroi_lesser(v->size[i], EDGE);
    }
    return volume_has_corner(v, v->edge[0]);
}

static int64_t plate_edge(int64_t size) {
    int64_t edge = size / (size < WIDE ? 8 : 4);
    return medroi_lesser(size, edge > PLATE_EDGE ? edge : PLATE_EDGE);
}

/* Blocks thinner than a cube along z, but longer along the other axes. */
static int has_plates(volume *v) {
    v->plates = 1;
    v->edge[0] = medroi_lesser(v->size[0], EDGE);
    v->edge[1] = plate_edge(v->size[1]);
    v->edge[2] = plate_edge(v->size[2]);
    return v->size[0] > 1 && volume_has_corner(v, 1);
}

/* Shapes of TILE_SIZE elements: flat tiles for thin slabs, posts for the rests at edges. */
static const int64_t tiles[][3] = {{4, 4, 1}, {4, 1, 4}, {1, 4, 4},
                                   {4, 2, 2}, {2, 4, 2}, {2, 2, 4}};

/* Whether a tile of any shape that begins here holds one value. */
static int tile_is_constant(const volume *v, int64_t z, int64_t y, int64_t x) {
    const int64_t start[3] = {z, y, x};
    uint64_t value = value_at(v, z, y, x);
    for (size_t k = 0; k < sizeof tiles / sizeof tiles[0]; k++) {
        int fits = 1;
        for (int i = 0; i < 3; i++) {
            fits = fits && start[i] + tiles[k][i] <= v->size[i];
        }
        if (fits && is_constant(v, start, tiles[k], value) && !is_tissue(v, value)) {
            return 1;
        }
    }
    return 0;
}

/* In noise even a small tile never holds one value: what does may not be written yet. Of small
 * arrays alone, where every place can be looked at. */
static int has_tiles(const volume *v) {
    double n_places = (double)(v->size[0] * v->size[1] * v->size[2]);
    double share = 1 - v->air_share > TILE_SHARE ? 1 - v->air_share : TILE_SHARE;
    double chance = n_places;
    for (int i = 0; i < TILE_SIZE; i++) {
        chance *= share;
    }
    if (n_places > MAX_TILED) {
        return 0;
    }
    if (chance > MAX_CHANCE) {
        return 1; /* so much of the air is background that nobody can tell */
    }
    for (int64_t z = 0; z < v->size[0]; z++) {
        for (int64_t y = 0; y < v->size[1]; y++) {
            for (int64_t x = 0; x < v->size[2]; x++) {
                if (tile_is_constant(v, z, y, x)) {
                    return 1;
                }
            }
        }
    }
    return 0;
}

int medroi_is_being_written(const medroi_layout *layout, const medroi_search *search,
                            const void *data, uint64_t background, double air_share) {
    const medroi_grid *grid = &search->grid;
    if (has_constant_plane(layout, data)) {
        return 1;
    }
    int64_t nbytes = layout->itemsize;
    volume v = {.nbytes = layout->itemsize,
                .size = {grid->n_z, grid->n_y, grid->n_x},
                .stride = {grid->z_stride * nbytes, grid->y_stride * nbytes, grid->inner * nbytes},
                .layout = layout,
                .tau = search->tau.value,
                .dark = search->options->dark,
                .swap = search->source.swap,
                .air_share = air_share,
                .background = background};
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        for (int64_t i = 0; i < grid->inner; i++) {
            v.data = (const uint8_t *)data + (medroi_repeat_offset(grid, repeat) + i) * nbytes;
            if (has_constant_side(&v) || has_blocks(&v) || has_plates(&v) || has_tiles(&v)) {
                return 1;
            }
        }
    }
    return 0;
}
