/* wavelet3d: what a part holds where decoding sets elements back to the background.
 *
 * Nobody sees these elements, so they may be whatever costs least. A constant ends in an edge all
 * around the region, which costs many coefficients; a smooth continuation of the region costs few.
 * It is made from coarse to fine, as in a multigrid solver: means of those neighbours that are
 * known, of means of these, and so on, until all is known; back on each finer level an unknown
 * element begins as the mean that it lies in, and moves a few times to the mean of its neighbours.
 * Where an axis changes faster than the others do, as across thick slices, the finest levels leave
 * it alone.
 */
#include "codecs/wavelet3d/wavelet3d.h"

#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#define MOST_LEVELS 40 /* an axis that begins late, and has up to 2^32 elements */
#define MOVES 4
#define MOST_DELAY 3
#define FASTER                                                                                     \
    1.5 /* than the slowest axis: an axis begins a level later for every doubling above */

typedef struct level {
    medroi_w3_shape shape;
    uint8_t halved[W3_AXES]; /* axes along which the next level has half the elements */
    float *value, *moved;    /* and room for as many */
    uint8_t *known;
} level;

static void level_close(level *l) {
    free(l->moved);
    free(l->value);
    free(l->known);
    l->moved = l->value = NULL;
    l->known = NULL;
}

static int level_open(level *l) {
    size_t n = (size_t)medroi_w3_count(&l->shape);
    l->value = malloc(n * sizeof *l->value);
    l->moved = malloc(n * sizeof *l->moved);
    l->known = malloc(n);
    return l->value && l->moved && l->known;
}

/* Mean size of the difference between known neighbours along an axis; 0 without any. */
static double change_along(const level *l, int axis) {
    int64_t stride[W3_AXES], n_pairs = 0;
    const int64_t *size = l->shape.size;
    double sum = 0.0;
    medroi_w3_strides(&l->shape, stride);
    int64_t outer = medroi_w3_count(&l->shape) / (stride[axis] * size[axis]);
    for (int64_t i = 0; i < outer; i++)
        for (int64_t k = 0; k + 1 < size[axis]; k++) {
            int64_t at = (i * size[axis] + k) * stride[axis];
            for (int64_t x = at; x < at + stride[axis]; x++)
                if (l->known[x] && l->known[x + stride[axis]]) {
                    double change = (double)l->value[x + stride[axis]] - (double)l->value[x];
                    sum += change < 0.0 ? -change : change;
                    n_pairs++;
                }
        }
    return n_pairs > 0 ? sum / (double)n_pairs : 0.0;
}

/* The level on which each axis begins to be halved. */
static void find_delays(const level *l, int delay[W3_AXES]) {
    double change[W3_AXES], least = 0.0;
    for (int a = 0; a < W3_AXES; a++) {
        change[a] = l->shape.size[a] > 1 ? change_along(l, a) : 0.0;
        if (change[a] > 0.0 && (least == 0.0 || change[a] < least))
            least = change[a];
    }
    for (int a = 0; a < W3_AXES; a++) {
        delay[a] = 0;
        for (double slow = least * FASTER; slow < change[a] && delay[a] < MOST_DELAY; slow *= 2.0)
            delay[a]++;
    }
}

/* Means of the known elements of each cell; returns whether all cells have one. */
static int make_means(const level *from, level *to) {
    int64_t stride[W3_AXES], at[W3_AXES], i = 0;
    int all = 1;
    const int64_t *size = to->shape.size;
    medroi_w3_strides(&from->shape, stride);
    for (at[0] = 0; at[0] < size[0]; at[0]++)
        for (at[1] = 0; at[1] < size[1]; at[1]++)
            for (at[2] = 0; at[2] < size[2]; at[2]++)
                for (at[3] = 0; at[3] < size[3]; at[3]++, i++) {
                    float sum = 0.0f;
                    int n = 0;
                    for (int corner = 0; corner < 1 << W3_AXES; corner++) {
                        int64_t child = 0;
                        int is_there = 1;
                        for (int a = 0; a < W3_AXES; a++) {
                            int64_t k = (at[a] << from->halved[a]) + (corner >> a & 1);
                            is_there &= k < from->shape.size[a] &&
                                        (from->halved[a] || (corner >> a & 1) == 0);
                            child += k * stride[a];
                        }
                        if (is_there && from->known[child]) {
                            sum = sum + from->value[child];
                            n++;
                        }
                    }
                    to->known[i] = n > 0;
                    to->value[i] = n > 0 ? sum / (float)n : 0.0f;
                    all &= n > 0;
                }
    return all;
}

