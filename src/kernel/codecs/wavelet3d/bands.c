/* wavelet3d: coding the quantised subbands.
 *
 * Coefficients are mostly 0, and the large ones stand together: where an edge crosses, in all
 * subbands. So each magnitude is coded under models chosen by the magnitudes known around it: a
 * weighted sum of nine (in its row, the row above, the slice before) and, beside it, its *parent*,
 * the coefficient at the same place one level up. Two token models, one for each view, are mixed by
 * adding their shares, which needs no weights; large surroundings also shift the tokens, whose low
 * bits then are raw. Where all known neighbours and the parent are 0, one adaptive bit says whether
 * the coefficient is 0 too: most of the part costs a fraction of a bit a voxel. Signs are raw bits.
 * Contexts from parents are those of Shapiro's zerotrees (1993), without their trees.
 */
#include "base/bytes.h"
#include "codecs/wavelet3d/subbands.h"
#include "entropy/magnitudes.h"

#include <stdlib.h>

#define NEAR_LEVELS 64
#define FAR_CONTEXTS (5 * 6 * 8)
#define ZERO_CONTEXTS 16
#define GREATEST ((uint64_t)1 << 30) /* magnitudes must be below this */

typedef struct coder {
    medroi_rc_encoder enc;
    medroi_rc_decoder dec;
    medroi_bit_writer put;
    medroi_bit_reader get;
    medroi_bit_model zero[ZERO_CONTEXTS];
    medroi_token_model near[NEAR_LEVELS * 5], far[FAR_CONTEXTS];
    medroi_number_model escape;
    int64_t stride[W3_AXES];
    float value[64]; /* of magnitudes 0 to 63 */
    const medroi_w3_header *header;
    int bad;
    int n_bands;
    medroi_w3_band bands[W3_MAX_BANDS];
} coder;

static medroi_status coder_init(coder *c, const medroi_w3_shape *shape,
                                const medroi_w3_header *header, medroi_error *error) {
    memset(c, 0, sizeof *c);
    c->header = header;
    medroi_w3_strides(shape, c->stride);
    for (uint32_t i = 0; i < 64; i++)
        c->value[i] = medroi_w3_value(header, i);
    for (int i = 0; i < ZERO_CONTEXTS; i++)
        medroi_bit_init(&c->zero[i]);
    for (int i = 0; i < NEAR_LEVELS * 5; i++)
        medroi_token_init(&c->near[i]);
    for (int i = 0; i < FAR_CONTEXTS; i++)
        medroi_token_init(&c->far[i]);
    medroi_number_init(&c->escape);
    c->n_bands = medroi_w3_list_bands(shape, header, c->bands);
    if (c->n_bands == 0)
        return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the subbands");
    return MEDROI_OK;
}

static void coder_free(coder *c) {
    if (c)
        medroi_w3_free_bands(c->bands, c->n_bands);
    free(c);
}

static inline uint32_t small_class(uint32_t x) /* 0 1 2 3-4 5-8 9+ */
{
    return x < 3 ? x : x < 5 ? 3 : x < 9 ? 4 : 5;
}

static inline uint32_t wide_class(uint32_t x) /* 0 1 2 3-4 5-6 7-9 10-14 15+ */
{
    return x < 3 ? x : x < 5 ? 3 : x < 7 ? 4 : x < 10 ? 5 : x < 15 ? 6 : 7;
}

/* One row of a subband. m: its magnitudes; z: the same row of the slice before; up: the parent's
 * row, or a zero that is not stepped along (up_shift 63). */
static inline void code_row(coder *c, const medroi_w3_band *b, uint16_t *m, const uint16_t *up,
                            int up_shift, float *data, int encode) {
    const int64_t row = medroi_w3_row_of(b), width = b->size[3],
                  up_width = b->parent ? b->parent->size[3] : 1;
    const uint16_t *z = m - medroi_w3_slice_of(b);
    const uint32_t highs = (uint32_t)b->highs;
    for (int64_t x = 0; x < width; x++) {
        int64_t px = x >> up_shift;
        uint32_t parent = up[px < up_width ? px : up_width - 1];
        uint32_t close = (uint32_t)m[x - 1] + m[x - row] + z[x];
        uint32_t sum = 2 * close + m[x - row - 1] + m[x - row + 1] + z[x - 1] + z[x + 1] +
                       z[x - row] + z[x + row];
        uint64_t magnitude = 0;
        int flagged = (sum | parent) == 0;
        unsigned negative = 0;
        if (encode) {
            magnitude = medroi_w3_magnitude(data[x]);
            negative = data[x] < 0.0f;
        }
        if (flagged) {
            medroi_bit_model *zero = &c->zero[highs * 3 + (uint32_t)(m[x - 2 + (x == 0)] != 0)];
            unsigned some = magnitude != 0;
            if (encode)
                medroi_bit_encode(&c->enc, zero, some);
            else
                some = medroi_bit_decode(&c->dec, zero);
            if (!some) {
                if (!encode)
                    data[x] = 0.0f;
                continue;
            }
        }
        uint32_t level = medroi_level(sum);
        int k = sum < 128 ? 0 : medroi_log2(sum) - 6;
        medroi_token_model *near = &c->near[highs * NEAR_LEVELS + (level < 63 ? level : 63)];
        medroi_token_model *far =
            &c->far[(highs * 6 + small_class(parent)) * 8 + wide_class(close)];
        if (encode) {
            medroi_magnitude_encode(&c->enc, &c->put, &c->escape, near, far,
                                    magnitude - (uint64_t)flagged, k);
            if (magnitude != 0)
                medroi_bits_put(&c->put, negative, 1);
        } else {
            magnitude = medroi_magnitude_decode(&c->dec, &c->get, &c->escape, near, far, k) +
                        (uint64_t)flagged;
            if (magnitude >= GREATEST) {
                c->bad = 1;
                magnitude = 0;
            }
            negative = magnitude != 0 ? (unsigned)medroi_bits_get(&c->get, 1) : 0;
            float value = magnitude < 64 ? c->value[magnitude]
                                         : medroi_w3_value(c->header, (uint32_t)magnitude);
            data[x] = negative ? -value : value;
        }
        m[x] = (uint16_t)(magnitude < 65535 ? magnitude : 65535);
    }
}

