/* The public functions that only put the engine's parts together. */
#include "base/layout.h"
#include "engine/engine.h"
#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>

const char *medroi_version(void) { return MEDROI_VERSION; }

const char *medroi_status_text(medroi_status status) {
    static const char *const texts[] = {"no error",
                                        "an argument that cannot be served",
                                        "a stream that is corrupt",
                                        "a stream of a later version of the format",
                                        "an inner codec that this build does not have",
                                        "not enough memory"};
    return status >= MEDROI_OK && status <= MEDROI_NO_MEMORY ? texts[status] : "an unknown status";
}

void medroi_free(void *memory) { free(memory); }

void *medroi_allocate(size_t nbytes) { return malloc(nbytes > 0 ? nbytes : 1); }

size_t medroi_array_nbytes(const medroi_layout *layout) {
    size_t nbytes = layout->itemsize;
    medroi_layout sized = *layout;
    sized.axes = 1; /* not known before medroi_encode(), and of no weight here */
    if (medroi_check_layout(&sized, MEDROI_INVALID_ARGUMENT, NULL) != MEDROI_OK) {
        return 0;
    }
    for (int32_t i = 0; i < layout->ndim; i++) {
        nbytes *= (size_t)layout->shape[i];
    }
    return nbytes;
}

medroi_status medroi_context_new(uint32_t n_threads, medroi_context **context,
                                 medroi_error *error) {
    *context = malloc(sizeof **context);
    if (*context == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a context");
    }
    (*context)->n_threads = n_threads > 0 ? n_threads : 1;
    return MEDROI_OK;
}

void medroi_context_free(medroi_context *context) { free(context); }

static uint32_t threads_of(const medroi_context *context) {
    return context != NULL ? context->n_threads : 1;
}

/* Layout, settings and background of one array. */
static medroi_status resolve(const medroi_config *config, const medroi_layout *given,
                             medroi_layout *layout, medroi_settings *settings,
                             medroi_error *error) {
    *layout = *given;
    layout->axes = 1;
    medroi_status status = medroi_check_layout(layout, MEDROI_INVALID_ARGUMENT, error);
    return status == MEDROI_OK ? medroi_resolve(config, NULL, layout, settings, error) : status;
}

/* A lossless stream has to give back what the region keeps of the array. */
static medroi_status verify(medroi_context *context, const medroi_output *stream,
                            const medroi_layout *layout, const void *data, medroi_error *error) {
    medroi_header header;
    size_t nbytes = medroi_array_nbytes(layout), preamble_nbytes;
    uint8_t *decoded = malloc(nbytes > 0 ? nbytes : 1), *expected = malloc(nbytes > 0 ? nbytes : 1);
    void *map = NULL;
    medroi_status status = MEDROI_OK;
    if (decoded == NULL || expected == NULL) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "no memory to verify %zu bytes", nbytes);
        goto done;
    }
    status = medroi_decode(context, stream->data, stream->nbytes, decoded, nbytes, error);
    if (status == MEDROI_OK) {
        status =
            medroi_read_preamble(stream->data, stream->nbytes, &header, &preamble_nbytes, error);
    }
    if (status != MEDROI_OK || nbytes == 0) {
        goto done;
    }
    memcpy(expected, data, nbytes);
    medroi_fill_outside(&header.layout, expected, &header.box, header.background);
    status = medroi_load_mask(&header, &map, error);
    if (status != MEDROI_OK) {
        goto done;
    }
    if (map != NULL) {
        medroi_apply_mask_to_array(&header, map, expected);
    }
    if (memcmp(decoded, expected, nbytes) != 0) {
        status = medroi_fail(error, MEDROI_CORRUPT_STREAM,
                             "verification failed: the stream does not give back its region");
    }
done:
    free(map);
    free(decoded);
    free(expected);
    return status;
}

medroi_status medroi_encode(medroi_context *context, const medroi_config *config,
                            const medroi_layout *given, const void *data, medroi_output *stream,
                            medroi_error *error) {
    medroi_layout layout;
    medroi_settings settings;
    medroi_status status = resolve(config, given, &layout, &settings, error);
    if (status == MEDROI_OK) {
        status = medroi_encode_array(&settings, &config->coder, &layout, NULL, data,
                                     threads_of(context), stream, error);
    }
    if (status == MEDROI_OK && config->verify && config->coder.native != NULL &&
        !medroi_is_lossy(&config->coder)) {
        status = verify(context, stream, &layout, data, error);
        if (status != MEDROI_OK && stream->reserve == NULL) {
            free(stream->data);
            stream->data = NULL;
        }
    }
    return status;
}

