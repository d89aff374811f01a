/* A part of a general-purpose compressor: filter byte, then the compressed bytes (FORMAT.md,
 * inner codecs 1 and 2). The compressors themselves come as two functions. */
#ifndef MEDROI_PACKED_H
#define MEDROI_PACKED_H

#include "codecs/parameters.h"

/* Both return 0 for success. `*nbytes` is the capacity going in, the length coming out. */
typedef int (*medroi_compress)(const uint8_t *src, size_t src_nbytes, int level, uint8_t *dst,
                               size_t *nbytes);
/* Fails unless exactly dst_nbytes come out and every byte of src was used. */
typedef int (*medroi_decompress)(const uint8_t *src, size_t src_nbytes, uint8_t *dst,
                                 size_t dst_nbytes);

/* params[0] is the level, params[1] 0 to leave out the byte shuffle. */
medroi_status medroi_pack_part(const medroi_block *part, const void *data, const double *params,
                               medroi_compress compress, uint8_t *dst, size_t capacity,
                               size_t *nbytes, medroi_error *error);
medroi_status medroi_unpack_part(const medroi_block *part, const uint8_t *src, size_t nbytes,
                                 medroi_decompress decompress, void *dst, medroi_error *error);

/* The inner codec of two such functions, which the file that uses this defines as `compress_part`
 * and `decompress_part`, beside `bound`. */
#define MEDROI_DEFINE_PACKED(codec, number)                                                        \
    static medroi_status check(const medroi_block *region, const double *params,                   \
                               medroi_error *error) {                                              \
        (void)region;                                                                              \
        return medroi_check_params(&medroi_##codec##_parameters, params, error);                   \
    }                                                                                              \
    static medroi_status encode(const medroi_block *part, const void *data, const uint8_t *kept,   \
                                const double *params, uint8_t *dst, size_t capacity,               \
                                size_t *nbytes, medroi_error *error) {                             \
        (void)kept;                                                                                \
        return medroi_pack_part(part, data, params, compress_part, dst, capacity, nbytes, error);  \
    }                                                                                              \
    static medroi_status decode(const medroi_block *part, const uint8_t *src, size_t nbytes,       \
                                void *dst, medroi_error *error) {                                  \
        return medroi_unpack_part(part, src, nbytes, decompress_part, dst, error);                 \
    }                                                                                              \
    const medroi_inner medroi_##codec = {.id = number,                                             \
                                         .name = #codec,                                           \
                                         .check = check,                                           \
                                         .part_extent = medroi_short_part_extent,                  \
                                         .bound = bound,                                           \
                                         .encode = MEDROI_ENCODER(encode),                         \
                                         .decode = decode};

/* The settings of such a codec. */
#define MEDROI_DEFINE_PACKED_PARAMETERS(codec, number, level, low, high, help)                     \
    static const medroi_parameter rows[] = {                                                       \
        {"level", MEDROI_INTEGER, 0, 0, level, low, high, help, NULL, NULL, NULL},                 \
        {"shuffle", MEDROI_FLAG, 1, 0, 1, 0, 1,                                                    \
         "whether elements of several bytes are byte-shuffled first", NULL, NULL, NULL},           \
    };                                                                                             \
    const medroi_parameters medroi_##codec##_parameters = {                                        \
        .id = number, .name = #codec, .n = 2, .rows = rows};

#endif
