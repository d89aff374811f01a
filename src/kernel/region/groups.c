/* Connected groups of the signal voxels outside a region (26 neighbours), in one pass.
 *
 * Every row of dropped signal becomes runs; runs that touch, also at edges and corners, belong to
 * one group, kept by union-find (Rosenfeld and Pfaltz 1966, on runs as in He, Chao and Suzuki
 * 2008). Two planes of runs are in memory at a time: behind each plane the groups that it touches
 * move to a fresh table, and all others are complete. A group lists its voxels until it grows above
 * the limit; then they, and all that follow, are handed to the visitor. Neighbours along the axes
 * that are not the volume's are different voxels of different groups. */
#include "region/groups.h"
#include "base/arena.h"
#include "base/lesser.h"
#include "grid/spans.h"

#include <string.h>

#define MAX_RUNS_OF_PLANE 2048 /* enough for any region that drops a few of a thousand voxels */
#define N_WIDENED 256
#define NOT_MOVED UINT32_MAX

typedef struct run {
    int64_t start;
    int64_t stop;
    uint32_t group;
} run;

typedef struct place {
    int64_t z;
    int64_t y;
    int64_t x;
} place;

typedef struct group {
    uint32_t parent;
    uint32_t moved; /* its number in the next table */
    medroi_group found;
    place listed[MEDROI_GROUP_LIMIT]; /* found.n_voxels of them, up to the limit */
} group;

/* Runs of one plane. */
typedef struct plane {
    run *runs;
    int64_t *row_runs; /* index of the first run of each row, and of the end */
    int64_t n;
} plane;

typedef struct following {
    medroi_search *search;
    const medroi_group_search *wanted;
    medroi_groups result;
    int64_t capacity; /* of a plane */
    plane before;
    plane here;
    group *groups;
    group *next;
    uint32_t n_groups;
    uint64_t *bits;   /* one row of dropped signal */
    uint64_t *beside; /* of a row that the box has a part of, the places outside it */
    medroi_bits row_shape;
    int64_t repeat;
    int64_t channel; /* among the elements of one place along x */
} following;

/* All that a plane can have where nothing but a count is wanted, and giving up is no answer. */
static int64_t runs_of_plane(const medroi_search *search) {
    int64_t n = search->grid.n_y * ((search->grid.n_x + 1) / 2);
    return medroi_only_counts(search) ? n : medroi_lesser(n, MAX_RUNS_OF_PLANE);
}

static size_t lay_out(const medroi_search *search, following *f, uint8_t *scratch) {
    const medroi_grid *grid = &search->grid;
    f->capacity = runs_of_plane(search);
    f->row_shape = medroi_make_bits(1, 1, grid->length);
    size_t runs_nbytes = (size_t)f->capacity * sizeof(run);
    size_t rows_nbytes = (size_t)(grid->n_y + 1) * sizeof(int64_t);
    size_t groups_nbytes = 2 * (size_t)f->capacity * sizeof(group);
    const medroi_stretch arrays[] = {
        {(void **)&f->before.runs, runs_nbytes},
        {(void **)&f->here.runs, runs_nbytes},
        {(void **)&f->before.row_runs, rows_nbytes},
        {(void **)&f->here.row_runs, rows_nbytes},
        {(void **)&f->groups, groups_nbytes},
        {(void **)&f->next, groups_nbytes},
        {(void **)&f->bits, medroi_bits_nbytes(&f->row_shape)},
        {(void **)&f->beside, medroi_bits_nbytes(&f->row_shape)},
    };
    return medroi_place(arrays, sizeof arrays / sizeof arrays[0], scratch);
}

size_t medroi_groups_scratch_nbytes(const medroi_search *search) {
    following f;
    return lay_out(search, &f, NULL);
}

/* --- rows of dropped signal --- */