medroi_status medroi_inspect(const void *stream, size_t nbytes, medroi_info *info,
                             medroi_error *error) {
    medroi_header header;
    medroi_mask_info mask;
    size_t preamble_nbytes = 0;
    memset(info, 0, sizeof *info);
    memset(&mask, 0, sizeof mask);
    medroi_status status = medroi_read_preamble(stream, nbytes, &header, &preamble_nbytes, error);
    if (status == MEDROI_OK) {
        status = medroi_check_payload(&header, (const uint8_t *)stream + preamble_nbytes,
                                      nbytes - preamble_nbytes, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_read_mask_info(&header, &mask, error);
    }
    if (status != MEDROI_OK) {
        return status;
    }
    info->layout = header.layout;
    info->box = header.box;
    memcpy(info->record, (const uint8_t *)stream + MEDROI_RECORD_OFFSET, MEDROI_RECORD_NBYTES);
    info->background = header.background;
    info->threshold = header.threshold;
    info->miss_rate = header.miss_rate;
    memcpy(info->affine, header.affine, sizeof info->affine);
    info->is_mask = mask.is_mask;
    info->unopened_miss_rate = mask.is_mask ? mask.unopened_miss_rate : header.miss_rate;
    info->mask_nbytes = mask.mask_nbytes;
    info->n_left_out = mask.n_left_out;
    info->n_left_out_voxels = mask.n_left_out_voxels;
    info->n_listed = mask.n_listed;
    memcpy(info->left_out_voxels, mask.left_out_voxels, sizeof info->left_out_voxels);
    memcpy(info->left_out, mask.left_out, sizeof info->left_out);
    info->signal_level = mask.dropped.level;
    info->n_signal = mask.dropped.n_signal;
    info->n_dropped_signal = mask.dropped.n_dropped;
    info->n_largest_dropped = mask.dropped.n_largest;
    info->largest_dropped_peak = mask.dropped.peak;
    info->largest_dropped = mask.dropped.largest;
    info->inner_id = header.inner_id;
    info->inner_name = medroi_inner_name(header.inner_id);
    info->slice_axis = header.slice_axis;
    info->n_slabs = medroi_part_count(&header);
    info->payload_nbytes = header.payload_nbytes;
    info->header_nbytes = preamble_nbytes;
    return MEDROI_OK;
}

medroi_status medroi_decode(medroi_context *context, const void *stream, size_t nbytes, void *data,
                            size_t data_nbytes, medroi_error *error) {
    medroi_header header;
    size_t preamble_nbytes = 0, scratch_nbytes;
    uint32_t n_threads = threads_of(context);
    medroi_status status = medroi_read_preamble(stream, nbytes, &header, &preamble_nbytes, error);
    if (status == MEDROI_OK && medroi_array_nbytes(&header.layout) != data_nbytes) {
        status = medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                             "the memory has %zu bytes, the stream's array %zu", data_nbytes,
                             medroi_array_nbytes(&header.layout));
    }
    if (status != MEDROI_OK) {
        return status;
    }
    scratch_nbytes = medroi_decode_scratch_nbytes(&header, n_threads);
    void *scratch = malloc(scratch_nbytes > 0 ? scratch_nbytes : 1);
    if (scratch == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for %zu bytes", scratch_nbytes);
    }
    status = medroi_decode_stream(&header, (const uint8_t *)stream + preamble_nbytes,
                                  nbytes - preamble_nbytes, medroi_find_hosted(header.inner_id),
                                  n_threads, scratch, data, error);
    free(scratch);
    return status;
}

medroi_status medroi_find_mask(medroi_context *context, const medroi_config *config,
                               const medroi_layout *given, const void *data, uint8_t *mask,
                               size_t mask_nbytes, medroi_error *error) {
    medroi_layout layout;
    medroi_settings settings;
    size_t n_voxels = 1;
    medroi_status status = resolve(config, given, &layout, &settings, error);
    for (int32_t i = 0; status == MEDROI_OK && i < layout.ndim; i++) {
        n_voxels *= layout.axes >> i & 1 ? (size_t)layout.shape[i] : 1;
    }
    if (status == MEDROI_OK && n_voxels != mask_nbytes) {
        status =
            medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                        "the mask has %zu bytes, the volume %zu voxels", mask_nbytes, n_voxels);
    }
    if (status != MEDROI_OK || n_voxels == 0) {
        return status;
    }
    memset(mask, 0, mask_nbytes); /* an array that is empty along another axis is not searched */
    settings.region.n_threads = threads_of(context);
    size_t scratch_nbytes = medroi_mask_scratch_nbytes(&layout, &settings.region);
    size_t background_nbytes = medroi_choice_scratch_nbytes(&settings, &layout);
    scratch_nbytes = scratch_nbytes > background_nbytes ? scratch_nbytes : background_nbytes;
    void *scratch = malloc(scratch_nbytes > 0 ? scratch_nbytes : 1);
    if (scratch == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for %zu bytes", scratch_nbytes);
    }
    (void)medroi_choose_background(&settings, &layout, data, scratch, &settings.region);
    status = medroi_mask_of_tissue(&layout, data, &settings.region, scratch, mask, error);
    free(scratch);
    return status;
}
