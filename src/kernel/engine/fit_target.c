/* A target that has to be one for all chunks of a scan.
 *
 * Chunks that each reach for it alone reach different errors: a share of the noise of what each
 * holds, a PSNR against the range of each, and a chunk of little tissue has no way to reach it. So
 * all of them are planned for together, each as it will be coded, and are coded with the step that
 * this finds. One chunk lies in memory at a time.
 */
#include "codecs/inner.h"
#include "engine/engine.h"
#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>

/* Of what a codec made of the chunks: some chunks' worth. */
#define HELD_NBYTES ((size_t)1 << 25)

/* The chunks of a scan, as far as its region reaches. */
typedef struct scan_chunks {
    const medroi_header *header;
    const uint8_t *data;
    const void *map; /* of the mask, or NULL */
    int64_t shape[MEDROI_MAX_AXES];
    int64_t first[MEDROI_MAX_AXES]; /* along each axis, the first chunk that the box touches */
    int64_t count[MEDROI_MAX_AXES]; /* and how many it touches */
    uint8_t *chunk;                 /* dense, in coding order */
    uint8_t *flags;                 /* of its elements; NULL without a mask */
} scan_chunks;

/* Sets where the chunks are. Returns how many there are. */
static uint64_t lay_grid(scan_chunks *s, const int64_t *chunk_shape) {
    const medroi_header *header = s->header;
    uint64_t n = 1;
    for (int32_t i = 0; i < header->layout.ndim; i++) {
        int64_t size = header->layout.shape[i], edge = chunk_shape != NULL ? chunk_shape[i] : size;
        s->shape[i] = edge < size ? edge : size;
        s->first[i] = header->box.start[i] / s->shape[i];
        s->count[i] = (header->box.stop[i] - 1) / s->shape[i] + 1 - s->first[i];
        n *= (uint64_t)s->count[i];
    }
    return n;
}

/* The share of chunk `k` in the region's box. */
static medroi_box chunk_box(const scan_chunks *s, uint64_t k) {
    medroi_box box = s->header->box;
    for (int32_t i = s->header->layout.ndim - 1; i >= 0; i--) {
        int64_t start = (s->first[i] + (int64_t)(k % (uint64_t)s->count[i])) * s->shape[i];
        int64_t stop = start + s->shape[i];
        k /= (uint64_t)s->count[i];
        box.start[i] = start > box.start[i] ? start : box.start[i];
        box.stop[i] = stop < box.stop[i] ? stop : box.stop[i];
    }
    return box;
}

static medroi_status load(void *user, uint64_t k, medroi_block *block, const uint8_t **data,
                          const uint8_t **kept, medroi_error *error) {
    const scan_chunks *s = user;
    medroi_box box = chunk_box(s, k);
    (void)error;
    *block = medroi_block_of_box(s->header, &box);
    medroi_gather(&s->header->layout, s->data, &box, s->header->slice_axis, s->chunk);
    if (s->map != NULL) {
        medroi_apply_mask(s->header, s->map, &box, s->chunk);
        medroi_mark_kept(s->header, s->map, &box, s->flags);
    }
    *data = s->chunk;
    *kept = s->flags;
    return MEDROI_OK;
}

int medroi_shares_target(const medroi_coder *coder) {
    const medroi_parameters *table = medroi_find_parameters(coder->id);
    return coder->native != NULL && coder->native->plan_scan != NULL && table != NULL &&
           (table->of_scan >> (int)coder->params[0] & 1) != 0;
}

static medroi_status no_memory(size_t nbytes, medroi_error *error) {
    return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for %zu bytes", nbytes);
}

static medroi_status plan_chunks(const medroi_header *header, const medroi_coder *coder,
                                 const void *data, const int64_t *chunk_shape,
                                 const medroi_counted *counted, const medroi_space *memory,
                                 double *params, medroi_error *error) {
    scan_chunks s = {.header = header, .data = data, .map = header->mask_map};
    medroi_blocks blocks = {
        .n = lay_grid(&s, chunk_shape), .user = &s, .load = load, .most_nbytes = HELD_NBYTES};
    if (counted != NULL) {
        blocks.n_counted = counted->n;
        blocks.range_counted = counted->high - counted->low;
    }
    medroi_box largest = {{0}, {0}};
    void *map = NULL;
    for (int32_t i = 0; i < header->layout.ndim; i++) {
        largest.stop[i] = s.shape[i];
    }
    medroi_block block = medroi_block_of_box(header, &largest);
    size_t nbytes = medroi_block_nbytes(&block);
    medroi_status status = MEDROI_OK;
    if (s.map == NULL) {
        status = medroi_load_mask(header, &map, error);
        s.map = map;
    }
    if (status == MEDROI_OK) {
        s.chunk = memory->take(memory->user, nbytes);
        s.flags = s.map != NULL ? memory->take(memory->user, nbytes / block.itemsize) : NULL;
        if (s.chunk == NULL || (s.map != NULL && s.flags == NULL)) {
            status = no_memory(nbytes, error);
        }
    }
    if (status == MEDROI_OK && coder->native->check != NULL) {
        status = coder->native->check(&block, params, error);
    }
    if (status == MEDROI_OK) {
        status = coder->native->plan_scan(&blocks, params, error);
    }
    if (s.flags != NULL) {
        memory->give(memory->user, s.flags);
    }
    if (s.chunk != NULL) {
        memory->give(memory->user, s.chunk);
    }
    free(map);
    return status;
}

medroi_status medroi_fit_target(const medroi_settings *settings, const medroi_coder *coder,
                                const medroi_layout *layout, const void *data,
                                const int64_t *chunk_shape, const medroi_counted *counted,
                                const medroi_space *space, const medroi_parameter **target,
                                double *number, medroi_error *error) {
    const medroi_space memory = medroi_space_or_heap(space);
    medroi_settings asked = *settings;
    medroi_header header;
    double params[MEDROI_MAX_PARAMS];
    *target = NULL;
    if (!medroi_shares_target(coder)) {
        return MEDROI_OK;
    }
    asked.inner_id = coder->id;
    asked.is_lossy = (uint8_t)medroi_is_lossy(coder);
    asked.region.complete = 1;
    size_t nbytes = medroi_prepare_scratch_nbytes(&asked, layout);
    void *scratch = memory.take(memory.user, nbytes > 0 ? nbytes : 1);
    if (scratch == NULL) {
        return no_memory(nbytes, error);
    }
    medroi_status status = medroi_prepare_header(&asked, layout, data, scratch, &header, error);
    if (status == MEDROI_OK && !medroi_is_empty_box(layout, &header.box)) {
        const medroi_parameters *table = medroi_find_parameters(coder->id);
        memcpy(params, coder->params, sizeof params);
        medroi_add_spacing(&header, asked.region.spacing_mm, params);
        status = plan_chunks(&header, coder, data, chunk_shape, counted, &memory, params, error);
        /* Where no target has this mode, the scan is kept exactly, and so are its chunks. */
        *target = medroi_find_target(table, params[0]);
        *number = params[table->planned];
    }
    memory.give(memory.user, scratch);
    return status;
}
