/* Finding the region of one array: one pass over its rows collects the sums for the mean and the
 * projections of the array and of its erosion. Erosion commutes with thresholding, so the box of
 * the opened tissue follows from the projections once tau is known, without a second pass. */
#include "hull.h"
#include "region_internal.h"
#include "layout.h"

#include <math.h>
#include <string.h>

int medroi_grid_box_is_empty(const medroi_grid_box *box) {
    return box->z.start >= box->z.stop || box->y.start >= box->y.stop || box->x.start >= box->x.stop;
}

int medroi_kind_is_number(char kind) {
    return kind == 'b' || kind == 'i' || kind == 'u' || kind == 'f';
}

int medroi_layout_is_empty(const medroi_layout *layout) {
    for (int32_t i = 0; i < layout->ndim; i++) {
        if (layout->shape[i] == 0) {
            return 1;
        }
    }
    return 0;
}

medroi_status medroi_check_array(const medroi_layout *layout, const void *data,
                                 medroi_error *error) {
    medroi_status status = medroi_check_layout(layout, MEDROI_INVALID_ARGUMENT, error);
    if (status == MEDROI_OK && !data && !medroi_layout_is_empty(layout)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "the array has elements but no data");
    }
    return status;
}

static medroi_status check_options(const medroi_layout *layout,
                                   const medroi_region_options *options, medroi_error *error) {
    if (options->padding < 0) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "padding is %lld; give 0 or more voxels", (long long)options->padding);
    }
    if (!(options->max_miss_rate >= 0 && options->max_miss_rate <= 1)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "max_miss_rate is %g; give a share between 0 and 1",
                           options->max_miss_rate);
    }
    if (options->roi != MEDROI_ROI_BOX && options->roi != MEDROI_ROI_HULL) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "roi %d is not known; use the box or the hull", (int)options->roi);
    }
    switch (options->threshold_rule) {
    case MEDROI_THRESHOLD_NONE:
        return MEDROI_OK;
    case MEDROI_THRESHOLD_NUMBER:
        if (isnan(options->threshold)) {
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "the threshold is NaN; give a number, \"mean\", \"otsu\", \"noise\" "
                               "or None");
        }
        break;
    case MEDROI_THRESHOLD_MEAN:
    case MEDROI_THRESHOLD_OTSU:
    case MEDROI_THRESHOLD_NOISE:
        break;
    default:
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "threshold rule %d is not known; use \"mean\", \"otsu\", \"noise\", a "
                           "number or None",
                           (int)options->threshold_rule);
    }
    if (!medroi_kind_is_number(layout->kind)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "elements of kind '%c' have no order to threshold by; use "
                           "threshold=None (lossless)",
                           layout->kind);
    }
    return MEDROI_OK;
}

/* A hull at the mean would lose dim tissue: its outline wants all that is above the noise. */
static medroi_threshold rule_of(const medroi_region_options *options) {
    medroi_threshold rule = options->threshold_rule;
    int varies = rule == MEDROI_THRESHOLD_MEAN || rule == MEDROI_THRESHOLD_OTSU;
    return options->roi == MEDROI_ROI_HULL && varies ? MEDROI_THRESHOLD_NOISE : rule;
}

/* Lay the arrays of the search out in `scratch`; with NULL only their size is found. */
static size_t place_arrays(medroi_search *search, uint8_t *scratch) {
    const medroi_grid *grid = &search->grid;
    size_t n_rows = (size_t)(grid->n_z * grid->n_y);
    size_t length = (size_t)grid->length;
    size_t nbytes = medroi_element_nbytes(search->type);
    int otsu = search->options->threshold_rule == MEDROI_THRESHOLD_OTSU;
    int noise = rule_of(search->options) == MEDROI_THRESHOLD_NOISE;
    int outline = search->options->roi == MEDROI_ROI_HULL || search->options->largest_only;
    const struct {
        void **pointer;
        size_t nbytes;
    } arrays[] = {
        {(void **)&search->row_peaks, n_rows * nbytes},
        {(void **)&search->row_cores, n_rows * nbytes},
        {(void **)&search->column_peaks, length * nbytes},
        {(void **)&search->column_cores, length * nbytes},
        {(void **)&search->row_flags, n_rows},
        {(void **)&search->column_flags, length},
        {(void **)&search->z_counts, (size_t)grid->n_z * sizeof(uint64_t)},
        {(void **)&search->y_counts, (size_t)grid->n_y * sizeof(uint64_t)},
        {(void **)&search->x_counts, length * sizeof(uint64_t)},
        {(void **)&search->histogram, otsu ? MEDROI_HISTOGRAM_NBINS * sizeof(uint64_t) : 0},
        {(void **)&search->source.planes, medroi_source_scratch_nbytes(&search->source)},
        {(void **)&search->samples, noise ? medroi_noise_scratch_nbytes() : 0},
        {(void **)&search->outline, outline ? medroi_outline_scratch_nbytes(search) : 0},
    };
    size_t used = 0;
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        if (scratch) {
            *arrays[i].pointer = scratch + used;
        }
        used += (arrays[i].nbytes + MEDROI_SCRATCH_ALIGNMENT - 1) / MEDROI_SCRATCH_ALIGNMENT * MEDROI_SCRATCH_ALIGNMENT;
    }
    return used;
}

