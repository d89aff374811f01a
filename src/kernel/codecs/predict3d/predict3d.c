/* predict3d (inner codec 5): lossless 3-D predictive coding. FORMAT.md section 7 is normative.
 *
 * A part is coded in three steps. map.c turns its elements, of whatever type, into consecutive
 * integers (dropping bits that never change, sending bits that cannot be predicted as they are).
 * fit.c finds weights by least squares with which 20 neighbours, in the slice and in the two before
 * it, predict a voxel; they travel with the part. Then each voxel's difference from its prediction
 * is coded: by dense.c with adaptive models and a range coder, or by fast*.c with prefix codes made
 * for the part, whose decoder needs no model of what it has seen. local.c sends no weights: it
 * finds them anew for each block, as its decoder does; stacked.c does so in several ways at once
 * and mixes them. Maps of labels, whose differences say nothing, labels.c codes by which neighbours
 * are alike. All of decoding is integer arithmetic, so that any machine reads the same voxels.
 * A part that would grow is stored.
 */
#include "codecs/predict3d/predict3d.h"
#include "codecs/inner.h"

#include <stdlib.h>

#define PART_VOXELS ((int64_t)1 << 21)
#define SAMPLED_VOXELS ((size_t)1 << 18) /* larger parts are coded in a way found on a sample */
#define SAMPLED_EVERY 17                 /* voxels, for a first look */
#define HEAD_NBYTES 5                    /* method, length of the range coder's bytes */

/* The first byte of a part. Number 1 is not used. */
enum {
    METHOD_DENSE = 0,
    METHOD_STORED = 2,
    METHOD_FAST = 3,
    METHOD_LOCAL = 4,
    METHOD_STACKED = 5,
    METHOD_LABELS = 6
};

/* The last is no setting: what a lossy codec that takes its time asks for. */
enum { LEVEL_DENSE, LEVEL_FAST, LEVEL_MAX, LEVEL_LOCAL };
static const char *const levels[] = {"dense", "fast", "max", NULL};
static const medroi_parameter rows[] = {
    {"level", MEDROI_CHOICE, 0, 0, 0, 0, 2,
     "on scans \"fast\" is four to twelve times as fast as \"dense\" and 4 to 15 % larger, "
     "\"max\" ten to twenty times as slow and 1 to 8 % smaller",
     levels, NULL, "speed"},
};
const medroi_parameters medroi_predict3d_parameters = {
    .id = 5, .name = "predict3d", .n = 1, .rows = rows};

static int has_code(const medroi_block *block) {
    return memchr("biuf", block->kind, 4) != NULL && block->itemsize <= 8;
}

static medroi_status check(const medroi_block *region, const double *params, medroi_error *error) {
    if (!has_code(region))
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "predict3d codes bool, integers and real floats, not kind '%c' of %u "
                           "bytes; use zstd",
                           region->kind, (unsigned)region->itemsize);
    return medroi_check_params(&medroi_predict3d_parameters, params, error);
}

/* About 2 Mvoxel: shorter parts cost more than 0.5 % of the bytes. An even number of them, where
 * there are several, keeps two threads busy to the end. */
static int64_t part_extent(const medroi_block *region, const double *params) {
    (void)params;
    int64_t parts = medroi_count_parts(region, PART_VOXELS);
    parts += parts > 1 && (parts & 1);
    return (region->shape[0] + parts - 1) / parts;
}

static size_t bound(const medroi_block *part, const double *params) {
    (void)params;
    return medroi_block_nbytes(part) + 64;
}

static size_t store(const medroi_block *part, const void *data, uint8_t *dst) {
    dst[0] = METHOD_STORED;
    memcpy(dst + 1, data, medroi_block_nbytes(part));
    return 1 + medroi_block_nbytes(part);
}

static medroi_p3_part *part_new(const medroi_block *block) {
    medroi_p3_part *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->v = medroi_p3_shape(block);
    p->map.elements = *block;
    p->voxels = calloc((size_t)(p->v.slice * (p->v.depth + 1)), sizeof(int32_t));
    if (p->voxels)
        return p;
    free(p);
    return NULL;
}

static void part_free(medroi_p3_part *p) {
    if (p) {
        free(p->map.table);
        free(p->voxels);
    }
    free(p);
}

static void set_range(medroi_p3_part *p) {
    int64_t low = -(int64_t)(p->map.top / 2 + (p->map.top & 1));
    p->low = (int32_t)low;
    p->high = (int32_t)(low + (int64_t)p->map.top);
}

