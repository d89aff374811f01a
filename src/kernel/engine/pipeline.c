/* Region and inner codec to one stream, and back. */
#include "base/bytes.h"
#include "base/layout.h"
#include "base/parallel.h"
#include "codecs/inner.h"
#include "engine/engine.h"
#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>

#define CACHED_NBYTES ((size_t)1 << 17)

static medroi_status find(const medroi_header *header, const medroi_inner **inner,
                          medroi_error *error) {
    *inner = medroi_find_inner(header->inner_id);
    return *inner != NULL ? MEDROI_OK : medroi_inner_is_absent(header, error);
}

/* The codec's word on the region, and the parts it wants. */
static medroi_status prepare(medroi_header *header, const double *params,
                             const medroi_inner **inner, medroi_error *error) {
    medroi_block region = medroi_block_of_box(header, &header->box);
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

static size_t worker_count(uint32_t n_threads, uint64_t n_parts) {
    uint64_t n = n_threads < n_parts ? n_threads : n_parts;
    return n < 1 ? 1 : n > MEDROI_MAX_THREADS ? MEDROI_MAX_THREADS : (size_t)n;
}

/* Of the map of the mask, where the caller does not have it. */
static size_t map_to_read_nbytes(const medroi_header *header) {
    return header->mask_map != NULL ? 0 : medroi_mask_map_nbytes(header);
}

/* Of a flag for each element of the region, for a codec that plans, where there is a mask. */
static size_t flags_nbytes(const medroi_header *header, const medroi_block *region) {
    return medroi_mask_map_nbytes(header) > 0 ? medroi_block_nbytes(region) / region->itemsize : 0;
}

medroi_status medroi_encode_bound(const medroi_header *header, const double *params,
                                  uint32_t n_threads, size_t *stream_nbytes, size_t *scratch_nbytes,
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
        medroi_block head = medroi_block_of_box(&trial, &first),
                     tail = medroi_block_of_box(&trial, &last);
        medroi_block region = medroi_block_of_box(&trial, &trial.box);
        *stream_nbytes += (n_parts - 1) * inner->bound(&head, params) + inner->bound(&tail, params);
        if (inner->plan != NULL) {
            *scratch_nbytes = medroi_block_nbytes(&region) + flags_nbytes(&trial, &region);
        } else if (inner->encode != NULL) {
            *scratch_nbytes = worker_count(n_threads, n_parts) * medroi_block_nbytes(&head);
        }
    }
    *scratch_nbytes += map_to_read_nbytes(&trial);
    return MEDROI_OK;
}

/* One call of medroi_encode. A single thread writes part behind part; several leave to each part
 * the room of its bound, and the gaps are closed at the end. */
typedef struct encoding {
    const medroi_header *header;
    const medroi_inner *inner;
    const void *data;
    const uint8_t *region; /* the whole region, dense, for codecs that plan; else NULL */
    const uint8_t *kept;   /* flags of its elements; NULL: all are kept */
    double params[MEDROI_MAX_PARAMS];
    const void *mask; /* its map, or NULL */
    uint8_t *scratch; /* scratch_nbytes for each thread */
    size_t scratch_nbytes;
    uint8_t *payload;
    size_t capacity;
    size_t used;  /* of the payload, by a single thread */
    size_t bound; /* of every part but the last, for several threads; else 0 */
    uint32_t crc; /* of a part that is alone */
    size_t table_nbytes;
} encoding;

/* Some slices at a time, which are cleared and summed while they are in the cache. `crc` may be
 * NULL. */
