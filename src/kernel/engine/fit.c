/* Numbers fixed in a whole array, so that its chunks, each coded alone, keep its tissue.
 *
 * The threshold is that of the whole array, lowered (dark tissue: raised) until no more than half
 * of max_miss_rate of the tissue's contour is lost when each chunk is coded alone. The contour is
 * all that the opened tissue above the air's noise, closed and without holes, encloses, dark
 * ventricles included; where a number is asked for, that number takes the noise's place. A voxel is
 * lost if it differs from the background and comes back as background. Where no threshold keeps
 * enough, there is none: every voxel that differs from the background is kept. */
#include "base/elements.h"
#include "base/layout.h"
#include "engine/engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define N_BISECTIONS 8

/* Everything one fit works with. */
typedef struct fitting {
    medroi_layout array;
    medroi_layout chunk;
    medroi_layout mask;       /* of the array, one byte a voxel */
    medroi_layout chunk_mask; /* of a chunk */
    const uint8_t *data;
    medroi_region_options options;
    uint8_t *wanted; /* of the whole array: 1 where a voxel must not be lost */
    uint8_t *part;   /* what a chunk has of the array, dense */
    uint8_t *full;   /* a chunk, and background behind its end */
    uint8_t *flags;  /* what a chunk has of `wanted` */
    uint8_t *plane;  /* of these */
    void *scratch;   /* for the search in a chunk */
    medroi_space space;
    uint64_t n_allowed;
    int is_whole; /* the chunk is the array: no copy of it is made */
    medroi_status status;
    medroi_error *error;
} fitting;

static size_t n_elements(const medroi_layout *layout) {
    return medroi_array_nbytes(layout) / layout->itemsize;
}

static void *take(const fitting *f, size_t nbytes) {
    return f->space.take(f->space.user, nbytes > 0 ? nbytes : 1);
}

static void give(const fitting *f, void *memory) {
    if (memory != NULL) {
        f->space.give(f->space.user, memory);
    }
}

/* Of `n` elements side by side, mark those whose bytes are not the background's and that the
 * contour holds; `step` is that of the contour, 1 or 0. Returns how many. */
#define CHOOSE(type)                                                                               \
    {                                                                                              \
        type element, none;                                                                        \
        memcpy(&none, background, sizeof none);                                                    \
        for (size_t i = 0; i < n; i++) {                                                           \
            memcpy(&element, data + i * sizeof element, sizeof element);                           \
            wanted[i] = (uint8_t)(contour[i * step] & (element != none));                          \
            n_wanted += wanted[i];                                                                 \
        }                                                                                          \
        return n_wanted;                                                                           \
    }

static uint64_t choose_run(const uint8_t *data, size_t itemsize, const uint8_t *background,
                           const uint8_t *contour, size_t step, size_t n, uint8_t *wanted) {
    uint64_t n_wanted = 0;
    switch (itemsize) {
    case 1:
        CHOOSE(uint8_t)
    case 2:
        CHOOSE(uint16_t)
    case 4:
        CHOOSE(uint32_t)
    default:
        CHOOSE(uint64_t)
    }
}

/* Spread a contour of the volume over the array's other axes, and leave out what is background.
 * Where there are none, `contour` may be f->wanted itself. */
static uint64_t choose_wanted(fitting *f, const uint8_t *contour) {
    const medroi_layout *layout = &f->array;
    int32_t order[MEDROI_MAX_AXES], last = layout->ndim - 1;
    int64_t step[MEDROI_MAX_AXES] = {0}, at[MEDROI_MAX_AXES] = {0};
    int64_t volume_step = 1;
    size_t n = n_elements(layout), place = 0;
    uint8_t background[8];
    uint64_t n_wanted = 0;
    medroi_memory_order(layout, order);
    for (int32_t i = last; i >= 0; i--) {
        if (layout->axes >> order[i] & 1) {
            step[i] = volume_step;
            volume_step *= layout->shape[order[i]];
        }
    }
    size_t length = (size_t)layout->shape[order[last]];
    medroi_store_bits(background, layout->itemsize, layout->big_endian, f->options.background);
    for (size_t k = 0; k < n; k += length) {
        n_wanted += choose_run(f->data + k * layout->itemsize, layout->itemsize, background,
                               contour + place, (size_t)step[last], length, f->wanted + k);
        for (int32_t i = last - 1; i >= 0; i--) {
            place += (size_t)step[i];
            if (++at[i] < layout->shape[order[i]]) {
                break;
            }
            at[i] = 0;
            place -= (size_t)(step[i] * layout->shape[order[i]]);
        }
    }
    return n_wanted;
}

