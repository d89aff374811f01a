/* wavelet3d (inner codec 4): lossy 3-D wavelet coding. FORMAT.md section 8 is normative.
 *
 * params, as asked:
 *   [0] what the target is: 1 psnr, 2 rate, 3 max_error, 4 step
 *   [1] its value: dB against the region's range; stored bytes / payload bytes; stored units
 *   [2] [3] [4] voxel spacing of the last three axes in coding order, any unit; 0: unknown
 *   [5] ignored
 * params after `plan`: [0] is 3 or 4, [5] is the step.
 */
#include "bytes.h"
#include "inner.h"
#include "range_coder.h"
#include "wavelet3d_internal.h"

#include <stdlib.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#define PART_VOXELS ((int64_t)1 << 21)
#define STORED 255 /* first byte of a part of plain elements */
#define MAX_HEADER_NBYTES (1 + W3_MAX_LEVELS + 4 * 8 + W3_POINTS)

w3_shape w3_shape_of(const medroi_block *block, const double spacing[3],
                     double spacing_of[W3_AXES]) {
    w3_shape s = {{1, 1, 1, 1}};
    int to = W3_AXES;
    for (int a = 0; a < W3_AXES; a++)
        spacing_of[a] = 1.0;
    for (int32_t i = block->ndim - 1; i >= 0; i--) {
        if (block->shape[i] == 1)
            continue;
        to = to > 0 ? to - 1 : 0;
        s.size[to] *= block->shape[i];
        int32_t last = block->ndim - i; /* 1: the last axis */
        if (last <= 3 && spacing[3 - last] > 0.0)
            spacing_of[to] = spacing[3 - last];
    }
    return s;
}

/* An axis is split as long as it is long enough and its voxels are not much longer than the
 * shortest: on thick slices, splitting across them costs bits. */
void w3_schedule(const w3_shape *shape, const double spacing_of[W3_AXES], w3_header *header) {
    int64_t size[W3_AXES];
    double pitch[W3_AXES];
    memcpy(size, shape->size, sizeof size);
    memcpy(pitch, spacing_of, sizeof pitch);
    for (header->n_levels = 0; header->n_levels < 5; header->n_levels++) {
        double least = 0.0;
        for (int a = 0; a < W3_AXES; a++)
            if (size[a] >= 8 && (least == 0.0 || pitch[a] < least))
                least = pitch[a];
        int mask = 0;
        for (int a = 0; a < W3_AXES; a++)
            if (size[a] >= 8 && pitch[a] <= 1.6 * least) {
                mask |= 1 << a;
                size[a] = (size[a] + 1) / 2;
                pitch[a] = pitch[a] * 2.0;
            }
        if (mask == 0)
            return;
        header->mask[header->n_levels] = (uint8_t)mask;
    }
}

static medroi_status check(const medroi_block *region, const double *params, medroi_error *error) {
    char kind = region->kind;
    if ((kind != 'i' && kind != 'u' && kind != 'f') || (kind != 'f' && region->itemsize > 4))
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "wavelet3d codes integers of up to 32 bits and floats, not kind '%c' of "
                           "%u bytes; use predict3d or zstd",
                           kind, (unsigned)region->itemsize);
    double v = params[1];
    int mode = params[0] >= 1.0 && params[0] <= 4.0 ? (int)params[0] : 0;
    if (mode == 0 || (double)mode != params[0])
        return medroi_fail(
            error, MEDROI_INVALID_ARGUMENT,
            "wavelet3d needs exactly one of psnr, rate, max_error, step (params[0] = "
            "1, 2, 3, 4), found %g",
            params[0]);
    int whole = mode == 3 && kind != 'f' && v == 0.0;
    if (!(v > 0.0 || whole) || v - v != 0.0 || (mode == 2 && v < 1.0))
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "wavelet3d: %s = %g is not possible; it must be finite and %s",
                           mode == 1   ? "psnr"
                           : mode == 2 ? "rate"
                           : mode == 3 ? "max_error"
                                       : "step",
                           v, mode == 2 ? "at least 1" : "above 0");
    for (int i = 2; i <= 4; i++)
        if (!(params[i] >= 0.0) || params[i] - params[i] != 0.0)
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "wavelet3d: a voxel spacing is %g; give a positive number, or 0 for "
                               "unknown",
                               params[i]);
    return MEDROI_OK;
}

static int64_t part_extent(const medroi_block *region, const double *params) {
    (void)params;
    int64_t per_slice = 1;
    for (int32_t i = 1; i < region->ndim; i++)
        per_slice *= region->shape[i];
    int64_t slices = (PART_VOXELS + per_slice - 1) / per_slice;
    int64_t parts = (region->shape[0] + slices - 1) / slices;
    return parts > 0 ? (region->shape[0] + parts - 1) / parts : 1;
}

