/* The box of the largest component of the tissue. */
#include "base/lesser.h"
#include "grid/spans.h"
#include "region/mask/mask.h"

#include <string.h>

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
                medroi_span_include(&box.z, z, z + 1);
                medroi_span_include(&box.y, y, y + 1);
                medroi_span_include(&box.x, first, last + 1);
            }
        }
    }
    return box;
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

/* Take the voxels of all components but the largest from the tissue, and what lies in the labels
 * around them, none of which can be the largest component's. */
static void clear_others(const medroi_grid *grid, const medroi_components *c,
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
            z = medroi_span_widen(z, c->labels.n_z, 1);
            y = medroi_span_widen(y, c->labels.n_y, 1);
            x = medroi_span_widen(x, c->labels.n_x, 1);
            medroi_grid_box box = {{z.start * e, medroi_lesser(z.stop * e, grid->n_z)},
                                   {y.start * e, medroi_lesser(y.stop * e, grid->n_y)},
                                   {x.start * e, medroi_lesser(x.stop * e, grid->n_x)}};
            clear_labels(grid, tissue, &box);
        }
    }
}

/* The labels of the largest component and those that touch them. */
static medroi_bits near_largest(const medroi_components *c, uint8_t *scratch) {
    medroi_bits near = c->labels;
    near.words = (uint64_t *)(void *)scratch;
    medroi_clear_bits(&near);
    for (int64_t k = 0; c->n_found && k < near.n_z * near.n_y; k++) {
        for (int64_t i = c->row_runs[k]; i < c->row_runs[k + 1]; i++) {
            if (c->runs[i].root != c->found[0].root) {
                continue;
            }
            medroi_span z = {k / near.n_y, k / near.n_y + 1};
            medroi_span y = {k % near.n_y, k % near.n_y + 1};
            medroi_span x = {c->runs[i].start, c->runs[i].stop};
            z = medroi_span_widen(z, near.n_z, 1);
            y = medroi_span_widen(y, near.n_y, 1);
            x = medroi_span_widen(x, near.n_x, 1);
            for (int64_t j = z.start; j < z.stop; j++) {
                for (int64_t m = y.start; m < y.stop; m++) {
                    medroi_set_run(medroi_bit_row(&near, j, m), x.start, x.stop);
                }
            }
        }
    }
    return near;
}

void medroi_keep_near_largest(const medroi_grid *grid, const medroi_components *components,
                              const medroi_bits *tissue, uint8_t *scratch) {
    const int64_t e = MEDROI_LABEL_EDGE;
    medroi_bits near = near_largest(components, scratch);
    for (int64_t k = 0; k < tissue->n_z; k++) {
        for (int64_t y = 0; y < grid->n_y; y++) {
            const uint64_t *labels = medroi_bit_row(&near, k % grid->n_z / e, y / e);
            uint64_t *row = medroi_bit_row(tissue, k, y);
            int64_t start = medroi_next_clear(&near, labels, 0);
            while (start < near.n_x) {
                int64_t stop = medroi_next_set(&near, labels, start);
                medroi_clear_run(row, start * e * grid->inner,
                                 medroi_lesser(stop * e * grid->inner, grid->length));
                start = medroi_next_clear(&near, labels, stop);
            }
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

medroi_grid_box medroi_box_of_largest(const medroi_search *search,
                                      const medroi_components *components,
                                      const medroi_tissue_bits *bits) {
    const medroi_grid *grid = &search->grid;
    medroi_drop_components(components, &bits->opened);
    medroi_grid_box box = box_of_bits(&bits->opened);
    box.z = medroi_span_widen(box.z, grid->n_z, search->options->padding);
    box.y = medroi_span_widen(box.y, grid->n_y, search->options->padding);
    box.x = medroi_span_widen(box.x, grid->n_x, search->options->padding);
    return box;
}

medroi_counts medroi_count_beside_others(const medroi_grid *grid,
                                         const medroi_components *components,
                                         const medroi_bits *tissue, const medroi_grid_box *box) {
    clear_others(grid, components, tissue);
    return count_voxels(grid, tissue, box);
}

medroi_grid_box medroi_grow_box_of_largest(medroi_search *search,
                                           const medroi_components *components,
                                           const medroi_bits *tissue, const medroi_grid_box *box) {
    medroi_counts counts = medroi_count_beside_others(&search->grid, components, tissue, box);
    uint64_t allowed = medroi_allowed_misses(counts.n_tissue, search->options->max_miss_rate);
    if (counts.n_missed <= allowed) {
        return *box;
    }
    count_layers(search, tissue);
    return medroi_trim_box(search, box, allowed);
}
