/* Settings and an array to the header of its stream: the rules that every binding shares. */
#include "base/arena.h"
#include "base/elements.h"
#include "base/layout.h"
#include "engine/engine.h"
#include "region/mask/mask.h"
#include "region/padding.h"
#include "stream/stream.h"

#include <math.h>
#include <string.h>

int medroi_is_image(const medroi_layout *layout) {
    return layout->ndim > 1 && medroi_kind_is_intensity(layout->kind);
}

static medroi_region_options options_for(const medroi_settings *settings,
                                         const medroi_layout *layout) {
    medroi_region_options options = settings->region;
    if (!medroi_is_image(layout)) {
        options.threshold_rule = MEDROI_THRESHOLD_NONE;
    }
    return options;
}

static int has_findable_background(const medroi_layout *layout) {
    return !medroi_layout_is_empty(layout) && medroi_kind_is_number(layout->kind);
}

/* Options of a search that is made for its judgement of the air alone. */
static void look_for_air(medroi_region_options *options) {
    options->threshold_rule = MEDROI_THRESHOLD_AUTO;
    options->roi = MEDROI_ROI_MASK;
    options->complete = 1; /* the constant would else say that the array is being written */
}

/* Whether noisy air is seen beside what may be padding: then that is padding, and
 * the air another value. Sets options->background to it. */
static int find_air_beside_padding(const medroi_layout *layout, const void *data,
                                   const medroi_padding *padding, void *scratch,
                                   medroi_region_options *options) {
    medroi_region_options tried = *options;
    medroi_region region;
    if (!medroi_is_image(layout) ||
        medroi_find_background_beside(layout, data, options->dark, padding, scratch,
                                      &tried.background, NULL) != MEDROI_OK) {
        return 0;
    }
    look_for_air(&tried);
    if (medroi_find_region(layout, data, &tried, scratch, &region, NULL) != MEDROI_OK ||
        region.reason != MEDROI_REASON_NOISY_AIR) {
        return 0;
    }
    options->background = tried.background;
    return 1;
}

static int background_is_padding(const medroi_layout *layout, uint64_t background,
                                 const medroi_padding *padding) {
    double value = medroi_value_of_bits(layout->kind, layout->itemsize, background);
    return (padding->has_corner && background == padding->corner) ||
           medroi_is_declared_padding(padding, value);
}

size_t medroi_choice_scratch_nbytes(const medroi_settings *settings, const medroi_layout *layout) {
    medroi_region_options tried = settings->region;
    if (!settings->auto_background) {
        return 0;
    }
    look_for_air(&tried);
    size_t region = medroi_is_image(layout) ? medroi_region_scratch_nbytes(layout, &tried) : 0;
    size_t background = medroi_background_scratch_nbytes(layout);
    return region > background ? region : background;
}

int medroi_choose_background(const medroi_settings *settings, const medroi_layout *layout,
                             const void *data, void *scratch, medroi_region_options *options) {
    if (!settings->auto_background) {
        return 1;
    }
    options->background = 0;
    if (!has_findable_background(layout)) {
        return 1;
    }
    medroi_padding padding;
    (void)medroi_note_all_padding(layout, data, options, &padding);
    int known = medroi_find_background(layout, data, options->dark, scratch, &options->background,
                                       NULL) == MEDROI_OK;
    if (known && !background_is_padding(layout, options->background, &padding)) {
        return 1;
    }
    int has_padding = padding.has_corner || padding.is_declared;
    if ((has_padding && find_air_beside_padding(layout, data, &padding, scratch, options)) ||
        known) {
        return 1;
    }
    options->background = 0; /* nothing is known to be air: everything is kept */
    options->threshold_rule = MEDROI_THRESHOLD_NONE;
    return 0;
}

const char *medroi_reason_text(medroi_reason reason) {
    switch (reason) {
    case MEDROI_REASON_CONSTANT_AIR:
        return "the air is one constant value";
    case MEDROI_REASON_LABELS:
        return "the array holds few distinct integers, as a label map does";
    case MEDROI_REASON_NOT_SHOWN:
        return "what would be dropped is not shown to be the noise of air";
    case MEDROI_REASON_UNWRITTEN:
        return "parts of the array hold one value, as if they were not written yet";
    case MEDROI_REASON_PADDING:
        return "a box that holds the padding around the air holds everything (a mask need not)";
    case MEDROI_REASON_NO_BACKGROUND:
        return "the value of the air cannot be found";
    default:
        return "";
    }
}

/* A lossy inner codec would give background back changed. A mask keeps it as it is, where the
 * region itself keeps every voxel. */
static int may_mask_differing(const medroi_settings *settings, const medroi_layout *layout) {
    return settings->is_lossy && settings->region.roi == MEDROI_ROI_MASK &&
           medroi_is_image(layout) && !medroi_layout_is_empty(layout);
}

static size_t search_nbytes(const medroi_settings *settings, const medroi_layout *layout) {
    medroi_region_options options = options_for(settings, layout);
    size_t region = medroi_region_scratch_nbytes(layout, &options);
    size_t background = medroi_choice_scratch_nbytes(settings, layout);
    return medroi_align(region > background ? region : background);
}

size_t medroi_prepare_scratch_nbytes(const medroi_settings *settings, const medroi_layout *layout) {
    size_t mask =
        may_mask_differing(settings, layout) ? medroi_differing_scratch_nbytes(layout) : 0;
    return search_nbytes(settings, layout) + mask;
}

medroi_status medroi_prepare_header(const medroi_settings *settings, const medroi_layout *layout,
                                    const void *data, void *scratch, medroi_header *header,
                                    medroi_error *error) {
    medroi_region_options options = options_for(settings, layout);
    medroi_region region;
    medroi_status status = medroi_check_layout(layout, MEDROI_INVALID_ARGUMENT, error);
    if (status == MEDROI_OK && settings->slice_axis >= layout->ndim) {
        status = medroi_fail(error, MEDROI_INVALID_ARGUMENT, "slice_axis=%d of an array of %d axes",
                             (int)settings->slice_axis, (int)layout->ndim);
    }
    if (status == MEDROI_OK) {
        (void)medroi_choose_background(settings, layout, data, scratch, &options);
    }
    if (status == MEDROI_OK) {
        status = medroi_find_region(layout, data, &options, scratch, &region, error);
    }
    if (status == MEDROI_OK && may_mask_differing(settings, layout) && isnan(region.threshold) &&
        !medroi_is_empty_box(layout, &region.box)) {
        uint8_t *behind = (uint8_t *)scratch + search_nbytes(settings, layout);
        status = medroi_mask_differing(layout, data, options.background,
                                       options.voxel_mask ? 1 : MEDROI_TILE_EDGE, behind, &region,
                                       error);
    }
    if (status != MEDROI_OK) {
        return status;
    }
    memset(header, 0, sizeof *header);
    header->layout = *layout;
    header->box = region.box;
    header->background = options.background;
    header->threshold = region.threshold;
    header->miss_rate = region.miss_rate;
    header->side = region.side;
    header->side_nbytes = region.side_nbytes;
    header->mask_map = region.mask_map;
    memcpy(header->affine, settings->affine, sizeof header->affine);
    header->inner_id = settings->inner_id;
    header->slice_axis = settings->slice_axis < 0 || layout->ndim == 1
                             ? medroi_default_slice_axis(layout)
                             : (uint8_t)settings->slice_axis;
    return MEDROI_OK;
}
