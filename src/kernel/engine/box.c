/* Decoding of a box: the slabs that it touches, and what it has of them. */
#include "base/bytes.h"
#include "base/layout.h"
#include "engine/engine.h"
#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>

/* Intersection of two boxes; 0 where it is empty. */
static int intersect(const medroi_layout *layout, const medroi_box *one, const medroi_box *other,
                     medroi_box *common) {
    for (int32_t i = 0; i < layout->ndim; i++) {
        int64_t start = one->start[i] > other->start[i] ? one->start[i] : other->start[i];
        int64_t stop = one->stop[i] < other->stop[i] ? one->stop[i] : other->stop[i];
        if (start >= stop) {
            return 0;
        }
        common->start[i] = start;
        common->stop[i] = stop;
    }
    return 1;
}

void medroi_slabs_touched(const medroi_header *header, const medroi_box *box, uint64_t *first,
                          uint64_t *stop) {
    medroi_box common;
    int32_t axis = header->slice_axis;
    *first = *stop = 0;
    if (medroi_part_count(header) > 0 && intersect(&header->layout, box, &header->box, &common)) {
        int64_t origin = header->box.start[axis];
        *first = (uint64_t)((common.start[axis] - origin) / header->part_extent);
        *stop = (uint64_t)((common.stop[axis] - 1 - origin) / header->part_extent) + 1;
    }
}

void medroi_paste_slab(const medroi_header *header, const medroi_box *slab_box, const void *slab,
                       const medroi_box *box, void *data) {
    const medroi_layout *layout = &header->layout;
    medroi_box common;
    int32_t order[MEDROI_MAX_AXES], ndim = layout->ndim;
    int64_t from[MEDROI_MAX_AXES], to[MEDROI_MAX_AXES], at[MEDROI_MAX_AXES];
    int64_t step = layout->itemsize;
    if (!intersect(layout, slab_box, box, &common)) {
        return;
    }
    medroi_coding_order(layout, header->slice_axis, order);
    for (int32_t i = ndim - 1; i >= 0; i--) {
        from[order[i]] = step;
        step *= slab_box->stop[order[i]] - slab_box->start[order[i]];
    }
    step = layout->itemsize;
    for (int32_t i = ndim - 1; i >= 0; i--) {
        to[i] = step;
        step *= box->stop[i] - box->start[i];
        at[i] = common.start[i];
    }
    /* Runs along the last axis of the box, in one piece where the slab has them so. */
    int32_t last = ndim - 1;
    int64_t n = common.stop[last] - common.start[last];
    for (;;) {
        const uint8_t *src = slab;
        uint8_t *dst = data;
        for (int32_t i = 0; i < ndim; i++) {
            src += (at[i] - slab_box->start[i]) * from[i];
            dst += (at[i] - box->start[i]) * to[i];
        }
        if (from[last] == layout->itemsize) {
            memcpy(dst, src, (size_t)n * layout->itemsize);
        } else {
            for (int64_t k = 0; k < n; k++) {
                memcpy(dst + k * layout->itemsize, src + k * from[last], layout->itemsize);
            }
        }
        int32_t axis = last - 1;
        while (axis >= 0 && ++at[axis] == common.stop[axis]) {
            at[axis] = common.start[axis];
            axis--;
        }
        if (axis < 0) {
            return;
        }
    }
}

static medroi_status check_box(const medroi_layout *layout, const medroi_box *box, size_t nbytes,
                               medroi_error *error) {
    size_t expected = layout->itemsize;
    for (int32_t i = 0; i < layout->ndim; i++) {
        if (box->start[i] < 0 || box->stop[i] < box->start[i] || box->stop[i] > layout->shape[i]) {
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "the box has the bounds %lld to %lld along axis %d; the array has "
                               "%lld voxels there",
                               (long long)box->start[i], (long long)box->stop[i], (int)i,
                               (long long)layout->shape[i]);
        }
        expected *= (size_t)(box->stop[i] - box->start[i]);
    }
    if (expected != nbytes) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT, "the memory has %zu bytes, the box %zu",
                           nbytes, expected);
    }
    return MEDROI_OK;
}

static void fill(const medroi_layout *layout, uint64_t background, uint8_t *data, size_t nbytes) {
    medroi_layout flat = {.ndim = 1,
                          .shape = {(int64_t)(nbytes / layout->itemsize)},
                          .kind = layout->kind,
                          .big_endian = layout->big_endian,
                          .axes = 1,
                          .itemsize = layout->itemsize};
    medroi_box none = {{0}, {0}};
    medroi_fill_outside(&flat, data, &none, background);
}

/* One call of medroi_decode_box. */
typedef struct box_decoding {
    const medroi_header *header;
    const medroi_inner *native;
    const medroi_hosted *hosted;
    const medroi_box *box;
    const void *map; /* of the mask, or NULL */
    const uint8_t *payload;
    uint8_t *slab;
    uint8_t *data;
} box_decoding;

