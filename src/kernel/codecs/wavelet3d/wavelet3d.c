/* wavelet3d (inner codec 4): lossy 3-D wavelet coding. FORMAT.md section 8 is normative.
 *
 * As JPEG 2000 does it, but in three dimensions: transform, quantise, code. lift.c transforms a
 * part with the CDF 9/7 wavelet along every axis that is worth it (axes.c tries which), the
 * low-pass corner again and again; what decoding sets back anyway is smooth there (fill.c). The
 * coefficients are divided by one step, the same in all subbands since the transform is close to
 * orthonormal, and rounded with a dead zone around 0. bands.c codes these integers from the
 * coarsest subband to the finest under models that look at neighbours and at the coefficient one
 * level up. Where max_error bounds every voxel, corrections.c adds what is still missing. The
 * second version quantises along a trellis (trellis.c) and codes under mixtures of what several
 * views of the neighbours say (mixed.c). plan.c and search.c find the step that reaches a target.
 * predict3d is tried on the same part, on rounded elements (rounded.c) where max_error allows it,
 * so that no part is larger than its lossless code; a part that would grow is stored.
 */
#include "codecs/wavelet3d/wavelet3d.h"
#include "base/bytes.h"
#include "codecs/inner.h"
#include "codecs/predict3d/predict3d.h"
#include "codecs/wavelet3d/mixed.h"

#include <math.h>
#include <stdlib.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

/* First byte of a part of plain elements, and of one that predict3d coded. */
#define STORED 255
#define PREDICTED 254

static const char *const speeds[] = {"fast", "small", NULL};
/* plan() leaves mode 3, 4 or 6, and the step that it found in params[5]. */
static const medroi_parameter rows[] = {
    {"psnr", MEDROI_TARGET, 1, 1, 0, MEDROI_ABOVE_ZERO, MEDROI_NO_LIMIT,
     "dB of what decoding returns, over the region's voxels and against their range, reached "
     "within 0.2 dB, or exceeded where only a finer step than that is to be had",
     NULL, NULL, NULL},
    {"rate", MEDROI_TARGET, 1, 2, 0, 1, MEDROI_NO_LIMIT,
     "stored bytes of the region per byte of its payload, reached within 1 %, or as few bytes as "
     "the data allow",
     NULL, NULL, NULL},
    {"max_error", MEDROI_TARGET, 1, 3, 0, 0, MEDROI_NO_LIMIT,
     "no voxel differs by more, in stored units; 0 for integers alone", NULL, NULL, NULL},
    {"step", MEDROI_TARGET, 1, 4, 0, MEDROI_ABOVE_ZERO, MEDROI_NO_LIMIT,
     "step of the quantiser, in stored units: no search", NULL, NULL, NULL},
    {"noise", MEDROI_TARGET, 1, 5, 0, MEDROI_ABOVE_ZERO, MEDROI_NO_LIMIT,
     "root mean square error as a share of the noise of the region, which is estimated; 0.5 loses "
     "little but noise; data without noise are kept exactly",
     NULL, NULL, NULL},
    {"spacing_mm", MEDROI_SPACING, 2, 0, 0, 0, MEDROI_NO_LIMIT,
     "voxel spacing of the last three axes in coding order, 0 where it is not known: a guess at "
     "the axes that are worth splitting; the data decide",
     NULL, NULL, NULL},
    {"speed", MEDROI_CHOICE, W3_SPEED, 0, 0, 0, 1,
     "fast, or small: 10 to 20 % fewer bytes at equal PSNR, for about four times the time", speeds,
     NULL, NULL},
};
const medroi_parameters medroi_wavelet3d_parameters = {
    .id = 4,
    .name = "wavelet3d",
    .needs_target = 1,
    .planned = 5,
    .of_scan = 1 << W3_MODE_PSNR | 1 << W3_MODE_RATE | 1 << W3_MODE_NOISE,
    .n = 7,
    .rows = rows};

