#include "chunk.h"

#include "base/elements.h"
#include "engine/engine.h"
#include "hosted.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* HDF5 runs one filter at a time; medroi.hdf5 codes several chunks beside it. */
enum { N_THREADS = 1 };

static size_t layout_nbytes(const medroi_layout *layout) {
    size_t nbytes = layout->itemsize;
    for (int32_t i = 0; i < layout->ndim; i++) {
        if (layout->shape[i] < 0 ||
            (layout->shape[i] > 0 && nbytes > (size_t)PTRDIFF_MAX / (size_t)layout->shape[i])) {
            return SIZE_MAX;
        }
        nbytes *= (size_t)layout->shape[i];
    }
    return nbytes;
}

int medroi_h5_keeps_all(const medroi_region_options *region, const medroi_layout *layout) {
    return region->threshold_rule == MEDROI_THRESHOLD_NONE || !medroi_is_image(layout);
}

medroi_status medroi_h5_compare_fill(const medroi_layout *layout, uint64_t background,
                                     uint64_t fill, medroi_error *error) {
    if (background == fill) {
        return MEDROI_OK;
    }
    double wanted = medroi_value_of_bits(layout->kind, layout->itemsize, background);
    return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                       "the background is %.9g and the dataset's fill value %.9g: voxels that were "
                       "never written would change; create the dataset with fillvalue=%.9g, or use "
                       "threshold=None",
                       wanted, medroi_value_of_bits(layout->kind, layout->itemsize, fill), wanted);
}

medroi_status medroi_h5_check_inner(const medroi_cd_values *config, const medroi_layout *layout,
                                    medroi_error *error) {
    int32_t slice_axis = config->settings.slice_axis;
    medroi_header header = {.layout = *layout,
                            .slice_axis = slice_axis < 0 ? medroi_default_slice_axis(layout)
                                                         : (uint8_t)slice_axis};
    medroi_box whole = {{0}, {0}};
    medroi_coder coder;
    memcpy(whole.stop, layout->shape, sizeof whole.stop);
    medroi_block block = medroi_block_of_box(&header, &whole);
    medroi_status status = medroi_h5_find_coder(config, &coder, error);
    if (status != MEDROI_OK) {
        return status;
    }
    if (coder.native != NULL) {
        return coder.native->check == NULL ? MEDROI_OK
                                           : coder.native->check(&block, coder.params, error);
    }
    const medroi_codec *codec = &coder.hosted->codec;
    return codec->check == NULL ? MEDROI_OK
                                : codec->check(coder.hosted->user, coder.settings, &block, error);
}

static medroi_status no_memory(size_t nbytes, medroi_error *error) {
    return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for %zu bytes", nbytes);
}

/* The background that was found in a chunk, against the fill value of its dataset: voxels that were
 * never written would change. Without a threshold everything that differs is kept. */
static medroi_status check_found_background(const medroi_cd_values *config,
                                            const medroi_output *stream, medroi_error *error) {
    medroi_header header;
    size_t preamble_nbytes;
    medroi_status status;
    if (!config->has_fill || !config->settings.auto_background) {
        return MEDROI_OK;
    }
    status = medroi_read_preamble(stream->data, stream->nbytes, &header, &preamble_nbytes, error);
    return status == MEDROI_OK && !isnan(header.threshold)
               ? medroi_h5_compare_fill(&config->layout, header.background, config->fill, error)
               : status;
}

static void drop(medroi_h5_memory *out) {
    if (out->allocate == NULL) {
        return;
    }
    if (out->data != NULL) {
        (void)out->release(out->data);
    }
    out->data = NULL;
    out->nbytes = out->capacity = 0;
}

static medroi_status provide(medroi_h5_memory *out, size_t nbytes, medroi_error *error) {
    out->nbytes = nbytes;
    if (out->allocate == NULL) {
        return out->capacity == nbytes
                   ? MEDROI_OK
                   : medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                                 "the output has %zu bytes, the chunk %zu", out->capacity, nbytes);
    }
    out->capacity = nbytes;
    out->data = out->allocate(nbytes > 0 ? nbytes : 1, false);
    return out->data != NULL ? MEDROI_OK : no_memory(nbytes, error);
}