static void gather_box(const encoding *e, const medroi_box *box, uint8_t *dst, uint32_t *crc) {
    const medroi_header *header = e->header;
    uint8_t axis = header->slice_axis;
    medroi_box some = *box;
    int64_t n_slices = box->stop[axis] - box->start[axis];
    int64_t step = n_slices;
    size_t slice_nbytes = 0;
    if ((e->mask != NULL || crc != NULL) && n_slices > 0) {
        medroi_block block = medroi_block_of_box(header, box);
        slice_nbytes = medroi_block_nbytes(&block) / (size_t)n_slices;
        step = slice_nbytes < CACHED_NBYTES ? (int64_t)(CACHED_NBYTES / (slice_nbytes + 1)) + 1 : 1;
    }
    for (int64_t start = 0; start < n_slices; start += step) {
        some.start[axis] = box->start[axis] + start;
        some.stop[axis] = some.start[axis] + (step < n_slices - start ? step : n_slices - start);
        uint8_t *slices = dst + (size_t)start * slice_nbytes;
        medroi_gather(&header->layout, e->data, &some, axis, slices);
        if (e->mask != NULL) {
            medroi_apply_mask(header, e->mask, &some, slices);
        }
        if (crc != NULL) {
            int64_t n = some.stop[axis] - some.start[axis];
            *crc = medroi_crc32(*crc, slices, (size_t)n * slice_nbytes);
        }
    }
}

/* A box as a dense block: in place where the array holds it so, else copied to scratch. */
static const uint8_t *dense_box(const encoding *e, const medroi_box *box, uint8_t *scratch) {
    const medroi_header *header = e->header;
    const uint8_t *dense = NULL;
    if (e->mask == NULL) {
        dense = medroi_dense_block(&header->layout, e->data, box, header->slice_axis);
    }
    if (dense == NULL) {
        gather_box(e, box, scratch, NULL);
        dense = scratch;
    }
    return dense;
}

void medroi_mark_kept(const medroi_header *header, const void *map, const medroi_box *box,
                      uint8_t *flags) {
    medroi_block block = medroi_block_of_box(header, box);
    medroi_header of_flags = *header;
    of_flags.layout = medroi_flags_layout(&header->layout);
    of_flags.background = 0;
    memset(flags, 1, medroi_block_nbytes(&block) / block.itemsize);
    medroi_apply_mask(&of_flags, map, box, flags);
}

static medroi_status encode_part(void *context, uint64_t k, uint32_t worker, medroi_error *error) {
    encoding *e = context;
    const medroi_header *header = e->header;
    medroi_box box = medroi_part_box(header, k);
    medroi_block block = medroi_block_of_box(header, &box);
    size_t offset = e->bound > 0 ? e->table_nbytes + (size_t)k * e->bound : e->used;
    size_t nbytes = medroi_block_nbytes(&block);
    uint8_t *dst = e->payload + offset;
    uint32_t crc = 0;
    if (offset > e->capacity || e->capacity - offset < e->inner->bound(&block, e->params)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "the output buffer is smaller than medroi_encode_bound() asked for");
    }
    if (e->inner->encode == NULL) {
        gather_box(e, &box, dst, &crc);
    } else {
        const uint8_t *dense = e->region, *kept = e->kept;
        if (dense != NULL) {
            size_t first = (size_t)k * header->part_extent * (nbytes / (size_t)block.shape[0]);
            dense += first;
            kept = kept != NULL ? kept + first / block.itemsize : NULL;
        } else {
            dense = dense_box(e, &box, e->scratch + worker * e->scratch_nbytes);
        }
        medroi_status status = e->inner->encode(&block, dense, kept, e->params, dst,
                                                e->capacity - offset, &nbytes, error);
        if (status != MEDROI_OK) {
            return status;
        }
        crc = medroi_crc32(0, dst, nbytes);
    }
    if (e->table_nbytes > 0) {
        medroi_store64(e->payload + k * MEDROI_PART_ROW_NBYTES, nbytes);
        medroi_store32(e->payload + k * MEDROI_PART_ROW_NBYTES + 8, crc);
    } else {
        e->crc = crc;
    }
    if (e->bound == 0) {
        e->used += nbytes;
    }
    return MEDROI_OK;
}