static int has_code(const medroi_block *block) {
    char kind = block->kind;
    return kind == 'f' || ((kind == 'i' || kind == 'u') && block->itemsize <= 4);
}

static medroi_status check(const medroi_block *region, const double *params, medroi_error *error) {
    char kind = region->kind;
    if (!has_code(region))
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "wavelet3d codes integers of up to 32 bits and floats, not kind '%c' of "
                           "%u bytes; use predict3d or zstd",
                           kind, (unsigned)region->itemsize);
    if (params[0] == 3 && kind == 'f' && params[1] == 0)
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "wavelet3d: max_error 0 of floats, expected a number above 0");
    return medroi_check_params(&medroi_wavelet3d_parameters, params, error);
}

/* Header and coefficients (in units of the step), which become what the decoder will have of them
 * where corrections follow. `indices`: room for the second version, or NULL: the first. *nbytes is
 * 0 where they do not fit. */
static medroi_status encode_coefficients(const medroi_w3_shape *shape, medroi_w3_header *h,
                                         float *work, int32_t *indices, uint8_t *dst,
                                         size_t capacity, size_t *nbytes, medroi_error *error) {
    const int has_length = indices == NULL || h->bounded;
    const int64_t n = medroi_w3_count(shape);
    size_t more = 0;
    medroi_status status = MEDROI_OK;
    h->is_mixed = indices != NULL;
    if (h->is_mixed)
        status = medroi_w3_choose_indices(shape, h, work, indices, error);
    else
        medroi_w3_learn_points(work, n, h);
    if (status != MEDROI_OK)
        return status;
    size_t at = medroi_w3_write_header(h, dst) + (has_length ? 4 : 0);
    status = h->is_mixed
                 ? medroi_w3_encode_mixed(shape, h, indices, dst + at, capacity - at, &more, error)
                 : medroi_w3_encode_bands(shape, h, work, dst + at, capacity - at, &more, error);
    if (status != MEDROI_OK || more == 0)
        return status;
    if (has_length)
        medroi_store32(dst + at - 4, (uint32_t)more);
    *nbytes = at + more;
    if (h->bounded && h->is_mixed)
        medroi_w3_mixed_values(shape, h, indices, work);
    else if (h->bounded)
        medroi_w3_quantise(work, n, h);
    return MEDROI_OK;
}

/* A part that would not get smaller is stored. */
/* *nbytes is 0 where the code would not be smaller than the elements. */
static medroi_status encode_part(const medroi_block *part, const void *data, const uint8_t *kept,
                                 const double *params, uint8_t *dst, size_t capacity,
                                 size_t *nbytes, medroi_error *error) {
    medroi_w3_shape shape = medroi_w3_shape_of(part);
    medroi_w3_axes axes = medroi_w3_axes_of(part, params);
    medroi_w3_header h;
    medroi_status status = MEDROI_NO_MEMORY;
    memset(&h, 0, sizeof h);
    h.bounded = params[0] == 3.0;
    h.max_error = h.bounded ? params[1] : 0.0;
    h.step = params[5];
    int64_t n = medroi_w3_count(&shape);
    if (!medroi_w3_range(part, data, &h.low, &h.high))
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "wavelet3d: the data hold NaN or infinite values, which a lossy code "
                           "cannot keep; replace them, or use predict3d (lossless)");
    *nbytes = 0;
    if (capacity < W3_MAX_HEADER_NBYTES + 16 || params[0] == W3_MODE_EXACT)
        return MEDROI_OK;
    if (h.low == h.high) {
        *nbytes = medroi_w3_write_header(&h, dst);
        return MEDROI_OK;
    }
    medroi_w3_schedule(&shape, &axes, &h);
    float *work = malloc((size_t)n * sizeof(float));
    int32_t *indices = params[W3_SPEED] != 0.0 ? malloc((size_t)n * sizeof *indices) : NULL;
    if (!work || (params[W3_SPEED] != 0.0 && !indices)) {
        medroi_fail(error, status, "wavelet3d: no memory for %lld voxels", (long long)n);
        goto done;
    }
    /* Corrections would bring the background back. */
    if (!medroi_w3_load(part, data, &h, work) ||
        (!h.bounded && !medroi_w3_fill(&shape, kept, work)) ||
        !medroi_w3_forward(&shape, &h, work)) {
        medroi_fail(error, status, "wavelet3d: no memory for the transform");
        goto done;
    }
    size_t more = 0, at = 0;
    status = encode_coefficients(&shape, &h, work, indices, dst, capacity, &at, error);
    if (status != MEDROI_OK || at == 0)
        goto done;
    if (h.bounded) {
        if (!medroi_w3_inverse(&shape, &h, work)) {
            status = medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the transform");
            goto done;
        }
        status = medroi_w3_encode_corrections(part, &h, data, work, dst + at, capacity - at, &more,
                                              error);
        if (status != MEDROI_OK || more == 0)
            goto done;
        at += more;
    }
    *nbytes = at;
