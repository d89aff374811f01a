/* Shared by encoding and decoding: memory for results, blocks, and one slab. */
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

uint8_t *medroi_reserve(medroi_output *output, size_t capacity) {
    size_t asked = capacity > 0 ? capacity : 1;
    output->data = output->reserve != NULL ? output->reserve(output->user, asked) : malloc(asked);
    output->capacity = output->data != NULL ? capacity : 0;
    return output->data;
}

medroi_block medroi_block_of_box(const medroi_header *header, const medroi_box *box) {
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

medroi_layout medroi_flags_layout(const medroi_layout *layout) {
    medroi_layout flags = *layout;
    flags.kind = 'u';
    flags.itemsize = 1;
    flags.big_endian = 0;
    return flags;
}

medroi_status medroi_inner_is_absent(const medroi_header *header, medroi_error *error) {
    return medroi_fail(error, MEDROI_INNER_UNAVAILABLE,
                       "inner codec id %u is not part of this build", (unsigned)header->inner_id);
}

medroi_status medroi_load_mask(const medroi_header *header, void **map, medroi_error *error) {
    size_t nbytes = medroi_mask_map_nbytes(header);
    *map = nbytes > 0 ? malloc(nbytes) : NULL;
    if (nbytes > 0 && *map == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a mask of %zu bytes", nbytes);
    }
    return medroi_read_mask_map(header, *map, error);
}

medroi_status medroi_decode_slab(const medroi_header *header, const medroi_inner *native,
                                 const medroi_hosted *hosted, const medroi_box *box,
                                 const uint8_t *coded, size_t nbytes, void *slab,
                                 medroi_error *error) {
    medroi_block block = medroi_block_of_box(header, box);
    if (native == NULL) {
        return hosted->codec.decode(hosted->user, &block, coded, nbytes, slab, error);
    }
    if (native->decode != NULL) {
        return native->decode(&block, coded, nbytes, slab, error);
    }
    if (nbytes != medroi_block_nbytes(&block)) {
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: a raw part has %zu bytes, expected %zu", nbytes,
                           medroi_block_nbytes(&block));
    }
    memcpy(slab, coded, nbytes);
    return MEDROI_OK;
}