/* The places of a row that lie outside the box. */
static void mark_beside(const following *f) {
    const int64_t inner = f->search->grid.inner;
    const medroi_span *x = &f->wanted->kept->box.x;
    memset(f->beside, 255, medroi_bits_nbytes(&f->row_shape));
    medroi_clear_run(f->beside, x->start * inner, x->stop * inner);
}

/* The bits of a row that lie outside the box, of which the row has some. */
static uint64_t outside_box(const following *f, const uint64_t *signal) {
    uint64_t any = 0;
    for (int64_t i = 0; i < f->row_shape.n_words; i++) {
        any |= f->bits[i] = signal[i] & f->beside[i];
    }
    return any;
}

static uint64_t outside_tiles(const following *f, const uint64_t *signal, int64_t z, int64_t y) {
    const int64_t inner = f->search->grid.inner, e = MEDROI_TILE_EDGE;
    const medroi_bits *tiles = &f->wanted->kept->tiles;
    const uint64_t *row = medroi_bit_row(tiles, z / e, y / e);
    uint64_t any = 0;
    if (inner == 1) {
        for (int64_t i = 0; i < f->row_shape.n_words; i++) {
            uint64_t outside = signal[i]; /* most words of air have none */
            if (outside) {
                outside &= ~medroi_tile_voxels(row, i);
            }
            any |= f->bits[i] = outside;
        }
        return any;
    }
    memcpy(f->bits, signal, medroi_bits_nbytes(&f->row_shape));
    int64_t start = medroi_next_set(tiles, row, 0);
    while (start < tiles->n_x) {
        int64_t stop = medroi_next_clear(tiles, row, start);
        medroi_clear_run(f->bits, start * e * inner,
                         medroi_lesser(stop * e, f->search->grid.n_x) * inner);
        start = medroi_next_set(tiles, row, stop);
    }
    return medroi_next_set(&f->row_shape, f->bits, 0) < f->row_shape.n_x;
}

/* Set f->bits to the dropped signal of a row; returns the row, or NULL where there is none. */
static const uint8_t *load_row(following *f, int64_t z, int64_t y) {
    medroi_search *search = f->search;
    const medroi_kept *kept = f->wanted->kept;
    const uint64_t *signal = medroi_bit_row(&search->beyond, f->repeat * search->grid.n_z + z, y);
    uint64_t any = 0;
    if (!medroi_kept_has_row(kept, z, y)) {
        for (int64_t i = 0; i < f->row_shape.n_words; i++) {
            any |= f->bits[i] = signal[i];
        }
    } else if (kept->tiles.words) {
        any = outside_tiles(f, signal, z, y);
    } else if (kept->box.x.start > 0 || kept->box.x.stop < search->grid.n_x) {
        any = outside_box(f, signal);
    }
    return any ? medroi_source_single_row(&search->source, z, y) : NULL;
}

/* The next run of this channel from x on; returns 0 where there is none. */
static int next_run(const following *f, int64_t x, run *found) {
    const medroi_grid *grid = &f->search->grid;
    if (grid->inner == 1) {
        found->start = medroi_next_set(&f->row_shape, f->bits, x);
        if (found->start >= grid->n_x) {
            return 0;
        }
        found->stop = medroi_next_clear(&f->row_shape, f->bits, found->start);
        return 1;
    }
    while (x < grid->n_x && !medroi_get_bit(f->bits, x * grid->inner + f->channel)) {
        x++;
    }
    found->start = x;
    while (x < grid->n_x && medroi_get_bit(f->bits, x * grid->inner + f->channel)) {
        x++;
    }
    found->stop = x;
    return found->start < found->stop;
}