done:
    free(work);
    free(indices);
    return status;
}

/* Let predict3d code elements, if that takes fewer than *nbytes. */
static medroi_status try_predicting(const medroi_block *part, const void *elements, int is_patient,
                                    uint8_t *dst, size_t *nbytes, medroi_error *error) {
    size_t limit = *nbytes > 2 ? *nbytes - 2 : 0, found = 0;
    if (limit == 0)
        return MEDROI_OK;
    uint8_t *coded = malloc(limit + 8);
    if (!coded)
        return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for %zu bytes", limit);
    medroi_status status =
        medroi_p3_encode_within(part, elements, is_patient, limit, coded, &found, error);
    if (status == MEDROI_OK && found > 0) {
        dst[0] = PREDICTED;
        memcpy(dst + 1, coded, found);
        *nbytes = 1 + found;
    }
    free(coded);
    return status;
}

/* The same for elements that are rounded within max_error: to a lattice, and where values are
 * sparse to fewer of them, or not at all. The second version may take its time over it. */
static medroi_status try_rounding(const medroi_block *part, const void *data, const double *params,
                                  uint8_t *dst, size_t *nbytes, medroi_error *error) {
    const int is_patient = params[W3_SPEED] != 0.0;
    medroi_w3_header h;
    int is_sparse = 0;
    memset(&h, 0, sizeof h);
    h.max_error = params[1];
    medroi_w3_range(part, data, &h.low, &h.high);
    uint8_t *rounded = malloc(medroi_block_nbytes(part));
    if (!rounded)
        return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for rounded elements");
    medroi_w3_round_to_lattice(part, data, &h, rounded);
    medroi_status status = try_predicting(part, rounded, is_patient, dst, nbytes, error);
    if (status == MEDROI_OK)
        status = medroi_w3_round_to_values(part, data, &h, rounded, &is_sparse, error);
    if (status == MEDROI_OK && is_sparse)
        status = try_predicting(part, rounded, is_patient, dst, nbytes, error);
    if (status == MEDROI_OK && is_sparse) {
        /* To lose nothing is worth a sixty-fourth. */
        size_t most = *nbytes + *nbytes / 64, whole = medroi_block_nbytes(part);
        most = most < whole ? most : whole;
        size_t exact = most;
        status = try_predicting(part, data, is_patient, dst, &exact, error);
        *nbytes = exact < most ? exact : *nbytes;
    }
    free(rounded);
    return status;
}