medroi_status medroi_h5_encode(const unsigned *words, size_t n_words, const void *data,
                               size_t nbytes, medroi_output *stream, medroi_error *error) {
    medroi_cd_values config;
    medroi_coder coder;
    medroi_status status = medroi_cd_read(words, n_words, &config, error);
    if (status == MEDROI_OK && !config.has_local) {
        status = medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                             "cd_values do not hold the chunk's shape: the dataset was not created "
                             "with this filter loaded");
    }
    if (status == MEDROI_OK) {
        status = medroi_cd_resolve(&config, &config.layout, error);
    }
    if (status == MEDROI_OK && layout_nbytes(&config.layout) != nbytes) {
        status = medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                             "found a chunk of %zu bytes, cd_values say %zu", nbytes,
                             layout_nbytes(&config.layout));
    }
    if (status == MEDROI_OK) {
        status = medroi_h5_find_coder(&config, &coder, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_encode_array(&config.settings, &coder, &config.layout, NULL, data,
                                     N_THREADS, stream, error);
    }
    return status == MEDROI_OK ? check_found_background(&config, stream, error) : status;
}

static medroi_status check_chunk(const medroi_layout *expected, const medroi_layout *found,
                                 medroi_error *error) {
    if (medroi_cd_same_chunk(expected, found)) {
        return MEDROI_OK;
    }
    return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                       "corrupt chunk: its stream holds an array of %d axes, %" PRId64
                       " x ..., kind %c of %u bytes; the dataset's chunks have %d axes, %" PRId64
                       " x ..., kind %c of %u bytes",
                       (int)found->ndim, found->shape[0], found->kind, (unsigned)found->itemsize,
                       (int)expected->ndim, expected->shape[0], expected->kind,
                       (unsigned)expected->itemsize);
}

static medroi_status decode_payload(const medroi_header *header, const uint8_t *payload,
                                    size_t payload_nbytes, const medroi_hosted *hosted, void *data,
                                    medroi_error *error) {
    size_t scratch_nbytes = medroi_decode_scratch_nbytes(header, N_THREADS);
    void *scratch = malloc(scratch_nbytes > 0 ? scratch_nbytes : 1);
    medroi_status status = scratch == NULL
                               ? no_memory(scratch_nbytes, error)
                               : medroi_decode_stream(header, payload, payload_nbytes, hosted,
                                                      N_THREADS, scratch, data, error);
    free(scratch);
    return status;
}

/* Everything that can be checked before memory is allocated. */
static medroi_status read_stream(const unsigned *words, size_t n_words, const void *stream,
                                 size_t nbytes, medroi_cd_values *config, medroi_header *header,
                                 size_t *preamble_nbytes, medroi_error *error) {
    medroi_status status = medroi_cd_read(words, n_words, config, error);
    if (status == MEDROI_OK) {
        status = medroi_read_preamble(stream, nbytes, header, preamble_nbytes, error);
    }
    if (status == MEDROI_OK && header->layout.f_order) {
        status =
            medroi_fail(error, MEDROI_CORRUPT_STREAM,
                        "corrupt chunk: its stream is in F order, an HDF5 chunk is in C order");
    }
    if (status == MEDROI_OK && config->has_local) {
        status = check_chunk(&config->layout, &header->layout, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_check_payload(header, (const uint8_t *)stream + *preamble_nbytes,
                                      nbytes - *preamble_nbytes, error);
    }
    return status;
}

medroi_status medroi_h5_decode(const unsigned *words, size_t n_words, const void *stream,
                               size_t nbytes, medroi_h5_memory *out, medroi_error *error) {
    medroi_cd_values config;
    medroi_header header;
    const medroi_hosted *hosted = NULL;
    size_t preamble_nbytes = 0;
    medroi_status status =
        read_stream(words, n_words, stream, nbytes, &config, &header, &preamble_nbytes, error);
    int is_native = status == MEDROI_OK &&
                    (medroi_part_count(&header) == 0 || medroi_find_inner(header.inner_id) != NULL);
    if (status == MEDROI_OK && !is_native) {
        status = medroi_h5_find_hosted(header.inner_id, &hosted, error);
    }
    if (status == MEDROI_OK && out->admit != NULL) {
        status = out->admit(out->owner, words, n_words, &header.layout, error);
    }
    if (status == MEDROI_OK) {
        status = provide(out, layout_nbytes(&header.layout), error);
    }
    if (status != MEDROI_OK) {
        return status;
    }
    medroi_h5_set_reader(&config);
    status = decode_payload(&header, (const uint8_t *)stream + preamble_nbytes,
                            nbytes - preamble_nbytes, hosted, out->data, error);
    if (status != MEDROI_OK) {
        drop(out);
    }
    return status;
}