/* A chunk's share of an array, and background in the rest. */
static void take_chunk(const medroi_layout *array, const void *data, const medroi_box *box,
                       const medroi_layout *chunk, uint64_t fill, uint8_t *part, uint8_t *full) {
    medroi_box inside = {{0}, {0}}, none = {{0}, {0}};
    uint8_t axis = medroi_default_slice_axis(array);
    int is_whole = 1;
    for (int32_t i = 0; i < array->ndim; i++) {
        inside.stop[i] = box->stop[i] - box->start[i];
        is_whole = is_whole && inside.stop[i] == chunk->shape[i];
    }
    if (!is_whole) {
        medroi_fill_outside(chunk, full, &none, fill);
    }
    medroi_gather(array, data, box, axis, part);
    medroi_scatter(chunk, full, &inside, axis, part);
}

/* Wanted voxels of one chunk that its region does not keep. */
static uint64_t lost_in(fitting *f, const medroi_box *box, const medroi_region_options *options) {
    medroi_region region;
    size_t n = n_elements(&f->chunk_mask);
    const uint8_t *chunk = f->data, *wanted = f->wanted;
    if (!f->is_whole) {
        take_chunk(&f->mask, f->wanted, box, &f->chunk_mask, 0, f->part, f->flags);
        wanted = f->flags;
    }
    uint64_t n_wanted = medroi_count_flags(wanted, n);
    if (n_wanted == 0) {
        return 0;
    }
    if (!f->is_whole) {
        take_chunk(&f->array, f->data, box, &f->chunk, options->background, f->part, f->full);
        chunk = f->full;
    }
    f->status = medroi_find_region(&f->chunk, chunk, options, f->scratch, &region, f->error);
    if (f->status != MEDROI_OK) {
        return 0;
    }
    return n_wanted - medroi_count_kept(&f->chunk_mask, &region, wanted, f->plane);
}

static int next_chunk(const fitting *f, medroi_box *box) {
    for (int32_t i = f->array.ndim - 1; i >= 0; i--) {
        int64_t start = box->stop[i] == f->array.shape[i] ? 0 : box->start[i] + f->chunk.shape[i];
        int64_t stop = start + f->chunk.shape[i];
        box->start[i] = start;
        box->stop[i] = stop < f->array.shape[i] ? stop : f->array.shape[i];
        if (start > 0) {
            return 1;
        }
    }
    return 0;
}

/* Whether chunks with this threshold keep enough. */
static int holds(fitting *f, double threshold) {
    medroi_region_options options = f->options;
    medroi_box box = {{0}, {0}};
    uint64_t n_lost = 0;
    options.threshold_rule = MEDROI_THRESHOLD_NUMBER;
    options.threshold = threshold;
    for (int32_t i = 0; i < f->array.ndim; i++) {
        box.stop[i] = f->chunk.shape[i] < f->array.shape[i] ? f->chunk.shape[i] : f->array.shape[i];
    }
    do {
        n_lost += lost_in(f, &box, &options);
        if (f->status != MEDROI_OK || n_lost > f->n_allowed) {
            return 0;
        }
    } while (next_chunk(f, &box));
    return 1;
}