static double peak_of(const following *f, const uint8_t *row, const run *found) {
    const medroi_search *search = f->search;
    const medroi_grid *grid = &search->grid;
    double values[N_WIDENED], peak = 0;
    int64_t step = grid->inner == 1 ? N_WIDENED : 1;
    for (int64_t x = found->start; x < found->stop; x += step) {
        int64_t n = medroi_lesser(step, found->stop - x);
        const uint8_t *at = row + (size_t)(x * grid->inner + f->channel) * search->source.nbytes;
        search->ops->widen(search->ops, at, (size_t)n, values);
        for (int64_t i = 0; i < n; i++) {
            int brighter = search->options->dark ? values[i] < peak : values[i] > peak;
            peak = (x == found->start && i == 0) || brighter ? values[i] : peak;
        }
    }
    return peak;
}

/* --- groups --- */

static uint32_t root_of(group *groups, uint32_t i) {
    while (groups[i].parent != i) {
        groups[i].parent = groups[groups[i].parent].parent;
        i = groups[i].parent;
    }
    return i;
}

static int is_large(const following *f, const group *g) {
    return g->found.n_voxels > f->wanted->limit;
}

static void visit_listed(const following *f, const group *g) {
    for (uint64_t i = 0; f->wanted->visit && i < g->found.n_voxels; i++) {
        f->wanted->visit(f->wanted->context, g->listed[i].z, g->listed[i].y, g->listed[i].x);
    }
}

/* Add group b to group a; what either lists is visited once the sum is above the limit. */
static void add_group(const following *f, group *a, group *b) {
    int a_is_large = is_large(f, a), b_is_large = is_large(f, b);
    uint64_t n = a->found.n_voxels + b->found.n_voxels;
    if (n <= f->wanted->limit) {
        memcpy(a->listed + a->found.n_voxels, b->listed, b->found.n_voxels * sizeof *b->listed);
    } else {
        if (!a_is_large) {
            visit_listed(f, a);
        }
        if (!b_is_large) {
            visit_listed(f, b);
        }
    }
    int dark = f->search->options->dark;
    int brighter = dark ? b->found.peak < a->found.peak : b->found.peak > a->found.peak;
    a->found.peak = brighter ? b->found.peak : a->found.peak;
    a->found.n_voxels = n;
    a->found.first = b->found.first < a->found.first ? b->found.first : a->found.first;
    medroi_grid_box_include(&a->found.box, &b->found.box);
}

static void join(const following *f, uint32_t i, uint32_t j) {
    i = root_of(f->groups, i);
    j = root_of(f->groups, j);
    if (i != j) {
        uint32_t kept = i < j ? i : j, gone = i < j ? j : i;
        add_group(f, &f->groups[kept], &f->groups[gone]);
        f->groups[gone].parent = kept;
    }
}

static void begin_group(following *f, const uint8_t *row, run *found, int64_t z, int64_t y) {
    const medroi_grid *grid = &f->search->grid;
    group *g = &f->groups[f->n_groups];
    uint64_t pass = (uint64_t)(f->repeat * grid->inner + f->channel);
    found->group = g->parent = f->n_groups++;
    g->moved = NOT_MOVED;
    g->found.n_voxels = (uint64_t)(found->stop - found->start);
    g->found.first =
        ((pass * (uint64_t)grid->n_z + (uint64_t)z) * (uint64_t)grid->n_y + (uint64_t)y) *
            (uint64_t)grid->n_x +
        (uint64_t)found->start;
    g->found.peak = peak_of(f, row, found);
    g->found.box.z = (medroi_span){z, z + 1};
    g->found.box.y = (medroi_span){y, y + 1};
    g->found.box.x = (medroi_span){found->start, found->stop};
    for (int64_t x = found->start; x < found->stop; x++) {
        if (!is_large(f, g)) {
            g->listed[x - found->start] = (place){z, y, x};
        } else if (f->wanted->visit) {
            f->wanted->visit(f->wanted->context, z, y, x);
        }
    }
}

/* Join the runs of row y with those of another row that they touch. */
static void join_rows(const following *f, int64_t y, const plane *other, int64_t other_y) {
    int64_t i = f->here.row_runs[y], i_end = f->here.n;
    int64_t j = other->row_runs[other_y], j_end = other->row_runs[other_y + 1];
    while (i < i_end && j < j_end) {
        const run *a = &f->here.runs[i], *b = &other->runs[j];
        if (a->start <= b->stop && b->start <= a->stop) {
            join(f, a->group, b->group);
        }
        if (a->stop < b->stop) {
            i++;
        } else {
            j++;
        }
    }
}

