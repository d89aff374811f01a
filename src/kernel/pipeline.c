/* Region and inner codec to one stream, and back. */
#include "bytes.h"
#include "inner.h"
#include "layout.h"
#include "stream.h"

#include <string.h>

static medroi_block block_of(const medroi_header *header, const medroi_box *box) {
    const medroi_layout *layout = &header->layout;
    medroi_block block = {.ndim = layout->ndim,
                          .kind = layout->kind,
                          .big_endian = layout->big_endian,
                          .itemsize = layout->itemsize};
    int32_t order[MEDROI_MAX_AXES];
    medroi_coding_order(layout, header->slice_axis, order);
    for (int32_t i = 0; i < layout->ndim; i++) {
        block.shape[i] = box->stop[order[i]] - box->start[order[i]];
    }
    return block;
}

static medroi_status find(const medroi_header *header, const medroi_inner **inner,
                          medroi_error *error) {
    *inner = medroi_find_inner(header->inner_id);
    if (*inner == NULL) {
        return medroi_fail(error, MEDROI_INNER_UNAVAILABLE,
                           "inner codec id %u is not part of this build",
                           (unsigned)header->inner_id);
    }
    return MEDROI_OK;
}

/* The codec's word on the region, and the parts it wants. */
static medroi_status prepare(medroi_header *header, const double *params,
                             const medroi_inner **inner, medroi_error *error) {
    medroi_block region = block_of(header, &header->box);
    medroi_status status = find(header, inner, error);
    header->part_extent = 0;
    if (status != MEDROI_OK || medroi_is_empty_box(&header->layout, &header->box)) {
        return status;
    }
    if ((*inner)->check != NULL) {
        status = (*inner)->check(&region, params, error);
    }
    if (status == MEDROI_OK) {
        int64_t extent = (*inner)->part_extent(&region, params);
        header->part_extent = (uint32_t)(extent > UINT32_MAX ? UINT32_MAX : extent);
    }
    return status;
}

medroi_status medroi_encode_bound(const medroi_header *header, const double *params,
                                  size_t *stream_nbytes, size_t *scratch_nbytes,
                                  medroi_error *error) {
    medroi_header trial = *header;
    const medroi_inner *inner;
    uint64_t n_parts;
    medroi_status status = prepare(&trial, params, &inner, error);
    if (status != MEDROI_OK) {
        return status;
    }
    n_parts = medroi_part_count(&trial);
    *stream_nbytes = medroi_preamble_nbytes(&trial) + medroi_part_table_nbytes(&trial);
    *scratch_nbytes = 0;
    if (n_parts > 0) {
        medroi_box first = medroi_part_box(&trial, 0), last = medroi_part_box(&trial, n_parts - 1);
        medroi_block head = block_of(&trial, &first), tail = block_of(&trial, &last);
        medroi_block region = block_of(&trial, &trial.box);
        *stream_nbytes += (n_parts - 1) * inner->bound(&head, params) + inner->bound(&tail, params);
        if (inner->encode != NULL) {
            *scratch_nbytes = medroi_block_nbytes(inner->plan != NULL ? &region : &head);
        }
    }
    *scratch_nbytes += medroi_hull_map_nbytes(&trial);
    return MEDROI_OK;
}

/* Where the voxels to be coded come from. */
typedef struct voxel_source {
    const medroi_header *header;
    const void *data;
    const void *hull; /* the map of the hull, or NULL */
    void *scratch;
} voxel_source;

static void gather_part(const voxel_source *from, const medroi_box *box, void *dst) {
    const medroi_header *header = from->header;
    medroi_gather(&header->layout, from->data, box, header->slice_axis, dst);
    if (from->hull != NULL) {
        medroi_apply_hull(header, from->hull, box, dst);
    }
}

/* A part as a dense block: in place where the array holds it so, else copied to scratch. */
static const uint8_t *dense_part(const voxel_source *from, const medroi_box *box) {
    const medroi_header *header = from->header;
    const uint8_t *dense = NULL;
    if (from->hull == NULL) {
        dense = medroi_dense_block(&header->layout, from->data, box, header->slice_axis);
    }
    if (dense == NULL) {
        gather_part(from, box, from->scratch);
        dense = from->scratch;
    }
    return dense;
}