static medroi_status decode_touched(const box_decoding *d, uint64_t k, uint64_t offset,
                                    size_t nbytes, uint32_t crc, medroi_error *error) {
    medroi_box slab_box = medroi_part_box(d->header, k);
    const uint8_t *coded = d->payload + offset;
    if (medroi_crc32(0, coded, nbytes) != crc) {
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: the CRC-32 of part %llu is wrong",
                           (unsigned long long)k);
    }
    medroi_status status = medroi_decode_slab(d->header, d->native, d->hosted, &slab_box, coded,
                                              nbytes, d->slab, error);
    if (status == MEDROI_OK) {
        if (d->map != NULL) {
            medroi_apply_mask(d->header, d->map, &slab_box, d->slab);
        }
        medroi_paste_slab(d->header, &slab_box, d->slab, d->box, d->data);
    }
    return status;
}

static medroi_status decode_slabs(const box_decoding *d, uint64_t first, uint64_t stop,
                                  medroi_error *error) {
    const medroi_header *header = d->header;
    uint64_t offset = medroi_part_table_nbytes(header);
    medroi_status status = MEDROI_OK;
    if (offset == 0) {
        return decode_touched(d, 0, 0, (size_t)header->payload_nbytes, header->payload_crc, error);
    }
    for (uint64_t k = 0; k < stop && status == MEDROI_OK; k++) {
        const uint8_t *row = d->payload + k * MEDROI_PART_ROW_NBYTES;
        size_t nbytes = (size_t)medroi_load64(row);
        if (k >= first) {
            status = decode_touched(d, k, offset, nbytes, medroi_load32(row + 8), error);
        }
        offset += nbytes;
    }
    return status;
}

medroi_status medroi_decode_slab_into(const medroi_header *header, const medroi_hosted *hosted,
                                      const void *map, uint64_t number, const uint8_t *coded,
                                      size_t nbytes, uint32_t crc, const medroi_box *box,
                                      void *data, medroi_error *error) {
    medroi_box slab_box = medroi_part_box(header, number);
    medroi_block block = medroi_block_of_box(header, &slab_box);
    box_decoding d = {
        .header = header, .hosted = hosted, .box = box, .map = map, .payload = coded, .data = data};
    d.native = hosted == NULL ? medroi_find_inner(header->inner_id) : NULL;
    if (d.native == NULL && hosted == NULL) {
        return medroi_inner_is_absent(header, error);
    }
    d.slab = malloc(medroi_block_nbytes(&block));
    if (d.slab == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a slab of %zu bytes",
                           medroi_block_nbytes(&block));
    }
    medroi_status status = decode_touched(&d, number, 0, nbytes, crc, error);
    free(d.slab);
    return status;
}

medroi_status medroi_decode_box(medroi_context *context, const void *stream, size_t nbytes,
                                const medroi_box *box, void *data, size_t data_nbytes,
                                medroi_error *error) {
    medroi_header header;
    size_t preamble_nbytes = 0;
    uint64_t first, stop;
    void *map = NULL;
    uint8_t *slab = NULL;
    (void)context;
    medroi_status status = medroi_read_preamble(stream, nbytes, &header, &preamble_nbytes, error);
    const uint8_t *payload = (const uint8_t *)stream + preamble_nbytes;
    if (status == MEDROI_OK) {
        status = check_box(&header.layout, box, data_nbytes, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_check_payload(&header, payload, nbytes - preamble_nbytes, error);
    }
    if (status != MEDROI_OK) {
        return status;
    }
    medroi_slabs_touched(&header, box, &first, &stop);
    if (data_nbytes > 0) {
        fill(&header.layout, header.background, data, data_nbytes);
    }
    if (first == stop) {
        return MEDROI_OK;
    }
    box_decoding d = {.header = &header, .box = box, .payload = payload, .data = data};
    d.native = medroi_find_inner(header.inner_id);
    d.hosted = d.native == NULL ? medroi_find_hosted(header.inner_id) : NULL;
    if (d.native == NULL && d.hosted == NULL) {
        return medroi_inner_is_absent(&header, error);
    }
    medroi_box longest = medroi_part_box(&header, 0);
    medroi_block block = medroi_block_of_box(&header, &longest);
    slab = malloc(medroi_block_nbytes(&block));
    status = slab == NULL
                 ? medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a slab of %zu bytes",
                               medroi_block_nbytes(&block))
                 : medroi_load_mask(&header, &map, error);
    if (status == MEDROI_OK) {
        d.map = map;
        d.slab = slab;
        status = decode_slabs(&d, first, stop, error);
    }
    free(map);
    free(slab);
    return status;
}