#define MOST_WAYS 4

/* One way to code a part. */
typedef struct way {
    int method;
    int set; /* of neighbours, of the local method */
} way;

static medroi_status encode_voxels(medroi_p3_part *p, way way, medroi_error *error) {
    switch (way.method) {
    case METHOD_FAST:
        return medroi_p3_encode_fast(p, error);
    case METHOD_LOCAL:
        return medroi_p3_encode_local(p, way.set, error);
    case METHOD_STACKED:
        return medroi_p3_encode_stacked(p, error);
    case METHOD_LABELS:
        return medroi_p3_encode_labels(p, error);
    default:
        return medroi_p3_encode_dense(p, error);
    }
}

/* Code into dst and bits, which have room for `limit` bytes behind the head; *nbytes is 0 where it
 * does not do. */
static medroi_status encode_part(medroi_p3_part *p, const medroi_block *part, const void *data,
                                 way way, size_t limit, uint8_t *dst, uint8_t *bits, size_t *nbytes,
                                 medroi_error *error) {
    *nbytes = 0;
    medroi_rc_encoder_init(&p->enc, dst + HEAD_NBYTES, limit);
    medroi_bits_writer_init(&p->put, bits, limit);
    p->limit = limit;
    medroi_p3_write_map(&p->map, &p->enc, &p->put);
    if (p->map.top > 0) {
        medroi_status status = encode_voxels(p, way, error);
        if (status != MEDROI_OK)
            return status;
    }
    medroi_p3_write_raw(&p->map, data, (int64_t)(medroi_block_nbytes(part) / part->itemsize),
                        &p->put);
    size_t n_range = medroi_rc_finish(&p->enc), n_bits = medroi_bits_finish(&p->put);
    if (p->enc.full || p->put.full || HEAD_NBYTES + n_range + n_bits > limit)
        return MEDROI_OK;
    dst[0] = (uint8_t)way.method;
    medroi_store32(dst + 1, (uint32_t)n_range);
    memcpy(dst + HEAD_NBYTES + n_range, bits, n_bits);
    *nbytes = HEAD_NBYTES + n_range + n_bits;
    return MEDROI_OK;
}

/* Whether a part may be a map of labels: of the voxels that have not the most frequent value, a
 * third or more equal the one before. */
static int may_be_labels(const medroi_p3_part *p, const medroi_block *part, const uint8_t *data) {
    size_t size = part->itemsize, n = medroi_block_nbytes(part) / size, seen = 0, equal = 0;
    size_t frequent = 0, lead = 0;
    for (size_t i = 1; i < n; i += SAMPLED_EVERY) {
        int is_frequent = memcmp(data + i * size, data + frequent * size, size) == 0;
        frequent = lead == 0 ? i : frequent;
        lead = lead == 0 || is_frequent ? lead + 1 : lead - 1;
    }
    for (size_t i = 1; i < n; i += SAMPLED_EVERY) {
        if (memcmp(data + i * size, data + frequent * size, size) == 0)
            continue;
        seen++;
        equal += memcmp(data + i * size, data + (i - 1) * size, size) == 0;
    }
    return p->map.top > 0 && p->map.raw_bits == 0 && 3 * equal >= seen;
}

/* The ways that a level tries; the smallest is kept, the first of equals. */
static int ways_of(const medroi_p3_part *p, int level, int is_labels, way ways[MOST_WAYS]) {
    int n = 0, is_fast = level == LEVEL_FAST && p->map.top >> 31 == 0;
    ways[n++] = (way){is_fast ? METHOD_FAST : METHOD_DENSE, 0};
    if (is_labels)
        ways[n++] = (way){METHOD_LABELS, 0};
    if (level == LEVEL_FAST || p->map.top == 0)
        return n;
    const int is_stacked = level == LEVEL_MAX && medroi_p3_stacked_serves(&p->v, p->map.top);
    const int sets[] = {0, 2}; /* the smallest and the largest set of neighbours */
    const int n_sets = level == LEVEL_DENSE || is_stacked ? 1 : 2;
    for (int i = 0; i < n_sets; i++)
        if (medroi_p3_local_serves(&p->v, p->map.top, sets[i]))
            ways[n++] = (way){METHOD_LOCAL, sets[i]};
    if (is_stacked)
        ways[n++] = (way){METHOD_STACKED, 0};
    return n;
}

