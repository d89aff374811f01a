/* Inner codec 3, jpeg2000: value map, u32 length per slice, one codestream per 2-D slice.
 * plan turns the last parameter into what every part shares: offset, step, largest index, quality.
 */
#include "codecs/inner.h"

static const medroi_parameter rows[] = {
    {"rate", MEDROI_TARGET, 1, 1, 0, 1, 100000,
     "stored bytes of a slice's region per byte of its payload", NULL, NULL, NULL},
    {"psnr", MEDROI_TARGET, 1, 2, 0, 1, 150,
     "dB over the region; reached within 0.2 dB or refused, and exceeded only where no coarser "
     "setting reaches it",
     NULL, NULL, NULL},
    {"peak", MEDROI_NUMBER, 2, 0, 0, MEDROI_ABOVE_ZERO, MEDROI_NO_LIMIT,
     "number that the PSNR refers to, in stored units; the region's own range where it is not "
     "given",
     NULL, "psnr", NULL},
};
const medroi_parameters medroi_jpeg2000_parameters = {
    .id = 3, .name = "jpeg2000", .n = 3, .rows = rows};

#ifdef MEDROI_HAVE_OPENJPEG
#include "base/bytes.h"
#include "codecs/jpeg2000/jpeg2000.h"

#include <math.h>
#include <stdlib.h>

enum { MODE, TARGET, PEAK, OFFSET = PEAK, STEP, MAX_INDEX, QUALITY };

#define MAX_SLICE_ELEMENTS ((uint64_t)1 << 29)

static medroi_status check(const medroi_block *region, const double *params, medroi_error *error) {
    int is_lossy = params[MODE] != MEDROI_J2K_LOSSLESS;
    int64_t width = region->shape[region->ndim - 1];
    int64_t height = region->ndim > 1 ? region->shape[region->ndim - 2] : 1;
    int is_number = region->kind == 'i' || region->kind == 'u' || region->kind == 'f';
    if (!is_number && (region->kind != 'b' || is_lossy)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "jpeg2000 cannot code elements of kind '%c'%s: use zstd", region->kind,
                           is_lossy ? " with loss" : "");
    }
    if (width > (int64_t)MAX_SLICE_ELEMENTS || height > (int64_t)MAX_SLICE_ELEMENTS ||
        (uint64_t)width * (uint64_t)height > MAX_SLICE_ELEMENTS) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "jpeg2000: a slice of %lld x %lld is too large: use smaller chunks",
                           (long long)width, (long long)height);
    }
    return medroi_check_params(&medroi_jpeg2000_parameters, params, error);
}

/* Some slices: enough to make the map's bytes vanish, few enough for threads to share them. */
static int64_t part_extent(const medroi_block *region, const double *params) {
    size_t target_nbytes = (size_t)1 << (region->kind == 'f' ? 22 : 18);
    size_t nbytes = medroi_block_nbytes(region) / (size_t)region->shape[0];
    (void)params;
    if (region->ndim < 3) {
        return region->shape[0];
    }
    int64_t extent = nbytes < target_nbytes ? (int64_t)(target_nbytes / nbytes) : 1;
    return extent < region->shape[0] ? extent : region->shape[0];
}

/* More than arithmetic coding can make of noise: two bits of gain of the wavelet transform, and
 * marker segments. */
static size_t bound(const medroi_block *part, const double *params) {
    medroi_j2k_slices found = medroi_j2k_slices_of(part);
    size_t n = found.n * found.n_elements;
    size_t n_table = n < MEDROI_MAX_DISTINCT ? n : MEDROI_MAX_DISTINCT;
    (void)params;
    return MEDROI_INTMAP_AFFINE_NBYTES + n_table * part->itemsize +
           found.n * (4 + medroi_j2k_slice_bound(part, &found));
}

/* Bytes of a slice that OpenJPEG does not count: the ends of the codestream (measured), the
 * slice's length, its share of map and slab table. */
static double overhead_nbytes(const medroi_j2k_slices *found) {
    return 12 + 4 + (MEDROI_INTMAP_AFFINE_NBYTES + 12.0) / (double)found->n;
}

static medroi_j2k_quality quality_of(const medroi_block *block, const double *params,
                                     uint32_t max_index) {
    medroi_j2k_quality quality = {(medroi_j2k_mode)params[MODE], params[QUALITY]};
    if (max_index == 0) { /* nothing can be lost */
        quality.mode = MEDROI_J2K_LOSSLESS;
    } else if (quality.mode == MEDROI_J2K_RATE) {
        /* Stored bytes per payload byte -> sample bits per codestream bit. */
        medroi_j2k_slices found = medroi_j2k_slices_of(block);
        double n = (double)found.n_elements;
        double nbytes = n * block->itemsize / params[TARGET] - overhead_nbytes(&found);
        quality.target = n * medroi_bits_for(max_index) / (8 * fmax(nbytes, 1));
    }
    return quality;
}

static medroi_status plan(const medroi_block *region, const void *data, const uint8_t *kept,
                          double *params, medroi_error *error) {
    medroi_intmap map;
    medroi_status status;
    double peak, quality = 0;
    if (params[MODE] == MEDROI_J2K_LOSSLESS) {
        return MEDROI_OK;
    }
    status = medroi_intmap_find(region, data, 1, MEDROI_INTMAP_MAX_INDEX, &map, error);
    if (status != MEDROI_OK) {
        return status;
    }
    double step = map.kind == MEDROI_INTMAP_INTEGER ? (double)map.integer_step : map.step;
    if (fabs((double)map.offset) > 0x1p53 || step > 0x1p53) {
        status = medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                             "jpeg2000: values beyond 2^53 are coded without loss only");
    }
    peak = params[PEAK] > 0 ? params[PEAK] / step : map.max_index;
    if (status == MEDROI_OK && params[MODE] == MEDROI_J2K_PSNR && map.max_index > 0) {
        status = medroi_j2k_find_quality(region, data, kept, &map, params[TARGET], peak, &quality,
                                         error);
    }
    params[OFFSET] = (double)map.offset;
    params[STEP] = step;
    params[MAX_INDEX] = map.max_index;
    params[QUALITY] = quality;
    medroi_intmap_free(&map);
    return status;
}