/* A part that would not get smaller is stored. */
static size_t bound(const medroi_block *part, const double *params) {
    (void)params;
    return medroi_block_nbytes(part) + 64;
}

/* header of a part */

static uint8_t *put_double(uint8_t *p, double v) {
    medroi_store_f64(p, v);
    return p + 8;
}

static size_t write_header(const w3_header *h, uint8_t *dst) {
    uint8_t *p = dst;
    *p++ = (uint8_t)(h->n_levels | h->bounded << 7);
    for (int i = 0; i < h->n_levels; i++)
        *p++ = h->mask[i];
    p = put_double(p, h->low);
    p = put_double(p, h->high);
    p = put_double(p, h->step);
    if (h->bounded)
        p = put_double(p, h->max_error);
    for (int i = 0; i < W3_POINTS; i++)
        *p++ = (uint8_t)h->point[i];
    return (size_t)(p - dst);
}

static int levels_fit(const w3_shape *shape, const w3_header *h) {
    int64_t size[W3_AXES];
    memcpy(size, shape->size, sizeof size);
    for (int i = 0; i < h->n_levels; i++) {
        if (h->mask[i] == 0 || h->mask[i] > 15)
            return 0;
        for (int a = 0; a < W3_AXES; a++)
            if (h->mask[i] >> a & 1) {
                if (size[a] < 2)
                    return 0;
                size[a] = (size[a] + 1) / 2;
            }
    }
    return 1;
}

/* Doubles that elements of this kind can have. */
static int in_kind(const medroi_block *block, double v) {
    if (v - v != 0.0)
        return 0;
    int bits = 8 * block->itemsize;
    if (block->kind == 'f')
        return bits == 64 || (v <= (bits == 16 ? 65504.0 : 3.4028234663852886e38) &&
                              v >= (bits == 16 ? -65504.0 : -3.4028234663852886e38));
    double top = (double)((uint64_t)1 << (block->kind == 'i' ? bits - 1 : bits));
    return v >= (block->kind == 'i' ? -top : 0.0) && v <= top - 1.0 && v == (double)(int64_t)v;
}

static size_t read_header(const medroi_block *block, const w3_shape *shape, const uint8_t *src,
                          size_t nbytes, w3_header *h) {
    memset(h, 0, sizeof *h);
    if (nbytes < 1)
        return 0;
    h->n_levels = src[0] & 127; /* 127 would be a stored part */
    h->bounded = src[0] >> 7;
    size_t n = (size_t)1 + h->n_levels + 24 + 8u * h->bounded + W3_POINTS;
    if (h->n_levels > W3_MAX_LEVELS || nbytes < n)
        return 0;
    const uint8_t *p = src + 1;
    memcpy(h->mask, p, h->n_levels);
    p += h->n_levels;
    h->low = medroi_load_f64(p);
    h->high = medroi_load_f64(p + 8);
    h->step = medroi_load_f64(p + 16);
    p += 24;
    if (h->bounded) {
        h->max_error = medroi_load_f64(p);
        p += 8;
    }
    for (int i = 0; i < W3_POINTS; i++)
        h->point[i] = (int8_t)p[i];
    if (!in_kind(block, h->low) || !in_kind(block, h->high) || h->high < h->low ||
        !(h->step > 0.0) || h->step - h->step != 0.0 || !(h->max_error >= 0.0) ||
        h->max_error - h->max_error != 0.0 || !levels_fit(shape, h))
        return 0;
    return n;
}

void w3_learn_points(const float *data, int64_t n, w3_header *header) {
    double sum[W3_POINTS] = {0.0};
    int64_t count[W3_POINTS] = {0};
    for (int64_t i = 0; i < n; i++) {
        uint32_t m = w3_magnitude(data[i]);
        if (m == 0)
            continue;
        int k = m < W3_POINTS ? (int)m - 1 : W3_POINTS - 1;
        double x = data[i] < 0.0f ? -(double)data[i] : (double)data[i];
        sum[k] += (double)m - x;
        count[k]++;
    }
    for (int k = 0; k < W3_POINTS; k++) {
        double mean = count[k] > 0 ? sum[k] / (double)count[k] * 256.0 : 0.0;
        mean = mean > 127.0 ? 127.0 : mean < -127.0 ? -127.0 : mean;
        header->point[k] = (int8_t)(mean < 0.0 ? mean - 0.5 : mean + 0.5);
    }
}

/* corrections */

/* What one unit of correction adds: an error of up to half of it is left. */
static double correction_unit(const medroi_block *block, const w3_header *h) {
    if (block->kind == 'f')
        return h->max_error;
    return 2.0 * (double)(int64_t)(h->max_error < 4294967296.0 ? h->max_error : 4294967296.0) + 1.0;
}