static medroi_status encode_part(const medroi_header *header, const medroi_inner *inner,
                                 const medroi_box *box, const uint8_t *dense, const double *params,
                                 uint8_t *dst, size_t capacity, size_t *nbytes,
                                 medroi_error *error) {
    medroi_block block = block_of(header, box);
    if (capacity < inner->bound(&block, params)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "the output buffer is smaller than medroi_encode_bound() asked for");
    }
    return inner->encode(&block, dense, params, dst, capacity, nbytes, error);
}

static medroi_status encode_parts(medroi_header *header, const medroi_inner *inner,
                                  const voxel_source *from, const double *asked, uint8_t *payload,
                                  size_t capacity, medroi_error *error) {
    double params[MEDROI_MAX_PARAMS];
    uint64_t n_parts = medroi_part_count(header);
    size_t table_nbytes = medroi_part_table_nbytes(header), used = table_nbytes;
    const uint8_t *region = NULL;
    memcpy(params, asked, sizeof params);
    if (inner->plan != NULL && n_parts > 0) {
        medroi_block block = block_of(header, &header->box);
        region = dense_part(from, &header->box);
        medroi_status status = inner->plan(&block, region, params, error);
        if (status != MEDROI_OK) {
            return status;
        }
    }
    for (uint64_t k = 0; k < n_parts; k++) {
        medroi_box box = medroi_part_box(header, k);
        medroi_block block = block_of(header, &box);
        size_t nbytes = medroi_block_nbytes(&block);
        if (inner->encode == NULL) {
            gather_part(from, &box, payload + used);
        } else {
            const uint8_t *dense = region != NULL ? region : dense_part(from, &box);
            medroi_status status = encode_part(header, inner, &box, dense, params, payload + used,
                                               capacity - used, &nbytes, error);
            if (status != MEDROI_OK) {
                return status;
            }
            region = region != NULL ? region + medroi_block_nbytes(&block) : NULL;
        }
        header->payload_crc = medroi_crc32(0, payload + used, nbytes);
        if (table_nbytes > 0) {
            medroi_store64(payload + k * MEDROI_PART_ROW_NBYTES, nbytes);
            medroi_store32(payload + k * MEDROI_PART_ROW_NBYTES + 8, header->payload_crc);
        }
        used += nbytes;
    }
    if (table_nbytes > 0) {
        header->payload_crc = medroi_crc32(0, payload, table_nbytes);
    }
    header->payload_nbytes = used;
    return MEDROI_OK;
}

medroi_status medroi_encode(medroi_header *header, const void *data, const double *params,
                            void *scratch, uint8_t *dst, size_t capacity, size_t *nbytes,
                            medroi_error *error) {
    const medroi_inner *inner;
    size_t preamble_nbytes = medroi_preamble_nbytes(header);
    medroi_status status = prepare(header, params, &inner, error);
    header->payload_crc = 0;
    header->payload_nbytes = 0;
    voxel_source from = {header, data, NULL, scratch};
    size_t map_nbytes = medroi_hull_map_nbytes(header);
    if (status == MEDROI_OK && map_nbytes > 0) {
        from.hull = scratch;
        from.scratch = (uint8_t *)scratch + map_nbytes;
        status = medroi_read_hull_map(header, scratch, error);
    }
    if (status == MEDROI_OK) {
        status = encode_parts(header, inner, &from, params, dst + preamble_nbytes,
                              capacity - preamble_nbytes, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_write_preamble(header, dst, error);
        *nbytes = preamble_nbytes + (size_t)header->payload_nbytes;
    }
    return status;
}

/* Of the largest part. */
static size_t part_scratch_nbytes(const medroi_header *header) {
    const medroi_inner *inner = medroi_find_inner(header->inner_id);
    if (inner == NULL || inner->decode == NULL || medroi_part_count(header) == 0) {
        return 0;
    }
    medroi_box first = medroi_part_box(header, 0);
    medroi_block block = block_of(header, &first);
    return medroi_block_nbytes(&block);
}

/* The map of the hull is wanted once the parts are decoded, so it may lie where they did. */
size_t medroi_decode_scratch_nbytes(const medroi_header *header) {
    size_t part_nbytes = part_scratch_nbytes(header), map_nbytes = medroi_hull_map_nbytes(header);
    return part_nbytes > map_nbytes ? part_nbytes : map_nbytes;
}

static medroi_status decode_part(const medroi_header *header, const medroi_inner *inner,
                                 const medroi_box *box, const uint8_t *part, size_t nbytes,
                                 void *scratch, void *data, medroi_error *error) {
    medroi_block block = block_of(header, box);
    if (inner->decode == NULL) {
        if (nbytes != medroi_block_nbytes(&block)) {
            return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                               "corrupt stream: a raw part has %zu bytes, expected %zu", nbytes,
                               medroi_block_nbytes(&block));
        }
        medroi_scatter(&header->layout, data, box, header->slice_axis, part);
        return MEDROI_OK;
    }
    uint8_t *dense = (uint8_t *)(uintptr_t)medroi_dense_block(&header->layout, data, box,
                                                              header->slice_axis);
    void *target = dense != NULL ? dense : scratch;
    medroi_status status = inner->decode(&block, part, nbytes, target, error);
    if (status == MEDROI_OK && dense == NULL) {
        medroi_scatter(&header->layout, data, box, header->slice_axis, scratch);
    }
    return status;
}