uint8_t *medroi_align_scratch(void *scratch) {
    uint8_t *bytes = scratch;
    size_t beyond = (uintptr_t)bytes % MEDROI_SCRATCH_ALIGNMENT;
    return beyond ? bytes + (MEDROI_SCRATCH_ALIGNMENT - beyond) : bytes;
}

static medroi_search make_search(const medroi_layout *layout, const void *data,
                                 const medroi_region_options *options) {
    medroi_search search = {.options = options};
    search.grid = medroi_make_grid(layout);
    search.type = medroi_element_type_of(layout);
    search.ops = medroi_row_ops_for(search.type, options->dark);
    search.background = medroi_scalar_from_bits(layout, options->background);
    search.source = medroi_make_source(layout, NULL, data);
    search.source.clamp = medroi_element_is_float(search.type) &&
                          options->threshold_rule == MEDROI_THRESHOLD_NUMBER &&
                          isinf(options->threshold);
    return search;
}

size_t medroi_region_scratch_nbytes(const medroi_layout *layout,
                                    const medroi_region_options *options) {
    if (medroi_check_array(layout, layout, NULL) != MEDROI_OK || medroi_layout_is_empty(layout) ||
        options->threshold_rule == MEDROI_THRESHOLD_NONE) {
        return 0;
    }
    medroi_search search = make_search(layout, NULL, options);
    search.source.grid = &search.grid;
    return place_arrays(&search, NULL) + MEDROI_SCRATCH_ALIGNMENT;
}

static void add_up_row(const medroi_search *search, const void *row, medroi_sum *sum) {
    const uint8_t *bytes = row;
    size_t length = (size_t)search->grid.length;
    for (size_t start = 0; start < length; start += MEDROI_RUN_LENGTH) {
        size_t n = length - start < MEDROI_RUN_LENGTH ? length - start : MEDROI_RUN_LENGTH;
        search->ops->add_up(bytes + start * search->source.nbytes, n, search->background, sum);
    }
}

/* Row z, y of the erosion; the array's border is not in it along axes of 3 and more. */
static void erode_row(medroi_search *search, int64_t z, int64_t y) {
    const medroi_grid *grid = &search->grid;
    int64_t dz = grid->n_z >= 3;
    int64_t dy = grid->n_y >= 3;
    int64_t step = grid->n_x >= 3 ? grid->inner : 0;
    if (z < dz || z >= grid->n_z - dz || y < dy || y >= grid->n_y - dy) {
        return;
    }
    const void *rows[5] = {
        medroi_source_row(&search->source, z, y),      medroi_source_row(&search->source, z, y - dy),
        medroi_source_row(&search->source, z, y + dy), medroi_source_row(&search->source, z - dz, y),
        medroi_source_row(&search->source, z + dz, y),
    };
    size_t peak = (size_t)(z * grid->n_y + y) * search->source.nbytes;
    search->ops->erode(rows, (size_t)grid->length, (size_t)step, search->row_cores + peak,
                       search->column_cores);
}

/* The one pass. Returns the sum, if the rule is the mean. */
static medroi_sum project_array(medroi_search *search) {
    const medroi_grid *grid = &search->grid;
    size_t n_rows = (size_t)(grid->n_z * grid->n_y);
    size_t length = (size_t)grid->length;
    int mean = rule_of(search->options) == MEDROI_THRESHOLD_MEAN;
    medroi_sum total = medroi_empty_sum();
    search->ops->clear(search->row_peaks, n_rows);
    search->ops->clear(search->row_cores, n_rows);
    search->ops->clear(search->column_peaks, length);
    search->ops->clear(search->column_cores, length);
    for (int64_t repeat = 0; repeat < grid->n_repeats; repeat++) {
        medroi_source_seek(&search->source, repeat);
        medroi_source_load_plane(&search->source, 0);
        for (int64_t z = 0; z < grid->n_z; z++) {
            if (z + 1 < grid->n_z) {
                medroi_source_load_plane(&search->source, z + 1);
            }
            double before = total.real;
            total.real = 0;
            for (int64_t y = 0; y < grid->n_y; y++) {
                const void *row = medroi_source_row(&search->source, z, y);
                if (mean) {
                    add_up_row(search, row, &total);
                }
                size_t peak = (size_t)(z * grid->n_y + y) * search->source.nbytes;
                search->ops->project(row, length, search->row_peaks + peak, search->column_peaks);
                erode_row(search, z, y);
            }
            total.real += before;
        }
    }
    return total;
}