static medroi_status encode(const medroi_block *part, const void *data, const uint8_t *kept,
                            const double *params, uint8_t *dst, size_t capacity, size_t *nbytes,
                            medroi_error *error) {
    size_t stored = 1 + medroi_block_nbytes(part);
    if (capacity < medroi_w3_bound(part, params))
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "wavelet3d: the output buffer is smaller than its bound");
    medroi_status status = encode_part(part, data, kept, params, dst,
                                       stored > 128 ? stored - 1 : capacity, nbytes, error);
    if (status == MEDROI_OK && (*nbytes == 0 || *nbytes > stored)) {
        dst[0] = STORED;
        memcpy(dst + 1, data, stored - 1);
        *nbytes = stored;
    }
    if (status == MEDROI_OK)
        status = params[0] == W3_MODE_MAX_ERROR
                     ? try_rounding(part, data, params, dst, nbytes, error)
                     : try_predicting(part, data, 0, dst, nbytes, error);
    return status;
}

static medroi_status decode(const medroi_block *part, const uint8_t *src, size_t nbytes, void *dst,
                            medroi_error *error) {
    if (!has_code(part))
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: no wavelet3d part has elements of kind '%c' of %u "
                           "bytes",
                           part->kind, (unsigned)part->itemsize);
    if (nbytes > 0 && src[0] == STORED) {
        if (nbytes - 1 != medroi_block_nbytes(part))
            return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                               "wavelet3d: %zu bytes of stored voxels, expected %zu", nbytes - 1,
                               medroi_block_nbytes(part));
        memcpy(dst, src + 1, nbytes - 1);
        return MEDROI_OK;
    }
    if (nbytes > 0 && src[0] == PREDICTED)
        return medroi_predict3d.decode(part, src + 1, nbytes - 1, dst, error);
    medroi_w3_shape shape = medroi_w3_shape_of(part);
    medroi_w3_header h;
    int64_t n = medroi_w3_count(&shape);
    size_t at = medroi_w3_read_header(part, &shape, src, nbytes, &h), more = 0;
    if (at == 0)
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "wavelet3d: the header of a part of %zu bytes is impossible", nbytes);
    if (h.low == h.high && nbytes == at) {
        for (int64_t i = 0; i < n; i++)
            medroi_w3_put_element(part, dst, i, h.low);
        return MEDROI_OK;
    }
    if (h.is_mixed && !h.bounded) {
        more = nbytes - at;
    } else {
        if (nbytes - at >= 4)
            more = medroi_load32(src + at);
        if (nbytes - at < 4 || more > nbytes - at - 4)
            return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                               "wavelet3d: %zu bytes of coefficients are announced, fewer are "
                               "there",
                               more);
        at += 4;
    }
    float *work = malloc((size_t)n * sizeof(float));
    if (!work)
        return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for %lld voxels",
                           (long long)n);
    medroi_status status = h.is_mixed
                               ? medroi_w3_decode_mixed(&shape, &h, src + at, more, work, error)
                               : medroi_w3_decode_bands(&shape, &h, src + at, more, work, error);
    if (status != MEDROI_OK)
        goto done;
    at += more;
    if (!medroi_w3_inverse(&shape, &h, work)) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the transform");
        goto done;
    }
    medroi_w3_store(part, &h, work, dst);
    if (h.bounded)
        status = medroi_w3_decode_corrections(part, &h, src + at, nbytes - at, work, dst, error);
    else if (at != nbytes)
        status = medroi_fail(error, MEDROI_CORRUPT_STREAM,
                             "wavelet3d: %zu bytes follow the coefficients", nbytes - at);
done:
    free(work);
    return status;
}

static int is_lossy(const double *params) {
    (void)params;
    return 1;
}

const medroi_inner medroi_wavelet3d = {.id = 4,
                                       .name = "wavelet3d",
                                       .check = check,
                                       .is_lossy = is_lossy,
                                       .part_extent = medroi_w3_part_extent,
                                       .plan = MEDROI_ENCODER(medroi_w3_plan),
                                       .plan_scan = MEDROI_ENCODER(medroi_w3_plan_scan),
                                       .bound = medroi_w3_bound,
                                       .encode = MEDROI_ENCODER(encode),
                                       .decode = decode};