static void close_gaps(encoding *e, uint64_t n_parts) {
    e->used = e->table_nbytes;
    for (uint64_t k = 0; k < n_parts; k++) {
        size_t nbytes = (size_t)medroi_load64(e->payload + k * MEDROI_PART_ROW_NBYTES);
        memmove(e->payload + e->used, e->payload + e->table_nbytes + (size_t)k * e->bound, nbytes);
        e->used += nbytes;
    }
}

static medroi_status encode_parts(medroi_header *header, encoding *e, uint32_t n_threads,
                                  medroi_error *error) {
    uint64_t n_parts = medroi_part_count(header);
    medroi_status status = MEDROI_OK;
    e->used = e->table_nbytes = (size_t)medroi_part_table_nbytes(header);
    if (n_parts > 0) {
        medroi_box first = medroi_part_box(header, 0);
        medroi_block head = medroi_block_of_box(header, &first),
                     region = medroi_block_of_box(header, &header->box);
        e->scratch_nbytes = e->inner->encode != NULL ? medroi_block_nbytes(&head) : 0;
        if (e->inner->plan != NULL) {
            uint8_t *flags = e->scratch + medroi_block_nbytes(&region);
            e->region = dense_box(e, &header->box, e->scratch);
            if (e->mask != NULL) {
                medroi_mark_kept(header, e->mask, &header->box, flags);
                e->kept = flags;
            }
            status = e->inner->plan(&region, e->region, e->kept, e->params, error);
        }
        e->bound = n_threads > 1 && n_parts > 1 ? e->inner->bound(&head, e->params) : 0;
    }
    if (status == MEDROI_OK) {
        status = medroi_run_tasks(encode_part, e, n_parts, e->bound > 0 ? n_threads : 1, error);
    }
    if (status != MEDROI_OK) {
        return status;
    }
    if (e->bound > 0) {
        close_gaps(e, n_parts);
    }
    header->payload_crc =
        e->table_nbytes > 0 ? medroi_crc32(0, e->payload, e->table_nbytes) : e->crc;
    header->payload_nbytes = e->used;
    return MEDROI_OK;
}

medroi_status medroi_encode_stream(medroi_header *header, const void *data, const double *params,
                                   uint32_t n_threads, void *scratch, uint8_t *dst, size_t capacity,
                                   size_t *nbytes, medroi_error *error) {
    size_t preamble_nbytes = medroi_preamble_nbytes(header);
    encoding e = {.header = header, .data = data, .scratch = scratch};
    medroi_status status = prepare(header, params, &e.inner, error);
    if (status == MEDROI_OK && capacity < preamble_nbytes + medroi_part_table_nbytes(header)) {
        status = medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                             "the output buffer is smaller than the stream's header");
    }
    if (status != MEDROI_OK) {
        return status;
    }
    size_t map_nbytes = map_to_read_nbytes(header);
    e.mask = header->mask_map;
    if (map_nbytes > 0) {
        e.mask = scratch;
        e.scratch += map_nbytes;
        status = medroi_read_mask_map(header, scratch, error);
        if (status != MEDROI_OK) {
            return status;
        }
    }
    memcpy(e.params, params, sizeof e.params);
    e.payload = dst + preamble_nbytes;
    e.capacity = capacity - preamble_nbytes;
    header->payload_crc = 0;
    header->payload_nbytes = 0;
    status = encode_parts(header, &e, n_threads, error);
    if (status == MEDROI_OK) {
        status = medroi_write_preamble(header, dst, error);
        *nbytes = preamble_nbytes + (size_t)header->payload_nbytes;
    }
    return status;
}

/* Dense bytes of the longest part, 0 where decoding needs no copy of it. */
static size_t decoded_part_nbytes(const medroi_header *header) {
    const medroi_inner *inner = medroi_find_inner(header->inner_id);
    if ((inner != NULL && inner->decode == NULL) || medroi_part_count(header) == 0) {
        return 0;
    }
    medroi_box first = medroi_part_box(header, 0);
    medroi_block block = medroi_block_of_box(header, &first);
    return medroi_block_nbytes(&block);
}