static void include_flagged(medroi_span *span, int64_t i) {
    if (span->start == span->stop) {
        span->start = i;
    }
    span->stop = i + 1;
}

/* The bounds of what is set in the flags of rows and columns. */
static medroi_grid_box box_of_flags(const medroi_search *search) {
    const medroi_grid *grid = &search->grid;
    medroi_grid_box box = {{0, 0}, {0, 0}, {0, 0}};
    for (int64_t z = 0; z < grid->n_z; z++) {
        const uint8_t *flags = search->row_flags + z * grid->n_y;
        const uint8_t *first = memchr(flags, 1, (size_t)grid->n_y);
        if (first) {
            include_flagged(&box.z, z);
            int64_t low = first - flags;
            int64_t high = grid->n_y;
            while (!flags[high - 1]) {
                high--;
            }
            int empty = box.y.start == box.y.stop;
            box.y.start = empty || low < box.y.start ? low : box.y.start;
            box.y.stop = high > box.y.stop ? high : box.y.stop;
        }
    }
    for (int64_t i = 0; i < grid->length; i++) {
        if (search->column_flags[i]) {
            include_flagged(&box.x, i / grid->inner);
        }
    }
    return box;
}

static medroi_span widen(medroi_span span, int64_t n, int64_t margin) {
    span.start = span.start > margin ? span.start - margin : 0;
    span.stop = n - span.stop > margin ? span.stop + margin : n;
    return span;
}

/* The opening gives back the one layer that the erosion took, and the padding is added. */
static medroi_grid_box pad_core(const medroi_grid *grid, medroi_grid_box core, int64_t padding) {
    if (medroi_grid_box_is_empty(&core)) {
        return core;
    }
    core.z = widen(widen(core.z, grid->n_z, grid->n_z >= 3), grid->n_z, padding);
    core.y = widen(widen(core.y, grid->n_y, grid->n_y >= 3), grid->n_y, padding);
    core.x = widen(widen(core.x, grid->n_x, grid->n_x >= 3), grid->n_x, padding);
    return core;
}

static medroi_grid_box whole_box(const medroi_grid *grid) {
    medroi_grid_box box = {{0, grid->n_z}, {0, grid->n_y}, {0, grid->n_x}};
    return box;
}

/* The padded box of the opened tissue, grown until it holds the guarantee. */
static medroi_grid_box find_box(medroi_search *search, medroi_counts *counts) {
    const medroi_grid *grid = &search->grid;
    const medroi_region_options *options = search->options;
    size_t n_rows = (size_t)(grid->n_z * grid->n_y);
    size_t length = (size_t)grid->length;
    medroi_scalar tau = search->tau.element;
    search->ops->flag(search->row_cores, n_rows, tau, search->row_flags);
    search->ops->flag(search->column_cores, length, tau, search->column_flags);
    medroi_grid_box box = pad_core(grid, box_of_flags(search), options->padding);
    search->ops->flag(search->row_peaks, n_rows, tau, search->row_flags);
    search->ops->flag(search->column_peaks, length, tau, search->column_flags);
    *counts = medroi_count_tissue(search, &box);
    uint64_t allowed = medroi_allowed_misses(counts->n_tissue, options->max_miss_rate);
    if (counts->n_missed > allowed) {
        box = medroi_grow_box(search, &box, allowed);
        *counts = medroi_count_tissue(search, &box);
    }
    return box;
}

void medroi_set_box(const medroi_layout *layout, const medroi_grid *grid,
                    const medroi_grid_box *box, medroi_region *region) {
    if (medroi_grid_box_is_empty(box)) {
        return;
    }
    const medroi_span spans[3] = {box->z, box->y, box->x};
    for (int32_t i = 0; i < layout->ndim; i++) {
        region->box.stop[i] = layout->shape[i];
    }
    for (int i = 0; i < 3; i++) {
        if (grid->axis[i] >= 0) {
            region->box.start[grid->axis[i]] = spans[i].start;
            region->box.stop[grid->axis[i]] = spans[i].stop;
        }
    }
}