medroi_status medroi_check_payload(const medroi_header *header, const uint8_t *payload,
                                   size_t payload_nbytes, medroi_error *error) {
    uint64_t n_parts = medroi_part_count(header), left = header->payload_nbytes;
    uint64_t table_nbytes = medroi_part_table_nbytes(header);
    if (payload_nbytes != header->payload_nbytes) {
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: its payload has %zu bytes, its header says %llu",
                           payload_nbytes, (unsigned long long)header->payload_nbytes);
    }
    if (n_parts < 2) {
        return MEDROI_OK;
    }
    if (medroi_crc32(0, payload, (size_t)table_nbytes) != header->payload_crc) {
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: the CRC-32 of its part table is wrong");
    }
    left -= table_nbytes;
    for (uint64_t k = 0; k < n_parts; k++) {
        uint64_t nbytes = medroi_load64(payload + k * MEDROI_PART_ROW_NBYTES);
        if (nbytes > left || (k + 1 == n_parts && nbytes != left)) {
            return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                               "corrupt stream: the lengths of its parts do not add up");
        }
        left -= nbytes;
    }
    return MEDROI_OK;
}

medroi_status medroi_decode(const medroi_header *header, const uint8_t *payload,
                            size_t payload_nbytes, void *scratch, void *data,
                            medroi_error *error) {
    const medroi_inner *inner = NULL;
    uint64_t n_parts = medroi_part_count(header);
    const uint8_t *part = payload + medroi_part_table_nbytes(header);
    medroi_status status = medroi_check_payload(header, payload, payload_nbytes, error);
    if (status == MEDROI_OK && n_parts > 0) {
        status = find(header, &inner, error);
    }
    for (uint64_t k = 0; status == MEDROI_OK && k < n_parts; k++) {
        medroi_box box = medroi_part_box(header, k);
        const uint8_t *row = payload + k * MEDROI_PART_ROW_NBYTES;
        size_t nbytes = n_parts > 1 ? (size_t)medroi_load64(row) : payload_nbytes;
        uint32_t crc = n_parts > 1 ? medroi_load32(row + 8) : header->payload_crc;
        if (medroi_crc32(0, part, nbytes) != crc) {
            return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                               "corrupt stream: the CRC-32 of part %llu is wrong",
                               (unsigned long long)k);
        }
        status = decode_part(header, inner, &box, part, nbytes, scratch, data, error);
        part += nbytes;
    }
    if (status == MEDROI_OK) {
        medroi_fill_outside(&header->layout, data, &header->box, header->background);
        status = medroi_read_hull_map(header, scratch, error);
    }
    if (status == MEDROI_OK) {
        medroi_apply_hull_to_array(header, scratch, data);
    }
    return status;
}