size_t medroi_decode_scratch_nbytes(const medroi_header *header, uint32_t n_threads) {
    uint64_t n_parts = medroi_part_count(header);
    size_t parts_nbytes = (size_t)n_parts * sizeof(uint64_t) +
                          worker_count(n_threads, n_parts) * decoded_part_nbytes(header);
    size_t map_nbytes = medroi_mask_map_nbytes(header);
    /* The map of the mask is wanted once the slabs are decoded: it may lie where they did. */
    return parts_nbytes > map_nbytes ? parts_nbytes : map_nbytes;
}

/* Whether parts are runs of slices of the array's memory, which are written with what lies around
 * them: going over memory once is what makes decoding as fast as a copy. */
static int parts_are_slices(const medroi_header *header) {
    return header->slice_axis == medroi_default_slice_axis(&header->layout);
}

/* `part` is NULL where the part is in its place already. */
static void place_part(const medroi_header *header, const medroi_box *box, const void *part,
                       void *data) {
    if (parts_are_slices(header)) {
        medroi_restore_slices(&header->layout, data, box, header->background, part);
    } else if (part != NULL) {
        medroi_scatter(&header->layout, data, box, header->slice_axis, part);
    }
}

/* Values that no slab brought along. */
static void fill_rest(const medroi_header *header, void *data) {
    medroi_box written = header->box;
    if (parts_are_slices(header) && medroi_part_count(header) > 0) {
        for (int32_t i = 0; i < header->layout.ndim; i++) {
            if (i != header->slice_axis) {
                written.start[i] = 0;
                written.stop[i] = header->layout.shape[i];
            }
        }
    }
    medroi_fill_outside(&header->layout, data, &written, header->background);
}

/* One call of medroi_decode. */
typedef struct decoding {
    const medroi_header *header;
    const medroi_inner *native; /* or: */
    const medroi_hosted *hosted;
    const uint8_t *payload;
    size_t payload_nbytes;
    uint64_t *offsets; /* of the parts in the payload, where there are several */
    uint8_t *scratch;  /* scratch_nbytes for each thread */
    size_t scratch_nbytes;
    void *data;
} decoding;

static medroi_status decode_part(const decoding *d, const medroi_box *box, const uint8_t *part,
                                 size_t nbytes, void *scratch, medroi_error *error) {
    const medroi_header *header = d->header;
    void *data = d->data;
    medroi_block block = medroi_block_of_box(header, box);
    if (d->native != NULL && d->native->decode == NULL) {
        if (nbytes != medroi_block_nbytes(&block)) {
            return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                               "corrupt stream: a raw part has %zu bytes, expected %zu", nbytes,
                               medroi_block_nbytes(&block));
        }
        place_part(header, box, part, data);
        return MEDROI_OK;
    }
    uint8_t *dense =
        (uint8_t *)(uintptr_t)medroi_dense_block(&header->layout, data, box, header->slice_axis);
    void *target = dense != NULL ? dense : scratch;
    medroi_status status =
        medroi_decode_slab(header, d->native, d->hosted, box, part, nbytes, target, error);
    if (status == MEDROI_OK) {
        place_part(header, box, dense == NULL ? scratch : NULL, data);
    }
    return status;
}

medroi_status medroi_check_table(const medroi_header *header, const uint8_t *table, size_t nbytes,
                                 medroi_error *error) {
    uint64_t n_parts = medroi_part_count(header), table_nbytes = medroi_part_table_nbytes(header);
    uint64_t left = header->payload_nbytes - table_nbytes;
    if (nbytes != table_nbytes) {
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: its slab table has %zu bytes, expected %llu", nbytes,
                           (unsigned long long)table_nbytes);
    }
    if (n_parts < 2) {
        return MEDROI_OK;
    }
    if (medroi_crc32(0, table, nbytes) != header->payload_crc) {
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: the CRC-32 of its slab table is wrong");
    }
    for (uint64_t k = 0; k < n_parts; k++) {
        uint64_t part_nbytes = medroi_load64(table + k * MEDROI_PART_ROW_NBYTES);
        if (part_nbytes > left || (k + 1 == n_parts && part_nbytes != left)) {
            return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                               "corrupt stream: the lengths of its parts do not add up");
        }
        left -= part_nbytes;
    }
    return MEDROI_OK;
}