/* Sets search->tau. Returns 1 where the array was projected for it. */
static int find_tau(medroi_search *search) {
    const medroi_region_options *options = search->options;
    switch (rule_of(options)) {
    case MEDROI_THRESHOLD_OTSU:
        search->tau = medroi_tau_from_otsu(search);
        return 0;
    case MEDROI_THRESHOLD_NOISE:
        search->tau = medroi_tau_from_noise(search, search->samples);
        return 0;
    case MEDROI_THRESHOLD_NUMBER: {
        double tau = options->threshold;
        if (search->source.clamp) {
            tau = copysign(search->type == MEDROI_F32 ? 0x1.fffffep127 : 0x1.fffffffffffffp1023, tau);
        }
        search->tau = medroi_tau_from_number(search->type, tau, options->dark);
        search->tau.value = options->threshold;
        return 0;
    }
    default: {
        medroi_sum sum = project_array(search);
        search->tau = medroi_tau_from_mean(search, &sum);
        return 1;
    }
    }
}

static void find_thresholded(medroi_search *search, const medroi_layout *layout,
                             medroi_region *region) {
    const medroi_region_options *options = search->options;
    medroi_grid_box box = whole_box(&search->grid);
    medroi_counts counts = {0, 0};
    int projected = find_tau(search);
    region->threshold = search->tau.value;
    if (search->tau.tissue == MEDROI_TISSUE_NONE) {
        return;
    }
    int outline = options->roi == MEDROI_ROI_HULL || options->largest_only;
    if (outline && medroi_find_outline(search, layout, search->outline, region)) {
        return;
    }
    if (search->tau.tissue == MEDROI_TISSUE_SOME) {
        if (!projected) {
            (void)project_array(search);
        }
        box = find_box(search, &counts);
    }
    medroi_set_box(layout, &search->grid, &box, region);
    region->n_tissue = counts.n_tissue;
    region->n_missed = counts.n_missed;
    region->miss_rate =
        counts.n_missed ? (double)counts.n_missed / (double)counts.n_tissue : 0.0;
}

medroi_status medroi_find_region(const medroi_layout *layout, const void *data,
                                 const medroi_region_options *options, void *scratch,
                                 medroi_region *region, medroi_error *error) {
    medroi_status status = medroi_check_array(layout, data, error);
    if (status == MEDROI_OK) {
        status = check_options(layout, options, error);
    }
    if (status != MEDROI_OK) {
        return status;
    }
    memset(region, 0, sizeof *region);
    region->threshold =
        options->threshold_rule == MEDROI_THRESHOLD_NUMBER ? options->threshold : (double)NAN;
    if (medroi_layout_is_empty(layout)) {
        return MEDROI_OK;
    }
    medroi_search search = make_search(layout, data, options);
    search.source.grid = &search.grid;
    if (options->threshold_rule == MEDROI_THRESHOLD_NONE) {
        medroi_grid_box box =
            medroi_box_of_differing(layout, &search.grid, data, options->background);
        medroi_set_box(layout, &search.grid, &box, region);
        return MEDROI_OK;
    }
    place_arrays(&search, medroi_align_scratch(scratch));
    find_thresholded(&search, layout, region);
    return MEDROI_OK;
}

size_t medroi_mask_scratch_nbytes(const medroi_layout *layout,
                                  const medroi_region_options *options) {
    medroi_region_options as_hull = *options;
    as_hull.roi = MEDROI_ROI_HULL;
    size_t nbytes = medroi_region_scratch_nbytes(layout, &as_hull);
    if (nbytes == 0) {
        return 0;
    }
    medroi_grid grid = medroi_make_grid(layout);
    return nbytes + medroi_outline_mask_scratch_nbytes(&grid) + MEDROI_SCRATCH_ALIGNMENT;
}

medroi_status medroi_find_mask(const medroi_layout *layout, const void *data,
                               const medroi_region_options *options, void *scratch, uint8_t *mask,
                               medroi_error *error) {
    medroi_region_options as_hull = *options;
    as_hull.roi = MEDROI_ROI_HULL;
    medroi_status status = medroi_check_array(layout, data, error);
    if (status == MEDROI_OK) {
        status = check_options(layout, &as_hull, error);
    }
    if (status != MEDROI_OK || medroi_layout_is_empty(layout)) {
        return status;
    }
    medroi_search search = make_search(layout, data, &as_hull);
    search.source.grid = &search.grid;
    size_t n_voxels = (size_t)(search.grid.n_z * search.grid.n_y * search.grid.n_x);
    if (as_hull.threshold_rule == MEDROI_THRESHOLD_NONE) {
        memset(mask, 1, n_voxels);
        return MEDROI_OK;
    }
    uint8_t *aligned = medroi_align_scratch(scratch);
    size_t used = place_arrays(&search, aligned);
    (void)find_tau(&search);
    if (search.tau.tissue == MEDROI_TISSUE_SOME) {
        medroi_outline_mask(&search, aligned + used, mask);
    } else {
        memset(mask, search.tau.tissue == MEDROI_TISSUE_ALL, n_voxels);
    }
    return MEDROI_OK;
}
