/* Finding the region of one array: options, working memory, and the order of the steps. */
#include "base/arena.h"
#include "base/layout.h"
#include "region/auto.h"
#include "region/mask/mask.h"
#include "region/missing.h"
#include "region/padding.h"
#include "region/signal.h"
#include "region/spacing.h"

#include <math.h>
#include <string.h>

static medroi_status check_options(const medroi_layout *layout,
                                   const medroi_region_options *options, medroi_error *error) {
    if (options->padding < 0) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "padding is %lld; give 0 or more voxels",
                           (long long)options->padding);
    }
    if (!(options->max_miss_rate >= 0 && options->max_miss_rate <= 1)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "max_miss_rate is %g; give a share between 0 and 1",
                           options->max_miss_rate);
    }
    if (options->roi != MEDROI_ROI_BOX && options->roi != MEDROI_ROI_MASK) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "roi %d is not known; use the box or the mask", (int)options->roi);
    }
    switch (options->threshold_rule) {
    case MEDROI_THRESHOLD_NONE:
        return MEDROI_OK;
    case MEDROI_THRESHOLD_NUMBER:
        if (isnan(options->threshold)) {
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "the threshold is NaN; give a number, \"auto\", \"mean\", \"otsu\", "
                               "\"noise\" or None");
        }
        break;
    case MEDROI_THRESHOLD_MEAN:
    case MEDROI_THRESHOLD_OTSU:
    case MEDROI_THRESHOLD_NOISE:
    case MEDROI_THRESHOLD_AUTO:
        break;
    default:
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "threshold rule %d is not known; use \"auto\", \"mean\", \"otsu\", "
                           "\"noise\", a number or None",
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

/* Memory that each worker but the first has of its own. */
static size_t worker_nbytes(const medroi_search *search) {
    return medroi_align(medroi_source_scratch_nbytes(&search->source));
}

static void place_workers(medroi_search *search, uint8_t *scratch) {
    for (uint32_t i = 0; i < search->n_workers; i++) {
        medroi_worker *worker = &search->workers[i];
        memset(worker, 0, sizeof *worker);
        worker->source = search->source;
        if (i > 0) {
            worker->source.row = scratch;
            scratch += worker_nbytes(search);
        }
    }
}

/* A mask at the mean would lose dim tissue, and so would a box where nobody asked for the mean. */
static medroi_threshold rule_of(const medroi_region_options *options) {
    medroi_threshold rule = options->threshold_rule;
    int varies = rule == MEDROI_THRESHOLD_MEAN || rule == MEDROI_THRESHOLD_OTSU;
    int mask = options->roi == MEDROI_ROI_MASK;
    return rule == MEDROI_THRESHOLD_AUTO || (mask && varies) ? MEDROI_THRESHOLD_NOISE : rule;
}

/* Whether a mask, or the largest component, is searched for. */
static int wants_body(const medroi_region_options *options) {
    return options->roi == MEDROI_ROI_MASK || options->largest_only;
}

/* Lay the arrays of the search out in `scratch`, those for a body where it is wanted; with NULL
 * only their size is found. */
static size_t place_arrays(medroi_search *search, int body, uint8_t *scratch) {
    const medroi_grid *grid = &search->grid;
    size_t n_planes = (size_t)(grid->n_repeats * grid->n_z);
    int otsu = search->options->threshold_rule == MEDROI_THRESHOLD_OTSU;
    int plane_sums = search->n_workers > 1 && medroi_element_is_float(search->type);
    search->tissue = medroi_make_bits(grid->n_repeats * grid->n_z, grid->n_y, grid->length);
    search->beyond = search->tissue;
    size_t bits_nbytes = medroi_bits_nbytes(&search->tissue);
    const medroi_stretch arrays[] = {
        {(void **)&search->tissue.words, bits_nbytes},
        {(void **)&search->level_words, bits_nbytes},
        {(void **)&search->eroded, medroi_plane_nbytes(&search->tissue)},
        {(void **)&search->z_counts, (size_t)grid->n_z * sizeof(uint64_t)},
        {(void **)&search->y_counts, (size_t)grid->n_y * sizeof(uint64_t)},
        {(void **)&search->x_counts, (size_t)grid->n_x * sizeof(uint64_t)},
        {(void **)&search->histogram, otsu ? MEDROI_HISTOGRAM_NBYTES : 0},
        {(void **)&search->source.row, medroi_source_scratch_nbytes(&search->source)},
        {(void **)&search->workers, search->n_workers * sizeof *search->workers},
        {(void **)&search->plane_sums, plane_sums ? n_planes * sizeof(double) : 0},
        {(void **)&search->samples, medroi_noise_scratch_nbytes()},
        {(void **)&search->body, body ? medroi_body_scratch_nbytes(search) : 0},
        {(void **)&search->air, medroi_air_scratch_nbytes()},
        {(void **)&search->groups, medroi_guarantee_scratch_nbytes(search)},
        {(void **)&search->section, MEDROI_DROPPED_NBYTES},
    };
    size_t used = medroi_place(arrays, sizeof arrays / sizeof arrays[0], scratch);
    if (scratch) {
        search->plane_sums = plane_sums ? search->plane_sums : NULL;
        place_workers(search, scratch + used);
    }
    return used + (search->n_workers - 1) * worker_nbytes(search);
}