/* The map that plan decided on, or one of the slab's own. */
static medroi_status map_of(const medroi_block *part, const void *data, const double *params,
                            medroi_intmap *map, medroi_error *error) {
    if (params[MODE] == MEDROI_J2K_LOSSLESS || params[MAX_INDEX] == 0) { /* a single value */
        return medroi_intmap_find(part, data, 0, MEDROI_INTMAP_MAX_INDEX, map, error);
    }
    *map = (medroi_intmap){.kind = part->kind == 'f' ? MEDROI_INTMAP_SCALED : MEDROI_INTMAP_INTEGER,
                           .max_index = (uint32_t)params[MAX_INDEX],
                           .offset = (int64_t)params[OFFSET],
                           .integer_step = part->kind == 'f' ? 0 : (uint64_t)params[STEP],
                           .step = params[STEP]};
    return MEDROI_OK;
}

static medroi_status encode(const medroi_block *part, const void *data, const uint8_t *kept,
                            const double *asked, uint8_t *dst, size_t capacity, size_t *nbytes,
                            medroi_error *error) {
    (void)kept;
    medroi_intmap map;
    medroi_j2k_slices found = medroi_j2k_slices_of(part);
    int32_t *samples = NULL;
    double params[MEDROI_MAX_PARAMS];
    medroi_status status = MEDROI_OK;
    memcpy(params, asked, sizeof params);
    if (params[MAX_INDEX] == 0) { /* a part on its own, or of a single value */
        status = plan(part, data, NULL, params, error);
    }
    if (status == MEDROI_OK) {
        status = map_of(part, data, params, &map, error);
    }
    if (status != MEDROI_OK) {
        return status;
    }
    size_t lengths_at = medroi_intmap_nbytes(&map, part), used = lengths_at + 4 * found.n;
    medroi_j2k_quality quality = quality_of(part, params, map.max_index);
    found.slice.precision = medroi_bits_for(map.max_index);
    samples = malloc(found.n_elements * sizeof *samples);
    if (samples == NULL) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a slice of %zu elements",
                             found.n_elements);
        goto done;
    }
    medroi_intmap_write(&map, part, dst);
    for (size_t k = 0; k < found.n; k++) {
        size_t length = 0;
        status = medroi_intmap_apply(&map, part, data, k * found.n_elements, found.n_elements,
                                     samples, error);
        if (status == MEDROI_OK) {
            status = medroi_j2k_encode(&found.slice, samples, &quality, dst + used, capacity - used,
                                       &length, error);
        }
        if (status != MEDROI_OK) {
            goto done;
        }
        medroi_store32(dst + lengths_at + 4 * k, (uint32_t)length);
        used += length;
    }
    *nbytes = used;
done:
    free(samples);
    medroi_intmap_free(&map);
    return status;
}

static medroi_status decode(const medroi_block *part, const uint8_t *src, size_t nbytes, void *dst,
                            medroi_error *error) {
    medroi_intmap map;
    medroi_j2k_slices found = medroi_j2k_slices_of(part);
    size_t used = 0;
    int32_t *samples = NULL;
    medroi_status status = check(part, (double[MEDROI_MAX_PARAMS]){0}, NULL);
    if (status != MEDROI_OK) {
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: no jpeg2000 part has such a shape and element type");
    }
    status = medroi_intmap_read(part, src, nbytes, &map, &used, error);
    if (status != MEDROI_OK) {
        goto done;
    }
    const uint8_t *lengths = src + used;
    if ((nbytes - used) / 4 < found.n) {
        status =
            medroi_fail(error, MEDROI_CORRUPT_STREAM, "corrupt stream: a jpeg2000 part is cut off");
        goto done;
    }
    used += 4 * found.n;
    samples = malloc(found.n_elements * sizeof *samples);
    if (samples == NULL) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a slice of %zu elements",
                             found.n_elements);
        goto done;
    }
    for (size_t k = 0; k < found.n; k++) {
        size_t length = medroi_load32(lengths + 4 * k);
        if (length > nbytes - used || (k + 1 == found.n && length != nbytes - used)) {
            status = medroi_fail(error, MEDROI_CORRUPT_STREAM,
                                 "corrupt stream: the slices of a jpeg2000 part do not add up");
            goto done;
        }
        status = medroi_j2k_decode(&found.slice, src + used, length, samples, error);
        if (status != MEDROI_OK) {
            goto done;
        }
        medroi_intmap_invert(&map, part, samples, k * found.n_elements, found.n_elements, dst);
        used += length;
    }
done:
    free(samples);
    medroi_intmap_free(&map);
    return status;
}

static int is_lossy(const double *params) { return params[MODE] != MEDROI_J2K_LOSSLESS; }

const medroi_inner medroi_jpeg2000 = {.id = 3,
                                      .name = "jpeg2000",
                                      .check = check,
                                      .is_lossy = is_lossy,
                                      .part_extent = part_extent,
                                      .plan = MEDROI_ENCODER(plan),
                                      .bound = bound,
                                      .encode = MEDROI_ENCODER(encode),
                                      .decode = decode};
#else
typedef int medroi_no_jpeg2000; /* a file without declarations is no C */
#endif