medroi_status medroi_check_payload(const medroi_header *header, const uint8_t *payload,
                                   size_t payload_nbytes, medroi_error *error) {
    if (payload_nbytes != header->payload_nbytes) {
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: its payload has %zu bytes, its header says %llu",
                           payload_nbytes, (unsigned long long)header->payload_nbytes);
    }
    return medroi_check_table(header, payload, (size_t)medroi_part_table_nbytes(header), error);
}

/* Where part k lies. */
static const uint8_t *find_part(const decoding *d, uint64_t k, size_t *nbytes, uint32_t *crc) {
    const uint8_t *row = d->payload + k * MEDROI_PART_ROW_NBYTES;
    if (medroi_part_table_nbytes(d->header) == 0) {
        *nbytes = d->payload_nbytes;
        *crc = d->header->payload_crc;
        return d->payload;
    }
    *nbytes = (size_t)medroi_load64(row);
    *crc = medroi_load32(row + 8);
    return d->payload + d->offsets[k];
}

/* The table was checked: its lengths add up. */
static void find_offsets(const decoding *d, uint64_t n_parts) {
    uint64_t offset = medroi_part_table_nbytes(d->header);
    for (uint64_t k = 0; k < n_parts && n_parts > 1; k++) {
        d->offsets[k] = offset;
        offset += medroi_load64(d->payload + k * MEDROI_PART_ROW_NBYTES);
    }
}

static medroi_status decode_task(void *context, uint64_t k, uint32_t worker, medroi_error *error) {
    const decoding *d = context;
    medroi_box box = medroi_part_box(d->header, k);
    size_t nbytes;
    uint32_t crc;
    const uint8_t *part = find_part(d, k, &nbytes, &crc);
    if (medroi_crc32(0, part, nbytes) != crc) {
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: the CRC-32 of part %llu is wrong",
                           (unsigned long long)k);
    }
    return decode_part(d, &box, part, nbytes, d->scratch + worker * d->scratch_nbytes, error);
}

medroi_status medroi_decode_stream(const medroi_header *header, const uint8_t *payload,
                                   size_t payload_nbytes, const medroi_hosted *hosted,
                                   uint32_t n_threads, void *scratch, void *data,
                                   medroi_error *error) {
    decoding d = {.header = header,
                  .payload = payload,
                  .payload_nbytes = payload_nbytes,
                  .offsets = scratch,
                  .scratch_nbytes = decoded_part_nbytes(header),
                  .data = data};
    uint64_t n_parts = medroi_part_count(header);
    medroi_status status = medroi_check_payload(header, payload, payload_nbytes, error);
    if (status == MEDROI_OK && n_parts > 0) {
        d.hosted = hosted;
        d.native = hosted == NULL ? medroi_find_inner(header->inner_id) : NULL;
        if (d.native == NULL && hosted == NULL) {
            status = medroi_inner_is_absent(header, error);
        }
    }
    if (status == MEDROI_OK) {
        d.scratch = (uint8_t *)scratch + n_parts * sizeof(uint64_t);
        find_offsets(&d, n_parts);
        status = medroi_run_tasks(decode_task, &d, n_parts, n_threads, error);
    }
    if (status == MEDROI_OK) {
        fill_rest(header, data);
        status = medroi_read_mask_map(header, scratch, error);
    }
    if (status == MEDROI_OK) {
        medroi_apply_mask_to_array(header, scratch, data);
    }
    return status;
}