static medroi_search make_search(const medroi_layout *layout, const void *data,
                                 const medroi_region_options *options) {
    medroi_search search = {.options = options, .rule = rule_of(options)};
    search.grid = medroi_make_grid(layout);
    search.type = medroi_element_type_of(layout);
    search.ops = medroi_row_ops_for(search.type, options->dark);
    search.background = medroi_scalar_from_bits(layout, options->background);
    search.opening = medroi_opening_of(layout, &search.grid, options);
    search.source = medroi_make_source(layout, NULL, data);
    search.source.clamp = medroi_element_is_float(search.type) &&
                          options->threshold_rule == MEDROI_THRESHOLD_NUMBER &&
                          isinf(options->threshold);
    return search;
}

static size_t scratch_nbytes_of(const medroi_layout *layout, const medroi_region_options *options,
                                int body) {
    if (medroi_check_array(layout, layout, NULL) != MEDROI_OK || medroi_layout_is_empty(layout) ||
        options->threshold_rule == MEDROI_THRESHOLD_NONE) {
        return 0;
    }
    medroi_search search = make_search(layout, NULL, options);
    search.source.grid = &search.grid;
    search.n_workers = medroi_count_workers(&search);
    return place_arrays(&search, body, NULL) + MEDROI_SCRATCH_ALIGNMENT;
}

size_t medroi_region_scratch_nbytes(const medroi_layout *layout,
                                    const medroi_region_options *options) {
    return scratch_nbytes_of(layout, options, wants_body(options));
}

static void find_tau(medroi_search *search) {
    const medroi_region_options *options = search->options;
    switch (search->rule) {
    case MEDROI_THRESHOLD_OTSU:
        search->tau = medroi_tau_from_otsu(search);
        return;
    case MEDROI_THRESHOLD_NOISE:
        search->tau = medroi_tau_from_noise(search, search->samples);
        return;
    case MEDROI_THRESHOLD_NUMBER: {
        double tau = options->threshold;
        if (search->source.clamp) {
            tau =
                copysign(search->type == MEDROI_F32 ? 0x1.fffffep127 : 0x1.fffffffffffffp1023, tau);
        }
        search->tau = medroi_tau_from_number(search->type, tau, options->dark);
        search->tau.value = options->threshold;
        return;
    }
    default: {
        medroi_sum sum = medroi_sum_array(search);
        search->tau = medroi_tau_from_mean(search, &sum);
    }
    }
}

static void set_region(medroi_search *search, const medroi_layout *layout,
                       const medroi_grid_box *box, medroi_counts counts, medroi_region *region) {
    medroi_set_box(layout, &search->grid, box, region);
    region->n_tissue = counts.n_tissue;
    region->n_missed = counts.n_missed;
    region->miss_rate = counts.n_missed ? (double)counts.n_missed / (double)counts.n_tissue : 0.0;
}

