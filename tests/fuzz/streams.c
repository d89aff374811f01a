#include "streams.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARRAY_NBYTES ((size_t)64 << 20)

/* --- Options --- */

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
add(fuzz_options *options, const char *format, ...) {
    size_t n = strlen(options->text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(options->text + n, sizeof options->text - n, format, arguments);
    va_end(arguments);
}

static void add_threshold(fuzz_random *random, fuzz_options *options) {
    static const char *const rules[] = {"mean", "otsu", "noise", "auto"};
    uint64_t rule = fuzz_below(random, 8);
    options->keeps_all = rule < 2;
    if (options->keeps_all) {
        add(options, ", \"threshold\": null");
    } else if (rule < 6) {
        add(options, ", \"threshold\": \"%s\"", rules[rule - 2]);
    } else {
        add(options, ", \"threshold\": %.17g", (double)fuzz_below(random, 20000) - 100.0);
    }
}

/* A value of the elements, for the kinds that have one; elements of other kinds take 0. */
static void add_background(fuzz_random *random, const medroi_layout *layout,
                           fuzz_options *options) {
    unsigned n_bits = 8u * layout->itemsize;
    switch (strchr("biuf", layout->kind) != NULL ? fuzz_below(random, 4) : 0) {
    case 0:
        break;
    case 1:
        add(options, ", \"background\": \"auto\"");
        break;
    default:
        if (layout->kind == 'f') {
            add(options, ", \"background\": %s", fuzz_below(random, 2) ? "\"NaN\"" : "-1024.5");
        } else if (layout->kind == 'b') {
            add(options, ", \"background\": 1");
        } else {
            uint64_t size = fuzz_bits(random) >> (64u - n_bits + (layout->kind == 'i'));
            const char *sign = layout->kind == 'i' && fuzz_below(random, 2) ? "-" : "";
            add(options, ", \"background\": %s%" PRIu64, sign, size);
        }
    }
}

static void add_axes(fuzz_random *random, const medroi_layout *layout, fuzz_options *options) {
    uint64_t ndim = (uint64_t)layout->ndim;
    if (fuzz_below(random, 2)) {
        uint64_t first = fuzz_below(random, ndim), n = 1 + fuzz_below(random, 3);
        add(options, ", \"axes\": [%" PRIu64, first);
        for (uint64_t i = 1; i < n && i < ndim; i++) {
            add(options, ", %" PRIu64, (first + i) % ndim);
        }
        add(options, "]");
    }
    if (fuzz_below(random, 2)) {
        add(options, ", \"slice_axis\": %" PRId64,
            (int64_t)fuzz_below(random, 2 * ndim) - layout->ndim);
    }
}

fuzz_options fuzz_choose_options(fuzz_random *random, const medroi_layout *layout,
                                 const char *inner) {
    fuzz_options options = {.text = "", .max_miss_rate = 0.002};
    add(&options, "{\"inner\": %s", inner);
    add_threshold(random, &options);
    add_background(random, layout, &options);
    add_axes(random, layout, &options);
    if (fuzz_below(random, 4) == 0) {
        add(&options, ", \"roi\": \"mask\"");
    }
    if (fuzz_below(random, 2)) {
        add(&options, ", \"polarity\": \"dark\"");
    }
    if (fuzz_below(random, 4) == 0) {
        options.drops_groups = 1;
        add(&options, ", \"components\": \"largest\"");
    }
    if (fuzz_below(random, 2)) {
        options.max_miss_rate = (double)fuzz_below(random, 101) / 100.0;
        options.drops_groups = options.drops_groups || options.max_miss_rate == 1;
        add(&options, ", \"max_miss_rate\": %.17g", options.max_miss_rate);
    }
    add(&options, ", \"padding\": %" PRIu64,
        fuzz_below(random, fuzz_below(random, 8) ? 6 : (uint64_t)1 << 31));
    if (fuzz_below(random, 8) == 0) {
        add(&options, ", \"affine\": [[2, 0, 0], [0, 2, 0], [0, 0, %s]]",
            fuzz_below(random, 2) ? "5.5" : "0");
    }
    add(&options, "}");
    return options;
}

/* --- Voxels --- */

/* The next index of an array or a box, last axis fastest; 0 behind the last one. */
static int step(const medroi_layout *layout, const medroi_box *box, int64_t at[MEDROI_MAX_AXES]) {
    for (int32_t i = layout->ndim - 1; i >= 0; i--) {
        if (++at[i] < box->stop[i]) {
            return 1;
        }
        at[i] = box->start[i];
    }
    return 0;
}

static const uint8_t *voxel(const medroi_layout *layout, const uint8_t *array, const int64_t *at) {
    int64_t place = 0;
    for (int32_t i = 0; i < layout->ndim; i++) {
        int32_t axis = layout->f_order ? layout->ndim - 1 - i : i;
        place = place * layout->shape[axis] + at[axis];
    }
    return array + (size_t)place * layout->itemsize;
}

static size_t box_nbytes(const medroi_layout *layout, const medroi_box *box) {
    size_t nbytes = layout->itemsize;
    for (int32_t i = 0; i < layout->ndim; i++) {
        nbytes *= (size_t)(box->stop[i] - box->start[i]);
    }
    return nbytes;
}

static int is_inside(const medroi_layout *layout, const medroi_box *box, const int64_t *at) {
    int inside = 1;
    for (int32_t i = 0; i < layout->ndim; i++) {
        inside = inside && box->start[i] <= at[i] && at[i] < box->stop[i];
    }
    return inside;
}

/* --- Streams --- */

static void check_box(const medroi_info *info) {
    int empty = 1;
    for (int32_t i = 0; i < info->layout.ndim; i++) {
        empty = empty && info->box.start[i] == 0 && info->box.stop[i] == 0;
    }
    for (int32_t i = 0; i < info->layout.ndim && !empty; i++) {
        fuzz_expect(0 <= info->box.start[i] && info->box.start[i] < info->box.stop[i] &&
                        info->box.stop[i] <= info->layout.shape[i],
                    "a region lies inside the array");
    }
}

/* What was kept comes back as it was, everything else as background. */
static void check_voxels(const medroi_info *info, const uint8_t *data, const uint8_t *decoded,
                         int keeps_all) {
    const medroi_layout *layout = &info->layout;
    medroi_box whole = {{0}, {0}};
    int64_t at[MEDROI_MAX_AXES] = {0};
    uint8_t background[8] = {0};
    size_t itemsize = layout->itemsize;
    memcpy(whole.stop, layout->shape, sizeof whole.stop);
    for (size_t i = 0; itemsize <= 8 && i < itemsize; i++) {
        background[layout->big_endian ? itemsize - 1 - i : i] =
            (uint8_t)(info->background >> 8 * i);
    }
    do {
        const uint8_t *found = voxel(layout, decoded, at);
        int same = memcmp(found, voxel(layout, data, at), itemsize) == 0;
        int is_background = itemsize <= 8 && memcmp(found, background, itemsize) == 0;
        fuzz_expect(same || (!keeps_all && (is_background || itemsize > 8)),
                    "a voxel is kept or becomes background");
        fuzz_expect(same || info->is_mask || !is_inside(layout, &info->box, at),
                    "the region comes back exactly");
    } while (step(layout, &whole, at));
}

static void check_stream(const fuzz_options *options, const medroi_layout *layout,
                         const uint8_t *data, const fuzz_stream *stream, int is_lossy) {
    medroi_info info;
    size_t nbytes = medroi_array_nbytes(layout);
    uint8_t *decoded = fuzz_allocate(nbytes);
    fuzz_expect(medroi_inspect(stream->bytes, stream->nbytes, &info, NULL) == MEDROI_OK,
                "what was written can be read");
    check_box(&info);
    fuzz_expect(info.miss_rate >= 0.0 && info.miss_rate <= options->max_miss_rate,
                "max_miss_rate is a guarantee");
    fuzz_expect(options->drops_groups || ((double)info.n_dropped_signal <=
                                              options->max_miss_rate * (double)info.n_signal &&
                                          info.n_largest_dropped <= 8),
                "of the signal no more is dropped than is promised");
    fuzz_expect(medroi_decode(NULL, stream->bytes, stream->nbytes, decoded, nbytes, NULL) ==
                    MEDROI_OK,
                "what was encoded can be decoded");
    if (!is_lossy && nbytes > 0) {
        check_voxels(&info, data, decoded, options->keeps_all);
    }
    free(decoded);
}

fuzz_stream fuzz_encode(fuzz_random *random, const fuzz_options *options,
                        const medroi_layout *layout, const uint8_t *data, int is_lossy) {
    medroi_error error = {MEDROI_OK, ""};
    medroi_context *context = NULL;
    medroi_config *config = NULL;
    medroi_output coded = {0};
    fuzz_stream stream = {NULL, 0};
    fuzz_expect(medroi_context_new((uint32_t)fuzz_below(random, 4), &context, NULL) == MEDROI_OK,
                "a context");
    medroi_status status = medroi_config_from_json(options->text, &config, &error);
    if (status == MEDROI_OK) {
        status = medroi_encode(context, config, layout, data, &coded, &error);
    }
    if (status == MEDROI_OK) {
        stream = fuzz_copy(coded.data, coded.nbytes);
        check_stream(options, layout, data, &stream, is_lossy);
    }
    fuzz_expect(status == MEDROI_OK || error.text[0] != '\0', "a refusal says why");
    medroi_free(coded.data);
    medroi_config_free(config);
    medroi_context_free(context);
    return stream;
}

static medroi_box choose_box(fuzz_random *random, const medroi_layout *layout) {
    medroi_box box = {{0}, {0}};
    for (int32_t i = 0; i < layout->ndim; i++) {
        uint64_t size = (uint64_t)layout->shape[i];
        box.start[i] = (int64_t)fuzz_below(random, size + 1);
        box.stop[i] = box.start[i] + (int64_t)fuzz_below(random, size - (uint64_t)box.start[i] + 1);
    }
    return box;
}

void fuzz_read(fuzz_random *random, const fuzz_stream *stream) {
    medroi_error error = {MEDROI_OK, ""};
    medroi_context *context = NULL;
    medroi_info info;
    if (medroi_inspect(stream->bytes, stream->nbytes, &info, &error) != MEDROI_OK) {
        fuzz_expect(error.text[0] != '\0', "a refusal says why");
        return;
    }
    size_t nbytes = medroi_array_nbytes(&info.layout);
    if (nbytes > MAX_ARRAY_NBYTES) {
        return;
    }
    medroi_box box = choose_box(random, &info.layout);
    size_t part_nbytes = box_nbytes(&info.layout, &box);
    uint8_t *array = fuzz_allocate(nbytes), *part = fuzz_allocate(part_nbytes);
    fuzz_expect(medroi_context_new((uint32_t)fuzz_below(random, 4), &context, NULL) == MEDROI_OK,
                "a context");
    medroi_status whole =
        medroi_decode(context, stream->bytes, stream->nbytes, array, nbytes, &error);
    fuzz_expect(whole == MEDROI_OK || error.text[0] != '\0', "a refusal says why");
    medroi_status some =
        medroi_decode_box(context, stream->bytes, stream->nbytes, &box, part, part_nbytes, &error);
    fuzz_expect(whole != MEDROI_OK || some == MEDROI_OK, "what can be decoded can be in part");
    if (whole == MEDROI_OK && part_nbytes > 0) {
        const uint8_t *found = part;
        int64_t at[MEDROI_MAX_AXES];
        memcpy(at, box.start, sizeof at);
        do {
            fuzz_expect(memcmp(found, voxel(&info.layout, array, at), info.layout.itemsize) == 0,
                        "a box holds what the array does");
            found += info.layout.itemsize;
        } while (step(&info.layout, &box, at));
    }
    medroi_context_free(context);
    free(part);
    free(array);
}
