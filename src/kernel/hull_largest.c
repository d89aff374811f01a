/* The box of the largest component of the tissue. */
#include "hull.h"

#include <string.h>

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

static void include(medroi_span *span, int64_t start, int64_t stop) {
    if (span->start == span->stop) {
        span->start = start;
        span->stop = stop;
    }
    span->start = lesser(span->start, start);
    span->stop = stop > span->stop ? stop : span->stop;
}

static medroi_grid_box box_of_bits(const medroi_bits *bits) {
    medroi_grid_box box = {{0, 0}, {0, 0}, {0, 0}};
    for (int64_t z = 0; z < bits->n_z; z++) {
        for (int64_t y = 0; y < bits->n_y; y++) {
            const uint64_t *row = medroi_bit_row(bits, z, y);
            int64_t first = medroi_next_set(bits, row, 0);
            if (first < bits->n_x) {
                int64_t last = bits->n_x - 1;
                while (!medroi_get_bit(row, last)) {
                    last--;
                }
                include(&box.z, z, z + 1);
                include(&box.y, y, y + 1);
                include(&box.x, first, last + 1);
            }
        }
    }
    return box;
}

static medroi_span widen(medroi_span span, int64_t n, int64_t margin) {
    span.start = span.start > margin ? span.start - margin : 0;
    span.stop = n - span.stop > margin ? span.stop + margin : n;
    return span;
}

static void clear_labels(const medroi_grid *grid, const medroi_bits *tissue,
                         const medroi_grid_box *box) {
    for (int64_t k = 0; k < grid->n_repeats; k++) {
        for (int64_t z = box->z.start; z < box->z.stop; z++) {
            for (int64_t y = box->y.start; y < box->y.stop; y++) {
                medroi_clear_run(medroi_bit_row(tissue, k * grid->n_z + z, y),
                                 box->x.start * grid->inner, box->x.stop * grid->inner);
            }
        }
    }
}

void medroi_clear_other_components(const medroi_grid *grid, const medroi_components *c,
                                   const medroi_bits *tissue) {
    const int64_t e = MEDROI_LABEL_EDGE;
    for (int64_t k = 0; k < c->labels.n_z * c->labels.n_y; k++) {
        for (int64_t i = c->row_runs[k]; i < c->row_runs[k + 1]; i++) {
            const medroi_label_run *run = &c->runs[i];
            if (run->root == c->found[0].root) {
                continue;
            }
            medroi_span z = {k / c->labels.n_y, k / c->labels.n_y + 1};
            medroi_span y = {k % c->labels.n_y, k % c->labels.n_y + 1};
            medroi_span x = {run->start, run->stop};
            z = widen(z, c->labels.n_z, 1);
            y = widen(y, c->labels.n_y, 1);
            x = widen(x, c->labels.n_x, 1);
            medroi_grid_box box = {{z.start * e, lesser(z.stop * e, grid->n_z)},
                                   {y.start * e, lesser(y.stop * e, grid->n_y)},
                                   {x.start * e, lesser(x.stop * e, grid->n_x)}};
            clear_labels(grid, tissue, &box);
        }
    }
}

static void count_layers(const medroi_search *search, const medroi_bits *tissue) {
    const medroi_grid *grid = &search->grid;
    memset(search->z_counts, 0, (size_t)grid->n_z * sizeof *search->z_counts);
    memset(search->y_counts, 0, (size_t)grid->n_y * sizeof *search->y_counts);
    memset(search->x_counts, 0, (size_t)grid->n_x * sizeof *search->x_counts);
    for (int64_t k = 0; k < tissue->n_z; k++) {
        for (int64_t y = 0; y < grid->n_y; y++) {
            const uint64_t *row = medroi_bit_row(tissue, k, y);
            int64_t place = medroi_next_set(tissue, row, 0);
            while (place < grid->length) {
                int64_t stop = medroi_next_clear(tissue, row, place);
                search->z_counts[k % grid->n_z] += (uint64_t)(stop - place);
                search->y_counts[y] += (uint64_t)(stop - place);
                for (; place < stop; place++) {
                    search->x_counts[place / grid->inner]++;
                }
                place = medroi_next_set(tissue, row, stop);
            }
        }
    }
}

static medroi_counts count_voxels(const medroi_grid *grid, const medroi_bits *tissue,
                                  const medroi_grid_box *box) {
    medroi_counts counts = {0, 0};
    for (int64_t k = 0; k < tissue->n_z; k++) {
        int64_t z = k % grid->n_z;
        for (int64_t y = 0; y < grid->n_y; y++) {
            const uint64_t *row = medroi_bit_row(tissue, k, y);
            uint64_t n = medroi_count_run(row, 0, tissue->n_x);
            counts.n_tissue += n;
            counts.n_missed += n;
            if (z >= box->z.start && z < box->z.stop && y >= box->y.start && y < box->y.stop) {
                counts.n_missed -=
                    medroi_count_run(row, box->x.start * grid->inner, box->x.stop * grid->inner);
            }
        }
    }
    return counts;
}

medroi_grid_box medroi_box_of_largest(medroi_search *search, const medroi_components *components,
                                      const medroi_tissue_bits *bits, medroi_counts *counts) {
    const medroi_grid *grid = &search->grid;
    medroi_drop_components(components, &bits->opened);
    medroi_clear_other_components(grid, components, &bits->tissue);
    medroi_grid_box box = box_of_bits(&bits->opened);
    box.z = widen(box.z, grid->n_z, search->options->padding);
    box.y = widen(box.y, grid->n_y, search->options->padding);
    box.x = widen(box.x, grid->n_x, search->options->padding);
    *counts = count_voxels(grid, &bits->tissue, &box);
    uint64_t allowed = medroi_allowed_misses(counts->n_tissue, search->options->max_miss_rate);
    if (counts->n_missed > allowed) {
        count_layers(search, &bits->tissue);
        box = medroi_trim_box(search, &box, allowed);
        *counts = count_voxels(grid, &bits->tissue, &box);
    }
    return box;
}