static void note_groups(const medroi_search *search, const medroi_layout *layout,
                        medroi_dropped *dropped) {
    const medroi_group *largest = &search->dropped.largest;
    medroi_region bounds = {.box = {{0}, {0}}};
    dropped->n_dropped = search->dropped.n_voxels;
    if (dropped->n_dropped > 0) {
        medroi_set_box(layout, &search->grid, &largest->box, &bounds);
        dropped->n_largest = largest->n_voxels;
        dropped->peak = largest->peak;
        dropped->largest = bounds.box;
    }
}

/* The section goes behind what a mask has written already. There is none where no signal is dropped
 * (FORMAT.md, section 4.3). */
static void set_dropped(medroi_search *search, const medroi_layout *layout, medroi_region *region) {
    medroi_dropped *dropped = &region->dropped;
    dropped->level = search->signal.value;
    dropped->n_signal = search->n_signal;
    note_groups(search, layout, dropped);
    if (dropped->n_dropped == 0) {
        return;
    }
    size_t nbytes = medroi_write_dropped(layout, dropped, search->section);
    if (region->side_nbytes > 0) { /* room was left for it */
        memcpy(search->side_end, search->section, nbytes);
    } else {
        region->side = search->section;
    }
    region->side_nbytes += (uint32_t)nbytes;
}

static int is_whole(const medroi_grid *grid, const medroi_grid_box *box) {
    medroi_grid_box whole = medroi_whole_volume(grid);
    return memcmp(&whole, box, sizeof whole) == 0;
}

/* Returns 0 where nothing may be dropped; search->reason says why. */
static int find_thresholded_box(medroi_search *search, const medroi_layout *layout,
                                const void *data, medroi_region *region) {
    const medroi_grid *grid = &search->grid;
    medroi_grid_box box = medroi_whole_volume(grid);
    medroi_counts counts = {0, 0};
    int some = search->tau.tissue == MEDROI_TISSUE_SOME;
    if (search->tau.tissue == MEDROI_TISSUE_NONE) {
        memset(&box, 0, sizeof box);
    } else if (some) {
        medroi_mark_tissue(search, 1);
        box = medroi_find_box(search, &counts);
    }
    medroi_grid_box found = box;
    (void)medroi_include_missing(layout, grid, data, search->options->background, &box);
    medroi_kept kept = {.box = box};
    medroi_include_padding(search, &box);
    int grows = is_whole(grid, &box) && !is_whole(grid, &kept.box);
    kept.box = box;
    if (!medroi_study_air(search, layout, data, &kept)) {
        if (grows && search->reason == MEDROI_REASON_NOT_SHOWN) { /* there was nothing to judge */
            search->reason = MEDROI_REASON_PADDING;
        }
        return 0;
    }
    if (some && !medroi_keep_signal_in_box(search, &box)) {
        box = medroi_whole_volume(grid);
    }
    if (some && memcmp(&found, &box, sizeof box) != 0) {
        counts = medroi_count_tissue(search, &box);
    }
    set_region(search, layout, &box, counts, region);
    return 1;
}

static int find_thresholded(medroi_search *search, const medroi_layout *layout, const void *data,
                            medroi_region *region) {
    const medroi_region_options *options = search->options;
    find_tau(search);
    medroi_find_signal_level(search);
    medroi_note_floor(search);
    region->threshold = search->tau.value;
    if (search->tau.tissue == MEDROI_TISSUE_NONE || !wants_body(options) ||
        !medroi_find_body(search, layout, data, search->body, region)) {
        if (search->reason > MEDROI_REASON_NOISY_AIR ||
            !find_thresholded_box(search, layout, data, region)) {
            return 0;
        }
    }
    set_dropped(search, layout, region);
    return 1;
}

static void keep_all(const medroi_search *search, const medroi_layout *layout, const void *data,
                     medroi_region *region) {
    memset(region, 0, sizeof *region);
    region->reason = search->reason;
    region->threshold = (double)NAN;
    region->dropped.level = (double)NAN;
    medroi_grid_box box =
        medroi_box_of_differing(layout, &search->grid, data, search->options->background);
    medroi_set_box(layout, &search->grid, &box, region);
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
        keep_all(&search, layout, data, region);
        return MEDROI_OK;
    }
    search.n_workers = medroi_count_workers(&search);
    place_arrays(&search, wants_body(options), medroi_align_scratch(scratch));
    medroi_note_padding(&search, layout, data);
    if (find_thresholded(&search, layout, data, region)) {
        region->reason = search.reason;
    } else {
        keep_all(&search, layout, data, region);
    }
    return MEDROI_OK;
}