static double corrected(const medroi_block *block, const w3_header *h, float y, int64_t units) {
    double v = w3_rebuild(h, y);
    if (block->kind != 'f')
        v = w3_to_kind(block, h, v);
    double change = (double)units * correction_unit(block, h);
    return w3_to_kind(block, h, v + change);
}

/* The element that a reader will have. */
static double as_read(const medroi_block *block, const w3_header *h, float y, int64_t units) {
    double v = corrected(block, h, y, units);
    if (block->kind != 'f' || block->itemsize == 8)
        return v;
    uint8_t element[8];
    w3_put_element(block, element, 0, v);
    return w3_element(block, element, 0);
}

static int is_close(const w3_header *h, double a, double b) {
    return a - b <= h->max_error && b - a <= h->max_error;
}

/* Units that bring a voxel within max_error of its value; 0 when it is. Sets *possible to 0 where
 * no number of units does. */
static int64_t units_needed(const medroi_block *block, const w3_header *h, float y, double wanted,
                            int *possible) {
    const double greatest = 1125899906842624.0; /* 2^50 */
    if (is_close(h, wanted, as_read(block, h, y, 0)))
        return 0;
    double start = w3_rebuild(h, y);
    if (block->kind != 'f')
        start = w3_to_kind(block, h, start);
    double exact = (wanted - start) / correction_unit(block, h);
    if (!(exact < greatest && exact > -greatest)) {
        *possible = 0;
        return 0;
    }
    int64_t units = (int64_t)(exact < 0.0 ? exact - 0.5 : exact + 0.5);
    *possible &= units != 0 && is_close(h, wanted, as_read(block, h, y, units));
    return units;
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

static medroi_status encode_corrections(const medroi_block *block, const w3_header *h,
                                        const void *data, const float *decoded, uint8_t *dst,
                                        size_t capacity, size_t *nbytes, medroi_error *error) {
    int64_t n = (int64_t)(medroi_block_nbytes(block) / block->itemsize), last = -1;
    uint8_t *bits = malloc(capacity);
    *nbytes = 0;
    if (!bits)
        return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for corrections");
    if (capacity < 8) {
        free(bits);
        return MEDROI_OK;
    }
    corrections c;
    corrections_init(&c);
    medroi_rc_encoder_init(&c.enc, dst + 4, capacity - 4);
    medroi_bits_writer_init(&c.put, bits, capacity);
    int possible = 1;
    for (int64_t i = 0; i < n && possible; i++) {
        int64_t units = units_needed(block, h, decoded[i], w3_element(block, data, i), &possible);
        if (units == 0)
            continue;
        medroi_number_encode(&c.enc, &c.put, &c.gap, (uint64_t)(i - last));
        medroi_bit_encode(&c.enc, &c.sign, units < 0);
        medroi_number_encode(&c.enc, &c.put, &c.size, (uint64_t)(units < 0 ? -units : units) - 1);
        last = i;
    }
    medroi_number_encode(&c.enc, &c.put, &c.gap, 0);
    size_t n_range = medroi_rc_finish(&c.enc), n_bits = medroi_bits_finish(&c.put);
    if (possible && !c.enc.full && !c.put.full && 4 + n_range + n_bits <= capacity) {
        medroi_store32(dst, (uint32_t)n_range);
        memcpy(dst + 4 + n_range, bits, n_bits);
        *nbytes = 4 + n_range + n_bits;
    }
    free(bits);
    return MEDROI_OK;
}

static medroi_status decode_corrections(const medroi_block *block, const w3_header *h,
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
        w3_put_element(block, out, at, corrected(block, h, decoded[at], negative ? -units : units));
    }
    if (!medroi_rc_finished(&c.dec) || !medroi_bits_finished(&c.get))
        return medroi_fail(error, MEDROI_CORRUPT_STREAM, "wavelet3d: the corrections are damaged");
    return MEDROI_OK;
}

/* a part */

/* The coefficients as the decoder will have them. */
static void quantise(float *data, int64_t n, const w3_header *h) {
    for (int64_t i = 0; i < n; i++) {
        float v = w3_value(h, w3_magnitude(data[i]));
        data[i] = data[i] < 0.0f ? -v : v;
    }
}

