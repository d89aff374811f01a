/* Bodies of tissue: runs of labels joined to components (mask.h, step 2). */
#include "base/arena.h"
#include "region/mask/mask.h"

#include <stdlib.h>
#include <string.h>

#define SPECK_SHARE 1000 /* a component with less than 1 / SPECK_SHARE of the tissue is a speck */

static medroi_bits make_labels(int64_t n_z, int64_t n_y, int64_t n_x) {
    const int64_t e = MEDROI_LABEL_EDGE;
    return medroi_make_bits((n_z + e - 1) / e, (n_y + e - 1) / e, (n_x + e - 1) / e);
}

static size_t place(medroi_components *c, uint8_t *scratch) {
    size_t n_rows = (size_t)(c->labels.n_z * c->labels.n_y);
    size_t n_runs = n_rows * (size_t)((c->labels.n_x + 1) / 2);
    const medroi_stretch arrays[] = {
        {(void **)&c->labels.words, medroi_bits_nbytes(&c->labels)},
        {(void **)&c->runs, n_runs * sizeof *c->runs},
        {(void **)&c->row_runs, (n_rows + 1) * sizeof *c->row_runs},
        {(void **)&c->found, n_runs * sizeof *c->found},
        {(void **)&c->n_voxels, n_runs * sizeof *c->n_voxels},
    };
    return medroi_place(arrays, sizeof arrays / sizeof arrays[0], scratch);
}

size_t medroi_components_scratch_nbytes(const medroi_grid *grid) {
    medroi_components c = {.labels = make_labels(grid->n_z, grid->n_y, grid->n_x)};
    return place(&c, NULL);
}

static int64_t root_of(medroi_label_run *runs, int64_t i) {
    while (runs[i].root != i) {
        runs[i].root = runs[runs[i].root].root;
        i = runs[i].root;
    }
    return i;
}

static void join(medroi_label_run *runs, int64_t a, int64_t b) {
    a = root_of(runs, a);
    b = root_of(runs, b);
    if (a < b) {
        runs[b].root = a;
    } else {
        runs[a].root = b;
    }
}

/* Join the runs of one row with those of an earlier one that they touch. */
static void join_rows(medroi_components *c, int64_t row, int64_t earlier) {
    int64_t i = c->row_runs[row];
    int64_t j = c->row_runs[earlier];
    while (i < c->row_runs[row + 1] && j < c->row_runs[earlier + 1]) {
        const medroi_label_run *a = &c->runs[i];
        const medroi_label_run *b = &c->runs[j];
        if (a->start <= b->stop && b->start <= a->stop) {
            join(c->runs, i, j);
        }
        if (a->stop < b->stop) {
            i++;
        } else {
            j++;
        }
    }
}

static void set_labels(const medroi_components *c, const medroi_bits *opened) {
    const int64_t e = MEDROI_LABEL_EDGE;
    medroi_clear_bits(&c->labels);
    for (int64_t z = 0; z < c->labels.n_z; z++) {
        for (int64_t y = 0; y < c->labels.n_y; y++) {
            const uint64_t *rows[MEDROI_LABEL_EDGE * MEDROI_LABEL_EDGE];
            int n = medroi_cube_rows(opened, z * e, y * e, e, rows);
            uint64_t *labels = medroi_bit_row(&c->labels, z, y);
            for (int64_t i = 0; i < opened->n_words; i++) {
                uint64_t v = medroi_any_of_rows(rows, n, i);
                v |= v >> 1;
                v = (v | v >> 2) & UINT64_C(0x1111111111111111);
                v = (v | v >> 3) & UINT64_C(0x0303030303030303);
                v = (v | v >> 6) & UINT64_C(0x000f000f000f000f);
                v = (v | v >> 12) & UINT64_C(0x000000ff000000ff);
                v = (v | v >> 24) & UINT64_C(0xffff);
                labels[i >> 2] |= v << (i & 3) * 16;
            }
        }
    }
}

static void find_runs(medroi_components *c) {
    int64_t n = 0;
    const medroi_bits *labels = &c->labels;
    for (int64_t z = 0; z < labels->n_z; z++) {
        for (int64_t y = 0; y < labels->n_y; y++) {
            const uint64_t *row = medroi_bit_row(labels, z, y);
            int64_t k = z * labels->n_y + y;
            c->row_runs[k] = n;
            int64_t start = medroi_next_set(labels, row, 0);
            while (start < labels->n_x) {
                int64_t stop = medroi_next_clear(labels, row, start);
                medroi_label_run run = {start, stop, n};
                c->runs[n++] = run;
                start = medroi_next_set(labels, row, stop);
            }
            c->row_runs[k + 1] = n;
            if (y > 0) {
                join_rows(c, k, k - 1);
            }
            for (int64_t dy = -1; z > 0 && dy <= 1; dy++) {
                if (y + dy >= 0 && y + dy < labels->n_y) {
                    join_rows(c, k, k - labels->n_y + dy);
                }
            }
        }
    }
}