/* Unknown elements begin as the means that they lie in. */
static void begin_with_means(level *l, const level *means) {
    int64_t stride[W3_AXES], i = 0;
    const int64_t *size = l->shape.size;
    medroi_w3_strides(&means->shape, stride);
    for (int64_t t = 0; t < size[0]; t++)
        for (int64_t z = 0; z < size[1]; z++)
            for (int64_t y = 0; y < size[2]; y++) {
                const float *row = means->value + (t >> l->halved[0]) * stride[0] +
                                   (z >> l->halved[1]) * stride[1] +
                                   (y >> l->halved[2]) * stride[2];
                for (int64_t x = 0; x < size[3]; x++, i++)
                    if (!l->known[i])
                        l->value[i] = row[x >> l->halved[3]];
            }
}

/* Move the unknown elements of a row to the mean of their neighbours along the axes that are
 * halved; those beyond the ends are the elements themselves. */
static void move_row(level *l, const int64_t stride[W3_AXES], const int64_t at[3], int64_t row) {
    const float *beside[2 * W3_AXES];
    const int64_t *size = l->shape.size, width = size[3];
    const float *v = l->value + row;
    int n = 0;
    if (memchr(l->known + row, 0, (size_t)width) == NULL)
        return;
    for (int a = 0; a < W3_AXES - 1; a++)
        if (l->halved[a]) {
            beside[n++] = at[a] > 0 ? v - stride[a] : v;
            beside[n++] = at[a] + 1 < size[a] ? v + stride[a] : v;
        }
    const float share = 1.0f / (float)(n + 2 * l->halved[3]);
    for (int64_t x = 0; x < width; x++) {
        if (l->known[row + x])
            continue;
        float sum = 0.0f;
        for (int k = 0; k < n; k++)
            sum = sum + beside[k][x];
        if (l->halved[3]) {
            sum = sum + v[x > 0 ? x - 1 : x];
            sum = sum + v[x + 1 < width ? x + 1 : x];
        }
        l->moved[row + x] = sum * share;
    }
}

static void move_unknown(level *l) {
    int64_t stride[W3_AXES], at[3];
    const int64_t *size = l->shape.size;
    medroi_w3_strides(&l->shape, stride);
    memcpy(l->moved, l->value, (size_t)medroi_w3_count(&l->shape) * sizeof *l->value);
    for (int k = 0; k < MOVES; k++) {
        for (at[0] = 0; at[0] < size[0]; at[0]++)
            for (at[1] = 0; at[1] < size[1]; at[1]++)
                for (at[2] = 0; at[2] < size[2]; at[2]++)
                    move_row(l, stride, at,
                             at[0] * stride[0] + at[1] * stride[1] + at[2] * stride[2]);
        float *behind = l->value;
        l->value = l->moved;
        l->moved = behind;
    }
}

/* The axes that the next level halves, and its shape; 0 where nothing is left to halve. */
static int make_next(level *l, int depth, const int delay[W3_AXES], level *next) {
    int some = 0;
    memset(next, 0, sizeof *next);
    for (int a = 0; a < W3_AXES; a++) {
        l->halved[a] = l->shape.size[a] > 1 && depth >= delay[a];
        next->shape.size[a] = (l->shape.size[a] + l->halved[a]) >> l->halved[a];
        some |= l->shape.size[a] > 1;
    }
    return some;
}

int medroi_w3_fill(const medroi_w3_shape *shape, const uint8_t *kept, float *data) {
    level l[MOST_LEVELS + 1];
    int delay[W3_AXES], n = 1, is_done = 1;
    const int64_t n_elements = medroi_w3_count(shape);
    if (!kept || !memchr(kept, 0, (size_t)n_elements) || !memchr(kept, 1, (size_t)n_elements))
        return 1;
    memset(l, 0, sizeof l);
    l[0].shape = *shape;
    if (!level_open(&l[0])) {
        is_done = 0;
        goto done;
    }
    memcpy(l[0].value, data, (size_t)n_elements * sizeof *data);
    memcpy(l[0].known, kept, (size_t)n_elements);
    find_delays(&l[0], delay);
    for (int all = 0; !all && n <= MOST_LEVELS && make_next(&l[n - 1], n - 1, delay, &l[n]); n++) {
        if (!level_open(&l[n])) {
            n++;
            is_done = 0;
            goto done;
        }
        all = make_means(&l[n - 1], &l[n]);
    }
    for (int k = n - 2; k >= 0; k--) {
        begin_with_means(&l[k], &l[k + 1]);
        move_unknown(&l[k]);
    }
    for (int64_t i = 0; i < n_elements; i++)
        data[i] = kept[i] ? data[i] : l[0].value[i];
done:
    for (int k = 0; k < n; k++)
        level_close(&l[k]);
    return is_done;
}