static inline void code_band(coder *c, medroi_w3_band *b, float *data, int encode) {
    static const uint16_t nothing[1] = {0};
    const medroi_w3_band *p = b->parent;
    int64_t slice = 1;
    for (int64_t t = 0; t < b->size[0]; t++)
        for (int64_t z = 0; z < b->size[1]; z++, slice++)
            for (int64_t y = 0; y < b->size[2]; y++) {
                float *line = data + (b->start[0] + t) * c->stride[0] +
                              (b->start[1] + z) * c->stride[1] + (b->start[2] + y) * c->stride[2] +
                              b->start[3];
                uint16_t *m = b->magnitude + slice * medroi_w3_slice_of(b) +
                              (y + 1) * medroi_w3_row_of(b) + 1;
                const uint16_t *up = nothing;
                int up_shift = 63;
                if (p && p->size[0] * p->size[1] * p->size[2] * p->size[3] > 0) {
                    int64_t at[3] = {t >> b->halved[0], z >> b->halved[1], y >> b->halved[2]};
                    for (int a = 0; a < 3; a++)
                        at[a] = at[a] < p->size[a] ? at[a] : p->size[a] - 1;
                    up = p->magnitude + (at[0] * p->size[1] + at[1] + 1) * medroi_w3_slice_of(p) +
                         (at[2] + 1) * medroi_w3_row_of(p) + 1;
                    up_shift = b->halved[3];
                }
                code_row(c, b, m, up, up_shift, line, encode);
            }
}

medroi_status medroi_w3_encode_bands(const medroi_w3_shape *shape, const medroi_w3_header *header,
                                     const float *data, uint8_t *dst, size_t capacity,
                                     size_t *nbytes, medroi_error *error) {
    coder *c = malloc(sizeof *c);
    uint8_t *bits = malloc(capacity);
    medroi_status status = MEDROI_NO_MEMORY;
    *nbytes = 0;
    if (!c || !bits) {
        free(c);
        free(bits);
        return medroi_fail(error, status, "wavelet3d: no memory for the coder");
    }
    status = coder_init(c, shape, header, error);
    if (status != MEDROI_OK)
        goto done;
    medroi_rc_encoder_init(&c->enc, dst + 4, capacity - 4);
    medroi_bits_writer_init(&c->put, bits, capacity);
    for (int i = 0; i < c->n_bands; i++)
        code_band(c, &c->bands[i], (float *)(uintptr_t)data, 1);
    *nbytes = medroi_join_coded(&c->enc, &c->put, bits, dst, capacity);
done:
    coder_free(c);
    free(bits);
    return status;
}

medroi_status medroi_w3_decode_bands(const medroi_w3_shape *shape, const medroi_w3_header *header,
                                     const uint8_t *src, size_t nbytes, float *data,
                                     medroi_error *error) {
    coder *c = malloc(sizeof *c);
    if (!c)
        return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the coder");
    medroi_status status = coder_init(c, shape, header, error);
    if (status != MEDROI_OK)
        goto done;
    size_t n_range = nbytes >= 4 ? medroi_load32(src) : 0;
    if (nbytes < 4 || n_range > nbytes - 4) {
        status = medroi_fail(error, MEDROI_CORRUPT_STREAM,
                             "wavelet3d: %zu bytes of coefficients "
                             "are announced, %zu are there",
                             n_range, nbytes);
        goto done;
    }
    medroi_rc_decoder_init(&c->dec, src + 4, n_range);
    medroi_bits_reader_init(&c->get, src + 4 + n_range, nbytes - 4 - n_range);
    for (int i = 0; i < c->n_bands; i++)
        code_band(c, &c->bands[i], data, 0);
    if (c->bad || !medroi_rc_finished(&c->dec) || !medroi_bits_finished(&c->get))
        status =
            medroi_fail(error, MEDROI_CORRUPT_STREAM, "wavelet3d: the coefficients are damaged");
done:
    coder_free(c);
    return status;
}