static medroi_region_options counting(const medroi_region_options *options) {
    medroi_region_options asked = *options;
    asked.roi = MEDROI_ROI_BOX;
    asked.threshold_rule = MEDROI_THRESHOLD_NUMBER;
    asked.max_miss_rate = 1; /* nothing is given up for too many groups */
    return asked;
}

size_t medroi_count_groups_scratch_nbytes(const medroi_layout *layout,
                                          const medroi_region_options *options) {
    medroi_region_options asked = counting(options);
    return medroi_region_scratch_nbytes(layout, &asked);
}

medroi_status medroi_count_groups(const medroi_layout *layout, const void *data,
                                  const medroi_region_options *options, void *scratch,
                                  medroi_dropped *found, medroi_error *error) {
    medroi_region_options asked = counting(options);
    medroi_status status = medroi_check_array(layout, data, error);
    if (status == MEDROI_OK) {
        status = check_options(layout, &asked, error);
    }
    memset(found, 0, sizeof *found);
    found->level = options->threshold;
    if (status != MEDROI_OK || medroi_layout_is_empty(layout)) {
        return status;
    }
    medroi_search search = make_search(layout, data, &asked);
    search.source.grid = &search.grid;
    search.n_workers = 1;
    place_arrays(&search, wants_body(&asked), medroi_align_scratch(scratch));
    find_tau(&search);
    search.signal = search.tau;
    if (search.tau.tissue == MEDROI_TISSUE_NONE) {
        return MEDROI_OK;
    }
    medroi_mark_tissue(&search, 1);
    const medroi_kept nothing = {.box = {{0, 0}, {0, 0}, {0, 0}}};
    const medroi_group_search wanted = {.kept = &nothing, .limit = MEDROI_GROUP_LIMIT};
    search.dropped = medroi_find_groups(&search, &wanted, search.groups);
    note_groups(&search, layout, found);
    found->n_signal = found->n_dropped;
    return MEDROI_OK;
}

size_t medroi_mask_scratch_nbytes(const medroi_layout *layout,
                                  const medroi_region_options *options) {
    medroi_region_options as_mask = *options;
    as_mask.roi = MEDROI_ROI_MASK;
    size_t nbytes = scratch_nbytes_of(layout, &as_mask, 0);
    if (nbytes == 0) {
        return 0;
    }
    medroi_grid grid = medroi_make_grid(layout);
    return nbytes + medroi_contour_scratch_nbytes(&grid) + MEDROI_SCRATCH_ALIGNMENT;
}

medroi_status medroi_mask_of_tissue(const medroi_layout *layout, const void *data,
                                    const medroi_region_options *options, void *scratch,
                                    uint8_t *mask, medroi_error *error) {
    medroi_region_options as_mask = *options;
    as_mask.roi = MEDROI_ROI_MASK;
    medroi_status status = medroi_check_array(layout, data, error);
    if (status == MEDROI_OK) {
        status = check_options(layout, &as_mask, error);
    }
    if (status != MEDROI_OK || medroi_layout_is_empty(layout)) {
        return status;
    }
    medroi_search search = make_search(layout, data, &as_mask);
    search.source.grid = &search.grid;
    size_t n_voxels = (size_t)(search.grid.n_z * search.grid.n_y * search.grid.n_x);
    if (as_mask.threshold_rule == MEDROI_THRESHOLD_NONE) {
        memset(mask, 1, n_voxels);
        return MEDROI_OK;
    }
    uint8_t *aligned = medroi_align_scratch(scratch);
    search.n_workers = medroi_count_workers(&search);
    size_t used = place_arrays(&search, 0, aligned);
    medroi_note_padding(&search, layout, data);
    find_tau(&search);
    search.signal = search.tau;
    medroi_note_floor(&search);
    if (search.tau.tissue == MEDROI_TISSUE_SOME) {
        medroi_contour(&search, layout, aligned + used, mask);
    } else {
        memset(mask, search.tau.tissue == MEDROI_TISSUE_ALL, n_voxels);
    }
    return MEDROI_OK;
}
