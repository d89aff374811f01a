/* Inner codecs that were registered: the whole region is laid out once, its slabs are coded into
 * memory of their own, and the stream is put together when all lengths are known. */
#include "base/bytes.h"
#include "base/parallel.h"
#include "engine/engine.h"
#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>

typedef struct coded_slab {
    uint8_t *data;
    size_t nbytes;
} coded_slab;

/* One call of medroi_encode_hosted. */
typedef struct hosted_encoding {
    const medroi_header *header;
    const medroi_hosted *hosted;
    const void *settings;
    const uint8_t *region;
    coded_slab *slabs;
} hosted_encoding;

static medroi_status encode_slab(void *context, uint64_t k, uint32_t worker, medroi_error *error) {
    hosted_encoding *e = context;
    const medroi_header *header = e->header;
    medroi_box box = medroi_part_box(header, k);
    medroi_block block = medroi_block_of_box(header, &box);
    size_t slice_nbytes = medroi_block_nbytes(&block) / (size_t)block.shape[0];
    (void)worker;
    return e->hosted->codec.encode(e->hosted->user, e->settings, &block,
                                   e->region + (size_t)k * header->part_extent * slice_nbytes,
                                   &e->slabs[k].data, &e->slabs[k].nbytes, error);
}

static medroi_status write_stream(medroi_header *header, const coded_slab *slabs,
                                  medroi_output *stream, medroi_error *error) {
    uint64_t n = medroi_part_count(header);
    size_t table_nbytes = (size_t)medroi_part_table_nbytes(header), payload_nbytes = table_nbytes;
    size_t preamble_nbytes = medroi_preamble_nbytes(header);
    for (uint64_t k = 0; k < n; k++) {
        payload_nbytes += slabs[k].nbytes;
    }
    uint8_t *dst = medroi_reserve(stream, preamble_nbytes + payload_nbytes);
    if (dst == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for %zu bytes",
                           preamble_nbytes + payload_nbytes);
    }
    uint8_t *at = dst + preamble_nbytes + table_nbytes;
    for (uint64_t k = 0; k < n; k++) {
        uint32_t crc = medroi_crc32(0, slabs[k].data, slabs[k].nbytes);
        if (table_nbytes > 0) {
            uint8_t *row = dst + preamble_nbytes + k * MEDROI_PART_ROW_NBYTES;
            medroi_store64(row, slabs[k].nbytes);
            medroi_store32(row + 8, crc);
        } else {
            header->payload_crc = crc;
        }
        if (slabs[k].nbytes > 0) {
            memcpy(at, slabs[k].data, slabs[k].nbytes);
            at += slabs[k].nbytes;
        }
    }
    if (table_nbytes > 0) {
        header->payload_crc = medroi_crc32(0, dst + preamble_nbytes, table_nbytes);
    }
    header->payload_nbytes = payload_nbytes;
    stream->nbytes = preamble_nbytes + payload_nbytes;
    return medroi_write_preamble(header, dst, error);
}

/* The region as a dense block in coding order, what lies outside the mask set to background. */
static medroi_status lay_out(const medroi_header *header, const void *data, uint8_t *region,
                             medroi_error *error) {
    void *read = NULL;
    medroi_status status =
        header->mask_map == NULL ? medroi_load_mask(header, &read, error) : MEDROI_OK;
    if (status == MEDROI_OK) {
        const void *map = header->mask_map != NULL ? header->mask_map : read;
        medroi_gather(&header->layout, data, &header->box, header->slice_axis, region);
        if (map != NULL) {
            medroi_apply_mask(header, map, &header->box, region);
        }
    }
    free(read);
    return status;
}

static medroi_status choose_extent(medroi_header *header, const medroi_coder *coder,
                                   const medroi_block *region, medroi_error *error) {
    const medroi_codec *codec = &coder->hosted->codec;
    int64_t extent = region->shape[0];
    medroi_status status = MEDROI_OK;
    if (codec->check != NULL) {
        status = codec->check(coder->hosted->user, coder->settings, region, error);
    }
    if (status == MEDROI_OK && codec->slab_extent != NULL) {
        extent = codec->slab_extent(coder->hosted->user, coder->settings, region);
    }
    if (status == MEDROI_OK && extent < 0) {
        status = medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                             "inner codec %u cannot tell how many slices a slab has",
                             (unsigned)coder->id);
    }
    if (extent < 1 || extent > region->shape[0]) {
        extent = extent < 1 ? 1 : region->shape[0];
    }
    header->part_extent = (uint32_t)(extent > UINT32_MAX ? UINT32_MAX : extent);
    return status;
}

medroi_status medroi_encode_hosted(medroi_header *header, const medroi_coder *coder,
                                   const void *data, uint32_t n_threads, medroi_output *stream,
                                   medroi_error *error) {
    const medroi_hosted *hosted = coder->hosted;
    medroi_block block = medroi_block_of_box(header, &header->box);
    hosted_encoding e = {.header = header, .hosted = hosted, .settings = coder->settings};
    void *planned = NULL;
    uint8_t *region = NULL;
    uint64_t n_slabs = 0;
    medroi_status status = MEDROI_OK;
    header->part_extent = 0;
    header->payload_crc = 0;
    if (medroi_is_empty_box(&header->layout, &header->box)) {
        return write_stream(header, NULL, stream, error);
    }
    status = choose_extent(header, coder, &block, error);
    if (status != MEDROI_OK) {
        return status;
    }
    n_slabs = medroi_part_count(header);
    region = malloc(medroi_block_nbytes(&block));
    e.slabs = calloc((size_t)n_slabs, sizeof *e.slabs);
    if (region == NULL || e.slabs == NULL) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "no memory for %zu bytes",
                             medroi_block_nbytes(&block));
        goto done;
    }
    status = lay_out(header, data, region, error);
    e.region = region;
    if (status == MEDROI_OK && hosted->codec.plan != NULL) {
        status = hosted->codec.plan(hosted->user, coder->settings, &block, region, &planned, error);
        e.settings = planned != NULL ? planned : coder->settings;
    }
    if (status == MEDROI_OK) {
        status = medroi_run_tasks(encode_slab, &e, n_slabs, n_threads, error);
    }
    if (status == MEDROI_OK) {
        status = write_stream(header, e.slabs, stream, error);
    }
done:
    if (planned != NULL && hosted->codec.release != NULL) {
        hosted->codec.release(hosted->user, planned);
    }
    for (uint64_t k = 0; e.slabs != NULL && k < n_slabs; k++) {
        free(e.slabs[k].data);
    }
    free(e.slabs);
    free(region);
    return status;
}