/* *nbytes is 0 where the code would not be smaller than the elements. */
static medroi_status encode_part(const medroi_block *part, const void *data, const double *params,
                                 uint8_t *dst, size_t capacity, size_t *nbytes,
                                 medroi_error *error) {
    double spacing_of[W3_AXES];
    w3_shape shape = w3_shape_of(part, params + 2, spacing_of);
    w3_header h;
    medroi_status status = MEDROI_NO_MEMORY;
    memset(&h, 0, sizeof h);
    h.bounded = params[0] == 3.0;
    h.max_error = h.bounded ? params[1] : 0.0;
    h.step = params[5];
    int64_t n = w3_count(&shape);
    if (!w3_range(part, data, &h.low, &h.high))
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "wavelet3d: the data hold NaN or infinite values, which a lossy code "
                           "cannot keep; replace them, or use predict3d (lossless)");
    *nbytes = 0;
    if (capacity < MAX_HEADER_NBYTES + 16)
        return MEDROI_OK;
    if (h.low == h.high) {
        *nbytes = write_header(&h, dst);
        return MEDROI_OK;
    }
    w3_schedule(&shape, spacing_of, &h);
    float *work = malloc((size_t)n * sizeof(float));
    if (!work)
        return medroi_fail(error, status, "wavelet3d: no memory for %lld voxels", (long long)n);
    if (!w3_load(part, data, &h, work) || !w3_forward(&shape, &h, work)) {
        medroi_fail(error, status, "wavelet3d: no memory for the transform");
        goto done;
    }
    w3_learn_points(work, n, &h);
    size_t at = write_header(&h, dst), more = 0;
    status = w3_encode_bands(&shape, &h, work, dst + at + 4, capacity - at - 4, &more, error);
    if (status != MEDROI_OK || more == 0)
        goto done;
    medroi_store32(dst + at, (uint32_t)more);
    at += 4 + more;
    if (h.bounded) {
        quantise(work, n, &h);
        if (!w3_inverse(&shape, &h, work)) {
            status = medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the transform");
            goto done;
        }
        status = encode_corrections(part, &h, data, work, dst + at, capacity - at, &more, error);
        if (status != MEDROI_OK || more == 0)
            goto done;
        at += more;
    }
    *nbytes = at;
done:
    free(work);
    return status;
}

static medroi_status encode(const medroi_block *part, const void *data, const double *params,
                            uint8_t *dst, size_t capacity, size_t *nbytes, medroi_error *error) {
    size_t stored = 1 + medroi_block_nbytes(part);
    if (capacity < bound(part, params))
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "wavelet3d: the output buffer is smaller than its bound");
    medroi_status status =
        encode_part(part, data, params, dst, stored > 128 ? stored - 1 : capacity, nbytes, error);
    if (status == MEDROI_OK && *nbytes == 0) {
        dst[0] = STORED;
        memcpy(dst + 1, data, stored - 1);
        *nbytes = stored;
    }
    return status;
}

static medroi_status decode(const medroi_block *part, const uint8_t *src, size_t nbytes, void *dst,
                            medroi_error *error) {
    if (nbytes > 0 && src[0] == STORED) {
        if (nbytes - 1 != medroi_block_nbytes(part))
            return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                               "wavelet3d: %zu bytes of stored voxels, expected %zu", nbytes - 1,
                               medroi_block_nbytes(part));
        memcpy(dst, src + 1, nbytes - 1);
        return MEDROI_OK;
    }
    double unknown[3] = {0.0, 0.0, 0.0}, spacing_of[W3_AXES];
    w3_shape shape = w3_shape_of(part, unknown, spacing_of);
    w3_header h;
    int64_t n = w3_count(&shape);
    size_t at = read_header(part, &shape, src, nbytes, &h), more = 0;
    if (at == 0)
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "wavelet3d: the header of a part of %zu bytes is impossible", nbytes);
    if (h.low == h.high && nbytes == at) {
        for (int64_t i = 0; i < n; i++)
            w3_put_element(part, dst, i, h.low);
        return MEDROI_OK;
    }
    if (nbytes - at >= 4)
        more = medroi_load32(src + at);
    if (nbytes - at < 4 || more > nbytes - at - 4)
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "wavelet3d: %zu bytes of coefficients are announced, fewer are there",
                           more);
    at += 4;
    float *work = malloc((size_t)n * sizeof(float));
    if (!work)
        return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for %lld voxels",
                           (long long)n);
    medroi_status status = w3_decode_bands(&shape, &h, src + at, more, work, error);
    if (status != MEDROI_OK)
        goto done;
    at += more;
    if (!w3_inverse(&shape, &h, work)) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the transform");
        goto done;
    }
    w3_store(part, &h, work, dst);
    if (h.bounded)
        status = decode_corrections(part, &h, src + at, nbytes - at, work, dst, error);
    else if (at != nbytes)
        status = medroi_fail(error, MEDROI_CORRUPT_STREAM,
                             "wavelet3d: %zu bytes follow the coefficients", nbytes - at);
done:
    free(work);
    return status;
}

const medroi_inner medroi_wavelet3d = {4,       "wavelet3d", check,  part_extent,
                                       w3_plan, bound,       encode, decode};