static void follow_row(following *f, int64_t z, int64_t y) {
    const uint8_t *row = load_row(f, z, y);
    run found = {0, 0, 0};
    int64_t x = 0;
    f->here.row_runs[y] = f->here.n;
    while (row && next_run(f, x, &found)) {
        if (f->here.n == f->capacity) {
            f->result.overflows = 1;
            return;
        }
        begin_group(f, row, &found, z, y);
        f->here.runs[f->here.n++] = found;
        x = found.stop;
    }
    f->here.row_runs[y + 1] = f->here.n;
    if (f->here.n == f->here.row_runs[y]) {
        return;
    }
    if (y > 0) {
        join_rows(f, y, &f->here, y - 1);
    }
    for (int64_t dy = -1; z > 0 && dy <= 1; dy++) {
        if (y + dy >= 0 && y + dy < f->search->grid.n_y) {
            join_rows(f, y, &f->before, y + dy);
        }
    }
}

/* --- planes --- */

static void complete(following *f, const group *g) {
    medroi_group *largest = &f->result.largest;
    const medroi_group *found = &g->found;
    f->result.n_voxels += found->n_voxels;
    if (is_large(f, g)) {
        medroi_grid_box_include(&f->result.large, &found->box);
    }
    if (found->n_voxels > largest->n_voxels ||
        (found->n_voxels == largest->n_voxels && found->first < largest->first)) {
        *largest = *found;
    }
}

/* Groups that the plane touches go on in a fresh table; all others are complete. */
static void end_plane(following *f) {
    uint32_t n_next = 0;
    for (int64_t i = 0; i < f->here.n; i++) {
        group *root = &f->groups[root_of(f->groups, f->here.runs[i].group)];
        if (root->moved == NOT_MOVED) {
            root->moved = n_next;
            f->next[n_next] = *root;
            f->next[n_next].parent = n_next;
            f->next[n_next++].moved = NOT_MOVED;
        }
        f->here.runs[i].group = root->moved;
    }
    for (uint32_t i = 0; i < f->n_groups; i++) {
        if (f->groups[i].parent == i && f->groups[i].moved == NOT_MOVED) {
            complete(f, &f->groups[i]);
        }
    }
    group *groups = f->groups;
    f->groups = f->next;
    f->next = groups;
    f->n_groups = n_next;
    plane before = f->before;
    f->before = f->here;
    f->here = before;
    f->here.n = 0;
}

static void follow_volume(following *f) {
    const medroi_grid *grid = &f->search->grid;
    medroi_source_seek(&f->search->source, f->repeat);
    for (int64_t z = 0; z < grid->n_z; z++) {
        for (int64_t y = 0; y < grid->n_y && !f->result.overflows; y++) {
            follow_row(f, z, y);
        }
        if (f->result.overflows) {
            return;
        }
        end_plane(f);
    }
    f->here.n = 0;
    end_plane(f); /* nothing is touched any more */
}

medroi_groups medroi_find_groups(medroi_search *search, const medroi_group_search *wanted,
                                 uint8_t *scratch) {
    const medroi_grid *grid = &search->grid;
    following f = {.search = search, .wanted = wanted};
    (void)lay_out(search, &f, scratch);
    mark_beside(&f);
    for (f.repeat = 0; f.repeat < grid->n_repeats; f.repeat++) {
        for (f.channel = 0; f.channel < grid->inner && !f.result.overflows; f.channel++) {
            follow_volume(&f);
        }
    }
    if (f.result.overflows) {
        memset(&f.result, 0, sizeof f.result);
        f.result.overflows = 1;
    }
    return f.result;
}