/* Code a part whose map is known in the smallest of several ways: into dst, with room for `limit`
 * bytes and a head. `bits` and, for several ways, `tried` have room for as many. */
static medroi_status encode_ways(medroi_p3_part *p, const medroi_block *part, const void *data,
                                 const way *ways, int n_ways, size_t limit, uint8_t *dst,
                                 uint8_t *bits, uint8_t *tried, way *best, size_t *nbytes,
                                 medroi_error *error) {
    medroi_status status = MEDROI_OK;
    *nbytes = 0;
    *best = ways[0];
    set_range(p);
    if (p->map.top > 0) {
        medroi_p3_load(&p->map, &p->v, data, p->voxels);
        medroi_p3_margins(&p->v, p->voxels);
    }
    for (int i = 0; i < n_ways && status == MEDROI_OK; i++) {
        size_t found = 0, room = *nbytes > 0 ? *nbytes - 1 : limit;
        status =
            encode_part(p, part, data, ways[i], room, i > 0 ? tried : dst, bits, &found, error);
        if (found > 0) {
            if (i > 0)
                memcpy(dst, tried, found);
            *nbytes = found;
            *best = ways[i];
        }
    }
    return status;
}

/* The slices from the middle of a part that stand for it, or 0 where it is tried as a whole: an
 * eighth, but some that have both reference slices. */
static int64_t sample_extent(const medroi_block *part) {
    int64_t least = part->ndim > 2 ? 4 : 64, eighth = part->shape[0] / 8;
    int64_t n = eighth > least ? eighth : least;
    int large = medroi_block_nbytes(part) / part->itemsize > SAMPLED_VOXELS;
    return large && 2 * n <= part->shape[0] ? n : 0;
}

/* Find the smallest of the ways on a sample, which becomes the only one. There is room for `limit`
 * bytes, as for the part itself: the first way where a sample needs more. */
static medroi_status choose_way(const medroi_p3_part *p, const medroi_block *part, const void *data,
                                way *ways, int *n_ways, size_t limit, uint8_t *dst, uint8_t *bits,
                                uint8_t *tried, medroi_error *error) {
    medroi_block sample = *part;
    sample.shape[0] = sample_extent(part);
    if (sample.shape[0] == 0)
        return MEDROI_OK;
    size_t slice = medroi_block_nbytes(part) / (size_t)part->shape[0], nbytes;
    size_t first = (size_t)(part->shape[0] - sample.shape[0]) / 2;
    medroi_p3_part *s = part_new(&sample);
    if (!s)
        return medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for a sample");
    way best;
    size_t room = medroi_block_nbytes(&sample);
    room = room < limit ? room : limit;
    s->map = p->map;
    medroi_status status = encode_ways(s, &sample, (const uint8_t *)data + first * slice, ways,
                                       *n_ways, room, dst, bits, tried, &best, &nbytes, error);
    ways[0] = best;
    *n_ways = 1;
    s->map.table = NULL; /* the whole part's */
    part_free(s);
    return status;
}

/* Code a part in the smallest of its ways, of large parts that on a sample; *nbytes is 0 where none
 * needs at most `limit`. */
static medroi_status encode_smallest(medroi_p3_part *p, const medroi_block *part, const void *data,
                                     int level, size_t limit, uint8_t *dst, size_t *nbytes,
                                     medroi_error *error) {
    way ways[MOST_WAYS], best;
    int n_ways = ways_of(p, level, may_be_labels(p, part, data), ways);
    /* A second way is tried in a place of its own. */
    uint8_t *bits = malloc(limit), *tried = n_ways > 1 ? malloc(limit + HEAD_NBYTES) : NULL;
    medroi_status status = MEDROI_OK;
    *nbytes = 0;
    if (!bits || (n_ways > 1 && !tried)) {
        status = medroi_fail(error, MEDROI_NO_MEMORY,
                             "predict3d: no memory for %zu bytes of voxels", limit);
        goto done;
    }
    if (n_ways > 1)
        status = choose_way(p, part, data, ways, &n_ways, limit, dst, bits, tried, error);
    if (status == MEDROI_OK)
        status =
            encode_ways(p, part, data, ways, n_ways, limit, dst, bits, tried, &best, nbytes, error);
done:
    free(bits);
    free(tried);
    return status;
}

