/* Parts of the general-purpose compressors: filter byte, shuffle, compressed bytes. */
#include "codecs/packed.h"

#include "codecs/shuffle.h"

#include <stdlib.h>

medroi_status medroi_pack_part(const medroi_block *part, const void *data, const double *params,
                               medroi_compress compress, uint8_t *dst, size_t capacity,
                               size_t *nbytes, medroi_error *error) {
    medroi_status status = MEDROI_OK;
    size_t plain_nbytes = medroi_block_nbytes(part), packed_nbytes = capacity - 1;
    int shuffled = part->itemsize > 1 && params[1] != 0.0;
    const uint8_t *plain = data;
    uint8_t *buffer = NULL;
    if (shuffled) {
        buffer = malloc(plain_nbytes);
        if (buffer == NULL) {
            status = medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a part of %zu bytes",
                                 plain_nbytes);
            goto done;
        }
        medroi_shuffle(plain, plain_nbytes / part->itemsize, part->itemsize, buffer);
        plain = buffer;
    }
    dst[0] = shuffled ? MEDROI_FILTER_SHUFFLE : MEDROI_FILTER_NONE;
    if (compress(plain, plain_nbytes, (int)params[0], dst + 1, &packed_nbytes) != 0) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "the compressor library ran out of memory");
        goto done;
    }
    *nbytes = packed_nbytes + 1;
done:
    free(buffer);
    return status;
}

medroi_status medroi_unpack_part(const medroi_block *part, const uint8_t *src, size_t nbytes,
                                 medroi_decompress decompress, void *dst, medroi_error *error) {
    medroi_status status = MEDROI_OK;
    size_t plain_nbytes = medroi_block_nbytes(part);
    uint8_t *buffer = NULL, *plain = dst;
    if (nbytes < 1 || src[0] > MEDROI_FILTER_SHUFFLE) {
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: a part has no filter byte of 0 or 1");
    }
    if (src[0] == MEDROI_FILTER_SHUFFLE) {
        plain = buffer = malloc(plain_nbytes);
        if (buffer == NULL) {
            return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a part of %zu bytes",
                               plain_nbytes);
        }
    }
    if (decompress(src + 1, nbytes - 1, plain, plain_nbytes) != 0) {
        status = medroi_fail(error, MEDROI_CORRUPT_STREAM,
                             "corrupt stream: a part does not decompress to its %zu bytes",
                             plain_nbytes);
        goto done;
    }
    if (buffer != NULL) {
        medroi_unshuffle(buffer, plain_nbytes / part->itemsize, part->itemsize, dst);
    }
done:
    free(buffer);
    return status;
}
