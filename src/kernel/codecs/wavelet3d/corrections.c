/* wavelet3d: what brings every element within max_error.
 *
 * The encoder decodes its own part. Each element that is further off than max_error is listed: how
 * many elements lie before it since the last one, and by how many units it is to be moved. A unit
 * is 2 max_error + 1 for integers, the widest that leaves them within the bound, and max_error for
 * floats, which are rounded besides. With a step of 1.5 max_error few elements need it, so the list
 * is cheaper than a step at which none does. Decoded floats are rounded before they are compared,
 * so that the bound holds for what is stored. Gaps, signs and units are adaptive numbers of the
 * range coder.
 */
#include "base/bytes.h"
#include "codecs/wavelet3d/wavelet3d.h"
#include "entropy/magnitudes.h"

#include <stdlib.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

/* Size of one unit of correction: an error of up to half of it is left. */
static double correction_unit(const medroi_block *block, const medroi_w3_header *h) {
    if (block->kind == 'f')
        return h->max_error;
    return 2.0 * (double)(int64_t)(h->max_error < 4294967296.0 ? h->max_error : 4294967296.0) + 1.0;
}

static double corrected(const medroi_block *block, const medroi_w3_header *h, float y,
                        int64_t units) {
    double v = medroi_w3_rebuild(h, y);
    if (block->kind != 'f')
        v = medroi_w3_to_kind(block, h, v);
    double change = (double)units * correction_unit(block, h);
    return medroi_w3_to_kind(block, h, v + change);
}

/* The element that a reader will have. */
static double as_read(const medroi_block *block, const medroi_w3_header *h, float y,
                      int64_t units) {
    double v = corrected(block, h, y, units);
    if (block->kind != 'f' || block->itemsize == 8)
        return v;
    uint8_t element[8];
    medroi_w3_put_element(block, element, 0, v);
    return medroi_w3_element(block, element, 0);
}

static int is_close(const medroi_w3_header *h, double a, double b) {
    return a - b <= h->max_error && b - a <= h->max_error;
}

/* Units that bring a voxel that is too far off within max_error of its value; 0 where none do. */
static int64_t units_needed(const medroi_block *block, const medroi_w3_header *h, float y,
                            double wanted) {
    const double greatest = 1125899906842624.0; /* 2^50 */
    double start = medroi_w3_rebuild(h, y);
    if (block->kind != 'f')
        start = medroi_w3_to_kind(block, h, start);
    double exact = (wanted - start) / correction_unit(block, h);
    if (!(exact < greatest && exact > -greatest))
        return 0;
    int64_t units = (int64_t)(exact < 0.0 ? exact - 0.5 : exact + 0.5);
    return is_close(h, wanted, as_read(block, h, y, units)) ? units : 0;
}

typedef struct corrections {
    medroi_rc_encoder enc;
    medroi_rc_decoder dec;
    medroi_bit_writer put;
    medroi_bit_reader get;
    medroi_number_model gap, size;
    medroi_bit_model sign;
} corrections;

static void corrections_init(corrections *c) {
    medroi_number_init(&c->gap);
    medroi_number_init(&c->size);
    medroi_bit_init(&c->sign);
}

static void put_correction(corrections *c, int64_t gap, int64_t units) {
    medroi_number_encode(&c->enc, &c->put, &c->gap, (uint64_t)gap);
    medroi_bit_encode(&c->enc, &c->sign, units < 0);
    medroi_number_encode(&c->enc, &c->put, &c->size, (uint64_t)(units < 0 ? -units : units) - 1);
}

medroi_status medroi_w3_encode_corrections(const medroi_block *block, const medroi_w3_header *h,
                                           const void *data, const float *decoded, uint8_t *dst,
                                           size_t capacity, size_t *nbytes, medroi_error *error) {
    int64_t n = (int64_t)(medroi_block_nbytes(block) / block->itemsize), last = -1;
    medroi_status status = MEDROI_OK;
    uint8_t *bits = malloc(capacity), *elements = malloc(medroi_block_nbytes(block));
    *nbytes = 0;
    if (!bits || !elements) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for corrections");
        goto done;
    }
    if (capacity < 8)
        goto done;
    corrections c;
    corrections_init(&c);
    medroi_rc_encoder_init(&c.enc, dst + 4, capacity - 4);
    medroi_bits_writer_init(&c.put, bits, capacity);
    medroi_w3_store(block, h, decoded, elements);
    for (int64_t i = 0; (i = medroi_w3_next_far(block, data, elements, i, h->max_error)) < n; i++) {
        int64_t units = units_needed(block, h, decoded[i], medroi_w3_element(block, data, i));
        if (units == 0)
            goto done;
        put_correction(&c, i - last, units);
        last = i;
    }
    medroi_number_encode(&c.enc, &c.put, &c.gap, 0);
    *nbytes = medroi_join_coded(&c.enc, &c.put, bits, dst, capacity);
done:
    free(bits);
    free(elements);
    return status;
}

medroi_status medroi_w3_decode_corrections(const medroi_block *block, const medroi_w3_header *h,
                                           const uint8_t *src, size_t nbytes, const float *decoded,
                                           void *out, medroi_error *error) {
    int64_t n = (int64_t)(medroi_block_nbytes(block) / block->itemsize), at = -1;
    size_t n_range = nbytes >= 4 ? medroi_load32(src) : 0;
    if (nbytes < 4 || n_range > nbytes - 4)
        return medroi_fail(error, MEDROI_CORRUPT_STREAM, "wavelet3d: the corrections are cut off");
    corrections c;
    corrections_init(&c);
    medroi_rc_decoder_init(&c.dec, src + 4, n_range);
    medroi_bits_reader_init(&c.get, src + 4 + n_range, nbytes - 4 - n_range);
    for (;;) {
        uint64_t gap = medroi_number_decode(&c.dec, &c.get, &c.gap);
        if (gap == 0)
            break;
        if (gap > (uint64_t)(n - 1 - at))
            return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                               "wavelet3d: a correction lies outside the part");
        at += (int64_t)gap;
        unsigned negative = medroi_bit_decode(&c.dec, &c.sign);
        uint64_t size = medroi_number_decode(&c.dec, &c.get, &c.size);
        if (size >> 62)
            return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                               "wavelet3d: a correction is too large");
        int64_t units = (int64_t)size + 1;
        medroi_w3_put_element(block, out, at,
                              corrected(block, h, decoded[at], negative ? -units : units));
    }
    if (!medroi_rc_finished(&c.dec) || !medroi_bits_finished(&c.get))
        return medroi_fail(error, MEDROI_CORRUPT_STREAM, "wavelet3d: the corrections are damaged");
    return MEDROI_OK;
}