/* *nbytes is 0 where no way needs at most `limit`. */
static medroi_status encode_level(const medroi_block *part, const void *data, int level,
                                  size_t limit, uint8_t *dst, size_t *nbytes, medroi_error *error) {
    medroi_p3_part *p = part_new(part);
    *nbytes = 0;
    if (!p)
        return medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for %zu bytes of voxels",
                           medroi_block_nbytes(part));
    medroi_status status = medroi_p3_find_map(part, data, &p->map, error);
    if (status == MEDROI_OK)
        status = encode_smallest(p, part, data, level, limit, dst, nbytes, error);
    part_free(p);
    return status;
}

static medroi_status encode(const medroi_block *part, const void *data, const uint8_t *kept,
                            const double *params, uint8_t *dst, size_t capacity, size_t *nbytes,
                            medroi_error *error) {
    (void)kept;
    if (capacity < bound(part, params))
        return medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for %zu bytes of voxels",
                           medroi_block_nbytes(part));
    medroi_status status =
        encode_level(part, data, (int)params[0], medroi_block_nbytes(part), dst, nbytes, error);
    if (status == MEDROI_OK && *nbytes == 0)
        *nbytes = store(part, data, dst);
    return status;
}

medroi_status medroi_p3_encode_within(const medroi_block *part, const void *data, int is_patient,
                                      size_t limit, uint8_t *dst, size_t *nbytes,
                                      medroi_error *error) {
    return encode_level(part, data, is_patient ? LEVEL_LOCAL : LEVEL_DENSE, limit, dst, nbytes,
                        error);
}

static medroi_status decode_part(medroi_p3_part *p, int method, void *dst, medroi_error *error) {
    medroi_status status = medroi_p3_read_map(&p->map, &p->dec, &p->get, error);
    if (status != MEDROI_OK)
        return status;
    set_range(p);
    if (p->map.top > 0)
        status = method == METHOD_FAST      ? medroi_p3_decode_fast(p, error)
                 : method == METHOD_LOCAL   ? medroi_p3_decode_local(p, error)
                 : method == METHOD_STACKED ? medroi_p3_decode_stacked(p, error)
                 : method == METHOD_LABELS  ? medroi_p3_decode_labels(p, error)
                                            : medroi_p3_decode_dense(p, error);
    if (status != MEDROI_OK)
        return status;
    medroi_p3_store(&p->map, &p->v, p->voxels, &p->get, dst);
    if (!medroi_rc_finished(&p->dec) || !medroi_bits_finished(&p->get))
        return medroi_p3_corrupt(error, "the voxels do not end where their bytes do");
    return MEDROI_OK;
}

static medroi_status decode(const medroi_block *part, const uint8_t *src, size_t nbytes, void *dst,
                            medroi_error *error) {
    if (!has_code(part))
        return medroi_p3_corrupt(error, "no part has elements of this kind and size");
    if (nbytes > 0 && src[0] == METHOD_STORED) {
        if (nbytes - 1 != medroi_block_nbytes(part))
            return medroi_p3_corrupt(error, "stored voxels have another length than their part");
        memcpy(dst, src + 1, nbytes - 1);
        return MEDROI_OK;
    }
    if (nbytes > 0 && src[0] != METHOD_DENSE && (src[0] < METHOD_FAST || src[0] > METHOD_LABELS))
        return medroi_fail(
            error, MEDROI_CORRUPT_STREAM,
            "predict3d: a part has the unknown method %u, expected 0 (dense), "
            "2 (stored), 3 (fast), 4 (local), 5 (stacked) or 6 (labels); the payload is "
            "damaged, or a later version of MedROI wrote it",
            (unsigned)src[0]);
    if (nbytes < HEAD_NBYTES)
        return medroi_p3_corrupt(error, "a part is cut off");
    size_t n_range = medroi_load32(src + 1), left = nbytes - HEAD_NBYTES;
    if (n_range > left)
        return medroi_p3_corrupt(error, "a part is cut off");
    medroi_p3_part *p = part_new(part);
    if (!p)
        return medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for %zu bytes of voxels",
                           medroi_block_nbytes(part));
    medroi_rc_decoder_init(&p->dec, src + HEAD_NBYTES, n_range);
    medroi_bits_reader_init(&p->get, src + HEAD_NBYTES + n_range, left - n_range);
    medroi_status status = decode_part(p, src[0], dst, error);
    part_free(p);
    return status;
}

const medroi_inner medroi_predict3d = {.id = 5,
                                       .name = "predict3d",
                                       .check = check,
                                       .part_extent = part_extent,
                                       .bound = bound,
                                       .encode = MEDROI_ENCODER(encode),
                                       .decode = decode};