/* Voxel bounds of a run of labels in the row z, y of labels. */
static medroi_grid_box run_voxels(const medroi_bits *voxels, const medroi_label_run *run, int64_t z,
                                  int64_t y) {
    const int64_t e = MEDROI_LABEL_EDGE;
    medroi_grid_box box = {{z * e, z * e + e}, {y * e, y * e + e}, {run->start * e, run->stop * e}};
    box.z.stop = box.z.stop < voxels->n_z ? box.z.stop : voxels->n_z;
    box.y.stop = box.y.stop < voxels->n_y ? box.y.stop : voxels->n_y;
    box.x.stop = box.x.stop < voxels->n_x ? box.x.stop : voxels->n_x;
    return box;
}

static uint64_t count_voxels(const medroi_bits *voxels, const medroi_grid_box *box) {
    uint64_t n = 0;
    for (int64_t z = box->z.start; z < box->z.stop; z++) {
        for (int64_t y = box->y.start; y < box->y.stop; y++) {
            n += medroi_count_run(medroi_bit_row(voxels, z, y), box->x.start, box->x.stop);
        }
    }
    return n;
}

static int larger_first(const void *a, const void *b) {
    const medroi_component *p = a;
    const medroi_component *q = b;
    if (p->n_voxels != q->n_voxels) {
        return p->n_voxels > q->n_voxels ? -1 : 1;
    }
    return p->root < q->root ? -1 : 1;
}

medroi_components medroi_find_components(const medroi_bits *opened, uint8_t *scratch) {
    medroi_components c = {.labels = make_labels(opened->n_z, opened->n_y, opened->n_x)};
    place(&c, scratch);
    set_labels(&c, opened);
    find_runs(&c);
    int64_t n_rows = c.labels.n_z * c.labels.n_y;
    memset(c.n_voxels, 0, (size_t)c.row_runs[n_rows] * sizeof *c.n_voxels);
    for (int64_t k = 0; k < n_rows; k++) {
        for (int64_t i = c.row_runs[k]; i < c.row_runs[k + 1]; i++) {
            medroi_grid_box box =
                run_voxels(opened, &c.runs[i], k / c.labels.n_y, k % c.labels.n_y);
            c.runs[i].root = root_of(c.runs, i);
            c.n_voxels[c.runs[i].root] += count_voxels(opened, &box);
        }
    }
    for (int64_t i = 0; i < c.row_runs[n_rows]; i++) {
        if (c.runs[i].root == i) {
            medroi_component found = {c.n_voxels[i], i, 1};
            c.found[c.n_found++] = found;
        }
    }
    qsort(c.found, (size_t)c.n_found, sizeof *c.found, larger_first);
    return c;
}

uint64_t medroi_choose_components(medroi_components *c, const medroi_region_options *options) {
    uint64_t total = 0;
    for (int64_t i = 0; i < c->n_found; i++) {
        total += c->found[i].n_voxels;
        c->found[i].kept = i == 0 || !options->largest_only;
    }
    if (options->largest_only) {
        return c->n_found ? c->found[0].n_voxels : 0;
    }
    uint64_t allowed = medroi_allowed_misses(total, options->max_miss_rate);
    for (int64_t i = c->n_found; i-- > 1;) {
        uint64_t n = c->found[i].n_voxels;
        if (n > allowed || n >= (total + SPECK_SHARE - 1) / SPECK_SHARE) {
            break;
        }
        allowed -= n;
        c->found[i].kept = 0;
    }
    return total;
}

/* Marks on the roots, in place of their numbers of voxels: whether they are kept. */
static void mark_roots(const medroi_components *c) {
    for (int64_t i = 0; i < c->n_found; i++) {
        c->n_voxels[c->found[i].root] = (uint64_t)c->found[i].kept;
    }
}

void medroi_drop_components(const medroi_components *c, const medroi_bits *opened) {
    mark_roots(c);
    for (int64_t k = 0; k < c->labels.n_z * c->labels.n_y; k++) {
        for (int64_t i = c->row_runs[k]; i < c->row_runs[k + 1]; i++) {
            if (c->n_voxels[c->runs[i].root]) {
                continue;
            }
            medroi_grid_box box =
                run_voxels(opened, &c->runs[i], k / c->labels.n_y, k % c->labels.n_y);
            for (int64_t z = box.z.start; z < box.z.stop; z++) {
                for (int64_t y = box.y.start; y < box.y.stop; y++) {
                    medroi_clear_run(medroi_bit_row(opened, z, y), box.x.start, box.x.stop);
                }
            }
        }
    }
}

static void include_span(medroi_span *span, medroi_span other) {
    if (span->start == span->stop) {
        *span = other;
    }
    span->start = other.start < span->start ? other.start : span->start;
    span->stop = other.stop > span->stop ? other.stop : span->stop;
}

medroi_grid_box medroi_component_box(const medroi_components *c, const medroi_component *component,
                                     const medroi_bits *voxels) {
    medroi_grid_box box = {{0, 0}, {0, 0}, {0, 0}};
    for (int64_t k = 0; k < c->labels.n_z * c->labels.n_y; k++) {
        for (int64_t i = c->row_runs[k]; i < c->row_runs[k + 1]; i++) {
            if (c->runs[i].root == component->root) {
                medroi_grid_box run =
                    run_voxels(voxels, &c->runs[i], k / c->labels.n_y, k % c->labels.n_y);
                include_span(&box.z, run.z);
                include_span(&box.y, run.y);
                include_span(&box.x, run.x);
            }
        }
    }
    return box;
}