/* The extreme of the finite elements; 0 where there is none. */
static int find_extreme(const fitting *f, double *extreme) {
    const medroi_layout *layout = &f->array;
    size_t n = n_elements(&f->array);
    int found = 0;
    for (size_t k = 0; k < n; k++) {
        uint64_t bits =
            medroi_load_bits(f->data + k * layout->itemsize, layout->itemsize, layout->big_endian);
        double value = medroi_value_of_bits(layout->kind, layout->itemsize, bits);
        if (isfinite(value) &&
            (!found || (f->options.dark ? value > *extreme : value < *extreme))) {
            *extreme = value;
            found = 1;
        }
    }
    return found;
}

/* The highest threshold found that keeps enough; NaN where none does. */
static double lower(fitting *f, double threshold) {
    double good = 0, bad = threshold;
    if (holds(f, threshold)) {
        return threshold;
    }
    if (f->status != MEDROI_OK || !find_extreme(f, &good) || !holds(f, good)) {
        return NAN;
    }
    for (int i = 0; i < N_BISECTIONS; i++) {
        double middle = good + (bad - good) / 2;
        if (f->array.kind != 'f') {
            middle = f->options.dark ? floor(middle) : ceil(middle);
        }
        if (middle == good || middle == bad || !isfinite(middle)) {
            break;
        }
        if (holds(f, middle)) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    return good;
}

static medroi_status find_wanted(fitting *f) {
    size_t n_voxels = 1, scratch_nbytes = medroi_mask_scratch_nbytes(&f->array, &f->options);
    for (int32_t i = 0; i < f->array.ndim; i++) {
        n_voxels *= f->array.axes >> i & 1 ? (size_t)f->array.shape[i] : 1;
    }
    /* A volume has one flag for each element, which then becomes what is wanted in place. */
    uint8_t *contour = n_voxels == n_elements(&f->array) ? f->wanted : take(f, n_voxels);
    void *scratch = contour != NULL ? take(f, scratch_nbytes) : NULL;
    medroi_status status = MEDROI_OK;
    if (scratch == NULL) {
        status = medroi_fail(f->error, MEDROI_NO_MEMORY, "no memory for a contour");
    } else {
        status = medroi_mask_of_tissue(&f->array, f->data, &f->options, scratch, contour, f->error);
    }
    give(f, scratch);
    if (status == MEDROI_OK) {
        uint64_t n_wanted = choose_wanted(f, contour);
        /* Where exactly a contour runs is a matter of definition: half is kept for that. */
        f->n_allowed = (uint64_t)floor(f->options.max_miss_rate / 2 * (double)n_wanted);
    }
    if (contour != f->wanted) {
        give(f, contour);
    }
    return status;
}

static int has_room(fitting *f, size_t scratch_nbytes) {
    size_t chunk_nbytes = f->is_whole ? 1 : medroi_array_nbytes(&f->chunk);
    f->part = take(f, chunk_nbytes);
    f->full = take(f, chunk_nbytes);
    f->flags = take(f, f->is_whole ? 1 : n_elements(&f->chunk));
    f->plane = take(f, medroi_plane_of_flags_nbytes(&f->chunk_mask));
    f->scratch = take(f, scratch_nbytes);
    return f->part != NULL && f->full != NULL && f->flags != NULL && f->plane != NULL &&
           f->scratch != NULL;
}

static medroi_status find_threshold(fitting *f, double *threshold) {
    size_t scratch_nbytes = medroi_region_scratch_nbytes(&f->chunk, &f->options);
    medroi_region_options number = f->options;
    number.threshold_rule = MEDROI_THRESHOLD_NUMBER;
    size_t number_nbytes = medroi_region_scratch_nbytes(&f->chunk, &number);
    scratch_nbytes = scratch_nbytes > number_nbytes ? scratch_nbytes : number_nbytes;
    f->mask = medroi_flags_layout(&f->array);
    f->chunk_mask = medroi_flags_layout(&f->chunk);
    f->is_whole = memcmp(f->chunk.shape, f->array.shape, sizeof f->chunk.shape) == 0;
    f->wanted = take(f, n_elements(&f->array));
    f->status = f->wanted == NULL
                    ? medroi_fail(f->error, MEDROI_NO_MEMORY, "no memory for a flag a voxel")
                    : find_wanted(f);
    /* Only now, as the contour needs as much: the two are not in memory together. */
    if (f->status == MEDROI_OK && !has_room(f, scratch_nbytes)) {
        f->status = medroi_fail(f->error, MEDROI_NO_MEMORY, "no memory for a chunk of %zu bytes",
                                medroi_array_nbytes(&f->chunk));
    }
    if (f->status == MEDROI_OK) {
        *threshold = lower(f, *threshold);
    }
    give(f, f->scratch);
    give(f, f->plane);
    give(f, f->flags);
    give(f, f->full);
    give(f, f->part);
    give(f, f->wanted);
    return f->status;
}

/* The threshold of the whole array, NaN where there is none, and why. */
static medroi_status search_whole(const fitting *f, medroi_fitted *fitted) {
    medroi_region_options options = f->options;
    medroi_region region;
    options.complete = 1;
    size_t nbytes = medroi_region_scratch_nbytes(&f->array, &options);
    void *scratch = take(f, nbytes);
    if (scratch == NULL) {
        return medroi_fail(f->error, MEDROI_NO_MEMORY, "no memory for %zu bytes", nbytes);
    }
    medroi_status status =
        medroi_find_region(&f->array, f->data, &options, scratch, &region, f->error);
    give(f, scratch);
    fitted->whole_threshold = status == MEDROI_OK ? region.threshold : NAN;
    fitted->reason = status == MEDROI_OK ? region.reason : MEDROI_REASON_ASKED;
    return status;
}

static medroi_status take_chunk_shape(const int64_t *shape, fitting *f) {
    f->chunk = f->array;
    for (int32_t i = 0; shape != NULL && i < f->array.ndim; i++) {
        if (shape[i] < 1 && medroi_array_nbytes(&f->array) > 0) {
            return medroi_fail(f->error, MEDROI_INVALID_ARGUMENT,
                               "a chunk of %lld voxels along axis %d: expected 1 or more",
                               (long long)shape[i], (int)i);
        }
        f->chunk.shape[i] = shape[i];
    }
    return medroi_check_layout(&f->chunk, MEDROI_INVALID_ARGUMENT, f->error);
}

static medroi_status resolve_array(const medroi_settings *settings, fitting *f,
                                   medroi_reason *reason) {
    size_t nbytes = medroi_choice_scratch_nbytes(settings, &f->array);
    f->options = settings->region;
    f->options.n_threads = 1;
    if (!settings->auto_background) {
        return MEDROI_OK;
    }
    void *scratch = take(f, nbytes);
    if (scratch == NULL) {
        return medroi_fail(f->error, MEDROI_NO_MEMORY, "no memory for %zu bytes", nbytes);
    }
    if (!medroi_choose_background(settings, &f->array, f->data, scratch, &f->options)) {
        *reason = MEDROI_REASON_NO_BACKGROUND;
    }
    give(f, scratch);
    return MEDROI_OK;
}

medroi_status medroi_fit_region(const medroi_settings *settings, const medroi_layout *layout,
                                const void *data, const int64_t *chunk_shape,
                                const medroi_space *space, medroi_fitted *fitted,
                                medroi_error *error) {
    fitting f = {
        .array = *layout, .data = data, .space = medroi_space_or_heap(space), .error = error};
    const medroi_fitted nothing = {0, NAN, NAN, MEDROI_REASON_ASKED};
    *fitted = nothing;
    medroi_status status = take_chunk_shape(chunk_shape, &f);
    if (status == MEDROI_OK) {
        status = resolve_array(settings, &f, &fitted->reason);
    }
    fitted->background = f.options.background;
    if (status != MEDROI_OK || !medroi_is_image(layout) ||
        f.options.threshold_rule == MEDROI_THRESHOLD_NONE) {
        return status;
    }
    status = search_whole(&f, fitted);
    if (status != MEDROI_OK || isnan(fitted->whole_threshold) || medroi_array_nbytes(layout) == 0) {
        return status;
    }
    fitted->reason = MEDROI_REASON_ASKED;
    fitted->threshold = fitted->whole_threshold;
    return find_threshold(&f, &fitted->threshold);
}

void medroi_fix_background(medroi_config *config, const medroi_layout *layout,
                           uint64_t background) {
    config->background = MEDROI_BACKGROUND_INT;
    config->background_word = 0;
    if (layout->kind == 'f') {
        double value = medroi_float_of_bits(layout->itemsize, background);
        if (value != 0 || signbit(value)) {
            config->background = MEDROI_BACKGROUND_FLOAT;
            memcpy(&config->background_word, &value, sizeof value);
        }
    } else if (layout->kind == 'u' || layout->kind == 'b') {
        config->background =
            background > INT64_MAX ? MEDROI_BACKGROUND_UINT : MEDROI_BACKGROUND_INT;
        config->background_word = background;
    } else if (layout->kind == 'i') {
        config->background_word = (uint64_t)medroi_signed_of_bits(layout->itemsize, background);
    }
}

/* A configuration with these numbers in place of its rules. */
static void fix(medroi_config *config, const medroi_layout *layout, uint64_t background,
                double threshold) {
    config->region.threshold_rule =
        isnan(threshold) ? MEDROI_THRESHOLD_NONE : MEDROI_THRESHOLD_NUMBER;
    config->region.threshold = isnan(threshold) ? 0 : threshold;
    medroi_fix_background(config, layout, background);
}

/* The same for the target of its inner codec, which holds in the region of the whole array. */
static medroi_status fix_target(medroi_config *config, const medroi_layout *given, const void *data,
                                const int64_t *chunk_shape, double whole_threshold,
                                medroi_error *error) {
    medroi_layout layout = *given;
    medroi_settings settings;
    const medroi_parameter *target = NULL;
    double number = 0;
    medroi_status status = medroi_resolve(config, NULL, &layout, &settings, error);
    if (settings.region.threshold_rule == MEDROI_THRESHOLD_NUMBER) {
        settings.region.threshold = whole_threshold;
    }
    if (status == MEDROI_OK) {
        status = medroi_fit_target(&settings, &config->coder, &layout, data, chunk_shape, NULL,
                                   NULL, &target, &number, error);
    }
    return status == MEDROI_OK && target != NULL ? medroi_set_target(config, target, number, error)
                                                 : status;
}

medroi_status medroi_fit(medroi_context *context, const medroi_config *config,
                         const medroi_layout *given, const void *data, const int64_t *chunk_shape,
                         medroi_config **fitted, const char **note, medroi_error *error) {
    medroi_layout layout = *given;
    medroi_settings settings;
    medroi_fitted found;
    char *text = NULL;
    (void)context;
    *fitted = NULL;
    layout.axes = 1;
    medroi_status status = medroi_check_layout(&layout, MEDROI_INVALID_ARGUMENT, error);
    if (status == MEDROI_OK) {
        status = medroi_resolve(config, NULL, &layout, &settings, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_fit_region(&settings, &layout, data, chunk_shape, NULL, &found, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_config_to_json(config, &text, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_config_from_json(text, fitted, error);
    }
    medroi_free(text);
    if (status == MEDROI_OK) {
        fix(*fitted, &layout, found.background, found.threshold);
        status = fix_target(*fitted, &layout, data, chunk_shape, found.whole_threshold, error);
    }
    if (status == MEDROI_OK) {
        (*fitted)->region.declares_padding = config->region.declares_padding;
        (*fitted)->region.padding_low = config->region.padding_low;
        (*fitted)->region.padding_high = config->region.padding_high;
        if (note != NULL) {
            *note = medroi_reason_text(found.reason);
        }
    }
    return status;
}
